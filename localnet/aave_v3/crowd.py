"""A crowd on a standard market: any number of accounts, each with a life of its own, made fast.

About a thousand actions go into one transaction of `contracts/Crowd.sol`, whose puppets are the
users; `localnet.aave_v3.crowd_plan` says what they do. Between the waves days pass and prices move,
at last prices fall, and some of those who fell below 1 are liquidated.
"""

from __future__ import annotations

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from localnet.aave_v3.crowd_kinds import WAVES, Asset, Life
from localnet.aave_v3.crowd_plan import Plan
from localnet.aave_v3.listing import LIQUIDATOR_BALANCE
from localnet.aave_v3.market import Market
from localnet.aave_v3.standard import LISTINGS
from localnet.anvil import MAX_GAS
from localnet.evm import DEPLOYER, Contract, Reverted
from localnet.solc import own
from margin.basics import Address
from margin.errors import LocalnetError

SEED = 20_260_807
DAY = 86_400
DAYS = (6, 7, 5, 2)
"""Between the waves, and before the fall."""
WEATHER_BPS = (-130, 190, -85)
"""What prices do between the waves; each asset a little of its own, stablecoins a hundredth."""
FALLS_BPS = {
    "WETH": 9_00,
    "wstETH": 9_30,
    "cbETH": 9_10,
    "rETH": 9_20,
    "WBTC": 6_00,
    "LINK": 15_00,
    "CRV": 52_00,
    "SNX": 20_00,
}
"""What prices lose at the end."""
STABLECOINS = ("USDC", "DAI", "EURS")
LIQUIDITY_PERCENT = 160
"""What the whale adds to each reserve, of all that the crowd borrows from it."""

ACTIONS_AT_ONCE = 1_000
"""A transaction: none takes 400,000 gas, so they stay below `MAX_GAS`."""
ACCOUNTS_AT_ONCE = 5_000
REFUSED = "0x" + keccak(text="Refused(uint256,uint256,bytes)").hex()
"""Topic of the event that tells a refused action."""
REFUSED_PERCENT = 2
"""No more than that: the plan would be wrong."""


def populate(market: Market, accounts: int, seed: int = SEED) -> list[Address]:
    """Makes a crowd on a standard market (`standard.list_all`, `add_liquidity`); all its addresses.

    The same for the same seed. The emptied ones are in the list too; it is also kept in
    `market.crowd`. Raises LocalnetError when the market refuses more than a few actions.
    """
    known = market.core.version
    prices = _prices(market)
    plan = Plan(
        _assets(market, prices),
        accounts,
        seed,
        stable_rate=known.stable_rate,
        staked_price=not known.liquid_emodes,
    )
    crowd = _deploy(market, accounts)
    _add_liquidity(market, plan)
    refused = sum(map(len, plan.actions)) * REFUSED_PERCENT // 100
    for wave in range(WAVES):
        if wave:
            _move(market, prices, wave)
        words = plan.actions[wave]
        for first in range(0, len(words), ACTIONS_AT_ONCE):
            refused -= _play(crowd, "play", words[first : first + ACTIONS_AT_ONCE])
        if refused < 0:
            raise LocalnetError(f"Aave v{market.version} refused too many actions of the crowd")
    _move(market, prices, WAVES)
    market.crowd = _addresses(crowd, accounts)
    for life in plan.lives:
        if life.kind == "liquidated":
            _liquidate(market, life, market.crowd[life.number])
    return market.crowd


def _prices(market: Market) -> dict[str, list[int]]:
    """Symbol → raw answers of its feed at each wave, and after the fall."""
    paths = {}
    for place, symbol in enumerate(market.reserves):
        path = [int(market.feed(symbol).call("latestAnswer"))]
        divisor = 100_00 * (100 if symbol in STABLECOINS else 1)
        for wave, move in enumerate(WEATHER_BPS):
            own_move = move + 7 * (place - 3 * wave)
            path.append(path[-1] + path[-1] * own_move // divisor)
        path.append(path[-1] - path[-1] * FALLS_BPS.get(symbol, 0) // 100_00)
        paths[symbol] = path
    return paths


def _assets(market: Market, prices: dict[str, list[int]]) -> dict[str, Asset]:
    terms = {line.symbol: line.terms for line in LISTINGS}
    return {
        symbol: Asset(
            place,
            reserve.unit,
            terms[symbol]["ltv"],
            terms[symbol]["liquidation_threshold"],
            [price / 10**8 for price in prices[symbol]],
        )
        for place, (symbol, reserve) in enumerate(market.reserves.items())
    }


def _deploy(market: Market, accounts: int) -> Contract:
    """The crowd's contract with all its accounts, and with tokens to give."""
    reserves = market.reserves.values()
    tokens = [reserve.token for reserve in reserves], [reserve.a_token for reserve in reserves]
    crowd = market.evm.deploy(own("Crowd"), market.pool.address, *tokens)
    for symbol in market.reserves:
        market.token(symbol).send("mint", crowd.address, LIQUIDATOR_BALANCE)
    for first in range(0, accounts, ACCOUNTS_AT_ONCE):
        _play(crowd, "join", first, min(accounts, first + ACCOUNTS_AT_ONCE))
    return crowd


def _add_liquidity(market: Market, plan: Plan) -> None:
    """The whale supplies what the crowd will borrow, and more."""
    for symbol, amount in plan.borrowed.items():
        if amount:
            market.supply(market.cast["whale"], symbol, amount * LIQUIDITY_PERCENT // 100)


def _move(market: Market, prices: dict[str, list[int]], wave: int) -> None:
    """Days pass, and every feed publishes its price of that wave."""
    market.warp(DAYS[wave - 1] * DAY)
    for symbol, path in prices.items():
        market.set_price(symbol, path[wave])


def _play(crowd: Contract, name: str, *arguments: object) -> int:
    """Sends one transaction; how many actions were refused in it."""
    data = crowd.function(name, len(arguments)).encode(arguments)
    # Not by `Contract.send`, which tries first: that would do all the work twice.
    request = {"from": DEPLOYER, "to": crowd.address, "data": "0x" + data.hex()}
    request |= {"gas": hex(MAX_GAS), "gasPrice": "0x0"}
    receipt = crowd.evm.anvil.request("eth_sendTransactionSync", request)
    if receipt["status"] != "0x1":
        raise Reverted(f"Crowd.{name}", "")
    return sum(log["topics"][0] == REFUSED for log in receipt["logs"])


def _addresses(crowd: Contract, accounts: int) -> list[Address]:
    """Of all accounts, as `Crowd.addressOf` computes them (EIP-1014)."""
    head = b"\xff" + bytes.fromhex(crowd.address[2:])
    tail = bytes(crowd.call("codeHash"))
    hashes = (keccak(head + number.to_bytes(32, "big") + tail) for number in range(accounts))
    return [Address(to_checksum_address(hashed[12:])) for hashed in hashes]


def _liquidate(market: Market, life: Life, user: Address) -> None:
    """The standing liquidator takes what it may; every other time as aTokens."""
    collateral, debt = *life.supplies, *life.debts
    market.liquidate(collateral, debt, user, receive_a_token=life.number % 2 == 0)

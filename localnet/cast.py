"""Wallets that live on a standard market, one for each kind of situation.

    comfortable        far from liquidation
    edge               health factor about 1.02
    exact              health factor exactly 1e18 by the contract's own view at the newest block
    liquidatable       a little below 1, one collateral, one debt
    liquidatable_many  well below 0.95, two collaterals, two debts
    insolvent          collateral worth less than debt
    emode_loop         staked ether against ether, looped, in an e-mode
    emode_stable       one stablecoin against another, in an e-mode
    emode_staked       in an e-mode which before v3.2 has a price source of its own
    isolated           isolated collateral under a debt ceiling (v3.7: in an isolated e-mode)
    dust_debt          one raw unit of a 6-decimals token owed
    wei_debt           one wei owed: less than the smallest unit of the oracle's prices
    unused_supply      a supply that is not enabled as collateral, and debt against another
    many_assets        six supplies, four debts
    stable_borrower    stable-rate and variable debt (v3.0.2)
    no_debt            supplies only
    no_position        nothing at all
    whale, whale_borrower   the market's liquidity and its use

The market is lived in: days pass between actions, prices move, interest accrues. Addresses come
from the names, so they are the same on every market.
"""

from __future__ import annotations

from math import gcd

from localnet.aave_v3.market import STABLE, Market
from localnet.aave_v3.standard import ETH_EMODE, ISOLATED_EMODE, STABLE_EMODE, STAKED_EMODE, raw_of, wallet
from localnet.evm import Reverted
from margin.basics import Address
from margin.errors import LocalnetError

DAY = 86_400
WAD = 10**18
BPS = 100_00

# Daily moves of every price, in bps of the day before: a quiet fortnight.
WEATHER = (35, -80, 120, -45, 60, -150, 90, 15, -70, 40)


def play(market: Market) -> dict[str, Address]:
    """Lets the cast live on a standard market; name → address, also kept in `market.cast`."""
    market.warp(3 * DAY)
    _open_plain(market)
    _pass_days(market, WEATHER[:4])
    _open_emodes(market)
    _pass_days(market, WEATHER[4:7])
    _open_special(market)
    _pass_days(market, WEATHER[7:])
    _open_doomed(market)
    market.warp(DAY // 2)
    _fall(market, "LINK", 12_00)
    _fall(market, "CRV", 52_00)
    settle_at_edge(market)
    market.cast["no_position"] = wallet("no_position")
    return market.cast


def _join(market: Market, name: str) -> Address:
    market.cast[name] = wallet(name)
    return market.cast[name]


def _supply(market: Market, user: str, symbol: str, usd: float) -> None:
    market.supply(user, symbol, raw_of(market, symbol, usd))


def _borrow(market: Market, user: str, symbol: str, usd: float) -> None:
    market.borrow(user, symbol, raw_of(market, symbol, usd))


def _open_plain(market: Market) -> None:
    user = _join(market, "comfortable")
    _supply(market, user, "WETH", 40_000)
    _supply(market, user, "WBTC", 25_000)
    _borrow(market, user, "USDC", 18_000)
    user = _join(market, "edge")
    _supply(market, user, "WETH", 60_000)
    _borrow(market, user, "USDC", 40_000)
    user = _join(market, "exact")
    _supply(market, user, "WETH", 30_000)
    _borrow(market, user, "DAI", 15_000)
    user = _join(market, "no_debt")
    _supply(market, user, "WBTC", 12_000)
    _supply(market, user, "USDC", 3_000)


def _open_emodes(market: Market) -> None:
    user = _join(market, "emode_loop")
    market.enter_emode(user, ETH_EMODE)
    stake = 50_000.0
    for _ in range(4):
        # What is borrowed buys the next round's collateral (outside this market).
        _supply(market, user, "wstETH", stake)
        stake *= 0.88
        _borrow(market, user, "WETH", stake)
    user = _join(market, "emode_stable")
    market.enter_emode(user, STABLE_EMODE)
    _supply(market, user, "USDC", 100_000)
    _borrow(market, user, "DAI", 86_000)
    user = _join(market, "emode_staked")
    market.enter_emode(user, STAKED_EMODE)
    _supply(market, user, "cbETH", 80_000)
    _borrow(market, user, "rETH", 60_000)


def _open_special(market: Market) -> None:
    user = _join(market, "isolated")
    if not market.core.version.isolation_mode:
        market.enter_emode(user, ISOLATED_EMODE)
    _supply(market, user, "SNX", 20_000)
    market.use_as_collateral(user, "SNX", True)
    _borrow(market, user, "USDC", 7_000)
    user = _join(market, "dust_debt")
    _supply(market, user, "WETH", 500)
    market.borrow(user, "USDC", 1)
    user = _join(market, "wei_debt")
    _supply(market, user, "WETH", 500)
    market.borrow(user, "DAI", 1)
    user = _join(market, "unused_supply")
    _supply(market, user, "WETH", 20_000)
    _supply(market, user, "USDC", 30_000)
    market.use_as_collateral(user, "USDC", False)
    _borrow(market, user, "DAI", 12_000)
    user = _join(market, "many_assets")
    for symbol, usd in (
        ("WETH", 9e3),
        ("wstETH", 8e3),
        ("WBTC", 7e3),
        ("USDC", 6e3),
        ("DAI", 5e3),
        ("LINK", 4e3),
    ):
        _supply(market, user, symbol, usd)
    for symbol, usd in (("rETH", 5e3), ("CRV", 1e3), ("USDC", 7e3), ("DAI", 6e3)):
        _borrow(market, user, symbol, usd)
    if market.core.version.stable_rate:
        user = _join(market, "stable_borrower")
        _supply(market, user, "WETH", 25_000)
        market.borrow(user, "USDC", raw_of(market, "USDC", 9_000), STABLE)
        _borrow(market, user, "DAI", 4_000)


def _open_doomed(market: Market) -> None:
    """Wallets that the fall of LINK and CRV will hit."""
    user = _join(market, "liquidatable")
    _supply(market, user, "LINK", 50_000)
    _borrow(market, user, "USDC", 30_000)
    lower_health(market, user, "LINK", 110 * WAD // 100)
    user = _join(market, "liquidatable_many")
    _supply(market, user, "LINK", 30_000)
    _supply(market, user, "CRV", 20_000)
    _borrow(market, user, "WBTC", 9_000)
    _borrow(market, user, "DAI", 16_000)
    lower_health(market, user, "LINK", 105 * WAD // 100)
    user = _join(market, "insolvent")
    _supply(market, user, "CRV", 40_000)
    _borrow(market, user, "USDC", 18_000)
    lower_health(market, user, "CRV", 104 * WAD // 100)


def settle_at_edge(market: Market) -> None:
    """Puts `edge` and `exact` where they belong: last, because interest moves them away again."""
    for name in ("edge", "exact"):
        _supply(market, market.cast[name], "WETH", 5_000)  # enough to be healthy after weeks of interest
    lower_health(market, market.cast["edge"], "WETH", 102 * WAD // 100)
    make_exact(market, market.cast["exact"], "WETH", "DAI")


def _pass_days(market: Market, moves_bps: tuple[int, ...]) -> None:
    """A day for each move: every feed publishes a round, stablecoins move a hundredth as much."""
    for day, move in enumerate(moves_bps):
        market.warp(DAY)
        for place, symbol in enumerate(market.reserves):
            feed = market.feed(symbol)
            price = int(feed.call("latestAnswer"))
            own_move = move + 7 * (place - day)
            divisor = BPS * 100 if symbol in ("USDC", "DAI", "EURS") else BPS
            feed.send("setAnswer", price + price * own_move // divisor)


def _fall(market: Market, symbol: str, by_bps: int) -> None:
    price = int(market.feed(symbol).call("latestAnswer"))
    market.set_price(symbol, price - price * by_bps // BPS)


def lower_health(market: Market, user: str, symbol: str, target_wad: int) -> None:
    """Withdraws collateral until the health factor is about `target_wad` (1e18 scale, above 1).

    Right for wallets whose other collateral has about the same threshold; LocalnetError when
    there is nothing to withdraw for it.
    """
    reserve = market.reserves[symbol]
    held = market.balance(reserve.a_token, user)
    low, high = 0, held
    # The protocol is asked, not modelled: the most that can be withdrawn with health above target.
    for _ in range(60):
        middle = (low + high) // 2
        snapshot = market.anvil.snapshot()
        enough = _withdraws_to(market, user, symbol, middle) >= target_wad
        market.anvil.revert(snapshot)
        low, high = (middle, high) if enough else (low, middle)
        if high - low <= max(1, held >> 30):
            break
    if low == 0:
        raise LocalnetError(f"{symbol} cannot be withdrawn down to that health")
    market.withdraw(user, symbol, low)


def make_exact(market: Market, user: str, collateral: str, debt: str) -> None:
    """Borrows and withdraws a little until the health factor is exactly 1e18.

    For a wallet with this one collateral and this one debt. True at this timestamp only: the next
    second's interest moves it. Raises LocalnetError if it does not come out.
    """
    _, owed, _, threshold, _, _ = market.account_data(user)
    # collateral · threshold / 1e4 = debt in whole units needs a debt divisible by this:
    step = threshold // gcd(threshold, BPS)
    target = owed - owed % step + 2 * step
    for _ in range(20):
        lacking = target - owed
        if lacking == 0:
            break
        if lacking < 0:
            target += step
            continue
        market.borrow(user, debt, _raw_per_base(market, debt, lacking))
        owed = market.account_data(user)[1]
    keep = (
        _raw_per_base(market, collateral, target * BPS // threshold)
        + _raw_per_base(market, collateral, 1) // 2
    )
    held = market.balance(market.reserves[collateral].a_token, user)
    market.withdraw(user, collateral, held - keep)
    if market.health_factor(user) != WAD:
        raise LocalnetError("the health factor of the exact wallet is not 1")


def _withdraws_to(market: Market, user: str, symbol: str, amount_raw: int) -> int:
    """The health factor after a withdrawal, 0 if it is refused."""
    try:
        market.withdraw(user, symbol, amount_raw)
    except Reverted:
        return 0
    return market.health_factor(user)


def _raw_per_base(market: Market, symbol: str, base: int) -> int:
    """The raw amount worth `base` units of 1e-8 USD, rounded up."""
    price = int(market.oracle.call("getAssetPrice", market.reserves[symbol].token))
    return -(-base * market.reserves[symbol].unit // price)

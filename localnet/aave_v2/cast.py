"""Wallets that live on a standard Aave v2 market, one for each kind of situation.

comfortable       far from liquidation
edge              health factor about 1.02
exact             health factor exactly 1e18 by the contract's own view at the newest block
liquidatable      a little below 1
insolvent         collateral worth less than debt
stable_borrower   stable-rate and variable debt of one token
dust_debt         one raw unit of a 6-decimals token owed
unused_supply     a supply that is not enabled as collateral, and debt against another
many_assets       four supplies, three debts
no_debt           supplies only
no_position       nothing at all
whale, whale_borrower   the market's liquidity and its use
"""

from __future__ import annotations

from localnet.aave_v2.market import STABLE, Market
from localnet.aave_v2.standard import raw_of, wallet
from localnet.evm import Reverted
from margin.basics import Address
from margin.errors import LocalnetError

DAY = 86_400
WAD = 10**18
BPS = 100_00
WEATHER_BPS = (35, -80, 120, -45, 60, -150, 90, 15, -70, 40)
"""Daily moves of every price."""


def play(market: Market) -> dict[str, Address]:
    """Lets the cast live on a standard market; name → address, also kept in `market.cast`."""
    market.warp(3 * DAY)
    _open(market)
    for day, move in enumerate(WEATHER_BPS):
        market.warp(DAY)
        for place, symbol in enumerate(s for s, reserve in market.reserves.items() if reserve.feed):
            price = market.price(symbol)
            market.set_price(symbol, price + price * (move + 7 * (place - day)) // BPS)
    _lower_health(market, market.cast["liquidatable"], "LINK", 110 * WAD // 100)
    _lower_health(market, market.cast["insolvent"], "CRV", 104 * WAD // 100)
    market.set_price("LINK", market.price("LINK") * 88 // 100)
    market.set_price("CRV", market.price("CRV") * 48 // 100)
    _lower_health(market, market.cast["edge"], "WETH", 102 * WAD // 100)
    _make_exact(market, market.cast["exact"])
    market.cast["no_position"] = wallet("no_position")
    return market.cast


def _open(market: Market) -> None:
    def wants(name: str, supplies: dict[str, float], borrows: dict[str, float]) -> Address:
        user = market.cast[name] = wallet(name)
        for symbol, ether in supplies.items():
            market.supply(user, symbol, raw_of(market, symbol, ether))
        for symbol, ether in borrows.items():
            market.borrow(user, symbol, raw_of(market, symbol, ether))
        return user

    wants("comfortable", {"WETH": 20, "WBTC": 12}, {"USDC": 9})
    wants("edge", {"WETH": 30}, {"USDC": 18})
    wants("exact", {"WETH": 40}, {"DAI": 20})
    wants("liquidatable", {"LINK": 25}, {"USDC": 14})
    wants("insolvent", {"CRV": 20}, {"USDC": 7})
    user = wants("stable_borrower", {"WETH": 12}, {"USDC": 2})
    market.borrow(user, "USDC", raw_of(market, "USDC", 4), STABLE)
    user = wants("dust_debt", {"WETH": 1}, {})
    market.borrow(user, "USDC", 1)
    user = wants("unused_supply", {"WETH": 10, "USDC": 15}, {})
    market.use_as_collateral(user, "USDC", False)
    market.borrow(user, "DAI", raw_of(market, "DAI", 6))
    wants("many_assets", {"WETH": 4, "stETH": 4, "WBTC": 3, "DAI": 2}, {"CRV": 1, "GUSD": 2, "USDC": 3})
    wants("no_debt", {"WBTC": 6, "USDC": 1.5}, {})


def _lower_health(market: Market, user: str, symbol: str, target_wad: int) -> None:
    """Withdraws collateral until the health factor is about `target_wad` (1e18 scale, above 1)."""
    held = market.balance(market.reserves[symbol].a_token, user)
    low, high = 0, held
    # The protocol is asked, not modelled: the most that can be withdrawn with health above target.
    while high - low > max(1, held >> 30):
        middle = (low + high) // 2
        with market.anvil.undone():
            try:
                market.withdraw(user, symbol, middle)
                enough = market.health_factor(user) >= target_wad
            except Reverted:
                enough = False
        low, high = (middle, high) if enough else (low, middle)
    if low == 0:
        raise LocalnetError(f"{symbol} cannot be withdrawn down to that health")
    market.withdraw(user, symbol, low)


def _make_exact(market: Market, user: str) -> None:
    """Withdraws ether until the health factor is exactly 1e18, at this timestamp only."""
    _, owed, _, threshold, _, _ = market.account_data(user)
    held = market.balance(market.reserves["WETH"].a_token, user)
    for more in range(8):
        with market.anvil.undone():
            try:
                market.withdraw(user, "WETH", held - (owed * BPS // threshold + more))
            except Reverted:
                continue
            if market.health_factor(user) != WAD:
                continue
        market.withdraw(user, "WETH", held - (owed * BPS // threshold + more))
        return
    raise LocalnetError("the health factor of the exact wallet is not 1")

"""Wallets that live on the standard Comet, one for each kind of situation.

    comfortable     two collaterals, far from liquidation
    edge            all that could be borrowed was; the first fall of some percent liquidates it
    stored_only     liquidatable once interest is booked, and not by the contract's view: see `sleep`
    liquidatable    a little below what it owes, one collateral
    many            four collaterals, liquidatable
    insolvent       collateral worth less than the debt: the reserves pay what is left
    lender          lends only
    both            lends, and holds collateral that backs nothing
    collateral_only supplied collateral, and owes nothing
    no_position     nothing at all
    whale, whale_borrower   the market's liquidity and its use

Days pass between actions, prices move, interest accrues.
"""

from __future__ import annotations

from localnet.compound_v3.market import Comet
from localnet.compound_v3.standard import BASE, wallet
from localnet.evm import Reverted
from margin.basics import Address

DAY = 86_400
WEATHER_BPS = (35, -80, 120, -45, 60, -150, 90)
"""Daily moves of every collateral's price."""


def play(market: Comet) -> dict[str, Address]:
    """Lets the cast live; name → address, also kept in `market.cast`."""
    market.warp(3 * DAY)
    _open(market, "comfortable", {"WETH": 10 * 10**18, "WBTC": 10**8}, 4_000)
    market.supply(_join(market, "lender"), BASE, 12_345_678_901)
    both = _join(market, "both")
    market.supply(both, BASE, 5_000_000_000)
    market.supply(both, "LINK", 300 * 10**18)
    market.supply(_join(market, "collateral_only"), "wstETH", 7 * 10**18)
    _pass_days(market, WEATHER_BPS)
    _open(market, "liquidatable", {"LINK": 3_000 * 10**18}, 9_990)
    many = {"LINK": 900 * 10**18, "COMP": 300 * 10**18, "USDT": 5_000 * 10**6, "wstETH": 10**18}
    _open(market, "many", many, 9_990)
    _open(market, "insolvent", {"COMP": 800 * 10**18}, 9_990)
    market.warp(DAY // 2)
    _move(market, "LINK", -1_400)
    _move(market, "COMP", -4_200)
    _open(market, "edge", {"WETH": 11 * 10**18}, 10_000)
    _join(market, "no_position")
    sleep(market)
    return market.cast


def max_borrow(market: Comet, user: str) -> int:
    """The most base that the contract lets the user borrow more now, by asking it; raw, 0 for none."""
    low, high = 0, 2**100
    while high - low > 1:
        middle = (low + high) // 2
        try:
            market.comet.call("withdraw", market.tokens[market.base], middle, sender=user)
        except Reverted as refusal:
            if refusal.reason == "BorrowTooSmall":
                low = middle
                continue
            high = middle
        else:
            low = middle
    return low


def sleep(market: Comet) -> None:
    """Puts `stored_only` there: the price falls to where the stored debt is just carried, and a day passes.

    Nothing is booked in that day, so the contract's own view goes on as before.
    """
    user = _open(market, "stored_only", {"WBTC": 2 * 10**8}, 9_999)
    low, high = 0, market.price("WBTC")
    while high - low > 1:
        middle = (low + high) // 2
        market.set_price("WBTC", middle)
        low, high = (middle, high) if market.comet.call("isLiquidatable", user) else (low, middle)
    market.set_price("WBTC", high)
    market.warp(DAY)


def _join(market: Comet, name: str) -> Address:
    market.cast[name] = wallet(name)
    return market.cast[name]


def _open(market: Comet, name: str, supplies: dict[str, int], share_bps: int) -> Address:
    """Supplies, and borrows a share of what it then can."""
    user = _join(market, name)
    for symbol, amount_raw in supplies.items():
        market.supply(user, symbol, amount_raw)
    market.withdraw(user, BASE, max_borrow(market, user) * share_bps // 10_000)
    return user


def _pass_days(market: Comet, moves_bps: tuple[int, ...]) -> None:
    for move in moves_bps:
        market.warp(DAY)
        for symbol in ("WETH", "WBTC", "wstETH", "LINK", "COMP"):
            _move(market, symbol, move)


def _move(market: Comet, symbol: str, by_bps: int) -> None:
    price_raw = market.price(symbol)
    market.set_price(symbol, price_raw + price_raw * by_bps // 10_000)

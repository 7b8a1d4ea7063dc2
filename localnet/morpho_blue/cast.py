"""Wallets that live on the standard Morpho Blue, one for each kind of situation.

    comfortable     far from liquidation
    edge            the last unit that could be borrowed was, and no second has passed since
    liquidatable    a little below what it owes
    insolvent       collateral worth less than the debt: what is left after liquidation is bad debt
    dust_debt       one raw unit owed
    spread          accounts in four markets at once, one of them a lender's
    lender          lends only
    collateral_only supplied collateral, and owes nothing
    no_interest     in the market without an interest-rate model
    no_position     nothing at all
    whale, whale_borrower   the venue's liquidity and its use

Days pass between actions, prices move, interest accrues and the adaptive curves adapt.
"""

from __future__ import annotations

from localnet.evm import Reverted
from localnet.morpho_blue.standard import LINES, WAD, wallet
from localnet.morpho_blue.venue import MorphoBlue
from margin.basics import Address

DAY = 86_400
WEATHER_BPS = (35, -80, 120, -45, 60, -150, 90)
"""Daily moves of every price."""


def play(venue: MorphoBlue) -> dict[str, Address]:
    """Lets the cast live; name → address, also kept in `venue.cast`."""
    venue.warp(3 * DAY)
    _open(venue, "comfortable", "WETH/USDC", tokens=20, share_bps=4_000)
    _open(venue, "spread", "wstETH/WETH", tokens=50, share_bps=9_000)
    _open(venue, "spread", "WBTC/DAI", tokens=2, share_bps=6_000)
    _open(venue, "spread", "WETH/USDC low", tokens=3, share_bps=5_000)
    venue.supply(venue.cast["spread"], "LINK/WETH", 7 * 10**18)
    _pass_days(venue, WEATHER_BPS[:3])
    _open(venue, "dust_debt", "WETH/USDC", tokens=1, share_bps=0)
    _open(venue, "no_interest", "WETH/DAI no interest", tokens=4, share_bps=7_000)
    venue.cast["lender"] = wallet("lender")
    venue.supply(venue.cast["lender"], "WBTC/DAI", 12_345 * 10**18)
    venue.cast["collateral_only"] = wallet("collateral_only")
    venue.supply_collateral(venue.cast["collateral_only"], "LINK/WETH", 10**20)
    _pass_days(venue, WEATHER_BPS[3:])
    _open(venue, "liquidatable", "LINK/WETH", tokens=3_000, share_bps=9_990)
    _open(venue, "insolvent", "SHIB/USDC", tokens=10**9, share_bps=9_990)
    venue.warp(DAY // 2)
    _move(venue, "LINK/WETH", -300)
    _move(venue, "SHIB/USDC", -4_500)
    _open(venue, "edge", "WETH/USDC", tokens=11, share_bps=10_000)
    venue.cast["no_position"] = wallet("no_position")
    return venue.cast


def max_borrow(venue: MorphoBlue, name: str, user: str) -> int:
    """The most that the contract lets the user owe now, by asking it: raw loan units, 0 for none."""
    low, high = 0, 2**127
    while high - low > 1:
        middle = (low + high) // 2
        arguments = venue.markets[name].params, middle, 0, user, user
        try:
            venue.morpho.call("borrow", *arguments, sender=user)
        except Reverted as refusal:
            if refusal.reason == "insufficient liquidity":  # healthy, but there is not so much
                low = middle
                continue
            high = middle
        else:
            low = middle
    return low


def _open(venue: MorphoBlue, who: str, name: str, *, tokens: int, share_bps: int) -> None:
    """Collateral, and a share of what can be borrowed on it, at least one raw unit."""
    user = venue.cast[who] = wallet(who)
    venue.supply_collateral(user, name, tokens * 10 ** venue.markets[name].collateral_decimals)
    venue.borrow(user, name, max(1, max_borrow(venue, name, user) * share_bps // 10_000))


def _pass_days(venue: MorphoBlue, moves_bps: tuple[int, ...]) -> None:
    for move in moves_bps:
        venue.warp(DAY)
        for line in LINES:
            _move(venue, line.name, move // 20 if line.name == "wstETH/WETH" else move)


def _move(venue: MorphoBlue, name: str, by_bps: int) -> None:
    oracle = venue.oracle(venue.markets[name].oracle)
    answer_raw = int(oracle.call("price"))
    oracle.send("setPrice", answer_raw + answer_raw * by_bps // 10_000)


__all__ = ["DAY", "WAD", "max_borrow", "play"]

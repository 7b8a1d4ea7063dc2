"""A scan as a value, made up but plausible: the outputs are functions of it alone."""

from __future__ import annotations

import random

from chain.abi import to_address
from checker.bands import Band
from checker.book.view import (
    Completeness,
    CurvePoint,
    Effort,
    ReserveTotal,
    Scan,
    ScannedAccount,
    by_risk,
)
from margin.basics import Address, BlockRef, Reason, Unread

BLOCK = BlockRef("local", 31337, 4321, "0x" + "ab" * 32, 1_700_000_000)
EFFORT = Effort(
    requests=57, seconds=3.21, storage="eth_getStorageValues", calls="multicall", bytes_per_account=412,
    peak_bytes=321 * 10**6, decided_exactly=123,
)  # fmt: skip
FALLS = {"market": 1.0, "ETH": 0.7, "BTC": 0.35, "LINK": 0.04, "AAVE": 0.011, "0x" + "5" * 40: 0.009}
"""How much of the book hangs on each direction."""


def address(number: int) -> Address:
    return to_address("0x" + random.Random(number).randbytes(20).hex())


def account(
    number: int,
    *,
    health: float | None = 1.5,
    collateral_usd: float | None = 10_000.0,
    band: Band | None = None,
    blocked: str | None = None,
    agrees: bool | None = None,
    unread: Unread | None = None,
) -> ScannedAccount:
    name = address(number)
    known = unread is None
    requirement_raw = round((collateral_usd or 0) * 0.8 * 1e8 / health) if health else 0
    liquidatable = (health is not None and health < 1.0) if known else None
    return ScannedAccount(
        account=name,
        owner=name,
        band=(band_of(health) if known else Band.UNKNOWN) if band is None else band,
        liquidatable=liquidatable,
        health_factor=health if known else None,
        support_raw=round((collateral_usd or 0) * 0.8 * 1e8) if known else None,
        requirement_raw=requirement_raw if known else None,
        collateral_usd=collateral_usd if known else None,
        debt_usd=requirement_raw / 1e8 if known else None,
        agrees=agrees,
        blocked=blocked,
        unread=unread,
    )


def band_of(health: float | None) -> Band:
    if health is None or health > 1.25:
        return Band.OK
    return Band.LIQUIDATABLE if health < 1 else Band.DANGER if health <= 1.08 else Band.WARNING


def reserve(number: int, symbol: str, *, lacks_supply: int = 0, lacks_debt: int = 0) -> ReserveTotal:
    supply_raw = 12_345_678_901_234_567_890_123 + number
    debt_raw = 9_876_543_210_987_654_321_098 - number
    return ReserveTotal(
        address(1000 + number), symbol, supply_raw - lacks_supply, supply_raw,
        debt_raw - lacks_debt, debt_raw, 77 * 10**18, 77 * 10**18,
    )  # fmt: skip


WHOLE = Completeness(
    tuple(reserve(at, symbol) for at, symbol in enumerate(("WETH", "WBTC", "USDC", "DAI", "LINK", "AAVE")))
)
LACKING = Completeness(
    (
        reserve(0, "WETH"),
        reserve(1, "USDC", lacks_supply=5 * 10**20, lacks_debt=1),
        reserve(2, "DAI", lacks_supply=-3),
    )
)
TIMEOUT = Unread(Reason.TIMEOUT, "no answer within 10 s")


def scan(
    accounts: tuple[ScannedAccount, ...] = (),
    *,
    completeness: Completeness = WHOLE,
    curve: tuple[CurvePoint, ...] = (),
) -> Scan:
    ordered = tuple(sorted(accounts, key=by_risk))
    return Scan("local/aave-v3/v3.0.2", BLOCK, completeness, ordered, curve, EFFORT, ())


def whole_book(size: int = 400) -> Scan:
    """A book with every kind of account, and a curve."""
    dice = random.Random(size)
    accounts = []
    for number in range(size):
        collateral_usd = 900 * dice.paretovariate(0.9)
        health = None if dice.random() < 0.25 else 0.98 + dice.lognormvariate(-0.4, 1.1)
        asked = health is not None and health < 1.3
        accounts.append(
            account(number, health=health, collateral_usd=collateral_usd, agrees=True if asked else None)
        )
    accounts += [account(-1 - number, unread=TIMEOUT) for number in range(3)]
    accounts.append(
        account(-9, health=0.93, collateral_usd=1.2e6, blocked="reserve WETH is paused", agrees=True)
    )
    total_usd = sum(account.collateral_usd or 0.0 for account in accounts)
    curve = [
        CurvePoint(
            direction=direction,
            drop=step / 20,
            accounts=round(size * share * (step / 20) ** 1.3),
            collateral_usd=total_usd * share * (step / 20) ** 1.4 * (1 - step / 40),
            debt_usd=total_usd * share * (step / 20) ** 1.5 * 0.7,
            bad_debt_usd=total_usd * share * max(0.0, step / 20 - 0.15) ** 2.6,
        )
        for direction, share in FALLS.items()
        for step in range(11)
    ]
    curve += [CurvePoint("USDC", step / 20, 0, 0.0, 0.0, 0.0) for step in range(11)]
    return scan(tuple(accounts), curve=tuple(curve))

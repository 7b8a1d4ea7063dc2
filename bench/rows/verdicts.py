"""Judging accounts: our exact arithmetic against asking the contract."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.contract import health_at
from bench.measure import Way
from bench.row import Different, Row
from bench.stage import Stage
from chain.reader import Call
from margin.prices import Prices
from margin.units import UINT256_MAX
from protocols.aave_v3 import abi
from protocols.aave_v3.adapter import AaveVenue
from protocols.aave_v3.state import AaveAccount

YEAR_S = 365 * 86_400
FALL_PERCENT = 17


def measure(stage: Stage) -> Iterator[Row]:
    """Every account judged here, and by one `getUserAccountData` each; none may differ."""
    venue, accounts = stage.book
    compared = compare(stage, venue, accounts)
    sample = [Call(venue.pool, abi.GET_USER_ACCOUNT_DATA, (w,)) for w in stage.wallets[: stage.size.sample]]
    times = stage.race(
        Way(lambda: stage.naive.read(sample), len(sample)),
        Way(lambda: [venue.verdict(account) for account in accounts], len(accounts)),
    )
    yield Row(
        what="exact verdict of an account",
        against="naive web3.py",
        ratio=times.ratio(),
        figures=(
            f"{times.per_second():,.0f} verdicts a second against {times.baseline_per_second:,.0f}; "
            f"0 different of {compared:,} compared with the contract "
            f"(now, prices {FALL_PERCENT} % lower, a year later)"
        ),
        meaning=(
            "The pool's own decision computed here, against one `getUserAccountData` call each: what every "
            "price, every stress and every search of an edge costs once an account has been read."
        ),
    )


def compare(stage: Stage, venue: AaveVenue, accounts: Sequence[AaveAccount]) -> int:
    """How many verdicts were compared, to the last unit. Raises `Different` at the first that differs."""
    fallen = Prices({key: max(1, raw * (100 - FALL_PERCENT) // 100) for key, raw in venue.prices.items()})
    later = venue.timestamp + YEAR_S
    moments: tuple[tuple[Prices | None, int | None], ...] = ((None, None), (fallen, None), (None, later))
    for account in accounts:
        for prices, at in moments:
            verdict = venue.verdict(account, prices, at)
            health = UINT256_MAX if verdict.health_factor_wad is None else verdict.health_factor_wad
            ours = (
                verdict.assets_raw,
                verdict.liabilities_raw,
                venue.average_threshold_bps(verdict),
                health,
            )
            said = health_at(stage, venue, account, prices, at)
            theirs = said[0], said[1], said[3], said[5]
            if ours != theirs:
                raise Different(f"the verdict of {account.key.owner}", ours, theirs)
    return len(accounts) * len(moments)

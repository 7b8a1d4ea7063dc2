"""The scan: a venue's every account found, proven complete, read at one block, and judged exactly."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chain.block import pin, still_canonical
from chain.rpc import Rpc, Settings
from checker.account_view import disagreeing
from checker.bands import Band, Bands
from checker.book.completeness import completeness
from checker.book.curve import curve
from checker.book.keeper import BookKeeper
from checker.book.risk import Judged, banded
from checker.book.store import Store, store_url
from checker.book.view import Effort, Scan, ScannedAccount, by_risk
from checker.config import Chain, Config
from checker.dollars import Dollars, read_dollars
from checker.snapshot import TAGS
from checker.surprises import surprises
from checker.venues import Place, places, references, refuse_doubles, refuse_namesakes
from margin.basics import Address, BlockRef, Reason, Unread
from margin.errors import ChainUnreadable, ConfigError, Undecided
from margin.legs import CollateralLeg, DebtLeg
from margin.verdict import Verdict
from protocols.base import Audit, Failed
from protocols.book import Tracked

Say = Callable[[str, int, int], None]
AUDITED = 250
"""Accounts compared with the protocol's own view even where all is well."""


def _silent(_text: str, _done: int, _total: int) -> None:
    pass


def scan(
    config: Config,
    venue: str,
    *,
    block: str = "latest",
    patience: Settings | None = None,
    say: Say = _silent,
    audit: bool = True,
) -> Scan:
    """Every account of the venue with this id at one block.

    `audit`: compare every account with the protocol's own view; without it only those near the edge
    and a sample. Raises `ConfigError` for what is the user's to mend, `ReadError` and `VenueError` where
    nothing can be said of the book at all; what could not be read of one account stands with it.
    """
    begun = time.monotonic()
    name = venue.partition("/")[0]
    chain = next((each for each in config.chains if each.name == name), None)
    if chain is None:
        raise ConfigError("--venue", f"no chain {name[:80]!a} is configured")
    refuse_doubles(chain)
    with (
        Store.open(store_url(config)) as store,
        Rpc.open(chain.name, chain.urls, chain.chain_id, patience) as rpc,
    ):
        # Once more when the block was replaced while it was read.
        for is_last in (False, True):
            say(f"{chain.name}: finding block {block}", 0, 0)
            pinned = _pinned(rpc, chain, block)
            keeper = BookKeeper(rpc, _place(chain, pinned, config, venue), store, say=say)
            try:
                feeds = references(chain, pinned.chain_id)
                found = _settled(keeper, pinned, config, feeds, say, audit=audit)
            except ChainUnreadable as failure:
                was_replaced = failure.unread.reason is Reason.BLOCK_NOT_FOUND
                if is_last or not was_replaced or still_canonical(rpc, pinned):
                    raise
                continue
            if block.startswith("0x") or still_canonical(rpc, pinned):
                warnings = *surprises(config, [(chain, pinned.chain_id, True)]), *found.warnings
                effort = replace(found.effort, seconds=time.monotonic() - begun)
                return replace(found, effort=effort, warnings=warnings)
    replaced = Unread(Reason.BLOCK_NOT_FOUND, "the pinned block was replaced while it was read, twice")
    raise ChainUnreadable(chain.name, replaced)


def _settled(
    keeper: BookKeeper,
    block: BlockRef,
    config: Config,
    feeds: Mapping[Address, Address],
    say: Say,
    *,
    audit: bool,
) -> Scan:
    """The scan at a block. A book that lacks something is searched once more from its beginning.

    A node may have told too few events, now or when the store was filled: what it says was searched is
    believed only while nothing is missing.
    """
    keeper.advance(block)
    found = _scanned(keeper, config.bands, feeds, say, audit=audit)
    if found.completeness.is_complete or keeper.table.unread:
        return found
    went_on = keeper.went_on
    keeper.forget()
    if went_on:
        say(f"{found.venue}: not complete, so every event is searched again", 0, 0)
        keeper.advance(block)
        found = _scanned(keeper, config.bands, feeds, say, audit=audit)
        if not found.completeness.is_complete:
            keeper.forget()
    return found


def _pinned(rpc: Rpc, chain: Chain, spec: str) -> BlockRef:
    try:
        return pin(rpc, spec, max_head_age_s=chain.max_head_age_s)
    except ChainUnreadable as failure:
        if failure.unread.reason is Reason.WRONG_CHAIN and not rpc.chain_proven:
            raise ConfigError(f"{chain.where}.chain_id", failure.unread.detail) from None
        if failure.unread.reason is Reason.BLOCK_NOT_FOUND and spec not in TAGS:
            raise ConfigError("--block", failure.unread.detail) from None
        raise


def _place(chain: Chain, block: BlockRef, config: Config, venue: str) -> Place:
    refuse_namesakes(chain, block.chain_id)
    known = {place.id: place for place in places(chain, block.chain_id, config, on_request=True)}
    if venue not in known:
        there = f"there are {', '.join(known)}" if known else "none is known there"
        raise ConfigError("--venue", f"no venue {venue[:120]!a}: {there}")
    return known[venue]


@dataclass
class _Rows:
    """The book's accounts by row, as far as they are known."""

    accounts: dict[int, Any]
    verdicts: dict[int, Verdict]
    unread: dict[int, Unread]


def _scanned(
    keeper: BookKeeper, bands: Bands, feeds: Mapping[Address, Address], say: Say, *, audit: bool
) -> Scan:
    venue, table = keeper.venue, keeper.table
    rows = _judged(keeper, say)
    numeraires = {venue.numeraire_of(account) for account in rows.accounts.values()}
    dollars = read_dollars(keeper.reader, feeds, {venue.numeraire, *numeraires})
    say("finding bands", 0, 0)
    judged = Judged(venue, keeper.screen, rows.accounts, rows.verdicts)
    levels, undecided, exact = banded(judged, bands)
    by_row = {row: _band(rows.verdicts[row], int(levels[row]), undecided.get(row)) for row in rows.accounts}
    audits = _audited(keeper, rows, by_row, say, everything=audit)
    whole = completeness(table, venue.totals(keeper.reader))
    accounts = [
        _account(venue, bands, dollars, rows, row, band, audits.get(row), undecided.get(row))
        for row, band in by_row.items()
        if row not in rows.unread
    ]
    accounts += [_unread(venue, table.ids[row], why) for row, why in rows.unread.items()]
    warnings = [f"{each.account}: {_DIFFERS}" for each in accounts if each.agrees is False]
    if keeper.found is not None:
        warnings += keeper.found.notices
    return Scan(
        venue=venue.id,
        block=venue.block,
        completeness=whole,
        accounts=tuple(sorted(accounts, key=by_risk)),
        curve=curve(venue, keeper.screen, dollars.per_unit(venue.numeraire), rows.unread),
        effort=_effort(keeper, exact),
        warnings=tuple(warnings),
    )


_DIFFERS = "the protocol's own view says otherwise than what is computed here"


def _judged(keeper: BookKeeper, say: Say) -> _Rows:
    """Every account that holds something, with its exact verdict; and those that say nothing."""
    venue, table = keeper.venue, keeper.table
    found = _Rows({}, {}, {})
    for row, words in table.accounts():
        if row % 5_000 == 0:
            say("judging every account", row, len(table.ids))
        missing = table.unread.get(row)
        if missing:
            found.unread[row] = next(iter(missing.values()))
            continue
        account = venue.account_of(table.ids[row], words)
        if isinstance(account, Failed):
            found.unread[row] = account.unread
        elif account is not None:
            found.accounts[row] = account
            found.verdicts[row] = venue.verdict(account)
    return found


def _band(verdict: Verdict, level: int, undecided: Undecided | None) -> Band:
    if verdict.liquidatable:
        return Band.LIQUIDATABLE
    return max(Band(level), Band.OK if undecided is None else Band.UNKNOWN)


def _audited(
    keeper: BookKeeper, rows: _Rows, bands: dict[int, Band], say: Say, *, everything: bool
) -> dict[int, tuple[Any, Audit]]:
    """The protocol's own view of the accounts that matter and of a sample; unread where it has none."""
    near = [row for row, band in bands.items() if everything or band >= Band.DANGER]
    others = [row for row, band in bands.items() if band < Band.DANGER]
    step = max(1, len(others) // AUDITED)
    chosen = sorted({*near, *others[::step]})
    say(f"comparing {len(chosen):,} accounts with the protocol's own view", 0, 0)
    told = keeper.venue.with_views(keeper.reader, [rows.accounts[row] for row in chosen])
    found = {}
    for row, account in zip(chosen, told, strict=True):
        if isinstance(account, Failed):
            rows.unread[row] = account.unread
        else:
            found[row] = account, keeper.venue.audit(account)
    return found


def _account(
    venue: Tracked[Any],
    bands: Bands,
    dollars: Dollars,
    rows: _Rows,
    row: int,
    band: Band,
    audited: tuple[Any, Audit] | None,
    undecided: Undecided | None,
) -> ScannedAccount:
    account, verdict = rows.accounts[row], rows.verdicts[row]
    key = venue.key(account)
    liquidatable = verdict.liquidatable
    if audited is not None:
        liquidatable = liquidatable or venue.reported_liquidatable(audited[0])
        band = max(band, disagreeing(audited[1], bands), Band.LIQUIDATABLE if liquidatable else Band.OK)
    unread = None if undecided is None else Unread(Reason.UNDECIDED, str(undecided))
    collateral, debt = venue.collateral_legs(account), venue.debt_legs(account)
    unpriced = [leg.symbol for leg in collateral if leg.value_raw is None]
    if unpriced:
        unread = Unread(Reason.ORACLE, f"no price of {unpriced[0]} could be read")
        band = max(band, Band.UNKNOWN)
    health = verdict.health_factor_wad
    per_unit = dollars.per_unit(venue.numeraire_of(account))
    return ScannedAccount(
        account=key.account,
        owner=key.owner,
        band=band,
        liquidatable=liquidatable,
        health_factor=None if health is None else health / 10**18,
        support_raw=verdict.support_raw,
        requirement_raw=verdict.requirement_raw,
        collateral_usd=_usd(per_unit, collateral),
        debt_usd=_usd(per_unit, debt),
        agrees=None if audited is None else audited[1].agrees,
        blocked=venue.blocked(account) if liquidatable else None,
        unread=unread,
    )


def _usd(per_unit: float | None, legs: Sequence[CollateralLeg] | Sequence[DebtLeg]) -> float | None:
    """What these legs are worth; `None` where that can not be said of any one."""
    values = [leg.value_raw for leg in legs]
    if per_unit is None or None in values:
        return None
    return sum(value for value in values if value is not None) * per_unit


def _unread(venue: Tracked[Any], id_: bytes, why: Unread) -> ScannedAccount:
    key = venue.key_of(id_)
    return ScannedAccount(
        key.account, key.owner, Band.UNKNOWN, None, None, None, None, None, None, None, None, why
    )


def _effort(keeper: BookKeeper, exact: int) -> Effort:
    means = keeper.reader.storage_means
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Effort(
        requests=keeper.rpc.requests,
        seconds=0.0,
        storage="view calls" if means is None else means.value,
        calls=keeper.reader.means.value,
        bytes_per_account=keeper.table.bytes_per_account,
        peak_bytes=peak if sys.platform == "darwin" else peak * 1024,
        decided_exactly=exact,
    )

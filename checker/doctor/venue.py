"""The venues of a chain, verified on chain: code present, the right answers, oracles alive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chain.abi import AbiError
from chain.block import pin
from chain.reader import Reader
from chain.rpc import Rpc, Settings
from checker import words
from checker.config import Chain, Config
from checker.doctor.findings import Problem, Status, status_of
from checker.dollars import read_dollars
from checker.oracle_age import is_stale, read_sources
from checker.venues import Place, places, references, refuse_namesakes
from margin.basics import Address, BlockRef, Unread
from margin.errors import ConfigError, ReadError, VenueError
from margin.prices import Feed
from protocols.base import Numeraire, Venue

_NAMED = 3
"""Feeds of a doubtful age that are named; the rest are counted."""


@dataclass(frozen=True, slots=True)
class FeedHealth:
    """One oracle answer, and how old it is."""

    feed: Feed
    age_s: int | None
    """At the block, by its oldest part; None where nobody says when it was written."""
    roots: tuple[Address, ...] = ()
    """The aggregators underneath, where it is composed."""

    @property
    def is_stale(self) -> bool:
        """Whether it is suspiciously old, or claims to be younger than the block."""
        return is_stale(self.age_s)


@dataclass(frozen=True, slots=True)
class VenueHealth:
    """What was seen of one venue."""

    place: Place
    feeds: tuple[FeedHealth, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def status(self) -> Status:
        """The worst of its problems."""
        return status_of(self.problems)


@dataclass(frozen=True, slots=True)
class VenuesHealth:
    """The venues of one chain at one block, read as a check reads them: with failover."""

    block: BlockRef | None
    """None where none could be pinned; then each venue says why."""
    venues: tuple[VenueHealth, ...]
    requests: int
    """HTTP requests made."""
    problems: tuple[Problem, ...] = ()
    """Of the configuration, found only now that the chain's id is known, and of reference feeds."""


def examine_venues(chain: Chain, config: Config, settings: Settings | None, seconds: float) -> VenuesHealth:
    """Opens every venue at the chain's newest block; never raises for the outside."""
    with Rpc.open(chain.name, chain.urls, chain.chain_id, settings) as rpc, rpc.within(seconds):
        try:
            block = pin(rpc, max_head_age_s=chain.max_head_age_s)
        except ReadError as failure:
            known = places(chain, chain.chain_id, config)
            unread = Problem.of(failure.unread)
            blind = tuple(VenueHealth(place, problems=(unread,)) for place in known)
            return VenuesHealth(None, blind, rpc.requests)
        reader = Reader(rpc, block)
        problems = []
        try:
            refuse_namesakes(chain, block.chain_id)
        except ConfigError as error:
            problems.append(Problem(Status.FAIL, error.problem, error.where))
        found = tuple(_examine(place, reader) for place in places(chain, block.chain_id, config))
        problems += _references(chain, reader)
        return VenuesHealth(block, found, rpc.requests, tuple(problems))


def _examine(place: Place, reader: Reader) -> VenueHealth:
    try:
        problems = _codes(place, reader)
        if problems:
            return VenueHealth(place, problems=tuple(problems))
        venue = _opened(place, reader)
    except ReadError as failure:
        return VenueHealth(place, problems=(Problem.of(failure.unread),))
    except VenueError as error:
        return VenueHealth(place, problems=(Problem(Status.FAIL, error.problem),))
    except AbiError as error:
        said = f"its contracts' answers do not fit each other: {error}"
        return VenueHealth(place, problems=(Problem(Status.FAIL, said),))
    now, sources = venue.block.timestamp, read_sources(reader, venue.feeds.values())
    feeds = tuple(
        FeedHealth(feed, sources.age_s(feed, now), sources.roots(feed)) for feed in venue.feeds.values()
    )
    gaps = [Problem.of(unread, subject) for subject, unread in venue.gaps()]
    if sources.unread is not None:
        gaps.append(Problem.of(sources.unread, "what its feeds stand on"))
    return VenueHealth(place, feeds, (*gaps, *_stale(feeds)))


def _references(chain: Chain, reader: Reader) -> Iterator[Problem]:
    """Reference feeds that give no price, or an old one."""
    feeds = references(chain, reader.block.chain_id)
    dollars = read_dollars(reader, feeds, [Numeraire(token, 1) for token in feeds])
    for token, found in dollars.references.items():
        subject = f"reference feed of {token}"
        if isinstance(found, Unread):
            yield Problem.of(found, subject)
        elif found.updated_at is not None and is_stale(reader.block.timestamp - found.updated_at):
            age = _age(reader.block.timestamp - found.updated_at)
            yield Problem(Status.WARN, f"its answer is {age}", subject)


def _stale(feeds: Sequence[FeedHealth]) -> list[Problem]:
    """All feeds of a doubtful age in one problem, the oldest first."""
    found = sorted((feed for feed in feeds if feed.is_stale), key=lambda feed: -(feed.age_s or 0))
    if not found:
        return []
    named = [f"{words.plain(each.feed.asset, 40)} {_age(each.age_s or 0)}" for each in found[:_NAMED]]
    rest = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    said = f"{len(found)} of {len(feeds)} oracle answers stale: {', '.join(named)}{rest}"
    return [Problem(Status.WARN, said)]


def _age(seconds: int) -> str:
    return f"{words.span(seconds)} old" if seconds >= 0 else f"{words.span(-seconds)} younger than the block"


def _opened(place: Place, reader: Reader) -> Venue[Any]:
    """The venue; what looks wrong is asked once more, since a node that stumbles makes it look so."""
    try:
        return place.adapter.open(reader, place.config)
    except (VenueError, AbiError):
        return place.adapter.open(reader, place.config)


def _codes(place: Place, reader: Reader) -> list[Problem]:
    """The addresses that hold no contract, or could not be looked at."""
    addresses = place.config.addresses
    found = []
    for (key, address), code in zip(addresses.items(), reader.code(list(addresses.values())), strict=True):
        if isinstance(code, Unread):
            found.append(Problem.of(code, key))
        elif not code:
            found.append(Problem(Status.FAIL, f"no contract at {address}", key))
    return found

"""The watch watches itself: what is wrong with it is told like a wallet's fall, and its end like a recovery.

Each trouble has a subject of its own, which is unknown while it lasts. The bands of wallets say what their
accounts are in; these say how far that can be believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from checker import words
from checker.bands import Band
from checker.config import Chain
from checker.oracle_age import is_stale
from checker.watch.memory import WATCH
from checker.watch.outbox_rows import Queued
from checker.watch.sight import Sight
from checker.watch.telling import foreign
from checker.watch.values import BlockFact, Observation
from margin.basics import Unread
from margin.prices import Feed
from protocols.base import Failed, Venue

STUCK_AFTER_S = 900.0
"""Messages that wait for longer are a trouble of their own."""
_NAMED = 3
"""Accounts that a sentence each is for; the rest are counted."""


def subject_of_chain(chain: str) -> str:
    """The key of the watch of a chain."""
    return f"{WATCH}{chain}"


def well(subject: str, name: str, sentence: str, blocks: tuple[BlockFact, ...] = ()) -> Observation:
    """Nothing is wrong; the sentence is told to those who had heard otherwise."""
    return Observation(subject, name, Band.OK, Band.OK, (sentence,), (), blocks)


def unwell(subject: str, name: str, *sentences: str, not_to: str | None = None) -> Observation:
    """Something is wrong; told once it has lasted for the time of grace."""
    return Observation(subject, name, Band.UNKNOWN, Band.UNKNOWN, sentences, not_to=not_to)


# --- a chain -------------------------------------------------------------------------------------------


def sight_of(chain: str, sight: Sight, upto: BlockFact | None, wallets: int) -> Observation:
    """Whether the chain and its venues can be read. `upto`: the block up to which all was seen."""
    subject, name = subject_of_chain(chain), f"the watch of {chain}"
    if sight.clear:
        # From here the next run goes on: not past what happened where nothing could be read.
        return well(subject, name, "it sees again", () if upto is None else (upto,))
    blind = f"blind for {wallets} wallet{'s' * (wallets != 1)} until it answers"
    if sight.unread is not None:
        return unwell(subject, name, f"cannot read {chain}: {foreign(sight.unread)}; {blind}")
    those = [
        f"cannot read {one.place.id}: {foreign(one.book)}"
        for one in sight.reading.venues
        if isinstance(one.book, Unread)
    ]
    if those:
        return unwell(subject, name, *those, f"{blind}, there")
    count, first = len(sight.missed), sight.missed[0]
    missed = f"{count} account{'s' * (count != 1)}, as {first.key.name} at {first.key.venue}"
    return unwell(subject, name, f"cannot read {missed}: {foreign(first.unread)}")


def endpoints_of(chain: str, problems: Sequence[str]) -> Observation:
    """Whether the endpoints of a chain agree with each other; see `checker.watch.endpoints`."""
    subject, name = f"{subject_of_chain(chain)}/endpoints", f"the endpoints of {chain}"
    if not problems:
        return well(subject, name, "they answer and agree again")
    return unwell(subject, name, *problems)


def figures_of(sight: Sight) -> list[Observation]:
    """Whether our figures are the protocols' own, by venue, for every account that is watched."""
    differing: dict[str, list[str]] = {
        one.place.id: [] for one in sight.reading.venues if not isinstance(one.book, Unread)
    }
    for venue, account in sight.differing:
        said = ", ".join(f"{name} {figure}" for name, figure in venue.audit(account).reported.items())
        health_wad = venue.verdict(account).health_factor_wad
        health = "none" if health_wad is None else words.health(health_wad)
        name = venue.key(account).name
        differing[venue.id].append(f"{name}: the protocol says {said}; computed: health {health}")
    return [_figures(venue_id, those) for venue_id, those in differing.items()]


def _figures(venue_id: str, differing: Sequence[str]) -> Observation:
    subject, name = f"{WATCH}{venue_id}/figures", f"the figures of {venue_id}"
    if not differing:
        return well(subject, name, "they are the protocol's own again")
    more = [f"and {len(differing) - _NAMED} more accounts"] if len(differing) > _NAMED else []
    what = "figures computed here differ from the protocol's own; the worse of both counts"
    return unwell(subject, name, what, *differing[:_NAMED], *more)


def oracles_of(chain: Chain, sight: Sight) -> list[Observation]:
    """Whether each price that a watched account depends on is fresh.

    None where age says nothing: on a chain whose head may be of any age.
    """
    block, sources = sight.reading.block, sight.reading.sources
    if block is None or chain.head_age_limit_s(block.chain_id) is None or sources.unread is not None:
        return []
    used: dict[tuple[str, str], tuple[Venue[Any], Feed]] = {}
    for venue, account in sight.held.values():
        if isinstance(account, Failed):
            continue
        for key in venue.feeds_of(account):
            feed = venue.feeds[key]
            used[venue.id, feed.address] = venue, feed
    return [_oracle(venue, feed, sources.age_s(feed, block.timestamp)) for venue, feed in used.values()]


def _oracle(venue: Venue[Any], feed: Feed, age: int | None) -> Observation:
    asset = words.plain(feed.asset, 40)
    subject, name = f"{WATCH}{venue.id}/oracle/{feed.address}", f"the price of {asset} at {venue.id}"
    if age is None or not is_stale(age):
        return well(subject, name, "it was written again")
    aged = f"{words.span(age)} old" if age >= 0 else f"{words.span(-age)} younger than the block"
    return unwell(subject, name, f"the oracle's answer is {aged}: what stands on it may be worth less")


# --- the watch itself ----------------------------------------------------------------------------------


def job_of(job: str, trouble: str | None) -> Observation:
    """Whether a job of the scheduler ends as it should."""
    subject, name = f"{WATCH}/job/{job}", f"the job {job} of the watch"
    if trouble is None:
        return well(subject, name, "it runs again")
    return unwell(subject, name, foreign(trouble))


def deliveries(pending: Iterable[Queued], channels: Mapping[str, str], now: float) -> list[Observation]:
    """Whether each channel takes its messages; the others are told when it does not. `channels`: by key."""
    waiting: dict[str, list[Queued]] = {key: [] for key in channels}
    for one in pending:
        if one.channel in waiting:
            waiting[one.channel].append(one)
    found = []
    for key, those in waiting.items():
        subject, name = f"{WATCH}/delivery/{key}", f"delivery to {channels[key]}"
        stuck = [one for one in those if now - one.created >= STUCK_AFTER_S]
        if not stuck:
            found.append(well(subject, name, "it takes messages again"))
            continue
        longest = words.span(int(now - min(one.created for one in stuck)))
        count = f"{len(stuck)} message{'s' * (len(stuck) != 1)}"
        why = next((f": {foreign(one.error)}" for one in stuck if one.error), "")
        said = f"{count} could not be delivered, the oldest for {longest}{why}"
        found.append(unwell(subject, name, said, not_to=key))
    return found

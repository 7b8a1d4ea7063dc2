"""The diagnosis on a terminal: chain by chain its endpoints, then its venues, a line each."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from chain.means import Means
from checker import words
from checker.doctor.endpoint import DEPTHS, EndpointHealth, Kept
from checker.doctor.examination import ChainHealth, Diagnosis
from checker.doctor.findings import Problem, Status
from checker.doctor.venue import FeedHealth

STYLE = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "bold red"}
_MARGIN = 2
_ROOM = 24
"""Columns that a text has at least."""
_HARD_SPACE = "\N{NO-BREAK SPACE}"
"""Keeps together what is not to be broken; a plain space on the screen."""


def print_diagnosis(console: Console, diagnosis: Diagnosis, *, verbose: bool = False) -> None:
    """The whole screen; `verbose`: every oracle answer, too."""
    config = diagnosis.config
    console.print(Text("configuration", style="bold"))
    counted = f"{_count(len(config.chains), 'chain')}, {_count(len(config.wallets), 'wallet')}"
    name = words.plain(config.source) or "--rpc"
    for problem in diagnosis.problems:
        _line(console, problem.status, name, [problem], "")
    if not diagnosis.problems:
        _line(console, Status.OK, name, [], counted)
    if diagnosis.store is not None:
        _line(console, diagnosis.store.status, "store", diagnosis.store.problems, "opened")
    for chain in diagnosis.chains:
        console.print()
        _print_chain(console, chain, verbose)
    console.print()
    console.print(summary(diagnosis))


def print_problems(console: Console, diagnosis: Diagnosis) -> None:
    """Only what is not well, a line each; nothing where all is."""
    for name, problem in _problems(diagnosis):
        _line(console, problem.status, name, [problem], "", margin=0)


def summary(diagnosis: Diagnosis) -> Text:
    """One line: how much was looked at, and how much of it is not well."""
    endpoints = sum(len(chain.endpoints) for chain in diagnosis.chains)
    venues = [venue for chain in diagnosis.chains for venue in chain.venues]
    feeds = sum(len(venue.feeds) for venue in venues)
    line = Text(
        f"{_count(endpoints, 'endpoint')}, {_count(len(venues), 'venue')}, {_count(feeds, 'oracle answer')}: "
    )
    problems = [problem for _, problem in _problems(diagnosis)]
    parts = [
        Text(_count(sum(p.status is status for p in problems), noun), style=STYLE[status])
        for status, noun in ((Status.FAIL, "failure"), (Status.WARN, "warning"))
        if any(p.status is status for p in problems)
    ]
    return line.append_text(Text(", ").join(parts or [Text("all well", style=STYLE[Status.OK])]))


def _problems(diagnosis: Diagnosis) -> Iterator[tuple[str, Problem]]:
    """Every problem with the name of what has it."""
    for problem in diagnosis.problems:
        yield words.plain(diagnosis.config.source) or "--rpc", problem
    for problem in diagnosis.store.problems if diagnosis.store else ():
        yield "store", problem
    for chain in diagnosis.chains:
        for endpoint in chain.endpoints:
            for problem in endpoint.problems:
                yield endpoint.label, problem
        for venue in chain.venues:
            for problem in venue.problems:
                yield venue.place.id, problem


def _print_chain(console: Console, chain: ChainHealth, verbose: bool) -> None:
    title = Text(words.plain(chain.chain.name), style="bold")
    if chain.chain_id is not None:
        at = f", venues at block {chain.block.number:,}" if chain.block and chain.venues else ""
        title.append(f"  chain id {chain.chain_id}{at}", style="not bold")
    console.print(title)
    width = max(len(endpoint.label) for endpoint in chain.endpoints)
    for endpoint in chain.endpoints:
        label = endpoint.label.ljust(width)
        seen = _seen(endpoint)
        _line(console, endpoint.status, label, endpoint.problems, seen[0] if seen else "")
        rest = seen if endpoint.problems else seen[1:]
        if rest:
            whole = ", ".join(part.replace(" ", _HARD_SPACE) for part in rest)
            _wrapped(console, " " * (_MARGIN + 8 + width), Text(whole, style="dim"))
    width = max((len(venue.place.id) for venue in chain.venues), default=0)
    for venue in chain.venues:
        _line(console, venue.status, venue.place.id.ljust(width), venue.problems, _feeds(venue.feeds))
        for feed in venue.feeds if verbose else ():
            _wrapped(console, " " * (_MARGIN + 6), Text(_feed(feed), style="dim"))


def _line(
    console: Console,
    status: Status,
    name: str,
    problems: Sequence[Problem],
    well: str,
    margin: int = _MARGIN,
) -> None:
    """Status, name, and what is wrong; `well` where nothing is."""
    said = "; ".join(words.plain(str(problem), 500) for problem in problems) or well
    lead = " " * margin + status.word.ljust(6)
    text = Text(lead + name + "  ")
    text.stylize(STYLE[status], margin, margin + len(status.word))
    indent = len(text)
    if console.width - indent < _ROOM and len(said) > console.width - indent:
        # A long name has a line of its own.
        console.print(Text(lead + name, spans=text.spans), soft_wrap=True)
        indent, text = len(lead), Text(" " * len(lead))
    _wrapped(console, " " * indent, Text(said), first=text)


def _wrapped(console: Console, indent: str, said: Text, first: Text | None = None) -> None:
    """A text that goes on below itself, not below the name."""
    room = max(_ROOM, console.width - len(indent))
    lines = textwrap.wrap(said.plain, room) or [""]
    for at, line in enumerate(lines):
        begun = first.copy() if first is not None and at == 0 else Text(indent)
        begun.append(line.replace(_HARD_SPACE, " "), style=said.style)
        begun.rstrip()
        console.print(begun, soft_wrap=True)


def _seen(endpoint: EndpointHealth) -> list[str]:
    """First who it is and how quick; then how things are read there."""
    found = []
    if endpoint.head is not None and endpoint.head_age_s is not None:
        age = words.span(max(0, endpoint.head_age_s))
        said = f"block {endpoint.head.number:,}, {age} old"
        if endpoint.latency_s is not None:
            said += f", answers in {_milliseconds(endpoint.latency_s)}"
        found.append(said)
    ways = endpoint.ways
    if ways is not None:
        found.append("calls one by one" if ways.calls is Means.SINGLE else f"calls by {ways.calls}")
        found.append(f"storage by {ways.storage}" if ways.storage else "storage not in bulk")
        found.append(f"blocks by {'hash' if ways.by_hash else 'number'}")
        found += [] if ways.batches else ["no batches"]
    if endpoint.states is not None:
        found.append(f"old states {_old_states(endpoint.states)}")
    if endpoint.events is not None:
        blocks = endpoint.events.blocks
        told = "unknown" if blocks is None else f"of {_count(blocks, 'block')} at once" if blocks else "none"
        found.append(f"events {told}")
    return found


def _old_states(states: dict[int, Kept]) -> str:
    if states[0] is Kept.YES:
        return "of all blocks"
    kept = [depth for depth in DEPTHS if states[depth] is Kept.YES]
    if kept:
        return f"of {max(kept):,} blocks back"
    known = {state for state in states.values() if state is not Kept.NO_SUCH_BLOCK}
    if not known:
        return Kept.NO_SUCH_BLOCK.value
    return "unknown" if Kept.UNKNOWN in known else "none"


def _feeds(feeds: Sequence[FeedHealth]) -> str:
    aged = [feed for feed in feeds if feed.age_s is not None]
    said = _count(len(feeds), "oracle answer")
    if aged:
        oldest = max(aged, key=lambda feed: feed.age_s or 0)
        said += f", the oldest {words.span(oldest.age_s or 0)} ({words.plain(oldest.feed.asset, 40)})"
    if len(aged) < len(feeds):
        said += f"; {len(feeds) - len(aged)} of unknown age"
    return said


def _feed(health: FeedHealth) -> str:
    feed = health.feed
    age = "of unknown age" if health.age_s is None else f"{words.span(max(0, health.age_s))} old"
    return f"{words.plain(feed.asset, 40)} {words.price(feed.answer_raw, feed.decimals)}, {age}"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 0.01 else f"{seconds * 1000:,.0f} ms"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"

"""Where an account dies: all its exact edges, against finding them by asking the contract."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.bisection import Bisection
from bench.counted import Counted
from bench.measure import Ratio, Way
from bench.row import Different, Row
from bench.stage import Stage
from margin.account import Judge
from margin.frontier import factor_edge, feed_edge, time_edge
from protocols.aave_v3.adapter import AaveVenue
from protocols.aave_v3.state import AaveAccount


@dataclass(frozen=True, slots=True)
class Edge:
    """One edge of an account, and where the search for it began."""

    name: str
    start: int
    at: int | None

    def not_beyond(self, other: Edge) -> bool:
        """Whether this one is met no later than the other."""
        if other.at is None:
            return True
        return self.at is not None and abs(self.at - self.start) <= abs(other.at - other.start)


def measure(stage: Stage) -> Iterator[Row]:
    """Every feed edge, factor edge and the time edge of accounts that are safe and in debt."""
    venue, accounts = stage.book
    alive = [a for a in accounts if venue.debt_legs(a) and not venue.verdict(a).liquidatable]
    sample = alive[: stage.size.edges]
    searches, spent = [], []
    agreed = compared = 0
    for account in sample:
        bisection, counted = Bisection(stage, venue, account), Counted(venue)
        ours, theirs = _edges(counted, account), _bisected(bisection, venue, account)
        agreed += _agreeing(ours, theirs)
        compared += len(ours)
        searches.append(bisection.calls)
        spent.append(counted.verdicts)
    per_account = [_spent(venue, account) for account in alive]
    times = stage.race(
        Way(lambda: [_bisected(Bisection(stage, venue, a), venue, a) for a in sample], len(sample)),
        Way(lambda: [_edges(venue, account) for account in sample], len(sample)),
    )
    against = "bisection by eth_call"
    agreeing = f"{agreed} of {compared} edges the same, no bisected one nearer"
    yield Row(
        what="all exact edges of an account: time",
        against=against,
        ratio=times.ratio(),
        figures=(
            f"{1000 / times.per_second():,.1f} ms an account, against "
            f"{1000 / times.baseline_per_second:,.0f} ms, both over {len(sample)} accounts; {agreeing}"
        ),
        meaning=(
            "First liquidating price of every feed, smallest liquidating move of every factor, first "
            "liquidating second: exact, against bisecting each by `eth_call` with overrides (one post each, "
            "below web3's middleware)."
        ),
    )
    yield Row(
        what="all exact edges of an account: questions",
        against=against,
        ratio=Ratio.of([calls / verdicts for calls, verdicts in zip(searches, spent, strict=True)]),
        figures=(
            f"{sum(per_account) / len(alive):,.0f} verdicts an account "
            f"({min(per_account):,} to {max(per_account):,} over {len(alive):,} accounts), "
            f"all computed here, against {sum(searches) / len(sample):,.0f} calls "
            f"of the contract ({len(sample)} of them)"
        ),
        meaning="The same, counted: calls of the contract against verdicts of ours, account by account.",
    )


def _factors(judge: Judge[AaveAccount], account: AaveAccount) -> list[str]:
    feeds = [judge.feeds[key] for key in judge.feeds_of(account)]
    return sorted({f for feed in feeds for f in (feed.base_factor, feed.quote_factor) if f is not None})


def _edges(judge: Judge[AaveAccount], account: AaveAccount) -> list[Edge]:
    """By our exact search."""
    prices, now = judge.prices, judge.clock.now
    return [
        *(
            Edge(key, prices[key], feed_edge(judge, account, key).liquidation_price_raw)
            for key in judge.feeds_of(account)
        ),
        *(Edge(factor, 0, factor_edge(judge, account, factor)) for factor in _factors(judge, account)),
        Edge("time", now, time_edge(judge, account)),
    ]


def _bisected(bisection: Bisection, venue: AaveVenue, account: AaveAccount) -> list[Edge]:
    """The same ones, asked of the contract."""
    return [
        *(Edge(key, venue.prices[key], bisection.feed_edge(key)) for key in venue.feeds_of(account)),
        *(Edge(factor, 0, bisection.factor_edge(factor)) for factor in _factors(venue, account)),
        Edge("time", venue.timestamp, bisection.time_edge()),
    ]


def _agreeing(ours: list[Edge], theirs: list[Edge]) -> int:
    """How many edges are the same. Raises `Different` where the contract dies before we say so."""
    for mine, other in zip(ours, theirs, strict=True):
        if not mine.not_beyond(other):
            raise Different(f"the edge {mine.name}", mine, other)
    return sum(mine == other for mine, other in zip(ours, theirs, strict=True))


def _spent(venue: AaveVenue, account: AaveAccount) -> int:
    """Exact verdicts that all edges of an account take."""
    counted = Counted(venue)
    _edges(counted, account)
    return counted.verdicts

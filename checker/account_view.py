"""One account as a person sees it: verdict, legs, where it dies, and its band.

Everything here is integers; floats are made at the very end, in the `_usd` properties, for people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from checker import words
from checker.bands import Band, Bands, worst
from checker.dollars import NO_DOLLARS, Dollars, Reference
from checker.oracle_age import NO_SOURCES, Sources, is_stale
from margin.account import AccountKey
from margin.basics import Address, Reason, Unread
from margin.errors import Undecided
from margin.frontier import FeedEdge, factor_edge, feed_edge, time_edge
from margin.legs import CollateralLeg, DebtLeg
from margin.prices import FeedKey
from margin.verdict import Verdict
from protocols.base import Audit, Failed, Numeraire, Venue, VenueConfig

T = TypeVar("T")

HEALTH_FACTOR = "healthFactor"
"""The key of `reported` under which a protocol's own ratio stands, 18 decimals."""


@dataclass(frozen=True, slots=True)
class FeedView:
    """One feed the verdict depends on, and the answer of it that liquidates the account."""

    feed: Address
    asset: str
    decimals: int
    price_raw: int
    direction: str
    liquidation_price_raw: int | None
    """`None`: no positive answer does, or the account is liquidatable already."""
    roots: tuple[Address, ...] = ()
    """The aggregators underneath, where the feed is composed."""
    age_s: int | None = None
    """How old the answer was at the block, by its oldest part; `None` where nobody says."""


@dataclass(frozen=True, slots=True)
class FactorView:
    """One factor, and the move of it that liquidates the account."""

    factor: str
    shock_wad: int | None


@dataclass(frozen=True, slots=True)
class Liquidation:
    """Where the account dies."""

    feeds: tuple[FeedView, ...] = ()
    factors: tuple[FactorView, ...] = ()
    at_constant_prices: int | None = None
    """The first timestamp at which interest alone does it; an estimate where there is a block."""
    block_at_constant_prices: int | None = None
    """The first block that does, where the venue counts time by them."""

    @property
    def smallest_shock_wad(self) -> int | None:
        """The smallest move of any factor, in either direction."""
        moves = [view.shock_wad for view in self.factors if view.shock_wad is not None]
        return min(moves, key=abs, default=None)


@dataclass(frozen=True, slots=True)
class AccountView:
    """One account at its block. What could not be read is `None`, and its reason stands in `unread`."""

    key: AccountKey
    protocol: str
    timestamp: int
    """Of the block."""
    band: Band
    verdict: Verdict | None = None
    liquidatable: bool | None = None
    """By our figures or by the protocol's own view, whichever is worse."""
    audit: Audit | None = None
    disagreement: str | None = None
    """How our figures and the protocol's own differ; a matter for alarm."""
    collateral: tuple[CollateralLeg, ...] | None = None
    debt: tuple[DebtLeg, ...] | None = None
    factors: Mapping[Address, str] = field(default_factory=dict)
    """The factor behind each token of the legs."""
    numeraire: Numeraire | None = None
    """What its values are counted in; `None` where that is not known."""
    dollars: Dollars = NO_DOLLARS
    liquidation: Liquidation | None = None
    blocked: str | None = None
    notes: tuple[str, ...] = ()
    unread: tuple[Unread, ...] = ()

    @property
    def seconds_left(self) -> int | None:
        """From the block to the first moment at which interest alone liquidates the account."""
        at = self.liquidation.at_constant_prices if self.liquidation else None
        return None if at is None else at - self.timestamp

    def usd(self, value_raw: int | None) -> float | None:
        """A value of the venue's numeraire in US dollars; `None` when either is not known."""
        per_unit = self.dollars.per_unit(self.numeraire)
        return None if value_raw is None or per_unit is None else value_raw * per_unit

    @property
    def reference(self) -> Reference | None:
        """The reference feed that the values in US dollars stand on, where they stand on one."""
        return self.dollars.basis(self.numeraire)

    @property
    def no_dollars(self) -> str | None:
        """Why nothing here has a value in US dollars; `None` where it does."""
        return None if self.verdict is None else self.dollars.why_not(self.numeraire)

    @property
    def collateral_usd(self) -> float | None:
        """Everything supplied, whether it backs debt or not."""
        return self._total_usd(self.collateral)

    @property
    def debt_usd(self) -> float | None:
        """Everything owed."""
        return self._total_usd(self.debt)

    @property
    def equity_usd(self) -> float | None:
        """Everything supplied minus everything owed."""
        supplied, owed = self.collateral_usd, self.debt_usd
        return None if supplied is None or owed is None else supplied - owed

    def _total_usd(self, legs: Sequence[CollateralLeg] | Sequence[DebtLeg] | None) -> float | None:
        values = [None] if legs is None else [leg.value_raw for leg in legs]
        total = sum(value for value in values if value is not None)
        return None if None in values else self.usd(total)


def view(
    venue: Venue[Any],
    config: VenueConfig,
    protocol: str,
    account: Any,
    bands: Bands,
    dollars: Dollars = NO_DOLLARS,
    sources: Sources = NO_SOURCES,
) -> AccountView:
    """The view of an account that was read, or of one that could not be.

    `dollars`, `sources`: the chain's.
    """
    timestamp = venue.block.timestamp
    if isinstance(account, Failed):
        return AccountView(account.key, protocol, timestamp, Band.UNKNOWN, unread=(account.unread,))
    verdict, audit = venue.verdict(account), venue.audit(account)
    liquidatable = verdict.liquidatable or venue.reported_liquidatable(account)
    collateral, debt = venue.collateral_legs(account), venue.debt_legs(account)
    # A debt too small to be worth a unit today requires nothing, and still dies of a high enough price.
    if liquidatable or (verdict.requirement_raw <= 0 and not debt):
        liquidation, undecided = _without_edges(venue, account), list[Unread]()
    else:
        liquidation, undecided = _edges(venue, account)
    tokens = [leg.token for leg in collateral] + [leg.token for leg in debt]
    unpriced = [leg.symbol for leg in collateral if leg.value_raw is None]
    unread = undecided + [Unread(Reason.ORACLE, f"no price of {symbol} could be read") for symbol in unpriced]
    used = [venue.feeds[key] for key in venue.feeds_of(account)]
    feeds = (
        replace(one, roots=sources.roots(feed), age_s=sources.age_s(feed, timestamp))
        for one, feed in zip(liquidation.feeds, used, strict=True)
    )
    liquidation = replace(liquidation, feeds=tuple(feeds))
    at = liquidation.at_constant_prices
    edges = liquidation.smallest_shock_wad, None if at is None else at - timestamp
    return AccountView(
        key=venue.key(account),
        protocol=protocol,
        timestamp=timestamp,
        band=Band.LIQUIDATABLE if liquidatable else _band(bands, verdict, edges, audit, unread),
        verdict=verdict,
        liquidatable=liquidatable,
        audit=audit,
        disagreement=_disagreement(verdict, audit),
        collateral=collateral,
        debt=debt,
        factors={token: config.factor(token) for token in tokens},
        numeraire=venue.numeraire_of(account),
        dollars=dollars,
        liquidation=liquidation,
        blocked=venue.blocked(account) if liquidatable else None,
        notes=(*venue.notes(account), *_doubts(sources, liquidation.feeds)),
        unread=tuple(unread),
    )


def _doubts(sources: Sources, feeds: Sequence[FeedView]) -> Iterator[str]:
    """Oracle answers of a doubtful age."""
    if sources.unread is not None and feeds:
        yield f"what its prices stand on could not be read: {sources.unread}"
    for feed in feeds if sources.age_says else ():
        if feed.age_s is not None and is_stale(feed.age_s):
            aged = words.span(abs(feed.age_s)) + (" old" if feed.age_s >= 0 else " younger than the block")
            yield f"the oracle's answer for {feed.asset} is {aged}"


def _band(
    bands: Bands,
    verdict: Verdict,
    edges: tuple[int | None, int | None],
    audit: Audit,
    unread: Sequence[Unread],
) -> Band:
    """The worst of what our figures and the protocol's own say; two that differ are never `ok`."""
    shock_wad, seconds = edges
    found = [bands.of(shock_wad, verdict.health_factor_wad, seconds)]
    if unread:
        found.append(Band.UNKNOWN)
    return worst([*found, disagreeing(audit, bands)])


def disagreeing(audit: Audit, bands: Bands) -> Band:
    """Figures that differ from the protocol's own are never ok, and the worse of both counts."""
    if audit.agrees is not False:
        return Band.OK
    said = audit.reported.get(HEALTH_FACTOR)
    return max(Band.WARNING, bands.of(None, int(said) if said else None, None))


def _disagreement(verdict: Verdict, audit: Audit) -> str | None:
    """Both figures, side by side; `None` when they are equal or there is nothing to compare with."""
    if audit.agrees is not False:
        return None
    said = ", ".join(f"{name} {figure}" for name, figure in audit.reported.items())
    return (
        f"the protocol says {said}; computed here: support {verdict.support_raw}, "
        f"requirement {verdict.requirement_raw}, health factor {verdict.health_factor_wad}"
    )


def _feed_view(
    venue: Venue[Any], key: FeedKey, direction: str, liquidation_price_raw: int | None
) -> FeedView:
    feed = venue.feeds[key]
    return FeedView(
        feed.address, feed.asset, feed.decimals, feed.answer_raw, direction, liquidation_price_raw
    )


def _without_edges(venue: Venue[Any], account: Any) -> Liquidation:
    """For an account that is liquidatable already, or that owes nothing: prices and moments do not apply."""
    form = venue.linear(account)
    keys = venue.feeds_of(account)
    return Liquidation(
        feeds=tuple(_feed_view(venue, k, "down" if form.slope(k) >= 0 else "up", None) for k in keys),
        factors=tuple(FactorView(factor, None) for factor in _factors(venue, keys)),
    )


def _edges(venue: Venue[Any], account: Any) -> tuple[Liquidation, list[Unread]]:
    """Every edge of a safe account, and those that could not be decided."""
    undecided: list[Unread] = []

    def decided(search: Callable[[], T], otherwise: T) -> T:
        try:
            return search()
        except Undecided as error:
            undecided.append(Unread(Reason.UNDECIDED, str(error)))
            return otherwise

    bare = _without_edges(venue, account)
    keys = venue.feeds_of(account)
    feeds = []
    for key, plain in zip(keys, bare.feeds, strict=True):
        edge = decided(partial(feed_edge, venue, account, key), FeedEdge(key, plain.direction, None))
        feeds.append(_feed_view(venue, key, edge.direction, edge.liquidation_price_raw))
    factors = [
        FactorView(plain.factor, decided(partial(factor_edge, venue, account, plain.factor), None))
        for plain in bare.factors
    ]
    at, clock = decided(partial(time_edge, venue, account), None), venue.clock
    if at is None:
        return Liquidation(tuple(feeds), tuple(factors)), undecided
    block = None if clock.block_s is None else at
    return Liquidation(tuple(feeds), tuple(factors), clock.timestamp_at(at), block), undecided


def _factors(venue: Venue[Any], keys: Sequence[FeedKey]) -> list[str]:
    """The factors that these feeds load on, in the feeds' order."""
    found: dict[str, None] = {}
    for key in keys:
        feed = venue.feeds[key]
        for factor in (feed.base_factor, feed.quote_factor):
            if factor is not None and feed.loads_on(factor):
                found[factor] = None
    return list(found)

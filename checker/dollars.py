"""What a venue counts in, in US dollars: by a reference feed of the chain where it is not the dollar itself.

For totals and exposures alone: verdicts stay in the venue's own numeraire. What has no reference feed is
worth nothing that anybody knows, and is never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from chain.oracles import read_feeds
from chain.reader import Reader
from margin.basics import Address, Reason, Unread
from protocols.base import Numeraire


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference feed's answer: US dollars for one token that venues count in."""

    token: Address
    feed: Address
    answer_raw: int
    decimals: int
    updated_at: int | None
    """When the source says it was last written, in seconds since 1970; `None` if it does not say."""

    @property
    def usd(self) -> float:
        """The answer as a number."""
        return self.answer_raw / 10.0**self.decimals


@dataclass(frozen=True, slots=True)
class Dollars:
    """The reference feeds of a chain at one block, by token."""

    references: Mapping[Address, Reference | Unread] = field(default_factory=dict)

    def per_unit(self, numeraire: Numeraire | None) -> float | None:
        """US dollars per unit of `value_raw`; `None` where nobody says."""
        if numeraire is None:
            return None
        if numeraire.token is None:
            return 1 / numeraire.unit
        found = self.references.get(numeraire.token)
        return found.usd / numeraire.unit if isinstance(found, Reference) else None

    def basis(self, numeraire: Numeraire | None) -> Reference | None:
        """The reference feed that `per_unit` stands on; `None` where it stands on none."""
        if numeraire is None or numeraire.token is None:
            return None
        found = self.references.get(numeraire.token)
        return found if isinstance(found, Reference) else None

    def why_not(self, numeraire: Numeraire | None) -> str | None:
        """Why there is no value in dollars, in words; `None` where there is one."""
        if numeraire is None:
            return "nobody says what the venue counts in"
        if numeraire.token is None or self.per_unit(numeraire) is not None:
            return None
        found = self.references.get(numeraire.token, "no reference feed")
        return f"it counts in {numeraire.factor}: {found}"


NO_DOLLARS = Dollars()


def read_dollars(
    reader: Reader, feeds: Mapping[Address, Address], numeraires: Iterable[Numeraire | None]
) -> Dollars:
    """The answers of those reference feeds (by token) that these numeraires need, in one read, or none."""
    counted_in = {one.token for one in numeraires if one is not None}
    wanted = [(token, feed) for token, feed in feeds.items() if token in counted_in]
    if not wanted:
        return NO_DOLLARS
    answers = read_feeds(reader, [feed for _, feed in wanted])
    found: dict[Address, Reference | Unread] = {}
    for (token, feed), answer in zip(wanted, answers, strict=True):
        if isinstance(answer, Unread):
            found[token] = answer
        elif answer.answer_raw <= 0 or answer.decimals is None or answer.decimals > _MOST_DECIMALS:
            found[token] = Unread(Reason.ORACLE, f"reference feed {feed} gives no price")
        else:
            found[token] = Reference(token, feed, answer.answer_raw, answer.decimals, answer.updated_at)
    return Dollars(found)


_MOST_DECIMALS = 36

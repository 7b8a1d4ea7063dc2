"""The pips: what each answers to the Spotter, read where the Spotter alone may ask.

A DSValue answers anyone. An oracle security module (OSM) keeps its views for those it lists, and delays
each price by an hour; both its prices stand in its storage, and its timetable is public.
Source: makerdao/osm osm.sol, makerdao/univ2-lp-oracle UNIV2LPOracle.sol (the same two slots),
dapphub/ds-value value.sol.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chain.answers import Garbled, Reverted, by_contract
from chain.reader import Call, Reader
from margin.basics import ZERO_ADDRESS, Address, Reason, Unread
from margin.prices import Feed, FeedKey
from protocols.base import VenueConfig
from protocols.maker import abi
from protocols.maker.state import Delayed, Gem

_SLOTS = (3, 4)
"""`cur` and `nxt`: the price in the lower half of the word, whether it holds in the upper."""
_LOW = (1 << 128) - 1
_FUNCTIONS = (abi.PEEK, abi.HOP, abi.ZZZ, abi.SRC)


class Pips:
    """What the pips of some ilks answer, each asked once."""

    def __init__(
        self, reader: Reader, config: VenueConfig, wanted: Sequence[tuple[Address, Gem | Unread]]
    ) -> None:
        self.feeds: dict[FeedKey, Feed] = {}
        self.quotes: dict[Address, FeedKey | Unread] = {}
        """By pip its feed, or why it has no usable price."""
        self.delayed: dict[Address, Delayed] = {}
        priced: dict[Address, Gem] = {}
        for pip, gem in wanted:
            if pip == ZERO_ADDRESS:
                self.quotes[pip] = Unread(Reason.ORACLE, "the Spotter has no pip")
            elif isinstance(gem, Gem):
                priced.setdefault(pip, gem)
            else:
                self.quotes.setdefault(pip, gem)
        answers = reader.read([Call(pip, function) for pip in priced for function in _FUNCTIONS])
        size = len(_FUNCTIONS)
        rows = {pip: answers[at * size : (at + 1) * size] for at, pip in enumerate(priced)}
        slots = _read_slots(reader, [pip for pip, row in rows.items() if _is_delayed(row)])
        for pip, row in rows.items():
            answer = _answer(pip, row, slots.get(pip))
            if isinstance(answer, Unread):
                self.quotes[pip] = answer
            else:
                self._add(pip, priced[pip], config, answer, row)
            if pip in slots and not any(isinstance(each, Unread) for each in row[1:]):
                self._delay(pip, row, slots[pip])

    def _add(
        self,
        pip: Address,
        gem: Gem,
        config: VenueConfig,
        answer_raw: int,
        row: Sequence[tuple[Any, ...] | Unread],
    ) -> None:
        key, zzz = FeedKey(pip), row[2]
        self.quotes[pip] = key
        self.feeds[key] = Feed(
            key=key,
            address=pip,
            asset=gem.symbol,
            answer_raw=answer_raw,
            decimals=18,
            base_factor=config.factor(gem.token),
            quote_factor=None,
            updated_at=None if isinstance(zzz, Unread) else int(zzz[0]),
        )

    def _delay(
        self, pip: Address, row: Sequence[tuple[Any, ...] | Unread], words: Sequence[int] | Unread
    ) -> None:
        _, hop, zzz, src = row
        if isinstance(words, Unread) or isinstance(hop, Unread) or isinstance(zzz, Unread):
            return
        next_word = words[1]
        self.delayed[pip] = Delayed(
            next_raw=next_word & _LOW if next_word >> 128 == 1 else None,
            at=int(zzz[0]) + int(hop[0]),
            source=ZERO_ADDRESS if isinstance(src, Unread) else src[0],
        )


def _is_delayed(row: Sequence[tuple[Any, ...] | Unread]) -> bool:
    """It has the timetable of an OSM."""
    return not any(isinstance(part, Unread) for part in row[1:3])


def _answer(
    pip: Address, row: Sequence[tuple[Any, ...] | Unread], words: Sequence[int] | Unread | None
) -> int | Unread:
    """The price now, a wad; zero is none."""
    peek = row[0]
    if not isinstance(peek, Unread):
        raw, has = int.from_bytes(peek[0], "big"), bool(peek[1])
    elif not isinstance(peek, Reverted | Garbled):
        return peek
    elif words is None:
        # What the node could not tell of the timetable is not what the pip has not.
        failed = [part for part in row[1:3] if isinstance(part, Unread)]
        own = all(by_contract(part) for part in failed)
        return Unread(Reason.ORACLE, f"the pip {pip} lets nobody read its price") if own else failed[0]
    elif isinstance(words, Unread):
        return words
    else:
        if words[0] >> 128 > 1:
            return Unread(Reason.UNSUPPORTED, f"the pip {pip} keeps its price in an unknown way")
        raw, has = words[0] & _LOW, bool(words[0] >> 128)
    if not has:
        return Unread(Reason.ORACLE, f"the pip {pip} has no price: it is void")
    return raw or Unread(Reason.ORACLE, f"the pip {pip} has a price of zero")


def _read_slots(reader: Reader, pips: Sequence[Address]) -> dict[Address, Sequence[int] | Unread]:
    """`cur` and `nxt` of each from storage."""
    if not pips:
        return {}
    keys = [slot.to_bytes(32, "big") for _ in pips for slot in _SLOTS]
    contract = np.repeat(np.arange(len(pips)), len(_SLOTS))
    read = reader.words(pips, contract, np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 32))
    found: dict[Address, Sequence[int] | Unread] = {}
    for at, pip in enumerate(pips):
        places = range(at * len(_SLOTS), (at + 1) * len(_SLOTS))
        failed = [read.unread[place] for place in places if place in read.unread]
        found[pip] = (
            failed[0] if failed else [int.from_bytes(read.raw[place].tobytes(), "big") for place in places]
        )
    return found

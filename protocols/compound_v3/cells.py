"""What the cells of a Comet book mean: accounts, how they are read, and the float screen.

An account's id is its owner's address. It has two cells of base, of which one is zero, and one of each
collateral that it ever held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from chain.abi import to_address
from chain.reader import Call, Reader
from margin.account import AccountKey
from margin.basics import Unread
from margin.prices import Prices
from margin.screen import Floats, Screen
from margin.units import WAD
from protocols.book import Cells, CellsRead, Index
from protocols.compound_v3 import abi, parts
from protocols.compound_v3.interest import INDEX_SCALE
from protocols.compound_v3.linear import FLOAT_SHARE
from protocols.compound_v3.parts import LENT, OWED
from protocols.compound_v3.read_accounts import is_empty
from protocols.compound_v3.state import CometAccount
from protocols.compound_v3.venue import Market


def key_of(market: Market, id_: bytes) -> AccountKey:
    """The name of the account with this id: the user's address."""
    owner = to_address(id_)
    return AccountKey(market.id, owner, owner)


def account_of(market: Market, id_: bytes, words: Mapping[int, int]) -> CometAccount | None:
    """The account of these words (by part), unread prices not looked at; `None` when it has nothing."""
    held = tuple(
        (asset, words[part]) for asset in market.assets if words.get(part := parts.part_of(asset), 0)
    )
    principal = words.get(LENT, 0) - words.get(OWED, 0)
    account = CometAccount(key_of(market, id_), principal, held, read_at=market.block.timestamp)
    return None if is_empty(account) else account


def read_cells(market: Market, reader: Reader, ids: Sequence[bytes], row: Index, part: Index) -> CellsRead:
    """The words of these cells at the reader's block, by one view call each; both of base by one."""
    comet = market.settings.comet
    wanted = list(zip(row.tolist(), part.tolist(), strict=True))
    views = [(at, parts.asset_of(which)) for at, which in wanted]
    views = list(dict.fromkeys((at, max(asset, -1)) for at, asset in views))
    calls = []
    for at, asset in views:
        owner = to_address(ids[at])
        if asset < 0:
            calls.append(Call(comet, abi.USER_BASIC, (owner,)))
        else:
            calls.append(Call(comet, abi.USER_COLLATERAL, (owner, market.assets[asset].token)))
    answers = dict(zip(views, reader.read(calls), strict=True))
    words = np.zeros((len(row), 32), np.uint8)
    unread: dict[int, Unread] = {}
    for cell, (at, which) in enumerate(wanted):
        answer = answers[at, max(parts.asset_of(which), -1)]
        if isinstance(answer, Unread):
            unread[cell] = answer
            continue
        figure = max(0, -answer[0] if which == OWED else answer[0])
        words[cell] = np.frombuffer(figure.to_bytes(32, "big"), np.uint8)
    return CellsRead(words, unread)


class Terms:
    """Which terms a market has: a unit of each collateral, a unit of owed principal, then nothing."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.places = {id_: place for place, id_ in enumerate(market.assets)}

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.places) + 2

    def values(self, prices: Prices, at: int) -> Floats:
        """What each is worth; not a number where its price could not be read."""
        market = self.market
        found = np.full(self.count, np.nan)
        found[-1] = 0.0
        for asset in market.assets.values():
            if not isinstance(asset.feed, Unread):
                found[self.places[asset.id]] = prices[asset.feed] / asset.scale
        if market.stuck is None and not isinstance(market.base.feed, Unread):
            settings = market.settings
            totals = market.booked.accrued(at, settings.supply_curve, settings.borrow_curve)
            found[-2] = totals.borrow_index / INDEX_SCALE * (prices[market.base.feed] / market.base.scale)
        return found


def screen(market: Market, cells: Cells) -> Screen:
    """The cells in floats, in the scale of `Market.verdict`. What is lent backs nothing here."""
    terms = Terms(market)
    nothing = terms.count - 1
    most = max(parts.part_of(id_) for id_ in market.assets) if market.assets else OWED
    factor, term_of = np.zeros(most + 1), np.full(most + 1, nothing)
    factor[OWED], term_of[OWED] = -1.0, nothing - 1
    for asset in market.assets.values():
        factor[parts.part_of(asset.id)] = asset.liquidate_wad / WAD
        term_of[parts.part_of(asset.id)] = terms.places[asset.id]
    known = cells.part <= most
    part = np.where(known, cells.part, LENT)
    amount = _floats(cells)
    term = np.where(amount > 0, term_of[part], nothing)
    return Screen(
        rows=len(cells.ids),
        row=cells.row,
        term=term.astype(np.uint16),
        weight=amount * factor[part],
        face=np.where(term == nothing, 0.0, amount * np.where(part == OWED, -1.0, 1.0)),
        doubt=np.full(terms.count, FLOAT_SHARE),
        # A debt is cut off to a raw unit of base, which is at most one principal.
        slack=1.0,
        floor=2.0 * len(market.assets) + 2.0,
        always_exact=np.zeros(len(cells.ids), np.bool_),
    )


def _floats(cells: Cells) -> Floats:
    """Each word, of up to 128 bits, as a float."""
    quarters = np.ascontiguousarray(cells.words).view(">u8")
    found: Floats = quarters[:, 2].astype(np.float64) * 2.0**64 + quarters[:, 3].astype(np.float64)
    return found

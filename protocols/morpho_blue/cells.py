"""What the cells of a Morpho Blue book mean: accounts, how they are read, and the float screen.

An account's id is its market's, 32 bytes, and its owner's address. It has three cells: supply shares, borrow
shares, collateral. Source of the storage: MorphoStorageLib of morpho-org/morpho-blue 1.0.0.
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
from protocols.morpho_blue import abi
from protocols.morpho_blue.interest import VIRTUAL_ASSETS, VIRTUAL_SHARES
from protocols.morpho_blue.state import MorphoAccount
from protocols.morpho_blue.venue import FLOAT_SHARE, PRICE_SCALE, ROUNDINGS, Markets

SUPPLY, DEBT, COLLATERAL = range(3)
PARTS = frozenset({SUPPLY, DEBT, COLLATERAL})
ID_BYTES = 32
"""Of an account's id: its market's."""


def key_of(venue: Markets, id_: bytes) -> AccountKey:
    """The name of the account with this id."""
    return AccountKey(venue.id, to_address(id_[ID_BYTES:]), "0x" + id_[:ID_BYTES].hex())


def account_of(venue: Markets, id_: bytes, words: Mapping[int, int]) -> MorphoAccount | None:
    """The account of these words; `None` when empty, or of a market that the venue is not about."""
    key = key_of(venue, id_)
    if key.account not in venue.markets or not any(words.values()):
        return None
    return MorphoAccount(key, words.get(SUPPLY, 0), words.get(DEBT, 0), words.get(COLLATERAL, 0))


def read_cells(venue: Markets, reader: Reader, ids: Sequence[bytes], row: Index, part: Index) -> CellsRead:
    """The words of these cells at the reader's block, by one `position` an account."""
    rows = np.unique(row).tolist()
    calls = [
        Call(venue.morpho, abi.POSITION, (ids[at][:ID_BYTES], to_address(ids[at][ID_BYTES:]))) for at in rows
    ]
    answers = dict(zip(rows, reader.read(calls), strict=True))
    words = np.zeros((len(row), 32), np.uint8)
    unread: dict[int, Unread] = {}
    for cell, (at, which) in enumerate(zip(row.tolist(), part.tolist(), strict=True)):
        answer = answers[at]
        if isinstance(answer, Unread):
            unread[cell] = answer
        else:
            words[cell] = np.frombuffer(int(answer[which]).to_bytes(32, "big"), np.uint8)
    return CellsRead(words, unread)


class Terms:
    """Two terms a market: a unit of collateral and a borrow share, in loan tokens. The last is nothing."""

    def __init__(self, venue: Markets) -> None:
        self.venue = venue
        self.places = {bytes.fromhex(id_[2:]): place for place, id_ in enumerate(venue.markets)}

    @property
    def count(self) -> int:
        """How many there are."""
        return 2 * len(self.places) + 1

    def values(self, prices: Prices, at: int) -> Floats:
        """What each is worth; not a number where it could not be read."""
        found = np.full(self.count, np.nan)
        found[-1] = 0.0
        for place, market in enumerate(self.venue.markets.values()):
            if isinstance(market.quote, str):
                found[2 * place] = prices[market.quote] / PRICE_SCALE
            if market.rate_problem is None:
                accrued = market.state.accrued(at, has_interest=market.has_interest).state
                found[2 * place + 1] = (accrued.borrow_assets + VIRTUAL_ASSETS) / (
                    accrued.borrow_shares + VIRTUAL_SHARES
                )
        return found


def screen(venue: Markets, cells: Cells) -> Screen:
    """The cells in floats, in the scale of the verdict of each account's own market.

    What is lent backs nothing, and is worth nothing here; neither is what is in no market of the venue.
    """
    terms = Terms(venue)
    nothing = terms.count - 1
    place = np.array([terms.places.get(id_[:ID_BYTES], -1) for id_ in cells.ids], np.int64)[cells.row]
    lltv = np.array([market.lltv_wad / WAD for market in venue.markets.values()] + [0.0])[place]
    amount = _floats(cells)
    is_collateral = (cells.part == COLLATERAL) & (place >= 0) & (amount > 0)
    is_debt = (cells.part == DEBT) & (place >= 0) & (amount > 0)
    face = np.where(is_collateral, amount, np.where(is_debt, -amount, 0.0))
    term = np.where(is_collateral, 2 * place, np.where(is_debt, 2 * place + 1, nothing))
    return Screen(
        rows=len(cells.ids),
        row=cells.row,
        term=term.astype(np.uint16),
        weight=np.where(is_collateral, face * lltv, face),
        face=face,
        doubt=np.full(terms.count, FLOAT_SHARE),
        # The debt is rounded up once, on top of the two roundings of what supports it.
        floor=ROUNDINGS + 1.0,
        always_exact=np.zeros(len(cells.ids), np.bool_),
    )


def _floats(cells: Cells) -> Floats:
    """Each word, of up to 128 bits, as a float."""
    quarters = np.ascontiguousarray(cells.words).view(">u8")
    found: Floats = quarters[:, 2].astype(np.float64) * 2.0**64 + quarters[:, 3].astype(np.float64)
    return found

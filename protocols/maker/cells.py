"""The cells of Maker's book: two words a vault, collateral and debt, in the parts of its ilk.

An account's id is its ilk (32 bytes) and its urn (20 bytes).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from chain.abi import to_address
from chain.reader import Call, Reader
from margin.account import AccountKey
from margin.basics import Unread
from margin.prices import Prices
from margin.screen import Floats, Screen
from margin.units import RAY
from protocols.book import Cells, CellsRead, Index
from protocols.maker import abi
from protocols.maker.state import Ilk, Vault
from protocols.maker.venue import FLOAT_SHARE, Market

INK, ART = 0, 1
PARTS = (INK, ART)
_WORD = 32


def id_of(ilk: Ilk, urn: bytes) -> bytes:
    """The id of a vault."""
    return ilk.word + urn


def key_of(market: Market, id_: bytes) -> AccountKey:
    """The name of a vault as the Vat alone knows it: the urn is its own owner."""
    ilk, urn = market.by_word.get(id_[:_WORD]), to_address(id_[_WORD:])
    name = ilk.name if ilk is not None else "0x" + id_[:_WORD].hex()
    return AccountKey(market.id, urn, f"{name} {urn}")


def account_of(market: Market, id_: bytes, words: Mapping[int, int]) -> Vault | None:
    """The vault of these words; `None` where it is empty, or its ilk is none of the venue's."""
    ilk = market.by_word.get(id_[:_WORD])
    if ilk is None:
        return None
    ink, art = (words.get(part, 0) for part in PARTS)
    if not ink and not art:
        return None
    return Vault(key_of(market, id_), ilk.word, to_address(id_[_WORD:]), ink, art)


def read_cells(market: Market, reader: Reader, ids: Sequence[bytes], row: Index, part: Index) -> CellsRead:
    """The words of these cells by `Vat.urns`, one call a vault."""
    rows = np.unique(row)
    calls = [Call(market.system.vat, abi.URNS, (ids[at][:_WORD], to_address(ids[at][_WORD:]))) for at in rows]
    told = dict(zip(rows.tolist(), reader.read(calls), strict=True))
    words = np.zeros((len(row), 32), np.uint8)
    unread: dict[int, Unread] = {}
    for place, (at, which) in enumerate(zip(row.tolist(), part.tolist(), strict=True)):
        answer = told[at]
        if isinstance(answer, Unread):
            unread[place] = answer
        else:
            words[place] = np.frombuffer(answer[which].to_bytes(32, "big"), np.uint8)
    return CellsRead(words, unread)


def screen(market: Market, cells: Cells) -> Screen:
    """The cells in floats, in rads: two terms an ilk, collateral by its price over `mat`, debt by its rate.

    A term's value is exact up to its rounding to a float.
    """
    amount = as_floats(cells.words)
    places = {ilk.word: place for place, ilk in enumerate(market.ilks)}
    nowhere = len(market.ilks)
    by_row = np.array([places.get(id_[:_WORD], nowhere) for id_ in cells.ids], np.int64)
    shares = np.array([RAY / ilk.mat_ray if ilk.mat_ray else 0.0 for ilk in market.ilks] + [0.0])
    ilk = by_row[cells.row]
    owed, known = cells.part == ART, ilk != nowhere
    face = np.where(known, np.where(owed, -amount, amount), 0.0)
    return Screen(
        rows=len(cells.ids),
        row=cells.row,
        term=(2 * ilk + cells.part).astype(np.uint16),
        weight=np.where(owed, face, face * shares[ilk]),
        face=face,
        doubt=np.full(2 * (nowhere + 1), FLOAT_SHARE),
        floor=4.0,
        always_exact=np.zeros(len(cells.ids), np.bool_),
    )


def unit_values(market: Market, prices: Prices, at: int) -> Floats:
    """Per ilk `spot` times `mat` (what collateral is worth before its ratio) and the rate; rays."""
    found = np.zeros(2 * (len(market.ilks) + 1))
    for place, ilk in enumerate(market.ilks):
        found[2 * place + INK] = float(market.spot_ray(ilk, prices)) * (ilk.mat_ray / RAY)
        found[2 * place + ART] = float(market.rate_ray(ilk, at)[0])
    return found


def as_floats(words: npt.NDArray[np.uint8]) -> Floats:
    """Each word as a float."""
    quarters = np.ascontiguousarray(words).view(">u8")
    found: Floats = np.zeros(len(words))
    for place in range(4):
        found = found * 2.0**64 + quarters[:, place].astype(np.float64)
    return found

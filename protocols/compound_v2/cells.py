"""What the cells of a book mean: their reading, accounts from them, and the float screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from chain.abi import to_address
from chain.reader import Call, Reader
from margin.account import AccountKey
from margin.basics import Address, Unread
from margin.prices import Prices
from margin.screen import Floats, Screen
from margin.units import WAD
from protocols.book import Cells, CellsRead, Index, Words
from protocols.compound_v2 import abi, interest, parts
from protocols.compound_v2.debts import Asked, read_debts
from protocols.compound_v2.linear import FLOAT_SHARE
from protocols.compound_v2.parts import ENTERED, INDEX, PRINCIPAL, ROUNDED, TOKENS, VAI
from protocols.compound_v2.pool import Pool
from protocols.compound_v2.read_accounts import is_empty
from protocols.compound_v2.state import CompoundAccount, Debt, Market, Position

_NO_WORD = bytes(32)


def key_of(pool: Pool, id_: bytes) -> AccountKey:
    """The name of the account with this id: the user's address."""
    owner = to_address(id_)
    return AccountKey(pool.id, owner, owner)


def read_cells(
    pool: Pool,
    reader: Reader,
    ids: Sequence[bytes],
    row: Index,
    part: Index,
    layouts: dict[Address, int],
) -> CellsRead:
    """The words of these cells at the reader's block; see `protocols.book.Tracked.read_cells`.

    By view calls; a debt's two words are from storage, and put to the proof of the view (`debts`).
    """
    words: Words = np.zeros((len(row), 32), np.uint8)
    unread: dict[int, Unread] = {}
    holders = [to_address(ids[at]) for at in row]
    calls = [_view(pool, int(p), who) for p, who in zip(part, holders, strict=True)]
    asked: list[Asked] = []
    owing: list[int] = []
    for at, answer in enumerate(reader.read(calls)):
        if isinstance(answer, Unread):
            unread[at] = answer
            continue
        figure = int(answer[0])
        if part[at] != VAI and parts.kind_of(int(part[at]))[1] in (PRINCIPAL, INDEX):
            owing.append(at)
            asked.append(Asked(pool.markets[parts.kind_of(int(part[at]))[0]], holders[at], figure))
        else:
            words[at] = np.frombuffer(figure.to_bytes(32, "big"), np.uint8)
    # Principal and index of one debt stand beside each other, and are read once.
    distinct = list(dict.fromkeys(asked))
    debts = dict(zip(distinct, read_debts(reader, distinct, layouts), strict=True))
    for at, one in zip(owing, asked, strict=True):
        debt = debts[one]
        if isinstance(debt, Unread):
            unread[at] = debt
        else:
            words[at] = np.frombuffer(_debt_word(debt, parts.kind_of(int(part[at]))[1]), np.uint8)
    return CellsRead(words, unread)


def _view(pool: Pool, part: int, holder: Address) -> Call:
    comptroller = pool.settings.comptroller
    if part == VAI:
        return Call(comptroller, abi.MINTED_VAIS, (holder,))
    market_id, kind = parts.kind_of(part)
    market = pool.markets[market_id].address
    if kind == TOKENS:
        return Call(market, abi.BALANCE_OF, (holder,))
    if kind == ENTERED:
        return Call(comptroller, abi.CHECK_MEMBERSHIP, (holder, market))
    return Call(market, abi.BORROW_BALANCE_STORED, (holder,))


def _debt_word(debt: Debt | None, kind: int) -> bytes:
    if debt is None:
        return _NO_WORD
    figure = debt.principal_raw if kind == PRINCIPAL else debt.index_wad | (ROUNDED if debt.rounded else 0)
    return figure.to_bytes(32, "big")


def implied(cells: Cells) -> tuple[Index, Index]:
    """Principal and index come together, and who holds or owes anything may have entered the market."""
    rows, found = [], []
    for part in np.unique(cells.part):
        if part == VAI:
            continue
        market, kind = parts.kind_of(int(part))
        mine = cells.row[cells.part == part]
        others = {TOKENS: (ENTERED,), PRINCIPAL: (INDEX, ENTERED), INDEX: (PRINCIPAL, ENTERED)}
        for other in others.get(kind, ()):
            rows.append(mine)
            found.append(np.full(len(mine), parts.part_of(market, other), np.int32))
    if not rows:
        return np.zeros(0, np.int32), np.zeros(0, np.int32)
    return np.concatenate(rows).astype(np.int32), np.concatenate(found)


def account_of(pool: Pool, id_: bytes, words: Mapping[int, int]) -> CompoundAccount | None:
    """The account of these words (by part), unread prices not looked at; `None` when empty."""
    positions = []
    for market in sorted({parts.kind_of(part)[0] for part, word in words.items() if word and part != VAI}):
        if market not in pool.markets:
            continue
        tokens, principal, index, entered = (
            words.get(parts.part_of(market, kind), 0) for kind in (TOKENS, PRINCIPAL, INDEX, ENTERED)
        )
        debt = Debt(principal, index & ~ROUNDED, bool(index & ROUNDED)) if principal else None
        if tokens or debt or entered:
            positions.append(Position(market, tokens, debt, bool(entered)))
    account = CompoundAccount(key_of(pool, id_), tuple(positions), words.get(VAI, 0), None)
    return None if is_empty(account) else account


class Terms:
    """Which terms a pool has: tokens and debt (over its index) of each market, then VAI, then nothing."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.places = {id_: place for place, id_ in enumerate(pool.markets)}

    @property
    def count(self) -> int:
        """How many there are."""
        return 2 * len(self.places) + 2

    def of(self, market: int, kind: int) -> int:
        """The term of a market's tokens or debt."""
        return 2 * self.places[market] + (kind != TOKENS)

    def values(self, prices: Prices, at: int) -> Floats:
        """What each is worth; not a number where its price could not be read."""
        found = np.full(self.count, np.nan)
        found[-2:] = 1.0, 0.0
        for market in self.pool.markets.values():
            if isinstance(market.feed, Unread):
                continue
            price = float(prices[market.feed]) / WAD
            found[self.of(market.id, TOKENS)] = interest.exchange_rate_wad(market, at) / WAD * price
            found[self.of(market.id, PRINCIPAL)] = float(interest.accrued(market, at).index_wad) * price
        return found


def screen(pool: Pool, cells: Cells) -> Screen:
    """The cells in floats, in the scale of `Pool.verdict`, one entry a cell."""
    terms = Terms(pool)
    count, rows = len(cells.part), len(cells.ids)
    term = np.full(count, terms.count - 1, np.uint16)
    weight, face = np.zeros(count), np.zeros(count)
    doubt = np.full(terms.count, FLOAT_SHARE)
    unjudged = np.zeros(rows, np.bool_)
    floor, least_index = 4.0, WAD
    mine = np.flatnonzero(cells.part == VAI)
    term[mine] = terms.count - 2
    weight[mine] = face[mine] = -_floats(cells.words[mine])
    if pool.settings.vai_interest:
        unjudged[cells.row[mine[weight[mine] != 0]]] = True
    for market in pool.markets.values():
        entered = np.zeros(rows, np.bool_)
        members = np.flatnonzero(cells.part == parts.part_of(market.id, ENTERED))
        entered[cells.row[members]] = cells.words[members].any(axis=1)
        if isinstance(market.feed, Unread) or market.stuck is not None:
            # An entered market without a price is enough, even an empty one.
            unjudged |= entered
        factor = market.collateral_factor_wad / WAD
        held = np.flatnonzero(cells.part == parts.part_of(market.id, TOKENS))
        counted = held[entered[cells.row[held]]]
        face[counted] = _floats(cells.words[counted])
        weight[counted] = face[counted] * factor
        term[counted] = terms.of(market.id, TOKENS)
        doubt[terms.of(market.id, TOKENS)] += _rate_doubt(market)
        floor += market.supply_tokens / WAD + 6.0
        least_index = min(least_index, market.index_wad)
        _debts(terms, cells, market, term, weight, face, unjudged)
    return Screen(
        rows=rows,
        row=cells.row,
        term=term,
        weight=weight,
        face=face,
        doubt=doubt,
        # A debt is cut off to a raw unit, which is one part in its index of the term.
        slack=4.0 / least_index,
        floor=floor,
        always_exact=unjudged,
    )


def _rate_doubt(market: Market) -> float:
    """What cutting off the exchange rate, and the rate times the factor, can take as a share of them."""
    rate_wad = max(1, interest.exchange_rate_wad(market, market.accrued_at))
    weighted_wad = (
        max(1, rate_wad * market.collateral_factor_wad // WAD) if market.collateral_factor_wad else 1
    )
    return 4.0 / rate_wad + (4.0 / weighted_wad if market.collateral_factor_wad else 0.0)


def _debts(
    terms: Terms,
    cells: Cells,
    market: Market,
    term: np.ndarray[tuple[int, ...], np.dtype[np.uint16]],
    weight: Floats,
    face: Floats,
    unjudged: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
) -> None:
    """Principal over index of every debt of a market, in the cell of the principal."""
    rows = len(cells.ids)
    index = np.zeros(rows)
    mine = np.flatnonzero(cells.part == parts.part_of(market.id, INDEX))
    flagged = cells.words[mine].copy()
    flagged[:, 0] &= 0x7F
    index[cells.row[mine]] = _floats(flagged)
    owing = np.flatnonzero(cells.part == parts.part_of(market.id, PRINCIPAL))
    owing = owing[cells.words[owing].any(axis=1)]
    of = index[cells.row[owing]]
    unjudged[cells.row[owing[of == 0.0]]] = True
    units = _floats(cells.words[owing]) / np.where(of == 0.0, 1.0, of)
    weight[owing] = face[owing] = -units
    term[owing] = terms.of(market.id, PRINCIPAL)


def _floats(words: Words) -> Floats:
    """Each word as a float."""
    quarters = np.ascontiguousarray(words).view(">u8").reshape(len(words), 4)
    found = np.zeros(len(words))
    for at in range(4):
        found = found * 2.0**64 + quarters[:, at].astype(np.float64)
    return found

"""What the cells of an Aave v3 book mean: accounts, the cells that flags imply, and the float screen."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from chain.abi import to_address
from margin.account import AccountKey
from margin.basics import Unread
from margin.prices import Prices
from margin.screen import Floats, Screen
from margin.units import BPS, RAY
from protocols.aave_common.columns import filled_in, flag_bits, known_in, low_128
from protocols.aave_common.linear import FLOAT_SHARE
from protocols.aave_common.quotes import Quote
from protocols.aave_v3 import parts
from protocols.aave_v3.parts import DEBT, EMODE, FLAGS, STABLE, SUPPLY
from protocols.aave_v3.state import AaveAccount, EMode, Position, Reserve, StableDebt
from protocols.aave_v3.venue import Market
from protocols.book import Cells, Index

_LOW_128 = (1 << 128) - 1
_ROUNDINGS = 2.0
"""Scaled units by which an amount may lie off its index's line: it is rounded to a raw unit once, and
an index is never below one."""


def key_of(market: Market, id_: bytes) -> AccountKey:
    """The name of the account with this id."""
    owner = to_address(id_)
    return AccountKey(market.id, owner, owner)


def account_of(market: Market, id_: bytes, words: Mapping[int, int]) -> AaveAccount | None:
    """The account of these words (by part), unread prices and modes not looked at; `None` when empty."""
    positions = []
    held = {parts.kind_of(part)[0] for part, word in words.items() if word and part not in parts.COMMON}
    for reserve in sorted(held):
        first = parts.part_of(reserve, 0)
        supply, debt = words.get(first + SUPPLY, 0), words.get(first + DEBT, 0)
        stable = _stable(words.get(first + STABLE, 0), words.get(first + parts.STABLE_AT, 0))
        if supply or debt or stable:
            positions.append(Position(reserve, supply, debt, stable))
    if not positions:
        return None
    key = key_of(market, id_)
    return AaveAccount(key, words.get(FLAGS, 0), words.get(EMODE, 0), tuple(positions), None)


def _stable(word: int, updated_at: int) -> StableDebt | None:
    principal = word & _LOW_128
    return StableDebt(principal, word >> 128, updated_at) if principal else None


def modes(cells: Cells) -> npt.NDArray[np.uint8]:
    """Per account its e-mode."""
    found = np.zeros(len(cells.ids), np.uint8)
    mine = cells.part == EMODE
    found[cells.row[mine]] = cells.words[mine][:, 31]
    return found


def implied(market: Market, cells: Cells) -> tuple[Index, Index]:
    """Supplies and debts that flags tell of.

    A debt that is not variable must be a stable one; and where anyone has stable debt in a reserve,
    all who borrow there are asked for it, since its total proves nothing (see `read_totals`).
    """
    bits = flag_bits(cells, FLAGS)
    rows: list[npt.NDArray[np.intp]] = []
    found: list[npt.NDArray[np.int32]] = []

    def add(row: npt.NDArray[np.intp], part: int) -> None:
        rows.append(row)
        found.append(np.full(len(row), part, np.int32))

    for reserve in market.reserves.values():
        borrows = np.flatnonzero(bits[:, 2 * reserve.id])
        add(np.flatnonzero(bits[:, 2 * reserve.id + 1]), parts.part_of(reserve.id, SUPPLY))
        add(borrows, parts.part_of(reserve.id, DEBT))
        if market.rules.stable_debt:
            if not filled_in(cells, parts.part_of(reserve.id, STABLE)).any():
                known, filled = (of(cells, parts.part_of(reserve.id, DEBT)) for of in (known_in, filled_in))
                borrows = borrows[known[borrows] & ~filled[borrows]]
            for part in parts.with_companions(parts.part_of(reserve.id, STABLE)):
                add(borrows, part)
    if not rows:
        return np.zeros(0, np.int32), np.zeros(0, np.int32)
    return np.concatenate(rows).astype(np.int32), np.concatenate(found)


class Terms:
    """Which terms a pool has: scaled supply and debt of each reserve, at its price and at those of e-modes.

    The last term is worth nothing: it is that of flags and modes.
    """

    def __init__(self, market: Market) -> None:
        self.market = market
        self.reserves: list[Reserve] = list(market.reserves.values())
        self.own_priced: list[EMode] = [
            mode
            for mode in market.emodes.values()
            if mode.quote is not None and not market.rules.liquid_emodes
        ]

    @property
    def count(self) -> int:
        """How many there are."""
        return 2 * len(self.reserves) * (1 + len(self.own_priced)) + 1

    def of_reserve(self, place: int, side: int) -> int:
        """The term of the reserve at this place; side 0 is supply, 1 debt."""
        return 2 * place + side

    def in_mode(self, mode: int, place: int, side: int) -> int:
        """The same at the price of the e-mode at that place of `own_priced`."""
        return 2 * len(self.reserves) * (1 + mode) + 2 * place + side

    def values(self, prices: Prices, at: int) -> Floats:
        """What each term is worth in base units; not a number where its price could not be read."""
        market = self.market
        found = np.full(self.count, np.nan)
        found[-1] = 0.0
        for place, reserve in enumerate(self.reserves):
            supplied = market.income_index_ray(reserve, at) / RAY / reserve.unit
            owed = market.debt_index_ray(reserve, at) / RAY / reserve.unit
            price = _price(reserve.quote, prices)
            found[self.of_reserve(place, 0)] = supplied * price
            found[self.of_reserve(place, 1)] = owed * price
            for at_mode, mode in enumerate(self.own_priced):
                own = _price(mode.quote, prices)
                found[self.in_mode(at_mode, place, 0)] = supplied * own
                found[self.in_mode(at_mode, place, 1)] = owed * own
        return found


def _price(quote: Quote | Unread | None, prices: Prices) -> float:
    if not isinstance(quote, Quote):
        return float("nan")
    return float(quote.constant_raw if quote.feed is None else prices[quote.feed])


def screen(market: Market, cells: Cells) -> Screen:
    """The cells in floats, in the scale of `Market.verdict`, one entry a cell.

    With a truncated average threshold the support lies up to 1 bp of the collateral below the
    weighted sum: the weight takes the middle, and half a bp is its term's doubt.
    """
    truncated = market.rules.truncated_average
    scale, lost_bps = (float(BPS), 0.5) if truncated else (1.0, 0.0)
    terms = Terms(market)
    bits, mode = flag_bits(cells, FLAGS), modes(cells)
    count = len(cells.part)
    term = np.full(count, terms.count - 1, np.uint16)
    weight, face = np.zeros(count), np.zeros(count)
    doubt = np.full(terms.count, FLOAT_SHARE)
    always_exact = np.zeros(len(cells.ids), np.bool_)
    for place, reserve in enumerate(terms.reserves):
        own = _own_priced(terms, reserve)
        for side, kind in enumerate((SUPPLY, DEBT)):
            mine = np.flatnonzero(cells.part == parts.part_of(reserve.id, kind))
            row = cells.row[mine]
            scaled = low_128(cells.words[mine])
            term[mine] = terms.of_reserve(place, side)
            for id_, at_mode in own.items():
                term[mine[mode[row] == id_]] = terms.in_mode(at_mode, place, side)
            if side == 0:
                bps = _thresholds(market, reserve, mode[row], bits[row, 2 * reserve.id + 1])
                counted = bits[row, 2 * reserve.id + 1].astype(np.bool_) & (
                    market.rules.zero_threshold_counts or reserve.configuration.threshold_bps != 0
                )
                weight[mine] = np.where(counted, scaled * np.maximum(bps - lost_bps, 0.0) / scale, 0.0)
                face[mine] = np.where(counted, scaled, 0.0)
                _widen(doubt, term[mine], np.where(counted, bps, 0.0), lost_bps)
                # A threshold no larger than what truncation can take: its error is no share of its weight.
                always_exact[row[counted & (bps <= 2 * lost_bps) & truncated]] = True
            else:
                owes = bits[row, 2 * reserve.id].astype(np.bool_)
                face[mine] = np.where(owes, -scaled, 0.0)
                weight[mine] = face[mine] * (BPS / scale)
        stable = cells.part == parts.part_of(reserve.id, STABLE)
        always_exact[cells.row[stable][cells.words[stable][:, 16:].any(axis=1)]] = True
    # A supply that backs nothing hangs on no price, not even on one that could not be read.
    term[(weight == 0.0) & (face == 0.0)] = terms.count - 1
    return Screen(
        rows=len(cells.ids),
        row=cells.row,
        term=term,
        weight=weight,
        face=face,
        doubt=doubt,
        slack=_ROUNDINGS * (BPS / scale),
        # Each value is floored (or ceiled) once, an average loses part of a unit, and the edge one more.
        floor=8.0 + 2.0 * (BPS / scale) * 2 * len(terms.reserves),
        always_exact=always_exact,
    )


def _own_priced(terms: Terms, reserve: Reserve) -> dict[int, int]:
    """By e-mode id its place among those whose own price holds for this reserve."""
    return {
        mode.id: place
        for place, mode in enumerate(terms.own_priced)
        if reserve.configuration.emode_category == mode.id
    }


def _thresholds(
    market: Market, reserve: Reserve, mode: npt.NDArray[np.uint8], counted: npt.NDArray[np.uint8]
) -> Floats:
    """Per supply of a reserve the threshold that weights it, by its account's e-mode."""
    by_mode = np.full(256, float(reserve.configuration.threshold_bps))
    for emode in market.emodes.values():
        inside = (
            emode.collateral_bitmap >> reserve.id & 1
            if market.rules.liquid_emodes
            else reserve.configuration.emode_category == emode.id
        )
        if inside:
            by_mode[emode.id] = emode.threshold_bps
    found: Floats = by_mode[mode] * counted
    return found


def _widen(doubt: Floats, term: npt.NDArray[np.uint16], bps: Floats, lost_bps: float) -> None:
    """Half a bp as a share of the smallest threshold met in each term."""
    if not lost_bps:
        return
    for which in np.unique(term):
        mine = bps[(term == which) & (bps > lost_bps)]
        if len(mine):
            doubt[which] = FLOAT_SHARE + lost_bps / (mine.min() - lost_bps)

"""What the cells of an Aave v2 book mean: accounts, the cells that flags imply, and the float screen."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from chain.abi import to_address
from margin.account import AccountKey
from margin.basics import Reason, Unread
from margin.prices import Prices
from margin.screen import Floats, Screen
from margin.units import BPS, RAY
from protocols.aave_common.columns import filled_in, flag_bits, known_in, low_128
from protocols.aave_common.linear import FLOAT_SHARE
from protocols.aave_v2 import parts
from protocols.aave_v2.parts import DEBT, FLAGS, STABLE, STABLE_AT, STABLE_RATE, SUPPLY
from protocols.aave_v2.state import PoolAccount, Position, StableDebt
from protocols.aave_v2.venue import Market
from protocols.book import Cells, Index

_ROUNDINGS = 2.0
"""Scaled units by which an amount may lie off its index's line: it is rounded to a raw unit once, and
an index is never below one."""
_LOST_BPS = 0.5
"""Half of what truncating the average threshold takes at the most: supports are put in the middle."""


def key_of(market: Market, id_: bytes) -> AccountKey:
    """The name of the account with this id: the user's address."""
    owner = to_address(id_)
    return AccountKey(market.id, owner, owner)


def account_of(market: Market, id_: bytes, words: Mapping[int, int]) -> PoolAccount | None:
    """The account of these words (by part), unread prices not looked at; `None` when it holds nothing."""
    positions = []
    for reserve in sorted({parts.kind_of(part)[0] for part, word in words.items() if word and part != FLAGS}):
        supply, debt, principal, rate_ray, updated_at = (
            words.get(parts.part_of(reserve, kind), 0)
            for kind in (SUPPLY, DEBT, STABLE, STABLE_RATE, STABLE_AT)
        )
        stable = StableDebt(principal, rate_ray, updated_at) if principal else None
        if supply or debt or stable:
            positions.append(Position(reserve, supply, debt, stable))
    if not positions:
        return None
    return PoolAccount(key_of(market, id_), words.get(FLAGS, 0), tuple(positions), None)


def implied(market: Market, cells: Cells) -> tuple[Index, Index]:
    """Supplies and debts that flags tell of.

    A debt that is not variable must be a stable one; and where anyone has stable debt in a reserve,
    all who borrow there are asked for it, since its total proves nothing (see `read_totals`).
    """
    bits = flag_bits(cells, FLAGS)
    rows: list[npt.NDArray[np.intp]] = [np.zeros(0, np.intp)]
    found: list[npt.NDArray[np.int32]] = [np.zeros(0, np.int32)]
    for reserve in market.reserves:
        supplies, borrows = np.flatnonzero(bits[:, 2 * reserve + 1]), np.flatnonzero(bits[:, 2 * reserve])
        debt, stable = parts.part_of(reserve, DEBT), parts.part_of(reserve, STABLE)
        asked = [(supplies, parts.part_of(reserve, SUPPLY)), (borrows, debt)]
        if not filled_in(cells, stable).any():
            borrows = borrows[known_in(cells, debt)[borrows] & ~filled_in(cells, debt)[borrows]]
        asked += [(borrows, part) for part in parts.with_companions(stable)]
        for row, part in asked:
            rows.append(row)
            found.append(np.full(len(row), part, np.int32))
    return np.concatenate(rows).astype(np.int32), np.concatenate(found)


def unit_values(market: Market, prices: Prices, at: int) -> Floats:
    """What a scaled unit of supply and of debt of each reserve is worth; not a number without a price.

    The last term is worth nothing: it is that of what backs and owes nothing.
    """
    found = np.zeros(2 * len(market.reserves) + 1)
    for place, reserve in enumerate(market.reserves.values()):
        price = market.price_raw(reserve, prices)
        worth = float("nan") if price is None else float(price)
        found[2 * place] = market.income_index_ray(reserve, at) / RAY / reserve.unit * worth
        found[2 * place + 1] = market.debt_index_ray(reserve, at) / RAY / reserve.unit * worth
    return found


def screen(market: Market, cells: Cells) -> Screen:
    """The cells in floats, in the scale of `Market.verdict`, one entry a cell.

    The average threshold is cut to whole bps, so that the support lies up to 1 bp of the collateral
    below the weighted sum: the weight takes the middle, and half a bp is its term's doubt.
    """
    bits = flag_bits(cells, FLAGS)
    count, nothing = len(cells.part), 2 * len(market.reserves)
    term = np.full(count, nothing, np.uint16)
    weight, face = np.zeros(count), np.zeros(count)
    doubt = np.full(nothing + 1, FLOAT_SHARE)
    always_exact = np.zeros(len(cells.ids), np.bool_)
    for place, reserve in enumerate(market.reserves.values()):
        threshold_bps = reserve.configuration.threshold_bps
        supplies = np.flatnonzero(cells.part == parts.part_of(reserve.id, SUPPLY))
        counted = supplies[bits[cells.row[supplies], 2 * reserve.id + 1].astype(np.bool_)]
        if threshold_bps:
            term[counted] = 2 * place
            face[counted] = low_128(cells.words[counted])
            weight[counted] = face[counted] * (threshold_bps - _LOST_BPS) / BPS
            doubt[2 * place] = FLOAT_SHARE + _LOST_BPS / (threshold_bps - _LOST_BPS)
        debts = np.flatnonzero(cells.part == parts.part_of(reserve.id, DEBT))
        owed = debts[bits[cells.row[debts], 2 * reserve.id].astype(np.bool_)]
        term[owed] = 2 * place + 1
        face[owed] = -low_128(cells.words[owed])
        weight[owed] = face[owed]
        always_exact |= filled_in(cells, parts.part_of(reserve.id, STABLE))
    # A supply or debt of nothing hangs on no price, not even on one that could not be read.
    term[face == 0.0] = nothing
    beyond = (cells.part != FLAGS) & cells.words[:, :16].any(axis=1)
    always_exact[cells.row[beyond]] = True
    return Screen(
        rows=len(cells.ids),
        row=cells.row,
        term=term,
        weight=weight,
        face=face,
        doubt=doubt,
        slack=_ROUNDINGS,
        # Each value is rounded down once, an average loses part of a unit, and the edge one more.
        floor=8.0 + 4.0 * len(market.reserves),
        always_exact=always_exact,
    )


def unjudgeable(market: Market, account: PoolAccount) -> Unread | None:
    """Why the account's verdict cannot be computed; `None` when it can.

    The pool asks the price of every reserve that is flagged, even where nothing is held of it any more.
    """
    for reserve in market.reserves.values():
        flagged = account.borrows(reserve.id) or account.uses_as_collateral(reserve.id)
        if flagged and isinstance(reserve.quote, Unread):
            return reserve.quote
    if any(p.supply_scaled >= RAY * RAY or p.debt_scaled >= RAY * RAY for p in account.positions):
        return Unread(Reason.UNSUPPORTED, "a balance beyond what the pool's own arithmetic can hold")
    return None

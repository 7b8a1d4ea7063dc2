"""Books made of random columns, for sizes that no local chain is filled to: always the same ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from margin.screen import Floats, Screen
from protocols.aave_v3 import parts
from protocols.aave_v3.adapter import AaveVenue
from protocols.book import Index, Words

ASSETS = 8
THRESHOLD = 0.8
MEDIAN_HEALTH, HEALTH_SPREAD = 2.0, 0.5
"""Of the health factors: lognormal, so that about one account in twelve is liquidatable."""


def health_factors(rng: np.random.Generator, accounts: int) -> Floats:
    """One an account."""
    return MEDIAN_HEALTH * np.exp(HEALTH_SPREAD * rng.normal(size=accounts))


def dense(accounts: int) -> Screen:
    """Every account in every one of `ASSETS` assets: half of them supplied, half of them borrowed.

    An asset has two terms, supply and debt, both worth one at today's prices.
    """
    rng = np.random.default_rng(accounts)
    owes = rng.random((accounts, ASSETS)) < 0.5
    owes[:, 0], owes[:, 1] = False, True
    amount = rng.lognormal(8, 2, (accounts, ASSETS))
    support = THRESHOLD * (amount * ~owes).sum(axis=1)
    target = support / health_factors(rng, accounts)
    face = np.where(owes, -amount * (target / (amount * owes).sum(axis=1))[:, None], amount)
    return Screen(
        rows=accounts,
        row=np.repeat(np.arange(accounts, dtype=np.int32), ASSETS),
        term=(2 * np.arange(ASSETS) + owes).astype(np.uint16).ravel(),
        weight=np.where(owes, face, THRESHOLD * face).ravel(),
        face=face.ravel(),
        doubt=np.full(2 * ASSETS, 1e-9),
        floor=1e-6,
        always_exact=np.zeros(accounts, np.bool_),
    )


def scenarios(count: int) -> Floats:
    """Unit values of `dense` after moves that all assets share (25 %) and moves of their own (8 %)."""
    rng = np.random.default_rng(count)
    moves = np.exp(0.25 * rng.normal(size=(count, 1)) + 0.08 * rng.normal(size=(count, ASSETS)))
    return np.repeat(moves, 2, axis=1)


@dataclass(frozen=True)
class AaveCells:
    """The words of random accounts on a genuine market, as a bulk read would give them."""

    ids: Sequence[bytes]
    row: Index
    part: Index
    words: Words

    @cached_property
    def _first(self) -> npt.NDArray[np.int64]:
        return np.searchsorted(self.row, np.arange(len(self.ids) + 1))

    def account(self, at: int) -> Mapping[int, int]:
        """The words of one account, by part."""
        span = range(self._first[at], self._first[at + 1])
        return {int(self.part[k]): int.from_bytes(self.words[k].tobytes(), "big") for k in span}


def aave_cells(venue: AaveVenue, accounts: int) -> AaveCells:
    """Accounts with supplies and debts in the venue's own reserves, at its indices and prices of now."""
    rng = np.random.default_rng(accounts)
    reserves = [r for r in venue.reserves.values() if r.configuration.threshold_bps]
    values = venue.unit_values()
    place = {reserve.id: at for at, reserve in enumerate(venue.reserves.values())}
    supplied = np.array([values[2 * place[r.id]] for r in reserves])
    owed = np.array([values[2 * place[r.id] + 1] for r in reserves])
    thresholds = np.array([r.configuration.threshold_bps / 1e4 for r in reserves])

    has = rng.random((accounts, len(reserves))) < 0.3
    has[np.arange(accounts), rng.integers(0, len(reserves), accounts)] = True
    owes = rng.random((accounts, len(reserves))) < 0.2
    worth = has * rng.lognormal(np.log(5_000 * venue.oracle.base_unit), 2, has.shape)
    debt = owes * rng.lognormal(0, 1, owes.shape)
    target = (worth * thresholds).sum(axis=1) / health_factors(rng, accounts)
    debt *= (target / np.maximum(debt.sum(axis=1), 1e-9))[:, None]

    flags = np.zeros((accounts, 32), np.uint8)
    columns = [(np.arange(accounts), np.full(accounts, parts.FLAGS), flags)]
    for at, reserve in enumerate(reserves):
        for kind, bit, held, unit in (
            (parts.SUPPLY, 1, worth[:, at], supplied[at]),
            (parts.DEBT, 0, debt[:, at], owed[at]),
        ):
            mine = np.flatnonzero(held >= unit)
            position = 2 * reserve.id + bit
            flags[mine, 31 - position // 8] |= np.uint8(1 << position % 8)
            part = parts.part_of(reserve.id, kind)
            columns.append((mine, np.full(mine.size, part), _words(rng, held[mine] / unit)))
    row, held_in, words = (np.concatenate(each) for each in zip(*columns, strict=True))
    order = np.argsort(row, kind="stable")
    return AaveCells(
        ids=[n.to_bytes(20, "big") for n in range(1, accounts + 1)],
        row=row[order].astype(np.int32),
        part=held_in[order].astype(np.int32),
        words=words[order],
    )


def _words(rng: np.random.Generator, amounts: Floats) -> Words:
    """Big-endian words of about these amounts, every digit of the lower half at random."""
    high = np.floor(amounts / 2.0**64)
    low = np.where(high > 0, rng.integers(0, 2**64, amounts.size, np.uint64), np.floor(amounts % 2.0**64))
    halves = np.zeros((amounts.size, 4), ">u8")
    halves[:, 2], halves[:, 3] = high.astype(np.uint64), low.astype(np.uint64)
    return halves.view(np.uint8).reshape(amounts.size, 32)

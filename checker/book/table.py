"""The cells of a book in memory: sorted columns, words kept as they were read."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from margin.basics import Unread
from protocols.book import CellsRead, Holding, Index, Words

_PART_BITS = 24
"""Parts are numbered below 2**24, so that a row and a part fit one sortable integer."""
_WORD = np.dtype("V32")


class Table:
    """See `protocols.book.Cells`. Rows stand in the order in which accounts were found."""

    def __init__(self) -> None:
        self._ids: list[bytes] = []
        self._rows: dict[bytes, int] = {}
        self._order = np.zeros(0, np.int64)
        self._row: Index = np.zeros(0, np.int32)
        self._part: Index = np.zeros(0, np.int32)
        self._words: Words = np.zeros((0, 32), np.uint8)
        self._grouped: dict[int, tuple[dict[bytes, int], Index]] = {}
        self.unread: dict[int, dict[int, Unread]] = {}
        """By row and part what could not be read; such an account's words say nothing."""

    @property
    def ids(self) -> Sequence[bytes]:
        """Account ids by row."""
        return self._ids

    @property
    def row(self) -> Index:
        """Per cell its account, ascending."""
        return self._row

    @property
    def part(self) -> Index:
        """Per cell its part, ascending inside an account."""
        return self._part

    @property
    def words(self) -> Words:
        """Per cell its word."""
        return self._words

    @property
    def bytes_per_account(self) -> int:
        """What the table holds of an account on average: columns, id, and the entry that finds it."""
        columns = self._order.nbytes + self._row.nbytes + self._part.nbytes + self._words.nbytes
        found_by = sys.getsizeof(self._ids) + sys.getsizeof(self._rows)
        an_id_and_its_row = sum(map(sys.getsizeof, (self._ids[-1], len(self._ids)))) if self._ids else 0
        return (columns + found_by) // max(1, len(self._ids)) + an_id_and_its_row

    def rows_of(self, ids: Iterable[bytes]) -> list[int]:
        """The rows of those that are known."""
        return [self._rows[id_] for id_ in ids if id_ in self._rows]

    def add(self, holdings: Iterable[Holding], common: Sequence[int]) -> set[int]:
        """Makes a cell for each holding that has none, and `common` ones for each account that is new.

        The rows that got any.
        """
        row: list[int] = []
        part: list[int] = []
        for id_, each in holdings:
            at = self._rows.get(id_)
            if at is None:
                at = self._rows[id_] = len(self._ids)
                self._ids.append(id_)
                row += [at] * len(common)
                part += common
            row.append(at)
            part.append(each)
        return self.add_cells(np.array(row, np.int32), np.array(part, np.int32))

    def add_cells(self, row: Index, part: Index) -> set[int]:
        """The same by row. Their words are zero until read."""
        wanted = np.unique(_joined(row, part))
        fresh = wanted[~np.isin(wanted, self._order, assume_unique=True)]
        if fresh.size:
            at = np.searchsorted(self._order, fresh)
            self._order = np.insert(self._order, at, fresh)
            self._row = (self._order >> _PART_BITS).astype(np.int32)
            self._part = (self._order & ((1 << _PART_BITS) - 1)).astype(np.int32)
            self._words = np.insert(self._words, at, np.zeros((fresh.size, 32), np.uint8), axis=0)
        return set((fresh >> _PART_BITS).tolist())

    def cells_of(self, rows: Collection[int]) -> npt.NDArray[np.intp]:
        """Places of every cell of these accounts."""
        wanted = np.array(sorted(rows), np.int32)
        starts = np.searchsorted(self._row, wanted, side="left")
        ends = np.searchsorted(self._row, wanted, side="right")
        ranges = [np.arange(start, end) for start, end in zip(starts, ends, strict=True)]
        return np.concatenate(ranges) if ranges else np.zeros(0, np.intp)

    def has(self, row: Index, part: Index) -> npt.NDArray[np.bool_]:
        """Whether each of these cells exists."""
        return np.isin(_joined(row, part), self._order)

    def places_of(self, row: Index, part: Index) -> npt.NDArray[np.intp]:
        """Places of cells that exist."""
        return np.searchsorted(self._order, _joined(row, part))

    def put(self, places: npt.NDArray[np.intp], read: CellsRead) -> None:
        """Keeps what was read for the cells at these places."""
        # Whole words at a time, which numpy moves faster than bytes.
        self._words.view(_WORD)[places] = np.ascontiguousarray(read.words).view(_WORD)
        if self.unread:
            for row, part in zip(self._row[places].tolist(), self._part[places].tolist(), strict=True):
                missing = self.unread.get(row)
                if missing is not None:
                    missing.pop(part, None)
                    if not missing:
                        del self.unread[row]
        for at, why in read.unread.items():
            place = places[at]
            self.unread.setdefault(int(self._row[place]), {})[int(self._part[place])] = why

    def accounts(self) -> Iterator[tuple[int, Mapping[int, int]]]:
        """Every row with its words by part."""
        starts = np.searchsorted(self._row, np.arange(len(self._ids) + 1)).tolist()
        raw = memoryview(self._words.tobytes())
        parts = self._part.tolist()
        for row in range(len(self._ids)):
            start, end = starts[row], starts[row + 1]
            yield (
                row,
                {parts[at]: int.from_bytes(raw[32 * at : 32 * at + 32], "big") for at in range(start, end)},
            )

    def sum_of(self, part: int, of: bytes = b"") -> int:
        """The sum of the lower half of a part's words, of all accounts or those whose ids begin with `of`."""
        which = self._part == part
        if of:
            groups, group_of = self._groups(len(of))
            which &= group_of[self._row] == groups.get(of, -1)
        mine = np.ascontiguousarray(self._words[which][:, 16:]).view(">u4").astype(np.uint64)
        total = 0
        for limb in mine.sum(axis=0, dtype=np.uint64).tolist():
            total = (total << 32) + limb
        return total

    def _groups(self, length: int) -> tuple[Mapping[bytes, int], Index]:
        """Accounts by the first bytes of their ids: a number for each beginning, and by row its own."""
        known = self._grouped.get(length)
        if known is None or len(known[1]) != len(self._ids):
            groups: dict[bytes, int] = {}
            group_of = [groups.setdefault(id_[:length], len(groups)) for id_ in self._ids]
            known = self._grouped[length] = groups, np.array(group_of, np.int32)
        return known


def _joined(row: Index, part: Index) -> npt.NDArray[np.int64]:
    return row.astype(np.int64) << _PART_BITS | part

"""A whole book read, by every means a node can offer, against one call after another."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from bench.measure import Ratio, Way
from bench.row import Different, Row, same
from bench.stage import Stage
from bench.whole import Whole
from chain.abi import Function, to_address
from chain.means import Means
from chain.reader import Call, Reader
from chain.slots_asker import StorageMeans
from checker.book.table import Table
from margin.basics import Address
from protocols.aave_v3 import abi, parts
from protocols.book import CellsRead, Words

VIEWS: dict[int, tuple[Function, ...]] = {
    parts.SUPPLY: (abi.SCALED_BALANCE_OF,),
    parts.DEBT: (abi.SCALED_BALANCE_OF,),
    parts.STABLE: (abi.GET_USER_STABLE_RATE, abi.PRINCIPAL_BALANCE_OF),
    parts.STABLE_AT: (abi.GET_USER_LAST_UPDATED,),
}
"""By kind of a reserve's part the calls that tell its word, the upper half first where there are two."""


@dataclass(frozen=True, slots=True)
class How:
    """One way of reading."""

    name: str
    meaning: str
    reader: Reader
    aim: float | None = None


def measure(stage: Stage) -> Iterator[Row]:
    """Every cell of the book, known from its events, by storage and by view calls."""
    whole = stage.whole
    table, naive = whole.table, whole.naive
    ways = _ways(whole)
    requests = []
    for way in ways:
        before = whole.rpc.requests
        same(f"words by {way.name}", [bytes(word) for word in _read(whole, way.reader)],
             [bytes(word) for word in table.words])  # fmt: skip
        requests.append(whole.rpc.requests - before)
    rows = np.unique(np.linspace(0, len(table.ids) - 1, stage.size.sample, dtype=np.intp))
    places = table.cells_of(rows.tolist()).tolist()
    same(
        "words by naive web3.py",
        [bytes(table.words[place]) for place in places],
        _singly(whole, places),
    )
    owners = [to_address(table.ids[row]) for row in rows]
    looks = [Call(whole.venue.pool, abi.GET_USER_ACCOUNT_DATA, (owner,)) for owner in owners]
    cells_each = len(table.part) / len(table.ids)

    times = stage.race(
        Way(partial(_singly, whole, places), len(places)),
        # In words too: one of its calls stands for all the words of an account.
        Way(lambda: naive.read(looks), round(len(looks) * cells_each)),
        *[Way(partial(_read, whole, way.reader), len(table.part)) for way in ways],
    )
    memory = _bytes_per_account(whole)
    for at, way in enumerate(ways):
        words_s = times.per_second(at + 1)
        cheapest = Ratio.of(
            [slow / fast for slow, fast in zip(times.others[0], times.others[at + 1], strict=True)]
        )
        yield Row(
            what=f"read a book of {len(table.ids):,} accounts by {way.name}",
            against="naive web3.py",
            ratio=times.ratio(at + 1),
            figures=(
                f"{words_s / cells_each:,.0f} accounts and {words_s:,.0f} words a second in {requests[at]} "
                f"HTTP requests, against {times.baseline_per_second / cells_each:,.1f} and "
                f"{times.baseline_per_second:,.0f} (timed on {len(rows)} accounts); {cheapest.median:,.0f} "
                f"times as fast as one getUserAccountData an account" + (memory if at == 0 else "")
            ),
            meaning=(
                f"All {len(table.part):,} words of the book, which its events name, exact and in columns, "
                "against one `call()` for each of the same values. The cheapest naive way is one "
                "`getUserAccountData` an account, which tells health and sums but no balance: the figures "
                f"compare with that too. {way.meaning}"
            ),
            aim=way.aim,
        )


def _ways(whole: Whole) -> Sequence[How]:
    return (
        How(
            "storage program",
            "Slots, by a program of ours in an `eth_call` with code overrides; keys are hashed anew each "
            "time. Memory is what the table's columns and the screen's floats hold, by tracemalloc.",
            whole.reader(StorageMeans.PROGRAM),
            aim=500,
        ),
        How(
            "eth_getStorageValues",
            "Slots, by the node's own method.",
            whole.reader(StorageMeans.VALUES),
            aim=500,
        ),
        How(
            "view calls, our program",
            "View calls, many in one `eth_call` by a program of ours: for contracts whose storage is laid "
            "out otherwise.",
            whole.reader(calls=Means.PROGRAM),
        ),
        How(
            "view calls, Multicall3",
            "View calls in Multicall3: for nodes that take no override.",
            whole.reader(calls=Means.MULTICALL),
            aim=100,
        ),
    )


def _read(whole: Whole, reader: Reader) -> Words:
    """All words; raises `Different` when one could not be read."""
    table = whole.table
    found = whole.venue.read_cells(reader, table.ids, table.row, table.part)
    if found.unread:
        raise Different("words that could not be read", len(found.unread), 0)
    return found.words


def _singly(whole: Whole, places: Sequence[int]) -> list[bytes]:
    """The words of these cells, each from the views that tell it, one `call()` after another."""
    table = whole.table
    found = []
    for place in places:
        part, owner = int(table.part[place]), to_address(table.ids[table.row[place]])
        target = parts.contract_of(whole.venue, part)
        values = [int(answer[0]) for answer in whole.naive.read(_calls(target, part, owner))]
        size = 32 // len(values)
        found.append(b"".join(value.to_bytes(size, "big") for value in values))
    return found


def _calls(target: Address, part: int, owner: Address) -> list[Call]:
    if part == parts.FLAGS:
        views: tuple[Function, ...] = (abi.GET_USER_CONFIGURATION,)
    elif part == parts.EMODE:
        views = (abi.GET_USER_EMODE,)
    else:
        views = VIEWS[parts.kind_of(part)[1]]
    return [Call(target, function, (owner,)) for function in views]


def _bytes_per_account(whole: Whole) -> str:
    """What table and screen hold of an account, measured while they are made once more."""
    old, rows = whole.table, len(whole.table.ids)
    tracemalloc.start()
    try:
        table = Table()
        # Ids are made anew, so that they are counted too.
        table.add(
            ((b"".join([old.ids[row][:1], old.ids[row][1:]]), int(part))
             for row, part in zip(old.row.tolist(), old.part.tolist(), strict=True)),
            (),
        )  # fmt: skip
        table.put(np.arange(len(table.part)), CellsRead(old.words))
        gc.collect()
        of_table = tracemalloc.get_traced_memory()[0]
        screen = whole.venue.screen(table)
        gc.collect()
        of_both = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert screen.rows == rows
    return (
        f"; {of_table / rows:,.0f} bytes an account in the table (which says {table.bytes_per_account}) and "
        f"{(of_both - of_table) / rows:,.0f} in the screen"
    )

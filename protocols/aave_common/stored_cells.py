"""Reading cells of many accounts at once: raw storage where its layout is proven, views elsewhere.

Where a part's word stands, and which views tell of it, is its protocol's (`Layout`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from chain.abi import Function, to_address
from chain.keys import mapping_keys
from chain.reader import Call, Reader
from margin.basics import Address, Unread
from protocols.book import CellsRead, Index, Words

_SAMPLE = 2
"""Cells with something in them, and as many empty ones, that prove a contract's layout."""
_EMPTY_SAMPLE = 64
"""Cells that are asked for where all of a part are empty: a wrong layout looks just so."""


class Layout(Protocol):
    """Where the words of each part are, and how else to ask for them."""

    def place(self, part: int) -> tuple[Address, int]:
        """The contract, and the slot of its mapping by holder."""

    def by_view_only(self, part: int) -> bool:
        """Whether storage alone does not tell the part."""

    def bits(self, part: int) -> int:
        """How many low bits of the storage word are the part's; a multiple of 8."""

    def views(self, part: int) -> tuple[Function, ...]:
        """What the contract is asked of a holder."""

    def composed(self, part: int, figures: Sequence[int]) -> bytes | Unread:
        """The word from the answers of these views."""


class Group(NamedTuple):
    """The cells of one part."""

    part: int
    at: npt.NDArray[np.intp]
    """Their places among the cells asked for."""


def read_cells(
    layout: Layout,
    reader: Reader,
    ids: Sequence[bytes],
    row: Index,
    part: Index,
    proven: dict[tuple[Address, int], bool],
) -> CellsRead:
    """The words of these cells at the reader's block; see `protocols.book.Tracked.read_cells`.

    `proven` remembers by (contract, slot) whether its storage is laid out as `layout` says; what is
    not known yet is proven on a sample of these very cells, and added. A word is the same either way.
    """
    words: Words = np.zeros((len(row), 32), np.uint8)
    unread: dict[int, Unread] = {}
    groups = [Group(int(p), np.flatnonzero(part == p)) for p in np.unique(part)]
    by_view = groups
    if reader.storage_means is not None:
        stored = [group for group in groups if _in_storage(layout, group.part, proven)]
        _read_storage(layout, reader, ids, row, stored, words, unread)
        wrong = _disproven(layout, reader, ids, row, stored, words, unread, proven)
        by_view = [group for group in groups if group not in stored or group in wrong]
    _read_views(layout, reader, ids, row, by_view, words, unread)
    return CellsRead(words, unread)


def _in_storage(layout: Layout, part: int, proven: dict[tuple[Address, int], bool]) -> bool:
    """Whether the part can be had from storage, as far as is known."""
    return not layout.by_view_only(part) and proven.get(layout.place(part), True)


def _read_storage(
    layout: Layout,
    reader: Reader,
    ids: Sequence[bytes],
    row: Index,
    groups: Sequence[Group],
    words: Words,
    unread: dict[int, Unread],
) -> None:
    if not groups:
        return
    holders = np.frombuffer(b"".join(ids), np.uint8).reshape(len(ids), 20)
    keys_by_slot: dict[int, Words] = {}
    places = {group.part: layout.place(group.part) for group in groups}
    contracts = list(dict.fromkeys(address for address, _ in places.values()))
    at = np.concatenate([group.at for group in groups])
    contract = np.concatenate(
        [np.full(len(group.at), contracts.index(places[group.part][0]), np.int32) for group in groups]
    )
    for _, slot in places.values():
        if slot not in keys_by_slot:
            keys_by_slot[slot] = mapping_keys(holders, slot)
    keys = np.concatenate([keys_by_slot[places[group.part][1]][row[group.at]] for group in groups])
    read = reader.words(contracts, contract, keys)
    words[at] = read.raw
    unread.update({int(at[place]): why for place, why in read.unread.items()})
    for group in groups:
        if (low := layout.bits(group.part) // 8) < 32:
            masked = words[group.at]
            masked[:, : 32 - low] = 0
            words[group.at] = masked


def _disproven(
    layout: Layout,
    reader: Reader,
    ids: Sequence[bytes],
    row: Index,
    groups: Sequence[Group],
    words: Words,
    unread: dict[int, Unread],
    proven: dict[tuple[Address, int], bool],
) -> list[Group]:
    """The groups whose storage is not what their contract's views say; each contract is tried once.

    A part whose every sampled word is zero proves nothing for its contract, which is tried again
    with the next cells.
    """
    doubtful = [group for group in groups if layout.place(group.part) not in proven]
    samples = [(group, _sample(group, words, unread)) for group in doubtful]
    cells = [(group.part, at) for group, sample in samples for at in sample]
    views = _by_view(layout, reader, [(part, ids[row[at]]) for part, at in cells])
    told = dict(zip(cells, views, strict=True))
    wrong = []
    for group, sample in samples:
        answers = [(at, told[group.part, at]) for at in sample]
        # What could not be asked proves nothing: those cells are read by view, and say why.
        if any(isinstance(said, Unread) for _, said in answers):
            wrong.append(group)
            continue
        matches = all(bytes(words[at]) == said for at, said in answers)
        if not matches:
            wrong.append(group)
        if not matches or any(words[at].any() for at in sample):
            proven[layout.place(group.part)] = matches
    return wrong


def _sample(group: Group, words: Words, unread: dict[int, Unread]) -> list[int]:
    filled = words[group.at].any(axis=1)
    readable = [int(at) for at in group.at[filled][: 2 * _SAMPLE] if int(at) not in unread][:_SAMPLE]
    most = _SAMPLE if readable else _EMPTY_SAMPLE
    empty = group.at[~filled]
    spread = empty[:: max(1, len(empty) // most)]
    return readable + [int(at) for at in spread if int(at) not in unread][:most]


def _read_views(
    layout: Layout,
    reader: Reader,
    ids: Sequence[bytes],
    row: Index,
    groups: Sequence[Group],
    words: Words,
    unread: dict[int, Unread],
) -> None:
    cells = [(group.part, int(at)) for group in groups for at in group.at]
    answers = _by_view(layout, reader, [(part, ids[row[at]]) for part, at in cells])
    for (_, at), said in zip(cells, answers, strict=True):
        unread.pop(at, None)
        if isinstance(said, Unread):
            words[at] = 0
            unread[at] = said
        else:
            words[at] = np.frombuffer(said, np.uint8)


def _by_view(layout: Layout, reader: Reader, cells: Iterable[tuple[int, bytes]]) -> list[bytes | Unread]:
    """Per (part, holder) its word, composed from what the contract's views say."""
    asked = [(part, to_address(holder), layout.views(part)) for part, holder in cells]
    calls = [Call(layout.place(part)[0], f, (who,)) for part, who, views in asked for f in views]
    answers = iter(reader.read(calls))
    found: list[bytes | Unread] = []
    for part, _, views in asked:
        own = [next(answers) for _ in views]
        failed = next((answer for answer in own if isinstance(answer, Unread)), None)
        if failed is not None:
            found.append(failed)
            continue
        found.append(
            layout.composed(part, [int(answer[0]) for answer in own if not isinstance(answer, Unread)])
        )
    return found

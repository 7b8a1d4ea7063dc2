"""Reading cells of many accounts at once: raw storage where its layout is proven, views elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from chain.abi import Function, to_address
from chain.keys import mapping_keys
from chain.reader import Call, Reader
from margin.basics import Address, Reason, Unread
from protocols.aave_v3 import abi, parts
from protocols.aave_v3.parts import DEBT, EMODE, FLAGS, STABLE, STABLE_AT, SUPPLY
from protocols.aave_v3.state import Position
from protocols.aave_v3.venue import Market
from protocols.book import CellsRead, Index, Words

_SAMPLE = 2
"""Cells with something in them, and as many empty ones, that prove a contract's layout."""
_EMPTY_SAMPLE = 64
"""Cells that are asked for where all of a part are empty: a wrong layout looks just so."""


class Group(NamedTuple):
    """The cells of one part."""

    part: int
    at: npt.NDArray[np.intp]
    """Their places among the cells asked for."""


def read_cells(
    market: Market,
    reader: Reader,
    ids: Sequence[bytes],
    row: Index,
    part: Index,
    layouts: dict[tuple[Address, int], bool],
) -> CellsRead:
    """The words of these cells at the reader's block; see `protocols.book.Tracked.read_cells`.

    `layouts` remembers by (contract, slot) whether its storage is laid out as `parts` says; what is
    not known yet is proven on a sample of these very cells, and added. A word is the same by either
    way: flags, mode, a scaled balance, a stable debt's rate above its principal, a timestamp.
    """
    words: Words = np.zeros((len(row), 32), np.uint8)
    unread: dict[int, Unread] = {}
    groups = [Group(int(p), np.flatnonzero(part == p)) for p in np.unique(part)]
    by_view = groups
    if reader.storage_means is not None:
        stored = [group for group in groups if _in_storage(market, group.part, layouts)]
        _read_storage(market, reader, ids, row, stored, words, unread)
        wrong = _disproven(market, reader, ids, row, stored, words, unread, layouts)
        by_view = [group for group in groups if group not in stored or group in wrong]
    _read_views(market, reader, ids, row, by_view, words, unread)
    return CellsRead(words, unread)


def _in_storage(market: Market, part: int, layouts: dict[tuple[Address, int], bool]) -> bool:
    """Whether the part can be had from storage, as far as is known."""
    if part not in parts.POOL_SLOTS:
        reserve, kind = parts.kind_of(part)
        if kind == DEBT and parts.debt_asked_of_token(market, market.reserves[reserve]):
            return False
    return layouts.get(_place(market, part), True)


def _place(market: Market, part: int) -> tuple[Address, int]:
    return parts.contract_of(market, part), parts.slot_of(part)


def _read_storage(
    market: Market,
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
    places = {group.part: _place(market, group.part) for group in groups}
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
        words[group.at] = _masked(group.part, words[group.at])


def _masked(part: int, words: Words) -> Words:
    """The part's own bits of its storage words."""
    if part in parts.POOL_SLOTS or parts.kind_of(part)[1] in (STABLE, STABLE_AT):
        return words
    words[:, : 32 - parts.BALANCE_BITS // 8] = 0
    return words


def _disproven(
    market: Market,
    reader: Reader,
    ids: Sequence[bytes],
    row: Index,
    groups: Sequence[Group],
    words: Words,
    unread: dict[int, Unread],
    layouts: dict[tuple[Address, int], bool],
) -> list[Group]:
    """The groups whose storage is not what their contract's views say; each contract is tried once.

    A part whose every sampled word is zero proves nothing for its contract, which is tried again
    with the next cells.
    """
    doubtful = [group for group in groups if _place(market, group.part) not in layouts]
    samples = [(group, _sample(group, words, unread)) for group in doubtful]
    cells = [(group.part, at) for group, sample in samples for at in sample]
    views = _by_view(market, reader, [(part, ids[row[at]]) for part, at in cells])
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
            layouts[_place(market, group.part)] = matches
    return wrong


def _sample(group: Group, words: Words, unread: dict[int, Unread]) -> list[int]:
    filled = words[group.at].any(axis=1)
    readable = [int(at) for at in group.at[filled][: 2 * _SAMPLE] if int(at) not in unread][:_SAMPLE]
    most = _SAMPLE if readable else _EMPTY_SAMPLE
    empty = group.at[~filled]
    spread = empty[:: max(1, len(empty) // most)]
    return readable + [int(at) for at in spread if int(at) not in unread][:most]


def _read_views(
    market: Market,
    reader: Reader,
    ids: Sequence[bytes],
    row: Index,
    groups: Sequence[Group],
    words: Words,
    unread: dict[int, Unread],
) -> None:
    cells = [(group.part, int(at)) for group in groups for at in group.at]
    answers = _by_view(market, reader, [(part, ids[row[at]]) for part, at in cells])
    for (_, at), said in zip(cells, answers, strict=True):
        unread.pop(at, None)
        if isinstance(said, Unread):
            words[at] = 0
            unread[at] = said
        else:
            words[at] = np.frombuffer(said, np.uint8)


_VIEWS: dict[int, tuple[Function, ...]] = {
    SUPPLY: (abi.SCALED_BALANCE_OF,),
    DEBT: (abi.SCALED_BALANCE_OF,),
    STABLE: (abi.PRINCIPAL_BALANCE_OF, abi.GET_USER_STABLE_RATE),
    STABLE_AT: (abi.GET_USER_LAST_UPDATED,),
}


def _views_of(market: Market, part: int) -> tuple[Function, ...]:
    if part == FLAGS:
        return (abi.GET_USER_CONFIGURATION,)
    if part == EMODE:
        return (abi.GET_USER_EMODE,)
    reserve, kind = parts.kind_of(part)
    if kind == DEBT and parts.debt_asked_of_token(market, market.reserves[reserve]):
        return abi.SCALED_BALANCE_OF, abi.BALANCE_OF
    return _VIEWS[kind]


def _by_view(market: Market, reader: Reader, cells: Iterable[tuple[int, bytes]]) -> list[bytes | Unread]:
    """Per (part, holder) its word, composed from what the contract's views say."""
    asked = [(part, to_address(holder), _views_of(market, part)) for part, holder in cells]
    calls = [Call(parts.contract_of(market, part), f, (who,)) for part, who, views in asked for f in views]
    answers = iter(reader.read(calls))
    found: list[bytes | Unread] = []
    for part, _, views in asked:
        own = [next(answers) for _ in views]
        failed = next((answer for answer in own if isinstance(answer, Unread)), None)
        if failed is not None:
            found.append(failed)
            continue
        figures = [int(answer[0]) for answer in own if not isinstance(answer, Unread)]
        found.append(_composed(market, part, figures))
    return found


def _composed(market: Market, part: int, figures: Sequence[int]) -> bytes | Unread:
    if len(figures) == 1:
        return figures[0].to_bytes(32, "big")
    reserve_id, kind = parts.kind_of(part)
    if kind == STABLE:
        principal, rate_ray = figures
        if max(figures) >> 128:
            return Unread(Reason.MALFORMED, "a stable debt beyond 128 bits")
        return (rate_ray << 128 | principal).to_bytes(32, "big")
    scaled, balance = figures
    reserve = market.reserves[reserve_id]
    if balance != market.debt_raw(Position(reserve_id, 0, scaled, None), market.timestamp):
        return Unread(Reason.UNSUPPORTED, f"the {reserve.symbol} debt is discounted by its own token")
    return scaled.to_bytes(32, "big")

"""The packed format both ways, and the program against single calls on a real node."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from eth_abi.abi import decode, encode
from hypothesis import given, settings
from hypothesis import strategies as st

from chain import multicall, program
from chain.abi import AbiError, Function, to_address
from chain.answers import Reverted
from chain.means import Means
from chain.reader import Call, Reader
from chain.rpc import Rpc
from localnet.anvil import Anvil
from margin.basics import Address, BlockRef, Reason, Unread
from tests.chain.conftest import MakeRpc
from tests.chain.contracts import (
    BALANCES,
    BURNS,
    COUNT,
    COUNTS,
    ECHO,
    HEAVY,
    INVALID,
    LONG,
    MOMENT,
    MUTATING_COUNT,
    NOTHING,
    PANIC,
    REASON,
    REFUSES,
    WANTS_GAS,
    WORD,
)
from tests.faults import FaultProxy

ADDRESSES = st.binary(min_size=20, max_size=20).map(to_address)
RAW_CALLS = st.lists(st.tuples(ADDRESSES, st.binary(max_size=100)), max_size=20)


def words(*values: int) -> bytes:
    return b"".join(value.to_bytes(32, "big") for value in values)


@given(RAW_CALLS)
def test_question_holds_each_call_in_turn(calls: list[tuple[Address, bytes]]) -> None:
    packed, at, found = program.pack(calls), 0, []
    while at < len(packed):
        size = int.from_bytes(packed[at + 20 : at + 23], "big")
        found.append((to_address(packed[at : at + 20]), packed[at + 23 : at + 23 + size]))
        at += 23 + size
    assert found == calls


@given(st.lists(st.one_of(st.none(), st.binary(max_size=100)), max_size=20), st.integers(0, 2**64))
def test_answer_comes_apart_as_it_was_put_together(results: list[bytes | None], moment: int) -> None:
    parts = [b"\0\0\0\2no" if r is None else b"\1" + len(r).to_bytes(3, "big") + r for r in results]
    packed = program.unpack(words(5, moment) + b"".join(parts), len(results))
    assert packed == program.Packed(5, moment, tuple(results))


@given(st.binary(max_size=300), st.integers(0, 5))
def test_junk_is_no_answer_of_the_program(junk: bytes, count: int) -> None:
    with contextlib.suppress(AbiError):
        assert len(program.unpack(junk, count).results) <= count


@given(st.lists(st.binary(max_size=70), max_size=10), st.data())
def test_damaged_answer_is_refused(results: list[bytes], data: st.DataObject) -> None:
    good = words(1, 2) + b"".join(b"\1" + len(r).to_bytes(3, "big") + r for r in results)
    ends = {64}
    for result in results:
        ends.add(max(ends) + 4 + len(result))
    cut = data.draw(st.integers(0, len(good)).filter(lambda at: at not in ends))
    with pytest.raises(AbiError):
        program.unpack(good[:cut], len(results))
    with pytest.raises(AbiError):
        program.unpack(good + b"\1\0\0\0", len(results))  # one result too many


@given(RAW_CALLS)
def test_multicall3_is_encoded_as_eth_abi_has_it(calls: list[tuple[Address, bytes]]) -> None:
    packed = multicall.pack(calls)
    ((chain_id, moment, *rest),) = decode(["(address,bool,bytes)[]"], packed[4:])
    assert chain_id[2] == multicall.GET_CHAIN_ID
    assert moment[2] == multicall.GET_TIMESTAMP
    assert [(to_address(to), may_fail, data) for to, may_fail, data in rest] == [
        (to, True, data) for to, data in calls
    ]


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=100)), max_size=10), st.data())
def test_multicall3_is_decoded_as_eth_abi_has_it(
    results: list[tuple[bool, bytes]], data: st.DataObject
) -> None:
    answer = encode(["(bool,bytes)[]"], [[(True, words(31337)), (True, words(99)), *results]])
    chain_id, moment, found = multicall.unpack(answer, len(results))
    assert (chain_id, moment) == (31337, 99)
    assert [(r.success, r.data) for r in found] == results
    cut = data.draw(st.integers(0, len(answer) - 32))
    try:
        multicall.unpack(answer[:cut], len(results))
    except AbiError:
        return
    raise AssertionError("an answer that was cut was taken for a whole one")


def test_program_fits_old_machines_and_is_small() -> None:
    code = program.CODE
    assert len(code) < 200
    at = 0
    while at < len(code):
        assert code[at] != 0x5F, "PUSH0 needs Shanghai"
        at += 1 + (code[at] - 0x5F if 0x60 <= code[at] <= 0x7F else 0)


# --- against single calls, on a real node ------------------------------------------------------------------

KINDS = (ECHO, REFUSES, NOTHING, BALANCES, REASON, PANIC, INVALID, MOMENT)
CALLS = st.tuples(st.sampled_from(KINDS), st.integers(0, 2**255)).map(lambda p: Call(p[0], WORD, (p[1],)))


def readers(make_rpc: MakeRpc, url: str, block: BlockRef) -> dict[Means, Reader]:
    return {means: Reader(make_rpc(url), block, only=means) for means in Means}


@settings(max_examples=settings().max_examples // 4)
@given(calls=st.lists(CALLS, min_size=1, max_size=40), burner=st.sampled_from([None, None, None, 0, 0.5, 1]))
def test_every_means_gives_what_single_calls_give(
    readers_by_means: dict[Means, Reader], calls: list[Call], burner: float | None
) -> None:
    if burner is not None:
        calls = [*calls]
        calls.insert(round(burner * len(calls)), Call(BURNS, WORD, (1,)))
    expected = readers_by_means[Means.SINGLE].read(calls)
    for means, reader in readers_by_means.items():
        assert reader.read(calls) == expected, means
    for call, answer in zip(calls, expected, strict=True):
        if call.target == ECHO:
            assert answer == ((call.args[0] + 7) % 2**256,)
        elif call.target == NOTHING:
            assert isinstance(answer, Unread)
            assert answer.reason is Reason.NO_CODE
        elif call.target not in (BALANCES, MOMENT):
            assert isinstance(answer, Reverted)


@pytest.fixture(scope="module")
def readers_by_means(node: Anvil, block: BlockRef) -> Iterator[dict[Means, Reader]]:
    with Rpc.open("local", [node.url]) as rpc:
        yield {means: Reader(rpc, block, only=means) for means in Means}


def test_reverts_keep_their_reason_and_data(make_rpc: MakeRpc, proxy: FaultProxy, block: BlockRef) -> None:
    for reader in readers(make_rpc, proxy.url, block).values():
        said, panicked, silent = reader.read([Call(to, WORD, (1,)) for to in (REASON, PANIC, REFUSES)])
        assert isinstance(said, Reverted)
        assert said.detail == f"word at {REASON}: paused"
        assert said.data[:4].hex() == "08c379a0"
        assert isinstance(panicked, Reverted)
        assert panicked.detail.endswith("panic 0x11")
        assert isinstance(silent, Reverted)
        assert silent.data == b""


@pytest.mark.parametrize("means", [Means.PROGRAM, Means.MULTICALL])
def test_a_call_that_burns_all_gas_changes_no_neighbour(
    make_rpc: MakeRpc, proxy: FaultProxy, block: BlockRef, means: Means
) -> None:
    reader = Reader(make_rpc(proxy.url), block, only=means)
    calls = [Call(BURNS if at % 7 == 3 else WANTS_GAS, WORD, (at,)) for at in range(14)]
    for call, answer in zip(calls, reader.read(calls), strict=True):
        if call.target == BURNS:
            assert isinstance(answer, Reverted)
        else:
            assert answer == (1,)


def test_heavy_calls_are_spread_over_several_bulk_calls(
    make_rpc: MakeRpc, proxy: FaultProxy, block: BlockRef
) -> None:
    # 1.6 million gas each, 30 of them: above the node's 30 million, and each below its share of a sixteenth.
    reader = Reader(make_rpc(proxy.url), block)
    assert reader.means is Means.PROGRAM
    before = proxy.posts
    assert reader.read([Call(HEAVY, WORD, (40_000,))] * 30) == [(9,)] * 30
    assert 2 <= proxy.posts - before <= 4
    # Above the share: the program gives up on it, alone it goes through.
    assert reader.read([Call(HEAVY, WORD, (80_000,)), Call(ECHO, WORD, (1,))]) == [(9,), (8,)]


def test_long_answers_are_had_too(make_rpc: MakeRpc, proxy: FaultProxy, block: BlockRef) -> None:
    for means, reader in readers(make_rpc, proxy.url, block).items():
        raw = reader.raw([(LONG, WORD.encode(size)) for size in (0, 1, 65536, 65537, 300_000)])
        assert [len(data) for data in raw if isinstance(data, bytes)] == [0, 1, 65536, 65537, 300_000], means


def test_one_call_can_not_change_what_the_next_one_sees(
    make_rpc: MakeRpc, proxy: FaultProxy, block: BlockRef
) -> None:
    for means, reader in readers(make_rpc, proxy.url, block).items():
        assert reader.read([Call(COUNTS, MUTATING_COUNT)] * 3) == [(1,)] * 3, means
    program_reader = Reader(make_rpc(proxy.url), block, only=Means.PROGRAM)
    assert program_reader.read([Call(COUNTS, COUNT)] * 3) == [(1,)] * 3


def test_functions_without_outputs_may_answer_nothing(
    make_rpc: MakeRpc, proxy: FaultProxy, block: BlockRef
) -> None:
    assert Reader(make_rpc(proxy.url), block).read([Call(NOTHING, Function("poke()"))]) == [()]

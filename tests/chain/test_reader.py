"""Bulk reads: the same values by every means a node may have, or the true reason; never a zero."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

import pytest

from chain.abi import Function
from chain.answers import Garbled
from chain.erc20 import TokenCache
from chain.means import Means
from chain.multicall import MULTICALL3
from chain.reader import Call, Reader
from chain.rpc import Rpc
from localnet.anvil import Anvil
from margin.basics import BlockRef, Reason, Unread
from tests import faults
from tests.chain.conftest import MakeRpc
from tests.chain.contracts import CONTRACTS, ECHO, LONG, MOMENT, NOTHING, REFUSES, WORD
from tests.faults import Fault, FaultProxy


def echoes(count: int) -> list[Call]:
    return [Call(ECHO, WORD, (at,)) for at in range(count)]


def expected(count: int) -> list[tuple[int]]:
    return [(at + 7,) for at in range(count)]


def reasons(answers: Sequence[object]) -> set[object]:
    return {answer.reason if isinstance(answer, Unread) else "a value" for answer in answers}


# --- means -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_number", [False, True])
@pytest.mark.parametrize("means", list(Means))
def test_the_best_means_of_a_node_is_found(
    means: Means, by_number: bool, rpc: Rpc, proxy: FaultProxy, node: Anvil, block: BlockRef
) -> None:
    code = node.request("eth_getCode", MULTICALL3, "latest")
    if means is not Means.PROGRAM:
        proxy.add(faults.NoOverrides())
    if by_number:
        proxy.add(faults.NoBlockHash())
    if means is Means.SINGLE:
        proxy.add(faults.BatchError(times=None))
    try:
        if means in (Means.BATCH, Means.SINGLE):
            node.set_code(MULTICALL3, b"")
        reader = Reader(rpc, block)
        calls = [*echoes(12), Call(REFUSES, WORD, (1,)), Call(NOTHING, WORD, (1,)), Call(MOMENT, WORD, (1,))]
        answers = reader.read(calls)
        assert answers[:12] == expected(12)
        assert reasons(answers[12:14]) == {Reason.REVERTED, Reason.NO_CODE}
        assert answers[14] == (block.timestamp,)
        assert reader.read(calls) == answers
        assert reader.means is means
    finally:
        node.set_code(MULTICALL3, bytes.fromhex(code[2:]))


def test_a_means_is_probed_once_for_all_readers(rpc: Rpc, proxy: FaultProxy, block: BlockRef) -> None:
    assert Reader(rpc, block).read(echoes(3)) == expected(3)
    assert proxy.posts == 3, "chain id, probe, chunk"
    for _ in range(3):
        assert Reader(rpc, block).read(echoes(3)) == expected(3)
    assert proxy.posts == 6


def test_a_passing_fault_in_the_probe_settles_nothing(rpc: Rpc, proxy: FaultProxy, block: BlockRef) -> None:
    for fault in (
        faults.Status(429),
        faults.DropAnswers(),
        faults.Truncate(),
        faults.DropAnswers(places=(1,)),
    ):
        proxy.add(dataclasses.replace(fault, method="eth_call"))
    reader = Reader(rpc, block)
    assert reader.read(echoes(3)) == expected(3)
    assert reader.means is Means.PROGRAM


def test_a_means_that_goes_away_is_replaced(rpc: Rpc, proxy: FaultProxy, block: BlockRef) -> None:
    reader = Reader(rpc, block)
    assert reader.means is Means.PROGRAM
    proxy.add(faults.NoOverrides())
    assert reader.read(echoes(5)) == expected(5)
    assert Reader(rpc, block).means is Means.MULTICALL, "probed again for the next block"


# --- chunks ------------------------------------------------------------------------------------------------


def test_posts_are_bounded_by_chunks_not_by_calls(rpc: Rpc, proxy: FaultProxy, block: BlockRef) -> None:
    assert Reader(rpc, block).read(echoes(8000)) == expected(8000)
    assert proxy.posts <= 12
    assert max(seen.size for seen in proxy.requests) < 2_000_000


def test_long_call_data_makes_smaller_chunks(rpc: Rpc, proxy: FaultProxy, block: BlockRef) -> None:
    wide = Function("wide(uint256,bytes)", "uint256")
    calls = [Call(ECHO, wide, (at, bytes(20_000))) for at in range(100)]
    assert Reader(rpc, block).read(calls) == expected(100)
    assert max(seen.size for seen in proxy.requests) < 2_000_000


@pytest.mark.parametrize("only", [Means.PROGRAM, Means.MULTICALL])
@pytest.mark.parametrize(
    "fault",
    [
        faults.Status(413, times=3),
        faults.NodeError(-32000, "request entity too large", times=3, method="eth_call"),
        faults.NodeError(-32000, "execution aborted (timeout = 5s)", times=3, method="eth_call"),
        faults.NodeError(-32000, "out of gas", times=3, method="eth_call"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_chunks_shrink_when_a_node_finds_them_too_big(
    only: Means, fault: Fault, rpc: Rpc, proxy: FaultProxy, block: BlockRef, slept: list[float]
) -> None:
    reader = Reader(rpc, block, only=only, threads=1)
    assert reader.means is only
    proxy.add(dataclasses.replace(fault, skip=0))
    assert reader.read(echoes(400)) == expected(400)
    assert slept == [], "a smaller question is asked at once"
    assert proxy.posts <= 12


def test_a_chunk_that_times_out_on_a_living_node_is_made_smaller(
    proxy: FaultProxy, make_rpc: MakeRpc, block: BlockRef
) -> None:
    rpc = make_rpc(proxy.url, timeout_s=1.0)
    reader = Reader(rpc, block)
    assert reader.means is Means.PROGRAM
    proxy.add(faults.Delay(1.3, method="eth_call"))
    assert reader.read(echoes(100)) == expected(100)


# --- faults ------------------------------------------------------------------------------------------------

FAULTS = {
    "refused": faults.Refuse(),
    "malformed": faults.Truncate(),
    "malformed junk": faults.Junk(),
    "malformed drop": faults.DropAnswers(),
    "malformed double": faults.DuplicateIds(),
    "rate_limited": faults.Status(429, retry_after="1"),
    "rpc_error": faults.Status(500),
    "rpc_error internal": faults.NodeError(-32603, "internal error"),
    "block_not_found": faults.NodeError(-32000, "header not found", method="eth_call"),
    "wrong_chain": faults.OtherChain(1),
}


@pytest.mark.parametrize("only", list(Means))
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_the_middle_is_unread_with_its_reason_and_heals(
    name: str, only: Means, rpc: Rpc, proxy: FaultProxy, block: BlockRef
) -> None:
    reader = Reader(rpc, block, only=only)
    assert reader.read(echoes(5)) == expected(5)
    proxy.add(dataclasses.replace(FAULTS[name], times=None))
    before = proxy.posts
    answers = reader.read(echoes(50))
    assert proxy.posts - before <= 250
    reason = Reason(name.partition(" ")[0])
    if answers != expected(50):
        assert reason in reasons(answers) <= {reason, "a value"}
    else:
        # Faults of batches do nothing to single posts, and the program needs no other proof of its chain.
        assert name in ("malformed drop", "malformed double", "wrong_chain")
    proxy.clear()
    assert reader.read(echoes(5)) == expected(5)
    if name != "wrong_chain":  # another endpoint may help then, another try does not
        proxy.add(dataclasses.replace(FAULTS[name], times=1))
        assert reader.read(echoes(50)) == expected(50)


@pytest.mark.parametrize("only", list(Means))
def test_every_chunk_proves_its_chain(
    only: Means, proxy: FaultProxy, make_rpc: MakeRpc, block: BlockRef, node: Anvil
) -> None:
    # A load balancer that sends some posts to a node of another chain, on which the same contracts stand.
    with Anvil.start(chain_id=10) as other:
        for address, code in CONTRACTS.items():
            other.set_code(address, code)
        other.set_code(MULTICALL3, bytes.fromhex(node.request("eth_getCode", MULTICALL3, "latest")[2:]))
        by_hash = Reader(make_rpc(proxy.url), block, only=only)
        assert by_hash.read(echoes(5)) == expected(5)
        proxy.add(faults.NoBlockHash())
        other.mine(block.timestamp)
        at_one = dataclasses.replace(
            block, number=1, hash=other.request("eth_getBlockByNumber", "0x1", False)["hash"]
        )
        by_number = Reader(make_rpc(proxy.url), at_one, only=only)
        # One post a call can not prove more than that the node was right a moment later.
        method = None if only is Means.SINGLE else "eth_call"
        proxy.add(faults.Upstream(other.url, method=method, times=None))
        assert reasons(by_number.read(echoes(5))) == {Reason.WRONG_CHAIN}
        assert reasons(by_hash.read(echoes(5))) <= {
            Reason.WRONG_CHAIN,
            Reason.BLOCK_NOT_FOUND,
            Reason.UNSUPPORTED,
        }


@pytest.mark.parametrize("only", list(Means))
def test_a_block_by_number_proves_its_hash_or_moment(
    only: Means, proxy: FaultProxy, make_rpc: MakeRpc, block: BlockRef
) -> None:
    proxy.add(faults.NoBlockHash())
    orphan = dataclasses.replace(block, hash="0x" + "11" * 32)
    assert reasons(Reader(make_rpc(proxy.url), orphan, only=only).read(echoes(3))) == {Reason.BLOCK_NOT_FOUND}


@pytest.mark.parametrize("only", list(Means))
def test_a_block_that_went_away_is_block_not_found(only: Means, rpc: Rpc, block: BlockRef) -> None:
    orphan = dataclasses.replace(block, hash="0x" + "11" * 32)
    reader = Reader(rpc, orphan, only=only)
    assert reasons(reader.read(echoes(3))) == {Reason.BLOCK_NOT_FOUND}
    assert reasons(reader.code([ECHO])) == {Reason.BLOCK_NOT_FOUND}


def test_calls_at_another_moment_are_not_believed(rpc: Rpc, block: BlockRef) -> None:
    elsewhen = dataclasses.replace(block, timestamp=block.timestamp + 1)
    answers = Reader(rpc, elsewhen).read(echoes(3))
    assert reasons(answers) == {Reason.BLOCK_NOT_FOUND}
    assert f"calls ran at time {block.timestamp}, the block's is {block.timestamp + 1}" in str(answers[0])


def test_a_node_that_dies_leaves_what_was_read(proxy: FaultProxy, make_rpc: MakeRpc, block: BlockRef) -> None:
    reader = Reader(make_rpc(proxy.url), block, threads=1)
    proxy.add(faults.Refuse(skip=4, times=None))  # after chain id, probe and two chunks: 500, 1000
    answers = reader.read(echoes(4000))
    assert answers[:1500] == expected(1500)
    assert reasons(answers[1500:]) == {Reason.REFUSED}


def test_a_silent_node_is_given_up_in_time(proxy: FaultProxy, make_rpc: MakeRpc, block: BlockRef) -> None:
    rpc = make_rpc(proxy.url)
    reader = Reader(rpc, block)
    assert reader.read(echoes(3)) == expected(3)
    rpc.settings = dataclasses.replace(rpc.settings, timeout_s=0.2, total_s=0.6, dead_s=30.0)
    proxy.add(faults.Delay(1.0, times=None))
    start = time.monotonic()
    assert reasons(reader.read(echoes(6000))) == {Reason.TIMEOUT}
    for _ in range(20):
        assert reasons(reader.read(echoes(10))) == {Reason.TIMEOUT}
    assert time.monotonic() - start < 4.0


def test_the_second_endpoint_takes_over_in_the_middle(
    proxy: FaultProxy, node: Anvil, make_rpc: MakeRpc, block: BlockRef
) -> None:
    reader = Reader(make_rpc(proxy.url, node.url), block, threads=1)
    proxy.add(faults.Refuse(skip=3, times=None))
    assert reader.read(echoes(3000)) == expected(3000)


# --- empty answers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("only", list(Means))
def test_an_empty_answer_is_believed_only_when_it_comes_twice(
    only: Means, rpc: Rpc, proxy: FaultProxy, block: BlockRef
) -> None:
    reader = Reader(rpc, block, only=only)
    assert reader.means is only
    for spoilt in (1, 5):
        proxy.clear()
        proxy.add(faults.Hollow("0x", method="eth_call", times=spoilt if only is Means.SINGLE else 1))
        assert reader.read(echoes(5)) == expected(5)
    assert reader.proven is (only in (Means.PROGRAM, Means.MULTICALL))


@pytest.mark.parametrize("only", list(Means))
def test_who_never_answers_is_told_from_who_is_not_there(
    only: Means, rpc: Rpc, proxy: FaultProxy, block: BlockRef
) -> None:
    reader = Reader(rpc, block, only=only)
    calls = [Call(NOTHING, WORD, (1,)), Call(LONG, WORD, (0,)), *echoes(2)]
    before = proxy.posts
    nowhere, silent, *others = reader.read(calls)
    assert others == expected(2)
    assert isinstance(nowhere, Unread)
    assert nowhere.reason is Reason.NO_CODE
    assert isinstance(silent, Unread)
    if only in (Means.PROGRAM, Means.MULTICALL):
        assert proxy.posts - before == 3, "chain id, probe, one bulk call: nothing is asked again"
    else:
        assert isinstance(silent, Garbled)
        assert str(silent) == f"malformed: word at {LONG}: the contract there gives nothing"
    if only is Means.BATCH:
        assert proxy.posts - before == 4, "one batch more"


def test_a_second_answer_that_can_not_be_had_is_unread_for_its_reason(
    rpc: Rpc, proxy: FaultProxy, block: BlockRef
) -> None:
    reader = Reader(rpc, block, only=Means.BATCH)
    assert reader.read(echoes(3)) == expected(3)
    proxy.add(faults.Hollow("0x", method="eth_call"), faults.Refuse(skip=1, times=None))
    assert reasons(reader.read(echoes(3))) == {Reason.REFUSED}


def test_tokens_do_not_believe_an_empty_answer_either(rpc: Rpc, proxy: FaultProxy, block: BlockRef) -> None:
    reader = Reader(rpc, block, only=Means.BATCH)
    assert reader.read(echoes(1)) == expected(1)
    before = proxy.count("eth_getCode")
    proxy.add(faults.Hollow("0x", method="eth_call"))
    TokenCache().read(reader, [ECHO])
    assert proxy.count("eth_getCode") == before + 1


def test_answers_swapped_in_the_probe_do_not_pass_for_multicall(
    rpc: Rpc, proxy: FaultProxy, block: BlockRef
) -> None:
    proxy.add(faults.SwapIds(method="eth_call"))
    reader = Reader(rpc, block)
    assert reader.means is Means.BATCH
    assert reader.read(echoes(3)) == expected(3)


# --- values ------------------------------------------------------------------------------------------------


def test_an_answer_that_does_not_decode_is_malformed(rpc: Rpc, block: BlockRef) -> None:
    small = Function("word(uint256)", "uint8")
    pair = Function("word(uint256)", "uint256,uint256")
    too_large, too_short, fits = Reader(rpc, block).read(
        [Call(ECHO, small, (300,)), Call(ECHO, pair, (1,)), Call(ECHO, small, (3,))]
    )
    assert isinstance(too_large, Unread)
    assert too_large.reason is Reason.MALFORMED
    assert str(too_large) == f"malformed: word at {ECHO}: a word above uint8"
    assert isinstance(too_short, Unread)
    assert too_short.reason is Reason.MALFORMED
    assert fits == (10,)


def test_code(rpc: Rpc, proxy: FaultProxy, block: BlockRef) -> None:
    reader = Reader(rpc, block)
    assert reader.code([ECHO, NOTHING, REFUSES]) == [CONTRACTS[ECHO], b"", CONTRACTS[REFUSES]]
    proxy.add(faults.DropAnswers(places=(1,), times=None))
    assert reasons(reader.code([ECHO, NOTHING, REFUSES])) == {"a value", Reason.MALFORMED}


def test_nothing_is_asked_for_nothing(rpc: Rpc, proxy: FaultProxy, block: BlockRef) -> None:
    reader = Reader(rpc, block)
    assert reader.read([]) == []
    assert reader.code([]) == []
    assert proxy.posts == 0


def test_one_call(rpc: Rpc, block: BlockRef) -> None:
    assert Reader(rpc, block).read_one(ECHO, WORD, 1) == (8,)

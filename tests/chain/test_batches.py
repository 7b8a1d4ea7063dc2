"""JSON-RPC batches: answers matched by id, what is missing asked again, what is refused asked singly."""

from __future__ import annotations

import pytest

from chain.answers import Reverted
from margin.basics import Reason, Unread
from tests import faults
from tests.chain.conftest import MakeRpc
from tests.chain.contracts import ECHO, REASON, WORD
from tests.faults import Fault, FaultProxy


def echoes(count: int) -> list[tuple[str, list[object]]]:
    return [
        ("eth_call", [{"to": ECHO, "data": "0x" + WORD.encode(at).hex()}, "latest"]) for at in range(count)
    ]


def expected(count: int) -> list[str]:
    return [f"0x{at + 7:064x}" for at in range(count)]


@pytest.mark.parametrize(
    "fault",
    [
        faults.Permute(times=None),
        faults.DropAnswers(),
        faults.DropAnswers(places=(0, 3, 9)),
        faults.DropAnswers(places=tuple(range(10))),
        faults.DuplicateIds(),
        faults.ForeignId(),
        faults.BatchError(),
        faults.BatchError(times=None),
        faults.BatchError(code=-32005, message="rate limit", times=1),
        faults.BatchAbove(limit=3),
        faults.Status(413),
        faults.Status(400, method="eth_call", times=1),
        faults.Truncate(keep=300),
        faults.Junk(b"[]"),
        faults.Junk(b'[{"jsonrpc":"2.0","id":"1","result":"0x"}]'),
        faults.Junk(b'[{"jsonrpc":"2.0","id":true,"result":"0x"}]'),
        faults.Junk(b'[{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"batch too large"}}]'),
        faults.Junk(b'{"jsonrpc":"2.0","id":2,"result":"0x1"}'),
    ],
    ids=str,
)
def test_a_batch_is_answered_in_the_order_of_its_questions(
    fault: Fault, proxy: FaultProxy, make_rpc: MakeRpc
) -> None:
    rpc = make_rpc(proxy.url)
    assert rpc.request("eth_blockNumber") == "0x5"
    proxy.add(fault)
    assert rpc.batch(echoes(10)) == expected(10)
    assert proxy.posts <= 25
    assert rpc.batch(echoes(10)) == expected(10)


def test_an_answer_that_never_comes_is_unread_and_the_others_are_not(
    proxy: FaultProxy, make_rpc: MakeRpc
) -> None:
    rpc = make_rpc(proxy.url)
    asks = echoes(5)
    asks.insert(2, ("eth_blockNumber", []))
    proxy.add(faults.NodeError(-32603, "internal error", method="eth_blockNumber", times=None))
    answers = rpc.batch(asks)
    lost = answers.pop(2)
    assert answers == expected(5)
    assert isinstance(lost, Unread)
    assert lost.reason is Reason.RPC_ERROR
    assert proxy.count("eth_call") == 5, "what was answered is not asked again"


def test_only_what_is_missing_is_asked_again(proxy: FaultProxy, make_rpc: MakeRpc) -> None:
    rpc = make_rpc(proxy.url)
    proxy.add(faults.DropAnswers(places=(1, 4)))
    assert rpc.batch(echoes(6)) == expected(6)
    assert proxy.count("eth_call") == 8


def test_a_refused_call_is_final_and_keeps_its_neighbours(proxy: FaultProxy, make_rpc: MakeRpc) -> None:
    rpc = make_rpc(proxy.url)
    call = {"to": REASON, "data": "0x"}
    alone = rpc.request("eth_call", [call, "latest"])
    assert isinstance(alone, Reverted)
    assert (alone.reason, alone.detail) == (Reason.REVERTED, "paused")
    assert proxy.count("eth_call") == 1
    answers = rpc.batch([*echoes(2), ("eth_call", [call, "latest"])])
    assert answers == [*expected(2), alone]
    assert proxy.count("eth_call") == 4


def test_nothing_is_asked_for_nothing(proxy: FaultProxy, make_rpc: MakeRpc) -> None:
    assert make_rpc(proxy.url).batch([]) == []
    assert proxy.posts == 0


def test_a_node_that_dies_within_a_batch_keeps_what_it_answered(proxy: FaultProxy, make_rpc: MakeRpc) -> None:
    rpc = make_rpc(proxy.url)
    proxy.add(faults.Refuse(skip=2, times=None))  # after the chain id and the first part of the batch
    answers = rpc.batch(echoes(700))
    assert answers[:500] == expected(500)
    assert all(answer.reason is Reason.REFUSED for answer in answers[500:])

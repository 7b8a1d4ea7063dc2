"""Every way an endpoint can fail: the value heals, or its true reason is told, in bounded time and posts."""

from __future__ import annotations

import email.utils
import socket
import time

import pytest

from chain.answers import Reverted, Throttled, TooBig, judge
from chain.rpc import Rpc
from chain.transport import Ask
from localnet.anvil import Anvil
from margin.basics import Reason, Unread
from margin.errors import ChainUnreadable, ConfigError, EndpointError
from tests import faults
from tests.chain.conftest import MakeRpc
from tests.chain.contracts import ECHO, REASON, WORD
from tests.faults import Fault, FaultProxy

CHAIN_ID: Ask = ("eth_chainId", [])
NUMBER: Ask = ("eth_blockNumber", [])
HEAD = "0x5"


def failing() -> dict[str, Fault]:
    """One of each fault after which an answer is not to be had, for ever; named by its reason."""
    every: dict[str, Fault] = {
        "refused": faults.Refuse(),
        "malformed": faults.Truncate(),
        "malformed junk": faults.Junk(),
        "malformed empty": faults.Junk(b""),
        "malformed nesting": faults.Junk(b"[" * 200_000),
        "malformed list": faults.Junk(b"[1,2]"),
        "malformed id": faults.Junk(b'{"jsonrpc":"2.0","id":12345678,"result":"0x5"}'),
        "malformed no result": faults.Junk(b'{"jsonrpc":"2.0","id":1}'),
        "malformed size": faults.Oversized(200_000),
        "rate_limited": faults.Status(429),
        "rate_limited told": faults.Status(429, retry_after="2"),
        "rate_limited code": faults.NodeError(-32005, "daily limit reached"),
        "rate_limited words": faults.NodeError(-32000, "Too Many Requests, slow down"),
        "rpc_error": faults.Status(500),
        "rpc_error 503": faults.Status(503),
        "rpc_error 401": faults.Status(401),
        "rpc_error redirect": faults.Redirect("http://127.0.0.1:1/"),
        "rpc_error node": faults.NodeError(-32603, "internal error"),
        "block_not_found": faults.NodeError(-32000, "header not found"),
        "unsupported": faults.NodeError(-32601, "the method does not exist"),
        "wrong_chain": faults.OtherChain(1),
    }
    for fault in every.values():
        fault.times = None
    return every


def reason_in(name: str) -> Reason:
    return Reason(name.partition(" ")[0])


@pytest.mark.parametrize("name", failing())
def test_a_lasting_fault_gives_its_true_reason(
    name: str, proxy: FaultProxy, make_rpc: MakeRpc, slept: list[float]
) -> None:
    rpc = make_rpc(proxy.url, max_body_bytes=100_000)
    proxy.add(failing()[name])
    with pytest.raises(ChainUnreadable) as caught:
        rpc.request(*NUMBER)
    assert caught.value.unread.reason is reason_in(name)
    assert "local[0]" in str(caught.value)
    assert 1 <= proxy.posts <= rpc.settings.rounds
    assert proxy.posts == rpc.requests
    assert sum(slept) < 30
    batch = rpc.batch([NUMBER, CHAIN_ID])
    assert [answer.reason for answer in batch] == [reason_in(name)] * 2


@pytest.mark.parametrize("name", failing())
def test_a_passing_fault_heals(name: str, proxy: FaultProxy, make_rpc: MakeRpc) -> None:
    if name in ("unsupported", "wrong_chain"):
        pytest.skip("waiting does not heal it")
    rpc = make_rpc(proxy.url, max_body_bytes=100_000)
    assert rpc.request(*NUMBER) == HEAD
    for in_batch in (False, True):
        fault = failing()[name]
        fault.times = 2
        proxy.add(fault)
        assert (rpc.batch([NUMBER, CHAIN_ID])[0] if in_batch else rpc.request(*NUMBER)) == HEAD
        proxy.clear()


@pytest.mark.parametrize("name", failing())
def test_the_second_endpoint_answers_at_once(
    name: str, proxy: FaultProxy, node: Anvil, make_rpc: MakeRpc, slept: list[float]
) -> None:
    proxy.add(failing()[name])
    rpc = make_rpc(proxy.url, node.url, max_body_bytes=100_000)
    assert rpc.request(*NUMBER) == HEAD
    assert slept == []
    before = proxy.posts
    assert rpc.request(*NUMBER) == HEAD
    assert proxy.posts == before, "an endpoint that has just failed is not asked first"


def test_nobody_listening_is_refused(make_rpc: MakeRpc) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ChainUnreadable) as caught:
        make_rpc(f"http://127.0.0.1:{port}").request(*NUMBER)
    assert caught.value.unread.reason is Reason.REFUSED


@pytest.mark.parametrize(
    "fault", [faults.Delay(30, times=None), faults.Drip(0.05, times=None)], ids=["silent", "dripping"]
)
def test_no_answer_is_waited_for_without_end(fault: Fault, proxy: FaultProxy, make_rpc: MakeRpc) -> None:
    if isinstance(fault, faults.Delay):
        fault.seconds = 2.0
    rpc = make_rpc(proxy.url, timeout_s=0.3, total_s=0.8, rounds=9)
    proxy.add(fault)
    start = time.monotonic()
    with pytest.raises(ChainUnreadable) as caught:
        rpc.request(*NUMBER)
    assert caught.value.unread.reason is Reason.TIMEOUT
    assert time.monotonic() - start < 2.0


def test_a_slow_answer_on_a_large_body_is_cut_off_too(proxy: FaultProxy, make_rpc: MakeRpc) -> None:
    rpc = make_rpc(proxy.url, timeout_s=0.3, total_s=0.4)
    assert rpc.request(*NUMBER) == HEAD
    proxy.add(faults.Oversized(500_000, times=None), faults.Drip(0.0001, times=None))
    start = time.monotonic()
    with pytest.raises(ChainUnreadable):
        rpc.request(*NUMBER)
    assert time.monotonic() - start < 2.0


def test_retry_after_is_honoured_in_seconds_and_as_a_date(
    proxy: FaultProxy, make_rpc: MakeRpc, slept: list[float]
) -> None:
    rpc = make_rpc(proxy.url)
    proxy.add(faults.Status(429, retry_after="3"))
    assert rpc.request(*NUMBER) == HEAD
    assert len(slept) == 1
    assert 3.0 <= slept[0] < 3.5
    later = email.utils.formatdate(time.time() + 8, usegmt=True)
    proxy.add(faults.Status(503, retry_after=later))
    assert rpc.request(*NUMBER) == HEAD
    assert 6.0 < slept[1] < 8.5


@pytest.mark.parametrize("header", ["soon", "-1", "", "99999999999999", "Tue, 99 Foo 2000 00:00:00 GMT"])
def test_a_strange_retry_after_is_survived(header: str, proxy: FaultProxy, make_rpc: MakeRpc) -> None:
    rpc = make_rpc(proxy.url, retry_after_cap_s=5.0)
    proxy.add(faults.Status(429, retry_after=header))
    assert rpc.request(*NUMBER) == HEAD


def test_pauses_grow_and_are_drawn_at_random(
    proxy: FaultProxy, make_rpc: MakeRpc, slept: list[float]
) -> None:
    rpc = make_rpc(proxy.url, rounds=6, backoff_s=1.0, backoff_cap_s=4.0)
    proxy.add(faults.Status(500, times=None))
    with pytest.raises(ChainUnreadable):
        rpc.request(*NUMBER)
    assert len(slept) == 5
    assert all(0 <= pause <= bound for pause, bound in zip(slept, (1, 2, 4, 4, 4), strict=True))
    assert len(set(slept)) == 5


def test_the_chain_id_is_checked_once_on_each_endpoint_before_its_first_use(
    proxy: FaultProxy, node: Anvil, make_rpc: MakeRpc
) -> None:
    with FaultProxy(node.url) as second:
        rpc = make_rpc(proxy.url, second.url)
        for _ in range(3):
            rpc.request(*NUMBER)
        assert (proxy.count("eth_chainId"), second.count("eth_chainId")) == (1, 0)
        proxy.add(faults.Refuse(times=None))
        rpc.request(*NUMBER)
        assert second.count("eth_chainId") == 1


def test_wrong_chain_everywhere_names_both_ids(proxy: FaultProxy, make_rpc: MakeRpc) -> None:
    rpc = make_rpc(proxy.url, proxy.url, chain_id=1)
    with pytest.raises(ChainUnreadable) as caught:
        rpc.request(*NUMBER)
    assert caught.value.unread.reason is Reason.WRONG_CHAIN
    assert "chain id 31337, expected 1" in str(caught.value)
    assert proxy.count("eth_blockNumber") == 0


def test_wrong_chain_beside_a_silent_endpoint_is_not_a_wrong_chain(
    proxy: FaultProxy, make_rpc: MakeRpc
) -> None:
    # The silent one may be right: this is a failed read, not a mistake in the configuration.
    with FaultProxy(proxy.url) as other:
        other.add(faults.Refuse(times=None))
        proxy.add(faults.OtherChain(1))
        with pytest.raises(ChainUnreadable) as caught:
            make_rpc(proxy.url, other.url).request(*NUMBER)
    assert caught.value.unread.reason is Reason.REFUSED


def test_chain_id_is_learnt_where_it_is_not_configured(proxy: FaultProxy, make_rpc: MakeRpc) -> None:
    assert make_rpc(proxy.url, chain_id=None).chain_id == 31337


# --- batches -----------------------------------------------------------------------------------------------


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
    assert rpc.request(*NUMBER) == HEAD
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


# --- time --------------------------------------------------------------------------------------------------


def test_a_dead_chain_is_not_asked_again_for_a_while(proxy: FaultProxy, make_rpc: MakeRpc) -> None:
    rpc = make_rpc(proxy.url, dead_s=0.3)
    proxy.add(faults.Refuse(times=None))
    with pytest.raises(ChainUnreadable):
        rpc.request(*NUMBER)
    posts = proxy.posts
    proxy.clear()
    for _ in range(50):
        with pytest.raises(ChainUnreadable) as caught:
            rpc.request(*NUMBER)
        assert caught.value.unread.reason is Reason.REFUSED
    assert proxy.posts == posts
    time.sleep(0.35)
    assert rpc.request(*NUMBER) == HEAD


def test_no_question_runs_past_the_time_given(proxy: FaultProxy, make_rpc: MakeRpc) -> None:
    rpc = make_rpc(proxy.url)
    proxy.add(faults.Delay(1.0, times=None))
    start = time.monotonic()
    with rpc.within(0.3), pytest.raises(ChainUnreadable) as caught:
        rpc.request(*NUMBER)
    assert caught.value.unread.reason is Reason.TIMEOUT
    assert time.monotonic() - start < 0.9
    proxy.clear()
    assert rpc.request(*NUMBER) == HEAD


# --- what a node says --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "message", "data", "reason"),
    [
        (3, "execution reverted: no", None, Reason.REVERTED),
        (3, "execution reverted: rate limit exceeded, timeout, header not found", None, Reason.REVERTED),
        (-32000, "execution reverted", "0x", Reason.REVERTED),
        (-32015, "VM execution error.", "Reverted 0x4e487b710000", Reason.REVERTED),
        (-32000, "invalid opcode: INVALID", None, Reason.REVERTED),
        (-32603, "EVM error InvalidFEOpcode", None, Reason.REVERTED),
        (-32000, "out of gas", None, Reason.REVERTED),
        (-32000, "gas required exceeds allowance (50000000)", None, Reason.REVERTED),
        (-32000, "header not found", None, Reason.BLOCK_NOT_FOUND),
        (-32000, "missing trie node 3f (path ) state 0x1 is not available", None, Reason.BLOCK_NOT_FOUND),
        (-32001, "Resource not found", None, Reason.BLOCK_NOT_FOUND),
        (
            -32602,
            "BlockOutOfRangeError: block height is 0 but requested was 65535",
            None,
            Reason.BLOCK_NOT_FOUND,
        ),
        (-32005, "limit exceeded", None, Reason.RATE_LIMITED),
        (-32097, "exceeded its compute units per second capacity", None, Reason.RATE_LIMITED),
        (429, "", None, Reason.RATE_LIMITED),
        (-32601, "Method not found", None, Reason.UNSUPPORTED),
        (-32602, "invalid params", None, Reason.UNSUPPORTED),
        (-32603, "oops", None, Reason.RPC_ERROR),
        ("x", None, None, Reason.RPC_ERROR),
    ],
)
def test_errors_of_many_nodes_are_told_apart(
    code: object, message: object, data: object, reason: Reason
) -> None:
    verdict = judge("l", {"code": code, "message": message, "data": data}, ())
    found = verdict.unread.reason if isinstance(verdict, EndpointError) else verdict.reason
    assert found is reason
    assert isinstance(verdict, Reverted) == (reason is Reason.REVERTED)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("execution aborted (timeout = 5s)", TooBig),
        ("request entity too large", TooBig),
        ("response size exceeded", TooBig),
        ("query returned more than 10000 results", TooBig),
        ("batch limit 100 exceeded", TooBig),
        ("Your app has exceeded its rate limit", Throttled),
    ],
)
def test_questions_too_big_are_told_from_rate_limits(message: str, kind: type[EndpointError]) -> None:
    assert type(judge("l", {"code": -32005, "message": message}, ())) is kind


@pytest.mark.parametrize("error", [None, 1, "no", [], {}])
def test_an_error_of_any_shape_is_survived(error: object) -> None:
    assert isinstance(judge("l", error, ()), EndpointError)


@pytest.mark.parametrize(
    "urls", [[], ["ftp://x"], ["http://"], ["localhost:8545"], ["http://[::1"], ["http://a b"]]
)
def test_what_is_no_endpoint_is_a_configuration_error(urls: list[str]) -> None:
    with pytest.raises(ConfigError):
        Rpc.open("local", urls)

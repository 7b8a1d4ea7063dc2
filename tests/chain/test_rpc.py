"""Every way an endpoint can fail: the value heals, or its true reason is told, in bounded time and posts."""

from __future__ import annotations

import dataclasses
import email.utils
import socket
import time

import pytest

from chain.block import pin
from chain.rpc import Rpc
from chain.transport import Ask
from localnet.anvil import Anvil
from margin.basics import Reason
from margin.errors import ChainUnreadable, ConfigError
from tests import faults
from tests.chain.conftest import MakeRpc
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
    rpc = make_rpc(proxy.url)
    assert rpc.request(*NUMBER) == HEAD
    rpc.settings = dataclasses.replace(rpc.settings, timeout_s=0.3, total_s=0.4)
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


def test_a_missing_block_beside_a_silent_endpoint_is_not_a_missing_block(
    proxy: FaultProxy, node: Anvil, make_rpc: MakeRpc
) -> None:
    # The silent one may have it: a lagging endpoint alone does not say that there is no such block.
    proxy.add(faults.Refuse(times=None))
    for urls in ((node.url, proxy.url), (proxy.url, node.url)):
        with pytest.raises(ChainUnreadable) as caught:
            pin(make_rpc(*urls), 99)
        assert caught.value.unread.reason is Reason.REFUSED
        assert "no block 99; the head is 5" in str(caught.value)
    with pytest.raises(ChainUnreadable) as caught:
        pin(make_rpc(node.url, node.url), 99)
    assert caught.value.unread.reason is Reason.BLOCK_NOT_FOUND


def test_the_chain_is_proven_by_any_endpoint(proxy: FaultProxy, node: Anvil, make_rpc: MakeRpc) -> None:
    proxy.add(faults.OtherChain(1, skip=1))
    rpc = make_rpc(proxy.url)
    assert not rpc.chain_proven
    assert rpc.chain_id == 31337
    assert not rpc.chain_proven, "only as configured"
    with pytest.raises(ChainUnreadable):
        pin(rpc)
    assert rpc.chain_proven
    with pytest.raises(ChainUnreadable):
        pin(wrong := make_rpc(node.url, chain_id=1))
    assert not wrong.chain_proven


def test_chain_id_is_learnt_where_it_is_not_configured(proxy: FaultProxy, make_rpc: MakeRpc) -> None:
    assert make_rpc(proxy.url, chain_id=None).chain_id == 31337


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
    fault = faults.Refuse(times=None)
    proxy.add(fault)
    with pytest.raises(ChainUnreadable):
        rpc.request(*NUMBER)
    assert fault.acted == 1, "one look, not all rounds"
    proxy.clear()
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


@pytest.mark.parametrize(
    "urls", [[], ["ftp://x"], ["http://"], ["localhost:8545"], ["http://[::1"], ["http://a b"]]
)
def test_what_is_no_endpoint_is_a_configuration_error(urls: list[str]) -> None:
    with pytest.raises(ConfigError):
        Rpc.open("local", urls)

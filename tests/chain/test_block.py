"""Pinning: what each spec becomes, what is refused, and what has changed at the end."""

from __future__ import annotations

import dataclasses

import pytest

from chain.block import FALLBACK_MAX_HEAD_AGE_S, max_head_age, pin, still_canonical
from chain.rpc import Rpc
from localnet.anvil import Anvil
from margin.basics import BlockRef, Reason
from margin.errors import ChainUnreadable, ConfigError
from tests import faults
from tests.chain.conftest import MakeRpc
from tests.faults import Fault, FaultProxy


def test_every_spec_of_the_head_is_the_head(rpc: Rpc, block: BlockRef, proxy: FaultProxy) -> None:
    assert pin(rpc) == block
    assert proxy.posts == 2, "the chain id, and one batch"
    for spec in (block.number, str(block.number), block.hash, "0x" + block.hash[2:].upper()):
        assert pin(rpc, spec) == block
    assert pin(rpc, "finalized").number <= pin(rpc, "safe").number <= block.number


def test_an_older_block_is_that_block(rpc: Rpc, node: Anvil) -> None:
    old = pin(rpc, 2)
    assert (old.number, old.chain, old.chain_id) == (2, "local", 31337)
    assert old.hash == node.request("eth_getBlockByNumber", "0x2", False)["hash"]


@pytest.mark.parametrize("spec", [99, "99", "0x" + "11" * 32])
def test_a_block_that_is_not_there_is_named_with_the_head(rpc: Rpc, spec: str | int) -> None:
    with pytest.raises(ChainUnreadable) as caught:
        pin(rpc, spec)
    assert caught.value.unread.reason is Reason.BLOCK_NOT_FOUND
    assert f"no block {spec}; the head is 5" in str(caught.value)


@pytest.mark.parametrize("spec", ["newest", "pending", "", "-1", "0x12", -1, 1 << 64, "0x" + "g" * 64, "٣"])
def test_what_names_no_block_is_a_configuration_error(rpc: Rpc, spec: str | int) -> None:
    with pytest.raises(ConfigError):
        pin(rpc, spec)


def test_head_age(rpc: Rpc, block: BlockRef) -> None:
    def now() -> float:
        return block.timestamp + 100

    assert pin(rpc, max_head_age_s=100, now=now) == block
    assert pin(rpc, max_head_age_s=None, now=now) == block
    assert pin(rpc, now=now) == block, "off by default on a local development chain"
    for spec in ("latest", "finalized"):
        with pytest.raises(ChainUnreadable) as caught:
            pin(rpc, spec, max_head_age_s=99, now=now)
        assert caught.value.unread.reason is Reason.STALE_HEAD
        assert "head 5 is 100 s old, at most 99 s" in str(caught.value)
    assert pin(rpc, 5, max_head_age_s=99, now=now) == block, "a block asked for by number is wanted as it is"


def test_default_head_ages() -> None:
    assert max_head_age(31337) is None
    assert max_head_age(1337) is None
    assert max_head_age(1) == 180
    assert max_head_age(123456789) == FALLBACK_MAX_HEAD_AGE_S == 600


def test_a_stale_endpoint_is_passed_over(
    proxy: FaultProxy, node: Anvil, block: BlockRef, make_rpc: MakeRpc, slept: list[float]
) -> None:
    proxy.add(faults.OldHead(2))
    stale = make_rpc(proxy.url)
    assert pin(stale).number == 2
    both = make_rpc(proxy.url, node.url)
    assert pin(both, max_head_age_s=30, now=lambda: block.timestamp + 1.0) == block
    assert slept == []


@pytest.mark.parametrize(
    "content",
    [
        b"null",
        b'{"number":"0x5"}',
        b'{"number":"0x5","hash":null,"timestamp":"0x1"}',
        b'{"number":"5","hash":"0x' + b"11" * 32 + b'","timestamp":"0x1"}',
        b'{"number":"0x5","hash":"0x' + b"11" * 31 + b'","timestamp":"0x1"}',
        b'{"number":"0x5","hash":"0x' + b"11" * 32 + b'","timestamp":"0x' + b"f" * 40 + b'"}',
        b'[["number","0x5"]]',
    ],
)
def test_what_is_no_block_is_malformed(content: bytes, rpc: Rpc, proxy: FaultProxy) -> None:
    assert rpc.request("eth_blockNumber") == "0x5"
    body = b'[{"jsonrpc":"2.0","id":%d,"result":"0x7a69"},{"jsonrpc":"2.0","id":%d,"result":%s}]'
    for turn in range(rpc.settings.rounds):
        first = 3 + 2 * turn  # the ids that the client will use
        proxy.add(faults.Junk(body % (first, first + 1, content), skip=turn))
    with pytest.raises(ChainUnreadable) as caught:
        pin(rpc)
    assert caught.value.unread.reason is Reason.MALFORMED


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (faults.Refuse(times=None), Reason.REFUSED),
        (faults.DropAnswers(times=None), Reason.MALFORMED),
        (faults.OtherChain(1), Reason.WRONG_CHAIN),
        (faults.OtherChain(1, skip=1), Reason.WRONG_CHAIN),
        (faults.Status(429, times=None), Reason.RATE_LIMITED),
    ],
    ids=str,
)
def test_a_pin_that_fails_says_why(rpc: Rpc, proxy: FaultProxy, fault: Fault, reason: Reason) -> None:
    proxy.add(fault)
    with pytest.raises(ChainUnreadable) as caught:
        pin(rpc)
    assert caught.value.unread.reason is reason


def test_canonical_until_the_chain_goes_another_way(make_rpc: MakeRpc) -> None:
    with Anvil.start() as anvil:
        rpc = make_rpc(anvil.url)
        anvil.mine()
        mark = anvil.snapshot()
        anvil.mine(anvil.timestamp() + 12)
        pinned = pin(rpc)
        assert still_canonical(rpc, pinned)
        anvil.revert(mark)
        assert not still_canonical(rpc, pinned), "no block at its number"
        anvil.mine(anvil.timestamp() + 13)
        assert pin(rpc).number == pinned.number
        assert not still_canonical(rpc, pinned), "another block at its number"


def test_canonical_can_not_be_known_on_another_chain(rpc: Rpc, proxy: FaultProxy, block: BlockRef) -> None:
    assert still_canonical(rpc, block)
    proxy.add(faults.OtherChain(10))
    with pytest.raises(ChainUnreadable) as caught:
        still_canonical(rpc, block)
    assert caught.value.unread.reason is Reason.WRONG_CHAIN


NO_CHAIN_ID = [
    faults.Hollow(None, method="eth_chainId", skip=1),
    faults.Hollow("0x", method="eth_chainId", skip=1),
    faults.Hollow("0x0", method="eth_chainId", skip=1),
    faults.Hollow("0x" + f"{5:064x}", method="eth_chainId", skip=1),
    faults.SwapIds(),
]


@pytest.mark.parametrize("fault", NO_CHAIN_ID, ids=str)
def test_an_answer_that_is_no_chain_id_is_asked_for_again(
    fault: Fault, rpc: Rpc, proxy: FaultProxy, block: BlockRef
) -> None:
    proxy.add(dataclasses.replace(fault))
    assert pin(rpc) == block
    proxy.clear()
    proxy.add(dataclasses.replace(fault, skip=0))
    assert still_canonical(rpc, block)


@pytest.mark.parametrize("fault", NO_CHAIN_ID, ids=str)
def test_an_answer_that_is_never_a_chain_id_is_malformed(
    fault: Fault, rpc: Rpc, proxy: FaultProxy, block: BlockRef
) -> None:
    proxy.add(dataclasses.replace(fault, times=None))
    for task in (lambda: pin(rpc), lambda: still_canonical(rpc, block)):
        with pytest.raises(ChainUnreadable) as caught:
            task()
        assert caught.value.unread.reason is Reason.MALFORMED

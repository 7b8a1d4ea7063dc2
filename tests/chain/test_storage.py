"""Words of genuine contracts by both means, against single reads; never a zero that was not read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.abi import Function, address_bytes
from chain.keys import mapping_keys
from chain.reader import Call, Reader
from chain.rpc import Rpc
from chain.slots import values_words
from chain.slots_asker import StorageMeans
from chain.storage import Words
from chain.transport import Digits
from localnet import states
from localnet.aave_v3 import Market
from localnet.anvil import Anvil
from margin.basics import Address, BlockRef, Reason, Unread
from tests import faults
from tests.chain.conftest import MakeRpc, head_of
from tests.chain.contracts import at
from tests.faults import Exchange, Fault, FaultProxy

VALUES, PROGRAM = StorageMeans.VALUES, StorageMeans.PROGRAM
USER_STATE, USERS_CONFIG = 52, 53
SCALED_BALANCE = Function("scaledBalanceOf(address)", "uint256")
GET_CONFIGURATION = Function("getUserConfiguration(address)", "uint256")


@dataclass
class Asked:
    """Words to read, and what `eth_getStorageAt` says they are."""

    contracts: list[Address]
    contract: npt.NDArray[np.int64]
    keys: npt.NDArray[np.uint8]
    truth: npt.NDArray[np.uint8]

    def read(self, reader: Reader) -> Words:
        return reader.words(self.contracts, self.contract, self.keys)

    def is_told_by(self, found: Words) -> bool:
        """Whether all was read, and is right."""
        return not found.unread and bool((found.raw == self.truth).all())

    def assert_never_wrong(self, found: Words) -> None:
        assert found.raw.shape == self.truth.shape
        for place in range(len(self.keys)):
            expected = np.zeros(32, np.uint8) if place in found.unread else self.truth[place]
            assert (found.raw[place] == expected).all(), place


def single_reads(
    anvil: Anvil, contracts: list[Address], contract: npt.NDArray[np.int64], keys: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    words = b""
    for which, key in zip(contract, keys, strict=True):
        word = anvil.request("eth_getStorageAt", contracts[which], "0x" + key.tobytes().hex(), "latest")
        words += int(word, 16).to_bytes(32, "big")
    return np.frombuffer(words, np.uint8).reshape(-1, 32)


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    with states.running("aave-v3.0.2") as market:
        yield market


@pytest.fixture(scope="module")
def here(market: Market) -> BlockRef:
    return head_of(market.anvil)


@pytest.fixture(scope="module")
def asked(market: Market) -> Asked:
    """Every balance and all flags of the cast, and as many slots that nobody uses, in wild order."""
    holders = np.frombuffer(b"".join(map(address_bytes, market.cast.values())), np.uint8).reshape(-1, 20)
    contracts = [market.pool.address, *(reserve.a_token for reserve in market.reserves.values())]
    parts = [mapping_keys(holders, USERS_CONFIG), *[mapping_keys(holders, USER_STATE)] * (len(contracts) - 1)]
    keys = np.concatenate([*parts, *[mapping_keys(holders, 7777)] * len(contracts)])
    contract = np.tile(np.repeat(np.arange(len(contracts)), len(holders)), 2)
    order = np.random.default_rng(5).permutation(len(keys))
    contract, keys = contract[order], keys[order]
    return Asked(contracts, contract, keys, single_reads(market.anvil, contracts, contract, keys))


@pytest.fixture
def way(market: Market) -> Iterator[FaultProxy]:
    with FaultProxy(market.anvil.url) as proxy:
        yield proxy


@pytest.fixture
def rpc(way: FaultProxy, make_rpc: MakeRpc) -> Rpc:
    return make_rpc(way.url)


@dataclass
class WipesOverridden(Fault):
    """A node that empties the storage of every contract whose code is overridden. For ever by default."""

    times: int | None = field(default=None, kw_only=True)
    method: str | None = field(default="eth_call", kw_only=True)

    def before(self, exchange: Exchange) -> None:
        for ask in exchange.asks:
            if ask["method"] == "eth_call" and len(ask["params"]) > 2:
                for override in ask["params"][2].values():
                    override["state"] = {}


@dataclass
class IgnoresOverrides(Fault):
    """A node that runs calls with overrides as if there were none. For ever by default."""

    times: int | None = field(default=None, kw_only=True)
    method: str | None = field(default="eth_call", kw_only=True)

    def before(self, exchange: Exchange) -> None:
        for ask in exchange.asks:
            if ask["method"] == "eth_call":
                del ask["params"][2:]


@dataclass
class Rewritten(Fault):
    """Results of `method` are rewritten by `change`; lists of words too. For ever by default."""

    change: Any
    times: int | None = field(default=None, kw_only=True)

    def after(self, exchange: Exchange) -> None:
        for ask, answer in exchange.answers():
            if ask["method"] == self.method and "result" in answer:
                result = answer["result"]
                if isinstance(result, dict):
                    answer["result"] = {address: self.change(words) for address, words in result.items()}
                else:
                    answer["result"] = self.change(result)


NO_VALUES = faults.NodeError(-32601, "the method does not exist", method="eth_getStorageValues", times=None)


# --- words -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_number", [False, True])
@pytest.mark.parametrize("means", list(StorageMeans))
def test_words_are_those_of_single_reads(
    means: StorageMeans, by_number: bool, rpc: Rpc, way: FaultProxy, asked: Asked, here: BlockRef
) -> None:
    assert asked.truth.any(axis=1).sum() > 40
    if by_number:
        way.add(faults.NoBlockHash())
    reader = Reader(rpc, here, only_storage=means)
    assert not reader.has_state
    assert asked.is_told_by(asked.read(reader))
    assert asked.is_told_by(asked.read(reader))
    assert reader.storage_means is means
    assert reader.has_state
    assert reader.proven is (means is PROGRAM), "only the program proves its moment in the answer itself"


@pytest.mark.parametrize("means", list(StorageMeans))
def test_words_are_what_the_views_say(
    means: StorageMeans, rpc: Rpc, market: Market, asked: Asked, here: BlockRef
) -> None:
    reader = Reader(rpc, here, only_storage=means)
    users = list(market.cast.values())
    holders = np.frombuffer(b"".join(map(address_bytes, users)), np.uint8).reshape(-1, 20)
    for place, target in enumerate(asked.contracts):
        view, slot = (SCALED_BALANCE, USER_STATE) if place else (GET_CONFIGURATION, USERS_CONFIG)
        keys = mapping_keys(holders, slot)
        found = reader.words([target], np.zeros(len(users), np.int64), keys)
        assert not found.unread
        told = [int.from_bytes(word.tobytes()[16:], "big") for word in found.raw]
        assert [(value,) for value in told] == reader.read([Call(target, view, (user,)) for user in users])


@pytest.mark.parametrize("means", list(StorageMeans))
def test_a_pinned_block_does_not_move(means: StorageMeans, rpc: Rpc, market: Market, asked: Asked) -> None:
    with market.anvil.undone():
        market.anvil.mine()
        before = head_of(market.anvil)
        for user in ("comfortable", "edge", "whale"):
            market.supply(market.cast[user], "WETH", 10**18)
        after = head_of(market.anvil)
        assert after.number > before.number
        assert asked.is_told_by(asked.read(Reader(rpc, before, only_storage=means)))
        later = asked.read(Reader(rpc, after, only_storage=means))
        assert not later.unread
        assert 1 <= (later.raw != asked.truth).any(axis=1).sum() <= 3


@pytest.mark.parametrize("means", list(StorageMeans))
def test_many_words_in_few_posts(
    means: StorageMeans, rpc: Rpc, way: FaultProxy, asked: Asked, here: BlockRef
) -> None:
    times = 40_000 // len(asked.keys)
    many = Asked(
        asked.contracts,
        np.tile(asked.contract, times),
        np.tile(asked.keys, (times, 1)),
        np.tile(asked.truth, (times, 1)),
    )
    assert many.is_told_by(many.read(Reader(rpc, here, only_storage=means)))
    assert way.posts <= 12
    assert max(seen.size for seen in way.requests) < 2_000_000
    before = way.posts
    assert asked.is_told_by(asked.read(Reader(rpc, here, only_storage=means)))
    assert way.posts == before + 1, "probed once for all readers"


@pytest.mark.parametrize("means", list(StorageMeans))
def test_a_contract_may_be_listed_twice(means: StorageMeans, rpc: Rpc, asked: Asked, here: BlockRef) -> None:
    odd = asked.contract + len(asked.contracts) * (np.arange(len(asked.keys)) % 2)
    found = Reader(rpc, here, only_storage=means).words(asked.contracts * 2, odd, asked.keys)
    assert asked.is_told_by(found)


def test_nothing_asked_is_nothing_read(rpc: Rpc, way: FaultProxy, here: BlockRef) -> None:
    found = Reader(rpc, here).words([], np.zeros(0, np.int64), np.zeros((0, 32), np.uint8))
    assert found.raw.shape == (0, 32)
    assert not found.unread
    assert way.posts == 0


def test_arrays_that_do_not_fit_are_refused(rpc: Rpc, here: BlockRef) -> None:
    reader, key, one = Reader(rpc, here), np.zeros((1, 32), np.uint8), np.zeros(1, np.int64)
    for contracts, contract, keys in (
        ([], one, key),
        ([at(1)], one - 1, key),
        ([at(1)], np.zeros(2, np.int64), key),
        ([at(1)], one, np.zeros((1, 20), np.uint8)),
        ([at(1)], one, key.astype(np.int64)),
    ):
        with pytest.raises(ValueError, match=r"contract|keys"):
            reader.words(contracts, contract, keys)  # type: ignore[arg-type]


# --- means -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lacks", "means"),
    [
        ((), PROGRAM),
        ((NO_VALUES,), PROGRAM),
        ((faults.NoOverrides(),), VALUES),
        ((IgnoresOverrides(),), VALUES),
        ((WipesOverridden(),), VALUES),
        ((NO_VALUES, faults.NoOverrides()), None),
        ((NO_VALUES, IgnoresOverrides()), None),
        ((NO_VALUES, WipesOverridden()), None),
    ],
    ids=str,
)
def test_the_best_means_of_a_node_is_found(
    lacks: tuple[Fault, ...],
    means: StorageMeans | None,
    rpc: Rpc,
    way: FaultProxy,
    asked: Asked,
    here: BlockRef,
) -> None:
    way.add(*(dataclasses.replace(fault) for fault in lacks))
    reader = Reader(rpc, here)
    found = asked.read(reader)
    assert reader.storage_means is means
    if means is None:
        assert {unread.reason for unread in found.unread.values()} == {Reason.UNSUPPORTED}
        assert len(found.unread) == len(asked.keys)
        assert not found.raw.any()
        assert not reader.has_state
    else:
        assert asked.is_told_by(found)


@pytest.mark.parametrize("means", list(StorageMeans))
def test_means_that_go_away_are_replaced(
    means: StorageMeans, rpc: Rpc, way: FaultProxy, asked: Asked, here: BlockRef
) -> None:
    reader = Reader(rpc, here)
    assert reader.means
    way.add(dataclasses.replace(NO_VALUES, times=1) if means is PROGRAM else faults.NoOverrides(times=1))
    assert asked.is_told_by(asked.read(reader))
    assert reader.storage_means is means
    way.add(dataclasses.replace(NO_VALUES) if means is VALUES else faults.NoOverrides())
    assert not asked.is_told_by(asked.read(reader)), "the other was not there when it was probed"
    way.clear()
    assert asked.is_told_by(asked.read(Reader(rpc, here))), "probed again for the next block"


@pytest.mark.parametrize("fault", [WipesOverridden(), IgnoresOverrides()], ids=str)
def test_storage_wiped_after_the_probe_is_noticed(
    fault: Fault, rpc: Rpc, way: FaultProxy, asked: Asked, here: BlockRef
) -> None:
    forced = Reader(rpc, here, only_storage=PROGRAM)
    assert asked.is_told_by(asked.read(forced))
    way.add(fault)
    found = asked.read(forced)
    asked.assert_never_wrong(found)
    assert len(found.unread) == len(asked.keys)


def test_a_machine_that_wipes_among_others_is_replaced(
    rpc: Rpc, way: FaultProxy, asked: Asked, here: BlockRef
) -> None:
    assert asked.is_told_by(asked.read(Reader(rpc, here)))
    way.add(WipesOverridden())
    assert asked.is_told_by(asked.read(Reader(rpc, here)))
    assert rpc.nodes[0].traits.storage == (VALUES,)


@pytest.fixture
def changed(node: Anvil) -> Iterator[Anvil]:
    """The node of all tests, put back afterwards."""
    with node.undone():
        yield node


@pytest.mark.parametrize("wiped", [False, True])
def test_zeros_without_a_witness_are_read_singly(
    wiped: bool, changed: Anvil, proxy: FaultProxy, make_rpc: MakeRpc
) -> None:
    place = at(200 + wiped)
    keys = mapping_keys(np.random.default_rng(3).integers(0, 256, (600, 20), np.uint8), 3)
    changed.set_code(place, b"\0")
    changed.mine()
    rpc = make_rpc(proxy.url)
    proxy.add(dataclasses.replace(NO_VALUES))
    zeros = np.zeros(len(keys), np.int64)
    found = Reader(rpc, head_of(changed)).words([place], zeros, keys)
    assert not found.unread
    assert not found.raw.any()
    assert proxy.count("eth_getStorageAt") >= len(keys), "nothing says that the storage was seen"
    if wiped:
        proxy.add(WipesOverridden())
    changed.set_storage(place, int.from_bytes(keys[599].tobytes(), "big"), 77)
    changed.mine()
    found = Reader(rpc, head_of(changed)).words([place], zeros, keys)
    if wiped:
        assert len(found.unread) == len(keys)
    else:
        assert not found.unread
        assert int.from_bytes(found.raw[599].tobytes(), "big") == 77
        assert not found.raw[:599].any()
        proxy.requests.clear()
        assert not Reader(rpc, head_of(changed)).words([place], zeros, keys).unread
        assert proxy.count("eth_getStorageAt") == 0, "the word that is not zero is the witness now"


def test_a_witness_that_became_zero_is_replaced(changed: Anvil, proxy: FaultProxy, make_rpc: MakeRpc) -> None:
    place, keys = at(210), np.zeros((3, 32), np.uint8)
    keys[:, 31] = (0, 1, 100)
    changed.set_code(place, b"\0")
    changed.set_storage(place, 0, 5)
    changed.mine()
    rpc = make_rpc(proxy.url)
    which = np.zeros(3, np.int64)
    found = Reader(rpc, head_of(changed), only_storage=PROGRAM).words([place], which, keys)
    assert found.raw[:, 31].tolist() == [5, 0, 0]
    for slot, word in ((0, 0), (100, 9)):
        changed.set_storage(place, slot, word)
    changed.mine()
    found = Reader(rpc, head_of(changed), only_storage=PROGRAM).words([place], which, keys)
    assert not found.unread
    assert found.raw[:, 31].tolist() == [0, 0, 9]


def test_nothing_deployed_is_zeros(rpc: Rpc, asked: Asked, here: BlockRef) -> None:
    for means in StorageMeans:
        found = Reader(rpc, here, only_storage=means).words([at(99)], asked.contract * 0, asked.keys)
        assert not found.unread
        assert not found.raw.any()


# --- chunks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [30_000_000, 4_000_000, 1_000_000])
def test_chunks_find_what_the_gas_of_a_node_allows(
    limit: int, rpc: Rpc, market: Market, asked: Asked
) -> None:
    with market.anvil.undone():
        market.anvil.request("evm_setBlockGasLimit", hex(limit))
        market.anvil.mine()
        times = 12_000 // len(asked.keys) if limit > 1_000_000 else 2
        found = Reader(rpc, head_of(market.anvil), only_storage=PROGRAM).words(
            asked.contracts, np.tile(asked.contract, times), np.tile(asked.keys, (times, 1))
        )
        assert not found.unread, list(found.unread.values())[:1]
        assert (found.raw == np.tile(asked.truth, (times, 1))).all()


@pytest.mark.parametrize(
    "fault",
    [
        faults.Status(413, times=3),
        faults.NodeError(-32000, "out of gas", times=3, method="eth_call"),
        faults.NodeError(-32000, "execution aborted (timeout = 5s)", times=3, method="eth_call"),
    ],
    ids=str,
)
def test_chunks_shrink_when_a_node_finds_them_too_big(
    fault: Fault, rpc: Rpc, way: FaultProxy, asked: Asked, here: BlockRef, slept: list[float]
) -> None:
    reader = Reader(rpc, here, only_storage=PROGRAM)
    assert asked.is_told_by(asked.read(reader))
    before = way.posts
    way.add(dataclasses.replace(fault))
    assert asked.is_told_by(asked.read(reader))
    assert slept == [], "a smaller question is asked at once"
    assert way.posts - before <= 10


def test_a_node_without_gas_for_one_slot_ends_soon(
    rpc: Rpc, way: FaultProxy, asked: Asked, here: BlockRef
) -> None:
    reader = Reader(rpc, here, only_storage=PROGRAM)
    assert reader.storage_means is PROGRAM
    way.add(faults.NodeError(-32000, "out of gas", times=None, method="eth_call", skip=1))
    found = asked.read(reader)
    assert len(found.unread) == len(asked.keys)
    assert way.posts <= 30


# --- faults ------------------------------------------------------------------------------------------------

FAULTS = {
    "refused": faults.Refuse(),
    "malformed": faults.Truncate(),
    "malformed junk": faults.Junk(),
    "malformed drop": faults.DropAnswers(),
    "malformed drop many": faults.DropAnswers(places=(0, 1, 2)),
    "malformed double": faults.DuplicateIds(),
    "malformed foreign": faults.ForeignId(),
    "malformed hollow": faults.Hollow(method="eth_getStorageValues"),
    "malformed empty": faults.Hollow("0x", method="eth_call"),
    "rate_limited": faults.Status(429, retry_after="1"),
    "rpc_error": faults.Status(500),
    "rpc_error internal": faults.NodeError(-32603, "internal error"),
    "block_not_found": faults.NodeError(-32000, "header not found"),
    "wrong_chain": faults.OtherChain(1),
}
PASSING = [name for name in FAULTS if name not in ("wrong_chain", "malformed hollow", "malformed empty")]
"""Faults that the next try may find gone; an answer of another form is what the node can do."""


@pytest.mark.parametrize("means", list(StorageMeans))
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_in_the_middle_is_unread_with_its_reason_and_heals(
    name: str, means: StorageMeans, rpc: Rpc, way: FaultProxy, asked: Asked, here: BlockRef
) -> None:
    reader = Reader(rpc, here, only_storage=means)
    assert asked.is_told_by(asked.read(reader))
    way.add(dataclasses.replace(FAULTS[name], times=None))
    before = way.posts
    found = asked.read(reader)
    assert way.posts - before <= 60
    asked.assert_never_wrong(found)
    if found.unread:
        assert {unread.reason for unread in found.unread.values()} == {Reason(name.partition(" ")[0])}
    else:
        assert name in ("malformed hollow", "malformed empty") or means is PROGRAM
    way.clear()
    assert asked.is_told_by(asked.read(Reader(rpc, here, only_storage=means)))
    if name != "wrong_chain":
        way.add(dataclasses.replace(FAULTS[name], times=1))
        assert asked.is_told_by(asked.read(reader))


@pytest.mark.parametrize("means", list(StorageMeans))
@pytest.mark.parametrize("name", PASSING)
def test_a_fault_in_the_probe_settles_nothing(
    name: str, means: StorageMeans, rpc: Rpc, way: FaultProxy, asked: Asked, here: BlockRef
) -> None:
    fault = dataclasses.replace(FAULTS[name], times=1)
    fault.method = fault.method or "eth_getStorageAt"
    way.add(fault)
    assert asked.is_told_by(asked.read(Reader(rpc, here, only_storage=means)))
    assert rpc.nodes[0].traits.storage == (PROGRAM, VALUES)


GARBLED = {
    "one word": lambda words: ["0x" + "12" * 32, *words[1:]],
    "short": lambda words: words[:-1],
    "long": lambda words: [*words, words[0]],
    "a digit less": lambda words: ["0x1", *words[1:]],
    "no prefix": lambda words: [words[0][2:], "0x" + words[1], *words[2:]],
    "other prefix": lambda words: ["00" + words[0][2:], *words[1:]],
    "other letter": lambda words: ["0y" + words[0][2:], *words[1:]],
    "blanks": lambda words: ["0x" + "  " * 32, *words[1:]],
    "no text": lambda words: [7, *words[1:]],
    "no hex": lambda words: ["0x" + "g" * 64, *words[1:]],
    "nothing": lambda _: None,
}


@pytest.mark.parametrize("name", GARBLED)
def test_garbled_values_are_noticed(
    name: str, rpc: Rpc, way: FaultProxy, asked: Asked, here: BlockRef
) -> None:
    way.add(Rewritten(GARBLED[name], method="eth_getStorageValues", skip=1))  # the probe saw nothing of it
    found = asked.read(Reader(rpc, here, only_storage=VALUES))
    assert len(found.unread) == len(asked.keys)
    assert not found.raw.any()
    assert asked.is_told_by(asked.read(Reader(rpc, here)))


@pytest.mark.parametrize("name", GARBLED)
def test_values_that_are_garbled_in_the_probe_are_not_used(
    name: str, rpc: Rpc, way: FaultProxy, asked: Asked, here: BlockRef
) -> None:
    way.add(Rewritten(GARBLED[name], method="eth_getStorageValues"))
    assert asked.is_told_by(asked.read(Reader(rpc, here)))
    assert rpc.nodes[0].traits.storage == (PROGRAM,)


@pytest.mark.parametrize("name", [name for name in GARBLED if name != "one word"])
def test_values_of_another_form_are_noticed_at_any_time(
    name: str, rpc: Rpc, way: FaultProxy, asked: Asked, here: BlockRef
) -> None:
    reader = Reader(rpc, here, only_storage=VALUES)
    assert asked.is_told_by(asked.read(reader))
    garbled = Rewritten(GARBLED[name], method="eth_getStorageValues")
    way.add(garbled)
    found = asked.read(reader)
    assert len(found.unread) == len(asked.keys)
    assert {unread.reason for unread in found.unread.values()} == {Reason.MALFORMED}
    way.clear()
    way.add(dataclasses.replace(garbled, times=1))
    assert asked.is_told_by(asked.read(reader))


def repacked(result: str, change: Callable[[bytes], bytes]) -> str:
    """An answer of the program in good form, with every piece of words changed."""
    raw = bytes.fromhex(result[2:])
    pieces, place = [], 64
    while place < len(raw):
        size = int.from_bytes(raw[place + 1 : place + 4], "big")
        words = change(raw[place + 4 : place + 4 + size])
        pieces += [raw[place : place + 1], len(words).to_bytes(3, "big"), words]
        place += 4 + size
    return "0x" + (raw[:64] + b"".join(pieces)).hex()


@pytest.mark.parametrize(
    "change",
    [lambda words: words[:32], lambda words: words[:-32], lambda words: words + words, lambda _: b""],
    ids=["one word", "a word less", "twice", "nothing"],
)
def test_the_program_gives_a_word_for_every_slot(
    change: Callable[[bytes], bytes], rpc: Rpc, way: FaultProxy, asked: Asked, here: BlockRef
) -> None:
    reader = Reader(rpc, here, only_storage=PROGRAM)
    assert asked.is_told_by(asked.read(reader))
    way.add(Rewritten(partial(repacked, change=change), method="eth_call"))
    found = asked.read(reader)
    assert len(found.unread) == len(asked.keys)
    assert {unread.reason for unread in found.unread.values()} == {Reason.MALFORMED}
    way.clear()
    assert asked.is_told_by(asked.read(reader))


@pytest.mark.parametrize(("word", "reason"), [(0, Reason.WRONG_CHAIN), (1, Reason.BLOCK_NOT_FOUND)])
def test_the_program_tells_where_and_when_it_ran(
    word: int, reason: Reason, rpc: Rpc, way: FaultProxy, asked: Asked, here: BlockRef
) -> None:
    reader = Reader(rpc, here, only_storage=PROGRAM)
    assert asked.is_told_by(asked.read(reader))
    start = 2 + 64 * word
    way.add(Rewritten(lambda r: r[:start] + f"{5:064x}" + r[start + 64 :], method="eth_call"))
    found = asked.read(reader)
    assert len(found.unread) == len(asked.keys)
    assert {unread.reason for unread in found.unread.values()} == {reason}


@pytest.mark.parametrize("cut", [2, 64, 66, 130, 1000])
def test_a_shorter_answer_of_the_program_is_no_answer(
    cut: int, rpc: Rpc, way: FaultProxy, asked: Asked, here: BlockRef
) -> None:
    reader = Reader(rpc, here, only_storage=PROGRAM)
    assert asked.is_told_by(asked.read(reader))
    way.add(Rewritten(lambda result: result[:-cut], method="eth_call"))
    found = asked.read(reader)
    asked.assert_never_wrong(found)
    assert found.unread
    way.clear()
    assert asked.is_told_by(asked.read(reader))


@pytest.mark.parametrize("means", list(StorageMeans))
def test_another_chain_behind_the_endpoint_is_noticed(
    means: StorageMeans, rpc: Rpc, way: FaultProxy, asked: Asked, here: BlockRef
) -> None:
    with Anvil.start(chain_id=10) as other:
        for _ in range(3):
            other.mine()
        reader = Reader(rpc, here, only_storage=means)
        assert asked.is_told_by(asked.read(reader))
        way.add(faults.Upstream(other.url, times=None))
        found = asked.read(reader)
        assert len(found.unread) == len(asked.keys)
        way.clear()
        assert asked.is_told_by(asked.read(reader))


@pytest.mark.parametrize("by_number", [False, True])
@pytest.mark.parametrize("means", list(StorageMeans))
def test_a_block_that_was_replaced_is_not_read(
    means: StorageMeans, by_number: bool, rpc: Rpc, way: FaultProxy, market: Market, asked: Asked
) -> None:
    if by_number:
        way.add(faults.NoBlockHash())
    anvil = market.anvil
    with anvil.undone():
        anvil.mine()
        snapshot = anvil.snapshot()
        market.supply(market.cast["edge"], "WETH", 10**18)
        orphaned = head_of(anvil)
        reader = Reader(rpc, orphaned, only_storage=means)
        assert not asked.read(reader).unread
        anvil.revert(snapshot)
        while anvil.block_number() < orphaned.number:
            anvil.mine(anvil.timestamp() + 12)
        found = asked.read(reader)
        assert len(found.unread) == len(asked.keys)
        assert {unread.reason for unread in found.unread.values()} == {Reason.BLOCK_NOT_FOUND}


def test_the_next_endpoint_helps(way: FaultProxy, make_rpc: MakeRpc, asked: Asked, here: BlockRef) -> None:
    with FaultProxy(way.upstream) as second:
        rpc = make_rpc(way.url, second.url)
        way.add(dataclasses.replace(NO_VALUES), faults.NoOverrides())
        assert asked.is_told_by(asked.read(Reader(rpc, here)))
        way.add(faults.Refuse(times=None))
        assert asked.is_told_by(asked.read(Reader(rpc, here)))


# --- format ------------------------------------------------------------------------------------------------

WORDS = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=6)


@given(WORDS, st.data())
def test_values_are_whole_words_or_nothing(words: list[bytes], data: st.DataObject) -> None:
    pieces = [(at(1), bytes(32 * len(words)))]
    texts = ["0x" + word.hex() for word in words]
    assert values_words({at(1).lower(): texts}, pieces) == [b"".join(words)]
    assert values_words({at(2): texts}, pieces) is None
    assert values_words({at(1): texts, at(2): texts}, pieces) is None
    which = data.draw(st.integers(0, len(texts) - 1))
    damaged = data.draw(
        st.one_of(
            st.none(), st.integers(), st.text(max_size=70), st.text("0x19af ", min_size=64, max_size=68)
        )
    )
    texts[which] = damaged  # type: ignore[assignment]
    found = values_words({at(1): texts}, pieces)
    if found is not None:
        assert isinstance(damaged, str)
        assert bytes.fromhex(damaged[2:]) == found[0][32 * which : 32 * which + 32]
        assert len(damaged) == 66


def test_unread_is_told_by_place(rpc: Rpc, way: FaultProxy, asked: Asked, here: BlockRef) -> None:
    """With one request of several refused for ever, the others' words are there, and these are not."""
    times = 3000 // len(asked.keys) + 1
    contract, keys = np.tile(asked.contract, times), np.tile(asked.keys, (times, 1))
    reader = Reader(rpc, here, only_storage=VALUES)
    assert asked.is_told_by(asked.read(reader))
    unlucky = asked.contracts[3].lower()

    @dataclass
    class Refuses(Fault):
        def after(self, exchange: Exchange) -> None:
            for ask, answer in exchange.answers():
                if ask["method"] == self.method and any(a.lower() == unlucky for a in ask["params"][0]):
                    answer.pop("result", None)
                    answer["error"] = {"code": -32603, "message": "internal error"}

    way.add(Refuses(method="eth_getStorageValues", times=None))
    found = reader.words(asked.contracts, contract, keys)
    assert 0 < len(found.unread) < len(keys)
    assert set(np.flatnonzero(contract == 3).tolist()) <= set(found.unread)
    Asked(asked.contracts, contract, keys, np.tile(asked.truth, (times, 1))).assert_never_wrong(found)
    assert all(isinstance(unread, Unread) for unread in found.unread.values())


# --- transport ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data", [Digits("0x" + "5a" * 20_000), Digits("0x"), "0x" + 'a"\\' * 10_000, "é\n" * 20_000]
)
def test_call_data_is_posted_as_it_is(data: str, rpc: Rpc, way: FaultProxy) -> None:
    seen: list[object] = []

    @dataclass
    class Notes(Fault):
        def before(self, exchange: Exchange) -> None:
            seen.extend([ask["method"], *ask["params"]] for ask in exchange.asks)

    call = {"to": at(1), "data": data, "from": at(2)}
    way.add(Notes(method="eth_call", times=None), faults.Hollow("0x00", method="eth_call", times=None))
    asks = [("eth_call", [call, "latest", {at(1): {"code": "0x00"}}])] * 2
    assert rpc.request(*asks[0]) == "0x00"
    assert rpc.batch(asks) == ["0x00"] * 2
    assert seen == [["eth_call", *asks[0][1]]] * 3

"""Event scans on a genuine market: the same events whatever the node refuses, and no wrong one ever."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from typing import Any

import pytest
from eth_utils.crypto import keccak

from chain.abi import to_address
from chain.answers import TooBig, judge
from chain.first_code import FirstCode, first_code_block
from chain.log_answers import decoded_logs
from chain.log_span import FIRST_SPAN, LARGEST_SPAN, Span
from chain.logs import Log, LogFilter, Mark, hashes_at, scan_logs
from localnet import states
from localnet.aave_v3.market import Market
from localnet.anvil import Anvil
from margin.basics import Address, BlockRef, Reason
from margin.errors import ChainUnreadable, EndpointError
from tests import faults
from tests.chain.conftest import MakeRpc, head_of
from tests.faults import FaultProxy, Upstream
from tests.faults.log_limits import Doctored, LogRange, LogResults

TRANSFER = keccak(text="Transfer(address,address,uint256)")
USER = "0x00000000000000000000000000000000000A11CE"


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    with states.running("aave-v3.0.2") as market:
        yield market


@pytest.fixture
def proxy(market: Market) -> Iterator[FaultProxy]:
    with FaultProxy(market.anvil.url) as proxy:
        yield proxy


@pytest.fixture
def head(market: Market) -> BlockRef:
    return head_of(market.anvil)


@pytest.fixture
def wanted(market: Market) -> LogFilter:
    return LogFilter(tuple(reserve.a_token for reserve in market.reserves.values()), (TRANSFER,))


def told(anvil: Anvil, wanted: LogFilter) -> list[Log]:
    """Everything in one unlimited question, read without the code under test."""
    topics = [["0x" + topic.hex() for topic in wanted.topics]] if wanted.topics else []
    where = {"fromBlock": "0x0", "toBlock": "latest", "address": list(wanted.addresses), "topics": topics}
    return [
        Log(
            int(log["blockNumber"], 16),
            int(log["logIndex"], 16),
            to_address(log["address"]),
            tuple(bytes.fromhex(topic[2:]) for topic in log["topics"]),
            bytes.fromhex(log["data"][2:]),
            log["transactionHash"],
        )
        for log in anvil.request("eth_getLogs", where)
    ]


def scanned(url: str, make_rpc: MakeRpc, wanted: LogFilter, head: BlockRef, **settings: float) -> list[Log]:
    """All logs up to the head, the pieces checked to be one row without a gap."""
    return [log for piece in pieces(url, make_rpc, wanted, head, **settings) for log in piece]


def pieces(
    url: str, make_rpc: MakeRpc, wanted: LogFilter, head: BlockRef, **settings: float
) -> list[list[Log]]:
    found = list(scan_logs(make_rpc(url, **settings), wanted, 0, head))
    assert found[0].first == 0
    assert found[-1].last == Mark(head.number, head.hash)
    assert all(one.last.number + 1 == next_.first for one, next_ in pairwise(found))
    for piece in found:
        assert all(piece.first <= log.block <= piece.last.number for log in piece.logs)
        assert piece.logs == sorted(piece.logs, key=lambda log: (log.block, log.index))
    return [piece.logs for piece in found]


# --- what is found ------------------------------------------------------------------------------------


def test_one_question_where_the_node_takes_it(
    market: Market, proxy: FaultProxy, make_rpc: MakeRpc, wanted: LogFilter, head: BlockRef
) -> None:
    every = told(market.anvil, wanted)
    assert len(every) > 40
    assert scanned(proxy.url, make_rpc, wanted, head) == every
    assert proxy.count("eth_getLogs") == 1
    assert proxy.posts == 2, "the chain id, and one batch"


def test_every_event_of_the_contracts_without_topics(
    market: Market, proxy: FaultProxy, make_rpc: MakeRpc, wanted: LogFilter, head: BlockRef
) -> None:
    every = LogFilter((*wanted.addresses, market.pool.address))
    found = scanned(proxy.url, make_rpc, every, head)
    assert found == told(market.anvil, every)
    assert len({log.topics[0] for log in found}) > 5


LIMITS: dict[str, Callable[[], LogRange | LogResults]] = {
    "50 blocks": lambda: LogRange(50),
    "one block": lambda: LogRange(1),
    "7 blocks, in other words": lambda: LogRange(7, "eth_getLogs is limited to a {limit} range", -32614),
    "20 results": lambda: LogResults(20),
    "as many results as one block has": lambda: LogResults(3),
    "a proposal in hex": lambda: LogResults(
        10, "query returned more than {limit} results. Try with this block range [{first}, {last}].", -32602
    ),
    "a proposal in decimals": lambda: LogResults(
        10, "query exceeds max results {limit}, retry with the range {first_decimal}-{last_decimal}", -32602
    ),
    "a proposal behind many words": lambda: LogRange(
        40,
        "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range and no"
        " limit on the response size, or you can request any block range with a cap of 10K logs in the"
        " response. Based on your parameters and the response size limit, this block range should work:"
        " [{first}, {last}]",
        -32600,
    ),
    "limit exceeded, and no more": lambda: LogRange(60, "limit exceeded", -32005),
}


@pytest.mark.parametrize("name", LIMITS)
def test_limits_of_a_node_change_nothing(
    name: str, market: Market, proxy: FaultProxy, make_rpc: MakeRpc, wanted: LogFilter, head: BlockRef,
    slept: list[float],
) -> None:  # fmt: skip
    limit = LIMITS[name]()
    proxy.add(limit)
    assert scanned(proxy.url, make_rpc, wanted, head) == told(market.anvil, wanted)
    assert limit.refused > 0
    assert slept == [], "a refusal is no failure to wait after"


def test_few_questions_are_refused_and_few_are_small(
    proxy: FaultProxy, make_rpc: MakeRpc, wanted: LogFilter, head: BlockRef
) -> None:
    limit = LogRange(10)
    proxy.add(limit)
    scanned(proxy.url, make_rpc, wanted, head)
    # The way down from the first span, a question on the second connection, and a try now and then.
    assert limit.refused < 30
    least = head.number // 10
    assert proxy.count("eth_getLogs") - limit.refused < 2.5 * least


def test_a_proposal_is_taken_at_once(
    proxy: FaultProxy, make_rpc: MakeRpc, wanted: LogFilter, head: BlockRef
) -> None:
    limit = LogRange(100, "this block range should work: [{first}, {last}]")
    proxy.add(limit)
    pieces(proxy.url, make_rpc, wanted, head)
    assert limit.refused <= 4
    assert proxy.count("eth_getLogs") <= head.number // 100 + 1 + limit.refused


@pytest.mark.parametrize(
    "words", ["retry with the range 0-99999999", "retry with the range 7-8", "range 9-1"]
)
def test_a_proposal_that_helps_nobody_is_not_followed(
    words: str, market: Market, proxy: FaultProxy, make_rpc: MakeRpc, wanted: LogFilter, head: BlockRef
) -> None:
    proxy.add(LogRange(100, "query exceeds max results 5, " + words))
    assert scanned(proxy.url, make_rpc, wanted, head) == told(market.anvil, wanted)


def test_what_went_through_is_remembered(
    proxy: FaultProxy, make_rpc: MakeRpc, wanted: LogFilter, head: BlockRef
) -> None:
    limit = LogRange(50)
    proxy.add(limit)
    rpc = make_rpc(proxy.url)
    hundred = Mark(100, hashes_at(rpc, [100])[0] or "")
    list(scan_logs(rpc, wanted, 0, hundred))
    limit.widest = 0
    list(scan_logs(rpc, wanted, 101, head, after=hundred))
    assert limit.widest <= 2 * 50


def test_a_time_out_on_a_living_node_asks_for_less(
    market: Market, proxy: FaultProxy, make_rpc: MakeRpc, wanted: LogFilter, head: BlockRef
) -> None:
    proxy.add(faults.Delay(1.0, method="eth_getLogs", times=2))
    found = pieces(proxy.url, make_rpc, wanted, head, timeout_s=0.4)
    assert list(chain.from_iterable(found)) == told(market.anvil, wanted)
    assert len(found) > 1


def test_an_answer_above_the_bound_asks_for_less(
    market: Market, proxy: FaultProxy, make_rpc: MakeRpc, wanted: LogFilter, head: BlockRef
) -> None:
    found = pieces(proxy.url, make_rpc, wanted, head, max_body_bytes=30_000)
    assert list(chain.from_iterable(found)) == told(market.anvil, wanted)
    assert len(found) > 1


def test_one_block_with_more_than_any_endpoint_tells_is_named(
    market: Market, proxy: FaultProxy, make_rpc: MakeRpc, wanted: LogFilter, head: BlockRef
) -> None:
    proxy.add(LogResults(0))
    block = told(market.anvil, wanted)[0].block
    with pytest.raises(ChainUnreadable) as caught:
        scanned(proxy.url, make_rpc, wanted, head)
    assert f"events of blocks {block} to {block}: local[0] rpc_error: query returned more than 0" in str(
        caught.value
    )


def test_the_second_endpoint_tells_the_block_that_the_first_does_not(
    market: Market, proxy: FaultProxy, make_rpc: MakeRpc, wanted: LogFilter, head: BlockRef
) -> None:
    proxy.add(LogResults(2))
    rpc = make_rpc(proxy.url, market.anvil.url)
    found = [log for piece in scan_logs(rpc, wanted, 0, head) for log in piece.logs]
    assert found == told(market.anvil, wanted)


# --- nodes that take no batch, and other failures -----------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        faults.BatchError(times=None),
        faults.BatchAbove(limit=2),
        faults.Status(413, method="eth_getLogs", times=1),
        faults.Status(503, method="eth_getLogs", times=2),
        faults.Truncate(200, method="eth_getLogs", times=2),
        faults.Permute(times=None),
        faults.DropAnswers(places=(2,), times=2),
        faults.DropAnswers(places=(1,), times=2),
        faults.SwapIds(places=(1, 2), times=1),
        faults.SwapIds(places=(1, 4), times=1),
        faults.Hollow(method="eth_getLogs", times=1),
        faults.Hollow(result={}, method="eth_getLogs", times=1),
        faults.Hollow(result="0x", method="eth_getBlockByNumber", times=1),
        faults.OtherChain(1, times=1, skip=1),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_a_stumbling_node_is_asked_again(
    fault: faults.Fault,
    market: Market,
    proxy: FaultProxy,
    make_rpc: MakeRpc,
    wanted: LogFilter,
    head: BlockRef,
) -> None:
    proxy.add(copy.deepcopy(fault), LogRange(100))
    rpc = make_rpc(proxy.url, market.anvil.url if isinstance(fault, faults.OtherChain) else proxy.url)
    found = [log for piece in scan_logs(rpc, wanted, 0, head) for log in piece.logs]
    assert found == told(market.anvil, wanted)


def test_another_chain_is_never_scanned(
    proxy: FaultProxy, make_rpc: MakeRpc, wanted: LogFilter, head: BlockRef
) -> None:
    proxy.add(faults.OtherChain(1, skip=1))
    with pytest.raises(ChainUnreadable) as caught:
        scanned(proxy.url, make_rpc, wanted, head)
    assert caught.value.unread.reason is Reason.WRONG_CHAIN


# --- events that can not be believed ------------------------------------------------------------------


def _doubled(logs: list[Any]) -> None:
    logs.append({**logs[0]})


def _first(**fields: object) -> Callable[[list[Any]], None]:
    return lambda logs: logs[0].update(fields)


WRONG: dict[str, Callable[[list[Any]], None]] = {
    "removed": _first(removed=True),
    "removed, in words": _first(removed="false"),
    "of another contract": _first(address="0x" + "11" * 20),
    "of no contract": _first(address=None),
    "another event": lambda logs: logs[0]["topics"].__setitem__(0, "0x" + "11" * 32),
    "no topics": _first(topics=[]),
    "topics that are none": _first(topics="0x"),
    "five topics": lambda logs: logs[0].update(topics=[logs[0]["topics"][0]] * 5),
    "a short topic": lambda logs: logs[0]["topics"].__setitem__(1, "0x11"),
    "a topic with blanks": lambda logs: logs[0]["topics"].__setitem__(1, "0x " + "11" * 31 + " "),
    "twice": _doubled,
    "a later block": _first(blockNumber="0xffffff"),
    "a pending block": _first(blockNumber=None),
    "a number that is none": _first(blockNumber="0x1_0"),
    "no index": _first(logIndex=None),
    "of a replaced block": lambda logs: logs[-1].update(blockHash="0x" + "22" * 32),
    "no block hash": _first(blockHash=None),
    "no transaction": _first(transactionHash=None),
    "a short transaction hash": _first(transactionHash="0x11"),
    "odd data": _first(data="0x123"),
    "data that is no hex": _first(data="0xzz"),
    "data without prefix": _first(data="00" * 32),
    "no object": lambda logs: logs.__setitem__(0, 17),
    "missing fields": lambda logs: logs[0].clear(),
}


@pytest.fixture
def busy(market: Market) -> Iterator[BlockRef]:
    """A head that has an event itself, so that its block's hash is told twice."""
    with market.anvil.undone():
        market.supply(USER, "WETH", 10**18)
        yield head_of(market.anvil)


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_event_spoils_the_answer_and_never_vanishes(
    name: str, market: Market, proxy: FaultProxy, make_rpc: MakeRpc, wanted: LogFilter, busy: BlockRef
) -> None:
    every = told(market.anvil, wanted)
    proxy.add(Doctored(WRONG[name], times=2))
    assert scanned(proxy.url, make_rpc, wanted, busy) == every, "asked again"
    proxy.add(Doctored(WRONG[name]))
    rpc = make_rpc(proxy.url, market.anvil.url)
    assert [log for piece in scan_logs(rpc, wanted, 0, busy) for log in piece.logs] == every, (
        "asked elsewhere"
    )
    with pytest.raises(ChainUnreadable) as caught:
        scanned(proxy.url, make_rpc, wanted, busy, rounds=1)
    assert caught.value.unread.reason is Reason.MALFORMED


def test_events_in_another_order_are_put_in_order(
    market: Market, proxy: FaultProxy, make_rpc: MakeRpc, wanted: LogFilter, head: BlockRef
) -> None:
    proxy.add(Doctored(lambda logs: logs.reverse()))
    assert scanned(proxy.url, make_rpc, wanted, head) == told(market.anvil, wanted)


# --- one branch ---------------------------------------------------------------------------------------


def test_a_head_that_was_replaced_is_not_there(
    proxy: FaultProxy, make_rpc: MakeRpc, wanted: LogFilter, head: BlockRef
) -> None:
    for last in (Mark(head.number, "0x" + "11" * 32), Mark(head.number + 9, "0x" + "11" * 32)):
        with pytest.raises(ChainUnreadable) as caught:
            list(scan_logs(make_rpc(proxy.url), wanted, 0, last))
        assert caught.value.unread.reason is Reason.BLOCK_NOT_FOUND


def test_a_scan_goes_on_only_from_the_block_it_is_told(
    market: Market, proxy: FaultProxy, make_rpc: MakeRpc, wanted: LogFilter, head: BlockRef
) -> None:
    rpc = make_rpc(proxy.url)
    [hash_] = hashes_at(rpc, [200])
    assert hash_ is not None
    rest = [log for piece in scan_logs(rpc, wanted, 201, head, after=Mark(200, hash_)) for log in piece.logs]
    assert rest == [log for log in told(market.anvil, wanted) if log.block > 200]
    with pytest.raises(ChainUnreadable, match="block 200 was replaced") as caught:
        list(scan_logs(rpc, wanted, 201, head, after=Mark(200, "0x" + "11" * 32)))
    assert caught.value.unread.reason is Reason.BLOCK_NOT_FOUND


def test_pieces_of_two_branches_are_never_one_scan(
    market: Market, proxy: FaultProxy, make_rpc: MakeRpc, wanted: LogFilter, head: BlockRef
) -> None:
    with states.running("aave-v3.0.2") as other, market.anvil.undone():
        for count in range(30):
            market.supply(USER, "WETH", 10**18 + count)
            other.supply(USER, "USDC", 10**6 + count)
        theirs = head_of(other.anvil)
        rpc = make_rpc(proxy.url)
        rpc.nodes[0].traits.log_blocks = 5
        # The network changes over to the other branch while the scan is on blocks that differ.
        proxy.add(Upstream(other.anvil.url, method="eth_getLogs", skip=8, times=None), LogRange(5))
        found: list[int] = []
        pieces = scan_logs(rpc, wanted, head.number - 14, theirs, threads=1)
        with pytest.raises(ChainUnreadable, match="was replaced while events were read") as caught:
            found.extend(piece.last.number for piece in pieces)
        assert caught.value.unread.reason is Reason.BLOCK_NOT_FOUND
        assert found[-1] > head.number + 5


def test_a_branch_that_changes_between_two_asks_is_noticed(
    market: Market, proxy: FaultProxy, make_rpc: MakeRpc, wanted: LogFilter, busy: BlockRef
) -> None:
    every = told(market.anvil, wanted)
    # Only the second look at the last block, and the event in it, are of the other branch.
    other = {"number": hex(busy.number), "hash": "0x" + "11" * 32}
    proxy.add(faults.Hollow(result=other, place=3, method="eth_getBlockByNumber", times=1))
    assert scanned(proxy.url, make_rpc, LogFilter(wanted.addresses[1:], wanted.topics), busy)
    assert proxy.count("eth_getLogs") >= 2
    assert scanned(proxy.url, make_rpc, wanted, busy) == every


def test_hashes_of_blocks_that_are_not_there_yet_are_none(
    make_rpc: MakeRpc, proxy: FaultProxy, head: BlockRef
) -> None:
    rpc = make_rpc(proxy.url)
    assert hashes_at(rpc, [head.number + 1, head.number]) == [None, head.hash]
    assert hashes_at(rpc, []) == []


def test_a_scan_left_early_ends(
    proxy: FaultProxy, make_rpc: MakeRpc, wanted: LogFilter, head: BlockRef
) -> None:
    proxy.add(LogRange(10))
    scan = scan_logs(make_rpc(proxy.url), wanted, 0, head)
    next(scan)
    scan.close()
    posts = proxy.posts
    time.sleep(0.05)
    assert proxy.posts == posts


# --- the first block of a contract --------------------------------------------------------------------


def deploy(anvil: Anvil) -> tuple[Address, int]:
    """A contract of one byte, and the block it came with."""
    creation = {"from": USER, "data": "0x6001600c60003960016000f300", "gas": hex(10**6), "gasPrice": "0x0"}
    sent = anvil.request("eth_sendTransaction", creation)
    receipt = None
    while receipt is None:
        receipt = anvil.request("eth_getTransactionReceipt", sent)
    return to_address(receipt["contractAddress"]), int(receipt["blockNumber"], 16)


@pytest.mark.parametrize(("before", "since"), [(0, 0), (0, 100), (40, 100), (77, 1), (100, 0)])
def test_the_first_block_of_a_contract_by_halving(before: int, since: int, make_rpc: MakeRpc) -> None:
    with Anvil.start() as anvil, FaultProxy(anvil.url) as proxy:
        for _ in range(before):
            anvil.mine()
        address, block = deploy(anvil)
        for _ in range(since):
            anvil.mine()
        assert first_code_block(make_rpc(proxy.url), address, head_of(anvil)) == FirstCode(block, None)
        assert proxy.count("eth_getCode") <= 9


def test_an_address_without_code_begins_anywhere(market: Market, make_rpc: MakeRpc, head: BlockRef) -> None:
    found = first_code_block(make_rpc(market.anvil.url), to_address(USER), head)
    assert found.block == 0
    assert found.unread is not None
    assert found.unread.reason is Reason.NO_CODE


def test_without_old_states_the_scan_begins_at_genesis_and_says_so(
    market: Market, make_rpc: MakeRpc, head: BlockRef
) -> None:
    found = first_code_block(make_rpc(market.anvil.url), market.pool.address, head)
    assert found.block == 0
    assert found.unread is not None
    assert found.unread.reason is Reason.BLOCK_NOT_FOUND


def test_a_node_that_forgets_midway_leaves_what_is_certain(make_rpc: MakeRpc) -> None:
    with Anvil.start() as anvil, FaultProxy(anvil.url) as proxy:
        for _ in range(100):
            anvil.mine()
        address, block = deploy(anvil)
        for _ in range(30):
            anvil.mine()
        proxy.add(faults.NodeError(-32000, "missing trie node", method="eth_getCode", skip=3, times=None))
        found = first_code_block(make_rpc(proxy.url), address, head_of(anvil))
        assert 0 < found.block < block
        assert found.unread is not None


# --- in numbers ---------------------------------------------------------------------------------------

TOO_MUCH = [
    "query returned more than 10000 results",
    "query returned more than 10,000 results",
    "Query returned more than 10000 results. Try with this block range [0x118dc91, 0x1198cc3].",
    "range 1000000 exceeds limit of 10000",
    "query timeout exceeded",
    "eth_getLogs is limited to a 10,000 range",
    "eth_getLogs is limited to 0 - 50 blocks range",
    "eth_getLogs is limited to 1024 block range. Please check the parameter requirements",
    "block range is too wide",
    "query exceeds max results 20000, retry with the range 25766988-25775072",
    "query exceeds max block range 100000",
    "exceed maximum block range: 50000",
    "Requested range exceeds maximum RPC range limit",
    "Too many logs requested. Max logs per response is 20000.",
    "eth_getLogs request was canceled due to enabled timeout.",
    "ranges over 10000 blocks are not supported on freetier",
    "requested too many blocks from 1 to 5000, maximum is set to 2048",
    "Invalid eth_getLogs request. 'fromBlock'-'toBlock' range too large. Max range: 800",
    "too wide blocks range, the limit is 100",
    "Under the Free tier plan, you can make eth_getLogs requests with up to a 10 block range.",
    "Block range limit exceeded. See more details",
    "backend response too large",
]
"""The words of geth, reth, erigon, nethermind, besu and of a dozen providers."""


@pytest.mark.parametrize("message", TOO_MUCH)
@pytest.mark.parametrize("code", [-32000, -32602, -32005])
def test_refusals_of_many_nodes_are_known(message: str, code: int) -> None:
    assert isinstance(judge("l", {"code": code, "message": message}, ()), TooBig)


def test_words_beside_the_message_count_too() -> None:
    data = {"error_id": "4ed94073", "payload": "range 9009594 is bigger than range limit 2000"}
    assert isinstance(judge("l", {"code": -32602, "message": "invalid params", "data": data}, ()), TooBig)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("block range extends beyond current head block", Reason.BLOCK_NOT_FOUND),
        ("pruned history unavailable", Reason.BLOCK_NOT_FOUND),
        ("exceeded its compute units per second capacity", Reason.RATE_LIMITED),
    ],
)
def test_what_fewer_blocks_do_not_heal_is_not_cut(message: str, reason: Reason) -> None:
    verdict = judge("l", {"code": -32000, "message": message}, ())
    assert isinstance(verdict, EndpointError)
    assert not isinstance(verdict, TooBig)
    assert verdict.unread.reason is reason


@pytest.mark.parametrize(
    ("words", "blocks"),
    [
        ("this block range should work: [0x123c9b2, 0x123cba5]", (0x123C9B2, 0x123CBA5)),
        ("Try with this block range [0x0, 0x30f].", (0, 0x30F)),
        ("retry with the range 25766988-25775072", (25766988, 25775072)),
        ("block range [10,20]", (10, 20)),
        ("up to a 2K block range", None),
        ("range 0x-0x", None),
    ],
)
def test_proposals_of_many_nodes_are_read(words: str, blocks: tuple[int, int] | None) -> None:
    verdict = judge("l", {"code": -32602, "message": "block range too large " + "x " * 150 + words}, ())
    assert isinstance(verdict, TooBig)
    assert verdict.blocks == blocks


def test_the_span_finds_its_way() -> None:
    span = Span()
    assert span.blocks == FIRST_SPAN
    span.accept(FIRST_SPAN, 3)
    assert span.blocks == 2 * FIRST_SPAN
    span.accept(2 * FIRST_SPAN, 10**6)
    assert span.blocks == 2 * FIRST_SPAN, "large answers need no more blocks"
    span.refuse(0, 2 * FIRST_SPAN - 1, None)
    assert span.blocks == FIRST_SPAN
    for _ in range(3):
        span.accept(FIRST_SPAN, 3)
    assert span.blocks == FIRST_SPAN, "not at once what was just refused"
    span.accept(FIRST_SPAN, 3)
    assert span.blocks == 2 * FIRST_SPAN
    for _ in range(99):
        span.accept(span.blocks, 3)
    assert span.blocks == LARGEST_SPAN
    for _ in range(99):
        span.refuse(0, span.blocks - 1, None)
    assert span.blocks == 1


def test_two_hundred_thousand_events_are_decoded(benchmarked: Callable[[float, str], None]) -> None:
    count = 200_000
    token = to_address("0x" + "ab" * 20)
    hash_ = "0x" + "11" * 32
    answer = [
        {
            "address": token.lower(),
            "topics": [
                "0x" + TRANSFER.hex(),
                "0x" + "00" * 12 + f"{at:040x}",
                "0x" + "00" * 12 + f"{at + 1:040x}",
            ],
            "data": f"0x{at:064x}",
            "blockHash": hash_,
            "blockNumber": hex(at // 500),
            "blockTimestamp": "0x6553f100",
            "transactionHash": f"0x{at // 3:064x}",
            "transactionIndex": "0x0",
            "logIndex": hex(at % 500),
            "removed": False,
        }
        for at in range(count)
    ]
    start = time.perf_counter()
    logs = decoded_logs("l", answer, {token.lower(): token}, frozenset([TRANSFER]), 0, count, hash_)
    benchmarked(count / (time.perf_counter() - start), "events/s")
    assert len(logs) == count
    words = [number.to_bytes(32, "big") for number in (1, 2)]
    assert logs[1] == Log(0, 1, token, (TRANSFER, *words), words[0], "0x" + f"{0:064x}")


@pytest.fixture
def benchmarked(record_property: Callable[[str, object], None]) -> Callable[[float, str], None]:
    """Notes a figure; none is asserted, since machines differ."""
    return lambda figure, unit: record_property(unit, round(figure))

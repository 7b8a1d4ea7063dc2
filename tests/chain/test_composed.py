"""Price sources that stand on others: what they name, and the age of the oldest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from eth_abi.abi import encode

from chain.abi import Function
from chain.composed import Composed, read_composed
from chain.oracles import LATEST_ANSWER, LATEST_ROUND
from chain.reader import Reader
from localnet.anvil import Anvil
from margin.basics import ZERO_ADDRESS, Address, Reason
from margin.errors import ReadError
from tests import faults
from tests.chain.conftest import MakeRpc, head_of
from tests.chain.contracts import REFUSES, at
from tests.chain.test_tokens_and_feeds import answering
from tests.faults import FaultProxy


def written(when: int) -> dict[Function, bytes]:
    """An aggregator last written then."""
    return {LATEST_ROUND: encode(["uint80", "int256", "uint256", "uint256", "uint80"], [7, 15, 9, when, 7])}


def names(**parts: Address) -> dict[Function, bytes]:
    """A source that names these parts, and says no age of its own."""
    found = {Function(f"{name}()", "address"): encode(["address"], [part]) for name, part in parts.items()}
    return found | {LATEST_ANSWER: encode(["int256"], [15])}


ETHER, DOLLAR, MUTE, MEDIAN = at(300), at(301), at(302), at(303)
CAPPED, OF_TWO, OVER_OSM, ABOVE, LOOP, ITSELF = at(310), at(311), at(312), at(313), at(314), at(315)
SAYS_NONE, UNWRITTEN, DEEP, NOWHERE = at(316), at(317), at(318), at(999)
SOURCES = {
    ETHER: written(100),
    DOLLAR: written(90),
    MUTE: {LATEST_ANSWER: encode(["int256"], [15])},
    MEDIAN: {Function("age()", "uint32"): encode(["uint32"], [80])},
    CAPPED: names(BASE_TO_USD_AGGREGATOR=ETHER),
    # A Morpho oracle without second feeds; what the market counts in stands below.
    OF_TWO: names(
        BASE_FEED_1=CAPPED, BASE_FEED_2=ZERO_ADDRESS, QUOTE_FEED_1=DOLLAR, QUOTE_FEED_2=ZERO_ADDRESS
    ),
    OVER_OSM: names(src=MEDIAN),
    # What it says of its own age is that of one part alone.
    ABOVE: names(priceFeedA=MUTE, priceFeedB=ETHER) | written(100),
    LOOP: names(ASSET_TO_PEG=OF_TWO, PEG_TO_BASE=LOOP),
    ITSELF: names(underlyingPriceFeed=ITSELF),
    SAYS_NONE: names(ETH_TO_USD=MUTE),
    UNWRITTEN: names(DAI_TO_USD=at(319)),
    at(319): written(0),
    DEEP: names(ASSET_TO_USD_AGGREGATOR=NOWHERE),
}
STANDS_ON = {
    ETHER: Composed(),
    MUTE: Composed(),
    MEDIAN: Composed(),
    CAPPED: Composed((ETHER,), 100),
    OF_TWO: Composed((ETHER, DOLLAR), 90),
    OVER_OSM: Composed((MEDIAN,), 80),
    ABOVE: Composed((MUTE, ETHER), 100),
    LOOP: Composed((ETHER, DOLLAR), 90),
    ITSELF: Composed(),
    SAYS_NONE: Composed((MUTE,), None),
    UNWRITTEN: Composed((at(319),), None),
    DEEP: Composed((NOWHERE,), None),
    REFUSES: Composed(),
    NOWHERE: Composed(),
}


@pytest.fixture(scope="module")
def market() -> Iterator[Anvil]:
    with Anvil.start() as anvil:
        anvil.set_code(REFUSES, answering({}))
        for address, answers in SOURCES.items():
            anvil.set_code(address, answering(answers))
        anvil.mine()
        yield anvil


@pytest.fixture
def gate(market: Anvil) -> Iterator[FaultProxy]:
    with FaultProxy(market.url) as proxy:
        yield proxy


@pytest.fixture
def reader(market: Anvil, gate: FaultProxy, make_rpc: MakeRpc) -> Reader:
    return Reader(make_rpc(gate.url), head_of(market))


def test_what_each_stands_on(reader: Reader) -> None:
    assert read_composed(reader, [*STANDS_ON, ETHER]) == STANDS_ON


def test_they_are_followed_in_a_few_reads(reader: Reader, gate: FaultProxy) -> None:
    before = gate.posts
    read_composed(reader, list(STANDS_ON) * 20)
    assert gate.posts - before <= 8
    assert read_composed(reader, []) == {}


def test_what_the_node_keeps_back_is_no_aggregator(reader: Reader, gate: FaultProxy) -> None:
    gate.add(faults.Refuse(times=None))
    with pytest.raises(ReadError) as caught:
        read_composed(reader, [OF_TWO])
    assert caught.value.unread.reason is Reason.REFUSED


def test_circles_end(market: Anvil, reader: Reader, make_rpc: MakeRpc) -> None:
    """Two that name each other."""
    one, other = at(320), at(321)
    market.set_code(one, answering(names(ASSET_TO_PEG=other)))
    market.set_code(other, answering(names(ASSET_TO_PEG=one, PEG_TO_BASE=ETHER)))
    market.mine()
    found = read_composed(Reader(reader.rpc, head_of(market)), [one, other])
    assert {address: one.updated_at for address, one in found.items()} == {one: 100, other: 100}
    assert ETHER in found[one].roots

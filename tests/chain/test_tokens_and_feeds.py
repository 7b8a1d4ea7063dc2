"""Token names from strangers, and price sources that offer more or less."""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Iterator

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from chain.abi import Function
from chain.erc20 import DECIMALS, SYMBOL, Token, TokenCache
from chain.oracles import DESCRIPTION, LATEST_ANSWER, LATEST_ROUND, FeedAnswer, read_feeds
from chain.reader import Reader
from chain.rpc import Rpc
from chain.text import LONGEST_NAME, clean, short
from localnet.anvil import Anvil
from margin.basics import Address, BlockRef, Reason, Unread
from tests import faults
from tests.chain.conftest import MakeRpc, head_of
from tests.chain.contracts import NOTHING, REFUSES, assemble, at
from tests.faults import FaultProxy


def answering(answers: dict[Function, bytes]) -> bytes:
    """A contract that gives fixed bytes for each function, and refuses all others."""
    source = "0 CALLDATALOAD 224 SHR "
    for number, function in enumerate(answers):
        source += f"DUP1 0x{function.selector.hex()} EQ @f{number} JUMPI "
    source += "0 0 REVERT "
    for number, data in enumerate(answers.values()):
        source += f"f{number}: "
        for place in range(0, len(data), 32):
            word = int.from_bytes(data[place : place + 32].ljust(32, b"\0"), "big")
            source += f"{word} {place} MSTORE "
        source += f"{len(data)} 0 RETURN "
    return assemble(source)


def token(symbol: bytes | None, decimals: int | None) -> bytes:
    answers = {} if symbol is None else {SYMBOL: symbol}
    return answering(answers | ({} if decimals is None else {DECIMALS: encode(["uint256"], [decimals])}))


def text(value: str) -> bytes:
    return encode(["string"], [value])


TOKENS = {
    at(100): (token(text("USDC"), 6), "USDC", 6),
    at(101): (token(b"MKR".ljust(32, b"\0"), 18), "MKR", 18),
    at(102): (token(text("NODEC"), None), "NODEC", Reason.REVERTED),
    at(103): (token(None, 8), short(at(103)), 8),
    at(104): (token(text(""), 0), short(at(104)), 0),
    at(105): (token(text("\u202e\u200b\n \x1b[31m"), 18), short(at(105)), 18),
    at(106): (token(text("HUGE"), 78), "HUGE", Reason.MALFORMED),
    at(107): (token(text("USD\N{TUGRIK SIGN}"), 77), "USD\N{TUGRIK SIGN}", 77),
    at(108): (token(b"\xff" * 70, 18), short(at(108)), 18),
    at(109): (token(b"\xff\xfe".ljust(32, b"\0"), 18), "\ufffd\ufffd", 18),
    at(110): (b"", short(at(110)), Reason.NO_CODE),
}

ROUND = encode(["uint80", "int256", "uint256", "uint256", "uint80"], [7, 1500, 90, 100, 7])
FEEDS = {
    at(200): {
        LATEST_ANSWER: encode(["int256"], [1500]),
        LATEST_ROUND: ROUND,
        DECIMALS: encode(["uint8"], [8]),
        DESCRIPTION: text("ETH / USD"),
    },
    at(201): {LATEST_ANSWER: encode(["int256"], [1500])},
    at(202): {LATEST_ROUND: ROUND, DECIMALS: encode(["uint8"], [8])},
    at(203): {LATEST_ANSWER: encode(["int256"], [-1]), DECIMALS: encode(["uint256"], [300])},
    at(204): {LATEST_ANSWER: encode(["int256"], [0])},
    at(205): {LATEST_ANSWER: encode(["int256"], [1499]), LATEST_ROUND: ROUND},
}


@pytest.fixture(scope="module")
def market() -> Iterator[Anvil]:
    with Anvil.start() as anvil:
        anvil.set_code(REFUSES, assemble("0 0 REVERT"))
        for address, (code, _, _) in TOKENS.items():
            anvil.set_code(address, code)
        for address, answers in FEEDS.items():
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


# --- tokens ------------------------------------------------------------------------------------------------


def test_each_token_is_what_it_says_and_no_more(reader: Reader) -> None:
    for found in TokenCache().read(reader, list(TOKENS)):
        _, symbol, decimals = TOKENS[found.address]
        assert found.symbol == symbol
        if isinstance(decimals, Reason):
            assert isinstance(found.decimals, Unread), "never 18 by guess"
            assert found.decimals.reason is decimals
        else:
            assert found.decimals == decimals


def test_tokens_are_read_once_in_bulk(reader: Reader, gate: FaultProxy) -> None:
    cache = TokenCache()
    first = cache.read(reader, [*TOKENS, at(100)])
    assert gate.posts <= 5
    assert first[0] == first[-1]
    before = gate.posts
    known = [address for address in TOKENS if address != at(110)]
    assert cache.read(reader, known) == first[:-2]
    assert gate.posts == before
    other_chain = Reader(reader.rpc, dataclasses.replace(reader.block, chain_id=5))
    assert isinstance(cache.read(other_chain, [at(100)])[0].decimals, Unread), "a token of another chain"


def test_what_a_node_failed_to_say_is_not_remembered(reader: Reader, gate: FaultProxy) -> None:
    cache = TokenCache()
    for fault, reason in ((faults.Refuse(times=None), "refused"), (faults.Junk(times=None), "malformed")):
        gate.add(fault)
        (lost,) = cache.read(reader, [at(100)])
        assert isinstance(lost.decimals, Unread)
        assert (lost.symbol, lost.decimals.reason) == (short(at(100)), reason)
        gate.clear()
    assert cache.read(reader, [at(100)]) == [Token(at(100), "USDC", 6)]


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("US\u200bDC", "USDC"),
        ("\u202eCDSU", "CDSU"),
        ("US\nDC\r\t", "US DC"),
        ("@everyone", "everyone"),
        ("\uff20here", "here"),
        ("\x1b[31mRED\x1b[0m", "RED"),
        ("\x1b]8;;http://evil\x07link\x1b]8;;\x07", "link"),
        ("\x9b31mRED", "RED"),
        ("\x1b]0;title", ""),
        ("Z\u0334\u0321a\u0334lgo", "Zalgo"),
        ("\u3164\u2800\u115f", ""),
        ("\U000e0041\ufeffX\ud800", "X"),
        ("A" * 5000, "A" * LONGEST_NAME),
        ("wst ETH", "wst ETH"),
    ],
)
def test_hostile_names_are_made_harmless(hostile: str, shown: str) -> None:
    assert clean(hostile) == shown


@given(st.text(max_size=80))
def test_any_name_is_one_short_visible_line(name: str) -> None:
    shown = clean(name)
    assert len(shown) <= LONGEST_NAME
    assert shown == shown.strip()
    assert "@" not in shown
    assert all(char == " " or unicodedata.category(char)[0] not in "CMZ" for char in shown)


# --- feeds -------------------------------------------------------------------------------------------------


def test_each_feed_is_what_it_offers(reader: Reader, gate: FaultProxy) -> None:
    found = read_feeds(reader, [*FEEDS, REFUSES, NOTHING])
    assert gate.posts <= 5
    assert found[:-2] == [
        FeedAnswer(at(200), 1500, 8, 100, 7, "ETH / USD"),
        FeedAnswer(at(201), 1500, None, None, None, None),
        FeedAnswer(at(202), 1500, 8, 100, 7, None),
        FeedAnswer(at(203), -1, None, None, None, None),
        FeedAnswer(at(204), 0, None, None, None, None),
        FeedAnswer(at(205), 1499, None, None, None, None),
    ]
    refused, missing = found[-2:]
    assert isinstance(refused, Unread)
    assert refused.reason is Reason.ORACLE
    assert isinstance(missing, Unread)
    assert missing.reason is Reason.NO_CODE


def test_a_feed_that_a_node_failed_to_give_is_unread(reader: Reader, gate: FaultProxy) -> None:
    addresses: list[Address] = [at(200), at(201)]
    good = read_feeds(reader, addresses)
    # Only what a source refuses is asked alone, after the bulk call: without that no part is missing.
    gate.add(faults.Truncate(skip=1, times=None))
    whole, partial = read_feeds(reader, addresses)
    assert whole == good[0]
    assert isinstance(partial, Unread)
    assert partial.reason is Reason.MALFORMED
    gate.clear()
    assert read_feeds(reader, addresses) == good


def test_no_feeds(rpc: Rpc, block: BlockRef) -> None:
    assert read_feeds(Reader(rpc, block), []) == []
    assert TokenCache().read(Reader(rpc, block), []) == []

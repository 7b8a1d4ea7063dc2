"""The address book: every file can be used, and says where its addresses come from."""

from __future__ import annotations

import re
import tomllib
from importlib import resources

import pytest

from chain.abi import to_address
from margin.errors import ConfigError
from protocols import deployments
from protocols.deployments import ChainBook, books
from protocols.registry import adapters, optional_keys, wanted_keys

BOOKS = list(books().values())


SOURCE = r"(npm (@\S+/)?\S+ \d+\.\d+\.\d+|github \S+/\S+ [0-9a-f]{8})"
"""A package with its version, or a repository with its commit; then what in it."""
FILES = {file.name: file for file in resources.files(deployments).iterdir() if file.name.endswith(".toml")}


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.chain)
def test_every_file_can_be_used(book: ChainBook) -> None:
    assert len({token.address for token in book.tokens}) == len(book.tokens)
    assert len({venue.id_on(book.chain) for venue in book.venues}) == len(book.venues)
    assert len({(venue.protocol, *venue.addresses.items()) for venue in book.venues}) == len(book.venues)
    assert book.venues
    for venue in book.venues:
        adapter = adapters()[venue.protocol]
        given, wanted = set(venue.addresses), set(wanted_keys(adapter, venue.addresses))
        assert wanted <= given <= wanted | set(optional_keys(adapter))
    assert len({one.token for one in book.references}) == len(book.references)
    for token in book.tokens:
        assert token.symbol.isprintable()
        assert token.factor.isprintable()


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.chain)
def test_every_venue_says_where_its_addresses_and_its_first_block_are_from(book: ChainBook) -> None:
    for venue in book.venues:
        assert re.fullmatch(rf"{SOURCE}, [^;]+(; the same in {SOURCE}, [^;]+)?", venue.source)
        assert (venue.start_block is None) == (venue.start_source is None)
        if venue.start_source is not None and venue.start_block is not None:
            assert re.fullmatch(rf"{SOURCE}, [^;]+(; the same in {SOURCE}, [^;]+)?", venue.start_source)
            assert venue.start_block > 0


@pytest.mark.parametrize("name", FILES)
def test_addresses_stand_with_their_checksum_and_keys_are_known(name: str) -> None:
    text = FILES[name].read_text(encoding="utf-8")
    for address in re.findall(r"0x[0-9a-fA-F]+", text):
        assert address == to_address(address.lower())
    document = tomllib.loads(text)
    assert name == f"{document['chain']}.toml"
    assert set(document) <= {"chain", "chain_id", "aliases", "tokens", "references", "venues"}
    for entry in document.get("references", []):
        assert set(entry) == {"token", "feed"}
    if "references" in document:
        assert re.search(rf"^references = \[ # {SOURCE}, ", text, re.MULTILINE)
    for entry in document.get("tokens", []):
        assert set(entry) == {"address", "symbol", "factor"}
    for entry in document["venues"]:
        optional = {"name", "start_block", "start_source"}
        assert {"protocol", "addresses", "source"} == set(entry) - optional


def test_what_is_known() -> None:
    known = {venue.id_on(book.chain): venue for book in BOOKS for venue in book.venues}
    assert {"ethereum/aave-v3/core", "ethereum/aave-v2/core"} <= set(known)
    assert {"ethereum/aave-v3/spark", "gnosis/aave-v3/spark"} <= set(known)
    maker = known["ethereum/maker"]
    assert (
        maker.start_block is not None
    )  # its events are the Vat's, which is older than the list of addresses
    assert not any(venue.protocol == "compound-v2" for venue in known.values())  # see the README


def test_what_venues_count_in_has_a_reference_feed() -> None:
    """Ether in Aave v2 on Ethereum, DAI in Maker's vaults."""
    known = {token.address: token.symbol for token in books()[1].tokens}
    assert {"WETH", "DAI", "USDC", "USDT"} <= {known[one.token] for one in books()[1].references}


def test_chains_are_named_once() -> None:
    names = [name for book in BOOKS for name in (book.chain, *book.aliases)]
    assert len(set(names)) == len(names)
    assert {1, 10, 56, 100, 137, 8453, 42161, 43114, 534352} <= set(books())


@pytest.mark.parametrize(
    ("factor", "symbols"),
    [
        ("ETH", ["WETH", "wstETH", "weETH", "rETH", "cbETH", "ezETH"]),
        ("BTC", ["WBTC", "cbBTC", "tBTC", "LBTC"]),
        *((own, [own]) for own in ("USDC", "USDT", "DAI", "GHO", "LINK", "AAVE")),
    ],
)
def test_obvious_factors(factor: str, symbols: list[str]) -> None:
    for symbol in symbols:
        assert {token.factor for book in BOOKS for token in book.tokens if token.symbol == symbol} == {factor}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x", "not valid TOML"),
        ('chain = "a"', "no key 'chain_id'"),
        ('tokens = [{ address = "0x12", symbol = "A", factor = "A" }]', "tokens[0]: not an address"),
        ('references = [{ token = "0x12", feed = "0x13" }]', "references[0]: not an address"),
        ('[[venues]]\nprotocol = "p"', "venues[0]: no key 'addresses'"),
    ],
)
def test_a_file_that_cannot_be_used_names_its_place(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as failure:
        deployments.parse("a.toml", text)
    assert str(failure.value).startswith("a.toml")
    assert says in str(failure.value)

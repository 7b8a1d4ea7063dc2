"""The address book: every file can be used, and says where its addresses come from."""

from __future__ import annotations

import pytest

from margin.errors import ConfigError
from protocols import deployments
from protocols.deployments import ChainBook, books
from protocols.registry import adapters

BOOKS = list(books().values())


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.chain)
def test_every_file_can_be_used(book: ChainBook) -> None:
    assert len({token.address for token in book.tokens}) == len(book.tokens)
    assert len({(venue.protocol, venue.name) for venue in book.venues}) == len(book.venues)
    assert book.venues
    for venue in book.venues:
        assert set(venue.addresses) == set(adapters()[venue.protocol].address_keys)
        assert venue.source.startswith("npm @aave-dao/aave-address-book ")
    for token in book.tokens:
        assert token.symbol.isprintable()
        assert token.factor.isprintable()


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
        ('[[venues]]\nprotocol = "p"', "venues[0]: no key 'name'"),
    ],
)
def test_a_file_that_cannot_be_used_names_its_place(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as failure:
        deployments.parse("a.toml", text)
    assert str(failure.value).startswith("a.toml")
    assert says in str(failure.value)

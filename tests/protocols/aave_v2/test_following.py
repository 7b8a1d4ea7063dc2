"""Following a pool by its events: what they name is all that changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, given, settings

from chain.block import pin
from chain.logs import scan_logs
from chain.reader import Reader
from checker.book.table import Table
from localnet.aave_v2.standard import raw_of, wallet
from margin.basics import Address
from protocols.aave_v2.adapter import PoolVenue
from protocols.aave_v2.state import PoolAccount
from protocols.base import Failed
from tests.conformance.subject import read
from tests.protocols.aave_v2.lives import Life, live, lives
from tests.protocols.aave_v2.subject import Genuine

FEW = settings(suppress_health_check=list(HealthCheck), max_examples=max(1, settings().max_examples // 5))
OTHER = wallet("other")


def accounts(venue: PoolVenue, table: Table) -> dict[Address, PoolAccount]:
    built = [venue.account_of(table.ids[row], words) for row, words in table.accounts()]
    assert not [account for account in built if isinstance(account, Failed)]
    return {account.key.owner: account for account in built if isinstance(account, PoolAccount)}


def read_all(venue: PoolVenue, table: Table, reader: Reader) -> None:
    at = np.arange(len(table.part))
    table.put(at, venue.read_cells(reader, table.ids, table.row[at], table.part[at]))
    row, part = venue.implied(table)
    new = ~table.has(row, part)
    table.add_cells(row[new], part[new])
    at = table.places_of(row[new], part[new])
    table.put(at, venue.read_cells(reader, table.ids, table.row[at], table.part[at]))


@FEW
@given(first=lives(), second=lives())
def test_nothing_changes_without_an_event_that_names_it(empty: Genuine, first: Life, second: Life) -> None:
    """Two wallets live after one another; what the second one's events do not name stands as it did."""
    with empty.node.undone():
        live(empty.market, replace(first, shared_feeds={}, thresholds={}))
        reader = Reader(empty.rpc, pin(empty.rpc))
        venue, table = empty.open(reader), Table()
        for piece in scan_logs(empty.rpc, venue.history(), 0, reader.block):
            table.add(venue.touched(piece.logs).holdings, venue.common_parts)
        read_all(venue, table, reader)
        before = accounts(venue, table)
        live(empty.market, second, OTHER)
        later = Reader(empty.rpc, pin(empty.rpc))
        logs = [
            log
            for piece in scan_logs(empty.rpc, venue.watched(), reader.block.number + 1, later.block)
            for log in piece.logs
        ]
        touched = venue.touched(logs)
        assert touched.venue  # indexes moved at the least
        named = {venue.key_of(id_).owner for id_, _ in touched.holdings}
        assert OTHER in named
        now = read(empty, *before)
        for owner, account in before.items():
            if owner not in named:
                (after,) = now.accounts[owner]
                assert isinstance(after, PoolAccount)
                assert replace(after, reported=None) == account


def test_prices_alone_move_without_reading_reserves_again(empty: Genuine) -> None:
    market = empty.market
    with empty.node.undone():
        market.supply(OTHER, "LINK", raw_of(market, "LINK", 10))
        market.borrow(OTHER, "USDC", raw_of(market, "USDC", 5))
        venue, account = empty.one(OTHER)
        market.set_price("LINK", market.price("LINK") * 6 // 10)
        market.warp(1_000)
        reader = Reader(empty.rpc, pin(empty.rpc))
        piece = list(scan_logs(empty.rpc, venue.watched(), venue.block.number + 1, reader.block))
        assert not [log for found in piece for log in found.logs]
        moved = venue.at_block(reader)
        fresh, judged = empty.one(OTHER)
        assert moved == fresh
        (carried,) = moved.carry(reader, [account])[1]
        assert isinstance(carried, PoolAccount)
        assert moved.verdict(carried) == fresh.verdict(judged)
        assert moved.verdict(carried).liquidatable

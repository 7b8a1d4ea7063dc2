"""Every adapter's whole book: found from events alone, complete, the same by every means, well screened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.block import pin
from chain.logs import scan_logs
from chain.reader import Reader
from chain.slots_asker import StorageMeans
from checker.book.completeness import completeness
from checker.book.table import Table
from margin.basics import BlockRef
from margin.prices import Prices
from margin.screen import reprice
from protocols.base import Failed
from protocols.book import Tracked
from tests.conformance.subject import Subject, first_block
from tests.conformance.test_exact import DAY_S, RANDOM_STATES

FEW_STATES = settings(RANDOM_STATES, max_examples=max(1, settings().max_examples // 5))


class ViewsOnly(Reader):
    """A reader at a node that can tell no storage in bulk."""

    @property
    def storage_means(self) -> StorageMeans | None:
        return None


def reader_by(means: str, subject: Subject, block: BlockRef) -> Reader:
    if means == "views":
        return ViewsOnly(subject.rpc, block)
    return Reader(subject.rpc, block, only_storage=StorageMeans(means))


MEANS = ("views", *StorageMeans)


def tracked(subject: Subject, reader: Reader) -> Tracked[Any]:
    return cast("Tracked[Any]", subject.open(reader))


def found(subject: Subject, reader: Reader) -> tuple[Tracked[Any], Table]:
    """The book of all accounts that the venue's events name, read at the reader's block."""
    venue, table = tracked(subject, reader), Table()
    for piece in scan_logs(subject.rpc, venue.history(), first_block(subject), reader.block):
        table.add(venue.touched(piece.logs).holdings, venue.common_parts)
    places = np.arange(len(table.part))
    while len(places):
        read = venue.read_cells(reader, table.ids, table.row[places], table.part[places])
        table.put(places, read)
        row, part = venue.implied(table)
        new = ~table.has(row, part)
        table.add_cells(row[new], part[new])
        places = table.places_of(row[new], part[new])
    assert not table.unread
    return venue.with_modes(reader, table), table


def accounts(venue: Tracked[Any], table: Table, reader: Reader) -> Mapping[str, Any]:
    """By name what holds anything, with the protocol's own view beside it."""
    built = [venue.account_of(table.ids[row], words) for row, words in table.accounts()]
    held = [account for account in built if account is not None]
    assert not [account for account in held if isinstance(account, Failed)]
    return {venue.key(account).name: account for account in venue.with_views(reader, held)}


@pytest.mark.parametrize("means", MEANS)
@FEW_STATES
@given(data=st.data())
def test_events_lead_to_every_account(subject: Subject, means: str, data: st.DataObject) -> None:
    """The book adds up to what the chain says exists, and each account is as a reading by owner tells it."""
    with subject.node.undone():
        subject.live(data.draw(subject.lives(), label="life"))
        reader = reader_by(means, subject, pin(subject.rpc))
        venue, table = found(subject, reader)
        whole = completeness(table, venue.totals(reader))
        assert whole.percent == 100.0, [reserve.differences for reserve in whole.reserves]
        assert reader.storage_means == (None if means == "views" else means)
        owners = list(dict.fromkeys(venue.key_of(id_).owner for id_ in table.ids))
        by_owner = venue.read(reader, owners).accounts
        assert accounts(venue, table, reader) == {
            venue.key(account).name: account for several in by_owner.values() for account in several
        }


@RANDOM_STATES
@given(data=st.data())
def test_what_the_screen_decides_is_right(subject: Subject, data: st.DataObject) -> None:
    """Now, at other prices, later, and both: the float margin within its error, decisions as in integers."""
    with subject.node.undone():
        subject.live(data.draw(subject.lives(), label="life"))
        reader = Reader(subject.rpc, pin(subject.rpc))
        venue, table = found(subject, reader)
        screen = venue.screen(table)
        built = {row: venue.account_of(table.ids[row], words) for row, words in table.accounts()}
        moved = Prices({key: data.draw(st.integers(1, 2 * raw)) for key, raw in venue.prices.items()})
        later = venue.clock.after(data.draw(st.integers(0, 2_000 * DAY_S), label="later"))
        for prices, at in ((None, None), (moved, None), (None, later), (moved, later)):
            priced = reprice(screen, venue.unit_values(prices, at))
            decided = priced.decided(screen)
            for row, account in built.items():
                if account is None:
                    assert not priced.support[row]
                    assert not priced.requirement[row]
                    continue
                assert not isinstance(account, Failed), account
                margin_raw = venue.verdict(account, prices, at).margin_raw
                if not screen.always_exact[row]:
                    off = abs(int(priced.support[row] - priced.requirement[row]) - margin_raw) - 1
                    assert off <= priced.error[row]
                assert decided[row] != 1 or margin_raw >= 0
                assert decided[row] != -1 or margin_raw < 0

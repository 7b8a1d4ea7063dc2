"""A book kept current from block to block: a quiet block, and blocks that touch a few accounts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import numpy.typing as npt

from bench.measure import Way, race
from bench.row import Different, Row, Size, same
from bench.stage import Stage
from bench.whole import Copies, Whole
from chain.abi import Function
from chain.block import pin
from chain.reader import Reader
from checker.book.keeper import BookKeeper, How
from checker.book.table import Table
from localnet.aave_v3.standard import raw_of
from margin.screen import Floats, Screen, reprice
from protocols.aave_v3 import ADAPTER
from protocols.aave_v3.adapter import AaveVenue
from protocols.aave_v3.state import AaveAccount

COPIES = 5
"""Of the crowd, in the venue of a quiet block."""
TOUCHED = (1, 10, 100)
BLOCK_S = 12
TRANSFER = Function("transfer(address,uint256)", "bool", mutates=True)
GAS = 500_000
Owners = Mapping[int, AaveAccount]


def measure(stage: Stage) -> Iterator[Row]:
    """New blocks followed, against the book read afresh at each."""
    whole = stage.whole
    with whole.market.anvil.undone():
        yield _quiet(stage.size, whole)
    for count in TOUCHED if stage.size.crowd > TOUCHED[-1] * len(TOUCHED) else TOUCHED[:2]:
        with whole.market.anvil.undone():
            yield _touched(stage.size, whole, count)


@dataclass
class Head:
    """The market's blocks: each with another price of ether, and no event of the venue."""

    whole: Whole
    up: bool = field(default=False)

    def next(self) -> None:
        """A block later."""
        market = self.whole.market
        price = int(market.feed("WETH").call("latestAnswer"))
        self.up = not self.up
        market.anvil.set_next_timestamp(market.anvil.timestamp() + BLOCK_S)
        market.set_price("WETH", price * 1_001 // 1_000 if self.up else price * 1_000 // 1_001)


@dataclass
class Watched:
    """A keeper's book in many copies, and who in it is liquidatable."""

    keeper: BookKeeper
    screen: Screen
    accounts: Owners
    """By row of the keeper's own table."""

    def advance(self) -> list[int]:
        """To the newest block, which must be quiet; the rows that are liquidatable there."""
        change = self.keeper.advance(pin(self.keeper.rpc))
        if change.how is not How.QUIET or change.reread or change.reopened:
            raise Different("a block with no event of the venue", change, How.QUIET)
        return self.decide(cast("AaveVenue", self.keeper.venue))

    def decide(self, venue: AaveVenue) -> list[int]:
        """By floats, and in integers where they leave it open."""
        return liquidatable(venue, self.screen, self.accounts, len(self.keeper.table.ids))

    def priced(self) -> Floats:
        """One price read and one repricing, and nothing else."""
        reader = Reader(self.keeper.rpc, pin(self.keeper.rpc))
        venue = cast("AaveVenue", self.keeper.venue).at_block(reader)
        return reprice(self.screen, venue.unit_values()).decided(self.screen).astype(np.float64)


def liquidatable(venue: AaveVenue, screen: Screen, accounts: Owners, rows: int) -> list[int]:
    """Rows of the screen, which may hold every account several times over."""
    decided = reprice(screen, venue.unit_values()).decided(screen)
    fallen = np.flatnonzero(decided < 0).tolist()
    for row in np.flatnonzero(decided == 0).tolist():
        account = accounts.get(row % rows)
        if account is not None and venue.verdict(account).liquidatable:
            fallen.append(row)
    return sorted(fallen)


def afresh(whole: Whole, old: Table, copies: int) -> list[int]:
    """The rows that are liquidatable at the newest block, all of its cells read; which there are is known."""
    reader = Reader(whole.rpc, pin(whole.rpc))
    venue = ADAPTER.open(reader, whole.venue.config)
    table = Table()
    table.add(zip((old.ids[row] for row in old.row.tolist()), old.part.tolist(), strict=True), ())
    for _ in range(copies):
        table.put(np.arange(len(table.part)), venue.read_cells(reader, table.ids, table.row, table.part))
    venue = venue.with_modes(reader, table)
    screen = venue.screen(Copies(table, copies))
    rows = len(table.ids)
    open_ = np.flatnonzero(reprice(screen, venue.unit_values()).decided(screen) == 0) % rows
    return liquidatable(venue, screen, _accounts(venue, table, np.unique(open_)), rows)


def _accounts(venue: AaveVenue, table: Table, rows: npt.NDArray[np.intp] | None = None) -> Owners:
    """Of these rows, or all, who holds anything."""
    by_row: dict[int, dict[int, int]] = {}
    if rows is None:
        by_row = {row: dict(words) for row, words in table.accounts()}
    else:
        places = table.cells_of(rows.tolist())
        cells = zip(table.row[places].tolist(), table.part[places].tolist(), table.words[places], strict=True)
        for row, part, word in cells:
            by_row.setdefault(row, {})[part] = int.from_bytes(word.tobytes(), "big")
    found = {row: venue.account_of(table.ids[row], words) for row, words in by_row.items()}
    return {row: account for row, account in found.items() if isinstance(account, AaveAccount)}


def _watched(whole: Whole, copies: int) -> Watched:
    keeper = whole.another_keeper()
    keeper.advance(pin(whole.rpc))
    venue = cast("AaveVenue", keeper.venue)
    accounts = _accounts(venue, keeper.table)
    return Watched(keeper, venue.screen(Copies(keeper.table, copies)), accounts)


def _quiet(size: Size, whole: Whole) -> Row:
    watched, head = _watched(whole, COPIES), Head(whole)
    table = watched.keeper.table
    head.next()
    before = whole.rpc.requests
    fallen = watched.advance()
    requests = whole.rpc.requests - before
    same("who is liquidatable after a quiet block", fallen, afresh(whole, table, COPIES))
    rows = watched.screen.rows
    # No turns of a certain length: on a chain of that size the local node takes long to mine a block.
    times = race(
        Way(lambda: afresh(whole, table, COPIES), 1, head.next),
        Way(watched.advance, 1, head.next),
        Way(watched.priced, 1, head.next),
        repeats=size.repeats,
    )
    decided = reprice(watched.screen, watched.keeper.venue.unit_values()).decided(watched.screen)
    return Row(
        what=f"a quiet block at a venue of {rows:,} accounts, to verdicts",
        against="the book read afresh",
        ratio=times.ratio(),
        figures=(
            f"no account read again (aim: none, met); {1e3 / times.per_second():,.0f} ms in {requests} HTTP "
            f"requests, against {1e3 / times.baseline_per_second:,.0f} ms; one price read and one repricing "
            f"alone, as the aim would have it, are {1e3 / times.per_second(1):,.0f} ms: the rest looks "
            f"for events and judges {np.count_nonzero(decided == 0):,} accounts in integers; {len(fallen):,} "
            "are liquidatable"
        ),
        meaning=(
            f"The crowd {COPIES} times over. The keeper finds the head, looks for events, reads prices; then "
            "the whole book is repriced, and who is liquidatable decided, in integers where floats leave it "
            "open. Against opening the market and reading every cell of the known accounts, to the same "
            "verdicts, which must be equal; finding accounts from their events is not counted."
        ),
    )


def _touched(size: Size, whole: Whole, count: int) -> Row:
    """A block in which so many accounts get or give a supply."""
    watched, market = _watched(whole, 1), whole.market
    giver, token = market.cast["whale"], market.reserves["WETH"].a_token
    takers = market.crowd[:: max(1, len(market.crowd) // count)][: count - 1] or [giver]
    amount_raw = raw_of(market, "WETH", 1)
    table = watched.keeper.table

    def give() -> None:
        market.anvil.request("evm_setAutomine", False)
        for taker in takers:
            question = {"from": giver, "to": token, "gas": hex(GAS), "gasPrice": "0x0"}
            data = "0x" + TRANSFER.encode(taker, amount_raw).hex()
            market.anvil.request("eth_sendTransaction", question | {"data": data})
        market.anvil.mine()
        market.anvil.request("evm_setAutomine", True)

    def follow() -> list[int]:
        change = watched.keeper.advance(pin(whole.rpc))
        if change.how is not How.TOUCHED or change.reread != count:
            raise Different("accounts read again", change, count)
        venue = cast("AaveVenue", watched.keeper.venue)
        screen = watched.keeper.screen
        open_ = np.flatnonzero(reprice(screen, venue.unit_values()).decided(screen) == 0)
        return liquidatable(venue, screen, _accounts(venue, table, open_), screen.rows)

    give()
    before = whole.rpc.requests
    fallen = follow()
    requests = whole.rpc.requests - before
    same("who is liquidatable after a busy block", fallen, afresh(whole, table, 1))
    fresh = whole.another_keeper()
    fresh.advance(pin(whole.rpc))
    same("the words of the book", _by_cell(watched.keeper.table), _by_cell(fresh.table))
    times = race(Way(lambda: afresh(whole, table, 1), 1), Way(follow, 1, give), repeats=size.repeats)
    return Row(
        what=f"a block that touches {count:,} of {len(table.ids):,} accounts, to verdicts",
        against="the book read afresh",
        ratio=times.ratio(),
        figures=(
            f"{count:,} read again (aim: those alone, met); {1e3 / times.per_second():,.0f} ms in "
            f"{requests} HTTP requests, against {1e3 / times.baseline_per_second:,.0f} ms"
        ),
        meaning=(
            "One gives a little of a supply to each of the others: events, prices, the cells of those who "
            "were named, floats of the whole book anew, and who is liquidatable; against every cell read, as "
            "above. Before that the book was compared with one found and read afresh, word for word."
        ),
    )


def _by_cell(table: Table) -> list[tuple[bytes, int, bytes]]:
    """Every cell that is not zero, in an order of its own."""
    cells = zip(table.row.tolist(), table.part.tolist(), table.words, strict=True)
    return sorted((table.ids[row], part, bytes(word)) for row, part, word in cells if word.any())

"""A whole book: every account of a venue as one sparse table of raw words, the same for all protocols.

A *cell* is one word of one account: a balance, a flag word, a mode. What the cells mean is the
adapter's; which cells there are is found from events (`Tracked.touched`), read in bulk at one block
(`Tracked.read_cells`), kept exactly, and turned into floats only to screen (`Tracked.screen`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from chain.logs import Log, LogFilter
from chain.reader import Reader
from margin.account import AccountKey
from margin.basics import Address, Unread
from margin.prices import Prices
from margin.screen import Floats, Screen
from protocols.base import Failed, Venue

A = TypeVar("A")
Index = npt.NDArray[np.int32]
Words = npt.NDArray[np.uint8]
"""Shape (cells, 32): big-endian words."""
Holding = tuple[bytes, int]
"""An account's id in bytes (an address, a market id and an address, …) and the adapter's number of a part."""


@dataclass(frozen=True, slots=True)
class Touched:
    """What a range of blocks did to a venue."""

    holdings: frozenset[Holding] = frozenset()
    """Cells that may have changed or come into being; every cell of such an account is read again."""
    venue: bool = False
    """Something that all accounts depend on may have changed: open the venue again."""


@dataclass(frozen=True, slots=True)
class CellsRead:
    """Answers to a bulk read of cells."""

    words: Words
    """Zero where not read: then the cell stands in `unread`."""
    unread: Mapping[int, Unread] = field(default_factory=dict)
    """By position of the cell asked for."""


@dataclass(frozen=True, slots=True)
class Total:
    """What the chain says exists of one kind of holding, to be compared with the sum over the book."""

    token: Address
    """The underlying."""
    symbol: str
    kind: str
    """`supply` or `debt`, in the protocol's own scaled units; `stable` for stable-rate principal."""
    part: int
    """The part of the accounts that adds up to it."""
    chain_raw: int
    exact: bool = True
    """False where the protocol's own total drifts from the sum of its accounts."""
    of: bytes = b""
    """Only accounts whose id begins so add up to it: those of one market. All, where empty."""


@dataclass(frozen=True, slots=True)
class Liquidated:
    """A liquidation that happened, as the protocol's events tell it. Amounts in raw token units."""

    key: AccountKey
    block: int
    transaction: str
    liquidator: Address
    debt_token: Address
    debt_symbol: str
    debt_decimals: int
    repaid_raw: int
    collateral_token: Address
    collateral_symbol: str
    collateral_decimals: int
    seized_raw: int
    """What the liquidator received …"""
    fee_raw: int
    """… and what the protocol took of the same collateral beside it."""
    as_receipt: bool
    """Received as the protocol's own token of the collateral (an aToken), not as the underlying."""
    cost_raw: int | None
    """What the account lost by it: value seized and taken, minus value repaid, in the venue's numeraire
    at the venue's block; `None` where one of the two has no usable price there."""
    written_off: tuple[tuple[Address, int], ...] = ()
    """Debt that the protocol forgave with it, since no collateral was left: token and amount of each."""
    also_taken: tuple[tuple[Address, str, int, int], ...] = ()
    """Other collateral that was taken with it: token, symbol, decimals and raw amount of each."""


class Cells(Protocol):
    """The table as an adapter sees it: one entry a cell, rows are accounts."""

    @property
    def ids(self) -> Sequence[bytes]:
        """Account ids by row."""

    @property
    def row(self) -> Index:
        """Per cell its account."""

    @property
    def part(self) -> Index:
        """Per cell which part of the account it is."""

    @property
    def words(self) -> Words:
        """Per cell its word."""


class Tracked(Venue[A], Protocol[A]):
    """A venue whose whole book can be found, read and followed."""

    def history(self) -> LogFilter:
        """The events that name every holding there ever was."""

    def watched(self) -> LogFilter:
        """Contracts whose events can change anything that was read, prices and the clock aside."""

    def touched(self, logs: Iterable[Log]) -> Touched:
        """What these events changed; an event of a watched contract that is not known changes the venue."""

    def liquidations_in(self, logs: Iterable[Log]) -> tuple[Liquidated, ...]:
        """The liquidations among these events, which are whole blocks' of `watched`, in order."""

    def at_block(self, reader: Reader) -> Self:
        """The same venue at the reader's block: prices and clocks read again, nothing else.

        Right only where no event of `watched` lies between. Raises `ReadError`.
        """

    @property
    def common_parts(self) -> tuple[int, ...]:
        """Parts that are read of every account, whatever its events say."""

    def silent_since(self, earlier: Self | None) -> frozenset[int]:
        """Parts that may have changed since an earlier block without an event that names whose.

        Every cell of them is read again. All such parts, where that block is on another branch (`None`).
        """

    @property
    def parts(self) -> frozenset[int]:
        """Every part there is at this block.

        What is known of others (a reserve not listed yet, or no more) is of another time, and not asked for.
        """

    def read_cells(self, reader: Reader, ids: Sequence[bytes], row: Index, part: Index) -> CellsRead:
        """The words of these cells in bulk, at the reader's block; `row` points into `ids`."""

    def implied(self, cells: Cells) -> tuple[Index, Index]:
        """Rows and parts of cells that the words read so far say must exist too (flags of a reserve)."""

    def key_of(self, id_: bytes) -> AccountKey:
        """The name of the account with this id, read or not."""

    def account_of(self, id_: bytes, words: Mapping[int, int]) -> A | Failed | None:
        """The account that these words (by part) describe; `None` when it holds nothing."""

    def with_modes(self, reader: Reader, cells: Cells) -> Self:
        """The venue with whatever the accounts need that is shared by some of them (e-modes)."""

    def carry(self, reader: Reader, accounts: Sequence[A]) -> tuple[Self, list[A | Failed]]:
        """Accounts of an earlier block that no event since has touched, as they are at this venue's block.

        Without the protocol's own view, which was of then. The venue comes back with whatever the
        accounts need that is shared by some of them (e-modes).
        """

    def screen(self, cells: Cells) -> Screen:
        """The cells in floats; one entry a cell, in the same order."""

    def unit_values(self, prices: Prices | None = None, at: int | None = None) -> Floats:
        """What each term of the screen is worth, in the scale of the verdict; today unless told otherwise."""

    def with_views(self, reader: Reader, accounts: Sequence[A]) -> list[A | Failed]:
        """The same accounts with the protocol's own view of each at the reader's block, for `audit`."""

    def totals(self, reader: Reader) -> tuple[Total, ...]:
        """What the chain says exists; supplies only where it adds them up. Raises `ReadError`."""

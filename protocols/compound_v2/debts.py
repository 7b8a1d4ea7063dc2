"""Reading debts as they were booked: principal and index, which no view of a market gives.

A market tells only what is owed at its stored index (`borrowBalanceStored`). The two numbers behind it,
which say what will be owed at any other, are words of its storage: `accountBorrows`, a mapping by
borrower to (principal, interestIndex), declared in VTokenStorage (VenusProtocol/venus-protocol 0.7.0,
VTokenInterfaces.sol). Older and newer markets declare it at other slots, so every pair of words is put to
the proof: together with the stored index it must give what the view says, to the unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from chain.abi import address_bytes
from chain.keys import mapping_keys
from chain.reader import Reader
from margin.basics import Address, Reason, Unread
from protocols.compound_v2.state import Debt, Market

SLOTS = (16, 17, 15, 18, 14)
"""Where `accountBorrows` may be declared, the likeliest first: Venus's, and Compound's first markets'."""


class Asked(NamedTuple):
    """One debt that a market's view tells of."""

    market: Market
    borrower: Address
    stored_raw: int
    """What is owed at the market's stored index."""


def read_debts(
    reader: Reader, asked: Sequence[Asked], layouts: dict[Address, int]
) -> list[Debt | Unread | None]:
    """Each debt as it was booked, `None` where nothing is owed; a round for each layout that is tried.

    `layouts` remembers by market the slot that was right. Where no node tells storage, or none of the
    layouts fits, a debt comes `rounded`: right at the stored index, and later the most it can be.
    """
    found: list[Debt | Unread | None] = [None] * len(asked)
    left = [at for at, one in enumerate(asked) if one.stored_raw]
    if left and reader.storage_means is not None:
        for tried in range(len(SLOTS)):
            left = _try(reader, asked, left, tried, layouts, found)
            if not left:
                break
    for at in left:
        one = asked[at]
        found[at] = Debt(one.stored_raw, one.market.index_wad, rounded=True)
    return found


def _try(
    reader: Reader,
    asked: Sequence[Asked],
    left: Sequence[int],
    tried: int,
    layouts: dict[Address, int],
    found: list[Debt | Unread | None],
) -> list[int]:
    """Reads these debts at the next layout of each market; those that it does not explain are left."""
    contracts = list(dict.fromkeys(asked[at].market.address for at in left))
    places = {address: place for place, address in enumerate(contracts)}
    slots = [_order(layouts.get(asked[at].market.address))[tried] for at in left]
    holders = np.frombuffer(b"".join(address_bytes(asked[at].borrower) for at in left), np.uint8)
    holders = holders.reshape(len(left), 20)
    keys = np.zeros((len(left), 32), np.uint8)
    for slot in dict.fromkeys(slots):
        mine = np.flatnonzero(np.array(slots) == slot)
        keys[mine] = mapping_keys(holders[mine], slot)
    contract = np.array([places[asked[at].market.address] for at in left], np.int32)
    read = reader.words(contracts, np.repeat(contract, 2), _with_next(keys))
    still = []
    for place, at in enumerate(left):
        unread = read.unread.get(2 * place) or read.unread.get(2 * place + 1)
        if unread is not None and unread.reason is not Reason.UNSUPPORTED:
            found[at] = unread
            continue
        principal, index = (int.from_bytes(bytes(read.raw[2 * place + word]), "big") for word in (0, 1))
        market, _, stored_raw = asked[at]
        if index and principal and principal * market.index_wad // index == stored_raw:
            found[at] = Debt(principal, index)
            layouts[market.address] = slots[place]
        else:
            still.append(at)
    return still


def _order(known: int | None) -> tuple[int, ...]:
    """The slots to try, the one that was right before first."""
    return SLOTS if known is None else (known, *(slot for slot in SLOTS if slot != known))


def _with_next(
    keys: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Each key and the one after it, side by side."""
    out = np.empty((2 * len(keys), 32), np.uint8)
    out[0::2] = keys
    for place, key in enumerate(keys):
        following = (int.from_bytes(bytes(key), "big") + 1) % 2**256
        out[2 * place + 1] = np.frombuffer(following.to_bytes(32, "big"), np.uint8)
    return out

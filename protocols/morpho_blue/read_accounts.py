"""Reading accounts of a Morpho Blue in bulk: every owner is asked about in every market."""

from __future__ import annotations

from collections.abc import Sequence

from chain.reader import Call, Reader
from margin.account import AccountKey
from margin.basics import Address, Reason, Unread
from protocols.base import Failed
from protocols.morpho_blue import abi
from protocols.morpho_blue.state import MorphoAccount
from protocols.morpho_blue.venue import PRICE_SCALE, Markets

MOST_POSITIONS = 1_000_000
"""Owners times markets that one reading asks for; the reader sends some hundreds to two thousand at once."""
MOST_NAMED = 3
"""Markets that could not be read are accounts of their own up to so many, and one together beyond."""


def read_accounts(
    venue: Markets, reader: Reader, owners: Sequence[Address]
) -> dict[Address, list[MorphoAccount | Failed]]:
    """Each owner's accounts, in the order of the markets, those that could not be read last.

    One round of bulk calls. Where owners times markets are too many, each owner fails, and the reason
    says that the configuration can name the markets.
    """
    markets = list(venue.markets.values())
    if len(owners) * len(markets) > MOST_POSITIONS:
        said = f"{len(owners)} owners in {len(markets)} markets are too many: name the venue's `markets`"
        why = Unread(Reason.UNSUPPORTED, said)
        return {owner: [Failed(AccountKey(venue.id, owner, owner), why)] for owner in owners}
    asked = [(owner, market) for owner in owners for market in markets]
    calls = [Call(venue.morpho, abi.POSITION, (bytes.fromhex(m.id[2:]), owner)) for owner, m in asked]
    found: dict[Address, list[MorphoAccount | Failed]] = {owner: [] for owner in owners}
    unread: dict[Address, list[Failed]] = {owner: [] for owner in owners}
    for (owner, market), answer in zip(asked, reader.read(calls), strict=True):
        key = AccountKey(venue.id, owner, market.id)
        if isinstance(answer, Unread):
            unread[owner].append(Failed(key, answer))
        elif any(answer):
            account = MorphoAccount(key, *answer)
            why_not = unjudgeable(venue, account)
            found[owner].append(account if why_not is None else Failed(key, why_not))
    for owner, failed in unread.items():
        found[owner] += failed if len(failed) <= MOST_NAMED else [_together(venue, owner, failed)]
    return found


def _together(venue: Markets, owner: Address, failed: Sequence[Failed]) -> Failed:
    """One account for all the markets in which the owner may have one, and could not be asked about."""
    first = failed[0].unread
    said = f"{len(failed)} markets could not be read: {first.detail}"
    return Failed(AccountKey(venue.id, owner, owner), Unread(first.reason, said))


def unjudgeable(venue: Markets, account: MorphoAccount) -> Unread | None:
    """Why the account's verdict cannot be computed; `None` when it can.

    An oracle that reverts makes `liquidate` revert as well: nobody can liquidate while it does, and what
    the price will be afterwards nobody knows.
    """
    market = venue.market_of(account)
    if market.rate_problem is not None:
        return market.rate_problem
    if not (account.collateral_raw or account.borrow_shares):
        return None
    if isinstance(market.quote, Unread):
        return market.quote
    if account.collateral_raw * venue.prices[market.quote] + PRICE_SCALE >= 2**256:
        return Unread(Reason.UNSUPPORTED, f"the contract itself cannot value this much {market.name}")
    return None

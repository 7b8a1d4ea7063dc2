"""Reading vaults in bulk, at one block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chain.reader import Call, Reader
from margin.account import AccountKey
from margin.basics import Address, Reason, Unread
from protocols.base import Failed
from protocols.maker import abi
from protocols.maker.holders import places
from protocols.maker.state import Stored, Vault
from protocols.maker.venue import Market

_LARGEST = 1 << 128
"""Wads. No ilk has as much; beyond it products could leave 256 bits."""


def read_accounts(
    market: Market, reader: Reader, owners: Sequence[Address], *, every_ilk: bool
) -> tuple[dict[Address, list[Vault | Failed]], dict[tuple[bytes, Address], AccountKey]]:
    """Every vault of each owner that holds anything, however held.

    A few rounds of bulk calls whatever the number of owners: proxies, the manager's lists (as many
    rounds as the longest has vaults, up to a bound), their urns, and the Vat. `every_ilk`: a vault in
    an ilk that the venue does not know has failed, rather than being none of its business. Beside them,
    by ilk and urn, the names of the manager's vaults, the empty ones too.
    """
    found, unread = places(market, reader, owners)
    accounts: dict[Address, list[Vault | Failed]] = {owner: [] for owner in owners}
    known = [place for place in found if every_ilk or place.word in market.by_word]
    calls = [Call(market.system.vat, abi.URNS, (place.word, place.urn)) for place in known]
    for place, answer in zip(known, reader.read(calls), strict=True):
        key = place.key(market)
        if isinstance(answer, Unread):
            if place.cdp is None:  # whether there is a vault at all is not known: said once for all ilks
                unread.setdefault(place.owner, answer)
            else:
                accounts[place.owner].append(Failed(key, answer))
            continue
        ink, art = answer
        if not ink and not art:
            continue
        ilk = market.by_word.get(place.word)
        if ilk is None:
            unknown = Unread(Reason.UNSUPPORTED, "a vault in a collateral type that no list names")
            accounts[place.owner].append(Failed(key, unknown))
            continue
        stored = Stored(ink, art, ilk.spot_ray, ilk.rate_ray)
        vault = Vault(key, ilk.word, place.urn, ink, art, place.cdp, place.proxy, stored)
        why = unjudgeable(market, vault)
        accounts[place.owner].append(vault if why is None else Failed(key, why))
    for owner, why in unread.items():
        accounts[owner].append(Failed(AccountKey(market.id, owner, owner), why))
    return accounts, {(place.word, place.urn): place.key(market) for place in known if place.cdp is not None}


def read_stored(market: Market, reader: Reader, accounts: Sequence[Vault]) -> list[Vault | Failed]:
    """The vaults with the Vat's own figures of each, asked anew."""
    words = [account.ilk for account in accounts]
    urns = reader.read(
        [Call(market.system.vat, abi.URNS, (w, a.urn)) for w, a in zip(words, accounts, strict=True)]
    )
    distinct = list(dict.fromkeys(words))
    terms = dict(
        zip(
            distinct,
            reader.read([Call(market.system.vat, abi.VAT_ILKS, (w,)) for w in distinct]),
            strict=True,
        )
    )
    found: list[Vault | Failed] = []
    for account, word, urn in zip(accounts, words, urns, strict=True):
        ilk = terms[word]
        if isinstance(urn, Unread):
            found.append(Failed(account.key, urn))
        elif isinstance(ilk, Unread):
            found.append(Failed(account.key, ilk))
        else:
            found.append(replace(account, stored=Stored(urn[0], urn[1], ilk[2], ilk[1])))
    return found


def unjudgeable(market: Market, account: Vault) -> Unread | None:
    """Why the vault cannot be judged or shown; `None` when it can. A pip without a price is no reason."""
    if account.ilk not in market.by_word:
        return Unread(Reason.UNSUPPORTED, "a vault in a collateral type that is listed no more")
    gem = market.ilk_of(account).gem
    if isinstance(gem, Unread):
        return gem
    if max(account.ink, account.art) >= _LARGEST:
        return Unread(Reason.UNSUPPORTED, "a balance beyond what the Vat's own arithmetic can hold")
    return None

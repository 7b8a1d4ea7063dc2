"""Through what an owner can hold a vault: in the Vat itself, through the CDP manager, through a proxy.

Source: makerdao/dss-cdp-manager DssCdpManager.sol (a list of vaults by owner, each in an urn of its
own), makerdao/proxy-registry ProxyRegistry.sol (at most one DSProxy an owner).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chain.reader import Call, Reader
from margin.account import AccountKey
from margin.basics import ZERO_ADDRESS, Address, Reason, Unread
from protocols.maker import abi
from protocols.maker.venue import Market

WALK = 12
"""How many vaults of one owner are found one after another, a round each; beyond, the manager's whole
list of owners is read at once."""
Answers = list[tuple[Any, ...] | Unread]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a vault of an owner's may be."""

    owner: Address
    word: bytes
    """The ilk."""
    urn: Address
    cdp: int | None = None
    proxy: Address | None = None

    def key(self, market: Market) -> AccountKey:
        """Its name says the way to it: `ETH-B #12 0x… via proxy 0x…`."""
        ilk = market.by_word.get(self.word)
        name = ilk.name if ilk is not None else "0x" + self.word.hex()
        number = "" if self.cdp is None else f" #{self.cdp}"
        through = "" if self.proxy is None else f" via proxy {self.proxy}"
        return AccountKey(market.id, self.owner, f"{name}{number} {self.urn}{through}")


def places(
    market: Market, reader: Reader, owners: Sequence[Address]
) -> tuple[list[Place], dict[Address, Unread]]:
    """Every place where a vault of these owners may be, and the owners of whom it is not known."""
    unread: dict[Address, Unread] = {}
    holders = _holders(market, reader, owners, unread)
    found = [Place(owner, ilk.word, who, proxy=proxy) for owner, who, proxy in holders for ilk in market.ilks]
    cdps = _cdps(market, reader, list(dict.fromkeys(who for _, who, _ in holders)))
    numbers = sorted({cdp for of_one in cdps.values() if not isinstance(of_one, Unread) for cdp in of_one})
    about = _about(market, reader, numbers)
    for owner, who, proxy in holders:
        own = cdps[who]
        if isinstance(own, Unread):
            unread[owner] = own
            continue
        for cdp in own:
            what = about[cdp]
            if isinstance(what, Unread):
                unread[owner] = what
            else:
                found.append(Place(owner, what[1], what[0], cdp, proxy))
    return found, unread


def _holders(
    market: Market, reader: Reader, owners: Sequence[Address], unread: dict[Address, Unread]
) -> list[tuple[Address, Address, Address | None]]:
    """Owner, who holds for them, and the same again where that is a proxy."""
    found: list[tuple[Address, Address, Address | None]] = [(owner, owner, None) for owner in owners]
    registry = market.system.proxy_registry
    if registry is None:
        return found
    answers = reader.read([Call(registry, abi.PROXIES, (owner,)) for owner in owners])
    for owner, answer in zip(owners, answers, strict=True):
        if isinstance(answer, Unread):
            unread[owner] = answer
        elif answer[0] not in (ZERO_ADDRESS, owner):
            found.append((owner, answer[0], answer[0]))
    return found


def _cdps(market: Market, reader: Reader, holders: Sequence[Address]) -> Mapping[Address, list[int] | Unread]:
    """The numbers of each holder's vaults at the manager, in their order."""
    manager = market.system.manager
    heads = reader.read([Call(manager, f, (who,)) for who in holders for f in (abi.COUNT, abi.FIRST)])
    found: dict[Address, list[int] | Unread] = {}
    counts: dict[Address, int] = {}
    for at, who in enumerate(holders):
        count, first = heads[2 * at], heads[2 * at + 1]
        if isinstance(count, Unread) or isinstance(first, Unread):
            found[who] = count if isinstance(count, Unread) else first  # type: ignore[assignment]
            continue
        counts[who] = count[0]
        found[who] = [first[0]] if first[0] else []
    if max(counts.values(), default=0) > WALK:
        return found | _by_owner(market, reader, counts)
    for _ in range(max(counts.values(), default=0)):
        ends = [
            (who, own)
            for who, own in found.items()
            if not isinstance(own, Unread) and own and len(own) < counts[who]
        ]
        answers = reader.read([Call(manager, abi.NEXT, (own[-1],)) for _, own in ends])
        for (who, own), answer in zip(ends, answers, strict=True):
            if isinstance(answer, Unread):
                found[who] = answer
            elif not answer[1]:
                found[who] = Unread(Reason.MALFORMED, "the CDP manager's list ends before its count")
            else:
                own.append(answer[1])
    return found


def _by_owner(
    market: Market, reader: Reader, counts: Mapping[Address, int]
) -> dict[Address, list[int] | Unread]:
    """The same by asking of every vault there is whose it is."""
    manager = market.system.manager
    last = reader.read_one(manager, abi.CDPI)
    if isinstance(last, Unread):
        return dict.fromkeys(counts, last)
    owners = reader.read([Call(manager, abi.CDP_OWNER, (cdp,)) for cdp in range(1, last[0] + 1)])
    found: dict[Address, list[int]] = {who: [] for who in counts}
    for cdp, answer in enumerate(owners, 1):
        if isinstance(answer, Unread):
            return dict.fromkeys(counts, answer)
        if answer[0] in found:
            found[answer[0]].append(cdp)
    wrong = Unread(Reason.MALFORMED, "the CDP manager counts other vaults than it lists")
    return {who: own if len(own) == counts[who] else wrong for who, own in found.items()}


def _about(
    market: Market, reader: Reader, cdps: Sequence[int]
) -> Mapping[int, tuple[Address, bytes] | Unread]:
    """Urn and ilk of each vault."""
    manager = market.system.manager
    answers = reader.read([Call(manager, f, (cdp,)) for cdp in cdps for f in (abi.CDP_URN, abi.CDP_ILK)])
    found: dict[int, tuple[Address, bytes] | Unread] = {}
    for at, cdp in enumerate(cdps):
        urn, ilk = answers[2 * at], answers[2 * at + 1]
        if isinstance(urn, Unread):
            found[cdp] = urn
        elif isinstance(ilk, Unread):
            found[cdp] = ilk
        else:
            found[cdp] = urn[0], ilk[0]
    return found

"""Which events name vaults, which change what all of them depend on, and which tell of a bark.

The Vat has no events of its own: `note` logs each call that changes something, its selector as the
first topic and its first three arguments as the others (makerdao/dss vat.sol). Every urn that ever
held anything was named by a `frob`, a `fork` (two of them) or a `grab`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from eth_utils.crypto import keccak

from chain.abi import to_address
from chain.logs import Log, LogFilter
from margin.account import AccountKey
from margin.basics import ZERO_ADDRESS, Address, Unread
from margin.units import RAY, WAD
from protocols.book import Holding, Liquidated, Touched
from protocols.maker.cells import PARTS, id_of, key_of
from protocols.maker.listing import INIT, RELY, note_topic
from protocols.maker.state import Ilk
from protocols.maker.venue import Market

FROB = note_topic("frob(bytes32,address,address,address,int256,int256)")
FORK = note_topic("fork(bytes32,address,address,int256,int256)")
GRAB = note_topic("grab(bytes32,address,address,address,int256,int256)")
_NAMING = (FROB, FORK, GRAB)
_NEW = frozenset({INIT, RELY})
"""A new ilk, or a new contract that may be its adapter: the venue has to be opened again."""
BARK = bytes(keccak(text="Bark(bytes32,address,uint256,uint256,uint256,address,uint256)"))
KICK = bytes(keccak(text="Kick(uint256,uint256,uint256,uint256,address,address,uint256)"))


def history(market: Market) -> LogFilter:
    """Every note of the Vat's that names an urn."""
    return LogFilter((market.system.vat,), _NAMING)


def watched(market: Market) -> LogFilter:
    """The Vat and the Dog with its auction houses.

    What Spotter, Jug and Dog hold is read again at every block (`at_block`), so that it takes no event
    to notice a change of it.
    """
    clips = [ilk.clip.address for ilk in market.ilks if ilk.clip]
    kept = (*_NAMING, INIT, RELY, BARK, KICK)
    return LogFilter((market.system.vat, market.system.dog, *dict.fromkeys(clips)), kept)


def touched(market: Market, logs: Iterable[Log]) -> Touched:
    """The urns that these notes name; a new ilk or adapter changes the venue."""
    holdings: set[Holding] = set()
    venue = False
    for log in logs:
        topic = log.topics[0] if log.topics else b""
        if log.address != market.system.vat:
            continue
        if topic in _NEW:
            venue = True
        elif topic in _NAMING and len(log.topics) == 4:
            ilk = market.by_word.get(log.topics[1])
            if ilk is None:
                continue
            for urn in log.topics[2:] if topic == FORK else log.topics[2:3]:
                holdings.update((id_of(ilk, urn[12:]), part) for part in PARTS)
    return Touched(frozenset(holdings), venue)


def liquidations_in(
    market: Market, names: Mapping[tuple[bytes, Address], AccountKey], logs: Iterable[Log]
) -> tuple[Liquidated, ...]:
    """Every `Bark`; `names`: the vaults that were read through their owners, by ilk and urn."""
    found, kicked = [], dict[tuple[str, Address, bytes], Address]()
    for log in logs:
        topic = log.topics[0] if log.topics else b""
        if topic == KICK and len(log.topics) == 4:
            kicked[log.transaction, log.address, log.topics[1]] = to_address(log.topics[3][12:])
        elif topic == BARK and log.address == market.system.dog and len(log.topics) == 4:
            ilk = market.by_word.get(log.topics[1])
            if ilk is not None and not isinstance(ilk.gem, Unread):
                found.append(_liquidated(market, ilk, log, names, kicked))
    return tuple(found)


def _liquidated(
    market: Market,
    ilk: Ilk,
    log: Log,
    names: Mapping[tuple[bytes, Address], AccountKey],
    kicked: Mapping[tuple[str, Address, bytes], Address],
) -> Liquidated:
    """What left the vault for the auction: collateral, and debt at its rate.

    The auction gives back what it does not need to raise that debt and the penalty, so the penalty is
    what the owner loses for sure.
    """
    gem = ilk.gem
    assert not isinstance(gem, Unread)
    urn = to_address(log.topics[2][12:])
    ink, _, due_rad, clip = (int.from_bytes(log.data[at : at + 32], "big") for at in (0, 32, 64, 96))
    house = to_address(clip.to_bytes(20, "big"))
    return Liquidated(
        key=names.get((ilk.word, urn)) or key_of(market, id_of(ilk, bytes.fromhex(urn[2:]))),
        block=log.block,
        transaction=log.transaction,
        liquidator=kicked.get((log.transaction, house, log.topics[3]), ZERO_ADDRESS),
        debt_token=market.system.dai.token,
        debt_symbol=market.system.dai.symbol,
        debt_decimals=market.system.dai.decimals,
        repaid_raw=due_rad // RAY,
        collateral_token=gem.token,
        collateral_symbol=gem.symbol,
        collateral_decimals=gem.decimals,
        seized_raw=ink // gem.scale,
        fee_raw=0,
        as_receipt=False,
        cost_raw=due_rad * max(ilk.chop_wad, WAD) // WAD - due_rad,
    )

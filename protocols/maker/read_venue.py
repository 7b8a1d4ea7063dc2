"""Opening Maker's system at one block: addresses, ilks, their terms, and the pips' answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chain.answers import Garbled, Reverted
from chain.erc20 import TokenCache
from chain.reader import Call, Reader
from margin.basics import ZERO_ADDRESS, Address, Reason, Unread
from margin.errors import ReadError, VenueError
from margin.prices import Prices
from protocols.base import VenueConfig
from protocols.maker import abi
from protocols.maker.listing import Listing, read_listing, word_of
from protocols.maker.pips import Pips
from protocols.maker.state import Clip, Gem, Ilk, System
from protocols.maker.venue import Market
from protocols.opening import required

CHAINLOG = "chainlog"
PARTS = ("vat", "spotter", "jug", "dog", "cdp_manager")
"""Named one by one where there is no list of addresses on the chain …"""
OPTIONAL = ("dai", "proxy_registry", "ilk_registry")
"""… and what makes more of the system known, there."""
_LOGGED = {
    "vat": "MCD_VAT",
    "spotter": "MCD_SPOT",
    "jug": "MCD_JUG",
    "dog": "MCD_DOG",
    "cdp_manager": "CDP_MANAGER",
    "dai": "MCD_DAI",
    "proxy_registry": "PROXY_REGISTRY",
    "ilk_registry": "ILK_REGISTRY",
}
ILKS = "ilks"
"""The configuration's list of ilks, where not all are wanted."""
DAI = "DAI"


@dataclass(frozen=True, slots=True)
class Entry:
    """What does not change from block to block but by an event: addresses, and which ilks there are."""

    addresses: Mapping[str, Address]
    listing: Listing


def read_entry(reader: Reader, config: VenueConfig) -> Entry:
    """Addresses checked against each other, and the ilks. Raises `VenueError`, `ReadError`."""
    found = _addresses(reader, config)
    vat = found["vat"]
    strict(reader, config, [Call(vat, abi.LIVE), Call(vat, abi.VAT_ILKS, (bytes(32),))])
    users = ("spotter", "jug", "dog", "cdp_manager")
    for key, (own,) in zip(
        users, strict(reader, config, [Call(found[k], abi.VAT) for k in users]), strict=True
    ):
        if own != vat:
            raise VenueError(config.id, f"the {key} {found[key]} works for another Vat")
    wanted = [word_of(name) for name in dict.fromkeys(config.options.get(ILKS, ()))]
    if any(len(word) != 32 for word in wanted):
        raise VenueError(config.where, "an ilk has no more than 32 characters")
    terms = strict(reader, config, [Call(vat, abi.VAT_ILKS, (word,)) for word in wanted])
    for word, (_, rate_ray, *_) in zip(wanted, terms, strict=True):
        if not rate_ray:
            raise VenueError(config.where, f"the Vat knows no ilk {Listing.name_of(word)}")
    return Entry(found, read_listing(reader, vat, found.get("ilk_registry"), wanted, config.start_block or 0))


def read_market(reader: Reader, config: VenueConfig, entry: Entry) -> Market:
    """The system at the reader's block, of which the entry is known. Raises `VenueError`, `ReadError`."""
    at, words = entry.addresses, entry.listing.words
    head = strict(
        reader,
        config,
        [
            *(Call(at[k], abi.LIVE) for k in ("vat", "dog")),
            *(Call(at["spotter"], abi.PAR), Call(at["jug"], abi.BASE)),
            *(Call(at["dog"], abi.HOLE), Call(at["dog"], abi.DIRT), Call(at["jug"], abi.VOW)),
        ],
    )
    (vat_live,), (dog_live,), (par_ray,), (base_ray,), (hole_rad,), (dirt_rad,), (vow,) = head
    ((vow_dai_rad,),) = strict(reader, config, [Call(at["vat"], abi.DAI_OF, (vow,))])
    if not par_ray:
        raise VenueError(config.id, "the Spotter has no price of DAI")
    rows = _rows(
        reader,
        config,
        [
            [
                Call(at["vat"], abi.VAT_ILKS, (word,)),
                Call(at["spotter"], abi.SPOTTER_ILKS, (word,)),
                Call(at["jug"], abi.JUG_ILKS, (word,)),
                Call(at["dog"], abi.DOG_ILKS, (word,)),
            ]
            for word in words
        ],
    )
    gems = _gems(reader, entry.listing)
    clips = _clips(reader, config, [row[3][0] for row in rows], at["dog"])
    pips = Pips(reader, config, [(row[1][0], gem) for row, gem in zip(rows, gems, strict=True)])
    ilks = tuple(_ilk(word, gem, row, clips, pips) for word, gem, row in zip(words, gems, rows, strict=True))
    return Market(
        id=config.id,
        block=reader.block,
        system=System(
            vat=at["vat"],
            spotter=at["spotter"],
            jug=at["jug"],
            dog=at["dog"],
            manager=at["cdp_manager"],
            proxy_registry=at.get("proxy_registry"),
            dai=Gem(at.get("dai") or entry.listing.dai or at["vat"], DAI, 18),
            vat_live=vat_live == 1,
            dog_live=dog_live == 1,
            par_ray=par_ray,
            base_ray=base_ray,
            vow_dai_rad=vow_dai_rad,
            hole_rad=hole_rad,
            dirt_rad=dirt_rad,
        ),
        ilks=ilks,
        feeds=pips.feeds,
        prices=Prices({key: feed.answer_raw for key, feed in pips.feeds.items()}),
    )


def strict(reader: Reader, config: VenueConfig, calls: Sequence[Call]) -> list[tuple[Any, ...]]:
    """Answers that every account depends on; see `required`."""
    return required(reader, config, calls, "as Maker's do")


def _rows(reader: Reader, config: VenueConfig, rows: Sequence[Sequence[Call]]) -> list[list[tuple[Any, ...]]]:
    answers = iter(strict(reader, config, [call for row in rows for call in row]))
    return [[next(answers) for _ in row] for row in rows]


def _addresses(reader: Reader, config: VenueConfig) -> dict[str, Address]:
    """Every part, by its key; from the chain's own list where that is given."""
    log = config.addresses.get(CHAINLOG)
    if log is None:
        return dict(config.addresses)
    answers = reader.read([Call(log, abi.GET_ADDRESS, (word_of(name),)) for name in _LOGGED.values()])
    found = {}
    for (key, name), answer in zip(_LOGGED.items(), answers, strict=True):
        if not isinstance(answer, Unread):
            found[key] = answer[0]
        elif answer.reason is Reason.NO_CODE:
            raise VenueError(config.where, f"no contract at {log} on chain {reader.block.chain}")
        elif not isinstance(answer, Reverted | Garbled):
            raise ReadError(config.id, answer)
        elif key in PARTS:
            raise VenueError(config.where, f"{log} is no list of Maker's addresses: it has no {name}")
    return found


def _gems(reader: Reader, listing: Listing) -> list[Gem | Unread]:
    tokens = list(dict.fromkeys(token for token, _ in listing.gems.values()))
    symbols = {token.address: token.symbol for token in TokenCache().read(reader, tokens)}
    found: list[Gem | Unread] = []
    for word in listing.words:
        name = listing.name_of(word)
        if word not in listing.gems:
            told = f"no adapter of {name} tells which token is behind it"
            found.append(Unread(Reason.UNSUPPORTED, told))
            continue
        address, decimals = listing.gems[word]
        if decimals > 18:
            found.append(Unread(Reason.UNSUPPORTED, f"the token behind {name} has {decimals} decimals"))
        else:
            found.append(Gem(address, symbols[address], decimals))
    return found


def _clips(
    reader: Reader, config: VenueConfig, addresses: Sequence[Address], dog: Address
) -> dict[Address, Clip]:
    known = [address for address in dict.fromkeys(addresses) if address != ZERO_ADDRESS]
    rows = _rows(
        reader,
        config,
        [[Call(a, abi.STOPPED), Call(a, abi.WARDS, (dog,)), Call(a, abi.BUF)] for a in known],
    )
    return {
        address: Clip(address, stopped, knows_dog=ward == 1, buf_ray=buf_ray)
        for address, ((stopped,), (ward,), (buf_ray,)) in zip(known, rows, strict=True)
    }


def _ilk(
    word: bytes,
    gem: Gem | Unread,
    row: Sequence[tuple[Any, ...]],
    clips: Mapping[Address, Clip],
    pips: Pips,
) -> Ilk:
    (total_art, rate_ray, spot_ray, line_rad, dust_rad), (pip, mat_ray), (duty_ray, rho), of_dog = row
    clip, chop_wad, hole_rad, dirt_rad = of_dog
    name = Listing.name_of(word)
    no_ratio = Unread(Reason.ORACLE, f"the Spotter has no liquidation ratio of {name}")
    return Ilk(
        word=word,
        name=name,
        gem=gem,
        total_art=total_art,
        rate_ray=rate_ray,
        spot_ray=spot_ray,
        line_rad=line_rad,
        dust_rad=dust_rad,
        pip=pip,
        mat_ray=mat_ray,
        duty_ray=duty_ray,
        rho=rho,
        chop_wad=chop_wad,
        hole_rad=hole_rad,
        dirt_rad=dirt_rad,
        clip=clips.get(clip),
        quote=pips.quotes[pip] if mat_ray else no_ratio,
        delayed=pips.delayed.get(pip),
    )

"""Barks to the unit against the Dog's own event, and each of its refusals."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from localnet.maker.cast import borrowable, wallet
from localnet.maker.market import RAD, RAY, WAD, Market, word_of
from protocols.maker.liquidation import (
    DUSTY,
    HEALTHY,
    LIMIT,
    NO_AUCTIONS,
    STOPPED,
    Liquidation,
    Refusal,
    bark,
    blocked,
)
from tests.conformance.test_exact import HALF_STATES
from tests.protocols.maker.lives import Life, lives
from tests.protocols.maker.subject import Genuine

USER = wallet("borrower")


def vault(world: Genuine, ilk: str = "ETH-B", ink: int = 50 * WAD, percent: int = 99) -> None:
    """A vault that a fall of a tenth makes unsafe."""
    art = borrowable(world.market, ilk, ink) * percent // 100
    world.market.frob(USER, ilk, ink, art)
    world.ilks[USER] = ilk


def fall(world: Genuine, ilk: str = "ETH-B", percent: int = 90) -> None:
    raw = int.from_bytes(world.market.pip(ilk).call("read"), "big")
    world.market.set_price(ilk, raw * percent // 100)


@HALF_STATES
@given(life=lives(), fall=st.floats(0.2, 0.99), hole=st.integers(0, 4_000 * RAD), partial=st.booleans())
def test_a_bark_takes_what_was_foretold(
    empty: Genuine, life: Life, fall: float, hole: int, partial: bool
) -> None:
    """Collateral, normalised debt and what it owes as the event has them, and the auction's tab."""
    with empty.node.undone():
        owner, market = empty.live(life), empty.market
        if partial:
            market.file(market.dog, life.ilk, "hole", hole)
        empty.set_answers({market.pip(life.ilk).address: max(1, int(life.price_wad * fall))})
        venue, account = empty.one(owner)
        call = bark(venue, account)
        said = market.try_bark(life.ilk, owner)
        if isinstance(call, Refusal):
            event(call.why)
            # A division by zero and an overflow have no words of the contract's.
            assert said == call.why.partition(": ")[0] or said in ("no reason", "panic 0x12"), (said, call)
            return
        assert said is None
        event("whole" if call.art == account.art else "in part")
        told = market.bark(life.ilk, owner)["Bark"]
        assert (told["ink"], told["art"], told["due"]) == (call.ink, call.art, call.due_rad)
        assert market.clip(life.ilk).call("sales", told["id"])[1:3] == (call.tab_rad, call.ink)


def refuse_live(market: Market) -> None:
    market.dog.send("cage", sender=market.governance)


def refuse_hole(market: Market) -> None:
    market.file(market.dog, "ETH-B", "hole", 0)


def refuse_all_holes(market: Market) -> None:
    market.file(market.dog, "Hole", 0)


def refuse_stopped(market: Market) -> None:
    market.file(market.clip("ETH-B"), "stopped", 1)


def refuse_dust(market: Market) -> None:
    market.file(market.vat, "ETH-B", "dust", 1_000 * RAD)
    market.file(market.dog, "ETH-B", "hole", 900 * RAD)


def refuse_void(market: Market) -> None:
    market.void_price("ETH-B")


def refuse_stranger(market: Market) -> None:
    market.clip("ETH-B").send("deny", market.dog.address, sender=market.governance)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (refuse_live, "Dog/not-live"),
        (refuse_hole, LIMIT),
        (refuse_all_holes, LIMIT),
        (refuse_stopped, STOPPED),
        (refuse_dust, DUSTY),
        (refuse_void, "Clipper/invalid-price"),
        (refuse_stranger, "Clipper/not-authorized"),
    ],
)
def test_an_unsafe_vault_that_nobody_can_bark_at(
    world: Genuine, make: Callable[[Market], None], why: str
) -> None:
    """It stays liquidatable, and `blocked` says in the contract's own words why it can't be done."""
    vault(world)
    fall(world)
    venue, account = world.one(USER)
    assert venue.blocked(account) is None
    assert world.market.try_bark("ETH-B", USER, poke=False) is None
    make(world.market)
    venue, account = world.one(USER)
    assert venue.verdict(account).liquidatable
    assert world.market.try_bark("ETH-B", USER, poke=False) == why
    said = blocked(venue, account)
    assert said is not None
    assert said.startswith(why)
    assert isinstance(bark(venue, account, poke=False), Refusal)


def test_a_void_pip_is_not_poked(world: Genuine) -> None:
    """A poke would set spot to zero, and then the Dog takes every vault for safe: the last spot stands."""
    vault(world)
    safe = world.market.try_bark("ETH-B", USER, poke=False)
    assert safe == HEALTHY
    world.market.void_price("ETH-B")
    venue, account = world.one(USER)
    assert not venue.verdict(account).liquidatable
    assert venue.feeds_of(account) == ()
    assert dict(venue.gaps())["ETH-B"].reason.value == "oracle"
    assert any("void" in note for note in venue.notes(account))
    assert [leg.value_raw for leg in venue.collateral_legs(account)] == [None]
    assert world.market.look("ETH-B", USER)[3] == 0
    assert world.market.try_bark("ETH-B", USER) == HEALTHY


def test_an_old_ilk_is_not_the_dogs(world: Genuine) -> None:
    vault(world, "ETH-A")
    fall(world, "ETH-A")
    venue, account = world.one(USER)
    assert venue.verdict(account).liquidatable
    assert venue.blocked(account) == NO_AUCTIONS
    assert world.market.try_bark("ETH-A", USER) == LIMIT
    bite = world.market.cat.call("bite", word_of("ETH-A"), USER, sender=USER)
    assert bite
    assert any("Cat" in note for note in venue.notes(account))


def test_room_for_a_part_only(world: Genuine) -> None:
    """The limit of debt in auction leaves room for part of the vault; what is left is no dust."""
    market = world.market
    vault(world)
    fall(world)
    market.file(market.dog, "ETH-B", "hole", 1_000 * RAD)
    venue, account = world.one(USER)
    call = bark(venue, account)
    assert isinstance(call, Liquidation)
    assert 0 < call.art < account.art
    chop = market.dog.call("ilks", word_of("ETH-B"))[1]
    _, _, rate, _ = market.look("ETH-B", USER)
    assert call.art == 1_000 * RAD * WAD // rate // chop
    market.bark("ETH-B", USER)
    venue, account = world.one(USER)
    assert venue.verdict(account).liquidatable
    # Whole again less than a unit of room, which is less than dust.
    assert venue.blocked(account) in (LIMIT, DUSTY)


def test_a_remainder_that_would_be_dust_goes_along(world: Genuine) -> None:
    """Just below the whole debt in room: the whole vault goes, and the limit is overrun."""
    market = world.market
    vault(world)
    fall(world)
    _, art, rate, _ = market.look("ETH-B", USER)
    market.file(market.vat, "ETH-B", "dust", 500 * RAD)
    market.file(market.dog, "ETH-B", "hole", art * rate * 105 // 100 - 300 * RAD)
    venue, account = world.one(USER)
    call = bark(venue, account)
    assert isinstance(call, Liquidation)
    assert call.art == art
    assert market.bark("ETH-B", USER)["Bark"]["art"] == art


@pytest.mark.parametrize("more", [0, 1])
def test_a_remainder_of_just_the_least_debt_stays(world: Genuine, more: int) -> None:
    """What is left is as much as the Vat keeps, to the unit of a rad; one more, and it goes along."""
    market = world.market
    vault(world)
    fall(world)
    market.file(market.dog, "ETH-B", "hole", 2_500 * RAD)
    venue, account = world.one(USER)
    call = bark(venue, account)
    assert isinstance(call, Liquidation)
    _, art, rate, _ = market.look("ETH-B", USER)
    market.file(market.vat, "ETH-B", "dust", (art - call.art) * rate + more)
    venue, account = world.one(USER)
    again = bark(venue, account)
    assert isinstance(again, Liquidation)
    assert again.art == (art if more else call.art)
    assert market.bark("ETH-B", USER)["Bark"]["art"] == again.art


def test_equality_is_safe(world: Genuine) -> None:
    """ink · spot equal to art · rate is healthy; one unit of price lower is not."""
    market = world.market
    market.file(market.spotter, "ETH-B", "mat", 2 * RAY)
    market.set_duty("ETH-B", RAY)
    market.set_price("ETH-B", 200 * WAD)
    _, rate, _, _, _ = market.vat.call("ilks", word_of("ETH-B"))
    market.frob(USER, "ETH-B", rate * 10**3, 0)
    market.file(market.vat, "ETH-B", "line", 2**200)
    market.file(market.vat, "Line", 2**200)
    market.frob(USER, "ETH-B", 0, 100 * RAY * 10**3)
    world.ilks[USER] = "ETH-B"
    venue, account = world.one(USER)
    verdict = venue.verdict(account)
    assert verdict.support_raw == verdict.requirement_raw
    assert not verdict.liquidatable
    assert bark(venue, account) == Refusal(HEALTHY)
    assert market.try_bark("ETH-B", USER) == HEALTHY
    market.set_price("ETH-B", 200 * WAD - 1)
    venue, account = world.one(USER)
    assert venue.verdict(account).liquidatable
    market.file(market.dog, "Hole", 2**200)
    market.file(market.dog, "ETH-B", "hole", 2**190)
    assert market.try_bark("ETH-B", USER) is None

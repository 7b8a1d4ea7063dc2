"""Random lives of one vault on the genuine contracts: its terms, its past, and how close it stands."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from hypothesis import strategies as st

from localnet.evm import Reverted
from localnet.maker.cast import borrowable, wallet
from localnet.maker.market import DOG_ILKS, RAD, RAY, WAD, Market
from margin.basics import Address

USER = wallet("user")
DAY_S = 86_400
OLD_ILK = "ETH-A"


@dataclass(frozen=True)
class Life:
    """What happens to one vault and its ilk, before anyone looks."""

    ilk: str
    price_wad: int
    mat_ray: int
    par_ray: int
    duty_ray: int
    base_ray: int
    dust_rad: int
    hole_rad: int
    ink: int
    share: float
    """Of what may be borrowed."""
    days: float
    dripped: bool
    """The fees of that time are booked."""
    fall: float
    """At last the price is multiplied by this …"""
    poked: bool
    """… and the Vat learns of it."""


FEES = st.one_of(
    st.just(0),
    st.integers(1, 10),
    st.integers(10**15, 4 * 10**19),  # up to some 250 % a year
    st.integers(10**20, 10**23),  # drips overflow within the years looked at
    st.integers(-(10**18), -1),
)


@st.composite
def lives(draw: st.DrawFn) -> Life:
    """Vaults from a few wei to millions, near the edge as often as not."""
    odd = st.integers(-(10**20), 10**20)
    return Life(
        ilk=draw(st.sampled_from((*DOG_ILKS, *DOG_ILKS, OLD_ILK))),
        price_wad=draw(st.one_of(st.integers(10**6, 10**24), st.integers(WAD, 10**5 * WAD))),
        mat_ray=draw(st.integers(101 * RAY // 100, 3 * RAY)),
        par_ray=RAY if draw(st.booleans()) else draw(st.integers(RAY // 2, 2 * RAY)),
        duty_ray=RAY + draw(FEES),
        base_ray=draw(st.sampled_from((0, 0, 0, 10**16))),
        dust_rad=draw(st.sampled_from((0, 0, 0, 1, 100 * RAD))),
        hole_rad=draw(st.one_of(st.just(10**9 * RAD), st.integers(0, 3_000 * RAD), st.integers(1, 10**40))),
        ink=draw(st.one_of(st.integers(1, 100), st.integers(WAD // 100, 10**6 * WAD))) + draw(odd) % 1000,
        share=draw(
            st.one_of(st.floats(0.01, 1.0), st.floats(0.97, 1.0), st.floats(0.999, 1.0), st.just(0.0))
        ),
        days=draw(st.one_of(st.just(0.0), st.floats(0, 500))),
        dripped=draw(st.booleans()),
        fall=draw(st.one_of(st.just(1.0), st.floats(0.5, 1.3))),
        poked=draw(st.booleans()),
    )


def live(market: Market, life: Life, user: Address = USER) -> Address:
    """Lets it happen; what the Vat refuses does not happen, but for the collateral."""
    ilk = life.ilk
    market.file(market.spotter, "par", life.par_ray)
    market.file(market.spotter, ilk, "mat", life.mat_ray)
    market.set_price(ilk, life.price_wad)
    market.file(market.vat, ilk, "dust", 0)
    market.frob(user, ilk, life.ink, 0)
    market.file(market.vat, ilk, "dust", life.dust_rad)
    dart = int(borrowable(market, ilk, life.ink) * life.share)
    with contextlib.suppress(Reverted):
        market.frob(user, ilk, 0, dart)
    market.set_duty(ilk, life.duty_ray)
    market.file(market.jug, "base", life.base_ray)
    market.file(market.dog, ilk, "hole", life.hole_rad)
    market.warp(round(life.days * DAY_S))
    if life.dripped:
        with contextlib.suppress(Reverted):
            market.drip(ilk)
    if life.fall != 1.0:
        market.set_price(ilk, max(1, int(life.price_wad * life.fall)), poke=life.poked)
    return user

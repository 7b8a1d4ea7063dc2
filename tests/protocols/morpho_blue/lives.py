"""Random lives on a genuine Morpho Blue: markets, prices and wallets as no one would think of them."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from localnet.evm import Reverted
from localnet.morpho_blue import Listed, MorphoBlue
from localnet.morpho_blue.standard import DECIMALS, wallet
from margin.basics import ZERO_ADDRESS, Address

USER = wallet("random")
DAY_S = 86_400
WAD = 10**18
NAME = "random"
MOST_RAW = 2**104
"""Its shares, a million times as many, still fit the contract."""


@dataclass(frozen=True)
class Life:
    """What happens in one new market, and to one wallet in it, before anyone looks."""

    loan: str
    collateral: str
    lltv_wad: int
    price: float
    """Loan tokens per collateral token."""
    fee_wad: int
    has_interest: bool
    lent: float
    """Whole loan tokens that the market holds at first; a raw unit at least."""
    used: float
    """The share of them that somebody else borrows at once."""
    visits: tuple[float, ...]
    """Days between updates of the market before the wallet comes: the curve adapts."""
    supplied: float
    """Whole collateral tokens."""
    odd_units: int
    """Raw units on top of each amount, so that nothing is round."""
    borrowed: float
    """Share of what can be borrowed, at least one raw unit."""
    own_lent: float
    """Whole loan tokens that the wallet lends beside; 0 for none."""
    days: float
    """Between its last deed and now."""
    fall: float
    """At last the answer is multiplied by this."""


TOKENS = st.sampled_from(sorted(DECIMALS))
THRESHOLDS = st.one_of(
    st.sampled_from([WAD * n // 1000 for n in (625, 770, 800, 860, 915, 945, 980)]),
    st.integers(1, WAD - 1),
)
SHARES = st.one_of(st.floats(0.01, 1.0), st.floats(0.97, 1.0), st.just(0.0), st.just(1.0))
AMOUNTS = st.one_of(st.floats(0.0, 10.0), st.floats(1.0, 1e7), st.floats(1e7, 1e12))


@st.composite
def lives(draw: st.DrawFn) -> Life:
    """Lives near the edge as often as not, in markets above and below the target utilization."""
    loan = draw(TOKENS)
    return Life(
        loan=loan,
        collateral=draw(TOKENS.filter(lambda symbol: symbol != loan)),
        lltv_wad=draw(THRESHOLDS),
        price=draw(st.one_of(st.floats(0.001, 100_000), st.floats(1e-9, 1e9))),
        fee_wad=draw(st.sampled_from((0, WAD // 10, WAD // 4, 123456789012345678))),
        has_interest=draw(st.sampled_from((True, True, True, True, False))),
        lent=draw(AMOUNTS),
        used=draw(st.one_of(st.floats(0, 1), st.floats(0.85, 1.0))),
        visits=tuple(draw(st.lists(st.floats(0, 200), max_size=3))),
        supplied=draw(AMOUNTS),
        odd_units=draw(st.integers(0, 10**9)),
        borrowed=draw(SHARES),
        own_lent=draw(st.one_of(st.just(0.0), st.floats(0.01, 1e6))),
        days=draw(st.one_of(st.just(0.0), st.floats(0, 400))),
        fall=draw(st.one_of(st.just(1.0), st.floats(0.5, 1.5))),
    )


def live(venue: MorphoBlue, life: Life, user: Address = USER) -> Address:
    """Lets it happen; what Morpho refuses (more than there is) does not happen."""
    listed = found(venue, life)
    _use(venue, listed, life)
    for days in life.visits:
        venue.warp(round(days * DAY_S))
        venue.morpho.send("accrueInterest", listed.params)
    amount_raw = _raw(life.supplied, listed.collateral_decimals) + life.odd_units + 1
    venue.supply_collateral(user, listed.name, min(amount_raw, 2**250 // price_of(venue, listed)))
    _borrow(venue, user, listed, life.borrowed)
    if life.own_lent:
        venue.supply(user, listed.name, _raw(life.own_lent, listed.loan_decimals) + 1)
    venue.warp(round(life.days * DAY_S))
    if life.fall != 1.0:
        venue.set_price(listed.name, max(1, int(price_of(venue, listed) * life.fall)))
    return user


def found(venue: MorphoBlue, life: Life) -> Listed:
    """The market of the life, made."""
    digits = DECIMALS[life.loan], DECIMALS[life.collateral]
    listed = venue.create(
        NAME,
        life.loan,
        life.collateral,
        lltv_wad=life.lltv_wad,
        price_raw=max(1, int(life.price * 10 ** (36 + digits[0] - digits[1])) + life.odd_units),
        decimals=digits,
        irm=None if life.has_interest else ZERO_ADDRESS,
    )
    venue.set_fee(NAME, life.fee_wad)
    return listed


def price_of(venue: MorphoBlue, listed: Listed) -> int:
    """What its oracle answers."""
    return int(venue.oracle(listed.oracle).call("price"))


def _raw(tokens: float, decimals: int) -> int:
    return min(MOST_RAW, int(tokens * 10**decimals))


def _use(venue: MorphoBlue, listed: Listed, life: Life) -> None:
    """The market's own lenders, and somebody whose collateral outlives what the price does."""
    lent_raw = _raw(life.lent, listed.loan_decimals) + life.odd_units + 1
    venue.supply(venue.cast["whale"], listed.name, lent_raw)
    borrowed_raw = int(lent_raw * life.used)
    borrower, answer_raw = venue.cast["whale_borrower"], price_of(venue, listed)
    enough_raw = borrowed_raw * 10**36 // answer_raw * WAD // life.lltv_wad * 1_000 + 1_000
    venue.supply_collateral(borrower, listed.name, min(MOST_RAW, enough_raw, 2**250 // answer_raw))
    if borrowed_raw:
        if_allowed(lambda: venue.borrow(borrower, listed.name, borrowed_raw))


def _borrow(venue: MorphoBlue, user: Address, listed: Listed, share: float) -> None:
    """What the wallet can borrow, whoever lends it; a little less where rounding is against it."""
    collateral_raw = venue.position(listed.name, user)[2]
    most_raw = collateral_raw * price_of(venue, listed) // 10**36 * listed.lltv_wad // WAD
    wanted_raw = max(1, min(MOST_RAW, most_raw if share == 1.0 else int(most_raw * share)))
    assets, _, used, *_ = venue.market(listed.name)
    if assets - used < wanted_raw < MOST_RAW:
        if_allowed(lambda: venue.supply(venue.cast["whale"], listed.name, wanted_raw))
    for less in (0, 1, 2, 3):
        if wanted_raw > less and if_allowed(lambda n=less: venue.borrow(user, listed.name, wanted_raw - n)):
            return


def if_allowed(action: object) -> bool:
    """Whether the contract let it happen."""
    try:
        action()  # type: ignore[operator]
    except Reverted:
        return False
    return True

"""Maker's system at one block, and its exact verdict over any vault, price and time.

A vault is unsafe when `ink · spot < art · rate` (Dog.bark, dog.sol of makerdao/dss). `spot` follows
the pip only when someone calls `Spotter.poke`, and `rate` the fee only with `Jug.drip`; anyone may.
So at the block and at any prices `spot` is taken as poked and `rate` as it stands; at a later moment
`rate` is taken as dripped then. Where the pip has no price, `spot` stands as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from margin.account import Clock
from margin.basics import BlockRef, Unread
from margin.legs import CollateralLeg, DebtLeg
from margin.linear import LinearForm
from margin.mending import worse_of
from margin.prices import Feed, FeedKey, Prices
from margin.units import BPS, RAY, UINT256_MAX, WAD, mul_div_up
from margin.verdict import Verdict
from protocols.maker import arithmetic
from protocols.maker.arithmetic import BLN, Overflows
from protocols.maker.state import Ilk, System, Vault

FLOAT_SHARE = 1e-13
"""Of the gross values: more than the few roundings of 2**-53 in building and summing a float row."""
_HIGHEST_RAW = 2**128 - 1
"""An oracle security module keeps its price in 128 bits."""


@dataclass(frozen=True)
class Market:
    """Everything but the vaults."""

    id: str
    block: BlockRef
    system: System
    ilks: tuple[Ilk, ...]
    feeds: Mapping[FeedKey, Feed]
    prices: Prices
    """Today's raw answers of those feeds."""

    @property
    def clock(self) -> Clock:
        """Fees accrue by the second."""
        return Clock(self.block.timestamp, self.block.timestamp)

    @cached_property
    def by_word(self) -> Mapping[bytes, Ilk]:
        """The ilks by name."""
        return {ilk.word: ilk for ilk in self.ilks}

    def ilk_of(self, account: Vault) -> Ilk:
        """The terms it is held on."""
        return self.by_word[account.ilk]

    def price_ray(self, ilk: Ilk, prices: Prices) -> int:
        """DAI for one unit of collateral; from the stored spot where the pip has no price."""
        if isinstance(ilk.quote, Unread):
            return ilk.spot_ray * ilk.mat_ray // RAY
        return arithmetic.price_ray(prices[ilk.quote], self.system.par_ray)

    def spot_ray(self, ilk: Ilk, prices: Prices) -> int:
        """`spot` once it is poked; as stored where the pip has no price, or the Vat is shut down."""
        if isinstance(ilk.quote, Unread) or not self.system.vat_live:
            return ilk.spot_ray
        return arithmetic.spot_ray(prices[ilk.quote], self.system.par_ray, ilk.mat_ray)

    def rate_ray(self, ilk: Ilk, at: int) -> tuple[int, int]:
        """`rate` at a reading of the clock, and its noise (see `arithmetic.rate_noise_ray`).

        Dripped at any later moment, as stored at the block's own. A drip that overflows reverts, and
        leaves the rate as it stands: then the noise is −1.
        """
        if at <= self.block.timestamp or not self.system.vat_live:
            return ilk.rate_ray, 0
        dai = self.system.vow_dai_rad
        fee_ray, elapsed_s = self.system.base_ray + ilk.duty_ray, at - ilk.rho
        try:
            after = arithmetic.rate_after_drip(ilk.rate_ray, fee_ray, elapsed_s, ilk.total_art, dai)
        except Overflows:
            return ilk.rate_ray, -1
        return after, arithmetic.rate_noise_ray(ilk.rate_ray, after, fee_ray, elapsed_s)

    def verdict(self, account: Vault, prices: Prices | None = None, at: int | None = None) -> Verdict:
        """The Dog's own comparison, in rads: support is `ink · spot`, requirement `art · rate`."""
        prices = self.prices if prices is None else prices
        at = self.block.timestamp if at is None else at
        ilk = self.ilk_of(account)
        rate, noise = self.rate_ray(ilk, at)
        return self._judged(
            account, self.spot_ray(ilk, prices), rate, self.price_ray(ilk, prices), (at, noise)
        )

    def as_stored(self, account: Vault) -> Verdict:
        """The same with the Vat's spot and rate as they stand, whatever the pip says."""
        ilk = self.ilk_of(account)
        price = self.price_ray(ilk, self.prices)
        return self._judged(account, ilk.spot_ray, ilk.rate_ray, price, (self.block.timestamp, 0))

    def _judged(
        self, account: Vault, spot_ray: int, rate_ray: int, price_ray: int, moment: tuple[int, int]
    ) -> Verdict:
        support, requirement = account.ink * spot_ray, account.art * rate_ray
        at, noise = moment
        return Verdict(
            support_raw=support,
            requirement_raw=requirement,
            assets_raw=account.ink * price_ray,
            liabilities_raw=requirement,
            health_factor_wad=support * WAD // requirement if requirement else None,
            terms=((at, noise, account.art, rate_ray),),
        )

    def least_margin(self, a: Verdict, b: Verdict) -> int:
        """See `margin.account.Judge`.

        At one time the requirement stands still, and `spot` only rises with the one price there is. At
        one price the support stands still, and the rate leaves the smooth curve, which only rises or
        only falls, by its noise alone. Beyond a drip that overflows nothing is known of the way there.
        """
        support = min(a.support_raw, b.support_raw)
        (at_a, noise_a, art, rate_a), (at_b, noise_b, _, rate_b) = a.terms[0], b.terms[0]
        if at_a == at_b or (noise_a < 0 and noise_b < 0):
            return support - max(a.requirement_raw, b.requirement_raw)
        if min(noise_a, noise_b) < 0:
            return -1 if art else support
        highest = max(rate_a + noise_a, rate_b + noise_b) + max(noise_a, noise_b)
        return support - art * highest

    def linear(self, account: Vault, at: int | None = None) -> LinearForm:
        """The linear form, in rads.

        `spot` is floored twice, so it lies at most `1/mat + 1` units of a ray below the straight line.
        """
        ilk = self.ilk_of(account)
        rate, _ = self.rate_ray(ilk, self.block.timestamp if at is None else at)
        owed = float(account.art) * float(rate)
        if isinstance(ilk.quote, Unread) or not self.system.vat_live:
            held = float(account.ink) * float(ilk.spot_ray)
            return LinearForm((), (), (), held, owed, (), FLOAT_SHARE * (held + owed) + 1.0)
        per_unit = float(account.ink) * (BLN * RAY / self.system.par_ray) * (RAY / ilk.mat_ray)
        floors = float(account.ink) * (RAY / ilk.mat_ray + 1.0) * (1.0 + FLOAT_SHARE)
        return LinearForm(
            feeds=(ilk.quote,),
            support=(per_unit,),
            requirement=(0.0,),
            support_constant=0.0,
            requirement_constant=owed,
            error=(FLOAT_SHARE * per_unit,),
            error_constant=FLOAT_SHARE * owed + floors + 1.0,
        )

    def feeds_of(self, account: Vault) -> tuple[FeedKey, ...]:
        """The pip of its ilk, where that has a price and there is collateral to be priced."""
        quote = self.ilk_of(account).quote
        if isinstance(quote, Unread) or not account.ink or not self.system.vat_live:
            return ()
        return (quote,)

    def price_limit(self, account: Vault, feed: FeedKey) -> int:  # noqa: ARG002 - it has one feed
        """The largest answer that neither `Spotter.poke`, `Dog.bark` nor `Clipper.kick` overflows at."""
        ilk, par_ray = self.ilk_of(account), self.system.par_ray
        highest_price = UINT256_MAX // max(RAY, ilk.clip.buf_ray if ilk.clip else RAY)
        highest_spot = UINT256_MAX // max(account.ink, 1)
        by_price = min(highest_price, highest_spot * ilk.mat_ray // RAY) * par_ray // RAY // BLN
        return max(1, min(_HIGHEST_RAW, by_price, UINT256_MAX // RAY // BLN))

    def collateral_legs(self, account: Vault) -> tuple[CollateralLeg, ...]:
        """What is locked, in the token's own units, rounded down; its threshold is one over `mat`."""
        ilk = self.ilk_of(account)
        if not account.ink:
            return ()
        gem, unpriced = ilk.gem, isinstance(ilk.quote, Unread)
        assert not isinstance(gem, Unread), "vaults in an unknown token are never judged"
        return (
            CollateralLeg(
                token=gem.token,
                symbol=gem.symbol,
                decimals=gem.decimals,
                amount_raw=account.ink // gem.scale,
                value_raw=None if unpriced else account.ink * self.price_ray(ilk, self.prices),
                threshold_bps=RAY * BPS // ilk.mat_ray,
                feed=None if isinstance(ilk.quote, Unread) else ilk.quote,
            ),
        )

    def debt_legs(self, account: Vault) -> tuple[DebtLeg, ...]:
        """What the Vat would take today for all of it: `art · rate`, in DAI, rounded up."""
        owed_rad = account.art * self.ilk_of(account).rate_ray
        if not owed_rad:
            return ()
        dai = self.system.dai
        return (DebtLeg(dai.token, dai.symbol, dai.decimals, mul_div_up(owed_rad, 1, RAY), owed_rad, None),)

    def worst_between(self, a: Verdict, b: Verdict) -> Verdict:
        """Neither support nor debt ever falls back as an amount grows."""
        return worse_of(a, b)

"""Bands: from an account's exact distances to one word."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum

from margin.units import WAD


class Band(IntEnum):
    """How an account stands, from best to worst. `unknown` is worse than any danger that is known."""

    OK = 0
    WARNING = 1
    DANGER = 2
    UNKNOWN = 3
    LIQUIDATABLE = 4

    @property
    def word(self) -> str:
        """As it is written everywhere outside."""
        return self.name.lower()

    def __str__(self) -> str:
        return self.word

    def __format__(self, spec: str) -> str:
        return format(self.word, spec)


EXIT_CODE = {Band.OK: 0, Band.WARNING: 1, Band.DANGER: 1, Band.UNKNOWN: 3, Band.LIQUIDATABLE: 2}
"""The convention of monitoring plugins."""


def worst(bands: Iterable[Band]) -> Band:
    """The worst of them; ok when there is none."""
    return max(bands, default=Band.OK)


@dataclass(frozen=True, slots=True)
class Bounds:
    """When an account is in a band: at or beyond any one of these. `None` is not looked at."""

    drop: Decimal | None = None
    """A factor's move, up or down, as a share: 0.20 is 20 %."""
    health_factor: Decimal | None = None
    hours: Decimal | None = None
    """Until interest alone liquidates it, prices held."""

    def over(self, base: Bounds) -> Bounds:
        """These bounds, and those of `base` where one is not given here."""
        return Bounds(
            drop=base.drop if self.drop is None else self.drop,
            health_factor=base.health_factor if self.health_factor is None else self.health_factor,
            hours=base.hours if self.hours is None else self.hours,
        )

    def meets(self, shock_wad: int | None, health_factor_wad: int | None, seconds: int | None) -> bool:
        """Whether the account is at or beyond one of the bounds; compared without rounding.

        `shock_wad` is the smallest move of a factor that liquidates it, `seconds` the time until
        interest does; `None` where neither ever does.
        """
        drop = self.drop is not None and shock_wad is not None and abs(shock_wad) <= self.drop * WAD
        health = self.health_factor is not None and health_factor_wad is not None
        thin = health and health_factor_wad <= self.health_factor * WAD  # type: ignore[operator]
        soon = self.hours is not None and seconds is not None and seconds <= self.hours * 3600
        return drop or thin or soon


@dataclass(frozen=True, slots=True)
class Bands:
    """The bounds of both bands."""

    warning: Bounds
    danger: Bounds

    def over(self, base: Bands) -> Bands:
        """These bands, filled from `base` bound by bound."""
        return Bands(self.warning.over(base.warning), self.danger.over(base.danger))

    def of(self, shock_wad: int | None, health_factor_wad: int | None, seconds: int | None) -> Band:
        """The band of an account that is read, decided and safe."""
        if self.danger.meets(shock_wad, health_factor_wad, seconds):
            return Band.DANGER
        return Band.WARNING if self.warning.meets(shock_wad, health_factor_wad, seconds) else Band.OK


DEFAULT_BANDS = Bands(
    warning=Bounds(drop=Decimal("0.20"), health_factor=Decimal("1.25")),
    danger=Bounds(drop=Decimal("0.08"), health_factor=Decimal("1.08")),
)

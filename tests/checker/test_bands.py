"""Bands: every bound is inclusive, decided in integers, and the worst of them wins."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.bands import DEFAULT_BANDS, EXIT_CODE, Band, Bands, Bounds, worst

WAD = 10**18
HOUR = 3600


@pytest.mark.parametrize(
    ("shock_wad", "band"),
    [
        (None, Band.OK),
        (-(20 * WAD // 100) - 1, Band.OK),
        (-(20 * WAD // 100), Band.WARNING),
        (20 * WAD // 100, Band.WARNING),
        (20 * WAD // 100 + 1, Band.OK),
        (-(8 * WAD // 100) - 1, Band.WARNING),
        (-(8 * WAD // 100), Band.DANGER),
        (8 * WAD // 100, Band.DANGER),
        (-1, Band.DANGER),
    ],
)
def test_drop_in_either_direction(shock_wad: int | None, band: Band) -> None:
    assert DEFAULT_BANDS.of(shock_wad, None, None) is band


@pytest.mark.parametrize(
    ("health_wad", "band"),
    [
        (None, Band.OK),
        (125 * WAD // 100 + 1, Band.OK),
        (125 * WAD // 100, Band.WARNING),
        (108 * WAD // 100 + 1, Band.WARNING),
        (108 * WAD // 100, Band.DANGER),
        (WAD, Band.DANGER),
    ],
)
def test_health_factor(health_wad: int | None, band: Band) -> None:
    assert DEFAULT_BANDS.of(None, health_wad, None) is band


@pytest.mark.parametrize(
    ("seconds", "band"),
    [
        (None, Band.OK),
        (24 * HOUR + 1, Band.OK),
        (24 * HOUR, Band.WARNING),
        (6 * HOUR, Band.DANGER),
        (1, Band.DANGER),
    ],
)
def test_hours(seconds: int | None, band: Band) -> None:
    bands = Bands(Bounds(hours=Decimal(24)), Bounds(hours=Decimal(6)))
    assert bands.of(-1, WAD + 1, seconds) is band


figures = st.none() | st.integers(1, 4 * WAD)


@given(figures, figures, figures)
def test_the_worst_criterion_wins(shock_wad: int | None, health_wad: int | None, seconds: int | None) -> None:
    bands = DEFAULT_BANDS.over(Bands(Bounds(hours=Decimal(30)), Bounds(hours=Decimal(3))))
    bands = Bands(Bounds(hours=Decimal(30)).over(bands.warning), Bounds(hours=Decimal(3)).over(bands.danger))
    alone = [bands.of(shock_wad, None, None), bands.of(None, health_wad, None), bands.of(None, None, seconds)]
    assert bands.of(shock_wad, health_wad, seconds) is worst(alone)


@given(st.decimals("0", "10", places=6), st.integers(-10 * WAD, 10 * WAD))
def test_a_bound_is_compared_without_rounding(drop: Decimal, shock_wad: int) -> None:
    bound_wad = int(drop.scaleb(18))
    assert Bounds(drop=drop).meets(shock_wad, None, None) is (abs(shock_wad) <= bound_wad)


def test_ranking_and_exit_codes() -> None:
    assert sorted(Band) == [Band.OK, Band.WARNING, Band.DANGER, Band.UNKNOWN, Band.LIQUIDATABLE]
    assert [band.word for band in Band] == ["ok", "warning", "danger", "unknown", "liquidatable"]
    assert [EXIT_CODE[band] for band in Band] == [0, 1, 1, 3, 2]
    assert worst([]) is Band.OK
    assert worst([Band.DANGER, Band.UNKNOWN]) is Band.UNKNOWN


def test_a_band_reads_as_its_word_and_ranks_as_a_number() -> None:
    assert [str(band) for band in sorted(Band, reverse=True)] == [
        "liquidatable",
        "unknown",
        "danger",
        "warning",
        "ok",
    ]
    assert f"{Band.OK}|{Band.DANGER:>8}" == "ok|  danger"

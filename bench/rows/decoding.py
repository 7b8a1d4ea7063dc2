"""Taking apart what a node answered."""

from __future__ import annotations

import random
from collections.abc import Iterator

from eth_abi.abi import decode

from bench.measure import Way
from bench.row import Row, same
from bench.stage import Stage
from protocols.aave_v3.abi import GET_USER_ACCOUNT_DATA

WORDS = 6


def measure(stage: Stage) -> Iterator[Row]:
    """Answers of `getUserAccountData`, six words each, by our codec and by eth_abi."""
    rng = random.Random(6)  # noqa: S311 - any words will do
    answers = [rng.randbytes(32 * WORDS) for _ in range(stage.size.answers)]
    types = ["uint256"] * WORDS

    def ours() -> list[object]:
        return [GET_USER_ACCOUNT_DATA.decode(answer) for answer in answers]

    def theirs() -> list[object]:
        return [decode(types, answer) for answer in answers]

    same("decoding", ours(), theirs())
    times = stage.race(Way(theirs, len(answers)), Way(ours, len(answers)))
    yield Row(
        what=f"decode {len(answers):,} × {WORDS} words",
        against="eth_abi",
        ratio=times.ratio(),
        figures=f"{times.per_second():,.0f} answers a second against {times.baseline_per_second:,.0f}",
        meaning="Bytes to Python integers, with every length and range checked, against `eth_abi.decode`.",
        aim=50,
    )

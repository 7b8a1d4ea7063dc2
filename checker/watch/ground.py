"""What changed under an account: two readings of the parameters it stands on, in sentences."""

from __future__ import annotations

import re
from collections.abc import Mapping

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


def ground_moved(before: Mapping[str, str | int], after: Mapping[str, str | int]) -> list[str]:
    """A sentence for each parameter that differs, in the order of `after`. See `Venue.ground`.

    What stands in one of the two alone did not move: the account came to stand on it or left it, or
    it could not be read. Keep `kept(before, after)` as the next `before`.
    """
    return [_sentence(name, before[name], now) for name, now in after.items() if _differs(before, name, now)]


def kept(before: Mapping[str, str | int], after: Mapping[str, str | int]) -> dict[str, str | int]:
    """What to compare the next reading with: the newest known value of each parameter."""
    return {**before, **after}


def _differs(before: Mapping[str, str | int], name: str, now: str | int) -> bool:
    return name in before and before[name] != now


def _sentence(name: str, then: str | int, now: str | int) -> str:
    if isinstance(now, bool):
        subject, _, switch = name.rpartition(": ")
        return f"{subject} was {switch}" if now else f"{subject} is no longer {switch}"
    if any(_ADDRESS.fullmatch(str(value)) for value in (then, now)):
        return f"{name} changed from {then} to {now}"
    return f"{name} {then} → {now}"

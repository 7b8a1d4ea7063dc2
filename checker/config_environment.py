"""`$NAME` in the configuration: every text of it may take a part from the environment.

What came from there is never printed: a problem with it is told by the name of the variable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from checker.config_types import expand, variables

Place = tuple[str | int, ...]
"""The keys and positions that lead to a value."""


@dataclass(frozen=True, slots=True)
class Expanded:
    """A document with its variables filled in, and which texts those were."""

    document: dict[str, Any] = field(repr=False)
    written: dict[Place, str] = field(repr=False)
    """The texts with variables, as they stand in the file."""
    missing: dict[Place, str]
    """The first variable of a text that is not set; the text is left as it was."""

    def names(self, place: Place) -> str:
        """The variables of a text, for a person; empty when it has none."""
        return ", ".join(f"${name}" for name in variables(self.written.get(place, "")))

    def shown(self, place: Place, value: str) -> str:
        """What may be printed of a value: as it was written."""
        return self.written.get(place, value)


def expanded(raw: Mapping[str, Any], environment: Mapping[str, str]) -> Expanded:
    """Fills in the variables of every text, wherever it stands; keys are taken as they are."""
    written: dict[Place, str] = {}
    missing: dict[Place, str] = {}

    def filled(value: Any, place: Place) -> Any:
        if isinstance(value, dict):
            return {key: filled(inner, (*place, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [filled(inner, (*place, at)) for at, inner in enumerate(value)]
        if not isinstance(value, str) or not variables(value):
            return value
        written[place] = value
        try:
            return expand(value, environment)
        except KeyError as unset:
            missing[place] = unset.args[0]
            return value

    return Expanded({key: filled(value, (key,)) for key, value in raw.items()}, written, missing)

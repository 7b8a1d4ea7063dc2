"""The venue's own lists in the configuration: `markets`, and the one line that each mistake brings."""

from __future__ import annotations

from pathlib import Path

import pytest

from checker.config import load_config
from checker.venues import places
from margin.errors import ConfigError

A = "0x2f39d218133AFaB8F2B819B1066c7E434Ad94E9e"
ID = "0x" + "aB" * 32
TEXT = f"""
[chains.local]
rpc = "http://127.0.0.1:1"
[[venues]]
chain = "local"
protocol = "morpho-blue"
morpho = "{A}"
"""


def loaded(tmp_path: Path, lines: str, environment: dict[str, str] | None = None) -> tuple[str, ...]:
    file = tmp_path / "c.toml"
    file.write_text(TEXT + lines)
    config = load_config(file, environment=environment or {})
    (place,) = places(config.chains[0], None, config)
    return place.config.options.get("markets", ())


def test_markets_may_be_named_or_not(tmp_path: Path) -> None:
    assert loaded(tmp_path, "") == ()
    assert loaded(tmp_path, f'markets = ["{ID}"]') == (ID.lower(),)
    assert loaded(tmp_path, f'markets = "{ID}"') == (ID.lower(),)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("markets = []", "expected at least one"),
        (f'markets = ["{ID}", "0x12"]', "entry 2 is not 0x and 64 hex digits"),
        ("markets = [7]", "expected a text in quotes"),
        (f'market = "{ID}"', "unknown key"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, lines: str, said: str) -> None:
    key = lines.partition(" ")[0]
    with pytest.raises(ConfigError, match=rf"^[^\n]*venues\[0\]\.{key}: {said}[^\n]*$"):
        loaded(tmp_path, lines)


def test_what_came_from_the_environment_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as told:
        loaded(tmp_path, 'markets = ["$SECRET"]', {"SECRET": "hidden-thing"})
    assert "hidden-thing" not in str(told.value)

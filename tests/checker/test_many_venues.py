"""A wallet in six venues of five protocols on one chain: one check, one block, a bounded number of requests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checker.conftest import Run
from tests.checker.many_venues import ETHER, TREASURY, Many, many_venues

VENUES = [
    "local/aave-v2",
    "local/aave-v3/v3.0.2",
    "local/aave-v3/v3.2",
    "local/compound-v2",
    "local/maker",
    "local/morpho-blue",
]


@pytest.fixture(scope="module")
def many() -> Iterator[Many]:
    with many_venues() as found:
        yield found


def test_one_check_shows_them_all_at_one_block(many: Many, run: Run, tmp_path: Path) -> None:
    many.write_config(tmp_path / "c.toml", many.anvil.url, {"treasury": TREASURY})
    document = run("check", "--json", "--config", str(tmp_path / "c.toml")).json
    (block,) = document["blocks"]
    assert block["number"] == many.anvil.block_number()
    (wallet,) = document["wallets"]
    assert sorted(account["venue"] for account in wallet["accounts"]) == VENUES
    for account in wallet["accounts"]:
        assert account["agrees"] is True, account
        assert account["owner"] == TREASURY
        assert sum(int(leg["amount_raw"]) for leg in account["collateral"]) >= 10 * ETHER
        assert account["debt"]
        assert account["health_factor"] > 1

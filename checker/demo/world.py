"""The demo's world: two genuine Aave v3 markets on one local chain, and wallets that live on both."""

from __future__ import annotations

import atexit
import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path

from localnet import cast, packages, states
from localnet.aave_v3 import Market, deploy, standard
from localnet.anvil import Anvil
from localnet.cache import build_directory
from margin.basics import Address

OLDER, NEWER = "3.0.2", "3.2"
FACTORS = {"WETH": "ETH", "wstETH": "ETH", "cbETH": "ETH", "rETH": "ETH", "WBTC": "BTC"}
"""The risk behind the markets' tokens; each other one is a risk of its own."""


@dataclass(frozen=True, slots=True)
class World:
    """A running chain with both markets; its wallets have the same address on both."""

    anvil: Anvil
    markets: dict[str, Market]
    """By version."""

    def venue(self, version: str) -> str:
        """The venue's id in the demo's configuration."""
        return f"local/aave-v3/v{version}"

    @property
    def wallets(self) -> dict[str, Address]:
        """Everyone who lives on either market, by name."""
        return {name: address for market in self.markets.values() for name, address in market.cast.items()}

    def config_text(self) -> str:
        """A configuration file for this chain."""
        lines = ["[chains.local]", f'rpc = ["{self.anvil.url}"]', "chain_id = 31337", ""]
        for version, market in self.markets.items():
            provider = market.core.addresses()["addresses_provider"]
            lines += ["[[venues]]", 'chain = "local"', 'protocol = "aave-v3"', f'name = "v{version}"']
            lines += [f'pool_addresses_provider = "{provider}"', ""]
        for name, address in self.wallets.items():
            lines += ["[[wallets]]", f'label = "{name}"', f'addresses = ["{address}"]', ""]
        lines.append("[factors]  # the risk behind each token, by address")
        for market in self.markets.values():
            for symbol, reserve in market.reserves.items():
                lines.append(f'"{reserve.token}" = "{FACTORS.get(symbol, symbol)}"')
        return "\n".join(lines) + "\n"

    def leave_running(self) -> None:
        """Lets the chain live on after this program: whoever wants it gone ends it by its process id."""
        atexit.unregister(self.anvil.stop)
        os.kill(self.anvil.guard_pid, signal.SIGKILL)


def fetch_packages() -> str:
    """Downloads what is not in the cache yet: the node and the contracts. What it is, for a person."""
    packages.anvil_binary()
    for package in (packages.AAVE_V3_0_2, packages.AAVE_V3_2, packages.SOLC):
        packages.unpacked(package)
    return f"Anvil {packages.ANVIL_VERSION}, Aave v{OLDER} and v{NEWER} as their authors compiled them"


def raise_world() -> World:
    """The chain, loaded from the cache; deployed and lived in first where it is not there yet."""
    older = states.saved(f"aave-v{OLDER}")
    place = build_directory(older.with_name(f"demo-{NEWER}-on-{older.name}"), _build)
    anvil = Anvil.start(state=place / "state.json")
    try:
        documents = json.loads((place / "markets.json").read_text())
        return World(anvil, {v: Market.from_json(anvil, document) for v, document in documents.items()})
    except BaseException:
        anvil.stop()
        raise


def _build(work: Path) -> None:
    anvil, older = states.load(f"aave-v{OLDER}")
    with anvil:
        newer = deploy(anvil, NEWER)
        standard.list_all(newer)
        standard.add_liquidity(newer)
        cast.play(newer)
        cast.settle_at_edge(older)  # weeks have passed there meanwhile
        anvil.dump_state(work / "state.json")
        markets = {NEWER: newer.to_json(), OLDER: older.to_json()}
        (work / "markets.json").write_text(json.dumps(markets))

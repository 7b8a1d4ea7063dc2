"""One chain with a venue of every protocol, and a wallet that is in each of them.

Genuine contracts, where a registry has them; else our stand-ins.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from localnet import aave_v2, aave_v3, compound_v2, states
from localnet.aave_v2 import standard as aave_v2_standard
from localnet.aave_v2 import states as aave_v2_states
from localnet.aave_v3 import standard as aave_v3_standard
from localnet.anvil import Anvil
from localnet.cache import build_directory, cache_dir, sha256_hex
from localnet.compound_v2 import standard as compound_v2_standard
from localnet.compound_v3 import standard as compound_v3_standard
from localnet.compound_v3 import standing as compound_v3_states
from localnet.compound_v3.contracts import OUR_OWN
from localnet.compound_v3.market import Comet
from localnet.maker import states as maker_states
from localnet.maker.cast import borrowable
from localnet.maker.market import WAD
from localnet.maker.market import Market as Maker
from localnet.morpho_blue import standard as morpho_blue_standard
from localnet.morpho_blue import standing as morpho_blue_states
from localnet.morpho_blue.venue import MorphoBlue
from margin.basics import Address

VERSIONS = ("3.0.2", "3.2")
TREASURY = aave_v3_standard.wallet("treasury")
"""Lends ether and owes dollars at every venue."""
CROWD = tuple(aave_v3_standard.wallet(f"many {number}") for number in range(40))
"""So do these, a little less each than the one before."""
ETHER = 10**18


@dataclass(frozen=True, slots=True)
class Many:
    """The running chain and its venues."""

    anvil: Anvil
    aave_v2: aave_v2.Market
    aave_v3: Mapping[str, aave_v3.Market]
    compound_v2: compound_v2.Market
    compound_v3: Comet
    maker: Maker
    morpho_blue: MorphoBlue

    def venues(self) -> list[dict[str, str]]:
        """The `[[venues]]` of a configuration: protocol, name where there are two, addresses."""
        v2 = {"protocol": "aave-v2", "addresses_provider": self.aave_v2.core.provider.address}
        v3 = [
            {
                "protocol": "aave-v3",
                "name": f"v{version}",
                "pool_addresses_provider": market.addresses_provider.address,
            }
            for version, market in self.aave_v3.items()
        ]
        compound = {"protocol": "compound-v2", "comptroller": self.compound_v2.comptroller.address}
        comet = {"protocol": "compound-v3", "comet": self.compound_v3.comet.address}
        names = {
            "vat": "MCD_VAT",
            "spotter": "MCD_SPOT",
            "jug": "MCD_JUG",
            "dog": "MCD_DOG",
            "cdp_manager": "CDP_MANAGER",
            "proxy_registry": "PROXY_REGISTRY",
        }
        vaults = {"protocol": "maker"} | {key: self.maker.addresses[name] for key, name in names.items()}
        morpho = {"protocol": "morpho-blue", "morpho": self.morpho_blue.morpho.address}
        return [v2, *v3, compound, comet, vaults, morpho]

    def ether(self) -> list[Address]:
        """The token that stands for ether at each venue."""
        return [
            self.aave_v2.reserves["WETH"].token,
            *(market.reserves["WETH"].token for market in self.aave_v3.values()),
            self.compound_v2.markets["WETH"].token,
            self.compound_v3.tokens["WETH"],
            self.maker.addresses["ETH"],
            self.morpho_blue.tokens["WETH"],
        ]

    def references(self) -> dict[Address, Address]:
        """Feeds in dollars of what some venues count in: ether, DAI, and the loan token of a market."""
        market = self.aave_v3["3.2"]
        counted_in = {
            self.aave_v2.reserves["WETH"].token: "WETH",
            self.maker.addresses["MCD_DAI"]: "DAI",
            self.morpho_blue.tokens["USDC"]: "USDC",
        }
        return {token: Address(market.feed(symbol).address) for token, symbol in counted_in.items()}

    def write_config(
        self,
        path: Path,
        url: str,
        wallets: Mapping[str, str],
        references: Mapping[Address, Address] | None = None,
    ) -> None:
        """A configuration file for the chain at an endpoint, with wallets by their labels."""
        lines = ["[chains.local]", f'rpc = ["{url}"]', "chain_id = 31337", ""]
        if references:
            lines += [
                "[chains.local.references]",
                *(f'"{key}" = "{feed}"' for key, feed in references.items()),
            ]
        for venue in self.venues():
            lines += [
                "[[venues]]",
                'chain = "local"',
                *(f'{key} = "{said}"' for key, said in venue.items()),
                "",
            ]
        for label, address in wallets.items():
            lines += ["[[wallets]]", f'label = "{label}"', f'addresses = ["{address}"]', ""]
        lines += ["[factors]", *(f'"{token}" = "ETH"' for token in dict.fromkeys(self.ether()))]
        path.write_text("\n".join(lines) + "\n")


@contextmanager
def many_venues() -> Iterator[Many]:
    """The chain, loaded from the cache; deployed first where it is not there yet."""
    base = maker_states.saved(empty=True)
    parts = [base.name, states.recipe_hash(), aave_v2_states.saved(empty=True).name]
    parts += [states.saved(f"aave-v{version}-empty").name for version in VERSIONS]
    parts += [compound_v3_states.saved(empty=True).name]
    parts += [morpho_blue_states.saved(empty=True).name, Path(__file__).read_text()]
    place = build_directory(
        cache_dir() / "states" / f"many-{sha256_hex(chr(10).join(parts).encode())[:24]}", _build
    )
    documents = json.loads((place / "venues.json").read_text())
    with Anvil.start(state=place / "state.json") as anvil:
        yield Many(
            anvil,
            aave_v2.Market.from_json(anvil, documents["aave_v2"]),
            {v: aave_v3.Market.from_json(anvil, documents[v]) for v in VERSIONS},
            compound_v2.Market(anvil, documents["compound_v2"]),
            Comet.from_json(anvil, documents["compound_v3"], OUR_OWN),
            Maker.from_json(anvil, documents["maker"]),
            MorphoBlue.from_json(anvil, documents["morpho_blue"]),
        )


def _build(work: Path) -> None:
    place = maker_states.saved(empty=True)
    # Maker's own transactions need a chain of their own; all others can be deployed on any.
    with Anvil.start(state=place / "state.json") as anvil:
        vaults = Maker.from_json(anvil, json.loads((place / "market.json").read_text()))
        v2 = aave_v2.Market.deploy(anvil)
        aave_v2_standard.list_all(v2)
        aave_v2_standard.add_liquidity(v2)
        v3 = {version: aave_v3.deploy(anvil, version) for version in VERSIONS}
        for market in v3.values():
            aave_v3_standard.list_all(market)
            aave_v3_standard.add_liquidity(market)
        compound = compound_v2.Market.deploy(anvil)
        compound_v2_standard.list_all(compound)
        comet = compound_v3_standard.standard(Comet.deploy(anvil))
        morpho = MorphoBlue.deploy(anvil)
        morpho_blue_standard.list_all(morpho)
        morpho_blue_standard.add_liquidity(morpho)
        many = Many(anvil, v2, v3, compound, comet, vaults, morpho)
        _settle(many, TREASURY, 12_000 * 10**6)
        for number, user in enumerate(CROWD):
            _settle(many, user, (11_900 - 200 * number) * 10**6)
        anvil.mine(anvil.timestamp() + 86_400)
        anvil.dump_state(work / "state.json")
    documents = {
        "aave_v2": v2.to_json(),
        **{version: market.to_json() for version, market in v3.items()},
        "compound_v2": compound.to_json(),
        "compound_v3": comet.to_json(),
        "maker": vaults.to_json(),
        "morpho_blue": morpho.to_json(),
    }
    (work / "venues.json").write_text(json.dumps(documents))


def _settle(many: Many, user: Address, usdc_raw: int) -> None:
    """Ten ether in each venue, and about so many dollars owed against them."""
    v2, compound, vaults = many.aave_v2, many.compound_v2, many.maker
    v2.supply(user, "WETH", 10 * ETHER)
    v2.borrow(user, "USDC", usdc_raw)
    for market in many.aave_v3.values():
        market.supply(user, "WETH", 10 * ETHER)
        market.borrow(user, "USDC", usdc_raw)
    compound.supply(user, "WETH", 10 * ETHER)
    compound.enter(user, "WETH")
    compound.borrow(user, "USDC", usdc_raw)
    many.compound_v3.supply(user, "WETH", 10 * ETHER)
    many.compound_v3.withdraw(user, "USDC", usdc_raw)
    most = borrowable(vaults, "ETH-B", 10 * WAD)
    vaults.open_vault("ETH-B", user, 10 * WAD, most * usdc_raw // (15_000 * 10**6))
    many.morpho_blue.supply_collateral(user, "WETH/USDC", 10 * ETHER)
    many.morpho_blue.borrow(user, "WETH/USDC", usdc_raw)

"""Deploys the contracts of an Aave v3 market, in the order they need each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from localnet.aave_v3.versions import Version
from localnet.artifacts import ArtifactSource
from localnet.evm import DEPLOYER, Contract, Evm
from margin.basics import ZERO_ADDRESS, Address
from margin.errors import LocalnetError

TREASURY = Address("0x7ea50000000000000000000000000000000000A1")
BASE_CURRENCY_UNIT = 10**8
"""The oracle's prices are USD with 8 decimals."""


@dataclass(frozen=True, slots=True)
class Core:
    """A market's contracts, before any reserve is listed."""

    version: Version
    addresses_provider: Contract
    pool: Contract
    configurator: Contract
    oracle: Contract
    data_provider: Contract
    token_implementations: Mapping[str, Address]
    """By the field of the listing struct: `aTokenImpl`, `variableDebtTokenImpl`, …"""
    strategy: Address | None
    """The interest-rate strategy that all reserves share, where the version has one."""

    def addresses(self) -> dict[str, str]:
        """What `attach` needs to find the market again."""
        return {
            "addresses_provider": self.addresses_provider.address,
            "oracle": self.oracle.address,
            "data_provider": self.data_provider.address,
            "strategy": self.strategy or "",
            **self.token_implementations,
        }


class _Deployer:
    """Deploys by contract name, taking constructor arguments and libraries by name as well."""

    def __init__(self, evm: Evm, source: ArtifactSource) -> None:
        self.evm = evm
        self.source = source
        self.known: dict[str, object] = {}
        """Constructor argument name → value."""
        self._libraries: dict[str, str] = {}

    def deploy(self, name: str) -> Contract:
        """Deploys `name`, first its libraries, each once."""
        artifact = self.source.get(name)
        for library in artifact.links:
            if library not in self._libraries:
                self._libraries[library] = self.deploy(library).address
        constructor = next((entry for entry in artifact.abi if entry["type"] == "constructor"), None)
        names = [item["name"].strip("_") for item in constructor["inputs"]] if constructor else []
        unknown = [item for item in names if item not in self.known]
        if unknown:
            raise LocalnetError(f"{name} wants constructor arguments not known here: {', '.join(unknown)}")
        return self.evm.deploy(artifact, *(self.known[item] for item in names), libraries=self._libraries)


def deploy_core(evm: Evm, version: Version, source: ArtifactSource) -> Core:
    """A market without reserves, administered by the deployer.

    The order is the protocol's own: the ACL admin stands before its manager, the Pool's proxy
    before whatever reads it, and the strategy before the Pool that holds its address (v3.4+).
    """
    deployer = _Deployer(evm, source)
    deployer.known |= {"marketId": "localnet", "owner": DEPLOYER, "treasury": TREASURY}
    deployer.known |= {"rewardsController": ZERO_ADDRESS, "fallbackOracle": ZERO_ADDRESS}
    deployer.known |= {"assets": [], "sources": [], "baseCurrency": ZERO_ADDRESS}
    deployer.known |= {"baseCurrencyUnit": BASE_CURRENCY_UNIT}

    provider = deployer.deploy("PoolAddressesProvider")
    deployer.known |= {"provider": provider.address, "addressesProvider": provider.address}
    provider.send("setACLAdmin", DEPLOYER)
    manager = deployer.deploy("ACLManager")
    provider.send("setACLManager", manager.address)
    for role in ("addPoolAdmin", "addEmergencyAdmin", "addRiskAdmin", "addAssetListingAdmin"):
        manager.send(role, DEPLOYER)

    strategy = None
    if version.shared_strategy:
        strategy = deployer.deploy("DefaultReserveInterestRateStrategyV2").address
        deployer.known["interestRateStrategy"] = strategy
    provider.send("setPoolImpl", deployer.deploy("Pool" + version.suffix).address)
    deployer.known["pool"] = provider.call("getPool")
    configurator = deployer.deploy("PoolConfigurator" + version.suffix)
    provider.send("setPoolConfiguratorImpl", configurator.address)
    oracle = deployer.deploy("AaveOracle")
    provider.send("setPriceOracle", oracle.address)
    data_provider = deployer.deploy("AaveProtocolDataProvider")
    provider.send("setPoolDataProvider", data_provider.address)

    tokens = {"aTokenImpl": "AToken", "variableDebtTokenImpl": "VariableDebtToken"}
    if version.stable_token:
        tokens["stableDebtTokenImpl"] = "StableDebtToken"
    found = {field: deployer.deploy(name + version.suffix).address for field, name in tokens.items()}
    addresses = {
        "addresses_provider": provider.address,
        "oracle": oracle.address,
        "data_provider": data_provider.address,
        "strategy": strategy or "",
        **found,
    }
    return attach(evm, version, source, addresses)


def attach(evm: Evm, version: Version, source: ArtifactSource, addresses: Mapping[str, str]) -> Core:
    """A market that is already on the chain, found by what `Core.addresses` told."""

    def contract(address: str, artifact: str, name: str) -> Contract:
        return evm.at(address, source.get(artifact).abi, name)

    if version.revision >= 8:
        evm.learn_errors(source.get("Errors").abi)
    provider = contract(addresses["addresses_provider"], "PoolAddressesProvider", "PoolAddressesProvider")
    pool = contract(provider.call("getPool"), "Pool" + version.suffix, "Pool")
    if pool.call("POOL_REVISION") != version.said_revision:
        raise LocalnetError(f"these contracts are not Aave v{version.name}: another POOL_REVISION")
    configurator = contract(
        provider.call("getPoolConfigurator"), "PoolConfigurator" + version.suffix, "PoolConfigurator"
    )
    return Core(
        version,
        provider,
        pool,
        configurator,
        contract(addresses["oracle"], "AaveOracle", "AaveOracle"),
        contract(addresses["data_provider"], "AaveProtocolDataProvider", "AaveProtocolDataProvider"),
        {field: Address(value) for field, value in addresses.items() if field.endswith("Impl")},
        Address(addresses["strategy"]) if addresses["strategy"] else None,
    )

"""Deploys the contracts of an Aave v2 market, in the order they need each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from localnet import packages
from localnet.artifacts import PackagedArtifacts
from localnet.evm import DEPLOYER, Contract, Evm
from localnet.solc import own
from margin.basics import ZERO_ADDRESS, Address

TREASURY = Address("0x7ea50000000000000000000000000000000000A2")
SOURCE = PackagedArtifacts(packages.AAVE_V2)


@dataclass(frozen=True, slots=True)
class Core:
    """A market's contracts, before any reserve is listed."""

    provider: Contract
    pool: Contract
    configurator: Contract
    oracle: Contract
    rate_oracle: Contract
    """The mock of the market's lending rates: where a stable rate begins."""
    weth: Address
    """The token that prices are quoted in."""

    def addresses(self) -> dict[str, str]:
        """What `attach` needs to find the market again."""
        return {
            "provider": self.provider.address,
            "oracle": self.oracle.address,
            "rate_oracle": self.rate_oracle.address,
            "weth": self.weth,
        }


def deploy_core(evm: Evm) -> Core:
    """A market without reserves, administered by the deployer, with prices in ether."""

    def deploy(name: str, *args: object, **libraries: str) -> Contract:
        return evm.deploy(SOURCE.get(name), *args, libraries=libraries)

    provider = deploy("LendingPoolAddressesProvider", "localnet")
    provider.send("setPoolAdmin", DEPLOYER)
    provider.send("setEmergencyAdmin", DEPLOYER)
    reserve_logic, generic_logic = deploy("ReserveLogic"), deploy("GenericLogic")
    validation_logic = deploy("ValidationLogic", GenericLogic=generic_logic.address)
    pool = deploy("LendingPool", ReserveLogic=reserve_logic.address, ValidationLogic=validation_logic.address)
    provider.send("setLendingPoolImpl", pool.address)
    provider.send("setLendingPoolConfiguratorImpl", deploy("LendingPoolConfigurator").address)
    provider.send("setLendingPoolCollateralManager", deploy("LendingPoolCollateralManager").address)
    weth = evm.deploy(own("Token"), "WETH token", "WETH", 18).address
    oracle = deploy("AaveOracle", [], [], ZERO_ADDRESS, weth)
    provider.send("setPriceOracle", oracle.address)
    rate_oracle = deploy("LendingRateOracle")
    provider.send("setLendingRateOracle", rate_oracle.address)
    found = {
        "provider": provider.address,
        "oracle": oracle.address,
        "rate_oracle": rate_oracle.address,
        "weth": weth,
    }
    return attach(evm, found)


def attach(evm: Evm, addresses: Mapping[str, str]) -> Core:
    """A market that is already on the chain, found by what `Core.addresses` told."""

    def contract(address: str, name: str) -> Contract:
        return evm.at(address, SOURCE.get(name).abi, name)

    provider = contract(addresses["provider"], "LendingPoolAddressesProvider")
    return Core(
        provider,
        contract(provider.call("getLendingPool"), "LendingPool"),
        contract(provider.call("getLendingPoolConfigurator"), "LendingPoolConfigurator"),
        contract(addresses["oracle"], "AaveOracle"),
        contract(addresses["rate_oracle"], "LendingRateOracle"),
        Address(addresses["weth"]),
    )

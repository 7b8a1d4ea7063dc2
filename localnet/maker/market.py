"""Maker's system on a local chain: administered, used, asked and liquidated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localnet.anvil import Anvil
from localnet.evm import Contract, Evm, Reverted, StateOverride
from localnet.maker.replay import abi_of, addresses
from localnet.solc import own
from margin.basics import ZERO_ADDRESS, Address

WAD, RAY, RAD = 10**18, 10**27, 10**45
DOG_ILKS = ("ETH-B", "ETH-C", "LINK-A", "YFI-A")
"""Collateral types that the Dog liquidates; the others are still the Cat's."""
KEEPER = Address("0xd3B10000000000000000000000000000000000d3")
"""Who liquidates, through the `keeper` contract."""
_VALUE_SLOT = 2
"""Where DSValue keeps its price (after authority, and owner with `has`)."""


class Market:
    """Every action mines a block at its parent's timestamp. Refusals raise `Reverted`.

    `ink` and `art` are wads, `art` before the rate; prices are wads of US dollars.
    """

    def __init__(self, anvil: Anvil, keeper: str | None = None, cast: Mapping[str, Address] | None = None):
        self.anvil = anvil
        self.evm = Evm(anvil)
        self.addresses = addresses()
        self.vat = self.at("MCD_VAT", "Vat")
        self.spotter = self.at("MCD_SPOT", "Spotter")
        self.jug = self.at("MCD_JUG", "Jug")
        self.dog = self.at("MCD_DOG", "Dog")
        self.cat = self.at("MCD_CAT", "Cat")
        self.manager = self.at("CDP_MANAGER", "DssCdpManager")
        self.registry = self.at("PROXY_REGISTRY", "ProxyRegistry")
        self.governance = self.addresses["MCD_PAUSE_PROXY"]
        """May change everything: the executor of what was voted for."""
        code = own("Keeper")
        self.keeper = self.evm.at(keeper, code.abi, code.name) if keeper else self.evm.deploy(code)
        self.cast: dict[str, Address] = dict(cast or {})
        """Who lives here, by name (see `localnet.maker.cast`)."""

    def at(self, name: str, contract: str) -> Contract:
        """One of Maker's contracts by the name it has in the list of addresses."""
        return self.evm.at(self.addresses[name], abi_of(contract), contract)

    # Governance

    def file(self, where: Contract, *what: object) -> None:
        """`file(…)` of any contract, names of parameters and ilks as text."""
        words = [word_of(w) if isinstance(w, str) and not w.startswith("0x") else w for w in what]
        kinds: dict[type, str] = {str: "address", bytes: "bytes32", int: "uint256"}
        types = [kinds[type(word)] for word in words]
        where.send(f"file({','.join(types)})", *words, sender=self.governance)

    def set_price(self, ilk: str, wad: int, *, poke: bool = True) -> None:
        """The pip's answer from now on, in the Vat as well unless told otherwise."""
        pip = self.pip(ilk)
        pip.send("poke", wad.to_bytes(32, "big"), sender=pip.call("owner"))
        if poke:
            self.poke(ilk)

    def void_price(self, ilk: str) -> None:
        """The pip has no price any more."""
        pip = self.pip(ilk)
        pip.send("void", sender=pip.call("owner"))

    def pip(self, ilk: str) -> Contract:
        """The source of a collateral's price."""
        return self.evm.at(self.spotter.call("ilks", word_of(ilk))[0], abi_of("DSValue"), "DSValue")

    def clip(self, ilk: str) -> Contract:
        """The auction house of an ilk."""
        return self.evm.at(self.dog.call("ilks", word_of(ilk))[0], abi_of("Clipper"), "Clipper")

    def set_duty(self, ilk: str, ray: int) -> None:
        """The stability fee a second; what has accrued is booked first."""
        self.drip(ilk)
        self.file(self.jug, ilk, "duty", ray)

    def poke(self, ilk: str) -> None:
        """`Spotter.poke`."""
        self.spotter.send("poke", word_of(ilk))

    def drip(self, ilk: str) -> None:
        """`Jug.drip`."""
        self.jug.send("drip", word_of(ilk))

    # Owners

    def frob(self, owner: str, ilk: str, dink: int, dart: int) -> None:
        """Moves collateral and debt of the owner's own urn, in the Vat itself.

        Collateral comes as a join would bring it, and what is repaid is given as well.
        """
        self.bring(owner, ilk, dink)
        if dart < 0:
            self.give_dai(owner, -dart * int(self.vat.call("ilks", word_of(ilk))[1]))
        self.vat.send("frob", word_of(ilk), owner, owner, owner, dink, dart, sender=owner)

    def bring(self, owner: str, ilk: str, wad: int) -> None:
        """Collateral into the Vat, not locked yet."""
        if wad > 0:
            self.vat.send("slip", word_of(ilk), owner, wad, sender=self.governance)

    def give_dai(self, owner: str, rad: int) -> None:
        """DAI inside the Vat."""
        vow = self.addresses["MCD_VOW"]
        self.vat.send("suck", vow, owner, rad, sender=self.governance)

    def open_vault(self, ilk: str, owner: str, dink: int, dart: int) -> int:
        """A vault of the CDP manager's for this owner, who may be a proxy; its number."""
        self.manager.send("open", word_of(ilk), owner, sender=owner)
        cdp = int(self.manager.call("last", owner))
        self.bring(self.urn(cdp), ilk, dink)
        self.manager.send("frob", cdp, dink, dart, sender=owner)
        return cdp

    def urn(self, cdp: int) -> Address:
        """Where the manager keeps a vault."""
        return Address(self.manager.call("urns", cdp))

    def build_proxy(self, owner: str) -> Address:
        """A DSProxy of the owner's, known to the registry."""
        self.registry.send("build", owner, sender=owner)
        return Address(self.registry.call("proxies", owner))

    # Liquidation and views

    def bark(
        self, ilk: str, urn: str, *, poke: bool = True, drip: bool = False, at: int | None = None
    ) -> dict[str, Any]:
        """Poke and drip if told, and bark, in one transaction; the receipt with the decoded `Bark`."""
        arguments = self._barking(ilk, urn, poke=poke, drip=drip)
        receipt = self.keeper.send("bark", *arguments, sender=KEEPER, at=at)
        return receipt | {"Bark": self.dog.events(receipt, "Bark")[0]}

    def try_bark(
        self,
        ilk: str,
        urn: str,
        *,
        poke: bool = True,
        drip: bool = False,
        at: int | None = None,
        prices: Mapping[str, int] | None = None,
    ) -> str | None:
        """Whether that would go through: None, or the reason it reverts. Nothing changes."""
        arguments = self._barking(ilk, urn, poke=poke, drip=drip)
        try:
            self.keeper.call("bark", *arguments, sender=KEEPER, at=at, state=price_override(prices))
        except Reverted as refusal:
            return refusal.reason or "no reason"
        return None

    def look(
        self,
        ilk: str,
        urn: str,
        *,
        poke: bool = True,
        drip: bool = False,
        at: int | None = None,
        prices: Mapping[str, int] | None = None,
    ) -> tuple[int, int, int, int]:
        """ink, art, rate and spot as the Vat would hold them after poke and drip. Nothing changes."""
        spotter, jug = self._steps(poke=poke, drip=drip)
        asked = self.vat.address, spotter, jug, word_of(ilk), urn
        found = self.keeper.call("look", *asked, at=at, state=price_override(prices))
        ink, art, rate, spot = found
        return ink, art, rate, spot

    def warp(self, seconds: int) -> None:
        """Mines a block that many seconds after the latest."""
        self.anvil.mine(self.anvil.timestamp() + seconds)

    def to_json(self) -> dict[str, Any]:
        """What `from_json` needs, beside the chain's state."""
        return {"keeper": self.keeper.address, "cast": self.cast}

    @classmethod
    def from_json(cls, anvil: Anvil, document: Mapping[str, Any]) -> Market:
        """The market on a chain whose loaded state holds it."""
        return cls(anvil, document["keeper"], document["cast"])

    def _steps(self, *, poke: bool, drip: bool) -> tuple[Address, Address]:
        return (
            self.spotter.address if poke else ZERO_ADDRESS,
            self.jug.address if drip else ZERO_ADDRESS,
        )

    def _barking(self, ilk: str, urn: str, *, poke: bool, drip: bool) -> tuple[object, ...]:
        return self.dog.address, *self._steps(poke=poke, drip=drip), word_of(ilk), urn


def word_of(name: str) -> bytes:
    """A name as Maker's contracts hold it: bytes32, padded on the right."""
    return name.encode().ljust(32, b"\0")


def price_override(prices: Mapping[str, int] | None) -> StateOverride | None:
    """The state override that makes pips (DSValue, by address) answer other prices."""
    if not prices:
        return None
    return {pip: {"stateDiff": {f"0x{_VALUE_SLOT:064x}": f"0x{raw:064x}"}} for pip, raw in prices.items()}

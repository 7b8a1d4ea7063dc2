"""One Comet market with its feeds: administered, used, asked and liquidated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from localnet.anvil import Anvil
from localnet.compound_v3.contracts import OUR_OWN, Contracts
from localnet.evm import Contract, Evm, Reverted, StateOverride
from localnet.solc import own
from margin.basics import Address

WAD = 10**18
MAX_UINT256 = 2**256 - 1
FEED_DECIMALS = 8
GOVERNOR = Address(to_checksum_address(keccak(text="crossmargin localnet comet governor")[12:]))
KEEPER = Address("0x11901Da700000000000000000000000000000003")
"""Who absorbs and buys; holds and has approved what it pays with when it buys."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One collateral as a market lists it."""

    symbol: str
    borrow_wad: int
    liquidate_wad: int
    liquidation_wad: int
    """What of its value is credited when it is seized."""
    cap_raw: int | None = None
    """`None`: the largest that a market can keep, which counts whole tokens in 64 bits."""
    feed: Address | None = None
    """`None`: the token's own feed."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Interest a year, all scaled by 1e18."""

    supply: tuple[int, int, int, int] = (8 * WAD // 10, 325 * WAD // 10_000, 4 * WAD // 10, 0)
    """Kink, slope below and above it, base; …"""
    borrow: tuple[int, int, int, int] = (8 * WAD // 10, 35 * WAD // 1_000, 25 * WAD // 100, 15 * WAD // 1_000)
    """… and the same of debt."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What else a market is made with; amounts in raw base units."""

    rates: Rates = field(default_factory=Rates)
    borrow_min_raw: int = 1
    target_reserves_raw: int = 10**18
    store_front_wad: int = 5 * WAD // 10


class Comet:
    """Every action mines its blocks at the parent's timestamp, or at `at`; a refused one raises `Reverted`.

    Tokens are called by their symbols in `tokens`; each has a feed of its own in `feeds`.
    """

    def __init__(
        self,
        evm: Evm,
        contracts: Contracts,
        extension: Address,
        comet: Contract | None = None,
        *,
        base: str = "",
        assets: Sequence[str] = (),
        tokens: Mapping[str, Address] | None = None,
        feeds: Mapping[str, Address] | None = None,
        decimals: Mapping[str, int] | None = None,
        cast: Mapping[str, Address] | None = None,
    ) -> None:
        self.evm = evm
        self.anvil = evm.anvil
        self.contracts = contracts
        self.extension = extension
        self._comet = comet
        self.base = base
        """Symbol of what is lent and borrowed."""
        self.assets = list(assets)
        """Symbols of the collaterals, in the market's order."""
        self.tokens: dict[str, Address] = dict(tokens or {})
        self.feeds: dict[str, Address] = dict(feeds or {})
        self.decimals: dict[str, int] = dict(decimals or {})
        self.cast: dict[str, Address] = dict(cast or {})
        """Wallets that live here, by name."""

    @classmethod
    def deploy(cls, anvil: Anvil, contracts: Contracts = OUR_OWN) -> Comet:
        """No market yet, and no token: what every market of the chain needs first."""
        evm = Evm(anvil)
        return cls(evm, contracts, contracts.deploy_extension(evm))

    @property
    def comet(self) -> Contract:
        """The market itself."""
        assert self._comet is not None, "open a market first"
        return self._comet

    # Administration

    def new_token(self, symbol: str, decimals: int, price_raw: int, quote: str = "USD") -> None:
        """A token that anyone may mint, and a feed of it with 8 decimals."""
        token = self.evm.deploy(own("Token"), f"{symbol} token", symbol, decimals)
        self.tokens[symbol], self.decimals[symbol] = token.address, decimals
        self.feeds[symbol] = self.new_feed(f"{symbol} / {quote}", price_raw)

    def new_feed(self, description: str, price_raw: int, decimals: int = FEED_DECIMALS) -> Address:
        """A feed that answers what it was told."""
        return self.evm.deploy(own("Feed"), description, decimals, price_raw).address

    def open_market(self, base: str, assets: Sequence[Asset], terms: Terms | None = None) -> Comet:
        """Another market beside those there are, of tokens there are already; shares all but the market."""
        terms = terms or Terms()
        configuration = (
            GOVERNOR,
            GOVERNOR,
            self.tokens[base],
            self.feeds[base],
            self.extension,
            *terms.rates.supply,
            *terms.rates.borrow,
            terms.store_front_wad,
            10**15,
            0,
            0,
            10**6,
            terms.borrow_min_raw,
            terms.target_reserves_raw,
            [
                (
                    self.tokens[asset.symbol],
                    asset.feed or self.feeds[asset.symbol],
                    self.decimals[asset.symbol],
                    asset.borrow_wad,
                    asset.liquidate_wad,
                    asset.liquidation_wad,
                    asset.cap_raw or (2**64 - 1) * 10 ** self.decimals[asset.symbol],
                )
                for asset in assets
            ],
        )
        deployed = self.evm.deploy(self.contracts.comet, configuration)
        comet = self.evm.at(deployed.address, self.contracts.abi, "Comet")
        comet.send("initializeStorage")
        return self._with(comet, base, [asset.symbol for asset in assets])

    def set_price(self, symbol: str, price_raw: int) -> None:
        """What the token's feed answers from now on."""
        self.feed(symbol).send("setAnswer", price_raw)

    def feed(self, symbol_or_address: str) -> Contract:
        """A feed, by its token's symbol or by its own address."""
        address = self.feeds.get(symbol_or_address, symbol_or_address)
        return self.evm.at(address, own("Feed").abi, "Feed")

    def price(self, symbol: str) -> int:
        """What the token's feed answers."""
        return int(self.feed(symbol).call("latestAnswer"))

    def pause(self, *, absorb: bool = False, buy: bool = False, supply: bool = False) -> None:
        """What the guardian holds back from now on; all else is let go."""
        self.comet.send("pause", supply, False, False, absorb, buy, sender=GOVERNOR)

    # Users

    def supply(self, user: str, symbol: str, amount_raw: int, *, at: int | None = None) -> None:
        """Mints to the user what it supplies: base is repaid and lent, anything else collateral.

        All that is owed, where the amount of base is 2**256 - 1.
        """
        needed = self.debt(user, at=at) if amount_raw == MAX_UINT256 else amount_raw
        self.fund(user, symbol, needed)
        self.comet.send("supply", self.tokens[symbol], amount_raw, sender=user, at=at)

    def withdraw(self, user: str, symbol: str, amount_raw: int, *, at: int | None = None) -> None:
        """Takes back what was supplied; base beyond that is borrowed."""
        self.comet.send("withdraw", self.tokens[symbol], amount_raw, sender=user, at=at)

    def transfer(self, user: str, to: str, symbol: str, amount_raw: int) -> None:
        """Moves a balance to another user inside the market; base beyond what is lent is borrowed."""
        self.comet.send("transferAsset", to, self.tokens[symbol], amount_raw, sender=user)

    def accrue(self) -> None:
        """Brings the stored indices up to the block, as anybody may; no event tells of it."""
        self.comet.send("accrueAccount", KEEPER)

    def add_reserves(self, amount_raw: int) -> None:
        """Gives the market base tokens of its own."""
        self.evm.at(self.tokens[self.base], own("Token").abi, "Token").send(
            "mint", self.comet.address, amount_raw
        )

    def absorb(self, user: str, *, at: int | None = None) -> dict[str, Any]:
        """The receipt, with the decoded events under their names; of collaterals there may be several."""
        receipt = self.comet.send("absorb", KEEPER, [user], sender=KEEPER, at=at)
        return receipt | {
            "AbsorbDebt": self.comet.events(receipt, "AbsorbDebt")[0],
            "AbsorbCollateral": self.comet.events(receipt, "AbsorbCollateral"),
        }

    def try_absorb(
        self, user: str, *, at: int | None = None, state: StateOverride | None = None
    ) -> str | None:
        """Whether absorbing would go through: None, or the reason it reverts."""
        try:
            self.comet.call("absorb", KEEPER, [user], sender=KEEPER, at=at, state=state)
        except Reverted as refusal:
            return refusal.reason or "no reason"
        return None

    def buy(self, symbol: str, base_raw: int, least_raw: int = 0) -> int:
        """Buys seized collateral for base; how much of it there was for that."""
        self.fund(KEEPER, self.base, base_raw)
        arguments = self.tokens[symbol], least_raw, base_raw, KEEPER
        receipt = self.comet.send("buyCollateral", *arguments, sender=KEEPER)
        return int(self.comet.events(receipt, "BuyCollateral")[0]["collateralAmount"])

    # Views

    def debt(self, user: str, *, at: int | None = None) -> int:
        """What is owed, interest up to `at` included."""
        return int(self.comet.call("borrowBalanceOf", user, at=at))

    def balance(self, user: str, *, at: int | None = None) -> int:
        """What is lent, interest up to `at` included."""
        return int(self.comet.call("balanceOf", user, at=at))

    def collateral(self, user: str, symbol: str) -> int:
        """What is supplied of a collateral."""
        return int(self.comet.call("collateralBalanceOf", user, self.tokens[symbol]))

    # Time

    def warp(self, seconds: int) -> None:
        """Mines a block that many seconds after the latest."""
        self.anvil.mine(self.anvil.timestamp() + seconds)

    # Keeping

    def to_json(self) -> dict[str, Any]:
        """What `from_json` needs, beside the chain's state."""
        names = ("base", "assets", "tokens", "feeds", "decimals", "cast", "extension")
        return {"comet": self.comet.address, **{name: getattr(self, name) for name in names}}

    @classmethod
    def from_json(cls, anvil: Anvil, document: Mapping[str, Any], contracts: Contracts = OUR_OWN) -> Comet:
        """What `to_json` described, on a chain whose loaded state holds it."""
        evm = Evm(anvil)
        rest = dict(document)
        comet = evm.at(rest.pop("comet"), contracts.abi, "Comet")
        return cls(evm, contracts, rest.pop("extension"), comet, **rest)

    def fund(self, user: str, symbol: str, amount_raw: int) -> None:
        """Mints, and lets the market take it."""
        token = self.evm.at(self.tokens[symbol], own("Token").abi, "Token")
        token.send("mint", user, amount_raw)
        token.send("approve", self.comet.address, MAX_UINT256, sender=user)

    def _with(self, comet: Contract, base: str, assets: Sequence[str]) -> Comet:
        return Comet(
            self.evm,
            self.contracts,
            self.extension,
            comet,
            base=base,
            assets=assets,
            tokens=self.tokens,
            feeds=self.feeds,
            decimals=self.decimals,
            cast=self.cast,
        )

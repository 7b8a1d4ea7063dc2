"""One Morpho Blue with its markets: administered, used, asked and liquidated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from localnet.anvil import Anvil
from localnet.evm import Contract, Evm, Reverted, StateOverride
from localnet.morpho_blue.sources import contract
from localnet.solc import own
from margin.basics import ZERO_ADDRESS, Address

WAD = 10**18
MAX_UINT256 = 2**256 - 1
OWNER = Address(to_checksum_address(keccak(text="crossmargin localnet morpho owner")[12:]))
FEE_RECIPIENT = Address(to_checksum_address(keccak(text="crossmargin localnet morpho fee recipient")[12:]))
LIQUIDATOR = Address("0x11901Da700000000000000000000000000000001")
"""The standing liquidator: holds and has approved a huge amount of every loan token."""
LIQUIDATOR_BALANCE = 2**130


@dataclass(frozen=True, slots=True)
class Listed:
    """One market by its parameters; amounts of its tokens are raw."""

    name: str
    id: str
    """0x and 64 hex digits."""
    loan: Address
    collateral: Address
    oracle: Address
    irm: Address
    lltv_wad: int
    loan_decimals: int
    collateral_decimals: int

    @property
    def params(self) -> tuple[str, str, str, str, int]:
        """`MarketParams`."""
        return self.loan, self.collateral, self.oracle, self.irm, self.lltv_wad

    @property
    def price_unit(self) -> int:
        """What an oracle answers for one whole collateral token worth one whole loan token."""
        return int(10 ** (36 + self.loan_decimals - self.collateral_decimals))


class MorphoBlue:
    """Every action mines its blocks at the parent's timestamp, or at `at`; a refused one raises `Reverted`.

    Markets are called by their names in `markets`.
    """

    def __init__(
        self,
        morpho: Contract,
        irm: Address,
        markets: Mapping[str, Listed] | None = None,
        cast: Mapping[str, Address] | None = None,
        tokens: Mapping[str, Address] | None = None,
    ) -> None:
        self.morpho = morpho
        self.irm = irm
        """The AdaptiveCurveIrm."""
        self.evm = morpho.evm
        self.anvil = morpho.evm.anvil
        self.markets: dict[str, Listed] = dict(markets or {})
        self.cast: dict[str, Address] = dict(cast or {})
        """Wallets that live here, by name."""
        self.tokens: dict[str, Address] = dict(tokens or {})
        """By symbol."""

    @classmethod
    def deploy(cls, anvil: Anvil) -> MorphoBlue:
        """A Morpho Blue without markets, its interest-rate model and some thresholds enabled."""
        evm = Evm(anvil)
        morpho = evm.deploy(contract("Morpho"), OWNER)
        irm = evm.deploy(contract("AdaptiveCurveIrm"), morpho.address).address
        for model in (irm, ZERO_ADDRESS):
            morpho.send("enableIrm", model, sender=OWNER)
        morpho.send("setFeeRecipient", FEE_RECIPIENT, sender=OWNER)
        return cls(morpho, irm)

    # Administration

    def new_token(self, symbol: str, decimals: int) -> Address:
        """A token that anyone may mint; the standing liquidator gets plenty."""
        token = self.evm.deploy(own("Token"), f"{symbol} token", symbol, decimals)
        token.send("mint", LIQUIDATOR, LIQUIDATOR_BALANCE)
        token.send("approve", self.morpho.address, MAX_UINT256, sender=LIQUIDATOR)
        self.tokens[symbol] = token.address
        return token.address

    def new_oracle(self, answer_raw: int) -> Address:
        """The package's own mock: answers what it was told."""
        oracle = self.evm.deploy(contract("OracleMock"))
        oracle.send("setPrice", answer_raw)
        return oracle.address

    def create(
        self,
        name: str,
        loan: str,
        collateral: str | None,
        *,
        lltv_wad: int,
        price_raw: int = 0,
        decimals: tuple[int, int],
        irm: Address | None = None,
        oracle: Address | None = None,
    ) -> Listed:
        """Makes a market; `loan` and `collateral` are symbols in `tokens`, `decimals` theirs in that order.

        `oracle`: an address instead of a new one that answers `price_raw`; `irm`: instead of the adaptive
        curve. `collateral=None`: an idle market's zero address.
        """
        if not self.morpho.call("isLltvEnabled", lltv_wad):
            self.morpho.send("enableLltv", lltv_wad, sender=OWNER)
        source = self.new_oracle(price_raw) if oracle is None else oracle
        held = ZERO_ADDRESS if collateral is None else self.tokens[collateral]
        params = (self.tokens[loan], held, source, self.irm if irm is None else irm, lltv_wad)
        id_ = keccak(encode(["address", "address", "address", "address", "uint256"], params))
        self.morpho.send("createMarket", params)
        self.markets[name] = Listed(name, "0x" + id_.hex(), *params, *decimals)
        return self.markets[name]

    def enable_irm(self, irm: Address) -> None:
        """Lets markets be made with another interest-rate model."""
        self.morpho.send("enableIrm", irm, sender=OWNER)

    def set_fee(self, name: str, fee_wad: int) -> None:
        """The share of the interest that the fee recipient gets; nothing if it is so already."""
        if self.market(name)[5] != fee_wad:
            self.morpho.send("setFee", self.markets[name].params, fee_wad, sender=OWNER)

    def set_price(self, name: str, answer_raw: int) -> None:
        """What the market's oracle answers from now on."""
        self.oracle(self.markets[name].oracle).send("setPrice", answer_raw)

    def oracle(self, address: str) -> Contract:
        """An oracle mock."""
        return self.evm.at(address, contract("OracleMock").abi, "Oracle")

    # Users

    def supply(self, user: str, name: str, amount_raw: int, *, at: int | None = None) -> None:
        """Mints the loan token to the user and lends it."""
        listed = self.markets[name]
        self._fund(user, listed.loan, amount_raw)
        self.morpho.send("supply", listed.params, amount_raw, 0, user, b"", sender=user, at=at)

    def withdraw(self, user: str, name: str, amount_raw: int) -> None:
        """Takes lent tokens back."""
        self.morpho.send("withdraw", self.markets[name].params, amount_raw, 0, user, user, sender=user)

    def supply_collateral(self, user: str, name: str, amount_raw: int, *, at: int | None = None) -> None:
        """Mints the collateral token to the user and supplies it."""
        listed = self.markets[name]
        self._fund(user, listed.collateral, amount_raw)
        self.morpho.send("supplyCollateral", listed.params, amount_raw, user, b"", sender=user, at=at)

    def withdraw_collateral(self, user: str, name: str, amount_raw: int) -> None:
        """Takes collateral back."""
        listed = self.markets[name]
        self.morpho.send("withdrawCollateral", listed.params, amount_raw, user, user, sender=user)

    def borrow(self, user: str, name: str, amount_raw: int, *, at: int | None = None) -> None:
        """Borrows the loan token."""
        listed = self.markets[name]
        self.morpho.send("borrow", listed.params, amount_raw, 0, user, user, sender=user, at=at)

    def repay(self, user: str, name: str, amount_raw: int) -> None:
        """Repays; the whole debt, by its shares, where the amount reaches it."""
        listed, shares = self.markets[name], self.position(name, user)[1]
        whole = amount_raw >= self.debt(name, user)
        self._fund(user, listed.loan, amount_raw + 1)
        amounts = (0, shares) if whole else (amount_raw, 0)
        self.morpho.send("repay", listed.params, *amounts, user, b"", sender=user)

    def liquidate(
        self, name: str, user: str, *, seized_raw: int = 0, repaid_shares: int = 0, at: int | None = None
    ) -> dict[str, Any]:
        """Liquidates by one of the two; the receipt, with the decoded `Liquidate` event under that key."""
        arguments = self.markets[name].params, user, seized_raw, repaid_shares, b""
        receipt = self.morpho.send("liquidate", *arguments, sender=LIQUIDATOR, at=at)
        return receipt | {"Liquidate": self.morpho.events(receipt, "Liquidate")[0]}

    def try_liquidate(
        self,
        name: str,
        user: str,
        *,
        seized_raw: int = 0,
        repaid_shares: int = 0,
        at: int | None = None,
        state: StateOverride | None = None,
    ) -> str | None:
        """Whether the standing liquidator's call would go through: None, or the reason it reverts."""
        arguments = self.markets[name].params, user, seized_raw, repaid_shares, b""
        try:
            self.morpho.call("liquidate", *arguments, sender=LIQUIDATOR, at=at, state=state)
        except Reverted as refusal:
            return refusal.reason or "no reason"
        return None

    # Views

    def position(self, name: str, user: str) -> tuple[int, int, int]:
        """(supply shares, borrow shares, collateral), as stored."""
        found = self.morpho.call("position", bytes.fromhex(self.markets[name].id[2:]), user)
        return int(found[0]), int(found[1]), int(found[2])

    def market(self, name: str) -> tuple[int, int, int, int, int, int]:
        """(supply assets, supply shares, borrow assets, borrow shares, last update, fee), as stored."""
        a, b, c, d, e, f = self.morpho.call("market", bytes.fromhex(self.markets[name].id[2:]))
        return a, b, c, d, e, f

    def debt(self, name: str, user: str, *, at: int | None = None) -> int:
        """What a repayment of all of the user's shares takes, interest up to `at` included."""
        shares = self.position(name, user)[1]
        if not shares:
            return 0
        arguments = self.markets[name].params, 0, shares, user, b""
        return int(self.morpho.call("repay", *arguments, sender=LIQUIDATOR, at=at)[0])

    # Time

    def warp(self, seconds: int) -> None:
        """Mines a block that many seconds after the latest."""
        self.anvil.mine(self.anvil.timestamp() + seconds)

    # Keeping

    def to_json(self) -> dict[str, Any]:
        """What `from_json` needs, beside the chain's state."""
        return {
            "morpho": self.morpho.address,
            "irm": self.irm,
            "markets": {name: asdict(listed) for name, listed in self.markets.items()},
            "cast": self.cast,
            "tokens": self.tokens,
        }

    @classmethod
    def from_json(cls, anvil: Anvil, document: Mapping[str, Any]) -> MorphoBlue:
        """What `to_json` described, on a chain whose loaded state holds it."""
        morpho = Evm(anvil).at(document["morpho"], contract("Morpho").abi, "Morpho")
        markets = {name: Listed(**fields) for name, fields in document["markets"].items()}
        return cls(morpho, Address(document["irm"]), markets, document["cast"], document["tokens"])

    def _fund(self, user: str, token: str, amount_raw: int) -> None:
        held = self.evm.at(token, own("Token").abi, "Token")
        held.send("mint", user, amount_raw)
        held.send("approve", self.morpho.address, MAX_UINT256, sender=user)

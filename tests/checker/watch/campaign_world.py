"""What happens on the chain of a campaign: prices, owners, keepers, governance, other branches."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from checker.demo.world import World
from localnet.aave_v3.standard import raw_of
from localnet.evm import Reverted
from margin.basics import Address
from margin.units import WAD

WALLETS = {
    "edge": ("edge",),
    "comfortable": ("comfortable",),
    "liquidatable": ("liquidatable",),
    "many": ("liquidatable_many",),
    "exact": ("exact",),
    "loop": ("emode_loop",),
    "stable": ("emode_stable",),
    "pair": ("unused_supply", "dust_debt"),
}
"""Labels of the wallets that are watched, and who of the cast their addresses are."""
PAIRS = {
    "edge": [("WETH", "USDC")],
    "comfortable": [("WETH", "USDC"), ("WBTC", "USDC")],
    "liquidatable": [("LINK", "USDC")],
    "liquidatable_many": [("LINK", "DAI"), ("CRV", "WBTC"), ("LINK", "WBTC"), ("CRV", "DAI")],
    "exact": [("WETH", "DAI")],
    "emode_loop": [("wstETH", "WETH")],
    "emode_stable": [("USDC", "DAI")],
    "unused_supply": [("WETH", "DAI")],
}
"""Collaterals and debts of each."""
TERMS = {
    "WETH": [(80_50, 83_00, 105_00), (78_00, 80_50, 105_50), (80_50, 84_00, 104_00)],
    "LINK": [(66_00, 71_00, 107_00), (60_00, 68_00, 108_00)],
    "WBTC": [(73_00, 78_00, 106_25), (70_00, 76_00, 106_25)],
}
"""Loan to value, threshold and bonus that governance moves a reserve between, bps; the first as listed."""
SWINGS = {"WETH": (0.85, 1.35), "WBTC": (0.2, 1.3), "LINK": (0.8, 1.6)}
"""How far prices go, as shares of those at the beginning."""
DEEPEST = 10


@dataclass(frozen=True)
class Taking:
    """A liquidation that happened."""

    transaction: str
    block: int
    wallet: str


@dataclass(frozen=True)
class Fork:
    """A point that the chain goes back to."""

    snapshot: str
    block: int
    depth: int
    """After how many blocks."""
    level: dict[str, float]


class Surroundings:
    """The chain, and what its people do by the dice."""

    def __init__(self, world: World, chance: random.Random, note: Callable[[str], None]) -> None:
        self.chance, self.note = chance, note
        self.market, self.anvil = world.markets["3.2"], world.anvil
        self.base = {symbol: int(self.market.feed(symbol).call("latestAnswer")) for symbol in SWINGS}
        self.level = dict.fromkeys(self.base, 1.0)
        self.governed = True
        """Whether terms change. Two watchers each tell of what they were not looking at together."""
        self.fork: Fork | None = None
        self.takings: list[Taking] = []
        """On the branch as it is."""
        self.ever: dict[str, str] = {}
        """Wallets by transaction, on whatever branch it was."""
        self.wallet_of = {name: wallet for wallet, names in WALLETS.items() for name in names}

    def addresses(self, wallet: str) -> list[Address]:
        return [self.market.cast[name] for name in WALLETS[wallet]]

    def move(self, *, busy: bool) -> int | None:
        """A round's events; the block that the chain went back to, where it did. `busy`: keepers are."""
        dice = self.chance
        if self.fork is None and dice.random() < 0.06:
            depth = dice.randint(1, DEEPEST)
            self.fork = Fork(self.anvil.snapshot(), self.anvil.block_number(), depth, dict(self.level))
        if dice.random() < 0.3:
            self._price()
        if dice.random() < 0.10:
            self._owner()
        if self.governed and dice.random() < 0.02:
            self._governance()
        if dice.random() < (0.15 if busy or self.fork is not None else 0.05):
            self._keeper()
        for _ in range(dice.choice((0, 1, 1, 1, 2, 3))):
            self.mine()
        fork = self.fork
        if fork is None or self.anvil.block_number() - fork.block < fork.depth:
            return None
        self.note(f"reorg of {self.anvil.block_number() - fork.block} blocks")
        self.anvil.revert(fork.snapshot)
        self.fork, self.level = None, fork.level
        self.takings = [one for one in self.takings if one.block <= fork.block]
        self.mine(13)  # never the same blocks again
        if dice.random() < 0.5:
            self._price()
        if dice.random() < 0.3:
            self._keeper()
        for _ in range(dice.randint(0, DEEPEST + 1)):
            self.mine(13)
        return fork.block

    def mine(self, seconds: int = 12) -> None:
        self.anvil.mine(self.anvil.timestamp() + seconds)

    def _price(self) -> None:
        dice = self.chance
        symbol = dice.choice(("WETH", "WETH", "WBTC", "LINK"))
        kind = dice.random()
        if kind < 0.3:
            level = self.level[symbol] * dice.uniform(0.997, 1.003)
        elif kind < 0.45 and symbol == "WETH":
            level = dice.uniform(0.2, 0.6)
        else:
            level = dice.uniform(*SWINGS[symbol])
        self.level[symbol] = level
        self.market.set_price(symbol, int(self.base[symbol] * level))
        self.note(f"{symbol} at {level:.4f}")

    def _owner(self) -> None:
        """Someone mends an account that is poor, or makes more of one that is rich."""
        dice, market = self.chance, self.market
        name = dice.choice(list(PAIRS))
        user, (collateral, debt) = market.cast[name], dice.choice(PAIRS[name])
        held, _, available, _, _, health = market.account_data(user)
        poor, rich = health < 1.1 * WAD, health > 1.5 * WAD
        deeds = ("supply", "repay") if poor else ("borrow", "withdraw") if rich else ("supply", "borrow")
        deed, share = dice.choice(deeds), dice.uniform(0.02, 0.4)
        try:
            if deed == "supply":
                market.supply(user, collateral, raw_of(market, collateral, max(held / 1e8, 5000.0) * share))
            elif deed == "repay":
                owed = market.balance(market.reserves[debt].variable_debt_token, user)
                market.repay(user, debt, max(1, int(owed * share)))
            elif deed == "borrow":
                market.borrow(user, debt, raw_of(market, debt, available / 1e8 * share * 2))
            else:
                held = market.balance(market.reserves[collateral].a_token, user)
                market.withdraw(user, collateral, max(1, int(held * share)))
        except Reverted as refusal:
            self.note(f"{name} may not {deed}: {refusal.reason}")
            return
        self.note(f"{name}: {deed}")

    def _governance(self) -> None:
        symbol = self.chance.choice(list(TERMS))
        ltv, threshold, bonus = self.chance.choice(TERMS[symbol])
        self.market.configure(
            symbol, ltv=ltv, liquidation_threshold=threshold, liquidation_bonus=bonus
        )  # perhaps as it was
        self.note(f"{symbol} has a threshold of {threshold}")

    def _keeper(self) -> None:
        """Someone is liquidated, if anyone may be."""
        dice, market = self.chance, self.market
        poor = [name for name in PAIRS if market.health_factor(market.cast[name]) < WAD]
        if not poor:
            return
        name = dice.choice(poor)
        user, (collateral, debt) = market.cast[name], dice.choice(PAIRS[name])
        owed = market.balance(market.reserves[debt].variable_debt_token, user)
        amount = max(1, int(owed * dice.choice((1.0, 0.5, dice.uniform(0.05, 0.5)))))
        try:
            receipt = market.liquidate(collateral, debt, user, amount)
        except Reverted as refusal:
            self.note(f"{name} is not liquidated: {refusal.reason}")
            return
        taking = Taking(receipt["transactionHash"], int(receipt["blockNumber"], 16), self.wallet_of[name])
        self.takings.append(taking)
        self.ever[taking.transaction] = taking.wallet
        self.note(f"{name} is liquidated in block {taking.block}")

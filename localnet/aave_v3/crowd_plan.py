"""What each account of a crowd does, and when: random lives, the same for the same seed.

Sizes are log-normal: many small, few large. A life is planned from its end: debts are sized so
that the health factor at the last prices comes out as drawn, as far as the Pool lends that much.
Some supply or borrow more at first, and take or give a part of it back later.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

from localnet.aave_v3.crowd_kinds import (
    BORROWED,
    EMODES,
    FALLING,
    ISOLATED_MOST_USD,
    LATER_PERCENT,
    LENT,
    MEDIAN_USD,
    MOST_USD,
    OWN_SUPPLY_PERCENT,
    SHARES_PER_MILLE,
    SPREAD,
    SUPPLIED,
    WAVES,
    Asset,
    Life,
)
from localnet.aave_v3.market import STABLE, VARIABLE

GIVE, SUPPLY, WITHDRAW, BORROW, REPAY, HELP, COLLATERAL, EMODE, SEND, PAY = range(10)
"""Kinds of actions, as `contracts/Crowd.sol` numbers them."""
ALL = 2**128 - 1
"""The amount that means everything."""


class Plan:
    """The lives of a crowd: `lives`, and what is to be done at each wave, `actions[wave]`."""

    def __init__(
        self,
        assets: Mapping[str, Asset],
        accounts: int,
        seed: int,
        *,
        stable_rate: bool,
        staked_price: bool,
    ) -> None:
        """Draws all lives.

        `stable_rate`: the market lends at stable rates. `staked_price`: its e-mode of staked ether
        has one price for all its assets.
        """
        self._assets = assets
        self._rng = random.Random(seed)  # noqa: S311 - the same crowd every time
        self._stable_rate = stable_rate
        self._staked_price = staked_price
        self.actions: list[list[int]] = [[] for _ in range(WAVES)]
        """Words for `Crowd.play`."""
        self.borrowed: dict[str, int] = dict.fromkeys(assets, 0)
        """Symbol → raw units that accounts borrow at all."""
        kinds = [
            kind
            for kind, share in SHARES_PER_MILLE.items()
            for _ in range(max(1, round(accounts * share / 1000)))
        ][:accounts]
        kinds += ["plain"] * (accounts - len(kinds))
        self._rng.shuffle(kinds)
        self.lives = [Life(number, kind, self._rng.randrange(WAVES - 1)) for number, kind in enumerate(kinds)]
        for life in self.lives:
            self._live(life)
        self._send_around()

    def _live(self, life: Life) -> None:
        kind = life.kind
        if kind == "recipient":
            return
        if kind == "dust":
            self._live_on_dust(life)
            return
        self._choose_supplies(life)
        if kind in EMODES:
            self._act(life, life.joined, EMODE, second=EMODES[kind].category)
        for symbol, amount in life.supplies.items():
            self._open_supply(life, symbol, amount)
        unused = ""
        if kind == "isolated":
            self._act(life, life.joined, COLLATERAL, "SNX", second=1)
        elif kind == "unused":
            unused = next(iter(life.supplies))
            self._act(life, life.joined, COLLATERAL, unused)
        if kind in EMODES and self._sometimes(LATER_PERCENT):
            self._act(life, self._later(life), EMODE, second=0)
            return
        if kind == "supplier":
            return
        self._choose_debts(life, unused)
        for place, (symbol, amount) in enumerate(list(life.debts.items())):
            mode = STABLE if kind == "stable_rate" and self._stable_rate and not place else VARIABLE
            self._open_debt(life, symbol, amount, mode)
        if kind == "emptied":
            self._leave(life)
        elif kind == "insolvent":
            self._run_down(life)

    # Supplies

    def _choose_supplies(self, life: Life) -> None:
        rng = self._rng
        usd = min(MOST_USD, rng.lognormvariate(math.log(MEDIAN_USD), SPREAD))
        if life.kind in EMODES:
            symbols = [rng.choice(EMODES[life.kind].assets)]
            if life.kind != "staked" and self._sometimes(LATER_PERCENT):
                symbols.append(rng.choice(("WBTC", "LINK")))
        elif life.kind in FALLING:
            symbols = [rng.choice(FALLING[life.kind])]
        elif life.kind == "isolated":
            symbols, usd = ["SNX"], min(usd, ISOLATED_MOST_USD)
        elif life.kind == "edge":
            symbols = [rng.choice(("WETH", "wstETH", "LINK", "cbETH"))]
        else:
            count = rng.choice((1, 1, 1, 2, 2, 2, 3, 4))
            # Isolated collateral is never switched on by itself, so it alone carries no debt.
            forced = life.kind == "unused"
            symbols = self._draw(SUPPLIED, max(count, 2) if forced else count, ())
            if life.kind == "stable_rate":
                symbols = [symbol for symbol in symbols if symbol not in ("USDC", "DAI")] or ["WETH"]
            if forced and not set(symbols[1:]) - {"SNX"}:
                symbols = ["USDC", "WETH"]
            elif life.kind != "supplier" and symbols == ["SNX"]:
                symbols = ["WETH"]
        parts = [rng.uniform(0.2, 1) for _ in symbols]
        for symbol, part in zip(symbols, parts, strict=True):
            life.supplies[symbol] = self._assets[symbol].raw(usd * part / sum(parts), life.joined)

    def _open_supply(self, life: Life, symbol: str, amount: int) -> None:
        """Supplies it, some of it only for a while."""
        more = 0
        if self._sometimes(LATER_PERCENT) and life.kind != "emptied":
            more = int(amount * self._rng.uniform(0.02, 0.8))
        kind = SUPPLY if self._sometimes(OWN_SUPPLY_PERCENT) else GIVE
        self._act(life, life.joined, kind, symbol, amount=amount + more)
        if more:
            self._act(life, self._later(life), WITHDRAW, symbol, amount=more)

    # Debts

    def _choose_debts(self, life: Life, unused: str) -> None:
        rng = self._rng
        kind = life.kind
        if kind in EMODES:
            symbols = [rng.choice(EMODES[kind].assets)]
        elif kind in FALLING or kind in ("isolated", "edge", "stable_rate"):
            symbols = [rng.choice(("USDC", "DAI"))]
        else:
            symbols = self._draw(BORROWED, rng.choice((1, 1, 1, 2, 2, 3)), ())
        if kind == "stable_rate":
            symbols += self._draw(BORROWED, rng.choice((0, 1)), symbols)
        backing = {
            s: a for s, a in life.supplies.items() if s != unused and (s != "SNX" or kind == "isolated")
        }
        support = self._worth(life, backing, WAVES, "threshold")
        total = support / self._health(kind)
        parts = [rng.uniform(0.2, 1) for _ in symbols]
        usd = {s: total * part / sum(parts) for s, part in zip(symbols, parts, strict=True)}
        # No more than the Pool lends when it is borrowed, and nobody below 1 before the fall.
        fits = 1.0
        for wave in range(life.joined, WAVES):
            owed = sum(
                value * self._price(life, s, wave) / self._price(life, s, WAVES) for s, value in usd.items()
            )
            fits = min(fits, LENT * self._worth(life, backing, wave, "ltv") / owed)
        for symbol, value in usd.items():
            asset = self._assets[symbol]
            life.debts[symbol] = max(1, int(value * fits / self._price(life, symbol, WAVES) * asset.unit))

    def _health(self, kind: str) -> float:
        """A health factor for the end."""
        if kind in ("doomed", "liquidated"):
            return self._rng.uniform(0.93, 0.985)
        if kind == "insolvent":
            return 0.1  # as much as it gets
        if kind == "edge":
            return self._rng.uniform(1.004, 1.03)
        return min(12.0, 1.015 + self._rng.lognormvariate(math.log(0.7), 0.9))

    def _open_debt(self, life: Life, symbol: str, amount: int, mode: int) -> None:
        """Borrows it; some of what was borrowed before is repaid later, in part."""
        self.borrowed[symbol] += amount
        self._act(life, life.joined, BORROW, symbol, second=mode, amount=amount)
        if not self._sometimes(LATER_PERCENT) or life.kind in (*FALLING, "edge", "emptied") or amount < 10:
            return
        # It is what the Pool lends, so what stays at the end is less than drawn.
        if len(life.debts) > 1 and self._sometimes(30):
            self._repay_all(life, self._later(life), symbol, mode)
            del life.debts[symbol]
            return
        back = max(1, int(amount * self._rng.uniform(0.02, 0.6)))
        kind = REPAY if self._sometimes(50) else HELP
        self._act(life, self._later(life), kind, symbol, second=mode, amount=back)
        life.debts[symbol] = amount - back

    # Ends

    def _leave(self, life: Life) -> None:
        """Repays and withdraws everything."""
        wave = self._later(life)
        for symbol in life.debts:
            self._repay_all(life, wave, symbol, VARIABLE)
        for symbol in life.supplies:
            self._act(life, wave, WITHDRAW, symbol, amount=ALL)
        life.supplies.clear()
        life.debts.clear()

    def _repay_all(self, life: Life, wave: int, symbol: str, mode: int) -> None:
        """Repays a debt with what was borrowed, and a little more for the interest."""
        self._act(life, wave, PAY, symbol, amount=life.debts[symbol] // 50 + 2)
        self._act(life, wave, REPAY, symbol, second=mode, amount=ALL)

    def _run_down(self, life: Life) -> None:
        """Withdraws until the health factor is little above 1, just before the fall."""
        wave = WAVES - 1
        (symbol, held), (debt, owed) = *life.supplies.items(), *life.debts.items()
        asset = self._assets[symbol]
        needed_usd = 1.03 * owed / self._assets[debt].unit * self._assets[debt].prices[wave] * 100_00
        kept = int(needed_usd / asset.threshold_bps / asset.prices[wave] * asset.unit)
        self._act(life, wave, WITHDRAW, symbol, amount=held - kept)
        life.supplies[symbol] = kept

    def _live_on_dust(self, life: Life) -> None:
        rng = self._rng
        symbol, few = self._draw(SUPPLIED, 1, ("EURS", "SNX"))[0], rng.randint(2, 900)
        if self._sometimes(40):
            self._act(life, life.joined, GIVE, symbol, amount=few)
            life.supplies[symbol] = few
            return
        amount = self._assets[symbol].raw(rng.uniform(100, 900), life.joined)
        self._act(life, life.joined, GIVE, symbol, amount=amount)
        if self._sometimes(50):
            debt = rng.choice(("USDC", "DAI"))
            self._act(life, life.joined, BORROW, debt, second=VARIABLE, amount=few)
            life.supplies[symbol], life.debts[debt] = amount, few
        else:
            self._act(life, self._later(life), WITHDRAW, symbol, amount=amount - few)
            life.supplies[symbol] = few

    def _send_around(self) -> None:
        """Sends aTokens from accounts without debt to recipients, and now and then to one another."""
        givers = [life for life in self.lives if life.kind == "supplier"]
        takers = [life for life in self.lives if life.kind == "recipient"]
        takers += [life for life in givers if self._sometimes(LATER_PERCENT)]
        for taker in takers:
            giver = self._rng.choice(givers)
            if giver is taker:
                continue
            symbol = self._rng.choice(list(giver.supplies))
            amount = max(1, int(giver.supplies[symbol] * self._rng.uniform(0.02, 0.4)))
            self._act(giver, self._later(giver), SEND, symbol, second=taker.number, amount=amount)
            giver.supplies[symbol] -= amount
            taker.supplies[symbol] = taker.supplies.get(symbol, 0) + amount

    # Small things

    def _act(
        self, life: Life, wave: int, kind: int, symbol: str = "WETH", *, second: int = 0, amount: int = 0
    ) -> None:
        place = self._assets[symbol].place
        word = kind << 200 | place << 192 | life.number << 160 | second << 128 | amount
        self.actions[wave].append(word)

    def _price(self, life: Life, symbol: str, wave: int) -> float:
        """In USD; where all that an account has is priced alike, one is as good as any."""
        return 1.0 if life.kind == "staked" and self._staked_price else self._assets[symbol].prices[wave]

    def _worth(self, life: Life, amounts: Mapping[str, int], wave: int, weight: str) -> float:
        """Amounts in USD at a wave, times LTV (`ltv`) or threshold."""
        worth = 0.0
        for symbol, amount in amounts.items():
            asset = self._assets[symbol]
            category = EMODES.get(life.kind)
            terms = category if category and symbol in category.assets else asset
            bps = terms.ltv_bps if weight == "ltv" else terms.threshold_bps
            worth += amount / asset.unit * self._price(life, symbol, wave) * bps / 100_00
        return worth

    def _draw(self, weights: Mapping[str, int], count: int, without: Sequence[str]) -> list[str]:
        """`count` different symbols that the market has."""
        left = {s: w for s, w in weights.items() if s in self._assets and s not in without}
        drawn = []
        for _ in range(count):
            drawn += self._rng.choices(list(left), list(left.values()))
            del left[drawn[-1]]
        return drawn

    def _later(self, life: Life) -> int:
        return self._rng.randrange(life.joined + 1, WAVES)

    def _sometimes(self, percent: int) -> bool:
        return self._rng.random() * 100 < percent

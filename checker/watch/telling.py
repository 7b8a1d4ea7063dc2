"""What a message says of a wallet: plain sentences and figures, never a word for a band among them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from checker import words
from checker.account_view import AccountView, FeedView
from checker.bands import Band, Bands
from checker.wallet_view import WalletView
from checker.watch.values import Fact
from margin.errors import Undecided
from margin.mending import Deed
from margin.rescue import Rescue, Target, rescues
from margin.units import WAD
from protocols.base import Failed, Venue
from protocols.book import Liquidated

MOST_ACCOUNTS = 3
"""Accounts of one wallet that are told about, the worst first."""
MOST_WAYS = 4
MOST_PRICES = 4
_OTHER_WORDS = {
    "ok": "fine",
    "warning": "notice",
    "danger": "risk",
    "liquidatable": "open to liquidation",
    "unknown": "not known",
}
_BAND_WORDS = re.compile(rf"\b({'|'.join(_OTHER_WORDS)})\b", re.IGNORECASE)
Held = tuple[Venue[Any], Any]
"""A venue and one of its accounts as it was read."""


def told_of(
    view: WalletView, held: dict[str, Held], bands: Bands
) -> tuple[tuple[str, ...], tuple[Fact, ...]]:
    """Sentences and facts of a wallet whose band is to be told; `held` by venue and account."""
    ordered = sorted(view.accounts, key=lambda one: (-one.band, _health(one) or float("inf")))
    bad = [one for one in ordered if one.band is not Band.OK] or ordered[:1]
    sentences: list[str] = []
    for account in bad[:MOST_ACCOUNTS]:
        sentences += _of_account(account, _where(account, view))
        there = held.get(_name(account))
        if there is not None and account.band is not Band.OK:
            sentences += _ways(*there, bands)
    if len(bad) > MOST_ACCOUNTS:
        sentences.append(f"and {len(bad) - MOST_ACCOUNTS} more accounts of this wallet are not well")
    sentences += [f"cannot read {item.venue}: {foreign(item.unread)}" for item in view.unread[:MOST_ACCOUNTS]]
    return tuple(sentences), _facts(view)


def _name(account: AccountView) -> str:
    return f"{account.key.venue} {account.key.name}"


def _where(account: AccountView, view: WalletView) -> str:
    """The venue, and which account there, where it is not plain."""
    key = account.key
    alone = len(view.addresses) == 1 and key.account == key.owner
    return key.venue if alone else f"{key.venue} {words.plain(key.name, 120)}"


def _of_account(account: AccountView, where: str) -> Iterable[str]:
    health = account.verdict.health_factor_wad if account.verdict else None
    stands = "" if health is None else f"health {words.health(health)}"
    if account.liquidatable:
        held_back = f", held back for now: {account.blocked}" if account.blocked else ""
        yield (
            f"{where}: {stands}, anyone may seize its collateral{held_back}"
            if stands
            else f"{where}{held_back}"
        )
        return
    yield f"{where}: {stands}" if stands else where
    yield from _deaths(account)
    if account.disagreement:
        yield f"{where}: {account.disagreement}"


def _deaths(account: AccountView) -> Iterable[str]:
    """Which price kills the account and how far that is, and when if nothing moves."""
    found = account.liquidation
    if found is None:
        return
    for feed in _near(account)[:2]:
        if feed.liquidation_price_raw is None:
            continue
        edge_raw = feed.liquidation_price_raw
        share = Decimal(edge_raw - feed.price_raw) / feed.price_raw
        yield (
            f"dies when {feed.asset} is at {words.price(edge_raw, feed.decimals)} "
            f"({words.percent(share)} from {words.price(feed.price_raw, feed.decimals)})"
        )
    if found.at_constant_prices is not None:
        left, block = account.seconds_left or 0, found.block_at_constant_prices
        when = words.moment(found.at_constant_prices)
        when = f"on {when}" if block is None else f"in block {block:,}, about {when}"
        yield f"at constant prices dies {when}, in {words.span(left)}"


def _distance(price_raw: int, edge_raw: int) -> Decimal:
    return abs(Decimal(edge_raw - price_raw) / price_raw)


def _ways(venue: Venue[Any], account: Any, bands: Bands) -> Iterable[str]:
    """What to repay or deposit, each alone, to be back beyond the bounds of the first band."""
    if isinstance(account, Failed):
        return
    health = bands.warning.health_factor
    drop = bands.warning.drop
    target = Target(
        health_factor_wad=None if health is None else max(WAD, int(health * WAD) + 1),
        shock_wad=None if drop is None or drop >= 1 else int(drop * WAD),
    )
    try:
        found = rescues(venue, account, target)
    except Undecided:
        return
    able = [way for way in found if way.amount_raw is not None and way.onward]
    if able:
        said = " or ".join(_way(way) for way in able[:MOST_WAYS])
        goal = f"health {float(health):g}" if health is not None else "its bounds"
        yield f"to be back at {goal}: {said}"


def _way(way: Rescue) -> str:
    verb = "repay" if way.deed is Deed.REPAY else "deposit"
    return (
        f"{verb} {words.quantity(_upwards(way.amount_raw or 0), way.decimals)} {words.plain(way.symbol, 20)}"
    )


def _upwards(amount_raw: int) -> int:
    """Nine digits of an amount, rounded up: more of it does as well."""
    step = int(10 ** max(0, len(str(amount_raw)) - 9))
    return -(-amount_raw // step) * step


def _facts(view: WalletView) -> tuple[Fact, ...]:
    facts = [
        Fact("address", view.wallet if len(view.addresses) == 1 else ", ".join(view.addresses[:3])),
        Fact("collateral", words.usd(view.collateral_usd)),
        Fact("debt", words.usd(view.debt_usd)),
    ]
    healths = [
        one.verdict.health_factor_wad
        for one in view.accounts
        if one.verdict is not None and one.verdict.health_factor_wad is not None
    ]
    if healths:
        facts.append(Fact("lowest health", words.health(min(healths))))
    return (*facts, *_prices(view))


def _prices(view: WalletView) -> Iterable[Fact]:
    """The prices that its accounts depend on most, each once."""
    found: dict[str, str] = {}
    for account in view.accounts:
        for feed in _near(account)[:2]:
            found.setdefault(feed.asset, words.price(feed.price_raw, feed.decimals))
    return [Fact(f"price of {asset}", price) for asset, price in list(found.items())[:MOST_PRICES]]


def _near(account: AccountView) -> list[FeedView]:
    """The feeds that can kill the account, the nearest first; where none can, all it depends on."""
    feeds = account.liquidation.feeds if account.liquidation else ()
    near = [feed for feed in feeds if feed.liquidation_price_raw is not None]
    near.sort(key=lambda feed: _distance(feed.price_raw, feed.liquidation_price_raw or 0))
    return near or list(feeds)


def _health(account: AccountView) -> float | None:
    health_wad = account.verdict.health_factor_wad if account.verdict else None
    return None if health_wad is None else health_wad / WAD


def foreign(said: object) -> str:
    """A reason in a node's own words, without those that stand for bands here and for nothing else."""
    return _BAND_WORDS.sub(lambda found: _OTHER_WORDS[found[0].lower()], str(said))


def liquidation_told(what: Liquidated, usd_per_unit: float | None) -> tuple[str, ...]:
    """What was taken from an account, by which transaction, and what it cost."""
    lines = [
        f"{what.key.venue}: {what.key.name} liquidated in block {what.block} by {what.liquidator}",
        f"transaction {what.transaction}",
    ]
    return tuple(lines + list(_taken(what, usd_per_unit)))


def _taken(what: Liquidated, usd_per_unit: float | None) -> Sequence[str]:
    repaid = f"{words.amount(what.repaid_raw, what.debt_decimals)} {words.plain(what.debt_symbol, 20)}"
    taken = [(what.collateral_symbol, what.collateral_decimals, what.seized_raw + what.fee_raw)]
    taken += [(symbol, decimals, raw) for _, symbol, decimals, raw in what.also_taken]
    seized = " and ".join(
        f"{words.amount(raw, decimals)} {words.plain(symbol, 20)}" for symbol, decimals, raw in taken
    )
    cost = ""
    if what.cost_raw is not None and usd_per_unit is not None:
        cost = f", at a cost of {words.usd(what.cost_raw * usd_per_unit)}"
    return (f"{repaid} of its debt repaid, {seized} seized{cost}",)

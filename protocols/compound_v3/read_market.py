"""Opening a Comet at one block: what it is made with, its collaterals, totals and prices."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from chain.abi import Function
from chain.answers import by_contract
from chain.erc20 import Token, TokenCache
from chain.reader import Call, Reader
from chain.text import clean
from margin.basics import Address, Reason, Unread
from margin.errors import VenueError
from margin.frontier import HORIZON_S
from margin.prices import Feed, FeedKey, Prices
from margin.units import WAD
from protocols.base import Numeraire, VenueConfig
from protocols.book import Total
from protocols.compound_v3 import abi, parts
from protocols.compound_v3.interest import MAX_UINT64, Curve, Totals
from protocols.compound_v3.state import Asset, Base, Settings
from protocols.compound_v3.venue import PRICE_DECIMALS, Market
from protocols.opening import entered, required

COMET = "comet"
LIKE = "as a Comet"
USD = "USD"
_QUOTE = re.compile(r"/\s*(\w+)")
"""What a feed quotes in, in its description: `COMP / USD`, `Custom price feed for wstETH / ETH`."""
_ENTRY = (
    abi.BASE_TOKEN,
    abi.BASE_FEED,
    abi.BASE_SCALE,
    abi.NUM_ASSETS,
    abi.GOVERNOR,
    abi.PAUSE_GUARDIAN,
    abi.STORE_FRONT_FACTOR,
    abi.TARGET_RESERVES,
    abi.SUPPLY_KINK,
    abi.SUPPLY_LOW,
    abi.SUPPLY_HIGH,
    abi.SUPPLY_BASE,
    abi.BORROW_KINK,
    abi.BORROW_LOW,
    abi.BORROW_HIGH,
    abi.BORROW_BASE,
)


def read_market(reader: Reader, config: VenueConfig) -> Market:
    """The market at the reader's block. A few bulk rounds, whatever the number of its collaterals.

    Raises `VenueError` when there is no Comet, or one whose rates are not those computed here;
    `ReadError` when a value that all accounts depend on could not be read.
    """
    comet = config.addresses[COMET]
    entry = entered(reader, config, comet, _ENTRY, "a Comet")
    (base_token, base_feed, base_scale, count), (governor, guardian, store_front_wad, target_raw) = (
        entry[:4],
        entry[4:8],
    )
    supply_curve, borrow_curve = Curve(*entry[8:12]), Curve(*entry[12:16])
    (said, *infos) = required(
        reader,
        config,
        [Call(comet, abi.TOTALS_BASIC), *(Call(comet, abi.GET_ASSET_INFO, (i,)) for i in range(count))],
        LIKE,
    )
    totals = Totals(said[0], said[1], said[4], said[5], said[6])
    _check_rates(reader, config, comet, totals, supply_curve, borrow_curve)
    tokens = {t.address: t for t in TokenCache().read(reader, [base_token, *(info[1] for info in infos)])}
    sources: defaultdict[Address, list[Address]] = defaultdict(list)
    for token, source in ((base_token, base_feed), *((info[1], info[2]) for info in infos)):
        sources[source].append(token)
    answers = _answers(reader, list(sources))
    numeraire = _numeraire(config, base_token, base_feed, answers)
    quote_factor = config.factor(base_token) if numeraire is None or numeraire.token else None
    quotes, feeds = _quotes(sources, answers, tokens, config, quote_factor)
    held = required(
        reader,
        config,
        [Call(token, abi.BALANCE_OF, (comet,)) for token in (base_token, *(i[1] for i in infos))],
        LIKE,
    )
    supplied = required(
        reader, config, [Call(comet, abi.TOTALS_COLLATERAL, (info[1],)) for info in infos], LIKE
    )
    base = Base(
        token=base_token,
        symbol=tokens[base_token].symbol,
        decimals=len(str(base_scale)) - 1,
        scale=base_scale,
        source=base_feed,
        feed=quotes[base_feed],
        held_raw=held[0][0],
    )
    assets = [
        _asset(info, tokens[info[1]].symbol, quotes[info[2]], total[0], own[0])
        for info, total, own in zip(infos, supplied, held[1:], strict=True)
    ]
    settings = Settings(
        comet=comet,
        governor=governor,
        guardian=guardian,
        supply_curve=supply_curve,
        borrow_curve=borrow_curve,
        store_front_wad=store_front_wad,
        target_reserves_raw=target_raw,
        pause_flags=said[7],
    )
    return Market(
        id=config.id,
        block=reader.block,
        settings=settings,
        base=base,
        assets={asset.id: asset for asset in assets},
        booked=totals,
        feeds=feeds,
        prices=Prices({key: feed.answer_raw for key, feed in feeds.items()}),
        numeraire=numeraire,
        stuck=_stuck(totals, supply_curve, borrow_curve, reader.block.timestamp),
    )


def read_totals(market: Market, reader: Reader, config: VenueConfig) -> tuple[Total, ...]:
    """What the market says exists: principal lent and owed, and of each collateral what is supplied.

    Nobody can owe a collateral: its debt is zero on both sides.
    """
    comet = market.settings.comet
    assets = list(market.assets.values())
    said, *supplied = required(
        reader,
        config,
        [Call(comet, abi.TOTALS_BASIC), *(Call(comet, abi.TOTALS_COLLATERAL, (a.token,)) for a in assets)],
        LIKE,
    )
    base = market.base
    found = [
        Total(base.token, base.symbol, "supply", parts.LENT, said[4]),
        Total(base.token, base.symbol, "debt", parts.OWED, said[5]),
    ]
    for asset, (supplied_raw, _) in zip(assets, supplied, strict=True):
        found += [
            Total(asset.token, asset.symbol, "supply", parts.part_of(asset.id), supplied_raw),
            Total(asset.token, asset.symbol, "debt", parts.NOBODYS, 0),
        ]
    return tuple(found)


def _check_rates(
    reader: Reader, config: VenueConfig, comet: Address, totals: Totals, supply: Curve, borrow: Curve
) -> None:
    """Raises `VenueError` unless the market computes utilization and rates as it is done here."""
    kinks = (supply.kink_wad, borrow.kink_wad)
    places = dict.fromkeys((totals.utilization_wad, 0, *kinks, max(kinks) + WAD // 7))
    pairs: list[tuple[Function, Curve]] = [(abi.GET_SUPPLY_RATE, supply), (abi.GET_BORROW_RATE, borrow)]
    asked = [(function, curve, at) for at in places for function, curve in pairs]
    asked = [(function, curve, at) for function, curve, at in asked if curve.rate_wad(at) <= MAX_UINT64]
    calls = [Call(comet, function, (at,)) for function, _, at in asked]
    (utilization,), *rates = required(reader, config, [Call(comet, abi.GET_UTILIZATION), *calls], LIKE)
    ours = [totals.utilization_wad, *(curve.rate_wad(at) for _, curve, at in asked)]
    if [utilization, *(rate for (rate,) in rates)] != ours:
        raise VenueError(config.id, f"{comet} charges other rates than the Comet known here")


def _stuck(totals: Totals, supply: Curve, borrow: Curve, now: int) -> Unread | None:
    """Why the market cannot accrue, or may not be able to within the time that is followed."""
    utilization_wad = totals.utilization_wad
    if max(supply.rate_wad(utilization_wad), borrow.rate_wad(utilization_wad)) > MAX_UINT64:
        return Unread(Reason.UNSUPPORTED, "its rate does not fit 64 bits: the market cannot accrue")
    later = totals.accrued(now + HORIZON_S, supply, borrow)
    if max(later.supply_index, later.borrow_index) > MAX_UINT64:
        return Unread(Reason.UNSUPPORTED, "within ten years its index would not fit 64 bits")
    return None


def _answers(
    reader: Reader, sources: Sequence[Address]
) -> dict[Address, tuple[tuple[Any, ...] | Unread, str]]:
    """By feed its round as `latestRoundData` gives it, which is what Comet reads, and its description."""
    calls = [Call(source, function) for function in (abi.LATEST_ROUND, abi.DESCRIPTION) for source in sources]
    answers = reader.read(calls)
    rounds, names = answers[: len(sources)], answers[len(sources) :]
    return {
        source: (round_, "" if isinstance(name, Unread) else clean(str(name[0])))
        for source, round_, name in zip(sources, rounds, names, strict=True)
    }


def _numeraire(
    config: VenueConfig,
    base: Address,
    base_feed: Address,
    answers: Mapping[Address, tuple[tuple[Any, ...] | Unread, str]],
) -> Numeraire | None:
    """What the market's feeds quote in, by their own words: `None` where these do not tell.

    Where the base's price is a constant of 1, and no other feed quotes in dollars, it is the base itself.
    """
    round_, name = answers[base_feed]
    own = _QUOTE.search(name)
    said = {found[1] for _, name in answers.values() if (found := _QUOTE.search(name)) is not None}
    if (own[1] if own is not None else said.pop() if len(said) == 1 else None) == USD:
        return Numeraire(None, 10**PRICE_DECIMALS)
    if own is None and not isinstance(round_, Unread) and round_[1] == 10**PRICE_DECIMALS:
        return Numeraire(base, 10**PRICE_DECIMALS, config.factor(base))
    return None


def _quotes(
    sources: Mapping[Address, Sequence[Address]],
    answers: Mapping[Address, tuple[tuple[Any, ...] | Unread, str]],
    tokens: Mapping[Address, Token],
    config: VenueConfig,
    quote_factor: str | None,
) -> tuple[dict[Address, FeedKey | Unread], dict[FeedKey, Feed]]:
    """By feed its key, or why it gives no price; and the feeds that do.

    Source: Comet.getPrice of compound-finance/comet, commit d5a30b0: an answer that is not positive is
    refused, and its age is not looked at.
    """
    quotes: dict[Address, FeedKey | Unread] = {}
    feeds: dict[FeedKey, Feed] = {}
    for source, priced in sources.items():
        symbols = "+".join(tokens[token].symbol for token in dict.fromkeys(priced))
        round_, _ = answers[source]
        if isinstance(round_, Unread):
            said = (
                f"the price feed of {symbols} gives no answer, and nothing that hangs on it can be absorbed"
            )
            quotes[source] = Unread(Reason.ORACLE, said) if by_contract(round_) else round_
        elif round_[1] <= 0:
            said = f"the price feed of {symbols} answers {round_[1]}, which the market refuses (BadPrice)"
            quotes[source] = Unread(Reason.ORACLE, said[:200])
        else:
            key = FeedKey(source)
            quotes[source] = key
            feeds[key] = Feed(
                key=key,
                address=source,
                asset=symbols,
                answer_raw=round_[1],
                decimals=PRICE_DECIMALS,
                base_factor=config.factor(priced[-1]),
                quote_factor=quote_factor,
                updated_at=round_[3],
            )
    return quotes, feeds


def _asset(
    info: tuple[Any, ...], symbol: str, feed: FeedKey | Unread, supplied_raw: int, held_raw: int
) -> Asset:
    return Asset(
        id=info[0],
        token=info[1],
        symbol=symbol,
        decimals=len(str(info[3])) - 1,
        scale=info[3],
        source=info[2],
        feed=feed,
        borrow_wad=info[4],
        liquidate_wad=info[5],
        liquidation_wad=info[6],
        cap_raw=info[7],
        supplied_raw=supplied_raw,
        held_raw=held_raw,
    )

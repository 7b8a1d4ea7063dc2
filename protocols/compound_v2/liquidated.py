"""Liquidations that happened, from the markets' events.

Source: VToken.liquidateBorrowFresh of VenusProtocol/venus-protocol 0.7.0: `LiquidateBorrow` of the
borrowed market names liquidator, borrower, what was repaid, the seized market and the tokens that
the borrower lost. Where the seized market keeps a share of them (Compound's later CToken), it is in there.
"""

from __future__ import annotations

from collections.abc import Iterable

from chain.abi import to_address
from chain.logs import Log
from margin.account import AccountKey
from margin.basics import Unread
from margin.units import WAD
from protocols.book import Liquidated
from protocols.compound_v2 import interest
from protocols.compound_v2.events import LIQUIDATE_BORROW
from protocols.compound_v2.pool import Pool
from protocols.compound_v2.state import Market


def liquidations_in(pool: Pool, logs: Iterable[Log]) -> tuple[Liquidated, ...]:
    """Every `LiquidateBorrow` of a market; values at the pool's prices.

    The seized tokens are told in the underlying, at the rate of the seized market in the event's block.
    """
    by_address = {market.address: market for market in pool.markets.values()}
    found = []
    for log in logs:
        borrowed = by_address.get(log.address)
        if borrowed is None or not log.topics or log.topics[0] != LIQUIDATE_BORROW or len(log.data) != 160:
            continue
        held = by_address.get(to_address(log.data[108:128]))
        if held is not None:
            found.append(_liquidated(pool, log, borrowed, held))
    return tuple(found)


def _liquidated(pool: Pool, log: Log, borrowed: Market, held: Market) -> Liquidated:
    liquidator, owner = to_address(log.data[12:32]), to_address(log.data[44:64])
    repaid_raw, tokens = (int.from_bytes(log.data[at : at + 32], "big") for at in (64, 128))
    rate_wad = interest.exchange_rate_wad(held, max(log.block, held.accrued_at))
    kept_raw = rate_wad * (tokens * held.seize_share_wad // WAD) // WAD
    taken_raw = rate_wad * tokens // WAD
    taken, repaid = _value(pool, held, taken_raw), _value(pool, borrowed, repaid_raw)
    return Liquidated(
        key=AccountKey(pool.id, owner, owner),
        block=log.block,
        transaction=log.transaction,
        liquidator=liquidator,
        debt_token=borrowed.token,
        debt_symbol=borrowed.symbol,
        debt_decimals=borrowed.decimals,
        repaid_raw=repaid_raw,
        collateral_token=held.token,
        collateral_symbol=held.symbol,
        collateral_decimals=held.decimals,
        seized_raw=taken_raw - kept_raw,
        fee_raw=kept_raw,
        as_receipt=True,
        cost_raw=None if taken is None or repaid is None else taken - repaid,
    )


def _value(pool: Pool, market: Market, amount_raw: int) -> int | None:
    """In US dollars with 18 decimals, rounded down; `None` without a usable price."""
    return None if isinstance(market.feed, Unread) else pool.prices[market.feed] * amount_raw // WAD

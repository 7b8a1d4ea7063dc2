"""Liquidations that happened, from the pool's and the tokens' events.

Source: LiquidationLogic.executeLiquidationCall of aave/aave-v3-core 1.19.3 (v3.0.2) and
aave-dao/aave-v3-origin v3.1.0 … v3.7. In every version `debtToCover` is what was repaid, and
`liquidatedCollateralAmount` what the liquidator received; the protocol's fee is not in it, nor in any
other event of the pool: it is the aToken's transfer from the borrower to the treasury that follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from eth_utils.crypto import keccak

from chain.abi import to_address
from chain.logs import Log
from margin.account import AccountKey
from margin.basics import Address
from protocols.aave_common.quotes import Quote
from protocols.aave_v3.events import TRANSFER
from protocols.aave_v3.state import Reserve
from protocols.aave_v3.venue import Market
from protocols.book import Liquidated

LIQUIDATION_CALL = bytes(keccak(text="LiquidationCall(address,address,address,uint256,uint256,address,bool)"))
DEFICIT_CREATED = bytes(keccak(text="DeficitCreated(address,address,uint256)"))
"""From v3.3: debt that no collateral is left for is burnt, before its liquidation is told."""
_NOBODY = bytes(32)


def liquidations_in(market: Market, logs: Iterable[Log]) -> tuple[Liquidated, ...]:
    """Every `LiquidationCall` of the pool; values at the market's prices."""
    found = []
    transaction = ""
    transfers: list[Log] = []
    deficits: list[Log] = []
    for log in logs:
        if log.transaction != transaction:
            transaction, transfers, deficits = log.transaction, [], []
        topic = log.topics[0] if log.topics else b""
        if topic == TRANSFER and len(log.topics) == 3:
            transfers.append(log)
        elif topic == DEFICIT_CREATED and log.address == market.pool and len(log.topics) == 3:
            deficits.append(log)
        elif topic == LIQUIDATION_CALL and log.address == market.pool and len(log.topics) == 4:
            found.append(_liquidated(market, log, transfers, deficits))
            deficits = []
    return tuple(found)


def _liquidated(market: Market, log: Log, transfers: Sequence[Log], deficits: Sequence[Log]) -> Liquidated:
    collateral, debt, owner = (to_address(topic[12:]) for topic in log.topics[1:])
    repaid_raw, seized_raw, liquidator, as_receipt = (
        int.from_bytes(log.data[at : at + 32], "big") for at in (0, 32, 64, 96)
    )
    by_token = {reserve.token: reserve for reserve in market.reserves.values()}
    seized_of, repaid_of = by_token.get(collateral), by_token.get(debt)
    fee_raw = _fee_raw(seized_of, repaid_of, log.topics[3], transfers, as_receipt=bool(as_receipt))
    taken, repaid = _value(market, seized_of, seized_raw + fee_raw), _value(market, repaid_of, repaid_raw)
    return Liquidated(
        key=AccountKey(market.id, owner, owner),
        block=log.block,
        transaction=log.transaction,
        liquidator=to_address(liquidator.to_bytes(20, "big")),
        debt_token=debt,
        debt_symbol=_symbol(repaid_of, debt),
        debt_decimals=repaid_of.configuration.decimals if repaid_of else 0,
        repaid_raw=repaid_raw,
        collateral_token=collateral,
        collateral_symbol=_symbol(seized_of, collateral),
        collateral_decimals=seized_of.configuration.decimals if seized_of else 0,
        seized_raw=seized_raw,
        fee_raw=fee_raw,
        as_receipt=bool(as_receipt),
        cost_raw=None if taken is None or repaid is None else taken - repaid,
        written_off=tuple(
            (to_address(one.topics[2][12:]), int.from_bytes(one.data[:32], "big"))
            for one in deficits
            if one.topics[1] == log.topics[3]
        ),
    )


def _fee_raw(
    collateral: Reserve | None,
    debt: Reserve | None,
    user: bytes,
    transfers: Sequence[Log],
    *,
    as_receipt: bool,
) -> int:
    """What of the collateral went to the treasury.

    The pool burns debt first, and then moves aTokens: to the liquidator where it wants aTokens, and
    then to the treasury. So what the user did earlier in the same transaction does not count.
    """
    if collateral is None or debt is None:
        return 0
    moved: list[int] = []
    for log in transfers:
        if log.address in (debt.variable_debt_token, debt.stable_debt_token) and user in log.topics[1:]:
            moved = []
        elif log.address == collateral.a_token and log.topics[1] == user and log.topics[2] != _NOBODY:
            moved.append(int.from_bytes(log.data[:32], "big"))
    return sum(moved[1:] if as_receipt else moved)


def _value(market: Market, reserve: Reserve | None, amount_raw: int) -> int | None:
    """In the base currency, rounded down; `None` without a usable price."""
    if reserve is None or not isinstance(reserve.quote, Quote):
        return None
    quote = reserve.quote
    price = quote.constant_raw if quote.feed is None else market.prices[quote.feed]
    return amount_raw * price // reserve.unit


def _symbol(reserve: Reserve | None, token: Address) -> str:
    """A token that is no reserve any more is known by its address only."""
    return reserve.symbol if reserve else token

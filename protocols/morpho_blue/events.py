"""Which events name the accounts of a Morpho Blue, which change its markets, and what liquidations they tell.

Source: libraries/EventsLib and Morpho of morpho-org/morpho-blue 1.0.0. Every change of a position has its
event but one: an update of a market mints supply shares to the fee recipient, named nowhere. So whoever
was named fee recipient is looked at in every market.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from eth_utils.crypto import keccak

from chain.abi import address_bytes, to_address
from chain.logs import Log, LogFilter
from margin.account import AccountKey
from margin.basics import Address
from protocols.book import Holding, Liquidated, Touched
from protocols.morpho_blue.cells import COLLATERAL, DEBT, SUPPLY
from protocols.morpho_blue.find_markets import CREATE_MARKET
from protocols.morpho_blue.venue import PRICE_SCALE, Markets


def _topic(signature: str) -> bytes:
    return bytes(keccak(text=signature))


SUPPLIED = _topic("Supply(bytes32,address,address,uint256,uint256)")
WITHDRAWN = _topic("Withdraw(bytes32,address,address,address,uint256,uint256)")
BORROWED = _topic("Borrow(bytes32,address,address,address,uint256,uint256)")
REPAID = _topic("Repay(bytes32,address,address,uint256,uint256)")
COLLATERAL_SUPPLIED = _topic("SupplyCollateral(bytes32,address,address,uint256)")
COLLATERAL_WITHDRAWN = _topic("WithdrawCollateral(bytes32,address,address,address,uint256)")
LIQUIDATED = _topic("Liquidate(bytes32,address,address,uint256,uint256,uint256,uint256,uint256)")
ACCRUED = _topic("AccrueInterest(bytes32,uint256,uint256,uint256)")
FEE_SET = _topic("SetFee(bytes32,uint256)")
FEE_RECIPIENT_SET = _topic("SetFeeRecipient(address)")

_OWNER_TOPIC = {
    SUPPLIED: 3,
    WITHDRAWN: 2,
    BORROWED: 2,
    REPAID: 3,
    COLLATERAL_SUPPLIED: 3,
    COLLATERAL_WITHDRAWN: 2,
    LIQUIDATED: 3,
}
"""Which topic names whose position it is; `caller` is indexed in some of them only."""
_PARTS = {
    SUPPLIED: (SUPPLY,),
    WITHDRAWN: (SUPPLY,),
    BORROWED: (DEBT,),
    REPAID: (DEBT,),
    COLLATERAL_SUPPLIED: (COLLATERAL,),
    COLLATERAL_WITHDRAWN: (COLLATERAL,),
    LIQUIDATED: (DEBT, COLLATERAL),
}
_OF_A_MARKET = frozenset({*_PARTS, ACCRUED, FEE_SET})
_MOVES_NO_TOTAL = frozenset({COLLATERAL_SUPPLIED})
_NOTHING_READ = frozenset(
    _topic(signature)
    for signature in (
        "EnableIrm(address)",
        "EnableLltv(uint256)",
        "FlashLoan(address,address,uint256)",
        "SetAuthorization(address,address,address,bool)",
        "IncrementNonce(address,address,uint256)",
    )
)


def history(venue: Markets) -> LogFilter:
    """What moves positions, and who gets the fees of which market."""
    return LogFilter((venue.morpho,), (*_PARTS, CREATE_MARKET, FEE_SET, FEE_RECIPIENT_SET))


def watched(venue: Markets) -> LogFilter:
    """Morpho: a rate model changes nothing but when Morpho asks it, and that has its own event there."""
    return LogFilter((venue.morpho,))


def touched(venue: Markets, logs: Iterable[Log], *, all_markets: bool) -> Touched:
    """Holdings that these events name; whether a market's totals, or the markets, may be others now.

    `all_markets`: the venue has every market, not only those that the configuration names.
    """
    holdings: set[Holding] = set()
    changed = False
    for log in logs:
        topic = log.topics[0] if log.topics else b""
        if topic == CREATE_MARKET:
            changed = changed or all_markets
            holdings.add((log.topics[1] + address_bytes(venue.fee_recipient), SUPPLY))
        elif topic == FEE_RECIPIENT_SET:
            changed = True
            recipient = log.topics[1][12:]
            holdings.update((bytes.fromhex(id_[2:]) + recipient, SUPPLY) for id_ in venue.markets)
        elif topic in _OF_A_MARKET:
            holdings.update(_named(log))
            is_ours = "0x" + log.topics[1].hex() in venue.markets
            changed = changed or (is_ours and topic not in _MOVES_NO_TOTAL)
            if topic in (ACCRUED, FEE_SET):
                holdings.add((log.topics[1] + address_bytes(venue.fee_recipient), SUPPLY))
        elif topic not in _NOTHING_READ:
            changed = True
    return Touched(frozenset(holdings), changed)


def _named(log: Log) -> Iterator[Holding]:
    for part in _PARTS.get(log.topics[0], ()):
        yield log.topics[1] + log.topics[_OWNER_TOPIC[log.topics[0]]][12:], part


def liquidations_in(venue: Markets, logs: Iterable[Log]) -> Iterator[Liquidated]:
    """Every `Liquidate` in a market of the venue; values at its prices."""
    for log in logs:
        if log.topics and log.topics[0] == LIQUIDATED and "0x" + log.topics[1].hex() in venue.markets:
            yield _liquidated(venue, log)


def _liquidated(venue: Markets, log: Log) -> Liquidated:
    market = venue.markets["0x" + log.topics[1].hex()]
    owner: Address = to_address(log.topics[3][12:])
    repaid_raw, _, seized_raw, bad_raw, _ = (
        int.from_bytes(log.data[at : at + 32], "big") for at in range(0, 160, 32)
    )
    taken_raw = (
        seized_raw * venue.prices[market.quote] // PRICE_SCALE if isinstance(market.quote, str) else None
    )
    return Liquidated(
        key=AccountKey(venue.id, owner, market.id),
        block=log.block,
        transaction=log.transaction,
        liquidator=to_address(log.topics[2][12:]),
        debt_token=market.loan.address,
        debt_symbol=market.loan.symbol,
        debt_decimals=market.loan.decimals,
        repaid_raw=repaid_raw,
        collateral_token=market.collateral.address,
        collateral_symbol=market.collateral.symbol,
        collateral_decimals=market.collateral.decimals,
        seized_raw=seized_raw,
        fee_raw=0,
        as_receipt=False,
        cost_raw=None if taken_raw is None else taken_raw - repaid_raw,
        written_off=((market.loan.address, bad_raw),) if bad_raw else (),
    )

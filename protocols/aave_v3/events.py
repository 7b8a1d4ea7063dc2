"""Which events name the accounts of an Aave v3 pool, and which change what all of them depend on.

Source: interfaces IPool, IERC20, IScaledBalanceToken, IStableDebtToken, ICreditDelegationToken of
aave/aave-v3-core 1.19.3 and aave-dao/aave-v3-origin v3.1.0 … v3.7. Every change of a scaled balance
emits a `Transfer` of the token (mint and burn from and to zero), whatever else it emits.
"""

from __future__ import annotations

from collections.abc import Iterable

from eth_utils.crypto import keccak

from chain.logs import Log, LogFilter
from margin.basics import Address
from protocols.aave_v3 import parts
from protocols.aave_v3.venue import Market
from protocols.book import Holding, Touched


def _topic(signature: str) -> bytes:
    return bytes(keccak(text=signature))


TRANSFER = _topic("Transfer(address,address,uint256)")
USER_EMODE_SET = _topic("UserEModeSet(address,uint8)")
COLLATERAL_ENABLED = _topic("ReserveUsedAsCollateralEnabled(address,address)")
COLLATERAL_DISABLED = _topic("ReserveUsedAsCollateralDisabled(address,address)")

_OF_TOKENS_AND_NOTHING_NEW = frozenset(
    _topic(signature)
    for signature in (
        "Approval(address,address,uint256)",
        "BorrowAllowanceDelegated(address,address,address,uint256)",
        "BalanceTransfer(address,address,uint256,uint256)",
        "Mint(address,address,uint256,uint256,uint256)",
        "Burn(address,address,uint256,uint256,uint256)",
        # stable debt
        "Mint(address,address,uint256,uint256,uint256,uint256,uint256,uint256)",
        "Burn(address,uint256,uint256,uint256,uint256,uint256)",
        # voting power of aAAVE
        "DelegateChanged(address,address,uint8)",
    )
)
"""Events of the tokens that come with a `Transfer`, or change no balance."""


def history(market: Market) -> LogFilter:
    """Transfers of every token of the pool, and what users set for themselves."""
    tokens = [token for reserve in market.reserves.values() for token in parts.tokens_of(market, reserve)]
    topics = (TRANSFER, USER_EMODE_SET, COLLATERAL_ENABLED, COLLATERAL_DISABLED)
    return LogFilter((market.pool, *tokens), topics)


def watched(market: Market, provider: Address) -> LogFilter:
    """The pool, its tokens, and everything that configures them."""
    others = (provider, market.configurator, market.oracle.address)
    return LogFilter((*history(market).addresses, *others))


def touched(market: Market, logs: Iterable[Log]) -> Touched:
    """Holdings that these events name; any event that is not known here changes the venue."""
    token_parts = {
        token: part
        for reserve in market.reserves.values()
        for token, part in parts.tokens_of(market, reserve).items()
    }
    holdings: set[Holding] = set()
    venue = False
    nobody = bytes(20)
    for log in logs:
        topic = log.topics[0] if log.topics else b""
        if log.address in token_parts:
            if topic == TRANSFER and len(log.topics) == 3:
                part = token_parts[log.address]
                for holder in (log.topics[1][12:], log.topics[2][12:]):
                    if holder != nobody:
                        holdings.update((holder, each) for each in parts.with_companions(part))
            elif topic not in _OF_TOKENS_AND_NOTHING_NEW:
                venue = True
        elif log.address == market.pool and topic == USER_EMODE_SET and len(log.topics) == 2:
            holdings.add((log.topics[1][12:], parts.EMODE))
        elif (
            log.address == market.pool
            and topic in (COLLATERAL_ENABLED, COLLATERAL_DISABLED)
            and len(log.topics) == 3
        ):
            holdings.add((log.topics[2][12:], parts.FLAGS))
        else:
            venue = True
    return Touched(frozenset(holdings), venue)

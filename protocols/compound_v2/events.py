"""Which events name the accounts of a Comptroller, and which change what all of them depend on.

Source: VTokenInterfaces.sol, ComptrollerG5.sol and VAIController.sol of VenusProtocol/venus-protocol
0.7.0; Compound's own are the same but for VAI. None of their parties is indexed, but those of transfers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from eth_utils.crypto import keccak

from chain.logs import Log, LogFilter
from protocols.book import Holding, Touched
from protocols.compound_v2 import parts
from protocols.compound_v2.parts import ENTERED, INDEX, PRINCIPAL, TOKENS, VAI
from protocols.compound_v2.pool import Pool


def _topic(signature: str) -> bytes:
    return bytes(keccak(text=signature))


TRANSFER = _topic("Transfer(address,address,uint256)")
BORROW = _topic("Borrow(address,uint256,uint256,uint256)")
REPAY_BORROW = _topic("RepayBorrow(address,address,uint256,uint256,uint256)")
LIQUIDATE_BORROW = _topic("LiquidateBorrow(address,address,uint256,address,uint256)")
MARKET_ENTERED = _topic("MarketEntered(address,address)")
MARKET_EXITED = _topic("MarketExited(address,address)")
MINT_VAI = _topic("MintVAI(address,uint256)")
REPAY_VAI = _topic("RepayVAI(address,address,uint256)")
LIQUIDATE_VAI = _topic("LiquidateVAI(address,address,uint256,address,uint256)")

_NOTHING_NEW = frozenset(
    _topic(signature)
    for signature in (
        "Approval(address,address,uint256)",
        "Failure(uint256,uint256,uint256)",
        # with a transfer, an accrual, or both
        "Mint(address,uint256,uint256)",
        "MintBehalf(address,address,uint256,uint256)",
        "Redeem(address,uint256,uint256)",
        "RedeemFee(address,uint256,uint256)",
        "LiquidateBorrow(address,address,uint256,address,uint256)",
        # rewards
        "DistributedSupplierVenus(address,address,uint256,uint256)",
        "DistributedBorrowerVenus(address,address,uint256,uint256)",
        "DistributedSupplierComp(address,address,uint256,uint256)",
        "DistributedBorrowerComp(address,address,uint256,uint256)",
    )
)


def history(pool: Pool) -> LogFilter:
    """Transfers, borrowings, and markets entered and left; VAI where there is any."""
    topics = (TRANSFER, BORROW, REPAY_BORROW, MARKET_ENTERED, MARKET_EXITED, MINT_VAI, REPAY_VAI)
    return LogFilter(watched(pool).addresses, topics)


def watched(pool: Pool) -> LogFilter:
    """The Comptroller, its markets, and who mints VAI."""
    controller = pool.settings.vai_controller
    others = (pool.settings.comptroller,) if controller is None else (pool.settings.comptroller, controller)
    return LogFilter((*others, *(market.address for market in pool.markets.values())))


def touched(pool: Pool, logs: Iterable[Log]) -> Touched:
    """Holdings that these events name; an accrual, and any event not known here, changes the venue."""
    ids = {market.address: market.id for market in pool.markets.values()}
    holdings: set[Holding] = set()
    venue = False
    nobody = bytes(20)
    for log in logs:
        topic = log.topics[0] if log.topics else b""
        party = _party(log.data)
        market = ids.get(log.address)
        if market is not None:
            if topic == TRANSFER and len(log.topics) == 3:
                # The market itself stands for the one side of a mint or redemption; it may hold tokens, too.
                for holder in (log.topics[1][12:], log.topics[2][12:]):
                    if holder != nobody:
                        holdings.add((holder, parts.part_of(market, TOKENS)))
                venue = True
            elif topic in (BORROW, REPAY_BORROW):
                borrower = party(0 if topic == BORROW else 1)
                holdings |= {(borrower, parts.part_of(market, kind)) for kind in (PRINCIPAL, INDEX)}
                venue = True
            elif topic not in _NOTHING_NEW:
                venue = True
        elif topic in (MARKET_ENTERED, MARKET_EXITED) and log.address == pool.settings.comptroller:
            entered = next(
                (m.id for m in pool.markets.values() if log.data[12:32] == _bytes(m.address)), None
            )
            if entered is None:
                venue = True
            else:
                holdings.add((party(1), parts.part_of(entered, ENTERED)))
        elif topic in (MINT_VAI, REPAY_VAI, LIQUIDATE_VAI):
            holdings.add((party(0 if topic == MINT_VAI else 1), VAI))
        elif topic not in _NOTHING_NEW:
            venue = True
    return Touched(frozenset(holdings), venue)


def _bytes(address: str) -> bytes:
    return bytes.fromhex(address[2:])


def _party(data: bytes) -> Callable[[int], bytes]:
    """The address in one of the words of an event's data."""
    return lambda word: data[32 * word + 12 : 32 * word + 32]

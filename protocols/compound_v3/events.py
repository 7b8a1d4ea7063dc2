"""Which events name the accounts of a Comet, which change its market, and what liquidations they tell.

Source: CometMainInterface.sol and CometExtInterface.sol of compound-finance/comet, commit d5a30b0. Everything
that an account can lend or hold is named by an event. A debt has one trap: `transfer` of base moves it
without any where neither side lends before or after (`read_accounts.read_again`, `adapter.silent_since`).
Both sides were named before, though: one holds collateral, and the other's debt came from somewhere. Only
where `baseBorrowMin` is worth less than 1e-8 could somebody owe who never held anything; the totals tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from eth_utils.crypto import keccak

from chain.abi import to_address
from chain.logs import Log, LogFilter
from margin.account import AccountKey
from margin.units import WAD
from protocols.book import Holding, Liquidated, Touched
from protocols.compound_v3 import parts
from protocols.compound_v3.parts import LENT, OWED
from protocols.compound_v3.state import Asset
from protocols.compound_v3.venue import Market


def _topic(signature: str) -> bytes:
    return bytes(keccak(text=signature))


SUPPLY = _topic("Supply(address,address,uint256)")
TRANSFER = _topic("Transfer(address,address,uint256)")
WITHDRAW = _topic("Withdraw(address,address,uint256)")
SUPPLY_COLLATERAL = _topic("SupplyCollateral(address,address,address,uint256)")
TRANSFER_COLLATERAL = _topic("TransferCollateral(address,address,address,uint256)")
WITHDRAW_COLLATERAL = _topic("WithdrawCollateral(address,address,address,uint256)")
ABSORB_DEBT = _topic("AbsorbDebt(address,address,uint256,uint256)")
ABSORB_COLLATERAL = _topic("AbsorbCollateral(address,address,address,uint256,uint256)")
APPROVAL = _topic("Approval(address,address,uint256)")

_OWNERS = {
    SUPPLY: (2,),
    TRANSFER: (1, 2),
    WITHDRAW: (1,),
    SUPPLY_COLLATERAL: (2,),
    TRANSFER_COLLATERAL: (1, 2),
    WITHDRAW_COLLATERAL: (1,),
    ABSORB_DEBT: (2,),
    ABSORB_COLLATERAL: (2,),
}
"""Which topics name whose balance it is; the others pay, receive or absorb."""
_OF_A_COLLATERAL = frozenset({SUPPLY_COLLATERAL, TRANSFER_COLLATERAL, WITHDRAW_COLLATERAL, ABSORB_COLLATERAL})
"""The collateral's token is their third topic."""
_NOBODY = bytes(20)


def history(market: Market) -> LogFilter:
    """What moves balances."""
    return LogFilter((market.settings.comet,), tuple(_OWNERS))


def watched(market: Market) -> LogFilter:
    """The market, whose proxy and extension write their events at the same address."""
    return LogFilter((market.settings.comet,))


def touched(market: Market, logs: Iterable[Log]) -> Touched:
    """Holdings that these events name; but for permissions, each event changes totals or more."""
    tokens = {bytes.fromhex(asset.token[2:]): asset.id for asset in market.assets.values()}
    holdings: set[Holding] = set()
    changed = False
    for log in logs:
        topic = log.topics[0] if log.topics else b""
        changed = changed or topic != APPROVAL
        for place in _OWNERS.get(topic, ()):
            owner = log.topics[place][12:]
            if owner == _NOBODY and topic == TRANSFER:
                continue
            holdings |= {(owner, LENT), (owner, OWED)}
            asset = tokens.get(log.topics[3][12:]) if topic in _OF_A_COLLATERAL else None
            if asset is not None:
                holdings.add((owner, parts.part_of(asset)))
    return Touched(frozenset(holdings), changed)


def liquidations_in(market: Market, logs: Iterable[Log]) -> Iterator[Liquidated]:
    """Every `AbsorbDebt`, with the `AbsorbCollateral` before it and the `Transfer` after it."""
    seized: list[Log] = []
    ended: Log | None = None
    for log in logs:
        topic = log.topics[0] if log.topics else b""
        if ended is not None:
            is_lent = topic == TRANSFER and log.transaction == ended.transaction
            is_lent = is_lent and log.topics[1][12:] == _NOBODY and log.topics[2] == ended.topics[2]
            yield _liquidated(market, ended, seized, _word(log, 0) if is_lent else 0)
            seized, ended = [], None
        if topic == ABSORB_COLLATERAL:
            seized.append(log)
        elif topic == ABSORB_DEBT:
            ended = log
    if ended is not None:
        yield _liquidated(market, ended, seized, 0)


def _liquidated(market: Market, log: Log, seized: list[Log], lent_raw: int) -> Liquidated:
    """Values are the contract's own, of the moment. The market itself takes all that is seized."""
    owner, absorber = to_address(log.topics[2][12:]), to_address(log.topics[1][12:])
    paid_raw, paid_value = _word(log, 0), _word(log, 1)
    by_token = {bytes.fromhex(asset.token[2:]): asset for asset in market.assets.values()}
    taken = [
        (asset, _word(one, 0), _word(one, 1))
        for one in seized
        if (asset := by_token.get(one.topics[3][12:])) is not None
    ]
    credited_value = sum(value * asset.liquidation_wad // WAD for asset, _, value in taken)
    # What the credit is worth in base, by the price at which the event valued what was paid.
    credited_raw = credited_value * paid_raw // paid_value if paid_value else 0
    written_off_raw = 0 if lent_raw else max(0, paid_raw - credited_raw)
    written_off_value = written_off_raw * paid_value // paid_raw if paid_raw else 0
    base = market.base
    main, *others = sorted(taken, key=lambda one: one[2], reverse=True) or [(_of_base(market), 0, 0)]
    return Liquidated(
        key=AccountKey(market.id, owner, owner),
        block=log.block,
        transaction=log.transaction,
        liquidator=absorber,
        debt_token=base.token,
        debt_symbol=base.symbol,
        debt_decimals=base.decimals,
        repaid_raw=paid_raw - lent_raw - written_off_raw,
        collateral_token=main[0].token,
        collateral_symbol=main[0].symbol,
        collateral_decimals=main[0].decimals,
        seized_raw=0,
        fee_raw=main[1],
        as_receipt=False,
        cost_raw=sum(value for _, _, value in taken) - (paid_value - written_off_value),
        written_off=((base.token, written_off_raw),) if written_off_raw else (),
        also_taken=tuple((one.token, one.symbol, one.decimals, raw) for one, raw, _ in others),
    )


def _of_base(market: Market) -> Asset:
    """Stands where a debt was absorbed that nothing backed any more."""
    base = market.base
    return Asset(
        id=-1,
        token=base.token,
        symbol=base.symbol,
        decimals=base.decimals,
        scale=base.scale,
        source=base.source,
        feed=base.feed,
        borrow_wad=0,
        liquidate_wad=0,
        liquidation_wad=0,
        cap_raw=0,
        supplied_raw=0,
        held_raw=0,
    )


def _word(log: Log, at: int) -> int:
    return int.from_bytes(log.data[32 * at : 32 * at + 32], "big")

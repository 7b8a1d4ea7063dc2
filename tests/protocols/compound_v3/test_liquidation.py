"""Absorbing and buying: amounts to the unit against the events, refusals by the contract's own word."""

from __future__ import annotations

import pytest
from eth_utils.crypto import keccak
from hypothesis import event, given
from hypothesis import strategies as st

from chain.block import pin
from chain.logs import scan_logs
from localnet.compound_v3 import Asset, Comet
from localnet.compound_v3.standard import bps, wallet
from localnet.evm import Reverted
from margin.basics import Address
from margin.prices import Prices
from protocols.book import Liquidated
from protocols.compound_v3.liquidation import Absorbed, Refusal, absorb, buy, quote_raw, reserves_raw
from tests.conformance.test_exact import EDGE_STATES
from tests.protocols.compound_v3.lives import Life, lives
from tests.protocols.compound_v3.subject import BASIC_SLOT, PRINCIPAL_BITS, Local

COLLATERAL_SLOT = 6
WAD = 10**18
DOLLAR = 10**8
OWED_RAW = 100_000 * 10**6


def put(market: Comet, user: Address, owed_raw: int, held_raw: int) -> None:
    """Writes a debt and a balance of the first collateral straight into storage."""
    owner, token = (bytes.fromhex(a[2:]).rjust(32, b"\0") for a in (user, market.tokens[market.assets[0]]))
    basic = keccak(owner + BASIC_SLOT.to_bytes(32, "big"))
    outer = keccak(owner + COLLATERAL_SLOT.to_bytes(32, "big"))
    packed = -owed_raw % (1 << PRINCIPAL_BITS) | 1 << 232
    address = market.comet.address
    market.anvil.set_storage(address, int.from_bytes(basic, "big"), packed)
    market.anvil.set_storage(address, int.from_bytes(keccak(token + outer), "big"), held_raw)
    totals = int(market.anvil.request("eth_getStorageAt", address, "0x1", "latest"), 16)
    market.anvil.set_storage(address, 1, totals + (owed_raw << 104))
    place = int.from_bytes(keccak(token + (2).to_bytes(32, "big")), "big")
    market.anvil.set_storage(address, place, held_raw)


@pytest.mark.parametrize(
    ("tokens", "price_raw", "factor_bps", "liquidatable"),
    [
        (100_000, DOLLAR, 100_00, False),
        (95_000, DOLLAR, 100_00, True),
        (100_000, DOLLAR, 80_00, True),
        (100_000, DOLLAR // 2, 100_00, True),
        # Equality is healthy, and the smallest step of the price or the balance is not.
        (100_000, DOLLAR - 1, 100_00, True),
        (125_000, DOLLAR, 80_00, False),
    ],
)
def test_the_worked_cases(
    lived_in: Local, tokens: int, price_raw: int, factor_bps: int, *, liquidatable: bool
) -> None:
    """A debt of $100,000 against COMP."""
    user = wallet("worked")
    lived_in.standard.set_price("USDC", DOLLAR)
    lived_in.standard.set_price("COMP", price_raw)
    asset = Asset("COMP", bps(factor_bps) - bps(1), bps(factor_bps), bps(93_00))
    lived_in.market = lived_in.standard.open_market("USDC", [asset])
    put(lived_in.market, user, OWED_RAW, tokens * WAD)
    assert lived_in.market.comet.call("isLiquidatable", user) is liquidatable
    venue, account = lived_in.one(user)
    verdict = venue.verdict(account)
    assert verdict.liquidatable is liquidatable
    assert (verdict.support_raw, verdict.requirement_raw) == (
        tokens * price_raw * factor_bps // 10_000,
        100_000 * DOLLAR,
    )
    assert venue.audit(account).agrees
    assert (lived_in.market.try_absorb(user) is None) is liquidatable


def test_the_view_says_no_and_absorbing_goes_through(lived_in: Local) -> None:
    """`isLiquidatable` counts the debt as the last accrual left it; `absorb` accrues first."""
    user = lived_in.market.cast["stored_only"]
    assert lived_in.market.comet.call("isLiquidatable", user) is False
    venue, account = lived_in.one(user)
    assert not venue.verdict(account, stored=True).liquidatable
    assert venue.verdict(account).liquidatable
    assert venue.audit(account).agrees
    assert not venue.reported_liquidatable(account)
    assert "isLiquidatable says no until interest is booked, which absorb does" in list(venue.notes(account))
    assert lived_in.market.try_absorb(user) is None
    lived_in.market.accrue()
    assert lived_in.market.comet.call("isLiquidatable", user) is True
    venue, account = lived_in.one(user)
    assert venue.reported_liquidatable(account)
    assert venue.audit(account).agrees


@pytest.mark.parametrize("name", ["liquidatable", "many", "insolvent", "stored_only"])
def test_absorbed_to_the_unit(lived_in: Local, name: str) -> None:
    """All of the collateral goes, the debt is paid by the reserves; what is foretold is what they lose."""
    market = lived_in.market
    venue, account = lived_in.one(market.cast[name])
    foretold = absorb(venue, account)
    assert isinstance(foretold, Absorbed)
    assert lived_in.liquidate(venue, account)
    assert market.comet.call("getReserves") == reserves_raw(venue, foretold.totals)
    assert len(foretold.seized) == len(account.held)
    for one in foretold.seized:
        assert market.comet.call("getCollateralReserves", one.asset.token) == one.amount_raw
    owner = account.key.owner
    assert market.debt(owner) == 0
    assert (market.balance(owner) > 0) == (foretold.principal > 0)
    assert (foretold.written_off_raw > 0) == (name == "insolvent")


def test_nobody_is_absorbed_while_it_is_paused(lived_in: Local) -> None:
    market = lived_in.market
    user = market.cast["liquidatable"]
    assert lived_in.one(user)[0].blocked(lived_in.one(user)[1]) is None
    market.pause(absorb=True)
    venue, account = lived_in.one(user)
    assert venue.verdict(account).liquidatable
    assert venue.blocked(account) == "absorbing is paused"
    assert absorb(venue, account) == Refusal("Paused")
    assert market.try_absorb(user) == "Paused"
    assert venue.ground(account)["absorbing paused"] is True


def test_what_was_seized_is_sold_at_a_discount(lived_in: Local) -> None:
    market = lived_in.market
    venue, account = lived_in.one(market.cast["many"])
    foretold = absorb(venue, account)
    assert isinstance(foretold, Absorbed)
    lived_in.liquidate(venue, account)
    for one in foretold.seized:
        symbol = one.asset.symbol
        for base_raw in (1, 999_999, 1_234_567_890):
            expected = buy(venue, one.asset, base_raw, after=foretold)
            quoted = market.comet.call("quoteCollateral", one.asset.token, base_raw)
            assert quote_raw(venue, one.asset, base_raw) == quoted
            if isinstance(expected, Refusal):
                with pytest.raises(Reverted) as refused:
                    market.buy(symbol, base_raw)
                assert refused.value.reason == expected.why
                continue
            with market.anvil.undone():
                assert market.buy(symbol, base_raw, expected) == expected
            with market.anvil.undone(), pytest.raises(Reverted) as refused:
                market.buy(symbol, base_raw, expected + 1)
            assert refused.value.reason == "TooMuchSlippage"
            assert buy(venue, one.asset, base_raw, expected + 1, after=foretold) == Refusal("TooMuchSlippage")
    market.pause(buy=True)
    assert buy(lived_in.one(market.cast["edge"])[0], foretold.seized[0].asset, 1) == Refusal("Paused")
    with pytest.raises(Reverted, match="Paused"):
        market.buy(foretold.seized[0].asset.symbol, 1)


def test_nothing_is_sold_while_reserves_are_at_their_target(lived_in: Local) -> None:
    market = lived_in.market
    target_raw = market.comet.call("targetReserves")
    for more_raw, why in ((target_raw - market.comet.call("getReserves") - 1, None), (1, "NotForSale")):
        market.add_reserves(more_raw)
        venue, _ = lived_in.one(market.cast["edge"])
        asset = venue.assets[2]
        expected = buy(venue, asset, 1)
        with pytest.raises(Reverted) as refused:
            market.buy(asset.symbol, 1)
        assert isinstance(expected, Refusal)
        assert refused.value.reason == expected.why == (why or "InsufficientReserves")


@EDGE_STATES
@given(data=st.data(), life=lives(), shares=st.lists(st.floats(0, 1.2), min_size=3, max_size=3))
def test_a_sale_is_what_was_foretold(
    shared: Local, data: st.DataObject, life: Life, shares: list[float]
) -> None:
    """In any market: after an account is absorbed, or where there is nothing to sell."""
    with shared.node.undone():
        shared.market = shared.standard
        owner = shared.live(life)
        venue, account = shared.one(owner)
        fall = data.draw(st.floats(0.2, 1.0), label="fall")
        form = venue.linear(account)
        lower = {k: max(1, int(raw * fall)) for k, raw in venue.prices.items() if form.slope(k) > 0}
        shared.set_answers({str(k): raw for k, raw in Prices(lower).items()})
        venue, account = shared.one(owner)
        foretold = absorb(venue, account)
        after = foretold if isinstance(foretold, Absorbed) else None
        assert shared.liquidate(venue, account) == (after is not None)
        for asset, share in zip(venue.assets.values(), shares, strict=False):
            base_raw = int(share * (foretold.paid_raw if isinstance(foretold, Absorbed) else 10**6)) + 1
            expected = buy(venue, asset, base_raw, after=after)
            event(expected.why if isinstance(expected, Refusal) else "sold")
            with shared.node.undone():
                bought: int | Refusal
                try:
                    bought = shared.market.buy(asset.symbol, base_raw)
                except Reverted as refusal:
                    bought = Refusal(refusal.reason)
            assert bought == expected


def test_a_liquidation_of_many_collaterals_is_one(lived_in: Local) -> None:
    """The largest by worth first, the others beside it; the market took them, not the absorber."""
    market = lived_in.market
    venue, account = lived_in.one(market.cast["many"])
    first = market.anvil.block_number() + 1
    assert lived_in.liquidate(venue, account)
    (told,) = told_since(lived_in, first)
    legs = sorted(venue.collateral_legs(account), key=lambda leg: leg.value_raw or 0, reverse=True)
    assert (told.collateral_symbol, told.fee_raw, told.seized_raw) == (legs[0].symbol, legs[0].amount_raw, 0)
    assert [(one[1], one[3]) for one in told.also_taken] == [
        (leg.symbol, leg.amount_raw)
        for leg in sorted(legs[1:], key=lambda leg: leg.value_raw or 0, reverse=True)
    ]
    foretold = absorb(venue, account)
    assert isinstance(foretold, Absorbed)
    assert told.cost_raw == sum(one.value_raw for one in foretold.seized) - foretold.paid_value_raw


def test_what_the_reserves_lose_is_told_as_written_off(lived_in: Local) -> None:
    market = lived_in.market
    venue, account = lived_in.one(market.cast["insolvent"])
    foretold = absorb(venue, account)
    assert isinstance(foretold, Absorbed)
    first = market.anvil.block_number() + 1
    lived_in.liquidate(venue, account)
    (told,) = told_since(lived_in, first)
    ((token, raw),) = told.written_off
    assert token == venue.base.token
    # By the event's own valuation, which is cut off to 1e-8 dollars.
    assert abs(raw - foretold.written_off_raw) <= 1
    assert told.repaid_raw + raw == foretold.paid_raw


def told_since(lived_in: Local, first: int) -> tuple[Liquidated, ...]:
    """The liquidations from a block on, as a watch would hear of them."""
    venue, _ = lived_in.one(lived_in.market.cast["edge"])
    pieces = scan_logs(lived_in.rpc, venue.watched(), first, pin(lived_in.rpc))
    return venue.liquidations_in(log for piece in pieces for log in piece.logs)

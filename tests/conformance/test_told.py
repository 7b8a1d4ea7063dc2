"""Every adapter's word on what happened to an account: a liquidation, and the ground it stands on."""

from __future__ import annotations

import json
from typing import Any, cast

from hypothesis import event, given
from hypothesis import strategies as st

from chain.block import pin
from chain.logs import scan_logs
from margin.prices import Prices
from protocols.book import Liquidated, Tracked
from tests.conformance.subject import Subject, answers, read, read_next, read_one
from tests.conformance.test_exact import DAY_S, EDGE_STATES, HALF_STATES

ROUNDED_RAW = 1_000
"""Balances are kept in shares, and each move rounds; after years of interest a share is worth many units."""


@HALF_STATES
@given(data=st.data())
def test_a_liquidation_is_told_as_it_moved_the_account(subject: Subject, data: st.DataObject) -> None:
    with subject.node.undone():
        owner = subject.live(data.draw(subject.lives(), label="life"))
        venue, account = read_one(subject, owner)
        fall = data.draw(st.floats(0.3, 0.99), label="fall")
        form = venue.linear(account)
        lower = {k: max(1, int(raw * fall)) for k, raw in venue.prices.items() if form.slope(k) > 0}
        subject.set_answers(answers(venue, Prices(lower)) or {})
        venue, account = read_next(subject, owner)
        happens = subject.liquidate(venue, account)
        logs = scan_logs(subject.rpc, tracked(venue).watched(), venue.block.number, pin(subject.rpc))
        told = tracked(venue).liquidations_in(log for piece in logs for log in piece.logs)
        event("liquidated" if happens else "not liquidatable")
        assert len(told) == happens
        if happens:
            moved(subject, venue, account, told[0])


def tracked(venue: object) -> Tracked[Any]:
    return cast("Tracked[Any]", venue)


def moved(subject: Subject, venue: Any, account: Any, told: Liquidated) -> None:
    """The account's legs before and after, read at the same clock, differ by what is told."""
    head = pin(subject.rpc)
    block = subject.node.request("eth_getBlockByNumber", hex(head.number), False)
    assert (told.key, told.block) == (venue.key(account), head.number)
    assert told.transaction in block["transactions"]
    book = read(subject, told.key.owner)
    after = book.accounts[told.key.owner]
    held, owed = (
        {leg.token: leg for leg in legs}
        for legs in (venue.collateral_legs(account), venue.debt_legs(account))
    )
    left = {leg.token: leg.amount_raw for one in after for leg in book.venue.collateral_legs(one)}
    owing = {leg.token: leg.amount_raw for one in after for leg in book.venue.debt_legs(one)}
    debt = owed[told.debt_token]
    assert (told.debt_symbol, told.debt_decimals) == (debt.symbol, debt.decimals)
    first_raw = told.seized_raw + told.fee_raw
    first = (told.collateral_token, told.collateral_symbol, told.collateral_decimals, first_raw)
    for token, symbol, decimals, taken_raw in (first, *told.also_taken) if held else ():
        assert (symbol, decimals) == (held[token].symbol, held[token].decimals)
        assert abs(held[token].amount_raw - left.get(token, 0) - taken_raw) <= ROUNDED_RAW
    assert held or (first_raw, told.also_taken) == (0, ())
    gone = dict(told.written_off)
    for token, leg in owed.items():
        paid = told.repaid_raw if token == told.debt_token else 0
        assert abs(leg.amount_raw - owing.get(token, 0) - paid - gone.get(token, 0)) <= ROUNDED_RAW
    event("written off" if gone else "nothing written off")


@EDGE_STATES
@given(data=st.data())
def test_the_ground_is_the_same_until_somebody_moves_it(subject: Subject, data: st.DataObject) -> None:
    """Prices, time and the account's own deeds are no ground; and it survives being kept as JSON."""
    with subject.node.undone():
        owner = subject.live(data.draw(subject.lives(), label="life"))
        venue, account = read_one(subject, owner)
        ground = dict(venue.ground(account))
        assert ground
        assert json.loads(json.dumps(ground)) == ground
        moved_to = Prices({k: data.draw(st.integers(1, 2 * raw)) for k, raw in venue.prices.items()})
        subject.set_answers(answers(venue, moved_to) or {})
        subject.node.mine(venue.block.timestamp + data.draw(st.integers(1, 90 * DAY_S), label="later"))
        later_venue, later = read_one(subject, owner)
        assert dict(later_venue.ground(later)) == ground

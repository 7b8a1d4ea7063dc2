"""What the Vat refuses an owner, and the most that it would take."""

from __future__ import annotations

from localnet.maker.cast import borrowable, wallet
from localnet.maker.market import RAD, WAD
from margin.mending import Change, Deed, Refused
from tests.protocols.maker.subject import Genuine

USER = wallet("mender")


def owing(world: Genuine) -> None:
    """A vault of some 2,500 DAI of debt, of which the Vat keeps no less than 500."""
    market = world.market
    market.frob(USER, "ETH-B", 50 * WAD, borrowable(market, "ETH-B", 50 * WAD) * 70 // 100)
    market.file(market.vat, "ETH-B", "dust", 500 * RAD)
    world.ilks[USER] = "ETH-B"


def test_a_repayment_that_would_leave_dust(world: Genuine) -> None:
    """The most it takes goes through; a unit more does not, until it is all."""
    owing(world)
    venue, account = world.one(USER)
    dai, (leg,) = venue.system.dai.token, venue.debt_legs(account)
    refused = venue.changed(account, [Change(Deed.REPAY, dai, leg.amount_raw - 400 * WAD)])
    assert isinstance(refused, Refused)
    for amount_raw, allowed in (
        (refused.most_raw, True),
        (refused.most_raw + 1, False),
        (leg.amount_raw - 1, False),
        (leg.amount_raw, True),
    ):
        change = Change(Deed.REPAY, dai, amount_raw)
        with world.node.undone():
            assert (world.do(USER, change) is None) == allowed
        assert isinstance(venue.changed(account, [change]), Refused) != allowed


def test_a_vault_below_the_least_debt_takes_no_deposit(world: Genuine) -> None:
    """Its debt was let be when the least was raised above it: nothing but all of it can be repaid."""
    owing(world)
    world.market.file(world.market.vat, "ETH-B", "dust", 9_000 * RAD)
    venue, account = world.one(USER)
    token, dai = venue.collateral_legs(account)[0].token, venue.system.dai.token
    for change in (Change(Deed.DEPOSIT, token, WAD), Change(Deed.REPAY, dai, WAD)):
        assert world.do(USER, change) == "Vat/dust"
        assert isinstance(venue.changed(account, [change]), Refused)
    (leg,) = venue.debt_legs(account)
    after = venue.changed(account, [Change(Deed.REPAY, dai, leg.amount_raw)])
    assert not isinstance(after, Refused)
    assert after.art == 0


def test_what_is_neither_owed_nor_held(world: Genuine) -> None:
    owing(world)
    venue, account = world.one(USER)
    link = world.market.addresses["LINK"]
    for deed in Deed:
        assert isinstance(venue.changed(account, [Change(deed, link, WAD)]), Refused)

"""What an owner's deed leaves behind, flags and all, against the genuine pool; and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from localnet.aave_v2.market import STABLE
from localnet.aave_v2.standard import raw_of, wallet
from margin.mending import Change, Deed, Refused
from protocols.aave_v2.state import PoolAccount
from tests.protocols.aave_v2.lives import DAY_S
from tests.protocols.aave_v2.subject import Genuine

USER = wallet("changer")


def lived(empty: Genuine) -> None:
    market = empty.market
    market.supply(USER, "LINK", raw_of(market, "LINK", 10))
    market.borrow(USER, "USDC", raw_of(market, "USDC", 2), STABLE)
    market.borrow(USER, "USDC", raw_of(market, "USDC", 3))
    market.warp(90 * DAY_S)


@pytest.mark.parametrize(
    ("deed", "symbol", "ether"),
    [
        (Deed.DEPOSIT, "DAI", 1.0),  # a first deposit is enabled as collateral …
        (Deed.DEPOSIT, "GUSD", 1.0),  # … even where it backs nothing
        (Deed.DEPOSIT, "USDC", 1.0),  # of what is owed
        (Deed.DEPOSIT, "LINK", 1.0),
        (Deed.REPAY, "USDC", 1.0),  # variable debt alone
        (Deed.REPAY, "USDC", 4.0),  # all of it, and some of the stable one
        (Deed.REPAY, "USDC", 40.0),  # everything: the flag goes
    ],
)
def test_the_account_is_what_was_foretold(empty: Genuine, deed: Deed, symbol: str, ether: float) -> None:
    with empty.node.undone():
        lived(empty)
        venue, account = empty.one(USER)
        change = Change(deed, empty.market.reserves[symbol].token, raw_of(empty.market, symbol, ether))
        foretold = venue.changed(account, [change])
        assert isinstance(foretold, PoolAccount)
        assert empty.do(USER, change) is None
        assert replace(empty.one(USER)[1], reported=None) == foretold


def test_what_the_pool_does_not_take(empty: Genuine) -> None:
    with empty.node.undone():
        lived(empty)
        venue, account = empty.one(USER)
        dai = empty.market.reserves["DAI"].token
        assert venue.changed(account, [Change(Deed.REPAY, dai, 1)]) == Refused("no DAI is owed")
        nothing = venue.changed(account, [Change(Deed.DEPOSIT, dai, 0)])
        assert isinstance(nothing, Refused)
        assert nothing.too_small
        assert isinstance(venue.changed(account, [Change(Deed.DEPOSIT, USER, 1)]), Refused)

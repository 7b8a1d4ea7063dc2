"""Every adapter's accounts: the quick band is the band of the whole view, whatever the bounds."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import event, given
from hypothesis import strategies as st

from checker.account_view import view
from checker.bands import Band, Bands, Bounds
from checker.glance import glance
from margin.basics import Reason
from protocols.base import VenueConfig
from tests.conformance.subject import Subject, read_one
from tests.conformance.test_exact import EDGE_STATES

SHARES = st.one_of(st.none(), st.decimals(0, 1, places=4))
HEALTH = st.one_of(st.none(), st.decimals(Decimal("0.9"), 3, places=4))
HOURS = st.one_of(st.none(), st.integers(0, 30_000).map(Decimal))
BOUNDS = st.builds(Bounds, SHARES, HEALTH, HOURS)


@EDGE_STATES
@given(data=st.data(), warning=BOUNDS, danger=BOUNDS)
def test_the_quick_band_is_the_views(
    subject: Subject, data: st.DataObject, warning: Bounds, danger: Bounds
) -> None:
    with subject.node.undone():
        owner = subject.live(data.draw(subject.lives(), label="life"))
        venue, account = read_one(subject, owner)
        bands = Bands(warning, danger)
        seen = view(venue, VenueConfig(venue.id, {}, "test"), "test", account, bands)
        quick = glance(venue, account, bands)
        if any(why.reason is Reason.UNDECIDED for why in seen.unread):
            return  # the view searches for every edge, and may give up where the quick look need not
        event(quick.band.word)
        assert quick.band == seen.band
        assert quick.relaxed >= quick.band
        if quick.relaxed is Band.OK:
            assert not seen.liquidatable

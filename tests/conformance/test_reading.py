"""Every adapter's reading: at one block, in bulk, and never wrong without saying so."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from chain.block import pin
from chain.endpoint import endpoints_of
from chain.reader import Reader
from chain.rpc import Rpc
from margin.errors import CrossmarginError
from protocols.base import Failed
from tests.conformance.subject import Subject, read, read_one
from tests.conformance.test_exact import RANDOM_STATES
from tests.faults import DropAnswers, FaultProxy, NodeError

CROWD = 1_000
REQUESTS = 60
"""HTTP posts for a thousand wallets: some bulk calls, each of hundreds of reads."""
FEW_STATES = settings(RANDOM_STATES, max_examples=max(1, settings().max_examples // 20))


def test_a_thousand_wallets_take_few_requests(subject: Subject) -> None:
    with subject.node.undone():
        owners = subject.crowd(CROWD)
        before = subject.rpc.requests
        book = read(subject, *owners)
        assert subject.rpc.requests - before <= REQUESTS
        agreed = [
            book.venue.audit(account).agrees
            for accounts in book.accounts.values()
            for account in accounts
            if not isinstance(account, Failed)
        ]
        assert len(agreed) == CROWD
        assert False not in agreed


@FEW_STATES
@given(data=st.data())
def test_everything_is_read_at_the_pinned_block(subject: Subject, data: st.DataObject) -> None:
    """What happens after the pin changes nothing that is read through it."""
    with subject.node.undone():
        owner = subject.live(data.draw(subject.lives(), label="life"))
        reader = Reader(subject.rpc, pin(subject.rpc))
        venue = subject.open(reader)
        accounts = venue.read(reader, [owner]).accounts[owner]
        subject.live(data.draw(subject.lives(), label="after"))
        again = subject.open(reader)
        assert again.read(reader, [owner]).accounts[owner] == accounts
        assert again.prices == venue.prices


@FEW_STATES
@given(data=st.data(), skip=st.integers(0, 12), times=st.integers(1, 40))
def test_a_lost_answer_is_unknown_or_healed_never_something_else(
    subject: Subject, data: st.DataObject, skip: int, times: int
) -> None:
    """Whatever is dropped or refused on the way: the account as it is, or a reason why not."""
    with subject.node.undone():
        owner = subject.live(data.draw(subject.lives(), label="life"))
        _, truth = read_one(subject, owner)
        fault = data.draw(
            st.sampled_from(
                [
                    DropAnswers(times=times, skip=skip),
                    NodeError(-32000, "internal error", times=times, skip=skip, method="eth_call"),
                ]
            ),
            label="fault",
        )
        with FaultProxy(subject.node.url) as proxy:
            proxy.add(fault)
            rpc = Rpc("local", endpoints_of("local", [proxy.url]), subject.rpc.chain_id, sleep=lambda _: None)
            try:
                reader = Reader(rpc, pin(rpc))
                accounts = subject.open(reader).read(reader, [owner]).accounts[owner]
            except CrossmarginError:
                return
            # Where an owner can have several, one may be read and the rest be unknown.
            assert accounts
            assert all(isinstance(account, Failed) or account == truth for account in accounts)

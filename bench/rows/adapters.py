"""Reading accounts at a venue of each protocol, the venue itself included."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.measure import Way
from bench.naive import Naive
from bench.row import Row, same
from bench.stage import Recording, Stage
from chain.block import pin
from chain.reader import Call, Reader
from chain.rpc import Rpc
from checker.config import load_config
from checker.venues import Place, places
from localnet.many import CROWD, Many, many_venues
from margin.basics import Unread
from protocols.base import Failed

CHAIN_ID = 31337


def measure(stage: Stage) -> Iterator[Row]:
    """Each adapter against its own calls through naive web3.py, of which that makes a sample."""
    with many_venues() as many, Rpc.open("local", [many.anvil.url], CHAIN_ID) as rpc:
        for place in _places(many):
            yield _row(stage, many, rpc, place)


def _places(many: Many) -> tuple[Place, ...]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "many.toml"
        many.write_config(path, many.anvil.url, {})
        config = load_config(path)
    (chain,) = config.chains
    return places(chain, CHAIN_ID, config)


def _row(stage: Stage, many: Many, rpc: Rpc, place: Place) -> Row:
    block, owners = pin(rpc), CROWD[: stage.size.wallets]

    def read(reader: Reader) -> int:
        """How many accounts there are, each of which was read."""
        book = place.adapter.open(reader, place.config).read(reader, owners)
        found = [account for accounts in book.accounts.values() for account in accounts]
        assert not any(isinstance(account, Failed) for account in found), place.id
        return len(found)

    recording = Recording(rpc, block)
    accounts = read(recording)
    calls = _answered(recording)
    sampled = calls[:: max(1, len(calls) // (10 * stage.size.sample))]
    naive = Naive(many.anvil.url)
    same(f"reading {place.id}", Reader(rpc, block).read(sampled), naive.read(sampled))
    before = rpc.requests
    read(Reader(rpc, block))
    requests = rpc.requests - before
    times = stage.race(
        Way(lambda: naive.read(sampled), len(sampled)),
        Way(lambda: read(Reader(rpc, block)), len(recording.calls)),
    )
    share = accounts / len(recording.calls)
    return Row(
        what=f"read {accounts:,} accounts at {place.id.removeprefix('local/')}",
        against="naive web3.py",
        ratio=times.ratio(),
        figures=(
            f"{times.per_second() * share:,.0f} accounts a second in {requests} HTTP requests, "
            f"against {times.baseline_per_second * share:,.1f} in {len(recording.calls):,} for the same "
            f"calls (timed on {len(sampled)} of them)"
        ),
        meaning=(
            "Opening the venue and reading its accounts into values ready to be judged, against "
            "`contract.functions.f(...).call()` for the same view calls one by one, nothing built of them. "
            "So few accounts do not spread what the opening costs; see `accounts`."
        ),
    )


def _answered(recording: Recording) -> list[Call]:
    """Those calls that are answered: a contract may lack some of what it is asked for."""
    calls = list(dict.fromkeys(recording.calls))
    answers = Reader(recording.rpc, recording.block).read(calls)
    return [call for call, answer in zip(calls, answers, strict=True) if not isinstance(answer, Unread)]

"""Reading many accounts of a genuine Aave v3 market, the market itself included."""

from __future__ import annotations

from collections.abc import Iterator

from bench.measure import Way
from bench.row import Row, same
from bench.stage import Stage


def measure(stage: Stage) -> Iterator[Row]:
    """Our adapter against the same calls through naive web3.py, which reads a sample of the wallets."""
    wallets, naive = stage.wallets, stage.naive
    calls, sampled = stage.calls(wallets), stage.calls(wallets[: stage.size.sample])
    before = naive.provider.posts
    same("reading accounts", stage.reader().read(sampled), naive.read(sampled))
    posts_per_call = (naive.provider.posts - before) / len(sampled)
    before = stage.rpc.requests
    stage.read_book(wallets)
    ours = stage.rpc.requests - before

    times = stage.race(
        Way(lambda: naive.read(sampled), len(sampled)),
        Way(lambda: stage.read_book(wallets), len(calls)),
    )
    accounts_per_call = len(wallets) / len(calls)
    yield Row(
        what=f"read {len(wallets):,} Aave v3 accounts",
        against="naive web3.py",
        ratio=times.ratio(),
        figures=(
            f"{times.per_second() * accounts_per_call:,.0f} accounts a second in {ours} HTTP requests, "
            f"against {times.baseline_per_second * accounts_per_call:,.1f} in "
            f"{len(calls) * posts_per_call:,.0f} for the same {len(calls):,} calls "
            f"(timed on {min(stage.size.sample, len(wallets))} wallets)"
        ),
        meaning=(
            "Opening the market and reading every account into values ready to be judged, against "
            "`contract.functions.f(user).call()` for the same view calls one by one, nothing built of them. "
            "The way of a check that names its wallets; a whole book comes from storage (`book`)."
        ),
    )

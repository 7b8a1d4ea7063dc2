"""The watch: from a new block to the messages queued."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.measure import Ratio
from bench.row import Row
from bench.rows.following import Head
from bench.stage import Stage
from bench.whole import FACTORS
from checker.bands import Band
from checker.config import load_config
from checker.watch.log import nobody
from checker.watch.store import WatchStore
from checker.watch.values import ChannelKey, Message
from checker.watch.watcher import Watcher
from localnet.aave_v3 import Market

WALLETS = 1_000
BLOCK_S = 12


class _Nobody:
    """A channel whose messages are queued and never tried here."""

    def send(self, message: Message, message_id: str) -> None:
        """Not called."""
        raise AssertionError(message_id, message)


def measure(stage: Stage) -> Iterator[Row]:
    """A thousand wallets of the crowd, when ether hardly moves and when it falls by a twentieth."""
    market = stage.whole.market
    wallets = market.crowd[: min(WALLETS, stage.size.crowd)]
    with TemporaryDirectory() as folder, market.anvil.undone():
        config = load_config(_configuration(Path(folder), market, wallets))
        with WatchStore.open(f"sqlite:///{folder}/watch.db") as store:
            key = ChannelKey("nobody", Band.WARNING)
            watcher = Watcher(config, store, {key: _Nobody()}, nobody)
            watcher.begin()
            (watch,) = watcher.rounds.chains.values()
            quiet, busy, queued = [], [], 0
            head = Head(stage.whole)
            for turn in range(stage.size.repeats):
                head.next()
                quiet.append(_seconds(watcher, watch))
                feed = market.feed("WETH")
                price = int(feed.call("latestAnswer"))
                market.set_price("WETH", price * 100 // 95 if turn % 2 else price * 95 // 100)
                before = len(store.pending())
                busy.append(_seconds(watcher, watch))
                queued = max(queued, _entries(store) if not turn else len(store.pending()) - before)
            requests = watch.rpc.requests
    for name, times, more in (
        ("a block in which ether moves by 0.1 %", quiet, ""),
        ("a block in which ether moves by 5 %", busy, f"; {queued} changes to tell in the first"),
    ):
        yield Row(
            what=f"{name}, {len(wallets):,} wallets, to messages queued",
            against="one block of 12 s",
            ratio=Ratio.of([BLOCK_S / each for each in times]),
            figures=f"{1e3 * statistics.median(times):,.0f} ms a block{more}; {requests} requests in all",
            meaning=(
                "Prices and the clock read, every wallet judged with them, those that are not well or were "
                "touched read again beside the pool's own view; all compared with what was remembered, and "
                "what each channel is to be told written in one transaction."
            ),
        )


def _seconds(watcher: Watcher, watch: object) -> float:
    start = time.perf_counter()
    watcher.look(watch)  # type: ignore[arg-type]
    return time.perf_counter() - start


def _entries(store: WatchStore) -> int:
    return sum(len(queued.message.entries) for queued in store.pending())


def _configuration(folder: Path, market: Market, wallets: Sequence[str]) -> Path:
    factors = "".join(f'"{r.token}" = "{FACTORS[s]}"\n' for s, r in market.reserves.items() if s in FACTORS)
    named = "".join(f'[[wallets]]\naddresses = ["{who}"]\n' for who in wallets)
    path = folder / "watch.toml"
    path.write_text(
        f'[chains.local]\nrpc = ["{market.anvil.url}"]\nchain_id = 31337\n'
        f'[[venues]]\nchain = "local"\nprotocol = "aave-v3"\n'
        f'pool_addresses_provider = "{market.addresses_provider.address}"\n[factors]\n{factors}{named}'
    )
    return path

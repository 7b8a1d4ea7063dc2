"""The check: from wallets to a report, every value of a chain read at one block."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from chain.rpc import Settings
from checker.config import Config
from checker.snapshot import TAGS, BlockChoice, ChainReading, read_chains
from checker.surprises import left_unread, surprises
from checker.wallet_view import Report, wallet_view
from margin.errors import ConfigError

_NUMBER = re.compile(r"[0-9]{1,20}")
_HASH = re.compile(r"0x[0-9a-fA-F]{64}")
Say = Callable[[str, int, int], None]
"""Told what is being done and how far it is: text, done, total (0 when not known)."""


def _silent(_text: str, _done: int, _total: int) -> None:
    pass


def check(
    config: Config,
    wallets: Sequence[str] = (),
    *,
    block: str | Sequence[str] = (),
    patience: Settings | None = None,
    say: Say = _silent,
) -> Report:
    """Reads the wallets (labels or addresses; all of the configuration's for none) and judges them.

    `block`: `latest`, `safe`, `finalized`, a number or a hash, or `CHAIN=…` for one of several chains.
    `patience`: time-outs and retries towards the nodes, if not the usual ones.
    Raises `ConfigError` for what is the user's to mend; whatever could not be read is in the report.
    """
    chosen = config.select(wallets)
    if not chosen:
        where = config.source or "configuration"
        raise ConfigError(where, "no wallet: name an address, or add [[wallets]]")
    blocks = [block] if isinstance(block, str) else block
    refuse_bad_blocks(blocks)
    choice = BlockChoice.parse(blocks, [chain.name for chain in config.chains])
    owners = list(dict.fromkeys(address for wallet in chosen for address in wallet.addresses))
    readings = read_chains(config, owners, choice, lambda text: say(text, 0, 0), patience)
    views = []
    for at, wallet in enumerate(chosen):
        say("finding where each account dies", at, len(chosen))
        views.append(wallet_view(wallet, readings))
    return Report(
        blocks=tuple(reading.block for reading in readings if reading.block is not None),
        wallets=tuple(views),
        warnings=tuple(_warnings(config, readings)),
        requests=sum(reading.requests for reading in readings),
    )


def refuse_bad_blocks(values: Sequence[str]) -> None:
    """What no chain has to be asked for: a choice that is none, and two for one chain."""
    chains: set[str] = set()
    for value in values:
        chain, _, spec = value.rpartition("=")
        if chain and chain in chains:
            raise ConfigError("--block", f"given twice for {chain[:80]!a}")
        chains.add(chain)
        if spec not in TAGS and not (
            _HASH.fullmatch(spec) or (_NUMBER.fullmatch(spec) and int(spec) < 2**64)
        ):
            raise ConfigError("--block", f"{spec[:80]!a} is not latest, safe, finalized, a number or a hash")


def _warnings(config: Config, readings: Sequence[ChainReading]) -> list[str]:
    seen = [
        (chain, r.block.chain_id, bool(r.venues))
        for chain, r in zip(config.chains, readings, strict=True)
        if r.block is not None
    ]
    unread = [line for chain, chain_id, _ in seen for line in left_unread(chain, chain_id)]
    return [*surprises(config, seen), *unread]

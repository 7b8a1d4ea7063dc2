"""Which markets a Morpho Blue has: those the configuration names, else all that were ever created."""

from __future__ import annotations

from dataclasses import dataclass

from eth_utils.crypto import keccak

from chain.first_code import first_code_block
from chain.logs import LogFilter, Mark, scan_logs
from chain.reader import Reader
from margin.basics import Address, Reason
from margin.errors import ChainUnreadable
from protocols.base import VenueConfig

MORPHO = "morpho"
MARKETS = "markets"
CREATE_MARKET = bytes(keccak(text="CreateMarket(bytes32,(address,address,address,address,uint256))"))


@dataclass(frozen=True, slots=True)
class _Found:
    """How far the events were searched, and what they named, in the order of creation."""

    mark: Mark
    start: int
    ids: tuple[str, ...]


_FOUND: dict[tuple[int, Address], _Found] = {}
"""By chain and contract what this process has found: a later block is searched from there."""


def market_ids(reader: Reader, config: VenueConfig) -> tuple[str, ...]:
    """The ids at the reader's block; each 0x and 64 lower-case hex digits.

    Without `markets` in the configuration the events are searched from the venue's start block, or
    from the contract's first code: once a process, as many requests as the node cuts that range
    into, and then one batch a new block. Raises `ChainUnreadable`.
    """
    named = config.options.get(MARKETS, ())
    if named:
        return tuple(dict.fromkeys(named))
    morpho, end = config.addresses[MORPHO], Mark(reader.block.number, reader.block.hash)
    key = reader.block.chain_id, morpho
    known = _FOUND.get(key)
    if known is not None and known.mark == end:
        return known.ids
    if known is not None and known.mark.number < end.number:
        try:
            ids = _search(reader, morpho, known.mark.number + 1, known.mark)
        except ChainUnreadable as failure:
            if failure.unread.reason is not Reason.BLOCK_NOT_FOUND:
                raise
            # The block it had come to was replaced: all of it once more.
        else:
            _FOUND[key] = _Found(end, known.start, (*known.ids, *ids))
            return _FOUND[key].ids
    start = known.start if known is not None else _start(reader, config)
    ids = _search(reader, morpho, min(start, end.number), None)
    _FOUND[key] = _Found(end, start, ids)
    return ids


def _start(reader: Reader, config: VenueConfig) -> int:
    if config.start_block is not None:
        return config.start_block
    return first_code_block(reader.rpc, config.addresses[MORPHO], reader.block).block


def _search(reader: Reader, morpho: Address, first: int, after: Mark | None) -> tuple[str, ...]:
    wanted = LogFilter((morpho,), (CREATE_MARKET,))
    pieces = scan_logs(reader.rpc, wanted, first, reader.block, after=after)
    return tuple("0x" + log.topics[1].hex() for piece in pieces for log in piece.logs)

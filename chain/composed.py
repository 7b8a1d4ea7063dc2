"""Price sources that are composed of others: the aggregators underneath, and how old what these say is.

A composed source shows what it stands on in views of its own, each kind by other names; many say nothing of
when they were written, or only when one of their parts was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chain.abi import Function
from chain.answers import by_contract
from chain.oracles import LATEST_ROUND
from chain.reader import Call, Reader
from margin.basics import ZERO_ADDRESS, Address, Unread
from margin.errors import ReadError

_NAMES = (
    # github bgd-labs/aave-capo 2c280ef: PriceCapAdapterBase, PriceCapAdapterStable, PendlePriceCapAdapter,
    # EURPriceCapAdapterStable.
    "ASSET_TO_USD_AGGREGATOR",
    "BASE_TO_USD_AGGREGATOR",
    # github bgd-labs/cl-synchronicity-price-adapter 67124f2: CLSynchronicityPriceAdapter…, …Adapter of one
    # staked token each.
    "ASSET_TO_PEG",
    "PEG_TO_BASE",
    "BASE_TO_PEG",
    "ETH_TO_BASE",
    "ETH_TO_USD",
    "CBETH_TO_BASE",
    "MATIC_TO_BASE",
    "DAI_TO_BASE",
    "DAI_TO_USD",
    # github morpho-org/morpho-blue-oracles e32d890: MorphoChainlinkOracleV2.
    "BASE_FEED_1",
    "BASE_FEED_2",
    "QUOTE_FEED_1",
    "QUOTE_FEED_2",
    # github compound-finance/comet d5a30b0, contracts/pricefeeds. The age that these pass on is that of one
    # part alone.
    "underlyingPriceFeed",
    "priceFeedA",
    "priceFeedB",
    "WBTCToBTCPriceFeed",
    "BTCToUSDPriceFeed",
    "stETHtoETHPriceFeed",
    # Maker's oracle security module and the median that it takes its price from.
    "src",
)
_PARTS = tuple(Function(f"{name}()", "address") for name in _NAMES)
_AGE = Function("age()", "uint32")
"""Of Maker's median: when it was written."""
_DEEPEST = 4
"""Sources within sources that are followed."""


@dataclass(frozen=True, slots=True)
class Composed:
    """What a source stands on."""

    roots: tuple[Address, ...] = ()
    """The aggregators underneath, in the order in which it names them; none where it is one itself."""
    updated_at: int | None = None
    """When the oldest of them was written, in seconds since 1970; `None` where none of them says."""


def read_composed(reader: Reader, sources: Iterable[Address]) -> dict[Address, Composed]:
    """By source what it stands on, in at most five reads.

    Raises `ReadError` where the node kept an answer back.
    """
    asked = list(dict.fromkeys(sources))
    parts: dict[Address, tuple[Address, ...]] = {}
    level = asked
    for _ in range(_DEEPEST):
        level = [address for address in dict.fromkeys(level) if address not in parts]
        if not level:
            break
        parts |= _parts(reader, level)
        level = [part for address in level for part in parts[address]]
    leaves = {address: _leaves(parts, address) for address in asked}
    written = _written(reader, list(dict.fromkeys(leaf for those in leaves.values() for leaf in those)))
    return {
        address: Composed(those, min((written[one] for one in those if one in written), default=None))
        for address, those in leaves.items()
    }


def _parts(reader: Reader, sources: Sequence[Address]) -> dict[Address, tuple[Address, ...]]:
    """What each source names as its parts."""
    answers = _own(reader, [Call(source, part) for source in sources for part in _PARTS])
    size = len(_PARTS)
    found = {}
    for at, source in enumerate(sources):
        named = (answer[0] for answer in answers[at * size : at * size + size] if answer is not None)
        found[source] = tuple(one for one in dict.fromkeys(named) if one not in (ZERO_ADDRESS, source))
    return found


def _leaves(
    parts: Mapping[Address, tuple[Address, ...]], source: Address, above: tuple[Address, ...] = ()
) -> tuple[Address, ...]:
    """What stands at the bottom of a source; nothing where it is at the bottom itself."""
    found: dict[Address, None] = {}
    for part in parts.get(source, ()):
        if part not in above:
            found |= dict.fromkeys(_leaves(parts, part, (*above, source)) or (part,))
    return tuple(found)


def _written(reader: Reader, leaves: Sequence[Address]) -> dict[Address, int]:
    """By leaf when it was written, where it says: a time of 0 says nothing."""
    answers = _own(reader, [Call(leaf, view) for leaf in leaves for view in (LATEST_ROUND, _AGE)])
    found = {}
    for leaf, round_, age in zip(leaves, answers[::2], answers[1::2], strict=True):
        at = int(round_[3]) if round_ is not None else int(age[0]) if age is not None else 0
        if at:
            found[leaf] = at
    return found


def _own(reader: Reader, calls: Sequence[Call]) -> list[tuple[Any, ...] | None]:
    """The answers, `None` where the contract has none. Raises `ReadError` where the node kept one back."""
    answers: list[tuple[Any, ...] | None] = []
    for call, answer in zip(calls, reader.read(calls), strict=True):
        if isinstance(answer, Unread) and not by_contract(answer):
            raise ReadError(call.target, answer)
        answers.append(None if isinstance(answer, Unread) else answer)
    return answers

"""A proxy between a client and a node, where an unreliable network and a lying endpoint are acted out.

    with FaultProxy(anvil.url) as proxy:
        proxy.add(Status(429, retry_after="1", times=2))       # the next two posts
        proxy.add(OtherChain(1, skip=3))                       # from the fourth eth_chainId on
        proxy.add(DropAnswers(method="eth_call", times=1))
        ...                                                    # ask proxy.url instead of the node
        assert proxy.posts < 10
        assert proxy.count("eth_call") == 3
        proxy.clear()                                          # a healthy network again

A fault acts on every post it matches: those that hold `method` (any post when None), after the first
`skip` of them, at most `times` (None: for ever). Faults compose: all that match one post act on it, in the
order they were added. Any path and query is accepted, so that `proxy.url + "/v3/secret"` can be asked
too, and found in no message. Contracts are never faked here; the node's answers are real.
"""

from tests.faults.exchange import Exchange, Fault, Seen
from tests.faults.kinds import (
    BatchAbove,
    BatchError,
    Delay,
    Drip,
    DropAnswers,
    DuplicateIds,
    ForeignId,
    Hollow,
    Junk,
    NoBlockHash,
    NodeError,
    NoOverrides,
    OldHead,
    OtherChain,
    Oversized,
    Permute,
    Redirect,
    Refuse,
    Status,
    SwapIds,
    Truncate,
    Upstream,
)
from tests.faults.proxy import FaultProxy

__all__ = [
    "BatchAbove",
    "BatchError",
    "Delay",
    "Drip",
    "DropAnswers",
    "DuplicateIds",
    "Exchange",
    "Fault",
    "FaultProxy",
    "ForeignId",
    "Hollow",
    "Junk",
    "NoBlockHash",
    "NoOverrides",
    "NodeError",
    "OldHead",
    "OtherChain",
    "Oversized",
    "Permute",
    "Redirect",
    "Refuse",
    "Seen",
    "Status",
    "SwapIds",
    "Truncate",
    "Upstream",
]

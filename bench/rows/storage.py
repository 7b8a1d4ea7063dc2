"""Words of storage in bulk: both ways a node offers, against single reads and against the node itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np
import numpy.typing as npt
from eth_utils.address import to_checksum_address

from bench.measure import Way
from bench.node import Node, pieces, program_bodies, request
from bench.row import Different, Row, same
from bench.stage import Stage
from chain import program
from chain.abi import address_bytes
from chain.keys import mapping_keys
from chain.reader import Reader
from chain.slots import PROGRAM_PIECE, VALUES_LIMIT, Piece, values_ask, values_words
from chain.slots_asker import StorageMeans
from margin.basics import Address

USER_STATE, USERS_CONFIG = 52, 53
"""Of the market's aTokens and debt tokens, and of its pool: mappings by user."""
WORDS_TO_AN_ANSWER = 5
"""So many words are read for each answer that the row about decoding has."""
Words = npt.NDArray[np.uint8]


class Slots:
    """Flags and balances of every wallet, and as many slots again as make it worth while."""

    def __init__(self, stage: Stage) -> None:
        market = stage.market
        tokens = [(r.a_token, r.variable_debt_token) for r in market.reserves.values()]
        self.contracts: list[Address] = [market.pool.address, *(token for pair in tokens for token in pair)]
        users = np.frombuffer(b"".join(map(address_bytes, stage.wallets)), np.uint8).reshape(-1, 20)
        times = WORDS_TO_AN_ANSWER * stage.size.answers // (len(users) * len(self.contracts)) + 1
        others = np.random.default_rng(1).integers(0, 256, (len(users) * (times - 1), 20), np.uint8)
        holders = np.concatenate([users, others])
        balances, flags = mapping_keys(holders, USER_STATE), mapping_keys(holders, USERS_CONFIG)
        self.keys = np.concatenate([flags, *[balances] * (len(self.contracts) - 1)])
        self.contract = np.repeat(np.arange(len(self.contracts)), len(holders))
        some = np.arange(len(users))[: stage.size.sample]
        self.sample = np.concatenate([some, some + len(holders)])
        """Places that are read one by one: flags, which every wallet has, and balances."""

    def read(self, reader: Reader) -> Words:
        """All of them; raises `Different` when one could not be read."""
        found = reader.words(self.contracts, self.contract, self.keys)
        if found.unread:
            raise Different("words that could not be read", len(found.unread), 0)
        return found.raw

    def singly(self, stage: Stage) -> list[bytes]:
        """The sample by `get_storage_at`, one after another, at the newest block."""
        found = []
        for place in self.sample:
            target = to_checksum_address(self.contracts[self.contract[place]])
            key = int.from_bytes(self.keys[place].tobytes(), "big")
            found.append(bytes(stage.naive.w3.eth.get_storage_at(target, key)).rjust(32, b"\0"))
        return found

    def pieces(self, size: int) -> list[list[Piece]]:
        """By chunk, in pieces of up to `size` keys of one contract."""
        return pieces(self.contracts, self.contract, self.keys, size)


def measure(stage: Stage) -> Iterator[Row]:
    """Every word by both means, in turns with single reads and with bodies made beforehand."""
    slots = Slots(stage)
    readers = {means: Reader(stage.rpc, stage.block, only_storage=means) for means in StorageMeans}
    truth = slots.singly(stage)
    if not any(int.from_bytes(word, "big") for word in truth):
        raise Different("words of the sample that are not zero", 0, "some")
    bodies = {
        StorageMeans.PROGRAM: program_bodies(stage.block, slots.pieces(PROGRAM_PIECE)),
        StorageMeans.VALUES: _values_bodies(stage, slots),
    }
    with Node(stage.market.anvil.url) as node:
        for means, reader in readers.items():
            found = slots.read(reader)
            same(f"words by {means}", [found[at].tobytes() for at in slots.sample], truth)
            told = (_told_by_program if means is StorageMeans.PROGRAM else _told_by_values)(
                node.post(bodies[means]), slots
            )
            same(f"the node's own answers by {means}", [found.tobytes()], [told])
        naive = Way(partial(slots.singly, stage), len(slots.sample))
        ours = [Way(partial(slots.read, reader), len(slots.keys)) for reader in readers.values()]
        alone = [Way(partial(node.post, bodies[means]), len(slots.keys)) for means in readers]
        against_naive = stage.race(naive, *ours)
        against_node = [stage.race(posts, way) for posts, way in zip(alone, ours, strict=True)]
    for at, means in enumerate(readers):
        yield Row(
            what=f"{len(slots.keys):,} words of storage by {means}",
            against="naive web3.py",
            ratio=against_naive.ratio(at),
            figures=(
                f"{against_naive.per_second(at):,.0f} words a second "
                f"against {against_naive.baseline_per_second:,.0f}"
            ),
            meaning="Flags and balances straight from storage, against one `get_storage_at` after another.",
        )
        yield Row(
            what=f"{len(slots.keys):,} words of storage by {means}, checked and in columns",
            against="the node alone",
            ratio=against_node[at].ratio(),
            figures=(
                f"{against_node[at].per_second():,.0f} words a second "
                f"against {against_node[at].baseline_per_second:,.0f}"
            ),
            meaning=(
                "The same against posting the same questions as bytes prepared beforehand and throwing the "
                "answers away, on the same two connections: 1 would mean that our own work costs nothing. "
                "Both programs share this machine's processors."
            ),
            aim=0.6 if means is StorageMeans.PROGRAM else None,
        )


def _values_bodies(stage: Stage, slots: Slots) -> list[bytes]:
    block = {"blockHash": stage.block.hash}
    return [
        json.dumps(
            [request(*values_ask([piece], block), number) for number, piece in enumerate(pieces)]
        ).encode()
        for pieces in slots.pieces(VALUES_LIMIT)
    ]


def _told_by_program(answers: Iterable[bytes], slots: Slots) -> bytes:
    """The words in the node's own answers: checked once, so that it is no error that is posted so fast."""
    found = b""
    for answer, asked in zip(answers, slots.pieces(PROGRAM_PIECE), strict=True):
        packed = program.unpack(bytes.fromhex(str(json.loads(answer)["result"])[2:]), len(asked))
        found += b"".join(words or b"" for words in packed.results)
    return found


def _told_by_values(answers: Iterable[bytes], slots: Slots) -> bytes:
    """As `_told_by_program`."""
    found = b""
    for answer, asked in zip(answers, slots.pieces(VALUES_LIMIT), strict=True):
        results = {item["id"]: item["result"] for item in json.loads(answer)}
        for number, piece in enumerate(asked):
            found += b"".join(values_words(results[number], [piece]) or [])
    return found

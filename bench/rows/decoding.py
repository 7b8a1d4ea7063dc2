"""Taking apart what a node answered: a book's storage into columns, and answers of calls one by one."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from eth_abi.abi import decode

from bench import node
from bench.measure import Way
from bench.row import Row, same
from bench.stage import Stage
from bench.whole import Whole
from chain.answers import hex_bytes
from chain.digits import loads
from chain.keys import mapping_keys
from chain.program import unpack
from chain.slots import Piece
from checker.book.table import Table
from margin.screen import Floats
from protocols.aave_common.columns import low_128
from protocols.aave_v3 import parts
from protocols.aave_v3.abi import GET_USER_ACCOUNT_DATA
from protocols.book import CellsRead, Words

WORDS = 6
ROW = ["uint256"] * WORDS


def measure(stage: Stage) -> Iterator[Row]:
    """Six words for every account: of a book's storage, and of as many `getUserAccountData`."""
    yield _columns(stage)
    yield _answers(stage)


@dataclass
class Slots:
    """So many of the book's words as the node was asked for them: those of a contract together."""

    table: Table
    places: npt.NDArray[np.intp]
    """In the table, by place in the answer."""
    balances: list[slice]
    """Places in the answer whose words tell more than a balance."""
    chunks: list[list[Piece]]

    @classmethod
    def of(cls, whole: Whole, most: int) -> Slots:
        """Up to `most` words, a whole number of answers."""
        table, venue = whole.table, whole.venue
        places = np.arange(min(most, len(table.part)) // WORDS * WORDS)
        contracts = [parts.contract_of(venue, part) for part in range(int(table.part.max()) + 1)]
        different = list(dict.fromkeys(contracts))
        numbers = np.array([different.index(contract) for contract in contracts])
        places = places[np.lexsort((table.part[places], numbers[table.part[places]]))]
        part = table.part[places]
        holders = np.frombuffer(b"".join(table.ids), np.uint8).reshape(-1, 20)[table.row[places]]
        keys = np.zeros((len(places), 32), np.uint8)
        balances = []
        for each in np.unique(part).tolist():
            start, end = np.flatnonzero(part == each)[[0, -1]] + (0, 1)
            keys[start:end] = mapping_keys(np.ascontiguousarray(holders[start:end]), parts.slot_of(each))
            if each not in parts.POOL_SLOTS and parts.kind_of(each)[1] in (parts.SUPPLY, parts.DEBT):
                balances.append(slice(int(start), int(end)))
        return cls(table, places, balances, node.pieces(different, numbers[part], keys))

    def taken_in(self, texts: Sequence[bytes]) -> Floats:
        """The table's words as these answers tell them, and the floats of its lower halves."""
        read: Words = np.zeros((len(self.places), 32), np.uint8)
        at = 0
        for text, pieces in zip(texts, self.chunks, strict=True):
            answer = loads(text)
            assert isinstance(answer, dict)
            for words in unpack(hex_bytes(answer["result"]) or b"", len(pieces)).results:
                end = at + len(words or b"") // 32
                read[at:end] = np.frombuffer(words or b"", np.uint8).reshape(-1, 32)
                at = end
        for balance in self.balances:
            read[balance, : 32 - parts.BALANCE_BITS // 8] = 0
        self.table.put(self.places, CellsRead(read))
        return low_128(self.table.words)


def _columns(stage: Stage) -> Row:
    whole = stage.whole
    slots = Slots.of(whole, WORDS * stage.size.answers)
    count = len(slots.places) // WORDS
    before = whole.table.words.copy()
    with node.Node(whole.market.anvil.url) as alone:
        texts = alone.post(node.program_bodies(whole.block, slots.chunks))
    # The words of the table are to come from these answers.
    slots.table.put(slots.places, CellsRead(np.full((len(slots.places), 32), 7, np.uint8)))
    floats = slots.taken_in(texts)
    same("words of the table", [slots.table.words.tobytes()], [before.tobytes()])
    rows = before[: WORDS * count].reshape(-1, 32 * WORDS)
    told = json.dumps({"jsonrpc": "2.0", "id": 1, "result": ["0x" + row.tobytes().hex() for row in rows]})

    def theirs() -> list[tuple[int, ...]]:
        return [decode(ROW, bytes.fromhex(result[2:])) for result in json.loads(told)["result"]]

    same("integers", [bytes(word) for word in before[: WORDS * count]],
         [value.to_bytes(32, "big") for row in theirs() for value in row])  # fmt: skip
    same("floats", floats[: WORDS * count].tolist(),
         [float(value >> 64 & (1 << 64) - 1) * 2.0**64 + float(value & (1 << 64) - 1)
          for row in theirs() for value in row])  # fmt: skip
    times = stage.race(Way(theirs, count), Way(lambda: slots.taken_in(texts), count))
    return Row(
        what=f"decode {count:,} × {WORDS} words into columns",
        against="eth_abi",
        ratio=times.ratio(),
        figures=(
            f"{1e3 * count / times.per_second():,.1f} ms against "
            f"{1e3 * count / times.baseline_per_second:,.0f} ms, from {sum(map(len, texts)) / 1e6:,.1f} MB "
            f"of JSON in {len(texts)} answers"
        ),
        meaning=(
            "From the text of the node's answers, as they come from the socket, to the book's exact words "
            "in their places and a float for each; against json, `bytes.fromhex` and `eth_abi.decode` of "
            "the same words in answers of six, which ends at Python integers."
        ),
        aim=50,
    )


def _answers(stage: Stage) -> Row:
    rng = random.Random(6)  # noqa: S311 - any words will do
    answers = [rng.randbytes(32 * WORDS) for _ in range(stage.size.answers)]

    def ours() -> list[object]:
        return [GET_USER_ACCOUNT_DATA.decode(answer) for answer in answers]

    def theirs() -> list[object]:
        return [decode(ROW, answer) for answer in answers]

    same("decoding", ours(), theirs())
    times = stage.race(Way(theirs, len(answers)), Way(ours, len(answers)))
    return Row(
        what=f"decode {len(answers):,} × {WORDS} words one by one",
        against="eth_abi",
        ratio=times.ratio(),
        figures=f"{times.per_second():,.0f} answers a second against {times.baseline_per_second:,.0f}",
        meaning=(
            "Answers of view calls: bytes to Python integers, with every length and range checked, against "
            "`eth_abi.decode`."
        ),
    )

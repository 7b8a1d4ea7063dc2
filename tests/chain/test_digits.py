"""Long hex of answers: the same as JSON and `bytes.fromhex` say, digit by digit."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.answers import LONG_TEXT, hex_bytes
from chain.digits import loads, unhex

WORDS = b"".join(number.to_bytes(32, "big") for number in range(3, 40))


@pytest.mark.parametrize("size", [*range(34), 1_000])
def test_bytes_come_back(size: int) -> None:
    chance = random.Random(size)
    raw = chance.randbytes(size)
    text = "".join(chance.choice((c.lower(), c.upper())) for c in raw.hex())
    assert unhex("0x" + text) == raw


@pytest.mark.parametrize("size", [2, 8, 16, 30])
def test_one_wrong_character_anywhere_is_seen(size: int) -> None:
    text = "0123456789abcdefABCDEF00112233"[:size]
    for place in range(size):
        for wrong in map(chr, range(0x180)):
            changed = text[:place] + wrong + text[place + 1 :]
            expected = bytes.fromhex(changed) if wrong in "0123456789abcdefABCDEF" else None
            assert unhex("0x" + changed) == expected, (place, wrong)


@pytest.mark.parametrize("text", ["", "0", "00", "0X00", "0x0", "0x123456789", "x0ab", " 0x00"])
def test_what_is_no_hex_of_bytes_is_none(text: str) -> None:
    assert unhex(text) is None
    assert hex_bytes(text) is None


def test_a_long_answer_is_told_the_same_as_a_short_one() -> None:
    raw = random.Random(1).randbytes(LONG_TEXT)
    assert hex_bytes("0x" + raw.hex()) == raw
    assert hex_bytes("0x" + raw.hex()[:-1] + "g") is None
    assert hex_bytes("0x" + raw.hex()[:-1]) is None


@given(
    answer=st.fixed_dictionaries(
        {"jsonrpc": st.just("2.0"), "id": st.integers(0, 10**9)},
        optional={
            "result": st.sampled_from(["0x", "0x00", "0x" + WORDS.hex(), "0xé", "0x\\", '0x"', "", None, 7]),
            "error": st.sampled_from([{"code": 3, "data": "0x" + WORDS.hex()}, "0x" + WORDS.hex()]),
        },
    ),
    spaced=st.booleans(),
    ascii_only=st.booleans(),
    in_batch=st.booleans(),
)
def test_answers_are_what_json_says(
    answer: dict[str, object], spaced: bool, ascii_only: bool, in_batch: bool
) -> None:
    said: object = [answer] if in_batch else answer
    text = json.dumps(said, ensure_ascii=ascii_only, separators=None if spaced else (",", ":"))
    try:
        expected = json.loads(text)
    except ValueError:
        expected = None
    assert loads(text.encode()) == expected == said


@pytest.mark.parametrize(
    "text", ['{"result":"0x' + "00" * 200, '{"result":"0x' + "00" * 200 + '"', '"0x', ""]
)
def test_an_answer_cut_short_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="column"):
        loads(text.encode())


@pytest.mark.parametrize(
    "said",
    [
        {"id": 1, "other": "0x" + "ab" * 300, "result": "<digits>"},
        {"error": {"result": "0x" + "ab" * 300}, "result": "<digits>"},
        {"error": {"result": "0x" + "ab" * 300}, "id": 1},
        {"result": {"result": "0x" + "ab" * 300}},
    ],
)
def test_digits_of_another_member_stay_there(said: dict[str, object]) -> None:
    assert loads(json.dumps(said).encode()) == said

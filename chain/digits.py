"""Long texts of hex digits, taken as they are: a book's storage comes as megabytes of them in JSON.

JSON's scanner and `bytes.fromhex` look at one digit after another. Here a long result is cut out of its
answer before JSON sees it, and eight digits are turned at once.
"""

from __future__ import annotations

import json

import numpy as np
import numpy.typing as npt
from numba import njit

_MARK = b"<digits>"
_HEAD = 256
"""Bytes within which a long result begins: before it stand the version and the id."""
_ONES = np.uint64(0x0101010101010101)
_HIGH = np.uint64(0x8080808080808080)
_LOW_DIGITS = np.uint64(0x00FF00FF00FF00FF)
_PAIRS = np.uint64(0x0000FFFF0000FFFF)


def loads(raw: bytes) -> object:
    """As `json.loads`, for an answer that may be an object with one long `result` of hex digits.

    What stands between the quotes of such a result is not looked at: whoever turns it into bytes does
    that. Raises `ValueError` and `RecursionError`, as `json.loads`.
    """
    start = raw.find(b'"0x', 0, _HEAD) + 1
    end = raw.find(b'"', start)
    if start and end - start > len(raw) // 2 and raw.find(b"\\", start, end) < 0:
        before, after = raw[:start], raw[end:]
        if before[:-1].rstrip().endswith(b'"result":') and _MARK not in before + after:
            answer = json.loads(before + _MARK + after)
            if isinstance(answer, dict) and answer.get("result") == _MARK.decode():
                answer["result"] = str(memoryview(raw)[start:end], "ascii")
                return answer
    return json.loads(raw)


def unhex(text: str) -> bytes | None:
    """The bytes of 0x and an even number of hex digits, or None when it is not that."""
    if not text.startswith("0x") or len(text) % 2 or not text.isascii():
        return None
    whole = (len(text) - 2) // 8
    found = np.empty(whole, np.uint32)
    if whole and _turn(np.frombuffer(text.encode(), "<u8", whole, 2), found):
        return None
    last = text[2 + 8 * whole :]
    try:
        rest = bytes.fromhex(last)
    except ValueError:
        return None
    # `fromhex` passes over blanks.
    return found.tobytes() + rest if 2 * len(rest) == len(last) else None


@njit(cache=True, nogil=True)
def _turn(digits: npt.NDArray[np.uint64], found: npt.NDArray[np.uint32]) -> bool:
    """Eight digits at a time into four bytes; whether any was none.

    All are taken for good ones, side by side in one word, and what is not is noted on the way: a byte's
    highest bit in `(byte | 0x80) - n` tells whether the byte, below 0x80, is at least n.
    """
    bad = np.uint64(0)
    for at in range(digits.size):
        text = digits[at]
        small = text | (np.uint64(0x20) * _ONES)
        digit = (text | _HIGH) - np.uint64(0x30) * _ONES
        digit &= ~((text | _HIGH) - np.uint64(0x3A) * _ONES)
        letter = (small | _HIGH) - np.uint64(0x61) * _ONES
        letter &= ~((small | _HIGH) - np.uint64(0x67) * _ONES)
        bad |= text | ~(digit | letter)
        half = (text & (np.uint64(0x0F) * _ONES)) + np.uint64(9) * ((text >> np.uint64(6)) & _ONES)
        half = ((half << np.uint64(4)) | (half >> np.uint64(8))) & _LOW_DIGITS
        half = (half | (half >> np.uint64(8))) & _PAIRS
        found[at] = np.uint32((half | (half >> np.uint64(16))) & np.uint64(0xFFFFFFFF))
    return bool(bad & _HIGH)

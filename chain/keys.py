"""Where Solidity keeps the entries of a mapping: keccak256 of key and slot, for many holders at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from eth_utils.crypto import keccak
from numba import njit

Holders = npt.NDArray[np.uint8]
"""Shape (n, 20): addresses."""
Keys = npt.NDArray[np.uint8]
"""Shape (n, 32): storage slots, big-endian."""
_Lanes = npt.NDArray[np.uint64]


def mapping_keys(holders: Holders, slot: int) -> Keys:
    """Slots of `mapping(address => …)` declared at `slot`, one for each holder, in their order.

    Raises `ValueError` unless `holders` is (n, 20) bytes and `slot` fits a word.
    """
    if holders.ndim != 2 or holders.shape[1] != 20 or holders.dtype != np.uint8:
        raise ValueError(f"holders of shape {holders.shape} and type {holders.dtype}")
    place = np.frombuffer(_word(slot), np.uint8)
    block = np.zeros((len(holders), 64), np.uint8)
    block[:, 12:32] = holders
    block[:, 32:] = place
    hashes = np.empty((len(holders), 4), "<u8")
    _keccak_each(block.view("<u8"), hashes)
    return hashes.view(np.uint8)


def mapping_key(key32: bytes, slot: int) -> bytes:
    """The slot of one entry whose key is padded to a word; for keys that are no address, and for nested ones.

    Of `mapping(a => mapping(b => …))` at `slot` it is
    `mapping_key(b, int.from_bytes(mapping_key(a, slot), "big"))`. Raises `ValueError` unless both fit a word.
    """
    if len(key32) != 32:
        raise ValueError(f"a key of {len(key32)} bytes")
    return keccak(key32 + _word(slot))


def _word(slot: int) -> bytes:
    if not 0 <= slot < 1 << 256:
        raise ValueError(f"no slot: {slot}")
    return slot.to_bytes(32, "big")


def _round_constants() -> _Lanes:
    """Of the permutation's 24 rounds, by the bit generator of its definition."""
    constants, bit = [], 1
    for _ in range(24):
        value = 0
        for place in range(7):
            value |= (bit & 1) << ((1 << place) - 1)
            bit = (bit << 1) ^ (0x171 if bit & 0x80 else 0)
        constants.append(value)
    return np.array(constants, np.uint64)


def _walk() -> tuple[_Lanes, npt.NDArray[np.int64]]:
    """How far each lane on the permutation's walk is turned, and where it goes."""
    x, y, turns, moves = 1, 0, [], []
    for step in range(24):
        x, y = y, (2 * x + 3 * y) % 5
        turns.append((step + 1) * (step + 2) // 2 % 64)
        moves.append(x + 5 * y)
    return np.array(turns, np.uint64), np.array(moves, np.int64)


_ROUNDS = _round_constants()
_TURNS, _MOVES = _walk()


@njit(cache=True)
def _keccak_each(blocks: _Lanes, hashes: _Lanes) -> None:
    """keccak256 of 64 bytes a row; rows of `hashes` take the 32 bytes."""
    s = np.empty(25, np.uint64)
    c = np.empty(5, np.uint64)
    one, full = np.uint64(1), np.uint64(64)
    for row in range(blocks.shape[0]):
        for at in range(8):
            s[at] = blocks[row, at]
        for at in range(8, 25):
            s[at] = 0
        # What follows the message: a 1 at once, and a 1 as the last bit of the block of 136 bytes.
        s[8] = 1
        s[16] = np.uint64(0x8000000000000000)
        for number in range(24):
            for x in range(5):
                c[x] = s[x] ^ s[x + 5] ^ s[x + 10] ^ s[x + 15] ^ s[x + 20]
            for x in range(5):
                after = c[(x + 1) % 5]
                d = c[(x + 4) % 5] ^ ((after << one) | (after >> np.uint64(63)))
                for y in range(0, 25, 5):
                    s[x + y] ^= d
            held = s[1]
            for step in range(24):
                to, by = _MOVES[step], _TURNS[step]
                other = s[to]
                s[to] = (held << by) | (held >> (full - by))
                held = other
            for y in range(0, 25, 5):
                for x in range(5):
                    c[x] = s[y + x]
                for x in range(5):
                    s[y + x] = c[x] ^ (~c[(x + 1) % 5] & c[(x + 2) % 5])
            s[0] ^= _ROUNDS[number]
        for at in range(4):
            hashes[row, at] = s[at]

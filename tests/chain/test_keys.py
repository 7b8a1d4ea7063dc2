"""Keys of mappings, against the keccak of eth_utils."""

from __future__ import annotations

import numpy as np
import pytest
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from chain.keys import Holders, mapping_key, mapping_keys

HOLDERS = arrays.arrays(np.uint8, st.tuples(st.integers(0, 40), st.just(20)))
SLOTS = st.one_of(st.integers(0, 300), st.integers(0, 2**256 - 1))


@given(HOLDERS, SLOTS)
def test_keys_are_the_hashes_of_holder_and_slot(holders: Holders, slot: int) -> None:
    keys = mapping_keys(holders, slot)
    assert keys.shape == (len(holders), 32)
    assert keys.dtype == np.uint8
    for holder, key in zip(holders, keys, strict=True):
        assert key.tobytes() == keccak(bytes(12) + holder.tobytes() + slot.to_bytes(32, "big"))


@given(HOLDERS, SLOTS)
def test_many_keys_are_what_each_is_alone(holders: Holders, slot: int) -> None:
    alone = [mapping_key(bytes(12) + holder.tobytes(), slot) for holder in holders]
    assert [key.tobytes() for key in mapping_keys(holders, slot)] == alone


def test_holders_may_be_a_view_with_gaps() -> None:
    wide = np.arange(4 * 64, dtype=np.uint8).reshape(4, 64)
    view = wide[::2, 3:23]
    assert (mapping_keys(view, 9) == mapping_keys(np.ascontiguousarray(view), 9)).all()


def test_a_known_key() -> None:
    # keccak256 of two words of zeros, as Solidity's manual and every explorer have it for slot 0.
    known = "ad3228b676f7d3cd4284a5443f17f1962b36e491b30a40b2405849e597ba5fb5"
    assert mapping_keys(np.zeros((1, 20), np.uint8), 0).tobytes().hex() == known


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32), st.integers(0, 2**64))
def test_nested_mappings(outer: bytes, inner: bytes, slot: int) -> None:
    first = keccak(outer + slot.to_bytes(32, "big"))
    assert mapping_key(inner, int.from_bytes(mapping_key(outer, slot), "big")) == keccak(inner + first)


@pytest.mark.parametrize("slot", [-1, 2**256])
def test_what_is_no_slot_is_refused(slot: int) -> None:
    with pytest.raises(ValueError, match="no slot"):
        mapping_keys(np.zeros((1, 20), np.uint8), slot)
    with pytest.raises(ValueError, match="no slot"):
        mapping_key(bytes(32), slot)


def test_what_are_no_holders_is_refused() -> None:
    for holders in (np.zeros((1, 32), np.uint8), np.zeros(20, np.uint8), np.zeros((1, 20), np.int64)):
        with pytest.raises(ValueError, match="holders"):
            mapping_keys(holders, 0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="31 bytes"):
        mapping_key(bytes(31), 0)

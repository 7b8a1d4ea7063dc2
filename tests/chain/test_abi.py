"""Addresses and functions: exact both ways, and strict about what comes from outside."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from chain.abi import AbiError, BadAddress, Function, address_bytes, split_types, to_address

DAI = "0x6B175474E89094C44Da98b954EedeAC495271d0F"


@pytest.mark.parametrize("form", [DAI, DAI.lower(), "0x" + DAI[2:].upper(), "0X" + DAI[2:].upper()])
def test_an_address_is_accepted_in_any_case(form: str) -> None:
    assert to_address(form) == DAI
    assert to_address(address_bytes(to_address(form))) == DAI


@pytest.mark.parametrize(
    "wrong",
    [
        "0x6b175474E89094C44Da98b954EedeAC495271d0F",  # one letter in the wrong case
        DAI[:-1],
        DAI + "0",
        DAI[2:],
        "0x" + "g" * 40,
        "",
        "ETH",
        DAI + "\n",
        b"\x01" * 19,
        b"",
    ],
)
def test_what_is_no_address_is_refused(wrong: str | bytes) -> None:
    with pytest.raises(BadAddress):
        to_address(wrong)


@given(st.binary(min_size=20, max_size=20))
def test_an_address_comes_back_from_its_own_checksum(raw: bytes) -> None:
    assert address_bytes(to_address(to_address(raw))) == raw


def test_selector_is_of_the_canonical_signature() -> None:
    assert Function("balanceOf(address)", "uint256").selector.hex() == "70a08231"
    assert Function("f(uint,(int,bool)[])").selector == keccak(b"f(uint256,(int256,bool)[])")[:4]


def test_types_are_split_outside_of_tuples_only() -> None:
    assert split_types("address,(uint8,(bool,bytes))[],string") == (
        "address",
        "(uint8,(bool,bytes))[]",
        "string",
    )
    assert split_types("") == ()


@given(
    st.integers(0, 2**128 - 1),
    st.integers(-(2**255), 2**255 - 1),
    st.booleans(),
    st.binary(min_size=4, max_size=4),
    st.binary(min_size=20, max_size=20),
)
def test_words_are_as_eth_abi_has_them(a: int, b: int, c: bool, d: bytes, e: bytes) -> None:
    kinds = ("uint128", "int256", "bool", "bytes4", "address")
    values = (a, b, c, d, to_address(e))
    function = Function(f"f({','.join(kinds)})", ",".join(kinds))
    encoded = encode(kinds, values)
    assert function.encode(*values) == function.selector + encoded
    assert function.decode(encoded) == values


def test_structs_arrays_and_strings_come_back_with_checksummed_addresses() -> None:
    function = Function("f()", "(address,uint256[])[],string,bytes")
    values = (((to_address(DAI), (1, 2)), (to_address(DAI), ())), "hé", b"\x01\x02")
    assert function.decode(encode(split_types(function.outputs), values)) == values


@pytest.mark.parametrize(
    "outputs", ["uint256", "uint8,address", "(uint256,address)", "string", "uint256[],bool"]
)
@given(data=st.data())
def test_a_shorter_or_longer_answer_is_malformed(outputs: str, data: st.DataObject) -> None:
    function = Function("f()", outputs)
    values = {
        "uint256": 7,
        "uint8": 7,
        "address": DAI,
        "(uint256,address)": (7, DAI),
        "string": "seven",
        "uint256[]": [7, 8],
        "bool": True,
    }
    kinds = split_types(outputs)
    good = encode(kinds, [values[kind] for kind in kinds])
    function.decode(good)
    cut = data.draw(st.integers(0, len(good) - 1))
    extra = data.draw(st.binary(min_size=1, max_size=64))
    for bad in (good[:cut], good + extra):
        with pytest.raises(AbiError):
            function.decode(bad)


@pytest.mark.parametrize(
    ("outputs", "word"),
    [("uint8", 256), ("bool", 2), ("address", 1 << 160), ("bytes4", 1), ("int8", 128), ("uint128", 1 << 128)],
)
def test_a_word_out_of_range_is_malformed(outputs: str, word: int) -> None:
    with pytest.raises(AbiError):
        Function("f()", outputs).decode(word.to_bytes(32, "big"))


@given(st.binary(max_size=400))
def test_junk_is_decoded_or_refused_but_breaks_nothing(junk: bytes) -> None:
    for outputs in ("string", "(address,bytes)[]", "uint256[][]", "bytes,uint8"):
        try:
            Function("f()", outputs).decode(junk)
        except AbiError:
            continue


@pytest.mark.parametrize("args", [(), (1, 2), (-1,), (1 << 256,), ("1",), (True,), (1.0,), (None,)], ids=repr)
def test_arguments_that_do_not_fit_are_refused(args: tuple[object, ...]) -> None:
    with pytest.raises(AbiError, match=r"^f: "):
        Function("f(uint256)").encode(*args)


@pytest.mark.parametrize("signature", ["f", "f(", "f()x", "f(uint7)", "f(nonsense)", "1f()"])
def test_a_bad_signature_is_refused_at_once(signature: str) -> None:
    with pytest.raises(AbiError):
        Function(signature)

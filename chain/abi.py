"""Addresses and contract functions: what is sent to a contract and what may come back.

`Function` holds one view function as a value. Encoding and decoding are strict: an answer that is
too short, too long or out of its type's range is malformed, never cut to fit. Every address that
comes out is an EIP-55 `Address`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from eth_abi.abi import decode as abi_decode
from eth_abi.abi import encode as abi_encode
from eth_abi.abi import is_encodable_type
from eth_abi.exceptions import DecodingError, EncodingError, ParseError
from eth_abi.grammar import TupleType, normalize
from eth_abi.grammar import parse as parse_type
from eth_utils.crypto import keccak

from margin.basics import Address
from margin.errors import CrossmarginError

_HEX_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]{40}")
_SIGNATURE = re.compile(r"([A-Za-z_$][A-Za-z0-9_$]*)\((.*)\)")
_WORD = 32


class BadAddress(CrossmarginError, ValueError):
    """A text or bytes that is not an Ethereum address, or whose EIP-55 checksum is wrong."""


class AbiError(CrossmarginError, ValueError):
    """Arguments do not fit a function, or an answer does not decode as its outputs."""


@lru_cache(maxsize=1 << 16)
def _checksummed(raw: bytes) -> Address:
    text = raw.hex()
    digest = keccak(text.encode()).hex()
    letters = [c.upper() if d > "7" else c for c, d in zip(text, digest, strict=False)]
    return Address("0x" + "".join(letters))


def to_address(value: str | bytes) -> Address:
    """The EIP-55 form of an address given as 20 bytes or as hex in any case.

    Raises `BadAddress` when it is neither, or when mixed case does not match its own checksum
    (one mistyped letter).
    """
    if isinstance(value, bytes):
        if len(value) != 20:
            raise BadAddress(f"an address is 20 bytes, not {len(value)}")
        return _checksummed(value)
    shown = ascii(value[:50])
    if not _HEX_ADDRESS.fullmatch(value):
        raise BadAddress(f"not an address: {shown}")
    digits = value[2:]
    address = _checksummed(bytes.fromhex(digits))
    if digits not in (digits.lower(), digits.upper()) and digits != address[2:]:
        raise BadAddress(f"address {shown} has a wrong checksum: a letter may be mistyped")
    return address


def address_bytes(address: Address) -> bytes:
    """The 20 bytes of an address."""
    return bytes.fromhex(address[2:])


def split_types(types: str) -> tuple[str, ...]:
    """The types of a comma-separated list, tuples kept whole: `"address,(uint8,bool)[]"` is two."""
    parts, depth, start = [], 0, 0
    for at, char in enumerate(types):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append(types[start:at])
            start = at + 1
    parts.append(types[start:])
    if not types.strip():
        return ()
    return tuple(str(normalize(part.strip())) for part in parts)  # type: ignore[no-untyped-call]


def _uint(bits: int) -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
    def encode(value: Any) -> bytes:
        if type(value) is not int or value < 0 or value >> bits:
            raise AbiError(f"{ascii(value)[:80]} does not fit uint{bits}")
        return value.to_bytes(_WORD, "big")

    def decode(word: bytes) -> int:
        value = int.from_bytes(word, "big")
        if value >> bits:
            raise AbiError(f"a word above uint{bits}")
        return value

    return encode, decode


def _int(bits: int) -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
    bound = 1 << (bits - 1)

    def encode(value: Any) -> bytes:
        if type(value) is not int or not -bound <= value < bound:
            raise AbiError(f"{ascii(value)[:80]} does not fit int{bits}")
        return value.to_bytes(_WORD, "big", signed=True)

    def decode(word: bytes) -> int:
        value = int.from_bytes(word, "big", signed=True)
        if not -bound <= value < bound:
            raise AbiError(f"a word outside int{bits}")
        return value

    return encode, decode


def _bytes(size: int) -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]]:
    def encode(value: Any) -> bytes:
        if not isinstance(value, bytes) or len(value) > size:
            raise AbiError(f"not at most {size} bytes: {ascii(value)[:80]}")
        return value.ljust(_WORD, b"\0")

    def decode(word: bytes) -> bytes:
        if any(word[size:]):
            raise AbiError(f"a word with more than bytes{size}")
        return word[:size]

    return encode, decode


def _encode_address(value: Any) -> bytes:
    return bytes(12) + address_bytes(to_address(value))


def _decode_address(word: bytes) -> Address:
    if any(word[:12]):
        raise AbiError("a word above an address")
    return _checksummed(word[12:])


def _encode_bool(value: Any) -> bytes:
    if type(value) is not bool:
        raise AbiError(f"not a bool: {ascii(value)[:80]}")
    return value.to_bytes(_WORD, "big")


def _decode_bool(word: bytes) -> bool:
    value = int.from_bytes(word, "big")
    if value > 1:
        raise AbiError("a word that is no bool")
    return value == 1


def _word_codec(kind: str) -> tuple[Callable[[Any], bytes], Callable[[bytes], Any]] | None:
    """Encoder and decoder of a type that is exactly one word, else None.

    eth_abi takes 15 µs for six words; these take one. Books are read by the ten thousand rows.
    """
    if kind == "address":
        return _encode_address, _decode_address
    if kind == "bool":
        return _encode_bool, _decode_bool
    match = re.fullmatch(r"(uint|int|bytes)(\d+)", kind)
    if match is None:
        return None
    size = int(match[2])
    return {"uint": _uint, "int": _int, "bytes": _bytes}[match[1]](size)


def _with_checksums(kind: Any, value: Any) -> Any:
    """`value` as eth_abi gives it, with every address inside in EIP-55."""
    if kind.arrlist:
        return tuple(_with_checksums(kind.item_type, item) for item in value)
    if isinstance(kind, TupleType):
        return tuple(_with_checksums(part, item) for part, item in zip(kind.components, value, strict=True))
    return to_address(value) if kind.base == "address" else value


class _Codec:
    """Encoder and decoder of one list of types; built once a list."""

    def __init__(self, types: tuple[str, ...]) -> None:
        self.types = types
        try:
            self.parsed = tuple(parse_type(kind) for kind in types)
            for kind in self.parsed:
                kind.validate()
        except (ParseError, ValueError) as error:
            raise AbiError(f"unknown ABI type in {types}: {error}") from None
        if not all(is_encodable_type(kind) for kind in types):
            raise AbiError(f"unknown ABI type in {types}")
        words = [_word_codec(kind) for kind in types]
        self.words = [word for word in words if word is not None] if None not in words else None
        self.static = not any(kind.is_dynamic for kind in self.parsed)

    def encode(self, args: tuple[Any, ...]) -> bytes:
        if len(args) != len(self.types):
            raise AbiError(f"{len(args)} arguments for {len(self.types)}")
        if self.words is not None:
            return b"".join(encode(arg) for (encode, _), arg in zip(self.words, args, strict=True))
        try:
            return abi_encode(self.types, args)
        except (EncodingError, TypeError, ValueError, OverflowError) as error:
            raise AbiError(f"arguments do not fit {self.types}: {str(error)[:200]}") from None

    def decode(self, data: bytes) -> tuple[Any, ...]:
        if self.words is not None:
            if len(data) != _WORD * len(self.words):
                raise AbiError(f"{len(data)} bytes, {_WORD * len(self.words)} expected")
            return tuple(
                decode(data[at * _WORD : at * _WORD + _WORD]) for at, (_, decode) in enumerate(self.words)
            )
        try:
            values = abi_decode(self.types, data)
            # Bytes that no value came from are garbage: the one canonical length is the encoding's own.
            expected = len(abi_encode(self.types, values))
        except (DecodingError, EncodingError, UnicodeDecodeError, OverflowError, ValueError) as error:
            raise AbiError(f"{len(data)} bytes do not decode: {type(error).__name__}") from None
        if expected != len(data):
            raise AbiError(f"{len(data)} bytes, {expected} expected")
        return tuple(_with_checksums(kind, value) for kind, value in zip(self.parsed, values, strict=True))


@lru_cache(maxsize=4096)
def _codec(types: tuple[str, ...]) -> _Codec:
    return _Codec(types)


@dataclass(frozen=True, slots=True)
class Function:
    """One contract function as a value, e.g. `Function("balanceOf(address)", "uint256")`.

    Structs are tuples: `Function("getUserPosition(address)", "(uint256,bool),uint256[]")`.
    """

    signature: str
    """Name and argument types, as hashed for the selector; no spaces, no names of arguments."""
    outputs: str = ""
    """Types that come back, comma-separated; empty when nothing does."""
    mutates: bool = False
    """True for a function that is not a view (`accrueInterest`, quoters). It is never run in one call
    with others, so that its effects cannot be seen by them."""
    selector: bytes = field(init=False, repr=False, compare=False)
    _takes: _Codec = field(init=False, repr=False, compare=False)
    _gives: _Codec = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        match = _SIGNATURE.fullmatch(self.signature)
        if match is None:
            raise AbiError(f"not a function signature: {ascii(self.signature)[:120]}")
        takes = split_types(match[2])
        object.__setattr__(self, "selector", keccak(f"{match[1]}({','.join(takes)})".encode())[:4])
        object.__setattr__(self, "_takes", _codec(takes))
        object.__setattr__(self, "_gives", _codec(split_types(self.outputs)))

    @property
    def name(self) -> str:
        """The bare name, for messages."""
        return self.signature.split("(", 1)[0]

    @property
    def expects_output(self) -> bool:
        """False where an empty answer is a full answer."""
        return bool(self._gives.types)

    def encode(self, *args: Any) -> bytes:
        """Selector and arguments. Raises `AbiError` when they do not fit."""
        try:
            return self.selector + self._takes.encode(args)
        except (AbiError, BadAddress) as error:
            raise AbiError(f"{self.name}: {error}") from None

    def decode(self, data: bytes) -> tuple[Any, ...]:
        """The outputs. Raises `AbiError` when `data` is not exactly their encoding."""
        return self._gives.decode(data)

"""Between Python values and the bytes of calls, errors and events, by ABI entry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError, EncodingError
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from localnet.artifacts import Abi
from margin.errors import LocalnetError

Entry = dict[str, Any]

ERROR_STRING = bytes.fromhex("08c379a0")
PANIC = bytes.fromhex("4e487b71")


@dataclass(frozen=True, slots=True)
class Function:
    """One function of an ABI, its types worked out once."""

    name: str
    selector: bytes
    inputs: list[Entry]
    outputs: list[Entry]
    output_types: tuple[str, ...]
    output_addresses: bool

    def encode(self, args: Sequence[object]) -> bytes:
        """Call data; LocalnetError when the arguments do not fit."""
        return self.selector + encode_arguments(self.inputs, args)

    def decode(self, data: bytes) -> Any:
        """The value returned, or a tuple of several; LocalnetError when the bytes do not fit."""
        try:
            values = decode(self.output_types, data)
        except DecodingError as error:
            raise LocalnetError(f"{self.name} returned what its ABI does not say") from error
        if self.output_addresses:
            values = tuple(
                _with_checksums(entry, value) for entry, value in zip(self.outputs, values, strict=True)
            )
        return values[0] if len(values) == 1 else values


def type_of(entry: Entry) -> str:
    """An ABI entry's canonical type: a struct becomes its fields in parentheses."""
    kind = str(entry["type"])
    if kind.startswith("tuple"):
        return "(" + ",".join(type_of(field) for field in entry["components"]) + ")" + kind[5:]
    return kind


def signature(entry: Entry) -> str:
    """`name(type,…)` of a function, error or event."""
    return f"{entry['name']}({','.join(type_of(item) for item in entry['inputs'])})"


def selector(entry: Entry) -> bytes:
    """The first four bytes of the signature's hash."""
    return keccak(text=signature(entry))[:4]


def find_function(abi: Abi, name: str, count: int, owner: str) -> Function:
    """The one function of that name (or full signature) and number of arguments; else LocalnetError."""
    functions = [entry for entry in abi if entry["type"] == "function"]
    found = [
        entry
        for entry in functions
        if signature(entry) == name or (entry["name"] == name and len(entry["inputs"]) == count)
    ]
    if len(found) != 1:
        raise LocalnetError(f"{owner} has {len(found)} functions {name} with {count} arguments")
    entry = found[0]
    types = tuple(type_of(item) for item in entry["outputs"])
    has_addresses = any("address" in kind for kind in types)
    return Function(entry["name"], selector(entry), entry["inputs"], entry["outputs"], types, has_addresses)


def encode_arguments(inputs: list[Entry], args: Sequence[object]) -> bytes:
    """ABI encoding; a struct may be a dict by field name. LocalnetError when something does not fit."""
    if len(inputs) != len(args):
        raise LocalnetError(f"{len(inputs)} arguments are wanted, {len(args)} given")
    plain = [_plain(item, value) for item, value in zip(inputs, args, strict=True)]
    try:
        return encode([type_of(item) for item in inputs], plain)
    except (EncodingError, TypeError) as error:
        raise LocalnetError(f"arguments do not fit: {error}") from error


def decode_revert(data: bytes, errors: Mapping[bytes, Entry]) -> tuple[str, tuple[Any, ...]]:
    """(reason, arguments) of returned error bytes; see `evm.Reverted` for their meaning."""
    head, body = data[:4], data[4:]
    try:
        if head == ERROR_STRING:
            # Not strict: solc 0.6 can leave what it will behind a text that does not fill its last word.
            return str(decode(["string"], body, strict=False)[0]), ()
        if head == PANIC:
            return f"panic 0x{decode(['uint256'], body)[0]:02x}", ()
        if head in errors:
            entry = errors[head]
            return entry["name"], tuple(decode([type_of(item) for item in entry["inputs"]], body))
    except (DecodingError, UnicodeDecodeError):
        # Reported as raw bytes below: what a contract reverts with need not be well formed.
        pass
    return ("0x" + data.hex() if data else ""), ()


def decode_events(abi: Abi, name: str, logs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The events called `name` among JSON logs, each as a dict by argument name."""
    entry = next((item for item in abi if item["type"] == "event" and item["name"] == name), None)
    if entry is None:
        raise LocalnetError(f"the ABI has no event {name}")
    topic = "0x" + keccak(text=signature(entry)).hex()
    indexed = [item for item in entry["inputs"] if item["indexed"]]
    others = [item for item in entry["inputs"] if not item["indexed"]]
    found = []
    for log in logs:
        if not log["topics"] or log["topics"][0] != topic:
            continue
        values: dict[str, Any] = {}
        for item, word in zip(indexed, log["topics"][1:], strict=True):
            values[item["name"]] = _with_checksums(item, decode([type_of(item)], bytes.fromhex(word[2:]))[0])
        body = decode([type_of(item) for item in others], bytes.fromhex(log["data"][2:]))
        for item, value in zip(others, body, strict=True):
            values[item["name"]] = _with_checksums(item, value)
        found.append({item["name"]: values[item["name"]] for item in entry["inputs"]})
    return found


def _plain(entry: Entry, value: Any) -> Any:
    """A value with every struct given as a dict turned into a tuple in field order."""
    kind = str(entry["type"])
    if not kind.startswith("tuple"):
        return value
    if kind.endswith("]"):
        element = entry | {"type": kind[: kind.rindex("[")]}
        return [_plain(element, item) for item in value]
    fields = entry["components"]
    if isinstance(value, Mapping):
        missing = [field["name"] for field in fields if field["name"] not in value]
        if missing:
            raise LocalnetError(f"the struct {entry['name']} lacks {', '.join(missing)}")
        value = [value[field["name"]] for field in fields]
    return tuple(_plain(field, item) for field, item in zip(fields, value, strict=True))


def _with_checksums(entry: Entry, value: Any) -> Any:
    """A decoded value with its addresses in EIP-55 form."""
    kind = str(entry["type"])
    if kind.endswith("]"):
        element = entry | {"type": kind[: kind.rindex("[")]}
        return tuple(_with_checksums(element, item) for item in value)
    if kind == "address":
        return to_checksum_address(value)
    if kind == "tuple":
        pairs = zip(entry["components"], value, strict=True)
        return tuple(_with_checksums(field, item) for field, item in pairs)
    return value

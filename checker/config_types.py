"""The field types of the configuration: each a small check with a message of one clear line.

No message here repeats the value of a field that may hold a secret (an RPC URL, a webhook, an SMTP
URL): what came from the environment is never printed.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

from pydantic import BeforeValidator, SecretStr
from pydantic_core import PydanticCustomError

from chain.abi import BadAddress, to_address
from margin.basics import Address
from protocols.base import ListOf

_DURATION = re.compile(r"(\d{1,9})\s*([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
REPEATS_VALUE = "crossmargin_value"
"""The type of an error whose message may hold the value."""
_BYTES32 = re.compile(r"0[xX][0-9a-fA-F]{64}")
LOOKS_LIKE_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]{40}")


def wrong(problem: str) -> PydanticCustomError:
    """A validation error that says `problem` and nothing else."""
    return PydanticCustomError("crossmargin", "{problem}", {"problem": problem})


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise wrong("expected a text in quotes")
    return value


def address(value: Any) -> Address:
    """An address as the configuration may hold it; a validation error otherwise, which may repeat it."""
    try:
        return to_address(_text(value))
    except BadAddress as error:
        raise PydanticCustomError(REPEATS_VALUE, "{problem}", {"problem": str(error)}) from None


def list_of(kind: ListOf, value: Any) -> tuple[str, ...]:
    """A text or a list of texts of one kind; a validation error otherwise, which repeats none of them."""
    values = value if isinstance(value, list | tuple) else [value]
    if not values:
        raise wrong("expected at least one")
    return tuple(_one_of(kind, each, number) for number, each in enumerate(values, 1))


def _one_of(kind: ListOf, value: Any, number: int) -> str:
    text = _words(value)
    if kind is ListOf.BYTES32:
        if not _BYTES32.fullmatch(text):
            raise wrong(f"entry {number} is not 0x and 64 hex digits")
        return text.lower()
    if kind is ListOf.ADDRESS:
        try:
            return to_address(text)
        except BadAddress:
            raise wrong(f"entry {number} is no address, or its checksum is wrong") from None
    return text


def duration_s(text: str) -> int | None:
    """Seconds of `90s`, `30m`, `6h`, `1d`; `None` when it is none of these."""
    found = _DURATION.fullmatch(text.strip())
    return int(found[1]) * _SECONDS[found[2]] if found else None


def _duration(value: Any) -> int:
    seconds = value if type(value) is int else duration_s(value) if isinstance(value, str) else None
    if seconds is None or seconds <= 0:
        raise wrong('expected a time like "30m", "6h" or "1d", or a number of seconds')
    return int(seconds)


def _bound(value: Any) -> Decimal:
    if type(value) is int:
        value = Decimal(value)
    if not isinstance(value, Decimal) or not value.is_finite() or not 0 <= value <= 1_000_000:
        raise wrong("expected a number from 0 to 1000000")
    return value


def _share(value: Any) -> Decimal:
    share = _bound(value)
    if share > 1:
        raise wrong("expected a number from 0 to 1, a share: 0.20 is 20 %")
    return share


def _name(value: Any) -> str:
    if not _NAME.fullmatch(_text(value)):
        raise wrong("expected a short name of letters, digits, '.', '_' and '-'")
    return str(value)


def _words(value: Any) -> str:
    text = _text(value).strip()
    if not text or len(text) > 100 or not text.isprintable():
        raise wrong("expected 1 to 100 printable characters")
    return text


def _label(value: Any) -> str:
    if LOOKS_LIKE_ADDRESS.fullmatch(_words(value)):
        raise wrong("a label must not look like an address")
    return _words(value)


def variables(value: str) -> list[str]:
    """The names of the environment variables that a text of the configuration mentions."""
    return [match[1] or match[2] for match in _VARIABLE.finditer(value)]


def expand(value: str, environment: Mapping[str, str]) -> str:
    """`value` with every `$NAME` and `${NAME}` from the environment; `KeyError` where one is not set."""

    def found(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if not environment.get(name):
            raise KeyError(name)
        return environment[name]

    return _VARIABLE.sub(found, value)


def is_loopback(host: str) -> bool:
    """Whether a host name means this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _split(value: Any) -> tuple[str, str, str, dict[str, list[str]]]:
    """The URL, its scheme, host and query; host is empty when it is no URL."""
    url = _text(value).strip()
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return url, "", "", {}
    if not url.isprintable() or " " in url:
        return url, "", "", {}
    return url, parts.scheme, parts.hostname or "", parse_qs(parts.query)


def _rpc(value: Any) -> SecretStr:
    url, scheme, host, _ = _split(value)
    if scheme not in ("http", "https") or not host:
        raise wrong("expected an http:// or https:// URL")
    return SecretStr(url)


def _hook(value: Any) -> SecretStr:
    url, scheme, host, _ = _split(value)
    if not host or not (scheme == "https" or (scheme == "http" and is_loopback(host))):
        raise wrong("expected an https:// URL (http:// is accepted on loopback only)")
    return SecretStr(url)


def _smtp(value: Any) -> SecretStr:
    url, scheme, host, query = _split(value)
    encrypted = scheme == "smtps" or (scheme == "smtp" and query.get("starttls") == ["true"])
    if not host or not (encrypted or (scheme == "smtp" and is_loopback(host))):
        raise wrong("expected an smtps URL, or an smtp URL with starttls=true (without it on loopback only)")
    return SecretStr(url)


def _database(value: Any) -> SecretStr:
    url = _text(value).strip()
    if not re.match(r"(sqlite:///|postgresql(\+[a-z0-9]+)?://)", url):
        raise wrong("expected a sqlite or postgresql URL")
    return SecretStr(url)


def _listen(value: Any) -> tuple[str, int]:
    host, colon, port = _text(value).strip().rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 <= int(port) < 1 << 16:
        raise wrong('expected a host and a port like "127.0.0.1:9464"')
    return host.strip("[]"), int(port)


def _secret(value: Any) -> SecretStr:
    text = _text(value).strip()
    if not text or not text.isprintable():
        raise wrong("expected a text of printable characters")
    return SecretStr(text)


def _mention(value: Any) -> str:
    if not re.fullmatch(r"(user|role):[0-9]{1,20}", _text(value)):
        raise wrong('expected "user:" or "role:" and an id, such as "role:165511591545143296"')
    return str(value)


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


AddressField = Annotated[Address, BeforeValidator(address)]
Seconds = Annotated[int, BeforeValidator(_duration)]
Bound = Annotated[Decimal, BeforeValidator(_bound)]
Share = Annotated[Decimal, BeforeValidator(_share)]
Name = Annotated[str, BeforeValidator(_name)]
Words = Annotated[str, BeforeValidator(_words)]
Label = Annotated[str, BeforeValidator(_label)]
RpcUrl = Annotated[SecretStr, BeforeValidator(_rpc)]
HookUrl = Annotated[SecretStr, BeforeValidator(_hook)]
SmtpUrl = Annotated[SecretStr, BeforeValidator(_smtp)]
Listen = Annotated[tuple[str, int], BeforeValidator(_listen)]
DatabaseUrl = Annotated[SecretStr, BeforeValidator(_database)]
SecretText = Annotated[SecretStr, BeforeValidator(_secret)]
Mention = Annotated[str, BeforeValidator(_mention)]
OneOrMany = BeforeValidator(_one_or_many)

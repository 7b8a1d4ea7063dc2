"""Token symbols and decimals in bulk, cached for ever: neither changes in a token's life."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chain.abi import AbiError, Function
from chain.answers import Garbled, Reverted
from chain.reader import Call, Reader, decoded
from chain.text import clean, short
from margin.basics import Address, Reason, Unread

SYMBOL = Function("symbol()", "string")
DECIMALS = Function("decimals()", "uint256")
MOST_DECIMALS = 77
"""10^77 is the last power of ten below 2^256."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says of itself. Its symbol is for people only: anyone may call a token ETH."""

    address: Address
    symbol: str
    """Sanitised, never empty; the shortened address where the token has none."""
    decimals: int | Unread
    """Never guessed: a token without decimals has an `Unread` here."""


class TokenCache:
    """Tokens by (chain id, address)."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, Address], Token] = {}

    def read(self, reader: Reader, addresses: Sequence[Address]) -> list[Token]:
        """The tokens at these addresses, in this order; reads only those not known yet."""
        chain_id = reader.block.chain_id
        missing = [a for a in dict.fromkeys(addresses) if (chain_id, a) not in self._known]
        calls = [Call(address, part) for part in (SYMBOL, DECIMALS) for address in missing]
        raw = reader.confirmed(calls, reader.raw([(call.target, call.function.encode()) for call in calls]))
        symbols, places = raw[: len(missing)], raw[len(missing) :]
        fresh = {}
        for address, symbol, answer in zip(missing, symbols, places, strict=True):
            decimals = decoded(Call(address, DECIMALS), answer)
            token = Token(address, _symbol(address, symbol), _decimals(address, decimals))
            fresh[address] = token
            if _lasting(symbol) and _lasting(token.decimals):
                self._known[chain_id, address] = token
        return [fresh.get(a) or self._known[chain_id, a] for a in addresses]


def _lasting(answer: object) -> bool:
    """True for the token's own answer. A node recovers, and an empty address may get code."""
    return not isinstance(answer, Unread) or isinstance(answer, Reverted | Garbled)


def _symbol(address: Address, raw: bytes | Unread) -> str:
    """The symbol from a string, or from bytes32 as older tokens (MKR) give it."""
    if isinstance(raw, Unread):
        return short(address)
    if len(raw) == 32:
        text = raw.split(b"\0", 1)[0].decode("utf-8", "replace")
    else:
        try:
            text = str(SYMBOL.decode(raw)[0])
        except AbiError:
            text = ""
    return clean(text) or short(address)


def _decimals(address: Address, answer: tuple[int, ...] | Unread) -> int | Unread:
    if isinstance(answer, Unread):
        return answer
    places = answer[0]
    if places > MOST_DECIMALS:
        return Garbled(
            Reason.MALFORMED, f"decimals at {address}: {str(places)[:30]} is no number of decimals"
        )
    return places

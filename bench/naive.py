"""How one reads a chain with web3.py and no further thought: `contract.functions.f(x).call()`, one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import requests
from eth_abi.grammar import TupleType
from eth_abi.grammar import parse as parse_type
from eth_utils.address import to_checksum_address
from web3 import HTTPProvider, Web3
from web3.contract import Contract
from web3.contract.contract import ContractFunction
from web3.types import RPCEndpoint, RPCResponse

from chain.abi import Function, split_types
from chain.reader import Call


class CountingProvider(HTTPProvider):
    """web3's own provider, which also counts its posts."""

    def __init__(self, url: str) -> None:
        session = requests.Session()
        session.trust_env = False  # a proxy from the environment is not for a node on this machine
        super().__init__(url, session=session)
        self.posts = 0

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """See `HTTPProvider.make_request`."""
        self.posts += 1
        return super().make_request(method, params)


class Naive:
    """web3.py as it comes. Contract objects are made once and kept, which many scripts do not do."""

    def __init__(self, url: str) -> None:
        self.provider = CountingProvider(url)
        self.w3 = Web3(self.provider)
        self._contracts: dict[tuple[str, Function], Contract] = {}

    def function(self, call: Call) -> ContractFunction:
        """`contract.functions.f(*args)` of a call."""
        key = call.target, call.function
        if key not in self._contracts:
            self._contracts[key] = self.w3.eth.contract(
                to_checksum_address(call.target), abi=[entry(call.function)]
            )
        function: ContractFunction = self._contracts[key].functions[call.function.name](*call.args)
        return function

    def read(self, calls: Sequence[Call]) -> list[tuple[Any, ...]]:
        """All of them, one by one, at the newest block; answers in the shape `Reader.read` gives."""
        return [outputs(call, self.function(call).call()) for call in calls]


def outputs(call: Call, answer: Any) -> tuple[Any, ...]:
    """web3's answer as a tuple of outputs: a single output comes without one."""
    alone = len(entry(call.function)["outputs"]) == 1
    return (_frozen(answer),) if alone else tuple(_frozen(value) for value in answer)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value


def entry(function: Function) -> dict[str, Any]:
    """A function as an entry of a JSON ABI."""
    takes = function.signature.partition("(")[2].removesuffix(")")
    return {
        "type": "function",
        "name": function.name,
        "stateMutability": "view",
        "inputs": [_item(kind) for kind in split_types(takes)],
        "outputs": [_item(kind) for kind in split_types(function.outputs)],
    }


def _item(kind: str) -> dict[str, Any]:
    parsed = parse_type(kind)
    if not isinstance(parsed, TupleType):
        return {"type": kind, "name": ""}
    arrays = kind[kind.rindex(")") + 1 :]
    parts = split_types(kind[1 : kind.rindex(")")])
    return {"type": f"tuple{arrays}", "name": "", "components": [_item(part) for part in parts]}

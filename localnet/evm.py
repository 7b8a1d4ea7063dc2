"""Deploying and calling contracts by their ABI, with errors that say what the contract said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eth_utils.address import to_checksum_address

from localnet import codec
from localnet.anvil import MAX_GAS, Anvil, NodeError
from localnet.artifacts import Abi, Artifact
from margin.basics import Address
from margin.errors import LocalnetError

DEPLOYER = Address("0xd3B10000000000000000000000000000000000d1")

StateOverride = dict[str, dict[str, Any]]


class Reverted(LocalnetError):
    """A contract refused a call or transaction."""

    def __init__(self, what: str, reason: str, arguments: tuple[Any, ...] = ()) -> None:
        self.what = what
        """Contract and function, e.g. `Pool.liquidationCall`."""
        self.reason = reason
        """The text of `revert("…")`, the name of a custom error, `panic 0x11`, or `` for none."""
        self.arguments = arguments
        """A custom error's arguments."""
        told = f" {arguments}" if arguments else ""
        super().__init__(f"{what} reverted: {reason or 'no reason'}{told}")


class Evm:
    """Sends and calls on one Anvil, from any sender."""

    def __init__(self, anvil: Anvil, sender: Address = DEPLOYER) -> None:
        self.anvil = anvil
        self.sender = sender
        """Who sends when nobody is named."""
        self._errors: dict[bytes, dict[str, Any]] = {}

    def learn_errors(self, abi: Abi) -> None:
        """Makes the custom errors of an ABI readable in `Reverted.reason`."""
        for entry in abi:
            if entry["type"] == "error":
                self._errors[codec.selector(entry)] = entry

    def at(self, address: str, abi: Abi, name: str = "contract") -> Contract:
        """A contract that is already there."""
        return Contract(self, Address(to_checksum_address(address)), abi, name)

    def deploy(
        self,
        artifact: Artifact,
        *args: object,
        libraries: Mapping[str, str] | None = None,
        sender: str | None = None,
    ) -> Contract:
        """Deploys a contract; struct arguments are tuples, or dicts by field name.

        Raises Reverted when its constructor refuses, LocalnetError for a missing library.
        """
        if not artifact.bytecode:
            raise LocalnetError(f"{artifact.name} has no code to deploy")
        code = artifact.linked(libraries or {})
        constructor = next((entry for entry in artifact.abi if entry["type"] == "constructor"), None)
        code += codec.encode_arguments(constructor["inputs"] if constructor else [], args)
        self.learn_errors(artifact.abi)
        receipt = self._transact({"data": "0x" + code.hex()}, sender)
        if receipt["status"] != "0x1":
            self._call({"data": "0x" + code.hex()}, f"{artifact.name} constructor", sender)
            raise Reverted(f"{artifact.name} constructor", "")
        return self.at(receipt["contractAddress"], artifact.abi, artifact.name)

    def call(
        self,
        to: str,
        data: bytes,
        what: str,
        *,
        sender: str | None = None,
        at: int | None = None,
        number: int | None = None,
        state: StateOverride | None = None,
    ) -> bytes:
        """What a call returns, at the latest block, its timestamp, number and state overridden if given.

        `at`: seconds, earlier or later than the block's; `number` alike. Raises Reverted.
        """
        return self._call({"to": to, "data": "0x" + data.hex()}, what, sender, at, state, number)

    def send(
        self, to: str, data: bytes, what: str, *, sender: str | None = None, at: int | None = None
    ) -> dict[str, Any]:
        """Sends a transaction, mined at once, at timestamp `at` or the parent's; its receipt.

        Raises Reverted, and then no block has been mined.
        """
        request = {"to": to, "data": "0x" + data.hex()}
        # Asked first, because a receipt does not say why, and a refused call shall leave no block.
        self._call(request, what, sender, at, number=self.anvil.block_number() + 1)
        if at is not None:
            self.anvil.set_next_timestamp(at)
        receipt = self._transact(request, sender)
        if receipt["status"] != "0x1":
            self._call(request, what, sender)
            raise Reverted(what, "")
        return receipt

    def _transact(self, request: dict[str, Any], sender: str | None) -> dict[str, Any]:
        priced = request | {"from": sender or self.sender, "gas": hex(MAX_GAS), "gasPrice": "0x0"}
        receipt: dict[str, Any] = self.anvil.request("eth_sendTransactionSync", priced)
        return receipt

    def _call(
        self,
        request: dict[str, Any],
        what: str,
        sender: str | None,
        at: int | None = None,
        state: StateOverride | None = None,
        number: int | None = None,
    ) -> bytes:
        asked = request | {"from": sender or self.sender, "gas": hex(MAX_GAS)}
        params: list[object] = [asked, "latest"]
        moved = {name: hex(to) for name, to in (("time", at), ("number", number)) if to is not None}
        if state is not None or moved:
            params.append(state or {})
        if moved:
            params.append(moved)
        try:
            return bytes.fromhex(str(self.anvil.request("eth_call", *params))[2:])
        except NodeError as error:
            if error.code != 3 and "revert" not in error.message:
                raise
            data = error.data if isinstance(error.data, str) else "0x"
            reason, arguments = codec.decode_revert(bytes.fromhex(data[2:]), self._errors)
            raise Reverted(what, reason, arguments) from error


class Contract:
    """One contract: its address and what can be called on it."""

    def __init__(self, evm: Evm, address: Address, abi: Abi, name: str) -> None:
        self.evm = evm
        self.address = address
        self.abi = abi
        self.name = name
        self._functions: dict[tuple[str, int], codec.Function] = {}
        evm.learn_errors(abi)

    def has(self, function: str) -> bool:
        """Whether the ABI has a function of this name."""
        return any(entry["type"] == "function" and entry["name"] == function for entry in self.abi)

    def function(self, name: str, count: int) -> codec.Function:
        """The function `name` taking `count` arguments; LocalnetError if there is none.

        Where two differ by types alone, `name` is the full signature.
        """
        key = (name, count)
        if key not in self._functions:
            self._functions[key] = codec.find_function(self.abi, name, count, self.name)
        return self._functions[key]

    def call(
        self,
        name: str,
        *args: object,
        sender: str | None = None,
        at: int | None = None,
        number: int | None = None,
        state: StateOverride | None = None,
    ) -> Any:
        """What a function returns: the value, or a tuple of several; addresses are checksummed.

        See `Evm.call` for `at`, `number` and `state`. Raises Reverted.
        """
        function = self.function(name, len(args))
        what = f"{self.name}.{function.name}"
        encoded = function.encode(args)
        data = self.evm.call(self.address, encoded, what, sender=sender, at=at, number=number, state=state)
        if not data and function.outputs:
            raise LocalnetError(f"{what}: there is no contract at {self.address}")
        return function.decode(data)

    def send(
        self, name: str, *args: object, sender: str | None = None, at: int | None = None
    ) -> dict[str, Any]:
        """Sends a transaction calling a function; its receipt. See `Evm.send`."""
        function = self.function(name, len(args))
        what = f"{self.name}.{function.name}"
        return self.evm.send(self.address, function.encode(args), what, sender=sender, at=at)

    def events(self, receipt: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
        """This contract's events called `name` in a receipt, each as a dict by argument name."""
        logs = [log for log in receipt["logs"] if log["address"].lower() == self.address.lower()]
        return codec.decode_events(self.abi, name, logs)

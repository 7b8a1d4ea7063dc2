"""The deployment of Maker's test chain, made again: its 695 transactions, from the package's snapshot.

The snapshot is the directory of the node that was deployed to, one file a value, so a block's own
file (`!blocks!N`) holds its transactions as JSON. Sent in order by the same sender they put every
contract at the address that `out/addresses-mcd.json` says.
"""

from __future__ import annotations

import functools
import json
import re
import tarfile
from collections.abc import Mapping
from typing import Any

from localnet.anvil import Anvil
from localnet.artifacts import Abi
from localnet.packages import Package, file_of
from margin.basics import Address
from margin.errors import LocalnetError

TESTCHAIN = Package(
    "npm",
    "@makerdao/testchain",
    "1.1.33-beta5",
    "sha512-QpLH7FgiA/kx5gc8XpvQ5i7i7R0Gdc+dZ3f2bm1cMsWbNNzT4DQ8nf9edBF/1aVQWwOq2+u8+yWGG7+cv5w9mw==",
    ("snapshots/default.tgz", "out/addresses-mcd.json", "out/mcd/", "LICENSE"),
)
"""Maker as of August 2021 (Dog and Clipper 1.2+, MIT), with the node it was deployed to."""

GAS = 15_000_000
ETHER = 10**24
"""Wei that the deployer is given: one of its transactions wraps ether."""
_BLOCK = re.compile(r"(?:.*/)?!blocks!([0-9]+)$")


def replay(anvil: Anvil) -> None:
    """Sends every transaction again, in its own second; LocalnetError if an address comes out different."""
    blocks = _blocks()
    begin, first = anvil.timestamp() + 1, int(blocks[1]["header"]["timestamp"], 16)
    for number in range(1, len(blocks)):
        block = blocks[number]
        anvil.set_next_timestamp(begin + int(block["header"]["timestamp"], 16) - first)
        for sent in block["transactions"]:
            if number == 1:
                anvil.set_balance(sent["from"], ETHER)
            request = {"from": sent["from"], "gas": hex(GAS), "gasPrice": "0x0", "value": sent["value"]}
            request["data"] = "0x" + sent["data"].removeprefix("0x")
            if sent["to"]:
                request["to"] = sent["to"]
            anvil.request("eth_sendTransactionSync", request)
    for name, address in addresses().items():
        if name != "DEPLOYER" and anvil.request("eth_getCode", address, "latest") == "0x":
            raise LocalnetError(f"{TESTCHAIN}: no {name} came to stand at its address")


@functools.cache
def addresses() -> Mapping[str, Address]:
    """Where each contract stands, by the name Maker gives it (`MCD_VAT`)."""
    found: dict[str, Address] = json.loads(file_of(TESTCHAIN, "out/addresses-mcd.json").read_bytes())
    return found


@functools.cache
def abi_of(name: str) -> Abi:
    """The interface of one of its contracts, e.g. `Vat`."""
    found: Abi = json.loads(file_of(TESTCHAIN, f"out/mcd/{name}.abi").read_bytes())
    return found


def _blocks() -> dict[int, dict[str, Any]]:
    found = {}
    with tarfile.open(file_of(TESTCHAIN, "snapshots/default.tgz"), "r:gz") as tarball:
        for member in tarball:
            named = _BLOCK.match(member.name)
            file = tarball.extractfile(member) if named else None
            if named and file is not None:
                found[int(named[1])] = json.loads(file.read())
    return found

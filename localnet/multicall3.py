"""Multicall3, which local chains lack: the very code that stands on the public chains, from a registry.

Others' code is never committed here. Another build of the same source would be slower or faster, so
the code's hash is compared with that of the deployed one.
"""

from __future__ import annotations

import ast

from eth_utils.crypto import keccak

from localnet.anvil import Anvil
from localnet.packages import Package, file_of
from margin.errors import LocalnetError

MULTICALL_PY = Package(
    "pypi",
    "multicall",
    "0.15.2",
    "sha256-3e9ee0424090fd7ac996f405a6688b4e904a0d114a0c68003859a713d0d44000",
    ("multicall/constants.py",),
)
"""banteg/multicall.py, which carries the runtime code as a constant."""
NAME = "MULTICALL3_BYTECODE"
CODE_HASH = "d5c15df687b16f2ff992fc8d767b4216323184a2bbc6ee2f9c398c318e770891"
"""keccak-256 of the code at 0xcA11…CA11 on Ethereum and most other chains."""


def place_multicall3(anvil: Anvil, address: str) -> None:
    """Puts Multicall3 at an address; LocalnetError when the package does not hold that very code."""
    source = ast.parse(file_of(MULTICALL_PY, "multicall/constants.py").read_text())
    texts = [
        node.value
        for statement in source.body
        if isinstance(statement, ast.AnnAssign) and ast.unparse(statement.target) == NAME
        for node in ast.walk(statement)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    codes = [bytes.fromhex(text.removeprefix("0x")) for text in texts]
    if [keccak(code).hex() for code in codes] != [CODE_HASH]:
        raise LocalnetError(f"{MULTICALL_PY} does not hold the deployed Multicall3")
    anvil.set_code(address, codes[0])

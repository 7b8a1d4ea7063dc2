"""Multicall3 as deployed on most chains, from a registry: local chains do not have it of themselves."""

from __future__ import annotations

import re

from localnet.anvil import Anvil
from localnet.packages import Package, file_of
from margin.errors import LocalnetError

VIEM = Package(
    "npm",
    "viem",
    "2.57.4",
    "sha512-ro+8AKrcGU6tPfou0gBRYv6bxnU3tPxxJGY4qpJwjiR40eHCWzeGhrAgYMlIncFtlnry2/yGjz57WOC67oshCQ==",
    ("_cjs/constants/contracts.js", "LICENSE"),
)
"""Carries Multicall3's creation code (github.com/mds1/multicall3, MIT) as a constant."""


def place_multicall3(anvil: Anvil, address: str) -> None:
    """Puts Multicall3's runtime code at an address: what its creation code returns."""
    text = file_of(VIEM, "_cjs/constants/contracts.js").read_text()
    found = re.search(r"multicall3Bytecode = '(0x[0-9a-f]+)'", text)
    if found is None:
        raise LocalnetError(f"{VIEM} holds no Multicall3 creation code")
    anvil.request("anvil_setCode", address, anvil.request("eth_call", {"data": found[1]}, "latest"))

"""The genuine contracts of Morpho Blue, compiled with the settings of their deployments.

morpho-org/morpho-blue's package ships sources only; its `foundry.toml` builds with solc 0.8.19, the IR
pipeline, 999,999 runs and no metadata hash, for the Paris EVM. The AdaptiveCurveIrm of
morpho-org/morpho-blue-irm is in no package of its own: it comes from one that has its source
unchanged but for the pragma, which asks for a later compiler.
"""

from __future__ import annotations

import functools
from typing import Any

from localnet import packages
from localnet.artifacts import Abi, Artifact
from localnet.packages import Package
from localnet.solc import compile_standard
from margin.errors import LocalnetError

MORPHO = Package(
    "npm",
    "@morpho-org/morpho-blue",
    "1.0.0",
    "sha512-MKtzYMRE65B1hVJYAPtml3ecHPY2e/SL3JRvM7XWjtbnWQX6U/C3beSdxr7v+rHaVJ0ri/dUPxvNfWtr0NZdGw==",
    ("src/", "LICENSE"),
)
ADAPTIVE_CURVE = Package(
    "npm",
    "sphere-mezo-solidity-files",
    "1.2.0",
    "sha512-slDQvcqBgUQKzVLo5uHVKH3E367t07TPXNcHzxuSXaH/1iVWWDPnmXD6Z+BlvcI+QPcOTq/6PSpqS+zu4krT/g==",
    ("domains/morphoIrm/", "domains/morpho/contracts/interfaces/", "domains/morpho/contracts/libraries/"),
)
SOLC_0_8_19 = Package(
    "npm",
    "solc",
    "0.8.19",
    "sha512-yqurS3wzC4LdEvmMobODXqprV4MYJcVtinuxgrp61ac8K2zz40vXA0eSAskSHPgv8dQo7Nux39i3QBsHx4pqyA==",
    ("soljson.js", "LICENSE"),
)
FINGERPRINT = f"{MORPHO.digest} {ADAPTIVE_CURVE.digest} {SOLC_0_8_19.digest} {packages.SOLC.digest}"
"""Changes whenever any of the contracts may have changed."""

_OF_MORPHO = ("Morpho", "OracleMock", "IrmMock")


@functools.cache
def contract(name: str) -> Artifact:
    """`Morpho` (its events in the ABI too), `AdaptiveCurveIrm`, and the package's `OracleMock` and `IrmMock`.

    Raises LocalnetError when there is no such contract, or a package cannot be had.
    """
    output = _morpho() if name in _OF_MORPHO else _adaptive_curve()
    found = _find(output, name)
    abi: Abi = list(found["abi"])
    if name == "Morpho":  # its events are declared, and emitted, by a library
        abi += [entry for entry in _find(output, "EventsLib")["abi"] if entry["type"] == "event"]
    return Artifact(name, abi, found["evm"]["bytecode"]["object"], {})


def _find(output: dict[str, Any], name: str) -> dict[str, Any]:
    for contracts in output["contracts"].values():
        if name in contracts:
            found: dict[str, Any] = contracts[name]
            return found
    raise LocalnetError(f"Morpho Blue's packages have no contract {name}")


def _morpho() -> dict[str, Any]:
    paths = [p for p in packages.paths_of(MORPHO) if p.endswith(".sol") and "periphery" not in p]
    return compile_standard(_request(MORPHO, paths), SOLC_0_8_19)


def _adaptive_curve() -> dict[str, Any]:
    paths = [
        path
        for path in packages.paths_of(ADAPTIVE_CURVE)
        if path.endswith(".sol") and "periphery" not in path
    ]
    return compile_standard(_request(ADAPTIVE_CURVE, paths))


def _request(package: Package, paths: list[str]) -> dict[str, Any]:
    return {
        "language": "Solidity",
        "sources": {path: {"content": packages.file_of(package, path).read_text()} for path in sorted(paths)},
        "settings": {
            "optimizer": {"enabled": True, "runs": 999_999},
            "viaIR": True,
            "evmVersion": "paris",
            "metadata": {"bytecodeHash": "none"},
            "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object"]}},
        },
    }

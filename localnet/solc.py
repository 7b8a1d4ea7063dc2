"""Compiles this room's own contracts, and what packages ship as sources, with pinned compilers, once."""

from __future__ import annotations

import functools
import json
import subprocess
from pathlib import Path
from typing import Any

from localnet import packages
from localnet.artifacts import Artifact
from localnet.cache import cache_dir, sha256_hex, write_atomically
from localnet.packages import Package
from margin.errors import LocalnetError

COMPILE_SECONDS = 300
SOURCES = Path(__file__).parent / "contracts"

# The compiler is one JavaScript file; its bridge for callbacks (imports) is not needed here.
DRIVER = """
const compiler = require(process.argv[1]);
const compile = compiler.cwrap('solidity_compile', 'string', ['string', 'number', 'number']);
const input = require('fs').readFileSync(0, 'utf8');
require('fs').writeSync(1, '\\n=== output ===\\n' + compile(input, 0, 0) + '\\n');
process.exit(0);
"""


@functools.cache
def own(name: str) -> Artifact:
    """One of this room's own contracts, compiled; LocalnetError if there is no such contract."""
    for contracts in _own_output()["contracts"].values():
        if name in contracts:
            found = contracts[name]
            return Artifact(name, found["abi"], found["evm"]["bytecode"]["object"], {})
    raise LocalnetError(f"localnet has no contract {name} of its own")


def compile_standard(request: dict[str, Any], compiler: Package = packages.SOLC) -> dict[str, Any]:
    """The compiler's standard JSON answer to a standard JSON request, from the cache if known.

    `compiler`: another version of npm's `solc`, for sources that ask for it.
    Raises LocalnetError with the first error the compiler reports.
    """
    text = json.dumps(request, sort_keys=True)
    key = sha256_hex((compiler.digest + text).encode())
    place = cache_dir() / "compiled" / f"{key[:32]}.json"
    if place.is_file():
        known: dict[str, Any] = json.loads(place.read_bytes())
        return known
    answer = _run(text, compiler)
    errors = [item for item in answer.get("errors", []) if item.get("severity") == "error"]
    if errors:
        raise LocalnetError(f"solc: {errors[0].get('formattedMessage', 'failed').splitlines()[0]}")
    write_atomically(place, json.dumps(answer).encode())
    return answer


@functools.cache
def _own_output() -> dict[str, Any]:
    sources = {path.name: {"content": path.read_text()} for path in sorted(SOURCES.glob("*.sol"))}
    settings = {
        "optimizer": {"enabled": True, "runs": 200},
        "evmVersion": "shanghai",
        "metadata": {"bytecodeHash": "none"},
        "outputSelection": {"*": {"*": ["abi", "evm.bytecode.object"]}},
    }
    return compile_standard({"language": "Solidity", "sources": sources, "settings": settings})


def _run(text: str, compiler: Package) -> dict[str, Any]:
    program = packages.file_of(compiler, "soljson.js")
    command = [*packages.node_command(), "-e", DRIVER, str(program)]
    try:
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=COMPILE_SECONDS, check=False
        )
        # The compiler may print lines of its own first, so the driver marks where its answer begins.
        answer: dict[str, Any] = json.loads(done.stdout.partition("=== output ===")[2])
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise LocalnetError(f"solc did not run: {type(error).__name__}") from error
    return answer

"""Compiled contracts: what is needed to deploy and to call one, whoever compiled it."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from localnet import packages
from localnet.cache import sha256_hex
from localnet.packages import Package
from margin.errors import LocalnetError

Abi = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract."""

    name: str
    abi: Abi
    bytecode: str
    """Creation code, hex without 0x; places of libraries hold text that is not hex."""
    links: Mapping[str, tuple[int, ...]]
    """Library name → byte offsets in the creation code where its address goes."""

    def linked(self, libraries: Mapping[str, str]) -> bytes:
        """The creation code with library addresses (0x hex) filled in; LocalnetError if one lacks."""
        code = self.bytecode
        for library, offsets in self.links.items():
            if library not in libraries:
                raise LocalnetError(f"{self.name} needs the library {library}")
            for offset in offsets:
                code = code[: 2 * offset] + libraries[library][2:].lower() + code[2 * offset + 40 :]
        return bytes.fromhex(code)


class ArtifactSource(Protocol):
    """A place that holds compiled contracts by name."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever any contract of the source may have changed."""
        ...

    def get(self, name: str) -> Artifact:
        """The contract called `name`; LocalnetError if there is none that can be deployed."""
        ...


class PackagedArtifacts:
    """Artifacts inside an npm package or a wheel, one JSON file a contract."""

    def __init__(self, package: Package) -> None:
        self._package = package

    @property
    def fingerprint(self) -> str:
        """The package's own hash."""
        return self._package.digest

    def get(self, name: str) -> Artifact:
        """See `ArtifactSource.get`."""
        paths = [path for path in self._paths if path.rpartition("/")[2] == f"{name}.json"]
        if len(paths) != 1:
            raise LocalnetError(f"{self._package} has {len(paths)} contracts called {name}")
        return parse(name, packages.file_of(self._package, paths[0]).read_bytes())

    @functools.cached_property
    def _paths(self) -> list[str]:
        return packages.paths_of(self._package)


class FoundryArtifacts:
    """Artifacts in a directory laid out as Foundry's `out/`: `X.sol/X.json`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @functools.cached_property
    def fingerprint(self) -> str:
        """Of names, sizes and times: the directory is the caller's own build, and may be large."""
        stats = [(path, path.stat()) for path in sorted(self._directory.glob("*.sol/*.json"))]
        lines = [f"{path.name} {stat.st_size} {stat.st_mtime_ns}" for path, stat in stats]
        return sha256_hex("\n".join(lines).encode())

    def get(self, name: str) -> Artifact:
        """See `ArtifactSource.get`."""
        path = self._directory / f"{name}.sol" / f"{name}.json"
        try:
            return parse(name, path.read_bytes())
        except OSError as error:
            raise LocalnetError(f"the build has no contract {name}: {error.strerror}") from error


def parse(name: str, content: bytes) -> Artifact:
    """One artifact as Hardhat or Foundry writes it; LocalnetError when it is neither."""
    try:
        document = json.loads(content)
        code, links = document["bytecode"], document.get("linkReferences", {})
        if isinstance(code, dict):
            code, links = code["object"], code.get("linkReferences", {})
        offsets = {
            library: tuple(int(place["start"]) for place in places)
            for libraries in links.values()
            for library, places in libraries.items()
        }
        return Artifact(name, document["abi"], str(code).removeprefix("0x"), offsets)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LocalnetError(f"the artifact of {name} cannot be read: {type(error).__name__}") from error

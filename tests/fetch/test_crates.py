"""Crates that a toolchain's cargo downloads: a script in the place of cargo, as it lays out what it has."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from imagefab.digest import Digest
from imagefab.errors import FetchError
from imagefab.fetch.crates import Crate, fetch_crate
from imagefab.fetch.fetcher import Fetcher
from imagefab.store.store import Store

MakeFetcher = Callable[..., Fetcher]
CRATE = Crate(name="tool", version="0.2.5", digest=Digest.of_bytes(b"archive"))
LINES = """\
error: failed to get `tool` as a dependency of package `fetch v0.1.0 (/tmp/x)`

Caused by:
  failed to query replaced source registry

Caused by:
  could not resolve the host
"""


@pytest.fixture
def toolchain(tmp_path: Path) -> Path:
    """A sysroot whose cargo has the crate in its home."""
    folder = tmp_path / "toolchain"
    (folder / "bin").mkdir(parents=True)
    source = tmp_path / "home" / "registry" / "src" / "index-1" / "tool-0.2.5"
    archive = tmp_path / "home" / "registry" / "cache" / "index-1" / "tool-0.2.5.crate"
    archive.parent.mkdir(parents=True)
    archive.write_bytes(b"archive")
    packages = [{"name": "fetch", "manifest_path": "/x"}, {"name": "tool", "manifest_path": f"{source}/Cargo.toml"}]
    (folder / "answer").write_text(json.dumps({"packages": packages}))
    write_cargo(folder, f'grep -qx \'tool = "=0.2.5"\' Cargo.toml && echo "$*" >{folder}/asked && cat {folder}/answer')
    return folder


def write_cargo(toolchain: Path, script: str) -> None:
    (toolchain / "bin" / "cargo").write_text(f"#!/bin/sh\n{script}\n")
    (toolchain / "bin" / "cargo").chmod(0o755)


def find_archive(toolchain: Path) -> Path:
    (archive,) = toolchain.parent.glob("home/registry/cache/*/*.crate")
    return archive


def test_it_is_fetched_once(toolchain: Path, make_fetcher: MakeFetcher, store: Store) -> None:
    with pytest.raises(FetchError, match=r"the crate tool 0\.2\.5 is not in the store"):
        fetch_crate(make_fetcher(offline=True), CRATE, toolchain)
    assert fetch_crate(make_fetcher(), CRATE, toolchain).read_bytes() == b"archive"
    assert f'build.rustc="{toolchain}/bin/rustc"' in (toolchain / "asked").read_text()
    assert find_archive(toolchain).exists(), "cargo keeps its own"
    (toolchain / "bin" / "cargo").unlink()
    assert fetch_crate(make_fetcher(offline=True), CRATE, toolchain).read_bytes() == b"archive"
    assert not list(store.scratch_folder().glob("*.crate"))


def test_another_archive_than_is_expected(toolchain: Path, make_fetcher: MakeFetcher, store: Store) -> None:
    find_archive(toolchain).write_bytes(b"other")
    with pytest.raises(FetchError, match=f"has sha256 {Digest.of_bytes(b'other').hex}"):
        fetch_crate(make_fetcher(), CRATE, toolchain)
    assert not store.has_blob(Digest.of_bytes(b"other"))
    assert not list(store.scratch_folder().glob("*.crate"))


def test_sources_without_an_archive(toolchain: Path, make_fetcher: MakeFetcher) -> None:
    find_archive(toolchain).unlink()
    with pytest.raises(FetchError, match="and no archive of it") as caught:
        fetch_crate(make_fetcher(), CRATE, toolchain)
    assert "replace the registry" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (f"cat >&2 <<'END'\n{LINES}END\nexit 101", r"`fetch v0\.1\.0 \(/tmp/x\)`: could not resolve the host$"),
        ("exit 3", "cargo ended with exit code 3"),
        ("kill -9 $$", "cargo ended with exit code -9"),
    ],
)
def test_what_cargo_says_is_passed_on(script: str, said: str, toolchain: Path, make_fetcher: MakeFetcher) -> None:
    write_cargo(toolchain, script)
    with pytest.raises(FetchError, match=rf"^the crate tool 0\.2\.5: .*{said}"):
        fetch_crate(make_fetcher(), CRATE, toolchain)


def test_a_cargo_that_never_ends(toolchain: Path, make_fetcher: MakeFetcher) -> None:
    write_cargo(toolchain, "exec sleep 60")
    with pytest.raises(FetchError, match="cargo did not finish in"):
        fetch_crate(make_fetcher(whole=0.01, slowest=1 << 50), CRATE, toolchain)


def test_a_cargo_that_does_not_run(toolchain: Path, make_fetcher: MakeFetcher) -> None:
    (toolchain / "bin" / "cargo").write_bytes(b"\x7fELF")
    with pytest.raises(FetchError, match="bin/cargo does not run: Exec format error"):
        fetch_crate(make_fetcher(), CRATE, toolchain)

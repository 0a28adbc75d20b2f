"""Which libc crate is compared with the C compiler: that of std where it can be, else the pinned one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from imagefab.check.libc_crate import PINNED, LibcCrate, find_libc_crate, read_crate_of_std
from imagefab.errors import FetchError
from imagefab.fetch.crates import Crate

LIBRARY = Path("lib/rustlib/src/rust/library")
HEX = "ab" * 32


def write_sources(toolchain: Path, version: str, *, vendor: str | None = None, checksum: str = HEX) -> None:
    (toolchain / LIBRARY).mkdir(parents=True)
    (toolchain / LIBRARY / "Cargo.lock").write_text(
        'version = 4\n[[package]]\nname = "std"\nversion = "0.0.0"\n'
        f'[[package]]\nname = "libc"\nversion = "{version}"\nchecksum = "{checksum}"\n'
    )
    if vendor:
        (toolchain / LIBRARY / "vendor" / vendor).mkdir(parents=True)
        (toolchain / LIBRARY / "vendor" / vendor / "Cargo.toml").touch()


def serve(*versions: str) -> Callable[[Crate], Path]:
    def fetch(crate: Crate) -> Path:
        if crate.version not in versions:
            raise FetchError(f"no {crate.version}")
        return Path("/store") / crate.version

    return fetch


def test_the_one_of_std(tmp_path: Path) -> None:
    write_sources(tmp_path, "0.2.183")
    assert find_libc_crate(tmp_path, serve("0.2.183", PINNED.version)) == LibcCrate(
        version="0.2.183", archive=Path("/store/0.2.183")
    )
    crate = read_crate_of_std(tmp_path)
    assert crate is not None
    assert crate.digest.hex == HEX, "the toolchain says what it must be"


@pytest.mark.parametrize("vendor", ["libc-0.2.183", "libc"])
def test_a_toolchain_that_has_it_needs_no_network(vendor: str, tmp_path: Path) -> None:
    write_sources(tmp_path, "0.2.183", vendor=vendor)
    assert find_libc_crate(tmp_path, serve()) == LibcCrate(version="0.2.183", archive=None)


@pytest.mark.parametrize("version", ["0.2.178", "0.2.999999", "1.0.0-alpha.5", "0.3.0", "", "0.2.183/../x"])
def test_one_that_can_not_be_told_is_not_taken(version: str, tmp_path: Path) -> None:
    write_sources(tmp_path, version, vendor="libc")
    assert find_libc_crate(tmp_path, serve(version, PINNED.version)).version == PINNED.version


def test_one_that_is_not_served_any_more(tmp_path: Path) -> None:
    write_sources(tmp_path, "0.2.183")
    assert find_libc_crate(tmp_path, serve(PINNED.version)).version == PINNED.version
    with pytest.raises(FetchError, match=f"no {PINNED.version}"):
        find_libc_crate(tmp_path, serve())


@pytest.mark.parametrize("text", [None, "]", "package = 3", "[[package]]\nname = 1", '[[package]]\nname = "libc"\n'])
def test_without_sources_the_pinned_one(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / LIBRARY).mkdir(parents=True)
        (tmp_path / LIBRARY / "Cargo.lock").write_text(text)
    assert find_libc_crate(tmp_path, serve(PINNED.version)).version == PINNED.version


def test_a_checksum_that_is_none(tmp_path: Path) -> None:
    write_sources(tmp_path, "0.2.183", checksum="x")
    assert read_crate_of_std(tmp_path) is None

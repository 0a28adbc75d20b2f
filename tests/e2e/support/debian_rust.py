"""A Rust toolchain with the std of two foreign targets, out of Debian's archive: what rustup's server would give.

rustc and the std for the GNU triples are packages (`rustc-web` is the newer one, with which browsers are built); the
std for musl is built from its source with -Zbuild-std, once. Put together they are a sysroot like those of rustup:

- rustc and rustdoc run through the loader and the libraries of their own suite, which lie beside them in libexec. So
  they run on hosts with an older C library, and in any image, and no variable reaches the linker that they start.
  In lib the libraries must not lie: cargo would take them up from there.
- cargo is the machine's. For -Zbuild-std it takes crates from the Rust registry.
- For WebAssembly the archive has the std itself, for `rustc` alone and not for the newer one; so that is a toolchain of
  its own. rustup's brings a linker for it, rust-lld, and in the place of that stands the lld of our images.
- rustc looks for musl's start files, libc.a and libunwind.a in lib/self-contained; -Zbuild-std makes no such folder.
  They are musl's own and GCC's. For LLVM's unwinder stands a linker script that names GCC's, and the library by which
  our images give it what it expects of the GNU C library.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from imagefab.oci.store import Store
from imagefab.platforms import AMD64
from imagefab.progress import SilentProgress
from imagefab.recipe.model import Archive
from imagefab.sources.debian.archive import ArchiveReader
from imagefab.sources.debian.package import Package
from imagefab.sources.debian.resolve import resolve
from imagefab.sources.debian.universe import Universe
from imagefab.sources.fetch import Fetcher, package_download
from imagefab.sources.mirrors import find_mirrors
from imagefab.toolchains.blueprint import Blueprint, LayerSpec

MUSL = "aarch64-unknown-linux-musl"
HOST = "x86_64-unknown-linux-gnu"

_ARCHIVES = (
    Archive(name="trixie", archive="debian", suite="trixie"),
    Archive(name="trixie-updates", archive="debian", suite="trixie-updates"),
    Archive(name="trixie-security", archive="debian-security", suite="trixie-security"),
)
_PROGRAM = """\
#!/bin/sh
here=$(dirname "$(dirname "$(readlink -f "$0")")")/libexec
exec "$here/ld-linux-x86-64.so.2" --library-path "$here" "$here/{name}" "$@"
"""
_LINKER = """\
#!/bin/sh
exec /usr/lib/llvm-19/bin/lld "$@"
"""
_CRATE = """\
[package]
name = "nothing"
version = "0.1.0"
edition = "2021"
"""
_START_FILES = {
    "lib/aarch64-linux-musl": ("crt1.o", "Scrt1.o", "rcrt1.o", "crti.o", "crtn.o", "libc.a"),
    "lib/gcc-cross/aarch64-linux-gnu/14": ("crtbegin.o", "crtbeginS.o", "crtend.o", "crtendS.o"),
}
_UNWINDER = "INPUT(-lgcc_eh -lgcc_musl)\n"


def make_sysroot(sysroot: Path, cargo: Path, environment: Mapping[str, str]) -> None:
    """In the environment, the sysroot's own bin folder stands first on PATH."""
    scratch = sysroot.with_name(f"{sysroot.name}.scratch")
    _unpack(scratch, _choose)
    system = scratch / "root" / "usr"
    _lay_out(system, sysroot, cargo)
    _build_std(system, sysroot, scratch / "crate", environment)
    shutil.rmtree(scratch)


def make_packaged_sysroot(sysroot: Path, cargo: Path) -> None:
    scratch = sysroot.with_name(f"{sysroot.name}.scratch")
    _unpack(scratch, _choose_packaged)
    _lay_out(scratch / "root" / "usr", sysroot, cargo)
    linker = sysroot / "lib" / "rustlib" / HOST / "bin" / "rust-lld"
    linker.parent.mkdir()
    linker.write_text(_LINKER)
    linker.chmod(0o755)
    shutil.rmtree(scratch)


def _unpack(scratch: Path, choose: Callable[[Universe], Iterator[Package]]) -> None:
    store = Store(scratch / "store")
    with Fetcher(store=store, mirrors=find_mirrors(), progress=SilentProgress()) as fetcher:
        universe = ArchiveReader(fetcher, now=datetime.now(UTC)).open_universe(_ARCHIVES, ("amd64", "arm64"))
        archives = {pin.name: pin for pin in universe.pins}
        pins = [package.pin() for package in choose(universe)]
        fetcher.fetch_blobs([package_download(fetcher.mirrors, archives, pin) for pin in pins], label="Rust")
        for pin in pins:
            subprocess.run(["dpkg-deb", "--extract", store.blob_path(pin.sha256), scratch / "root"], check=True)
    store.close()


def _choose(universe: Universe) -> Iterator[Package]:
    """One version for all: an update may be there for one architecture first."""
    foreign = {package.version: package for package in universe.versions("libstd-rust-web-dev", "arm64")}
    std = next(p for p in universe.versions("libstd-rust-web-dev", "amd64") if p.version in foreign)
    yield from (std, foreign[std.version])
    yield next(p for p in universe.versions("rustc-web", "amd64") if p.version == std.version)
    yield next(p for p in universe.versions("rust-web-src", "amd64") if std.version.startswith(p.version))
    yield universe.versions("musl-dev", "arm64")[0]
    yield universe.versions("libgcc-14-dev-arm64-cross", "amd64")[0]
    yield from _choose_libraries(universe, std)


def _choose_packaged(universe: Universe) -> Iterator[Package]:
    std = universe.versions("libstd-rust-dev", "amd64")[0]
    yield std
    for name in ("rustc", "libstd-rust-dev-wasm32"):
        yield next(p for p in universe.versions(name, "amd64") if p.version == std.version)
    yield from _choose_libraries(universe, std)


def _choose_libraries(universe: Universe, std: Package) -> Iterator[Package]:
    libraries = LayerSpec(name="rust", comment="", packages=(std.dependencies[0][0].name,))
    blueprint = Blueprint(
        recipe="rust", target="", platform=AMD64, archives=_ARCHIVES, layers=(libraries,), env=(), labels=()
    )
    for pin in resolve(blueprint, universe)[0].packages:
        if pin.name.startswith("lib") or pin.name == "zlib1g":
            yield next(p for p in universe.versions(pin.name, "amd64") if p.version == pin.version)


def _lay_out(system: Path, sysroot: Path, cargo: Path) -> None:
    for name in ("bin", "lib", "libexec"):
        (sysroot / name).mkdir(parents=True)
    (system / "lib" / "rustlib").rename(sysroot / "lib" / "rustlib")
    for library in (system / "lib" / "x86_64-linux-gnu").glob("*.so*"):
        library.rename(sysroot / "libexec" / library.name)
    for name in ("rustc", "rustdoc"):
        (system / "bin" / name).rename(sysroot / "libexec" / name)
        (sysroot / "bin" / name).write_text(_PROGRAM.format(name=name))
        (sysroot / "bin" / name).chmod(0o755)
    shutil.copy(cargo, sysroot / "bin" / "cargo")


def _build_std(system: Path, sysroot: Path, crate: Path, environment: Mapping[str, str]) -> None:
    source = sysroot / "lib" / "rustlib" / "src"
    shutil.rmtree(source)
    source.mkdir()
    (source / "rust").symlink_to(next((system / "src").glob("rustc-*")))
    (crate / "src").mkdir(parents=True)
    (crate / "src" / "lib.rs").touch()
    (crate / "Cargo.toml").write_text(_CRATE)
    command = ["cargo", "build", "--quiet", "--release", "--target", MUSL, "-Zbuild-std=std,panic_abort,test"]
    unstable = {**environment, "RUSTC_BOOTSTRAP": "1"}
    built = subprocess.run(command, cwd=crate, env=unstable, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    shutil.rmtree(source)
    place = sysroot / "lib" / "rustlib" / MUSL / "lib"
    (place / "self-contained").mkdir(parents=True)
    for library in (crate / "target" / MUSL / "release" / "deps").glob("*.rlib"):
        if not library.name.startswith("libnothing-"):
            library.rename(place / library.name)
    for folder, names in _START_FILES.items():
        for name in names:
            shutil.copy(system / folder / name, place / "self-contained" / name)
    (place / "self-contained" / "libunwind.a").write_text(_UNWINDER)

"""A Rust toolchain with the std of foreign targets, out of Debian's archive: what rustup's server would give.

rustc and the std for the GNU triples and for WebAssembly are packages. For `make prove` more are built from source
with -Zbuild-std, once: the std for musl, Windows and macOS, and core for a microcontroller. Put together they are a
sysroot like those of rustup:

- rustc and rustdoc run through the loader and the libraries of their own suite, which lie beside them in libexec. So
  they run on hosts with an older C library, and in any image, and no variable reaches the linker that they start.
  In lib the libraries must not lie: cargo would take them up from there.
- cargo is the machine's. The crates that std needs come from the Rust registry, once, and lie beside its source, so
  that -Zbuild-std needs no network afterwards.
- rustup's toolchain brings a linker for WebAssembly, rust-lld; in the place of that stands the lld of our images.
- rustc looks for musl's start files, libc.a and libunwind.a in lib/self-contained; -Zbuild-std makes no such folder.
  They are musl's own and GCC's. For LLVM's unwinder stands a linker script that names GCC's, and the library by which
  our images give it what it expects of the GNU C library.
- For Windows rustc links start files of its own, which cargo does not build.
- What is built is not optimised: that takes half the time, and no test counts the program's seconds.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from imagefab.debian.apt import find_mirrors
from imagefab.debian.archive import ArchiveReader
from imagefab.debian.package import Package
from imagefab.debian.pool import package_download
from imagefab.debian.universe import Universe
from imagefab.fetch.fetcher import Fetcher
from imagefab.lock.resolve import resolve
from imagefab.platforms import AMD64
from imagefab.progress import SilentProgress
from imagefab.recipe.model import Archive
from imagefab.store.store import Store
from imagefab.toolchains.blueprint import Blueprint, LayerSpec

MUSL = "aarch64-unknown-linux-musl"
WINDOWS = "x86_64-pc-windows-gnu"
BARE = "thumbv7m-none-eabi"
HOST = "x86_64-unknown-linux-gnu"

_ARCHIVES = (
    Archive(name="trixie", archive="debian", suite="trixie"),
    Archive(name="trixie-updates", archive="debian", suite="trixie-updates"),
    Archive(name="trixie-security", archive="debian-security", suite="trixie-security"),
)
_PROGRAM = """\
#!/bin/sh
{prelude}here=$(dirname "$(dirname "$(readlink -f "$0")")")/libexec
exec "$here/ld-linux-x86-64.so.2" --library-path "$here" "$here/{name}" "$@"
"""
_RENAME = """\
for word do
    shift
    case $word in
        --test-runtool) set -- "$@" -Zunstable-options --runtool; export RUSTC_BOOTSTRAP=1 ;;
        --test-runtool-arg) set -- "$@" --runtool-arg ;;
        *) set -- "$@" "$word" ;;
    esac
done
"""
"""What today's cargo calls by other names than this rustdoc knows."""
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
_VENDORED = """\
[source.crates-io]
replace-with = "std"

[source.std]
directory = "{folder}"
"""
SOURCE = Path("lib/rustlib/src/rust")
_START_FILES = {
    "lib/aarch64-linux-musl": ("crt1.o", "Scrt1.o", "rcrt1.o", "crti.o", "crtn.o", "libc.a"),
    "lib/gcc-cross/aarch64-linux-gnu/14": ("crtbegin.o", "crtbeginS.o", "crtend.o", "crtendS.o"),
}
_UNWINDER = "INPUT(-lgcc_eh -lgcc_musl)\n"


def make_sysroot(sysroot: Path, cargo: Path, environment: Mapping[str, str]) -> None:
    """In the environment, the sysroot's own bin folder stands first on PATH."""
    scratch = sysroot.with_name(f"{sysroot.name}.scratch")
    _unpack(scratch)
    system = scratch / "root" / "usr"
    _lay_out(system, sysroot, cargo)
    _lay_out_source(system, sysroot, environment)
    _add_start_files(system, sysroot / "lib" / "rustlib" / MUSL / "lib" / "self-contained")
    shutil.rmtree(scratch)


def _unpack(scratch: Path) -> None:
    store = Store(scratch / "store")
    with Fetcher(store=store, mirrors=find_mirrors(), progress=SilentProgress()) as fetcher:
        universe = ArchiveReader(fetcher, now=datetime.now(UTC)).open_universe(_ARCHIVES, ("amd64", "arm64", "armhf"))
        archives = {pin.name: pin for pin in universe.pins}
        pins = [package.pin() for package in _choose(universe)]
        fetcher.fetch_blobs([package_download(fetcher.mirrors, archives, pin) for pin in pins], label="Rust")
        for pin in pins:
            subprocess.run(["dpkg-deb", "--extract", store.blob_path(pin.sha256), scratch / "root"], check=True)
    store.close()


def _choose(universe: Universe) -> Iterator[Package]:
    """One version for all: an update may be there for one architecture first."""
    name = "libstd-rust-dev"
    foreign = [{p.version: p for p in universe.versions(name, architecture)} for architecture in ("arm64", "armhf")]
    std = next(p for p in universe.versions(name, "amd64") if all(p.version in found for found in foreign))
    yield from (std, *(found[std.version] for found in foreign))
    for name in ("rustc", "rust-src", "libstd-rust-dev-wasm32"):
        yield next(p for p in universe.versions(name, "amd64") if p.version == std.version)
    yield universe.versions("musl-dev", "arm64")[0]
    yield universe.versions("libgcc-14-dev-arm64-cross", "amd64")[0]
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
        (sysroot / "bin" / name).write_text(_PROGRAM.format(name=name, prelude=_RENAME if name == "rustdoc" else ""))
        (sysroot / "bin" / name).chmod(0o755)
    shutil.copy(cargo, sysroot / "bin" / "cargo")
    linker = sysroot / "lib" / "rustlib" / HOST / "bin" / "rust-lld"
    linker.parent.mkdir()
    linker.write_text(_LINKER)
    linker.chmod(0o755)


def _lay_out_source(system: Path, sysroot: Path, environment: Mapping[str, str]) -> None:
    place = sysroot / SOURCE
    if place.is_symlink():
        place.unlink()
    place.mkdir(parents=True, exist_ok=True)
    (library,) = (system / "src").glob("rustc-*/library")
    library.rename(place / "library")
    _run(["cargo", "vendor", "--locked", "--quiet", "vendor"], place / "library", environment)


def add_musl_std(sysroot: Path, environment: Mapping[str, str]) -> None:
    build_std(sysroot, [MUSL], environment)


def add_more_std(sysroot: Path, environment: Mapping[str, str]) -> None:
    build_std(sysroot, [WINDOWS, "x86_64-pc-windows-gnullvm", "aarch64-apple-darwin"], environment)
    build_std(sysroot, [BARE], environment, parts="core")


def build_std(
    sysroot: Path, targets: Sequence[str], environment: Mapping[str, str], *, parts: str = "std,panic_abort,test"
) -> None:
    crate = sysroot.with_name(f"{sysroot.name}.crate")
    (crate / "src").mkdir(parents=True)
    (crate / "src" / "lib.rs").write_text("#![no_std]\n")
    (crate / "Cargo.toml").write_text(_CRATE)
    (crate / ".cargo").mkdir()
    (crate / ".cargo" / "config.toml").write_text(_VENDORED.format(folder=sysroot / SOURCE / "library" / "vendor"))
    command = ["cargo", "build", "--offline", "--quiet", "--release", f"-Zbuild-std={parts}"]
    command += [word for target in targets for word in ("--target", target)]
    quick = {**environment, "CARGO_PROFILE_RELEASE_OPT_LEVEL": "0"}
    _run(command, crate, quick)
    for target in targets:
        place = sysroot / "lib" / "rustlib" / target / "lib"
        place.mkdir(parents=True, exist_ok=True)
        for library in (crate / "target" / target / "release" / "deps").glob("*.rlib"):
            if not library.name.startswith("libnothing-"):
                library.rename(place / library.name)
        for part in ("rsbegin", "rsend") if target == WINDOWS else ():
            source = sysroot / SOURCE / "library" / "rtstartup" / f"{part}.rs"
            compile_part = ["rustc", "--crate-type=lib", "--emit=obj", "--target", target, "-O"]
            _run([*compile_part, "-o", str(place / f"{part}.o"), str(source)], crate, quick)
    shutil.rmtree(crate)


def _add_start_files(system: Path, place: Path) -> None:
    place.mkdir(parents=True)
    for folder, names in _START_FILES.items():
        for name in names:
            shutil.copy(system / folder / name, place / name)
    (place / "libunwind.a").write_text(_UNWINDER)


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
    unstable = {**environment, "RUSTC_BOOTSTRAP": "1"}
    done = subprocess.run(command, cwd=folder, env=unstable, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"

"""Debian's Rust toolchain (see debian_rust.py) with the source of std, for -Zbuild-std, and what no package has of it:
core for a microcontroller, and std for systems whose programs only our images link.

The source brings the crates that std needs, so nothing is downloaded: cargo is told to take those.
"""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from imagefab.oci.store import Store
from imagefab.progress import SilentProgress
from imagefab.recipe.loader import load_recipes
from imagefab.recipe.project import find_shipped_project
from imagefab.sources.debian.archive import ArchiveReader
from imagefab.sources.fetch import Fetcher, package_download
from imagefab.sources.mirrors import find_mirrors
from imagefab.toolchains.design import RULES
from tests.e2e.rust import TOOLCHAIN, Rust, keep_folder, run_command

_PARTS = {
    "thumbv7m-none-eabi": "core",
    "x86_64-pc-windows-gnu": "std,panic_abort,test",
    "x86_64-pc-windows-gnullvm": "std,panic_abort,test",
    "aarch64-apple-darwin": "std,panic_abort",
}
_STARTED = ("x86_64-pc-windows-gnu",)
"""Where rustc links start files of its own, which cargo does not build."""
SOURCE = Path("lib/rustlib/src/rust")
_CRATE = """\
[package]
name = "nothing"
version = "0.1.0"
edition = "2021"
"""


def provide_built_rust(rust: Rust) -> Rust:
    def install(folder: Path) -> None:
        made = Rust(folder)
        shutil.copytree(rust.sysroot, made.sysroot, symlinks=True)
        _unpack_source(made)
        for triple, parts in _PARTS.items():
            _build_std(made, folder / "crate", triple, parts)

    return Rust(keep_folder("built-rust", [TOOLCHAIN, str(rust.home), Path(__file__).read_text()], install))


def _unpack_source(rust: Rust) -> None:
    """Of the very version that the compiler is."""
    scratch = rust.home / "source"
    said = subprocess.run([rust.sysroot / "bin" / "rustc", "--version"], capture_output=True, text=True, check=True)
    release = said.stdout.split()[1]
    (recipe,) = load_recipes(find_shipped_project(), RULES, ["thumbv7m-none"])
    store = Store(scratch / "store")
    with Fetcher(store=store, mirrors=find_mirrors(), progress=SilentProgress()) as fetcher:
        universe = ArchiveReader(fetcher, now=datetime.now(UTC)).open_universe(recipe.archives, ("amd64",))
        archives = {pin.name: pin for pin in universe.pins}
        versions = universe.versions("rust-web-src", "amd64")
        pin = next(package for package in versions if package.version.startswith(release)).pin()
        fetcher.fetch_blobs([package_download(fetcher.mirrors, archives, pin)], label="Rust's source")
        subprocess.run(["dpkg-deb", "--extract", store.blob_path(pin.sha256), scratch / "root"], check=True)
    store.close()
    (library,) = (scratch / "root" / "usr" / "src").glob("rustc-*/library")
    place = rust.sysroot / SOURCE
    place.mkdir(parents=True)
    library.rename(place / "library")
    shutil.rmtree(scratch)


def _build_std(rust: Rust, crate: Path, triple: str, parts: str) -> None:
    (crate / "src").mkdir(parents=True)
    (crate / "src" / "lib.rs").write_text("#![no_std]\n")
    (crate / "Cargo.toml").write_text(_CRATE)
    (crate / ".cargo").mkdir()
    vendored = rust.sysroot / SOURCE / "library" / "vendor"
    (crate / ".cargo" / "config.toml").write_text(
        f'[source.crates-io]\nreplace-with = "std"\n\n[source.std]\ndirectory = "{vendored}"\n'
    )
    environment = rust.environment() | {"RUSTC_BOOTSTRAP": "1"}
    command = ["cargo", "build", "--offline", "--quiet", "--release", "--target", triple, f"-Zbuild-std={parts}"]
    run_command(["env", "-C", str(crate), *command], environment)
    place = rust.sysroot / "lib" / "rustlib" / triple / "lib"
    place.mkdir(parents=True)
    for part in ("rsbegin", "rsend") if triple in _STARTED else ():
        source = rust.sysroot / SOURCE / "library" / "rtstartup" / f"{part}.rs"
        command = ["rustc", "--crate-type=lib", "--emit=obj", "--target", triple, "-O", "-o", f"{place}/{part}.o"]
        run_command([*command, str(source)], environment)
    for library in (crate / "target" / triple / "release" / "deps").glob("*.rlib"):
        if not library.name.startswith("libnothing-"):
            library.rename(place / library.name)
    shutil.rmtree(crate)

"""Real Rust for the end-to-end tests: the machine's toolchain as `cross` can use it, and `cross` itself.

Both live in folders of the user's cache, made once and kept between runs; what breaks off half-way never counts. The
toolchain is a copy of the machine's own, in a rustup home of its own, so that the machine's stays as it is; `cross`
comes from the Rust registry. Nothing else is downloaded: rustup's server is set to a port at which nobody answers. So
the targets are those that the machine's toolchain has a std for: its own, and what `rustup target add` gave it. Another
toolchain has the std of foreign targets; it is Debian's (see debian_rust.py).

What the Rust side needs, as seen with cross 0.2.5:

- A toolchain is one folder, the sysroot: bin/{cargo,rustc,rustdoc}, lib/librustc_driver-*.so, and for each target
  lib/rustlib/TRIPLE/lib. It names no place outside itself, so it may be mounted anywhere, read-only. Its programs
  need glibc 2.17 and nothing else of an image; rustc finds its std from where it lies itself. Only PATH is to be set.
- An image gives a `cc` for what runs while building (build scripts and macros are linked for the host), and through its
  environment the linker, CC_ and AR_ of the target. No flags are needed on top, neither for GNU triples nor for musl.
- The std of a musl triple brings its own crt1.o, libc.a and libunwind.a, in lib/self-contained. rustc links with
  -nostartfiles, -nodefaultlibs and -static, so only the headers of the image's musl and its wrapper around the linker
  take part, and libstdc++.a where there is C++; unwinding works in both languages, by std's unwinder. A std without
  that folder does not link: a std that was built with -Zbuild-std has none.
- cross 0.2.5 takes the last part of `rustc --print sysroot` for the toolchain's name and looks for it among the lines
  of `rustup toolchain list`. It strips " (default)" from those, but not the " (active, default)" of today's rustup: a
  toolchain that is active counts as missing, and cross has rustup install it again, which moves `stable` on and may
  replace rustup itself. So none is active in this home, and the toolchain's own bin folder stands first on PATH.
- It also downloads `rust-src` where that is missing, whether anything needs it or not.
- A toolchain that rustup was given by `rustup toolchain link NAME` needs CROSS_CUSTOM_TOOLCHAIN=1, and its folder must
  be called NAME.
- What cross itself says goes to stderr, after "[cross]"; with nothing to warn of, and no fall-back to the host's cargo,
  it says nothing. 0.2.5 has no switch that makes warnings errors.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imagefab.digest import Digest
from tests.e2e.support import debian_rust
from tests.e2e.support.debian_rust import add_more_std, add_musl_std, make_sysroot

CROSS = "0.2.5"
TOOLCHAIN = "imagefab"
NOWHERE = "http://127.0.0.1:9"

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "imagefab-tests"


@dataclass(frozen=True)
class Rust:
    """A toolchain, by the rustup home that has it."""

    home: Path

    @property
    def sysroot(self) -> Path:
        """What cross mounts at /rust."""
        return self.home / "toolchains" / TOOLCHAIN

    def has_std(self, triple: str) -> bool:
        return any((self.sysroot / "lib" / "rustlib" / triple / "lib").glob("libstd-*"))

    def environment(self) -> dict[str, str]:
        """The machine's environment with this toolchain in the place of its own, and no settings but the network's."""
        kept = {name: value for name, value in os.environ.items() if not _is_setting(name)}
        return kept | {
            "RUSTUP_HOME": str(self.home),
            "RUSTUP_DIST_SERVER": NOWHERE,
            "RUSTUP_UPDATE_ROOT": NOWHERE,
            "CROSS_CUSTOM_TOOLCHAIN": "1",
            "PATH": f"{self.sysroot}/bin:{os.environ['PATH']}",
        }


def provide_rust() -> Rust:
    """It stands alone in its home, and is not active there."""
    sysroot = _find_sysroot()
    parts = sorted(path.name for path in (sysroot / "lib" / "rustlib").iterdir())

    def install(folder: Path) -> None:
        place = folder / "toolchains" / TOOLCHAIN
        leave_out = shutil.ignore_patterns("share")
        shutil.copytree(sysroot, place, symlinks=True, copy_function=_link_or_copy, ignore=leave_out)

    return Rust(keep_folder("rust", [str(sysroot), _find_age(sysroot / "bin" / "rustc"), *parts], install))


def provide_debian_rust() -> Rust:
    """For x86_64, aarch64 and armv7 with the GNU C library, and for WebAssembly."""
    cargo = _find_sysroot() / "bin" / "cargo"

    def install(folder: Path) -> None:
        rust = Rust(folder)
        make_sysroot(rust.sysroot, cargo, rust.environment())

    made_from = [Path(debian_rust.__file__).read_text(), str(cargo), _find_age(cargo)]
    return Rust(keep_folder("debian-rust", made_from, install))


def provide_musl_rust() -> Rust:
    """For aarch64 with musl as well."""
    return _extend("musl-rust", provide_debian_rust(), add_musl_std)


def provide_full_rust() -> Rust:
    """For Windows, macOS and a microcontroller as well, which takes minutes."""
    return _extend("full-rust", provide_musl_rust(), add_more_std)


def _extend(kind: str, rust: Rust, add: Callable[[Path, Mapping[str, str]], None]) -> Rust:
    def install(folder: Path) -> None:
        made = Rust(folder)
        shutil.copytree(rust.sysroot, made.sysroot, symlinks=True, copy_function=_link_or_copy)
        add(made.sysroot, made.environment())

    return Rust(keep_folder(kind, [str(rust.home)], install))


def provide_cross(rust: Rust) -> Path:
    """The program, compiled without optimising: that takes a quarter of the time."""
    command = ["cargo", "install", "cross", "--version", CROSS, "--locked", "--quiet", "--debug"]
    quick = {"CARGO_PROFILE_DEV_DEBUG": "0", "CARGO_PROFILE_DEV_OPT_LEVEL": "0"}

    def install(folder: Path) -> None:
        install_to = ["--root", str(folder), "--target-dir", str(folder / "target")]
        run_command([*command, *install_to], rust.environment() | quick)
        shutil.rmtree(folder / "target")

    return keep_folder("cross", command, install) / "bin" / "cross"


def keep_folder(kind: str, command: Sequence[str], make: Callable[[Path], None]) -> Path:
    """A folder of the cache, for what a command makes. It is filled under another name; under its own it is whole."""
    CACHE.mkdir(parents=True, exist_ok=True)
    name = f"{kind}-{Digest.of_bytes(' '.join(command).encode()).hex[:12]}"
    place = CACHE / name
    with (CACHE / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            for remains in CACHE.glob(f"{name}.unfinished-*"):
                shutil.rmtree(remains, ignore_errors=True)
            # A new name each time: programs of a run that was killed may still be writing under the old one.
            unfinished = Path(tempfile.mkdtemp(prefix=f"{name}.unfinished-", dir=CACHE))
            unfinished.chmod(0o755)
            make(unfinished)
            unfinished.rename(place)
    return place


def _find_sysroot() -> Path:
    """The machine's toolchain."""
    command = ["rustc", "--print", "sysroot"]
    return Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())


def _find_age(path: Path) -> str:
    return str(path.stat().st_mtime_ns)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _is_setting(name: str) -> bool:
    """Whether a variable changes what Rust's programs do, beyond where they download from."""
    return name.startswith(("CARGO_", "CROSS_", "RUST", "XARGO_")) and not (
        name == "CARGO_HOME" or name.startswith(("CARGO_HTTP_", "CARGO_REGISTR"))
    )


def run_command(command: Sequence[str], environment: Mapping[str, str]) -> None:
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{command[0]}: exit code {result.returncode}\n{result.stdout}\n{result.stderr}"

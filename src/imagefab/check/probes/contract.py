"""Probes of the contract between an image and cross, point by point; the same for every target."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from imagefab.check.probe import Probe
from imagefab.check.probes.text import place
from imagefab.check.programs import read_program
from imagefab.check.session import INSIDE, RUST
from imagefab.check.subject import Subject


def make_contract_probes(subject: Subject) -> Iterator[Probe]:
    yield Probe(
        name="shell",
        what="sh and bash exist",
        script="bash -c 'exit 0'\n",
    )
    yield Probe(
        name="host-cc",
        what="cc compiles, links and runs programs for the image itself, and shared objects",
        script=place("hello.c")
        + "cc hello.c -o hello -Wl,--as-needed -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc\n"
        + "./hello | grep -x 'c says 42'\n"
        + "cc -shared -fPIC hello.c -o hello.so\n",
    )
    yield Probe(
        name="no-cargo",
        what="no cargo, rustc or rustup on PATH hides the mounted toolchain",
        script=read_program("no-cargo.sh"),
    )
    yield Probe(
        name="any-user",
        what="works as any user without a home, who can read what programs need",
        script=read_program("any-user.sh", mounts=f"{INSIDE} | {RUST}"),
    )
    if subject.entrypoint:
        yield Probe(
            name="entrypoint",
            what="the entrypoint passes exit codes and signals through",
            script=read_program("entrypoint.sh", entry=shlex.join(subject.entrypoint)),
        )
    yield Probe(
        name="host-libc",
        what="the image's own C library is glibc 2.17 or later, as Rust's toolchains need",
        script=read_program("host-libc.sh"),
    )
    yield Probe(
        name="variables",
        what="every file and program named by a variable exists",
        script=_check_variables(subject),
    )
    yield Probe(
        name="apt",
        what="apt installs packages for the target as pre-build does, and pkg-config finds them",
        script=_check_apt(subject),
        root=True,
    )


def _check_variables(subject: Subject) -> str:
    lines = ["bad="]
    for name, value in sorted(subject.env.items()):
        if name in ("PATH", "HOME", "PWD", "OLDPWD"):
            continue
        for path in _paths(value):
            lines.append(f"[ -e {shlex.quote(path)} ] || {{ bad=1; echo {shlex.quote(f'{name}: no {path}')} >&2; }}")
        if (
            name.startswith(("CC_", "CXX_", "AR_", "TARGET_", "CARGO_TARGET_"))
            and value.strip()
            and not value.startswith("/")
        ):
            word = shlex.quote(value.split()[0])
            lines.append(
                f"command -v {word} >/dev/null || {{ bad=1; echo {shlex.quote(f'{name}: no program {value}')} >&2; }}"
            )
    return "\n".join([*lines, 'test -z "$bad"']) + "\n"


def _paths(value: str) -> list[str]:
    """Return the paths in a variable: words and list elements that begin with a slash, alone or after an option."""
    if "://" in value:
        return []
    found = []
    for word in (part for one in value.split() for part in one.split(":")):
        option, slash, rest = word.partition("/")
        if slash and (not option or option.startswith("-") or option.endswith("=")):
            found.append(f"/{rest}")
    return found


def _check_apt(subject: Subject) -> str:
    architecture = subject.env.get("CROSS_DEB_ARCH") or (subject.target.debian_arch if subject.target else "")
    values = f"architecture={shlex.quote(architecture)}\nfolder={shlex.quote(_pkg_config_folder(subject))}\n"
    return values + read_program("apt.sh")


def _pkg_config_folder(subject: Subject) -> str:
    first = subject.env.get("PKG_CONFIG_PATH", "").partition(":")[0]
    if first.startswith("/"):
        return first
    triplet = subject.target.gnu_triplet if subject.target else ""
    return f"/usr/lib/{triplet}/pkgconfig" if triplet else "/usr/share/pkgconfig"

"""Chooses an image's probes by its target."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from imagefab.check.libc_crate import LibcCrate
from imagefab.check.probe import Probe, Row
from imagefab.check.probes.android import list_android_skips, make_android_probes
from imagefab.check.probes.bare import make_bare_probes
from imagefab.check.probes.bpf import make_bpf_probes
from imagefab.check.probes.contract import make_contract_probes
from imagefab.check.probes.darwin import list_darwin_skips, make_darwin_probes
from imagefab.check.probes.facts import make_facts_probe
from imagefab.check.probes.hosted import compares_sizes, list_hosted_skips, make_hosted_probes
from imagefab.check.probes.msvc import list_msvc_skips, make_msvc_probes
from imagefab.check.probes.rust import make_rust_probes
from imagefab.check.probes.uefi import make_uefi_probes
from imagefab.check.probes.wasm import (
    make_component_probes,
    make_emscripten_probes,
    make_module_probes,
    make_wasi_probes,
)
from imagefab.check.probes.windows import make_windows_probes
from imagefab.check.subject import Subject

_TOOLCHAINS: dict[str, Callable[[Subject], Iterable[Probe]]] = {
    "linux": make_hosted_probes,
    "android": make_android_probes,
    "darwin": make_darwin_probes,
    "none": make_bare_probes,
    "avr": make_bare_probes,
    "bpf": make_bpf_probes,
    "uefi": make_uefi_probes,
    "windows": make_windows_probes,
    "msvc": make_msvc_probes,
    "wasi": make_wasi_probes,
    "wasip2": make_component_probes,
    "unknown": make_module_probes,
    "emscripten": make_emscripten_probes,
}
_SKIPS: dict[str, Callable[[Subject], list[Row]]] = {
    "darwin": list_darwin_skips,
    "android": list_android_skips,
    "msvc": list_msvc_skips,
}


def make_probes(subject: Subject, *, rust: bool, libc: LibcCrate | None = None) -> tuple[Probe, ...]:
    """Return the probes; `libc` is the crate to compare with, if Rust is there and `compares_libc`."""
    return (
        *make_contract_probes(subject),
        *_choose_toolchain(subject)(subject),
        *(make_rust_probes(subject, libc) if rust else ()),
        make_facts_probe(subject),
    )


def list_skips(subject: Subject) -> list[Row]:
    """Return the probes for such an image that can't run in this one."""
    return _SKIPS.get(_name_conventions(subject), list_hosted_skips)(subject)


def compares_libc(subject: Subject) -> bool:
    """Return whether the sizes of C's types are compared with those in Rust's libc crate."""
    return _choose_toolchain(subject) == make_hosted_probes and compares_sizes(subject)


def _choose_toolchain(subject: Subject) -> Callable[[Subject], Iterable[Probe]]:
    return _TOOLCHAINS.get(_name_conventions(subject), make_hosted_probes)


def _name_conventions(subject: Subject) -> str:
    """Return the system; Windows has two sorts of compilers, which take different options."""
    return "msvc" if subject.target and subject.target.is_msvc else subject.os

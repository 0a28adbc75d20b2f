"""Which probes an image gets, by its target."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from imagefab.check.probe import Probe, Row
from imagefab.check.probes.bare import make_bare_probes
from imagefab.check.probes.contract import make_contract_probes
from imagefab.check.probes.darwin import list_darwin_skips, make_darwin_probes
from imagefab.check.probes.facts import make_facts_probe
from imagefab.check.probes.hosted import list_hosted_skips, make_hosted_probes
from imagefab.check.probes.rust import make_rust_probes
from imagefab.check.probes.wasm import make_emscripten_probes, make_module_probes, make_wasi_probes
from imagefab.check.probes.windows import make_windows_probes
from imagefab.check.subject import Subject

_TOOLCHAINS: dict[str, Callable[[Subject], Iterable[Probe]]] = {
    "linux": make_hosted_probes,
    "darwin": make_darwin_probes,
    "none": make_bare_probes,
    "windows": make_windows_probes,
    "wasi": make_wasi_probes,
    "unknown": make_module_probes,
    "emscripten": make_emscripten_probes,
}


def make_probes(subject: Subject, *, rust: bool) -> tuple[Probe, ...]:
    toolchain = _TOOLCHAINS.get(subject.os, make_hosted_probes)
    return (
        *make_contract_probes(subject),
        *toolchain(subject),
        *(make_rust_probes(subject) if rust else ()),
        make_facts_probe(subject),
    )


def list_skips(subject: Subject) -> list[Row]:
    """What an image of its sort would be asked, and this one can't be."""
    return list_darwin_skips(subject) if subject.os == "darwin" else list_hosted_skips(subject)

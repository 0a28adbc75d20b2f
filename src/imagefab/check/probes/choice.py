"""Which probes an image gets, by its target."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from imagefab.check.probe import Probe
from imagefab.check.probes.contract import make_contract_probes
from imagefab.check.probes.facts import make_facts_probe
from imagefab.check.probes.hosted import make_hosted_probes
from imagefab.check.probes.rust import make_rust_probes
from imagefab.check.probes.windows import make_windows_probes
from imagefab.check.subject import Subject

_TOOLCHAINS: dict[str, Callable[[Subject], Iterable[Probe]]] = {
    "linux": make_hosted_probes,
    "windows": make_windows_probes,
}


def make_probes(subject: Subject, *, rust: bool) -> tuple[Probe, ...]:
    toolchain = _TOOLCHAINS.get(subject.os, make_hosted_probes)
    return (
        *make_contract_probes(subject),
        *toolchain(subject),
        *(make_rust_probes(subject) if rust else ()),
        make_facts_probe(subject),
    )

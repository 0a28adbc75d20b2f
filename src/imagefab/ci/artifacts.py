"""Names of release artifacts, as people look for them: `app-linux-arm64`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

_MACHINES = {
    "x86_64": "amd64",
    "x86_64h": "amd64",
    "aarch64": "arm64",
    "i586": "i586",
    "i686": "i686",
    "arm": "armv6",
    "armv7": "armv7",
    "thumbv7neon": "armv7",
    "powerpc64le": "ppc64le",
    "powerpc64": "ppc64",
    "powerpc": "ppc",
    "riscv64gc": "riscv64",
    "loongarch64": "loong64",
}
_SYSTEMS = (
    ("android", "android"),
    ("linux", "linux"),
    ("windows", "windows"),
    ("darwin", "macos"),
    ("freebsd", "freebsd"),
    ("netbsd", "netbsd"),
    ("illumos", "illumos"),
    ("solaris", "solaris"),
    ("emscripten", "emscripten"),
    ("wasi", "wasi"),
)


def name_artifacts(app: str, triples: Sequence[str]) -> dict[str, str]:
    """Name the artifact of each target: system and machine, and the rest of the triple where that is ambiguous."""
    short = {triple: _name_briefly(triple) for triple in triples}
    count = Counter(short.values())
    return {
        triple: f"{app}-{name}" if count[name] == 1 else f"{app}-{name}-{triple.rpartition('-')[2]}"
        for triple, name in short.items()
    }


def _name_briefly(triple: str) -> str:
    machine, _, rest = triple.partition("-")
    system = next((name for word, name in _SYSTEMS if word in rest), None)
    return triple if system is None else f"{system}-{_MACHINES.get(machine, machine)}"

"""What Docker and Podman have, and who may look at all of it."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.support.processes import list_processes

ENGINES = ("sandbox", "docker", "podman")
ENDLESS = f"sleep 9{os.getpid():07}"
"""What a step runs that does not end. No other worker's is the same."""

_OF_PODMAN = re.compile(r"buildah|[0-9a-f]{64}$")
"""The runtime's folder is Docker's as well, which has names of its own."""
_TURN, _USE = (Path(f"/tmp/imagefab-tests-{name}.lock") for name in ("turn", "engines"))
"""Not in TMPDIR: runs with other temporary folders see each other's containers, too."""


@contextmanager
def use_engines(*, alone: bool) -> Iterator[None]:
    """Tests that look at all that Docker or Podman has run while no other one uses those, in no run on this machine.
    They take turns, so that nobody waits for ever."""
    with _USE.open("w") as use:
        with _TURN.open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            fcntl.flock(use, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


def list_lines(*command: str) -> set[str]:
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())


def look_into(engine: str) -> set[str]:
    """All that an engine has which a build can leave behind: containers, named images, mounts, the runtime's state."""
    found = {f"{ENDLESS} {number}" for number in list_processes(ENDLESS)}
    if engine == "docker":
        found |= list_lines("docker", "ps", "--all", "--quiet")
        return found | list_lines("docker", "images", "--format", "{{.Repository}}:{{.Tag}}")
    found |= list_lines("podman", "ps", "--all", "--storage", "--format", "{{.ID}} {{.Names}}")
    found |= list_lines("podman", "images", "--noheading", "--filter=dangling=false")
    found |= {line for line in Path("/proc/self/mounts").read_text().splitlines() if "/storage/overlay/" in line}
    for place in ("/run/runc/*", "/run/crun/*", "/var/tmp/buildah*", "/sys/fs/cgroup/*/buildah*"):
        found |= {str(path) for path in Path("/").glob(place[1:]) if _OF_PODMAN.match(path.name)}
    return found


def remove_image(name: str, program: str = "docker") -> None:
    subprocess.run([program, "rmi", "--force", name], check=False, capture_output=True)

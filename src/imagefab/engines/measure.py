"""Measure how an engine isolates a command, by running the isolation probe in it."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import tempfile
from pathlib import Path

from imagefab.engines.command import keep_limits
from imagefab.engines.container import ContainerEngine
from imagefab.engines.engine import Engine
from imagefab.engines.isolation import Isolation, make_probe, read_isolation
from imagefab.engines.sandbox.run import run_probe
from imagefab.engines.tether import tether
from imagefab.errors import EngineError
from imagefab.platforms import machine_platform
from imagefab.store.store import Store

_PROGRAM = "look-around"
_SECONDS = 60.0


def measure_isolation(engine: Engine, store: Store) -> Isolation:
    """Run the probe; EngineError if nothing runs in the engine."""
    if isinstance(engine, ContainerEngine):
        return read_isolation(*_run_in_container(engine, store), caller=os.geteuid())
    folder = Path(tempfile.mkdtemp(prefix="probe-", dir=store.scratch_folder()))
    try:
        code, said = run_probe(folder)
        return read_isolation(code, said, caller=os.geteuid())
    finally:
        store.remove_folder(folder)


def _run_in_container(engine: ContainerEngine, store: Store) -> tuple[int, str]:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        member = tarfile.TarInfo(_PROGRAM)
        program = make_probe(machine_platform())
        member.size, member.mode = len(program), 0o755
        tar.addfile(member, io.BytesIO(program))
    client = engine.client()
    with engine.claim(store) as claim:
        imported = subprocess.run(
            tether([*client, "import", "-", claim.subject], limit=_SECONDS),
            input=archive.getvalue(),
            capture_output=True,
            check=False,
        )
        if imported.returncode != 0:
            raise EngineError(
                f"{engine.name} does not load an image: {imported.stderr.decode(errors='replace').strip()}"
            )
        options = [f"--name={claim.container}", "--pull=never", "--rm", "--network=none"]
        if engine.name == "podman":
            options += keep_limits()
        run = [*client, "run", *options, claim.subject, f"/{_PROGRAM}"]
        result = subprocess.run(
            tether(run, limit=_SECONDS, ending=[*client, "rm", "--force", claim.container]),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    said = result.stdout.decode(errors="replace")
    if "CapEff" not in said:
        raise EngineError(f"{engine.name} can't run a container: {result.stderr.decode(errors='replace').strip()}")
    return result.returncode, said

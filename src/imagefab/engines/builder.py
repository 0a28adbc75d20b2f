"""A buildx builder, chosen by name: another Docker, a remote machine, a cluster.

A builder with the docker driver is used like Docker, through its context. The others are used only through what buildx
does for all of them: they take a Dockerfile with its context, and return an archive. So they get all layers, and find
what they have built before in their own cache. Canonical layers make the same image of the result.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from imagefab.engines.claim import Claim
from imagefab.engines.container import BuildOrder
from imagefab.engines.docker import DockerEngine
from imagefab.engines.engine import Finding
from imagefab.errors import EngineError
from imagefab.progress import Progress

_TIME = 120
_ARCHIVE = "built.tar"


def find_builder(name: str) -> DockerEngine:
    """Return the engine for a builder; EngineError if buildx has no builder of that name or can't reach it."""
    said = _ask(name)
    driver, endpoint = (_find(said, key) for key in ("Driver", "Endpoint"))
    if driver == "docker":
        return DockerEngine(context=endpoint or name)
    return BuilderEngine(name)


class BuilderEngine(DockerEngine):
    """A builder with any other driver."""

    is_daemon = False
    starts_anew = True

    def __init__(self, builder: str) -> None:
        super().__init__()
        self.runs_here = False
        self._builder = builder

    def look(self) -> Sequence[Finding]:
        try:
            status = _find(_ask(self._builder), "Status") or "unknown"
        except EngineError as error:
            return [Finding(what=f"builder {self._builder}", ok=False, detail=error.problem, fix=error.hint or "")]
        return [Finding(what=f"builder {self._builder}", ok=True, detail=status)]

    def identity(self) -> str:
        return f"builder {self._builder}"

    def run_build(self, order: BuildOrder, claim: Claim, progress: Progress) -> None:
        archive = claim.folder / _ARCHIVE
        self.run_buildx(order, progress, builder=self._builder, output={"type": "docker", "dest": str(archive)})
        self._archive = archive

    def save(self, tag: str, archive: Path) -> None:
        self._archive.replace(archive)

    def clear(self, claim: Claim) -> None:
        """Do nothing: the output is in the claim's folder, and is removed with it."""


def _ask(name: str) -> str:
    command = ["docker", "buildx", "inspect", name]
    hint = "`docker buildx ls` lists the builders; `docker buildx create` makes one"
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_TIME, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        raise EngineError("there is no docker client, which --builder needs", hint="`imagefab doctor`") from None
    except subprocess.TimeoutExpired:
        raise EngineError(f"the builder {name} does not answer within {_TIME} seconds", hint=hint) from None
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines() or ["buildx does not say why"]
        raise EngineError(f"there is no builder {name}: {lines[-1]}", hint=hint)
    return result.stdout


def _find(said: str, key: str) -> str:
    found = re.search(rf"^{key}:[ \t]*(.*)$", said, re.MULTILINE)
    return found[1].strip() if found else ""

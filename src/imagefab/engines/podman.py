"""The podman engine: podman, or buildah where there is no podman; both build the Dockerfile without a daemon.

Neither cleans up when it is killed: the container of each stage stays, and so does whatever the running step left in
the runtime and in temporary files, which are therefore kept in the claim's folder. Containers can't be named, but they
record the names of the secrets that a build may use, so each build is offered one that carries the claim's name and
that no step asks for.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from imagefab.engines.claim import Claim
from imagefab.engines.container import BuildFailedError, BuildOrder, ContainerEngine
from imagefab.engines.engine import Finding
from imagefab.engines.inspect import inspect_podman, mend_podman
from imagefab.engines.tether import TOO_LATE, format_time_limit, tether
from imagefab.errors import EngineError
from imagefab.progress import Progress

_RUNTIMES = ("crun", "runc")


class PodmanEngine(ContainerEngine):
    name = "podman"
    is_daemon = False

    def __init__(self, program: str | None = None) -> None:
        self._program = program or ("podman" if shutil.which("podman") else "buildah")
        self._storage: Path | None = None

    def look(self) -> Sequence[Finding]:
        return inspect_podman()

    def answers(self) -> bool:
        return self.look()[0].ok

    def mend(self, log: str) -> str:
        return mend_podman(log, self._program)

    def identity(self) -> str:
        return f"{self._program} {self._find_storage()}"

    def run_build(self, order: BuildOrder, claim: Claim, progress: Progress) -> None:
        command = [
            "env",
            f"TMPDIR={claim.scratch}",
            *self.client(),
            "build",
            "--layers",
            *(["--no-cache"] if order.no_cache else []),
            "--pull-never" if self._program == "buildah" else "--pull=never",
            "--network=none",
            *_give_hosts(claim.scratch / "hosts"),
            f"--secret=id={_mark(claim)},src=/dev/null",
            f"--platform={order.platform.name}",
            f"--target={order.target}",
            f"--file={order.dockerfile}",
            f"--tag={claim.image}",
            str(order.context),
        ]
        task = progress.start(f"{order.label}: {self._program} build")
        log: list[str] = []
        with subprocess.Popen(
            tether(command, limit=order.limit),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
        ) as process:
            assert process.stdout is not None
            try:
                log.extend(process.stdout)
            except BaseException:
                process.terminate()
                raise
        task.finish()
        if process.returncode == TOO_LATE:
            log.append(format_time_limit(order.limit))
        if process.returncode != 0:
            raise BuildFailedError(f"{self._program} build", log)

    def save(self, tag: str, archive: Path) -> None:
        if self._program == "podman":
            self._run("save", "--quiet", "--format=docker-archive", f"--output={archive}", tag)
        else:
            self._run("push", "--quiet", tag, f"docker-archive:{archive}")

    def load(self, archive: Path) -> None:
        if self._program == "podman":
            self._run("load", "--quiet", f"--input={archive}")
        else:
            self._run("pull", "--quiet", f"docker-archive:{archive}")

    def has(self, tag: str) -> bool:
        return bool(self._run("images", "--quiet", "--filter", f"reference={tag}").strip())

    def tag(self, name: str, other: str) -> None:
        self._run("tag", name, other)

    def remove(self, tag: str) -> None:
        try:
            self._run("rmi", tag)
        except EngineError:
            # It fails if a parent image is in use by a concurrent build, but the name may be gone all the same.
            if self.has(tag):
                if self._program != "podman":
                    raise
                self._run("untag", tag)

    def clear(self, claim: Claim) -> None:
        for bundle in claim.scratch.glob("buildah*"):
            for runtime in filter(shutil.which, _RUNTIMES):
                subprocess.run(
                    [runtime, "delete", "--force", f"buildah-{bundle.name}"], capture_output=True, check=False
                )
        if containers := self._find_containers(claim):
            self._run("rm", *(["--force"] if self._program == "podman" else []), *containers)
        if self._program == "podman":
            self._run("rm", "--force", "--ignore", claim.container)
        for tag in claim.tags:
            if self._run("images", "--quiet", "--filter", f"reference={tag}").strip():
                self.remove(tag)

    def client(self) -> list[str]:
        """Where both versions of cgroups are mounted, crun can't start a container, but runc can."""
        if shutil.which("runc") and Path("/sys/fs/cgroup/unified").is_dir():
            return [self._program, "--runtime=runc"] if self._program == "podman" else [self._program]
        return [self._program]

    def _find_containers(self, claim: Claim) -> list[str]:
        """The containers in which a build with that claim ran its steps."""
        mark = _mark(claim).encode()
        found = []
        for notes in self._find_storage().glob("*-containers/*/userdata/buildah.json"):
            with contextlib.suppress(OSError):
                if mark in notes.read_bytes():
                    found.append(notes.parent.parent.name)
        return found

    def _find_storage(self) -> Path:
        if self._storage is None:
            if self._program == "podman":
                self._storage = Path(self._run("info", "--format={{.Store.GraphRoot}}").strip())
            else:
                self._storage = Path(json.loads(self._run("info"))["store"]["GraphRoot"])
        return self._storage

    def _run(self, *arguments: str) -> str:
        result = subprocess.run(
            tether([*self.client(), *arguments]), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
        if result.returncode != 0:
            said = result.stderr.strip() or f"exit code {result.returncode}"
            raise EngineError(f"{self._program} {arguments[0]}: {said}")
        return result.stdout


def _mark(claim: Claim) -> str:
    return f"imagefab-{claim.name}"


def _give_hosts(file: Path) -> list[str]:
    """Mount an /etc/hosts, which Podman omits without a network, unlike other engines. No layer contains it."""
    if ":" in str(file):
        return []  # colons separate a volume's parts, and can't be escaped
    file.write_text("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n")
    return [f"--volume={file}:/etc/hosts:Z"]

"""The docker engine: BuildKit builds through buildx; the Docker API saves and loads images.

python-on-whales drives buildx, which has builds without network and bind mounts; docker-py talks to the daemon, and
streams images without a client program in between.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from imagefab.engines.claim import Claim
from imagefab.engines.container import BuildFailedError, BuildOrder, ContainerEngine
from imagefab.engines.engine import Finding
from imagefab.engines.inspect import inspect_docker
from imagefab.engines.tether import TOO_LATE, format_time_limit, tether
from imagefab.errors import EngineError
from imagefab.progress import Progress

_TIME = 600
_STAGE = re.compile(r"#\d+ \[(?P<stage>\S+)-(amd64|arm64) +\d+/\d+\]")


class DockerEngine(ContainerEngine):
    name = "docker"
    is_daemon = True

    def __init__(self, context: str | None = None) -> None:
        """`context` names a Docker context, for an engine other than this machine's own."""
        self._context = context
        self.runs_here = context is None

    def look(self) -> Sequence[Finding]:
        return inspect_docker()

    def answers(self) -> bool:
        return all(finding.ok for finding in self.look() if finding.what != "buildx")

    def mend(self, log: str) -> str:
        return "`docker info` says how the engine is set up, and its log what it misses"

    def identity(self) -> str:
        with _daemon(self._context) as client:
            return str(client.info()["ID"])

    def run_build(self, order: BuildOrder, claim: Claim, progress: Progress) -> None:
        self.run_buildx(order, progress, tags=claim.image, load=True)

    def run_buildx(self, order: BuildOrder, progress: Progress, **where: Any) -> None:
        """`where` says where the result goes and what builds it, as arguments to buildx."""
        from python_on_whales import DockerClient
        from python_on_whales.exceptions import DockerException

        log: list[str] = []
        task, stage = None, None
        try:
            lines: Any = DockerClient(client_call=tether(self.client(), limit=order.limit)).buildx.build(
                order.context,
                file=order.dockerfile,
                target=order.target,
                platforms=[order.platform.name],
                network="none",
                provenance=False,
                cache=not order.no_cache,
                stream_logs=True,
                **where,
            )
            for line in lines:
                log.append(line)
                if (match := _STAGE.match(line)) and match["stage"] != stage:
                    stage = match["stage"]
                    if task is not None:
                        task.finish()
                    task = progress.start(f"{order.label}: {stage}")
        except DockerException as error:
            if error.return_code == TOO_LATE:
                log.append(format_time_limit(order.limit))
            raise BuildFailedError("docker buildx", log or str(error).splitlines()) from error
        finally:
            if task is not None:
                task.finish()

    def client(self) -> list[str]:
        return ["docker", *(["--context", self._context] if self._context else [])]

    def save(self, tag: str, archive: Path) -> None:
        with _daemon(self._context) as client, archive.open("wb") as out:
            for chunk in client.api.get_image(tag):
                out.write(chunk)

    def load(self, archive: Path) -> None:
        with _daemon(self._context) as client, archive.open("rb") as file:
            for line in client.api.load_image(file):
                if "error" in line:
                    raise EngineError(f"docker did not take the image: {line['error']}")

    def has(self, tag: str) -> bool:
        with _daemon(self._context) as client:
            return any(tag in (image["RepoTags"] or ()) for image in client.api.images(tag))

    def tag(self, name: str, other: str) -> None:
        repository, _, label = other.rpartition(":")
        with _daemon(self._context) as client:
            client.api.tag(name, repository, label)

    def remove(self, tag: str) -> None:
        with _daemon(self._context) as client:
            client.api.remove_image(tag, noprune=True)

    def clear(self, claim: Claim) -> None:
        import docker

        with _daemon(self._context) as client:
            with suppress(docker.errors.NotFound):
                client.api.remove_container(claim.container, v=True, force=True)
            for tag in claim.tags:
                with suppress(docker.errors.ImageNotFound):
                    client.api.remove_image(tag, noprune=True)


def _open_context(name: str) -> Any:
    """Ask the docker client, which knows all contexts; which ones docker-py finds depends on other files."""
    import docker

    command = ["docker", "context", "inspect", name]
    result = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if result.returncode != 0:
        raise EngineError(f"Docker has no context {name}", hint="`docker context ls` lists them")
    (found,) = json.loads(result.stdout)
    host = str(found["Endpoints"]["docker"]["Host"])
    folder = Path(found["Storage"]["TLSPath"]) / "docker"
    tls = None
    if (folder / "ca.pem").exists():
        pair = (str(folder / "cert.pem"), str(folder / "key.pem"))
        tls = docker.tls.TLSConfig(ca_cert=str(folder / "ca.pem"), client_cert=pair, verify=True)
    by_ssh = host.startswith("ssh://")
    return docker.DockerClient(base_url=host, tls=tls or False, timeout=_TIME, use_ssh_client=by_ssh)


@contextmanager
def _daemon(context: str | None) -> Iterator[Any]:
    import docker
    import requests

    try:
        client = docker.from_env(timeout=_TIME) if context is None else _open_context(context)
    except docker.errors.DockerException as error:
        raise EngineError(f"no Docker engine answers: {error}", hint="`imagefab doctor` says what it needs") from error
    try:
        yield client
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise EngineError(f"docker: {error}") from error
    finally:
        client.close()

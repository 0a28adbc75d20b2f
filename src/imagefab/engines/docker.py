"""The docker engine: BuildKit through buildx builds, the engine's own API saves and loads.

python-on-whales drives buildx, which is where builds without network and bind mounts are; docker-py speaks to the
daemon, where it streams images without a client program in between.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from imagefab.engines.claim import Claim
from imagefab.engines.container import BuildFailedError, ContainerEngine, Order
from imagefab.engines.engine import Finding
from imagefab.engines.inspect import inspect_docker
from imagefab.engines.tether import TOO_LATE, tell_too_late, tether
from imagefab.errors import EngineError
from imagefab.progress import Progress

_STAGE = re.compile(r"#\d+ \[(?P<stage>\S+)-(amd64|arm64) +\d+/\d+\]")


class DockerEngine(ContainerEngine):
    name = "docker"
    is_daemon = True

    def look(self) -> Sequence[Finding]:
        return inspect_docker()

    def answers(self) -> bool:
        return all(finding.ok for finding in self.look() if finding.what != "buildx")

    def mend(self, log: str) -> str:
        return "`docker info` says how the engine is set up, and its log what it misses"

    def identity(self) -> str:
        with _daemon() as client:
            return str(client.info()["ID"])

    def run_build(self, order: Order, claim: Claim, progress: Progress) -> None:
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
                tags=claim.image,
                load=True,
                cache=not order.no_cache,
                stream_logs=True,
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
                log.append(tell_too_late(order.limit))
            raise BuildFailedError("docker buildx", log or str(error).splitlines()) from error
        finally:
            if task is not None:
                task.finish()

    def client(self) -> list[str]:
        return ["docker"]

    def save(self, tag: str, archive: Path) -> None:
        with _daemon() as client, archive.open("wb") as out:
            for chunk in client.api.get_image(tag):
                out.write(chunk)

    def load(self, archive: Path) -> None:
        with _daemon() as client, archive.open("rb") as file:
            for line in client.api.load_image(file):
                if "error" in line:
                    raise EngineError(f"docker did not take the image: {line['error']}")

    def has(self, tag: str) -> bool:
        with _daemon() as client:
            return any(tag in (image["RepoTags"] or ()) for image in client.api.images(tag))

    def tag(self, name: str, other: str) -> None:
        repository, _, label = other.rpartition(":")
        with _daemon() as client:
            client.api.tag(name, repository, label)

    def remove(self, tag: str) -> None:
        with _daemon() as client:
            client.api.remove_image(tag, noprune=True)

    def clear(self, claim: Claim) -> None:
        import docker

        with _daemon() as client:
            with suppress(docker.errors.NotFound):
                client.api.remove_container(claim.container, v=True, force=True)
            for tag in claim.tags:
                with suppress(docker.errors.ImageNotFound):
                    client.api.remove_image(tag, noprune=True)


@contextmanager
def _daemon() -> Iterator[Any]:
    import docker
    import requests

    try:
        client = docker.from_env(timeout=600)
    except docker.errors.DockerException as error:
        raise EngineError(f"no Docker engine answers: {error}", hint="`imagefab doctor` says what it needs") from error
    try:
        yield client
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise EngineError(f"docker: {error}") from error
    finally:
        client.close()

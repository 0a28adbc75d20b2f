"""Stock registries on loopback, and what they say to curl."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.machine import require

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@contextmanager
def serve_registry(folder: Path, *, http: Mapping[str, Any] | None = None, **more: Any) -> Iterator[str]:
    """A stock registry. What more there is goes into its configuration."""
    require(shutil.which("docker-registry") is not None, "docker-registry")
    for _ in range(5):
        # Between finding a port and its use by the registry, somebody else may take it.
        host = f"127.0.0.1:{find_port()}"
        config = folder / "config.yml"
        settings = {
            "version": 0.1,
            "log": {"accesslog": {"disabled": True}, "level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
            "http": {"addr": host, **(http or {})},
        }
        # JSON is YAML too.
        config.write_text(json.dumps(settings | more))
        with subprocess.Popen(["docker-registry", "serve", str(config)], stderr=subprocess.DEVNULL) as process:
            try:
                if _is_up(process, host):
                    yield host
                    return
            finally:
                process.terminate()
    pytest.fail("no registry started")


def guard_registry(folder: Path, user: str, password: str) -> Mapping[str, Any]:
    """What a stock registry's configuration says when it lets in one user only."""
    crypt = ["perl", "-e", "print crypt($ARGV[0], q($2y$05$abcdefghijklmnopqrstuu))", password]
    known = subprocess.run(crypt, check=True, capture_output=True, text=True).stdout
    require(known.startswith("$2y$"), "a perl with bcrypt")
    (folder / "users").write_text(f"{user}:{known}\n")
    return {"htpasswd": {"realm": "here", "path": str(folder / "users")}}


def find_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _is_up(process: subprocess.Popen[bytes], address: str) -> bool:
    """Whether the registry came up there. One whose port is taken ends."""
    host, _, port = address.partition(":")
    for _ in range(300):
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            if process.poll() is not None:
                return False
            time.sleep(0.1)
        else:
            time.sleep(0.05)
            return process.poll() is None
    pytest.fail(f"nothing answers at {address}")


def ask(url: str, *accept: str) -> Any:
    """A registry, as curl sees it."""
    headers = [word for one in accept for word in ("--header", f"Accept: {one}")]
    said = subprocess.run(["curl", "--silent", "--fail", *headers, f"http://{url}"], capture_output=True, check=False)
    return json.loads(said.stdout) if said.returncode == 0 else None


def list_tags(name: str) -> list[str]:
    """All of a repository's, those of attached documents among them."""
    host, _, path = name.partition("/")
    return sorted((ask(f"{host}/v2/{path}/tags/list") or {}).get("tags") or [])


def list_image_tags(name: str) -> list[str]:
    return [tag for tag in list_tags(name) if not tag.startswith("sha256-")]


def pull(reference: str, folder: Path) -> None:
    """With skopeo, which looks at every byte."""
    command = ["skopeo", "copy", "--quiet", "--src-tls-verify=false", f"docker://{reference}", f"dir:{folder}/pulled"]
    subprocess.run(command, check=True)

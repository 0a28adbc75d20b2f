"""`make bench`: prepare all that is needed, measure, and leave nothing behind, also when it is interrupted."""

from __future__ import annotations

import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.measures import Bench
from tests.own_docker import provide_docker
from tests.process import end, say, wait_until, watch_signals


def main() -> int:
    watch_signals()
    # Nothing else on this machine has it, so that two runs are not in each other's way.
    name = f"bench-{secrets.token_hex(4)}"
    with tempfile.TemporaryDirectory(prefix=f"imagefab-{name}-") as place:
        folder = Path(place)
        with provide_docker(folder, name) as docker, start_registry(folder) as registry:
            say(docker)
            bench = Bench(folder, name, registry)
            try:
                bench.prepare()
                bench.measure()
            finally:
                bench.clean()
    return 0


@contextmanager
def start_registry(folder: Path) -> Iterator[str]:
    """A registry that keeps its files in `folder / "registry"`; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        host, port = free.getsockname()
    config, log = folder / "registry.yml", folder / "registry.log"
    config.write_text(
        "version: 0.1\nlog: {accesslog: {disabled: true}, level: error}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}/registry}}}}\nhttp: {{addr: '{host}:{port}'}}\n"
    )
    command = ["docker-registry", "serve", str(config)]
    with (
        log.open("w") as out,
        subprocess.Popen(command, stdout=out, stderr=out, text=True, process_group=0) as process,
    ):
        try:
            wait_until(lambda: listens(port), process, log)
            yield f"{host}:{port}"
        finally:
            end(process)


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())

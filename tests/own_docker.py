"""A Docker on overlay2, for a bench or a run of tests: the machine's own where it is, or else a daemon of their own.

Other storage drivers are slower, fuse-overlayfs by far, and hardly anybody runs them. What the daemon has is in one
folder, which goes with it, except for its bridge: a daemon without one deletes docker0, which is another daemon's.

    python -m tests.own_docker COMMAND…

runs a command that finds such a Docker, and a Podman with storage of its own.
"""

from __future__ import annotations

import ipaddress
import json
import os
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.process import end, mkdir, run, say, wait_until, watch_signals

DRIVER = "overlay2"
_RANGES = ipaddress.IPv4Network("198.18.0.0/15")
"""Set aside for benchmarks (RFC 2544), so that hardly any network has it."""
_NO_DISKS = ("tmpfs", "ramfs", "overlay", "fuse")
_ELSEWHERE = (
    "DOCKER_CONTEXT", "DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "BUILDX_BUILDER", "BUILDX_CONFIG"
)  # fmt: skip
"""Variables that lead clients to another daemon, or keep them from one without TLS."""


@contextmanager
def provide_docker(folder: Path, name: str) -> Iterator[str]:
    """All clients started meanwhile, imagefab too, use it. Gives its version and storage driver, and whose it is."""
    version, driver = _describe()
    if driver == DRIVER:
        yield f"Docker {version} on {driver}, the machine's own"
        return
    if os.geteuid() != 0:
        sys.exit(f"Docker {version} is on {driver}; to start a daemon on {DRIVER}, this has to be run as root")
    with _start_daemon(mkdir(folder / "docker"), name) as address, _use(address, folder / "buildx"):
        ours = "{} on {}".format(*_describe())
        yield f"Docker {ours}, a daemon of its own; the machine's is on {driver}"


def _describe() -> list[str]:
    return run("docker", "info", "--format", "{{.ServerVersion}} {{.Driver}}").split()


@contextmanager
def _use(address: str, buildx: Path) -> Iterator[None]:
    """By the environment, which docker, buildx and docker-py all go by."""
    before = dict(os.environ)
    for variable in _ELSEWHERE:
        os.environ.pop(variable, None)
    os.environ.update(DOCKER_HOST=address, BUILDX_CONFIG=str(buildx))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _start_daemon(home: Path, name: str) -> Iterator[str]:
    system = run("findmnt", "--noheadings", "--output", "FSTYPE", "--target", home).split()[-1]
    if system.startswith(_NO_DISKS):
        sys.exit(f"{home.parent} is on {system}, and {DRIVER} needs a disk; set TMPDIR to a folder on one")
    address = f"unix://{home}/socket"
    config, log = home / "config.json", home / "log"
    config.write_text("{}")
    with _make_bridge(name) as bridge, _unmount_after(home), log.open("w") as out:
        options = {
            "config-file": config,
            "host": address,
            "data-root": home / "data",
            "exec-root": home / "exec",
            "pidfile": home / "pid",
            "storage-driver": DRIVER,
            "bridge": bridge,
            "iptables": "false",
            "ip-forward": "false",
            # Where containerd is a service of its own, daemons share it.
            "containerd-namespace": name,
            "containerd-plugins-namespace": f"{name}-plugins",
        }
        daemon = ["dockerd", *(f"--{option}={value}" for option, value in options.items())]
        # It does not outlive whoever started it, not even one that is killed.
        command = ["setpriv", "--pdeathsig", "TERM", *daemon]
        with subprocess.Popen(command, stdout=out, stderr=out, text=True, process_group=0) as process:
            try:
                wait_until(lambda: _answers(address), process, log)
                yield address
            finally:
                end(process)


def _answers(address: str) -> bool:
    command = ["docker", "--host", address, "version"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextmanager
def _make_bridge(name: str) -> Iterator[str]:
    address = f"{_find_free_range()[1]}/24"
    try:
        run("ip", "link", "add", name, "type", "bridge")
        run("ip", "address", "add", address, "dev", name)
        run("ip", "link", "set", name, "up")
        yield name
    finally:
        subprocess.run(["ip", "link", "delete", name], capture_output=True, check=False)


def _find_free_range() -> ipaddress.IPv4Network:
    """One that no route and no address of this machine is in."""
    routes = json.loads(run("ip", "-json", "-4", "route", "show", "table", "all"))
    links = json.loads(run("ip", "-json", "-4", "address"))
    taken = [ipaddress.IPv4Network(route["dst"]) for route in routes if route["dst"] != "default"]
    taken += [ipaddress.IPv4Network(info["local"]) for link in links for info in link["addr_info"]]
    free = [each for each in _RANGES.subnets(new_prefix=24) if not any(each.overlaps(network) for network in taken)]
    if not free:
        sys.exit(f"no range in {_RANGES} is free for a bridge")
    return random.choice(free)


@contextmanager
def _unmount_after(home: Path) -> Iterator[None]:
    """A daemon that ends well leaves nothing mounted; where one does not, nothing is to be deleted through a mount."""
    try:
        yield
    finally:
        found = json.loads(run("findmnt", "--json", "--list", "--output", "TARGET"))["filesystems"]
        for target in sorted((mount["target"] for mount in found), reverse=True):
            if Path(target).is_relative_to(home):
                run("umount", "--lazy", target)


@contextmanager
def provide_podman(folder: Path) -> Iterator[None]:
    """Podman and Buildah started meanwhile keep images and containers there."""
    config = mkdir(folder) / "storage.conf"
    config.write_text(f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/graph"\nrunroot = "{folder}/run"\n')
    with _unmount_after(folder):
        os.environ["CONTAINERS_STORAGE_CONF"] = str(config)
        yield


def main(command: Sequence[str]) -> int:
    """Where there is no Docker, or no root to start one, the command has what there is."""
    watch_signals()
    name = f"own-{secrets.token_hex(4)}"
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="imagefab-engines-")))
        if os.geteuid() == 0:
            if shutil.which("docker") and _answers(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")):
                say(stack.enter_context(provide_docker(folder, name)))
            stack.enter_context(provide_podman(folder / "podman"))
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

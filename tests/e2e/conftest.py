"""What the end-to-end tests share: the command line in its own process, stores, and projects of the tests' own."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.built_rust import provide_built_rust
from tests.e2e.rust import Rust, provide_debian_rust, provide_packaged_rust, provide_rust
from tests.needs import require
from tests.sample import BOTH_PLATFORMS, OTHERS, SAMPLE

ROOT = Path(__file__).parents[2]


TURN, ENGINES = (Path(tempfile.gettempdir()) / f"imagefab-tests-{name}.lock" for name in ("turn", "engines"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Tests that look at all that Docker or Podman has run while no other one uses those. They take turns, so that
    nobody waits for ever."""
    looks = item.get_closest_marker("looks_at_engines") is not None
    if not looks and not {"docker", "podman"} & set(getattr(item, "fixturenames", ())):
        return (yield)
    with ENGINES.open("w") as engines:
        with TURN.open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            fcntl.flock(engines, fcntl.LOCK_EX if looks else fcntl.LOCK_SH)
        return (yield)


class CommandLine:
    """imagefab as a user runs it."""

    def __init__(self, store: Path, folder: Path) -> None:
        self.store = store
        self.folder = folder

    def command(self, *arguments: str | Path) -> list[str]:
        return [
            sys.executable,
            "-m",
            "imagefab",
            "-C",
            str(self.folder),
            "--store",
            str(self.store),
            *map(str, arguments),
        ]

    def run(
        self, *arguments: str | Path, code: int = 0, prefix: Sequence[str] = (), **options: Any
    ) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(
            [*prefix, *self.command(*arguments)], capture_output=True, text=True, check=False, **options
        )
        assert result.returncode == code, f"exit code {result.returncode}\n{result.stdout}\n{result.stderr}"
        assert "Traceback" not in result.stderr, result.stderr
        return result

    def json(self, *arguments: str | Path, **options: Any) -> Any:
        return json.loads(self.run(*arguments, "--json", **options).stdout)

    def build(self, *arguments: str | Path, **options: Any) -> dict[str, Any]:
        """Build; the description of the first image."""
        image: dict[str, Any] = self.json("build", *arguments, **options)["images"][0]
        return image

    def start(self, *arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
        )

    def at(self, folder: Path) -> CommandLine:
        return CommandLine(self.store, folder)


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some shipped recipes, locked to what the archive has now: what the committed locks name may have left it."""
    folder = tmp_path_factory.mktemp("shipped")
    shutil.copytree(ROOT / "recipes" / "bases", folder / "recipes" / "bases")
    for name in dict.fromkeys((*SAMPLE, *BOTH_PLATFORMS, *OTHERS)):
        shutil.copy(ROOT / "recipes" / f"{name}.toml", folder / "recipes")
        shutil.copytree(ROOT / "images" / name, folder / "images" / name)
    line = CommandLine(tmp_path_factory.mktemp("locking") / "store", folder)
    line.run("lock", "--upgrade")
    line.run("render")
    return folder


@pytest.fixture(scope="session")
def warm(shipped: Path, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A store in which the image of aarch64-gnu is built, and whatever tests built in it since."""
    line = CommandLine(tmp_path_factory.mktemp("warm") / "store", shipped)
    line.run("build", "aarch64-gnu")
    return line


@pytest.fixture(scope="session")
def warm_musl(warm: CommandLine) -> CommandLine:
    """The same store, with aarch64-musl in it, which takes a minute more."""
    warm.run("build", "aarch64-musl")
    return warm


@pytest.fixture
def cold(warm: CommandLine, tmp_path: Path) -> CommandLine:
    """A store with the packages fetched and nothing built."""
    return CommandLine(copy_packages(warm, tmp_path / "store"), warm.folder)


@pytest.fixture
def empty(shipped: Path, tmp_path: Path) -> CommandLine:
    """A store with nothing in it."""
    return CommandLine(tmp_path / "store", shipped)


def copy_packages(warm: CommandLine, store: Path, *recipes: str) -> Path:
    """The packages of some recipes that a store has, as hard links, and nothing that was built or derived."""
    for recipe in recipes or ("aarch64-gnu", "aarch64-musl"):
        lock = (warm.folder / "images" / recipe / "imagefab.lock").read_text()
        for hexadecimal in re.findall(r'sha256 = "(\w{64})"', lock):
            source = warm.store / "blobs" / "sha256" / hexadecimal[:2] / hexadecimal
            target = store / source.relative_to(warm.store)
            if source.exists() and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(source, target)
    return store


def copy_store(store: Path, target: Path) -> Path:
    """Another store with the same blobs, which nobody writes to."""
    subprocess.run(["cp", "--archive", "--link", store, target], check=True)
    return target


@pytest.fixture
def project(tmp_path: Path) -> Callable[[str], Path]:
    """A project of the test's own: the shipped bases, and recipes given as text."""

    def make(text: str, name: str = "probe") -> Path:
        folder = tmp_path / "project"
        if not folder.exists():
            (folder / "recipes").mkdir(parents=True)
            shutil.copytree(ROOT / "recipes" / "bases", folder / "recipes" / "bases")
        (folder / "recipes" / f"{name}.toml").write_text(text)
        return folder

    return make


@pytest.fixture(scope="session")
def docker() -> None:
    found = subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False).returncode == 0
    require(found and _answers("docker", "info"), "a Docker engine and buildx")


@pytest.fixture(scope="session")
def podman() -> None:
    require(shutil.which("podman") is not None, "podman")


@pytest.fixture(scope="session")
def rust() -> Rust:
    """The machine's toolchain, for x86_64 hosts."""
    require(platform.machine() == "x86_64", "an x86_64 machine")
    require(shutil.which("rustup") is not None, "rustup")
    return provide_rust()


@pytest.fixture(scope="session")
def debian_rust(rust: Rust) -> Rust:
    """A toolchain with the std of two foreign targets as well."""
    require(shutil.which("dpkg-deb") is not None, "dpkg-deb")
    return provide_debian_rust()


@pytest.fixture(scope="session")
def packaged_rust(rust: Rust) -> Rust:
    """A toolchain with the std for WebAssembly."""
    require(shutil.which("dpkg-deb") is not None, "dpkg-deb")
    return provide_packaged_rust()


@pytest.fixture(scope="session")
def built_rust(debian_rust: Rust) -> Rust:
    """That toolchain with the source of std, and with std for targets that have no package."""
    return provide_built_rust(debian_rust)


@pytest.fixture(scope="session")
def root() -> None:
    require(os.geteuid() == 0, "root")


def _answers(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0
    except OSError:
        return False


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A stock registry on loopback."""
    with serve_registry(tmp_path_factory.mktemp("registry")) as host:
        yield host


@contextmanager
def serve_registry(folder: Path, *, http: Mapping[str, Any] | None = None, **more: Any) -> Iterator[str]:
    """A stock registry of one's own. What more there is goes into its configuration."""
    require(shutil.which("docker-registry") is not None, "docker-registry")
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
            _wait_for(host)
            yield host
        finally:
            process.terminate()


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


def _wait_for(address: str) -> None:
    host, _, port = address.partition(":")
    for _ in range(100):
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"nothing answers at {address}")


STUDIO = """\
description = "{name}"
target = "x86_64-unknown-linux-gnu"
kind = "gcc"
base = "trixie"

[[files]]
path = "/opt/name"
content = "{name}"
"""


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A small project with two recipes that share all layers but one, built and checked. Nobody changes it."""
    folder = tmp_path_factory.mktemp("studio")
    shutil.copytree(ROOT / "recipes" / "bases", folder / "recipes" / "bases")
    for name in ("one", "two"):
        (folder / "recipes" / f"{name}.toml").write_text(STUDIO.format(name=name))
    line = CommandLine(tmp_path_factory.mktemp("finished") / "store", folder)
    line.run("lock")
    line.run("render")
    line.run("build", "--all")
    line.run("check", "--all")
    return line


@pytest.fixture
def studio(finished: CommandLine, tmp_path: Path) -> CommandLine:
    """The same project, to do with as one likes."""
    return finished.at(Path(shutil.copytree(finished.folder, tmp_path / "studio")))

"""What the end-to-end tests share: the command line in its own process, stores, and projects of the tests' own."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.rust import Rust, provide_debian_rust, provide_rust, provide_wasm_rust
from tests.needs import require
from tests.sample import BOTH_PLATFORMS, OTHERS, SAMPLE

ROOT = Path(__file__).parents[2]


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


def copy_packages(warm: CommandLine, store: Path) -> Path:
    """The packages of the Arm recipes that a store has, as hard links, and nothing that was built or derived."""
    for recipe in ("aarch64-gnu", "aarch64-musl"):
        lock = (warm.folder / "images" / recipe / "imagefab.lock").read_text()
        for hexadecimal in re.findall(r'sha256 = "(\w{64})"', lock):
            source = warm.store / "blobs" / "sha256" / hexadecimal[:2] / hexadecimal
            target = store / source.relative_to(warm.store)
            if source.exists() and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(source, target)
    return store


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
def wasm_rust(rust: Rust) -> Rust:
    """A toolchain with the std for WebAssembly."""
    require(shutil.which("dpkg-deb") is not None, "dpkg-deb")
    return provide_wasm_rust()


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
    require(shutil.which("docker-registry") is not None, "docker-registry")
    folder = tmp_path_factory.mktemp("registry")
    config = folder / "config.yml"
    config.write_text(
        "version: 0.1\n"
        "log: {accesslog: {disabled: true}, level: error}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n"
        "http: {addr: 127.0.0.1:5055}\n"
    )
    with subprocess.Popen(["docker-registry", "serve", str(config)], stderr=subprocess.DEVNULL) as process:
        try:
            wait_for("127.0.0.1", 5055)
            yield "127.0.0.1:5055"
        finally:
            process.terminate()


def wait_for(host: str, port: int) -> None:
    import socket
    import time

    for _ in range(100):
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"nothing answers at {host}:{port}")

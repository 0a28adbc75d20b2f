"""The fixtures of the end-to-end tests. README.md says what there is; the folder support, what it is made of."""

from __future__ import annotations

import os
import platform
import secrets
import shutil
import subprocess
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.support.command_line import ROOT, CommandLine
from tests.e2e.support.engines import use_engines
from tests.e2e.support.everything import RECIPES, Circumstances, make_everything
from tests.e2e.support.order import arrange
from tests.e2e.support.projects import NAMED, TINY, copy_project, make_project, write_recipe
from tests.e2e.support.registry import serve_registry
from tests.e2e.support.rust import Rust, provide_debian_rust, provide_full_rust, provide_musl_rust, provide_rust
from tests.e2e.support.shared import Shared, find_shared
from tests.e2e.support.stores import copy_packages, copy_store
from tests.machine import require
from tests.shipped_sample import SAMPLE


def is_alone(item: pytest.Item | None) -> bool:
    return item is not None and item.get_closest_marker("looks_at_engines") is not None


def uses_engines(item: pytest.Item) -> bool:
    return bool({"docker", "podman"} & set(getattr(item, "fixturenames", ())))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    alone = [item for item in items if is_alone(item)]
    others = [item for item in items if not is_alone(item)]
    others.sort(key=lambda item: item.path.stem not in LONG)
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    with_engines = [item for item in others if uses_engines(item)]
    without = [item for item in others if not uses_engines(item)]
    items[:] = arrange(alone, with_engines, without, workers=workers)


LONG = ("test_workflows", "test_one_digest", "test_windows", "test_cross", "test_refresh", "test_hostile")
"""Modules with tests that take long, which are not to be the last."""
_engines = ExitStack()
"""What is held from one test that has the engines alone to the next."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    if not is_alone(item) and not uses_engines(item):
        return (yield)
    if not _held:
        _engines.enter_context(use_engines(alone=is_alone(item)))
        _held.append(item)
    try:
        return (yield)
    finally:
        if not (is_alone(item) and is_alone(nextitem)):
            _held.clear()
            _engines.close()


_held: list[pytest.Item] = []
"""The test for which the engines were taken."""


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    """Where a run keeps what all its workers have."""
    return find_shared(tmp_path_factory)


# -- tiny images: for most tests, which need any image -----------------------------------------------------------------


@pytest.fixture(scope="session")
def bootstrapped(shared: Shared) -> CommandLine:
    """A project with the recipe `tiny`, and a store in which it is built. Nobody changes either."""

    def make(folder: Path) -> None:
        line = CommandLine(folder / "store", make_project(folder / "project", {"tiny": TINY}))
        line.run("lock")
        line.run("render")
        line.run("build", "tiny", "--engine", "sandbox")

    folder = shared.make_once("tiny", make)
    return CommandLine(folder / "store", folder / "project")


@pytest.fixture
def tiny(bootstrapped: CommandLine, tmp_path: Path) -> CommandLine:
    """A project and a store of the test's own, in which the recipe `tiny` is locked and built."""
    store = copy_store(bootstrapped.store, tmp_path / "store")
    return copy_project(CommandLine(store, bootstrapped.folder), tmp_path / "project")


@pytest.fixture
def tiny_cold(bootstrapped: CommandLine, tmp_path: Path) -> CommandLine:
    """The same, with the packages fetched and nothing built."""
    store = copy_packages(bootstrapped, tmp_path / "cold-store", "tiny")
    return copy_project(CommandLine(store, bootstrapped.folder), tmp_path / "cold-project")


@pytest.fixture
def tiny_empty(bootstrapped: CommandLine, tmp_path: Path) -> CommandLine:
    """The same, with nothing in the store."""
    return copy_project(CommandLine(tmp_path / "empty-store", bootstrapped.folder), tmp_path / "empty-project")


@pytest.fixture(scope="session")
def paired(shared: Shared, bootstrapped: CommandLine) -> CommandLine:
    """Two tiny recipes that share all layers but one, built. Nobody changes them."""

    def make(folder: Path) -> None:
        recipes = {name: NAMED.format(name=name, base="debian-trixie") for name in ("one", "two")}
        line = CommandLine(copy_store(bootstrapped.store, folder / "store"), make_project(folder / "project", recipes))
        line.run("lock")
        line.run("render")
        line.run("build", "--all", "--engine", "sandbox")

    folder = shared.make_once("paired", make)
    return CommandLine(folder / "store", folder / "project")


@pytest.fixture
def pair(paired: CommandLine, tmp_path: Path) -> CommandLine:
    """Two tiny recipes that share all layers but one, built: a project and a store to do with as one likes."""
    store = copy_store(paired.store, tmp_path / "pair-store")
    return copy_project(CommandLine(store, paired.folder), tmp_path / "pair")


@pytest.fixture(scope="session")
def everything(shared: Shared) -> CommandLine:
    """The project with everything that a layer can hold, built by the sandbox. Nobody changes it."""

    def make(folder: Path) -> None:
        line = make_everything(folder / "project", folder / "store")
        for recipe in RECIPES:
            Circumstances().build(line, recipe, "--engine", "sandbox")

    folder = shared.make_once("everything", make)
    return CommandLine(folder / "store", folder / "project")


# -- images that pass all probes ---------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def flagship(shared: Shared) -> CommandLine:
    """Some shipped recipes, locked to what the archive has now: what the committed locks name may have left it. And a
    store in which aarch64-gnu is built. Nobody changes either."""

    def make(folder: Path) -> None:
        project = make_project(folder / "project", {})
        for name in SAMPLE:
            shutil.copy(ROOT / "recipes" / f"{name}.toml", project / "recipes")
            shutil.copytree(ROOT / "images" / name, project / "images" / name)
        shutil.copytree(ROOT / "images/bases", project / "images/bases")
        line = CommandLine(folder / "store", project)
        line.run("lock", "--upgrade")
        line.run("render")
        line.run("build", "aarch64-gnu", "--engine", "sandbox")

    folder = shared.make_once("flagship", make)
    return CommandLine(folder / "store", folder / "project")


@pytest.fixture(scope="session")
def shipped(shared: Shared, flagship: CommandLine) -> CommandLine:
    """The same recipes, and a store in which all tests of a run build what they need."""

    def make(folder: Path) -> None:
        copy_store(flagship.store, folder / "store")

    folder = shared.make_once("shipped", make)
    return CommandLine(folder / "store", flagship.folder)


@pytest.fixture
def warm(shipped: CommandLine, tmp_path: Path) -> CommandLine:
    """The shipped recipes, to do with as one likes, and the run's store, in which aarch64-gnu is built."""
    return copy_project(shipped, tmp_path / "shipped")


@pytest.fixture(scope="session")
def finished(shared: Shared, shipped: CommandLine) -> CommandLine:
    """A project with two recipes that share all layers but one, built and checked. Nobody changes it."""

    def make(folder: Path) -> None:
        recipes = {name: NAMED.format(name=name, base="trixie") for name in ("one", "two")}
        line = shipped.at(make_project(folder / "project", recipes))
        line.run("lock")
        line.run("render")
        line.run("build", "--all", "--engine", "sandbox")
        line.run("check", "--all", "--engine", "sandbox")

    return shipped.at(shared.make_once("finished", make) / "project")


@pytest.fixture
def studio(finished: CommandLine, tmp_path: Path) -> CommandLine:
    """The same project, to do with as one likes."""
    return copy_project(finished, tmp_path / "studio")


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """A project of the test's own: the shipped bases, and recipes given as text."""

    def make(text: str, name: str = "probe") -> Path:
        folder = tmp_path / "project"
        if not folder.exists():
            make_project(folder, {})
        write_recipe(folder, name, text)
        return folder

    return make


# -- what the machine has ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def root() -> None:
    require(os.geteuid() == 0, "root")


@pytest.fixture(scope="session")
def docker() -> None:
    found = subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False).returncode == 0
    require(found and _answers("docker", "info"), "a Docker engine and buildx")


@pytest.fixture(scope="session")
def podman() -> None:
    require(shutil.which("podman") is not None, "podman")


def _answers(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0
    except OSError:
        return False


@pytest.fixture
def unique() -> str:
    """A name that no other test has, in this run or another: for images in engines, which are one for all."""
    return f"test-{secrets.token_hex(4)}"


@pytest.fixture(scope="session")
def rust() -> Rust:
    """The machine's toolchain, for x86_64 hosts."""
    _require_rust()
    return provide_rust()


@pytest.fixture(scope="session")
def debian_rust() -> Rust:
    """Debian's toolchain, with the std of foreign targets as well, and the source of std."""
    _require_rust()
    require(shutil.which("dpkg-deb") is not None, "dpkg-deb")
    return provide_debian_rust()


@pytest.fixture(scope="session")
def musl_rust(debian_rust: Rust) -> Rust:
    """The same, with a std for musl, for `make prove`."""
    return provide_musl_rust()


@pytest.fixture(scope="session")
def full_rust() -> Rust:
    """The same, with the std of Windows, macOS and a microcontroller, too."""
    _require_rust()
    return provide_full_rust()


def _require_rust() -> None:
    require(platform.machine() == "x86_64", "an x86_64 machine")
    require(shutil.which("rustup") is not None, "rustup")


# -- registries --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A stock registry on loopback."""
    with serve_registry(tmp_path_factory.mktemp("registry")) as host:
        yield host


@pytest.fixture
def place(registry: str, unique: str) -> str:
    """A namespace of the test's own in it."""
    return f"{registry}/{unique}"

"""What happens to a build happens to it for real: killed, interrupted, doubled, out of disk, damaged."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.conftest import CommandLine, copy_packages, copy_store

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

RECIPE = "aarch64-gnu"


def list_processes(store: Path) -> list[str]:
    """Command lines of processes that have to do with a store."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(store) in words and "pytest" not in words:
            found.append(words)
    return found


def assert_nothing_left(store: Path) -> None:
    """No process, no mount, no half-written blob."""
    deadline = time.monotonic() + 10
    while (left := list_processes(store)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left
    assert str(store) not in Path("/proc/self/mounts").read_text()
    for blob in store.glob("blobs/sha256/*/*"):
        if blob.stat().st_mtime > time.time() - 3600:
            digest = subprocess.run(["sha256sum", blob], capture_output=True, text=True, check=True).stdout[:64]
            assert digest == blob.name


@pytest.mark.parametrize("seconds", [0.3, 4, 12])
def test_killed_at_any_moment_the_next_run_is_right(seconds: float, cold: CommandLine, warm: CommandLine) -> None:
    process = cold.start("build", RECIPE)
    time.sleep(seconds)
    process.kill()
    process.communicate()
    assert_nothing_left(cold.store)
    assert cold.build(RECIPE)["digest"] == warm.build(RECIPE)["digest"]
    assert not list((cold.store / "tmp").iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(number: signal.Signals, cold: CommandLine) -> None:
    process = cold.start("build", RECIPE, start_new_session=True)
    time.sleep(4)
    os.killpg(process.pid, number)
    out, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert not out
    assert error.splitlines()[-1] == "interrupted"
    assert "Traceback" not in error
    assert_nothing_left(cold.store)
    assert not list((cold.store / "tmp").iterdir())


# -- what engines keep ------------------------------------------------------------------------------------------------

TINY_BASE = """\
description = "the root, and nothing more"
base = "debian-trixie"
"""
ONE_STEP = """\
description = "one step"
target = "x86_64-unknown-linux-gnu"
kind = "gcc"
base = "tiny"
platforms = ["linux/amd64"]
runner = "none"

[[run]]
name = "step"
script = "{script}"
"""
ENDLESS = "sleep 86399"


def list_lines(*command: str) -> set[str]:
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())


def look_into(engine: str) -> set[str]:
    """All that an engine has which a build can leave behind: containers, named images, mounts, the runtime's state."""
    found = set(list_processes_like(ENDLESS))
    if engine == "docker":
        found |= list_lines("docker", "ps", "--all", "--quiet")
        return found | list_lines("docker", "images", "--format", "{{.Repository}}:{{.Tag}}")
    found |= list_lines("podman", "ps", "--all", "--storage", "--format", "{{.ID}} {{.Names}}")
    found |= list_lines("podman", "images", "--noheading", "--filter=dangling=false")
    found |= {line for line in Path("/proc/self/mounts").read_text().splitlines() if "/storage/overlay/" in line}
    for place in ("/run/runc/*", "/run/crun/*", "/var/tmp/buildah*", "/sys/fs/cgroup/*/buildah*"):
        found |= {str(path) for path in Path("/").glob(place[1:])}
    return found


def list_processes_like(words: str) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip() == words:
                found.append(f"{words} {folder.name}")
    return found


@pytest.fixture
def small(cold: CommandLine, project: Callable[[str, str], Path]) -> CommandLine:
    """Recipes of one step on a base that the sandbox has built."""
    for name, script in (("endless", f"exec {ENDLESS}"), ("first", "true"), ("beside", "id"), ("after", "date")):
        folder = project(ONE_STEP.format(script=script), name)
    (folder / "recipes" / "bases" / "tiny.toml").write_text(TINY_BASE)
    line = cold.at(folder)
    line.run("lock")
    line.run("build", "first", "--engine", "sandbox")
    return line


@contextmanager
def endless_build(line: CommandLine, engine: str) -> Iterator[subprocess.Popen[str]]:
    """A build that is at a step which does not end."""
    process = line.start("build", "endless", "--engine", engine, start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while not list_processes_like(ENDLESS):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.looks_at_engines
@pytest.mark.usefixtures("docker", "podman")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_an_interrupted_build_leaves_nothing_in_its_engine(
    engine: str, number: signal.Signals, small: CommandLine
) -> None:
    before = look_into(engine)
    with endless_build(small, engine) as process:
        assert look_into(engine) > before
        os.killpg(process.pid, number)
        out, error = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert error.splitlines()[-1] == "interrupted"
    assert "Traceback" not in error
    assert look_into(engine) <= before
    assert_nothing_left(small.store)


@pytest.mark.looks_at_engines
@pytest.mark.usefixtures("docker", "podman")
@pytest.mark.parametrize("group", [False, True], ids=["alone", "with-its-group"])
@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_what_a_killed_build_left_is_cleared_by_the_next(
    engine: str, group: bool, small: CommandLine, tmp_path: Path
) -> None:
    """And only then: what a build beside others finds of theirs is not touched while they run."""
    before = look_into(engine)
    with endless_build(small, engine) as process:
        made = look_into(engine)
        assert made > before
        small.run("build", "beside", "--engine", engine)
        assert process.poll() is None
        assert look_into(engine) == made
        (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
        process.communicate()
    assert_nothing_left(small.store)
    left = look_into(engine)
    assert left > before, "nothing was left; this test can't tell anything"
    assert not list_processes_like(ENDLESS)
    built = small.build("after", "--engine", engine)
    assert built["engine"] == engine
    assert look_into(engine) <= before
    assert not list((small.store / "tmp").iterdir())
    assert not list((small.store / "claims").iterdir())
    other = CommandLine(tmp_path / "other", small.folder)
    assert built["digest"] == other.build("after", "--engine", "sandbox")["digest"]


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.looks_at_engines
@pytest.mark.usefixtures("docker", "podman")
@pytest.mark.parametrize("group", [False, True], ids=["alone", "with-its-group"])
@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_what_a_killed_command_left_is_cleared(engine: str, group: bool, small: CommandLine, tmp_path: Path) -> None:
    """At once by what it is tied to, where that still lives; else by the next. What others run is not touched."""
    words = ("run", "--engine", engine, "--mount", tmp_path, "first", "--")
    small.run(*words, "true")
    before = look_into(engine)
    process = small.start(*words, *ENDLESS.split(), start_new_session=True)
    wait_until(lambda: bool(list_processes_like(ENDLESS)))
    made = look_into(engine)
    assert made > before
    small.run(*words, "true")
    assert process.poll() is None
    assert look_into(engine) == made
    (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
    process.communicate()
    if not group:
        wait_until(lambda: not list_processes_like(ENDLESS))
    small.run(*words, "true")
    assert look_into(engine) <= before
    assert not list((small.store / "claims").iterdir())


@pytest.mark.looks_at_engines
@pytest.mark.usefixtures("docker")
def test_what_a_killed_check_left_is_cleared_by_the_next(small: CommandLine, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    small.run("build", "first", "--output", layout)
    words = ("run", "--engine", "docker", "--mount", tmp_path, "first", "--", "true")
    small.run(*words)
    before = look_into("docker")
    process = small.start("check", layout)
    wait_until(lambda: any("imagefab-check:" in line for line in look_into("docker")))
    process.kill()
    process.communicate()
    assert any("imagefab-check:" in line for line in look_into("docker"))
    small.run(*words)
    assert look_into("docker") <= before
    assert not list((small.store / "claims").iterdir())


def test_two_at_once_build_once(cold: CommandLine, warm: CommandLine) -> None:
    processes = [cold.start("build", RECIPE, "--json") for _ in range(2)]
    images = []
    for process in processes:
        out, error = process.communicate(timeout=300)
        assert process.returncode == 0, error
        images.append(json.loads(out)["images"][0])
    assert {image["digest"] for image in images} == {warm.build(RECIPE)["digest"]}
    cached = [[layer["cached"] for layer in image["platforms"]["linux/amd64"]["layers"]] for image in images]
    assert [sorted(pair) for pair in zip(*cached, strict=True)] == [[False, True]] * len(cached[0])


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize("size", ["60m", "380m", "450m"])
def test_full_disk(size: str, warm: CommandLine, tmp_path: Path) -> None:
    """Full while fetching, while building the first layers, and late: one clear error, nothing half-written."""
    with small_disk(tmp_path / "disk", size) as disk:
        line = CommandLine(disk / "store", warm.folder)
        failed = line.run("build", RECIPE, code=5)
        assert "the disk is full" in failed.stderr
        assert not failed.stdout
        for blob in line.store.glob("blobs/sha256/*/*"):
            digest = subprocess.run(["sha256sum", blob], capture_output=True, text=True, check=True).stdout[:64]
            assert digest == blob.name
        subprocess.run(["mount", "-o", "remount,size=2g", disk], check=True)
        assert line.build(RECIPE)["digest"] == warm.build(RECIPE)["digest"]


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_read_only_store(warm: CommandLine, tmp_path: Path) -> None:
    """It serves what it has; what has to be built can't be, and that is said."""
    store = copy_packages(warm, tmp_path / "store")
    with read_only(store):
        failed = CommandLine(store, warm.folder).run("build", RECIPE, code=5)
        assert "Read-only file system" in failed.stderr
        assert "--store" in failed.stderr
    with read_only(warm.store):
        assert warm.build(RECIPE)["engine"] is None


def damage_byte(path: Path) -> None:
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))


def truncate(path: Path) -> None:
    path.chmod(0o644)
    os.truncate(path, path.stat().st_size // 2)


def unshare_file(path: Path) -> Path:
    """A file of this store's own, where it was a link to another's."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("harm", [damage_byte, truncate, Path.unlink])
@pytest.mark.parametrize("what", ["digest", "listing"])
def test_damaged_layer_is_found_said_and_rebuilt(
    what: str, harm: Callable[[Path], None], warm: CommandLine, tmp_path: Path
) -> None:
    line = CommandLine(copy_store(warm.store, tmp_path / "store"), warm.folder)
    good = line.build(RECIPE)
    layer = good["platforms"]["linux/amd64"]["layers"][-1]
    records = [json.loads(path.read_text()) for path in line.store.glob("layers/*.json")]
    record = next(record for record in records if record["digest"] == layer["digest"])
    blob = record[what].removeprefix("sha256:")
    harm(unshare_file(line.store / "blobs" / "sha256" / blob[:2] / blob))
    mended = line.run("build", RECIPE, "--json")
    assert layer["name"] in mended.stderr
    assert "has to be built again" in mended.stderr
    image = json.loads(mended.stdout)["images"][0]
    assert image["digest"] == good["digest"]
    cached = [layer["cached"] for layer in image["platforms"]["linux/amd64"]["layers"]]
    assert cached == [True] * (len(cached) - 1) + [False]


def test_damaged_package_is_fetched_again(cold: CommandLine, warm: CommandLine) -> None:
    lock = (cold.folder / "images" / RECIPE / "imagefab.lock").read_text()
    blobs = [cold.store / "blobs" / "sha256" / name[:2] / name for name in re.findall(r'sha256 = "(\w{64})"', lock)]
    largest = max((path for path in blobs if path.exists()), key=lambda path: path.stat().st_size)
    copy = largest.read_bytes()
    largest.unlink()
    largest.write_bytes(copy)
    damage_byte(largest)
    built = cold.run("build", RECIPE, "--json")
    assert "was damaged in the store" in built.stderr
    assert json.loads(built.stdout)["images"][0]["digest"] == warm.build(RECIPE)["digest"]


def test_offline_says_what_is_missing(empty: CommandLine) -> None:
    failed = empty.run("--offline", "build", RECIPE, code=6)
    assert "not in the store" in failed.stderr
    assert "gcc-14" in failed.stderr


def test_all_goes_on_when_one_fails(cold: CommandLine, project: Callable[[str, str], Path]) -> None:
    good = (cold.folder / "recipes" / "aarch64-gnu.toml").read_text()
    folder = project(good, "good")
    project(good + '\n[[run]]\nname = "fail"\nscript = "echo broken on purpose; exit 3"\n', "bad")
    line = cold.at(folder)
    line.run("lock")
    failed = line.run("build", "--all", code=5)
    assert failed.stdout.startswith("good@sha256:")
    assert len(failed.stdout.splitlines()) == 1
    assert "broken on purpose" in failed.stderr
    assert "exit code 3" in failed.stderr

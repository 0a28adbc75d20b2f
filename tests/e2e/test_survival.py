"""What happens to a build happens to it for real: killed, interrupted, doubled, out of disk, damaged."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.support.command_line import CommandLine, list_built, list_layers
from tests.e2e.support.processes import assert_nothing_left, wait_until
from tests.e2e.support.projects import add_recipe, add_step
from tests.e2e.support.stores import copy_store, find_blob, list_packages, unshare_file

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

RECIPE = "tiny"
MOMENTS: dict[str, Callable[[Path], object]] = {
    "at the start": lambda store: store.exists(),
    "while a step runs": lambda store: any(store.glob("tmp/*/*")),
    "between two layers": lambda store: any(store.glob("layers/*.json")),
}
"""What a store has by then."""


@pytest.fixture
def expected(bootstrapped: CommandLine) -> str:
    digest: str = bootstrapped.build(RECIPE)["digest"]
    return digest


@pytest.mark.parametrize(
    "moment", [pytest.param(m, marks=[pytest.mark.prove] if m == "at the start" else []) for m in MOMENTS]
)
def test_killed_at_any_moment_the_next_run_is_right(moment: str, tiny_cold: CommandLine, expected: str) -> None:
    process = tiny_cold.start("build", RECIPE)
    wait_until(lambda: MOMENTS[moment](tiny_cold.store))
    time.sleep(0.2)
    process.kill()
    process.communicate()
    assert_nothing_left(tiny_cold.store)
    assert tiny_cold.build(RECIPE)["digest"] == expected
    assert not list((tiny_cold.store / "tmp").iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(number: signal.Signals, tiny_cold: CommandLine) -> None:
    process = tiny_cold.start("build", RECIPE, start_new_session=True)
    wait_until(lambda: MOMENTS["while a step runs"](tiny_cold.store))
    os.killpg(process.pid, number)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert not out
    assert error.splitlines()[-1] == "interrupted"
    assert "Traceback" not in error
    assert_nothing_left(tiny_cold.store)
    assert not list((tiny_cold.store / "tmp").iterdir())


def test_two_at_once_build_once(tiny_cold: CommandLine, expected: str) -> None:
    processes = [tiny_cold.start("build", RECIPE, "--json") for _ in range(2)]
    images = []
    for process in processes:
        out, error = process.communicate(timeout=300)
        assert process.returncode == 0, error
        images.append(json.loads(out)["images"][0])
    assert {image["digest"] for image in images} == {expected}
    cached = [[layer["cached"] for layer in list_layers(image)] for image in images]
    assert [sorted(pair) for pair in zip(*cached, strict=True)] == [[False, True]] * len(cached[0])


# -- disks -------------------------------------------------------------------------------------------------------------


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize("size", ["15m", *(pytest.param(size, marks=pytest.mark.prove) for size in ("36m", "50m"))])
def test_full_disk(size: str, bootstrapped: CommandLine, expected: str, tmp_path: Path) -> None:
    """Full while fetching, while building the first layers, and late: one clear error, nothing half-written."""
    with small_disk(tmp_path / "disk", size) as disk:
        line = CommandLine(disk / "store", bootstrapped.folder)
        failed = line.run("build", RECIPE, code=5)
        assert "the disk is full" in failed.stderr
        assert not failed.stdout
        for blob in line.store.glob("blobs/sha256/*/*"):
            digest = subprocess.run(["sha256sum", blob], capture_output=True, text=True, check=True).stdout[:64]
            assert digest == blob.name
        subprocess.run(["mount", "-o", "remount,size=2g", disk], check=True)
        assert line.build(RECIPE)["digest"] == expected


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    subprocess.run(["mount", "--bind", folder, folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_read_only_store(tiny: CommandLine, tiny_cold: CommandLine) -> None:
    """It serves what it has; what has to be built can't be, and that is said."""
    with read_only(tiny_cold.store):
        failed = tiny_cold.run("build", RECIPE, code=5)
        assert "Read-only file system" in failed.stderr
        assert "--store" in failed.stderr
    with read_only(tiny.store):
        assert tiny.build(RECIPE)["engine"] is None


# -- damage ------------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("harm", [damage_byte, truncate, Path.unlink])
@pytest.mark.parametrize("what", ["digest", "listing"])
def test_damaged_layer_is_found_and_rebuilt(
    what: str, harm: Callable[[Path], None], pair: CommandLine, tmp_path: Path
) -> None:
    line = CommandLine(copy_store(pair.store, tmp_path / "store"), pair.folder)
    good = line.build("one")
    layer = list_layers(good)[-1]
    records = [json.loads(path.read_text())["layers"] for path in line.store.glob("layers/*.json")]
    record = next(one for layers in records for one in layers if one["digest"] == layer["digest"])
    harm(unshare_file(find_blob(line.store, record[what])))
    mended = line.run("build", "one", "--json")
    assert layer["name"] in mended.stderr
    assert "build it again" in mended.stderr
    image = json.loads(mended.stdout)["images"][0]
    assert image["digest"] == good["digest"]
    assert list_built(image) == [layer["name"]]


def test_damaged_package_is_fetched_again(tiny_cold: CommandLine, expected: str) -> None:
    largest = max(list_packages(tiny_cold, RECIPE), key=lambda path: path.stat().st_size)
    damage_byte(unshare_file(largest))
    built = tiny_cold.run("build", RECIPE, "--json")
    assert "is damaged in the store" in built.stderr
    assert json.loads(built.stdout)["images"][0]["digest"] == expected


def test_offline_says_what_is_missing(tiny_empty: CommandLine) -> None:
    failed = tiny_empty.run("--offline", "build", RECIPE, code=6)
    assert "not in the store" in failed.stderr
    assert "base-files" in failed.stderr


def test_all_goes_on_when_one_fails(tiny: CommandLine) -> None:
    add_recipe(tiny, "bad", add_step("echo broken on purpose; exit 3"))
    failed = tiny.run("build", "--all", code=5)
    assert failed.stdout.startswith("tiny@sha256:")
    assert len(failed.stdout.splitlines()) == 1
    assert "broken on purpose" in failed.stderr
    assert "exit code 3" in failed.stderr

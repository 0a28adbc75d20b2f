"""`gc --registry`: images that no record of late names, on a fake registry, with records in a real git."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import RunImagefab
from tests.registry.fake_registry import FakeRegistry, Fault, Habits, serve

from imagefab.digest import Digest
from imagefab.oci.image import INDEX
from imagefab.platforms import AMD64
from imagefab.records.published import Published, render_published

NAME = "org/aarch64-gnu"


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with serve(Habits(auth="none")) as made:
        yield made


def git(folder: Path, *words: str) -> None:
    settings = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *settings, *words], cwd=folder, check=True, capture_output=True)


def push(registry: FakeRegistry, number: int, *tags: str) -> Digest:
    data = json.dumps({"schemaVersion": 2, "manifests": [], "n": number}).encode()
    digest = Digest.of_bytes(data)
    for name in (str(digest), *tags):
        registry.manifests[NAME, name] = (INDEX, data)
    return digest


def tag(digest: Digest) -> str:
    return f"2026-01-01-{digest.short}"


def publish(registry: FakeRegistry, project: Path, number: int) -> Digest:
    """What one night leaves on the registry and in git."""
    digest = push(registry, number)
    registry.manifests[NAME, tag(digest)] = registry.manifests[NAME, str(digest)]
    record = Published(name=f"{registry.host}/{NAME}", digest=digest, platforms=(AMD64,), tag=tag(digest))
    (project / "images/aarch64-gnu/published.toml").write_text(render_published("aarch64-gnu", record))
    git(project, "add", "-A")
    git(project, "commit", "-m", f"night {number}")
    return digest


@pytest.fixture
def nights(registry: FakeRegistry, small_project: Path) -> list[Digest]:
    """Five of them, and what others have put there."""
    git(small_project, "init", "-q")
    push(registry, 100, "by-hand", "2026-01-01-notours")
    return [publish(registry, small_project, number) for number in range(5)]


def list_tags(registry: FakeRegistry) -> set[str]:
    return {name for _, name in registry.manifests if ":" not in name}


def test_it_lists_what_no_record_names(imagefab: RunImagefab, registry: FakeRegistry, nights: list[Digest]) -> None:
    result = imagefab("gc", "--registry", "--nights", "3")
    assert result.code == 0
    assert result.out.splitlines() == sorted(f"{registry.host}/{NAME}:{tag(one)}@{one}" for one in nights[:2])
    assert "--delete deletes them" in result.err
    assert registry.methods("DELETE") == []


def test_it_deletes_when_asked(imagefab: RunImagefab, registry: FakeRegistry, nights: list[Digest]) -> None:
    """With what is attached, and nothing else."""
    signature, kept = push(registry, 200, f"sha256-{nights[0].hex}.sig"), push(registry, 201, f"sha256-{nights[4].hex}")
    assert imagefab("gc", "--registry", "--nights", "3", "--delete").code == 0
    left = {tag(one) for one in nights[2:]}
    assert list_tags(registry) == left | {"by-hand", "2026-01-01-notours", f"sha256-{nights[4].hex}"}
    assert (NAME, str(signature)) not in registry.manifests
    assert (NAME, str(kept)) in registry.manifests
    assert imagefab("gc", "--registry", "--nights", "3").out == ""


def test_all_is_named_by_default(imagefab: RunImagefab, registry: FakeRegistry, nights: list[Digest]) -> None:
    result = imagefab("gc", "--registry", "--delete")
    assert (result.code, result.out, len(nights)) == (0, "", 5)
    assert "name all images there" in result.err
    assert registry.methods("DELETE") == []


def test_a_moving_tag_keeps_what_it_points_to(
    imagefab: RunImagefab, registry: FakeRegistry, nights: list[Digest], small_project: Path
) -> None:
    (small_project / "imagefab.toml").write_text('[publish]\ntag = "stable"\n')
    registry.manifests[NAME, "stable"] = registry.manifests[NAME, tag(nights[0])]
    result = imagefab("gc", "--registry", "--nights", "3")
    assert result.out.splitlines() == [f"{registry.host}/{NAME}:{tag(nights[1])}@{nights[1]}"]


def test_a_registry_that_deletes_nothing(imagefab: RunImagefab, registry: FakeRegistry, nights: list[Digest]) -> None:
    registry.faults.append(Fault("DELETE", lambda handler: handler.refuse(405, "UNSUPPORTED")))
    result = imagefab("gc", "--registry", "--nights", "3", "--delete")
    assert result.code == 6
    assert "does not let images be deleted" in result.err
    assert tag(nights[0]) in list_tags(registry)


def test_nothing_was_published(imagefab: RunImagefab, small_project: Path) -> None:
    result = imagefab("gc", "--registry")
    assert result.code == 2
    assert "nothing was published from here" in result.err


@pytest.mark.parametrize("words", [("--delete",), ("--nights", "3"), ("--registry", "--delete", "--dry-run")])
def test_options_that_make_no_sense(imagefab: RunImagefab, small_project: Path, words: tuple[str, ...]) -> None:
    assert imagefab("gc", *words).code == 2

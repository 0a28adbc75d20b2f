"""`imagefab cross-toml`: which images it pins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import RunImagefab, read_json
from tests.cli.sample_pins import PUBLISHED, TO, TRIPLE, add_rival, publish

from imagefab.digest import Digest
from imagefab.oci.image import local_pin


def test_images_that_were_built(imagefab: RunImagefab, project: Path, build: Callable[..., str]) -> None:
    digest = build("aarch64-musl", "--platform", "linux/amd64")
    reference = f"ghcr.io/acme/images/aarch64-musl@{digest}"
    result = imagefab("cross-toml", "aarch64-musl", *TO)
    assert (result.code, result.out) == (0, f"{reference}\n")
    assert result.err == ("warning: not published yet, so cross can't pull them: aarch64-musl\nCross.toml written\n")
    assert (project / "Cross.toml").read_text() == f'[target.{TRIPLE}]\nimage = "{reference}"\n'
    again = imagefab("cross-toml", "aarch64-musl", *TO)
    assert (again.code, again.out) == (0, result.out)
    assert again.err.endswith("Cross.toml is up to date\n")


def test_both_host_platforms_are_one_image(imagefab: RunImagefab, project: Path, build: Callable[..., str]) -> None:
    index = build("aarch64-musl", "--platform", "all")
    result = imagefab("cross-toml", "aarch64-musl", *TO, "--json")
    (target,) = read_json(result)["targets"]
    assert target == {
        "target": TRIPLE,
        "recipe": "aarch64-musl",
        "image": f"ghcr.io/acme/images/aarch64-musl@{index}",
        "digest": index,
        "platforms": ["linux/amd64", "linux/arm64"],
        "changed": True,
    }
    assert "toolchain" not in (project / "Cross.toml").read_text()
    imagefab("cross-toml", "aarch64-musl", *TO, "--cross", "main")
    hosts = '["linux/amd64=x86_64-unknown-linux-gnu", "linux/arm64=aarch64-unknown-linux-gnu"]'
    assert f'@{index}", toolchain = {hosts} }}\n' in (project / "Cross.toml").read_text()


def test_the_repository_of_the_settings(imagefab: RunImagefab, project: Path, build: Callable[..., str]) -> None:
    (project / "imagefab.toml").write_text('[publish]\nto = "ghcr.io/ours"\n')
    digest = build("x86_64-gnu", "--platform", "linux/amd64")
    assert imagefab("cross-toml", "x86_64-gnu").out == f"ghcr.io/ours/x86_64-gnu@{digest}\n"


def test_images_that_were_published(imagefab: RunImagefab, project: Path) -> None:
    publish(project)
    (project / "imagefab.toml").write_text('[publish]\nto = "ghcr.io/ours"\n')
    result = imagefab("cross-toml", "aarch64-musl")
    assert (result.code, result.out) == (0, f"registry.example/team/aarch64-musl@{PUBLISHED}\n")
    assert result.err == "Cross.toml written\n"
    assert imagefab("cross-toml", "aarch64-musl", *TO).out == f"ghcr.io/acme/images/aarch64-musl@{PUBLISHED}\n"


def test_a_lock_that_moved_on_is_a_warning(imagefab: RunImagefab, project: Path, build: Callable[..., str]) -> None:
    digest = build("aarch64-musl", "--platform", "linux/amd64")
    publish(project, digest=digest)
    assert imagefab("cross-toml", "aarch64-musl").err == "Cross.toml written\n"
    publish(project)
    result = imagefab("cross-toml", "aarch64-musl")
    assert result.out.endswith(f"@{PUBLISHED}\n")
    assert f"warning: aarch64-musl: keeping the published pin; the lock makes {digest}\n" in result.err
    (project / "images" / "aarch64-musl" / "imagefab.lock").unlink()
    result = imagefab("-q", "cross-toml", "aarch64-musl")
    assert result.code == 0
    assert "keeping the published pin: aarch64-musl is not locked yet" in result.err


def test_a_build_of_an_older_lock_is_not_pinned(
    imagefab: RunImagefab, project: Path, build: Callable[..., str]
) -> None:
    build("aarch64-musl")
    lock = project / "images" / "aarch64-musl" / "imagefab.lock"
    lock.write_text(lock.read_text().replace(" trixie main/", " trixie other/", 1))
    result = imagefab("cross-toml", "aarch64-musl", *TO)
    assert (result.code, result.out) == (4, "")
    assert not (project / "Cross.toml").exists()


def test_nothing_was_built(imagefab: RunImagefab, project: Path) -> None:
    result = imagefab("cross-toml", "aarch64-musl", *TO)
    assert (result.code, result.out) == (4, "")
    assert result.err == (
        "error: aarch64-musl has no image to pin: none is built from its lock\n\n"
        "hint: run `imagefab build aarch64-musl`\n"
    )
    result = imagefab("cross-toml", "aarch64-musl")
    assert result.code == 2
    assert "--local" in result.err
    result = imagefab("cross-toml", *TO)
    assert result.code == 4
    assert result.err == (
        "error: no recipe has an image to pin\n\nhint: name one to see why, like `imagefab cross-toml aarch64-gnu`; "
        "`--local` pins loaded images\n"
    )
    assert not (project / "Cross.toml").exists()


@pytest.mark.parametrize("text", ["", "name = 1\n", "\udcff"])
def test_broken_records(imagefab: RunImagefab, project: Path, text: str) -> None:
    record = project / "images" / "aarch64-musl" / "published.toml"
    record.write_bytes(text.encode(errors="surrogateescape"))
    result = imagefab("cross-toml", "aarch64-musl")
    assert result.code == 4
    assert "images/aarch64-musl/published.toml" in result.err
    assert "hint: remove it, and run `imagefab publish aarch64-musl`" in result.err


def test_all_recipes_that_have_an_image(imagefab: RunImagefab, project: Path, build: Callable[..., str]) -> None:
    build("riscv64gc-gnu")
    publish(project)
    result = imagefab("cross-toml", *TO)
    assert [line.partition("@")[0].rpartition("/")[2] for line in result.out.splitlines()] == [
        "aarch64-musl",
        "riscv64gc-gnu",
    ]
    without = ["aarch64-gnu", "aarch64-gnu-bookworm", "aarch64-gnu-bullseye", "x86_64-gnu", "x86_64-musl"]
    assert result.err.startswith(f"skipped, as there is no image to pin: {', '.join(without)}\n")
    assert not read_json(imagefab("cross-toml", *TO, "--json"))["changed"]
    (project / "Cross.toml").unlink()
    value = read_json(imagefab("cross-toml", *TO, "--json"))
    assert [one["recipe"] for one in value["left_out"]] == without
    assert "has no image to pin" in value["left_out"][0]["reason"]


def test_only_targets_that_the_file_has(imagefab: RunImagefab, project: Path) -> None:
    """Whoever names no recipe wants new pins, and neither new targets nor advice on others."""
    publish(project)
    for name in ("aarch64-gnu", "aarch64-gnu-bookworm", "x86_64-gnu"):
        publish(project, name)
    file = project / "Cross.toml"
    file.write_text(f'[target.{TRIPLE}]\nimage = "registry.example/team/aarch64-musl:old"\n')
    result = imagefab("cross-toml")
    assert (result.code, result.out) == (0, f"registry.example/team/aarch64-musl@{PUBLISHED}\n")
    assert file.read_text().count("[target.") == 1
    assert imagefab("cross-toml", "--check").code == 0
    file.write_text(f"{file.read_text()}[target.aarch64-unknown-linux-gnu]\n")
    result = imagefab("cross-toml")
    assert result.code == 0
    assert (
        "aarch64-unknown-linux-gnu is left as it is: name one of its recipes, aarch64-gnu, aarch64-gnu-b" in result.err
    )


def test_check_has_something_to_compare(imagefab: RunImagefab, project: Path) -> None:
    publish(project)
    (project / "Cross.toml").write_text("[target.wasm32-wasip1]\n")
    result = imagefab("cross-toml", "--check")
    assert result.code == 2
    assert "Cross.toml has no image of this project, so there is nothing to compare" in result.err


def test_shipped_recipes_are_named(imagefab: RunImagefab, nowhere: Path) -> None:
    """Nobody published them, least of all where somebody wants to pull from."""
    result = imagefab("cross-toml", *TO)
    assert result.code == 2
    assert "`--from REGISTRY/NAMESPACE` pins what is published there" in result.err


def test_it_works_outside_of_any_project(imagefab: RunImagefab, nowhere: Path, build: Callable[..., str]) -> None:
    build("aarch64-musl")
    assert imagefab("cross-toml", "aarch64-musl", *TO).code == 0
    assert [path.name for path in nowhere.iterdir()] == ["Cross.toml"]


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names that the local engine has."""
    names: set[str] = set()
    monkeypatch.setattr("imagefab.engines.load.make_loaded_check", lambda engine: names.__contains__)
    return names


def test_local_images(imagefab: RunImagefab, project: Path, build: Callable[..., str], loaded: set[str]) -> None:
    publish(project)
    digest = build("aarch64-musl")
    name = local_pin("aarch64-musl", Digest.parse(digest))
    result = imagefab("cross-toml", "aarch64-musl", "--local")
    assert result.code == 4
    assert f"the engine has no {name}" in result.err
    assert "hint: run `imagefab build aarch64-musl --load`" in result.err
    named = imagefab("cross-toml", "aarch64-musl", "--local", "--engine", "podman")
    assert "hint: run `imagefab build aarch64-musl --engine podman --load`" in named.err
    loaded.add(name)
    result = imagefab("cross-toml", "--local")
    assert (result.code, result.out) == (0, f"{name}\n")
    assert "warning" not in result.err, "a tag that is made of a digest does not move"
    assert imagefab("cross-toml", "--local", "--check").code == 0
    # It is for one machine, whatever was built for others.
    assert build("aarch64-musl", "--platform", "all") != digest
    assert imagefab("cross-toml", "--local").out == f"{name}\n"


def test_local_excludes_a_registry(imagefab: RunImagefab, project: Path, loaded: set[str]) -> None:
    assert imagefab("cross-toml", "--local", *TO).code == 2
    assert imagefab("cross-toml", "--engine", "podman", *TO).code == 2


def test_two_recipes_for_one_target(imagefab: RunImagefab, project: Path) -> None:
    add_rival(project)
    publish(project)
    publish(project, "rival")
    for names in ([], ["aarch64-musl", "rival"]):
        result = imagefab("cross-toml", *names)
        assert (result.code, result.out) == (2, "")
        assert f"aarch64-musl and rival are for the same target, {TRIPLE}" in result.err
        assert "hint: name the recipes to use, like `imagefab cross-toml aarch64-musl`" in result.err
    assert imagefab("cross-toml", "rival").code == 0
    assert imagefab("cross-toml").out == f"registry.example/team/rival@{PUBLISHED}\n"


@pytest.mark.parametrize("to", ["https://ghcr.io/x", "ghcr.io/x:tag", "ghcr.io/x/", "", "a b", "ghcr.io/x@sha256:1"])
def test_bad_repositories(imagefab: RunImagefab, project: Path, to: str) -> None:
    result = imagefab("cross-toml", "--to", to)
    assert (result.code, result.out) == (2, "")
    assert "error: --to: " in result.err


def test_show_has_the_entry(imagefab: RunImagefab, project: Path, build: Callable[..., str]) -> None:
    def show() -> Any:
        return read_json(imagefab("show", "aarch64-musl", "--json"))["cross_toml"]

    assert show() is None
    digest = build("aarch64-musl")
    assert local_pin("aarch64-musl", Digest.parse(digest)) in show()["0.2.5"]
    publish(project, platforms="amd64 arm64")
    entries = show()
    assert entries["0.2.5"] == f'[target.{TRIPLE}]\nimage = "registry.example/team/aarch64-musl@{PUBLISHED}"\n'
    assert "toolchain" in entries["main"]
    text = imagefab("show", "aarch64-musl").out
    assert f'\nCross.toml, for cross 0.2.5\n  [target.{TRIPLE}]\n  image = "registry' in text
    assert "\nCross.toml, for cross main\n" in text

"""`cross-toml`: what it pins, what it writes, what it says, and how it ends."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Result, RunImagefab
from tests.engines.fake_engine import FakeEngine

from imagefab.digest import Digest
from imagefab.oci.image import local_pin

TRIPLE = "aarch64-unknown-linux-musl"
TO = ["--to", "ghcr.io/acme/images"]
PUBLISHED = Digest.of_bytes(b"published")


@pytest.fixture
def build(imagefab: RunImagefab, engine: FakeEngine) -> Callable[..., str]:
    """Builds one recipe; its digest."""

    def build_one(recipe: str, *arguments: str) -> str:
        result = imagefab("-q", "build", recipe, *arguments)
        assert result.code == 0, result.err
        return result.out.strip().partition("@")[2]

    return build_one


def publish(project: Path, recipe: str = "aarch64-musl", digest: object = PUBLISHED, platforms: str = "amd64") -> None:
    names = ", ".join(f'"linux/{name}"' for name in platforms.split())
    (project / "images" / recipe / "published.toml").write_text(
        f'name = "registry.example/team/{recipe}"\ndigest = "{digest}"\nplatforms = [{names}]\n'
    )


def read_json(result: Result) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(result.out)
    assert value["schema"] == 1
    return value


def add_rival(project: Path) -> None:
    """Another recipe for the target of aarch64-musl."""
    recipe = (project / "recipes" / "aarch64-musl.toml").read_text()
    (project / "recipes" / "rival.toml").write_text(recipe)
    shutil.copytree(project / "images" / "aarch64-musl", project / "images" / "rival")


# -- what is pinned ---------------------------------------------------------------------------------------------------


def test_what_was_built(imagefab: RunImagefab, project: Path, build: Callable[..., str]) -> None:
    digest = build("aarch64-musl", "--platform", "linux/amd64")
    reference = f"ghcr.io/acme/images/aarch64-musl@{digest}"
    result = imagefab("cross-toml", "aarch64-musl", *TO)
    assert (result.code, result.out) == (0, f"{reference}\n")
    assert result.err == (
        "warning: not published yet, so cross can pull them when they are: aarch64-musl\nCross.toml written\n"
    )
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


def test_the_project_says_where_images_are(imagefab: RunImagefab, project: Path, build: Callable[..., str]) -> None:
    (project / "imagefab.toml").write_text('[publish]\nto = "ghcr.io/ours"\n')
    digest = build("x86_64-gnu", "--platform", "linux/amd64")
    assert imagefab("cross-toml", "x86_64-gnu").out == f"ghcr.io/ours/x86_64-gnu@{digest}\n"


def test_what_was_published(imagefab: RunImagefab, project: Path) -> None:
    publish(project)
    (project / "imagefab.toml").write_text('[publish]\nto = "ghcr.io/ours"\n')
    result = imagefab("cross-toml", "aarch64-musl")
    assert (result.code, result.out) == (0, f"registry.example/team/aarch64-musl@{PUBLISHED}\n")
    assert result.err == "Cross.toml written\n"
    assert imagefab("cross-toml", "aarch64-musl", *TO).out == f"ghcr.io/acme/images/aarch64-musl@{PUBLISHED}\n"


def test_a_lock_that_moved_on_is_said(imagefab: RunImagefab, project: Path, build: Callable[..., str]) -> None:
    digest = build("aarch64-musl", "--platform", "linux/amd64")
    publish(project, digest=digest)
    assert imagefab("cross-toml", "aarch64-musl").err == "Cross.toml written\n"
    publish(project)
    result = imagefab("cross-toml", "aarch64-musl")
    assert result.out.endswith(f"@{PUBLISHED}\n")
    assert f"warning: aarch64-musl: the pin stays at what was published; its lock gives {digest} now\n" in result.err
    (project / "images" / "aarch64-musl" / "imagefab.lock").unlink()
    result = imagefab("-q", "cross-toml", "aarch64-musl")
    assert result.code == 0
    assert "the pin stays at what was published: aarch64-musl is not locked yet" in result.err


def test_a_build_from_before_a_change_is_no_pin(
    imagefab: RunImagefab, project: Path, build: Callable[..., str]
) -> None:
    build("aarch64-musl")
    lock = project / "images" / "aarch64-musl" / "imagefab.lock"
    lock.write_text(lock.read_text().replace("epoch = 1", "epoch = 2", 1))
    result = imagefab("cross-toml", "aarch64-musl", *TO)
    assert (result.code, result.out) == (4, "")
    assert not (project / "Cross.toml").exists()


def test_nothing_was_built(imagefab: RunImagefab, project: Path) -> None:
    result = imagefab("cross-toml", "aarch64-musl", *TO)
    assert (result.code, result.out) == (4, "")
    assert result.err == (
        "error: aarch64-musl has no image to pin: the store has none that its lock makes\n\n"
        "hint: run `imagefab build aarch64-musl`\n"
    )
    result = imagefab("cross-toml", "aarch64-musl")
    assert result.code == 2
    assert "--local" in result.err
    result = imagefab("cross-toml", *TO)
    assert result.code == 4
    assert result.err.startswith("error: no recipe has an image to pin; aarch64-gnu has no image")
    assert not (project / "Cross.toml").exists()


@pytest.mark.parametrize("text", ["", "name = 1\n", "\udcff"])
def test_a_record_that_cannot_be_believed(imagefab: RunImagefab, project: Path, text: str) -> None:
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
    assert result.err.startswith(f"left out, without an image to pin: {', '.join(without)}\n")
    value = read_json(imagefab("cross-toml", *TO, "--json"))
    assert [one["recipe"] for one in value["left_out"]] == without
    assert "has no image to pin" in value["left_out"][0]["reason"]
    assert not value["changed"]


def test_it_works_outside_of_any_project(imagefab: RunImagefab, nowhere: Path, build: Callable[..., str]) -> None:
    build("aarch64-musl")
    assert imagefab("cross-toml", "aarch64-musl", *TO).code == 0
    assert [path.name for path in nowhere.iterdir()] == ["Cross.toml"]


# -- local images -----------------------------------------------------------------------------------------------------


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names that the local engine has."""
    names: set[str] = set()
    monkeypatch.setattr("imagefab.engines.load.make_loaded_check", lambda: names.__contains__)
    return names


def test_local_images(imagefab: RunImagefab, project: Path, build: Callable[..., str], loaded: set[str]) -> None:
    publish(project)
    digest = build("aarch64-musl")
    name = local_pin("aarch64-musl", Digest.parse(digest))
    result = imagefab("cross-toml", "aarch64-musl", "--local")
    assert result.code == 4
    assert f"the engine has no {name}" in result.err
    assert "hint: run `imagefab build aarch64-musl --load`" in result.err
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


# -- the file ---------------------------------------------------------------------------------------------------------

BEFORE = f"""\
# ours
[target.{TRIPLE}]
image = "old"   # by hand
pre-build = ["x"]

[target.s390x-unknown-linux-gnu]
image = "name:tag"
"""


def test_the_rest_of_the_file_stays(imagefab: RunImagefab, project: Path) -> None:
    publish(project)
    file = project / "Cross.toml"
    file.write_text(BEFORE)
    result = imagefab("cross-toml", "aarch64-musl")
    assert result.code == 0
    assert file.read_text() == BEFORE.replace("old", f"registry.example/team/aarch64-musl@{PUBLISHED}")
    assert result.err == (
        "Cross.toml:7:9: warning: `name:tag` can be another image tomorrow, and cross never pulls again what a machine"
        " has\n\nhint: pin it by digest: name@sha256:…\n\nCross.toml written\n"
    )


def test_check(imagefab: RunImagefab, project: Path) -> None:
    publish(project)
    file = project / "Cross.toml"
    result = imagefab("cross-toml", "aarch64-musl", "--check")
    assert (result.code, result.out) == (4, "")
    assert result.err == (
        f"Cross.toml: error: image of {TRIPLE} is missing, but should be registry.example/team/aarch64-musl"
        f"@{PUBLISHED}\n\nhint: run `imagefab cross-toml aarch64-musl`\n"
    )
    assert not file.exists()
    file.write_text(BEFORE)
    result = imagefab("cross-toml", "--check", "--cross", "main")
    assert result.code == 4
    assert f"Cross.toml:3:9: error: image of {TRIPLE} is old, but should be registry.example" in result.err
    assert "hint: run `imagefab cross-toml --cross main`\n" in result.err
    assert file.read_text() == BEFORE
    (target,) = read_json(imagefab("cross-toml", "--check", "--json"))["targets"]
    assert target["changed"]
    imagefab("cross-toml")
    result = imagefab("-q", "cross-toml", "--check")
    assert (result.code, result.out) == (0, "")


def test_check_knows_what_it_cannot_know(imagefab: RunImagefab, project: Path) -> None:
    """The file names an image of a recipe, and nothing says any more which image that should be."""
    publish(project)
    publish(project, "x86_64-gnu")
    imagefab("cross-toml")
    (project / "images" / "x86_64-gnu" / "published.toml").unlink()
    result = imagefab("cross-toml", "--check", *TO)
    assert result.code == 4
    assert "x86_64-gnu has no image to pin" in result.err


def test_the_file_that_is_named(imagefab: RunImagefab, project: Path, tmp_path: Path) -> None:
    publish(project)
    (tmp_path / "work").mkdir()
    assert imagefab("cross-toml", "--file", str(tmp_path / "work" / "Cross.toml")).code == 0
    assert (tmp_path / "work" / "Cross.toml").exists()
    assert imagefab("-C", str(project / "recipes"), "cross-toml").code == 0
    assert (project / "recipes" / "Cross.toml").exists()
    assert not (project / "Cross.toml").exists()


def test_the_version_is_the_one_of_the_file(imagefab: RunImagefab, project: Path) -> None:
    publish(project, platforms="amd64 arm64")
    file = project / "Cross.toml"
    assert read_json(imagefab("cross-toml", "--json"))["cross"] == "0.2.5"
    file.write_text("[build]\nzig = false\n")
    assert read_json(imagefab("cross-toml", "--json"))["cross"] == "main"
    assert "toolchain = [" in file.read_text()
    assert read_json(imagefab("cross-toml", "--json", "--cross", "0.2.5"))["cross"] == "0.2.5"
    assert "toolchain" not in file.read_text()
    assert "hint: only cross's main branch knows it: --cross main" in imagefab("cross-toml", "--cross", "0.2.5").err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "[target.x]\nimage = {name = 'x', toolchain = []}\n",
            "Cross.toml:2:9: error: cross 0.2.5 takes a string here",
        ),
        ("[target.x\n", "Cross.toml:1:"),
        ("target = 1\n", "Cross.toml:1:10: error: cross 0.2.5 takes a table of targets here"),
        ("target.x.image = 1\n[target.y]\n", "Cross.toml:1:18: error: cross 0.2.5 takes a string here"),
        (
            f"[target.{TRIPLE}]\ndockerfile = 'x'\n",
            f"Cross.toml:2:1: error: cross builds this and calls it by `{TRIPLE}`'s pin",
        ),
        (f"[[target.{TRIPLE}]]\n", "Cross.toml:1:1: error: cross 0.2.5 takes a table here"),
    ],
)
def test_what_cross_refuses_is_not_written(imagefab: RunImagefab, project: Path, text: str, says: str) -> None:
    publish(project)
    file = project / "Cross.toml"
    file.write_text(text)
    for more in ([], ["--check"], ["--json"]):
        result = imagefab("cross-toml", "--cross", "0.2.5", *more)
        assert (result.code, result.out) == (3, "")
        assert says in result.err
    assert file.read_text() == text


def test_remarks_in_json(imagefab: RunImagefab, project: Path) -> None:
    publish(project)
    (project / "Cross.toml").write_text("colour = 1\n")
    (project / "our-board-eabihf.json").write_text("{}")
    (remark,) = read_json(imagefab("cross-toml", "--json"))["remarks"]
    assert (remark["line"], remark["column"]) == (1, 1)
    assert "`colour`" in remark["message"]
    assert remark["hint"]


def test_a_triple_of_the_user_is_not_misspelt(imagefab: RunImagefab, project: Path) -> None:
    publish(project)
    (project / "Cross.toml").write_text("[target.aarch64-unknown-linux-gnux]\nrunner = 'native'\n")
    assert "rustc has no target `aarch64-unknown-linux-gnux`" in imagefab("cross-toml").err
    (project / "aarch64-unknown-linux-gnux.json").write_text("{}")
    assert "rustc" not in imagefab("cross-toml").err


def test_a_file_in_small_letters(imagefab: RunImagefab, project: Path) -> None:
    publish(project)
    (project / "cross.toml").write_text("")
    assert "warning: there is a cross.toml, but cross reads Cross.toml\n" in imagefab("cross-toml").err


def test_rivals(imagefab: RunImagefab, project: Path) -> None:
    add_rival(project)
    publish(project)
    publish(project, "rival")
    for names in ([], ["aarch64-musl", "rival"]):
        result = imagefab("cross-toml", *names)
        assert (result.code, result.out) == (2, "")
        assert f"aarch64-musl and rival are for the same target, {TRIPLE}" in result.err
        assert "hint: name the recipes to take, like `imagefab cross-toml aarch64-musl`" in result.err
    assert imagefab("cross-toml", "rival").code == 0
    assert imagefab("cross-toml").out == f"registry.example/team/rival@{PUBLISHED}\n"


@pytest.mark.parametrize("to", ["https://ghcr.io/x", "ghcr.io/x:tag", "ghcr.io/x/", "", "a b", "ghcr.io/x@sha256:1"])
def test_where_images_cannot_be(imagefab: RunImagefab, project: Path, to: str) -> None:
    result = imagefab("cross-toml", "--to", to)
    assert (result.code, result.out) == (2, "")
    assert "error: --to: " in result.err


# -- .cargo/config.toml -----------------------------------------------------------------------------------------------


def test_cargo_config(imagefab: RunImagefab, project: Path) -> None:
    file = project / ".cargo" / "config.toml"
    words = ["cross-toml", "aarch64-musl", "--cargo-config", ".cargo/config.toml"]
    assert imagefab(*words, "--check").code == 4
    assert not file.exists()
    result = imagefab(*words)
    assert (result.code, result.out, result.err) == (0, "", ".cargo/config.toml written\n")
    text = file.read_text()
    assert text == f'[target.{TRIPLE}]\nlinker = "aarch64-linux-musl-gcc"\nrunner = "/linux-runner aarch64"\n'
    assert imagefab(*words).err == ".cargo/config.toml is up to date\n"
    assert imagefab(*words, "--check").code == 0
    file.write_text("# ours\n" + text.replace("aarch64-linux-musl-gcc", "cc") + 'rustflags = ["x"]\n')
    result = imagefab(*words, "--check")
    assert result.code == 4
    assert (
        f".cargo/config.toml:3:10: error: linker of {TRIPLE} is cc, but should be aarch64-linux-musl-gcc" in result.err
    )
    assert "hint: run `imagefab cross-toml aarch64-musl --cargo-config .cargo/config.toml`" in result.err
    (target,) = read_json(imagefab(*words, "--json"))["targets"]
    assert target["linker"] == "aarch64-linux-musl-gcc"
    assert file.read_text() == "# ours\n" + text + 'rustflags = ["x"]\n'
    assert not (project / "Cross.toml").exists()


def test_cargo_config_of_rivals(imagefab: RunImagefab, project: Path) -> None:
    add_rival(project)
    assert imagefab("cross-toml", "--cargo-config", "x.toml").code == 2
    assert imagefab("cross-toml", "--cargo-config", "x.toml", "rival", "x86_64-gnu").code == 0


@pytest.mark.parametrize("text", ["target = 1\n", f"target.{TRIPLE} = 1\n", f"[target.{TRIPLE}.linker]\npath = 'x'\n"])
def test_cargo_config_that_cannot_be_edited(imagefab: RunImagefab, project: Path, text: str) -> None:
    (project / "x.toml").write_text(text)
    result = imagefab("cross-toml", "--cargo-config", "x.toml", "aarch64-musl")
    assert result.code == 3
    assert "x.toml" in result.err
    assert (project / "x.toml").read_text() == text


@pytest.mark.parametrize("option", [["--cross", "main"], ["--file", "x"], TO, ["--local"]])
def test_what_has_nothing_to_do_with_cargo(imagefab: RunImagefab, project: Path, option: list[str]) -> None:
    assert imagefab("cross-toml", "--cargo-config", "x.toml", *option).code == 2


# -- show -------------------------------------------------------------------------------------------------------------


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

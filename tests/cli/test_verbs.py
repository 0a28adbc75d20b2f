"""Verbs on projects: data on standard output, all else on standard error, and the exit codes of the contract."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import NAMES, Result, RunImagefab
from tests.engines.fake_engine import FakeEngine

from imagefab.cli.session import Session
from imagefab.digest import Digest
from imagefab.engines.engine import Command
from imagefab.errors import EngineError, PackageError, SeveralErrors
from imagefab.factory import list_kept
from imagefab.keeping import remember_project
from imagefab.lock.model import FORMAT
from imagefab.oci.collect import Kept
from imagefab.oci.store import Store, StoreError
from imagefab.recipe.loader import list_recipes
from imagefab.recipe.project import find_shipped_project, open_project


def read_json(result: Result) -> dict[str, Any]:
    value = json.loads(result.out)
    assert value["schema"] == 1
    assert isinstance(value, dict)
    return value


def lock_of(project: Path, name: str = "aarch64-gnu") -> Path:
    return project / "images" / name / "imagefab.lock"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def break_lock(project: Path, how: str, name: str = "aarch64-gnu") -> None:
    lock = lock_of(project, name)
    match how:
        case "missing":
            lock.unlink()
        case "stale":
            edit(project / "recipes" / f"{name}.toml", "kind =", 'packages.host = ["jq"]\nkind =')
        case "hand-edited":
            edit(lock, 'version = "', 'version = "9')
        case "newer":
            edit(lock, f"format = {FORMAT}", f"format = {FORMAT + 1}")
        case "cut off":
            lock.write_text(lock.read_text()[:500])
        case "empty":
            lock.write_text("")
        case "merged":
            lock.write_text("<<<<<<< HEAD\n" + lock.read_text())


BROKEN = ["missing", "stale", "hand-edited", "newer", "cut off", "empty", "merged"]

# -- list and show ----------------------------------------------------------------------------------------------------


def test_list(imagefab: RunImagefab, project: Path) -> None:
    result = imagefab("list")
    assert (result.code, result.err) == (0, "")
    head, *rows = result.out.splitlines()
    assert head.split() == [
        *("RECIPE", "TARGET", "KIND", "TOOLCHAIN", "LIBC", "NEEDS", "RUNNER"),
        *("PLATFORMS", "LOCK", "PROBES", "SIZE", "DIGEST"),
    ]
    assert [row.split()[0] for row in rows] == NAMES
    for name, row in zip(NAMES, rows, strict=True):
        assert ("musl 1." if "musl" in name else "glibc 2.") in row
        assert ("  amd64,arm64  " in row) == ("bullseye" not in name)
        assert "  locked  " in row
    assert "glibc 2.36" in rows[1]
    assert "glibc 2.31" in rows[2]


def test_list_outside_of_any_project(imagefab: RunImagefab, nowhere: Path) -> None:
    value = read_json(imagefab("list", "--json"))
    assert [row["recipe"] for row in value["recipes"]] == list(list_recipes(find_shipped_project()))
    assert not any(nowhere.iterdir())


def test_list_says_which_locks_do_not_fit(imagefab: RunImagefab, project: Path) -> None:
    break_lock(project, "stale")
    lock_of(project, "x86_64-gnu").unlink()
    rows = {row["recipe"]: row for row in read_json(imagefab("list", "--json"))["recipes"]}
    others = {"aarch64-gnu": "stale", "x86_64-gnu": "none"}
    assert {name: row["lock"] for name, row in rows.items()} == {name: others.get(name, "locked") for name in NAMES}
    assert rows["aarch64-musl"]["libc"] == "musl"
    assert rows["aarch64-musl"]["libc_floor"].startswith("1.2")
    assert rows["aarch64-gnu"]["libc_floor"] is None, "a stale lock says nothing"
    assert rows["aarch64-musl"]["platforms"] == ["linux/amd64", "linux/arm64"]


def test_show(imagefab: RunImagefab, project: Path) -> None:
    value = read_json(imagefab("show", "aarch64-gnu", "--json", "--platform", "linux/amd64"))
    assert (value["target"], value["runner"], value["digest"]) == ("aarch64-unknown-linux-gnu", "qemu-user", None)
    names = [package["name"] for layer in value["layers"] for package in layer["packages"]]
    assert {"base-files", "qemu-user", "g++-aarch64-linux-gnu"} <= set(names)
    text = imagefab("show", "aarch64-gnu", "--platform", "linux/arm64")
    assert text.err == ""
    assert "runner    native" in text.out
    assert f"libc      glibc {value['libc_floor']}\n" in text.out


# -- locks and Dockerfiles --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize(
    "verb", [["render", "--check"], ["build"], ["show"], ["lock", "--check"], ["run"]], ids="-".join
)
def test_locks_that_do_not_serve(imagefab: RunImagefab, project: Path, verb: list[str], how: str) -> None:
    break_lock(project, how)
    result = imagefab(*verb, "aarch64-gnu", *(["--", "true"] if verb == ["run"] else []))
    assert (result.code, result.out) == (4, "")
    assert result.err.startswith("error: ")
    assert "images/aarch64-gnu/imagefab.lock" in result.err
    assert "imagefab lock" in result.err.partition("hint: ")[2]


def test_only_the_recipes_that_are_asked_for_count(imagefab: RunImagefab, project: Path) -> None:
    break_lock(project, "missing")
    assert imagefab("render", "--check", "x86_64-gnu").code == 0
    assert imagefab("render", "--check").code == 4


def test_lock_check(imagefab: RunImagefab, project: Path) -> None:
    result = imagefab("lock", "--check")
    assert (result.code, result.out, result.err) == (0, "", "")
    break_lock(project, "stale")
    result = imagefab("lock", "--check", "--json")
    assert result.code == 4
    assert {lock["recipe"]: lock["stale"] for lock in read_json(result)["locks"]} == {
        name: name == "aarch64-gnu" for name in NAMES
    }


def test_packages_that_are_not_there_are_said_with_their_place(
    imagefab: RunImagefab, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(project / "recipes" / "aarch64-gnu.toml", "kind =", 'packages.host = ["no-such", "nor-this"]\nkind =')

    def update(path: object, shown: object, blueprints: object, reader: object, *, upgrade: bool) -> None:
        first = PackageError("there is no package no-such", package="no-such", hint="did you mean `such`?")
        raise SeveralErrors([first, PackageError("nor this", package="nor-this")])

    monkeypatch.setattr("imagefab.lock.update.update_lock", update)
    result = imagefab("lock", "aarch64-gnu")
    assert result.code == 3
    assert "recipes/aarch64-gnu.toml:4:18: error: there is no package no-such\n\nhint: did you mean" in result.err
    assert "recipes/aarch64-gnu.toml:4:29: error: nor this" in result.err


def test_render(imagefab: RunImagefab, project: Path) -> None:
    path = project / "images" / "aarch64-gnu" / "Dockerfile"
    committed = path.read_bytes()
    assert imagefab("render", "--check").code == 0
    path.write_bytes(committed + b"RUN id\n")
    result = imagefab("render", "--check")
    assert (result.code, result.out) == (4, "")
    assert "aarch64-gnu" in result.err
    assert "x86_64" not in result.err
    assert "hint: run `imagefab render aarch64-gnu`" in result.err
    assert path.read_bytes() != committed, "--check writes nothing"
    result = imagefab("render")
    assert (result.code, result.out, result.err) == (0, "", "images/aarch64-gnu/Dockerfile written\n")
    assert path.read_bytes() == committed
    path.unlink()
    assert imagefab("render", "--check").code == 4
    assert imagefab("-q", "render").err == ""
    assert path.read_bytes() == committed


@pytest.mark.parametrize(
    "verb",
    [
        ["lock"],
        ["render"],
        ["lock", "--check"],
        ["render", "--check"],
        ["new", "x", "--target", "aarch64-unknown-linux-gnu", "--kind", "gcc"],
    ],
)
def test_the_shipped_project_is_not_written_to(imagefab: RunImagefab, nowhere: Path, verb: list[str]) -> None:
    result = imagefab(*verb)
    assert (result.code, result.out) == (2, "")
    assert "no project here" in result.err


def test_new(imagefab: RunImagefab, project: Path) -> None:
    words = ["new", "mine", "--target", "aarch64-unknown-linux-gnu", "--kind", "gcc"]
    assert imagefab(*words).code == 0
    assert "mine" in imagefab("list").out
    assert imagefab(*words).code == 2


# -- building, with an engine made for this ---------------------------------------------------------------------------


def test_build(imagefab: RunImagefab, project: Path, engine: FakeEngine) -> None:
    result = imagefab("build", "aarch64-gnu", "aarch64-musl")
    assert result.code == 0
    lines = result.out.splitlines()
    assert [line.partition("@")[0] for line in lines] == ["aarch64-gnu", "aarch64-musl"]
    assert all(Digest.parse(line.partition("@")[2]) for line in lines)
    built = len(engine.built)
    again = imagefab("build", "aarch64-gnu", "aarch64-musl")
    assert (again.out, len(engine.built)) == (result.out, built)
    assert read_json(imagefab("list", "--json"))["recipes"][0]["digest"] == lines[0].partition("@")[2]


def test_build_says_all_in_json(imagefab: RunImagefab, project: Path, engine: FakeEngine) -> None:
    result = imagefab("build", "aarch64-musl", "--json", "--platform", "all")
    (image,) = read_json(result)["images"]
    assert {"recipe", "target", "digest", "engine", "seconds", "platforms"} <= image.keys()
    assert list(image["platforms"]) == ["linux/amd64", "linux/arm64"]
    for platform in image["platforms"].values():
        assert {"manifest", "config", "cached", "layers"} <= platform.keys()
        assert not platform["cached"]
        for layer in platform["layers"]:
            assert {"name", "digest", "diff_id", "size", "cached"} <= layer.keys()
            for key in ("digest", "diff_id"):
                assert layer[key].startswith("sha256:")
    (again,) = read_json(imagefab("build", "aarch64-musl", "--json", "--platform", "all"))["images"]
    assert again["digest"] == image["digest"]
    assert again["engine"] is None
    assert all(platform["cached"] for platform in again["platforms"].values())


def test_what_is_built_is_put_out_though_another_fails(
    imagefab: RunImagefab, project: Path, engine: FakeEngine
) -> None:
    engine.fail_at = 5
    result = imagefab("build", "aarch64-gnu", "aarch64-musl", "--json", "--platform", "linux/amd64")
    assert result.code == 5
    assert [image["recipe"] for image in read_json(result)["images"]] == ["aarch64-gnu"]
    assert "error: a step failed" in result.err


def test_no_engine_is_looked_for_once_and_told_once(
    imagefab: RunImagefab, project: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def choose(name: str, store: object, *, builder: str | None) -> FakeEngine:
        asked.append(name)
        raise EngineError("no engine works here", hint="get one")

    monkeypatch.setattr("imagefab.engines.choose.choose_engine", choose)
    result = imagefab("build", "--all")
    assert (result.code, result.out, len(asked)) == (5, "", 1)
    assert result.err == "error: no engine works here\n\nhint: get one\n"


def test_a_clock_before_the_lock(
    imagefab: RunImagefab, project: Path, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New files would be older than the epoch, and keep their time in the layer."""
    assert imagefab("build", "aarch64-gnu").code == 0
    monkeypatch.setattr(Session, "now", datetime(2020, 2, 3, 4, 5, tzinfo=UTC))
    built = len(engine.built)
    result = imagefab("build", "aarch64-gnu", "x86_64-gnu")
    assert result.code == 5
    assert result.err.count("this machine's clock says 2020-02-03 04:05, but the lock of x86_64-gnu is of ") == 1
    assert len(engine.built) == built
    assert imagefab("build", "aarch64-gnu").code == 0, "there is nothing to build"


def test_an_unknown_platform_starts_nothing(imagefab: RunImagefab, project: Path, engine: FakeEngine) -> None:
    assert imagefab("build", "aarch64-gnu", "x86_64-gnu", "--platform", "linux/sparc").code == 2
    assert not engine.built


def test_output_is_a_layout(imagefab: RunImagefab, project: Path, engine: FakeEngine) -> None:
    assert imagefab("build", "aarch64-gnu", "--output", "out").code == 0
    assert (project / "out" / "oci-layout").is_file()
    assert imagefab("build", "aarch64-gnu", "--output", "recipes").code == 2
    assert (project / "recipes" / "aarch64-gnu.toml").is_file()


def test_all_paths_are_seen_from_the_folder_that_is_asked_for(
    imagefab: RunImagefab, project: Path, engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with `make -C`: the folder is the working folder."""
    monkeypatch.delenv("IMAGEFAB_STORE")
    monkeypatch.chdir(tmp_path)
    assert imagefab("-C", "project", "--store", "own", "build", "aarch64-gnu", "--output", "out").code == 0
    assert (project / "own" / "blobs").is_dir()
    assert (project / "out" / "oci-layout").is_file()
    assert Path.cwd() == tmp_path, "it was the working folder for that run alone"
    commands: list[Command] = []

    def run_in_image(image: object, name: str, command: Command, *rest: object, **more: object) -> int:
        commands.append(command)
        return 7

    monkeypatch.setattr("imagefab.engines.command.run_in_image", run_in_image)
    options = ("-C", "project", "--store", "own")
    (project / "below").mkdir()
    for more, mounted in (((), project), (("--mount", "below"), project / "below")):
        assert imagefab(*options, "run", *more, "aarch64-gnu", "--", "true").code == 7
        assert (commands[-1].cwd, commands[-1].binds) == (str(mounted), ((str(mounted), str(mounted)),))
    for folder in ("gone", "recipes/aarch64-gnu.toml"):
        result = imagefab(*options, "run", "--mount", folder, "aarch64-gnu", "--", "true")
        assert result.code == 2
        assert f"can't mount {project}/{folder}" in result.err


def test_gc_keeps_what_locks_name(imagefab: RunImagefab, project: Path, engine: FakeEngine, tmp_path: Path) -> None:
    imagefab("build", "aarch64-gnu", "riscv64gc-gnu")
    (project / "recipes" / "riscv64gc-gnu.toml").unlink()
    before = sum(1 for _ in (tmp_path / "store" / "blobs").rglob("*"))
    said = imagefab("gc", "--dry-run")
    assert "\nwould free " in said.err
    result = imagefab("gc")
    assert (result.code, result.out) == (0, "")
    assert result.err == said.err.replace("would free", "freed")
    assert sum(1 for _ in (tmp_path / "store" / "blobs").rglob("*")) < before
    count = len(engine.built)
    assert imagefab("build", "aarch64-gnu").code == 0
    assert len(engine.built) == count


@pytest.fixture
def other(project: Path, tmp_path: Path) -> Path:
    """Another project of the same user, with a recipe that the first one does not have any more."""
    root = tmp_path / "other"
    shutil.copytree(project, root)
    (project / "recipes" / "riscv64gc-gnu.toml").unlink()
    for name in NAMES:
        if name != "riscv64gc-gnu":
            (root / "recipes" / f"{name}.toml").unlink()
    return root


def test_gc_keeps_what_locks_of_other_projects_name(
    imagefab: RunImagefab, project: Path, other: Path, engine: FakeEngine
) -> None:
    imagefab("build", "aarch64-gnu")
    imagefab("-C", str(other), "build", "--all")
    count = len(engine.built)
    result = imagefab("gc")
    assert result.err.splitlines()[0] == f"kept what the locks name of {project}, {other}"
    assert "freed 0 B" in result.err
    assert imagefab("-C", str(other), "build", "--all").code == 0
    assert imagefab("build", "aarch64-gnu").code == 0
    assert len(engine.built) == count


def test_gc_counts_a_project_that_built_nothing_itself(
    imagefab: RunImagefab, project: Path, other: Path, engine: FakeEngine, tmp_path: Path
) -> None:
    """Its images were there already, from another project; they are its own as well."""
    third = tmp_path / "third"
    shutil.copytree(other, third)
    imagefab("-C", str(third), "build", "--all")
    count = len(engine.built)
    imagefab("-C", str(other), "build", "--all")
    assert len(engine.built) == count
    shutil.rmtree(third)
    assert f"{other}; gone and forgotten: {third}" in imagefab("gc").err
    imagefab("-C", str(other), "build", "--all")
    assert len(engine.built) == count


@pytest.mark.parametrize("how", ["removed", "no project"])
def test_gc_forgets_projects_that_are_gone(
    imagefab: RunImagefab, project: Path, other: Path, engine: FakeEngine, tmp_path: Path, how: str
) -> None:
    imagefab("-C", str(other), "build", "--all")
    notes = tmp_path / "store" / "projects"
    assert [json.loads(note.read_text()) for note in notes.iterdir()] == [str(other)]
    shutil.rmtree(other if how == "removed" else other / "recipes")
    said = imagefab("gc", "--dry-run")
    assert said.err.splitlines()[0] == f"kept what the locks name of {project}; gone and forgotten: {other}"
    assert len(list(notes.iterdir())) == 1
    result = imagefab("gc")
    assert result.err == said.err.replace("would free", "freed")
    assert "freed 0 B" not in result.err
    assert not list(notes.iterdir())
    assert "gone" not in imagefab("gc").err


@pytest.mark.parametrize("how", BROKEN)
def test_gc_of_a_project_with_a_lock_that_does_not_serve(
    imagefab: RunImagefab, project: Path, other: Path, engine: FakeEngine, tmp_path: Path, how: str
) -> None:
    """A lock that is only stale still names packages. What can't be read may name anything, so everything stays."""
    imagefab("-C", str(other), "build", "--all")
    name = "riscv64gc-gnu"
    (package,) = re.findall(
        r'name = "g\+\+-riscv64-linux-gnu",.*sha256 = "(\w{64})"', lock_of(other, name).read_text()
    )[:1]
    path = tmp_path / "store" / "blobs" / "sha256" / package[:2] / package
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    break_lock(other, how, name)
    before = {path.name for path in (tmp_path / "store" / "blobs").rglob("*")}
    result = imagefab("gc")
    after = {path.name for path in (tmp_path / "store" / "blobs").rglob("*")}
    if how in ("stale", "missing"):
        assert result.code == 0
        assert after < before
        assert path.exists() == (how == "stale")
        assert (f"warning: {other}: the lock of {name} does not fit" in result.err) == (how == "stale")
    else:
        assert (result.code, after) == (4, before)
        assert str(other) in result.err
        assert "nothing is dropped" in result.err


def test_gc_with_a_project_that_cannot_be_looked_into(
    imagefab: RunImagefab, project: Path, other: Path, engine: FakeEngine, tmp_path: Path
) -> None:
    imagefab("-C", str(other), "build", "--all")
    other.rename(tmp_path / "away")
    other.symlink_to(other)
    before = sorted((tmp_path / "store" / "blobs").rglob("*"))
    result = imagefab("gc")
    assert result.code == 4
    assert f"what the project {other} needs of this store can't be told: Too many levels" in result.err
    assert sorted((tmp_path / "store" / "blobs").rglob("*")) == before


def test_gc_has_the_store_alone_before_it_looks(
    imagefab: RunImagefab, project: Path, engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imagefab("build", "aarch64-gnu")
    looked = []

    def look(prepared: object, store: Store) -> Kept:
        with pytest.raises(StoreError, match="in use"), Store(store.root).alone():
            pass
        looked.append(store.root)
        return list_kept(prepared, store)  # type: ignore[arg-type]

    monkeypatch.setattr("imagefab.keeping.list_kept", look)
    assert imagefab("gc").code == 0
    assert looked


def test_gc_not_while_somebody_works(imagefab: RunImagefab, project: Path, engine: FakeEngine, tmp_path: Path) -> None:
    imagefab("build", "riscv64gc-gnu")
    (project / "recipes" / "riscv64gc-gnu.toml").unlink()
    before = sorted((tmp_path / "store" / "blobs").rglob("*"))
    worker = Store(tmp_path / "store")
    remember_project(worker, open_project(project))
    result = imagefab("gc")
    assert (result.code, result.out) == (5, "")
    assert "in use" in result.err
    assert sorted((tmp_path / "store" / "blobs").rglob("*")) == before
    worker.close()
    assert imagefab("gc").code == 0


# -- where the store is -----------------------------------------------------------------------------------------------


def test_where_the_store_is(
    imagefab: RunImagefab, project: Path, engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imagefab("--store", "mine", "build", "aarch64-gnu")
    assert (project / "mine" / "blobs").is_dir()
    assert not (tmp_path / "store").exists()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for value in (None, ""):
        if value is None:
            monkeypatch.delenv("IMAGEFAB_STORE")
        else:
            monkeypatch.setenv("IMAGEFAB_STORE", value)
        imagefab("build", "aarch64-gnu")
        assert (tmp_path / "cache" / "imagefab" / "blobs").is_dir()
        assert not (project / "blobs").exists()
    (project / "imagefab.toml").write_text('[store]\npath = "ours"\n')
    imagefab("build", "aarch64-gnu")
    assert (project / "ours" / "blobs").is_dir()


def test_a_store_that_is_a_file(imagefab: RunImagefab, project: Path, engine: FakeEngine, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    result = imagefab("build", "aarch64-gnu")
    assert result.code == 5
    assert "--store DIR" in result.err


@pytest.mark.parametrize("place", ["/dev/null", "/proc/x", "x" * 300])
@pytest.mark.parametrize("verb", [["build", "--all"], ["context", "aarch64-gnu", "out"], ["gc"]], ids=lambda v: v[0])
def test_a_store_where_none_can_be_is_told_once(
    imagefab: RunImagefab, project: Path, verb: list[str], place: str
) -> None:
    """Whatever runs side by side, and however many files or images it is about."""
    result = imagefab("--store", place, *verb)
    assert (result.code, result.out) == (5, "")
    assert result.err.count("error: ") == 1
    assert result.err.count("hint: ") == 1
    assert len(result.err.splitlines()) == 3
    assert "--store DIR" in result.err
    assert imagefab("--store", place, "list").code == 0


# -- what can't be written --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["/proc/x", "/dev/null/x", "circle"])
@pytest.mark.parametrize("verb", [["build", "aarch64-gnu", "--output"], ["context", "aarch64-gnu"]], ids=lambda v: v[0])
def test_a_folder_that_cannot_be_made(
    imagefab: RunImagefab,
    project: Path,
    engine: FakeEngine,
    verb: list[str],
    place: str,
) -> None:
    (project / "circle").symlink_to("circle")
    result = imagefab(*verb, place)
    assert result.code == 5
    assert "hint: name a folder" in result.err
    assert "store" not in result.err


def test_a_dockerfile_that_cannot_be_written(imagefab: RunImagefab, project: Path) -> None:
    """Nothing about stores: another one would not help."""
    path = lock_of(project).with_name("Dockerfile")
    path.unlink()
    path.mkdir()
    result = imagefab("render", "aarch64-gnu")
    assert result.code == 5
    assert "Dockerfile: Is a directory" in result.err
    assert "hint: move away" in result.err
    assert "store" not in result.err
    assert [found.name for found in path.parent.iterdir() if found.name.startswith(".")] == []


def test_options_of_run_go_before_the_recipe(imagefab: RunImagefab, project: Path) -> None:
    result = imagefab("run", "aarch64-gnu", "--engine", "sandbox", "--", "id")
    assert result.code == 2
    assert "--engine comes after the recipe" in result.err


def test_a_build_says_that_a_dockerfile_is_stale(imagefab: RunImagefab, project: Path, engine: FakeEngine) -> None:
    assert "Dockerfile" not in imagefab("build", "aarch64-gnu").err
    path = project / "images" / "aarch64-gnu" / "Dockerfile"
    path.write_text(path.read_text() + "# reviewed\n")
    result = imagefab("build", "aarch64-gnu")
    assert result.code == 0
    assert "images/aarch64-gnu/Dockerfile is not what is built; `imagefab render aarch64-gnu`" in result.err


def test_a_table_for_a_readme(imagefab: RunImagefab, project: Path) -> None:
    place = "<!-- recipes: begin -->\n<!-- recipes: end -->\n"
    readme = project / "README.md"
    readme.write_text(f"# ours\n{place}the end\n")
    into = ("list", "--markdown", "--into", "README.md")
    assert imagefab(*into, "--check").code == 4
    assert imagefab(*into).code == 0
    assert imagefab(*into, "--check").code == 0
    assert "| aarch64-gnu-bullseye | `aarch64-unknown-linux-gnu` | gcc | gcc 10." in readme.read_text()
    assert readme.read_text().endswith("<!-- recipes: end -->\nthe end\n")
    readme.write_text("no place\n")
    assert imagefab(*into).code == 2
    assert imagefab("list", "--check").code == 2

"""Plans: steps in their order, and keys that are equal exactly when layers are."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sample_recipe import SMALL, add, make_lock, make_plans, make_recipe

from imagefab.digest import Digest
from imagefab.errors import RecipeError
from imagefab.flows.prepare import design_blueprints
from imagefab.lock.model import Lock
from imagefab.oci.layer import CANONICAL_FORM
from imagefab.plan import make
from imagefab.plan.make import _plan_base_layer, make_plan
from imagefab.plan.model import (
    AddRootfs,
    BlobContent,
    BytesContent,
    ExtractContent,
    Plan,
    RootfsContent,
    Run,
)
from imagefab.recipe.model import Base, FileSpec, Recipe, RunSpec, SourceSpec
from imagefab.recipe.target import TARGETS
from imagefab.toolchains.blueprint import IMAGE_PATH


def plan(recipe: Recipe = SMALL) -> Plan:
    return make_plans(recipe)[0]


def keys(made: Plan) -> dict[str, Digest]:
    return {layer.name: layer.key for layer in made.layers}


# -- steps ------------------------------------------------------------------------------------------------------------


def test_layers_go_from_the_most_shared_to_the_least() -> None:
    names = [layer.name for layer in plan().layers]
    assert names == ["base", "tools", "runner-aarch64", "gcc-aarch64-linux-gnu", "build-systems", "extras"]


def test_the_first_layer_begins_with_the_root_file_system() -> None:
    first, *rest = plan().layers
    assert isinstance(first.steps[0], AddRootfs)
    assert isinstance(first.inputs[0].content, RootfsContent)
    assert not any(isinstance(step, AddRootfs) for layer in rest for step in layer.steps)


def test_files_then_packages_then_scripts() -> None:
    extras = plan().layers[-1]
    packages, one, two = (step for step in extras.steps if isinstance(step, Run))
    assert "dpkg --add-architecture arm64" in packages.commands[0]
    assert packages.commands[1].startswith("install -DT -m ")
    assert "--unpack /run/imagefab/debs/*.deb" in packages.commands[2]
    assert packages.commands[3].endswith("--configure --pending")
    assert one.commands[0].startswith("env -i PATH=")
    wrapper = "SOURCES=/run/imagefab/sources sh /run/imagefab/run/environment.sh /bin/sh"
    assert one.commands[0].endswith(f"{wrapper} -eu /run/imagefab/run/1.sh")
    assert {step.commands[-1] for step in (packages, one, two)} == {"sh /run/imagefab/tidy.sh"}
    assert two.comment == ("tidy up", "rm -rf /root/x")


def test_every_source_of_a_step_is_an_input() -> None:
    for made in make_plans(SMALL):
        for layer in made.layers:
            paths = {given.path for given in layer.inputs}
            assert len(paths) == len(layer.inputs)
            home = f"{made.platform.debian_arch}/{layer.name}"
            assert all(path.startswith(f"{home}/") for path in paths)
            for step in layer.steps:
                if isinstance(step, Run):
                    assert step.mount == home
                else:
                    assert step.source in paths


def test_inputs_of_all_kinds() -> None:
    given = {i.path.split("/", 1)[1]: i for layer in plan().layers for i in layer.inputs}
    installs = plan().layers[-1].steps[0]
    assert isinstance(installs, Run)
    assert "install -DT -m 755 /run/imagefab/files/usr/local/bin/tool /usr/local/bin/tool" in installs.commands
    assert isinstance(given["extras/debs/libssl-dev_1.0_arm64.deb"].content, BlobContent)
    assert given["extras/sources/zlib.tar.gz"].content == BlobContent(sha256=Digest.of_bytes(b"zlib"))
    assert given["extras/run/2.sh"].content == BytesContent(data=b"rm -rf /root/x")
    assert isinstance(given["runner-aarch64/files/usr/bin/qemu-aarch64"].content, ExtractContent)


def test_no_step_is_the_recipes_own_text() -> None:
    hostile = add(SMALL, run=(RunSpec(name="$(rm -rf /)", script="echo; exit 1 && `id`"),), files=())
    shells = [step.shell for layer in plan(hostile).layers for step in layer.steps if isinstance(step, Run)]
    assert not any("id" in shell.split() or "$" in shell.replace('"$@"', "") for shell in shells)


# -- the environment of scripts ---------------------------------------------------------------------------------------


def find_environment(made: Plan, layer: str) -> dict[str, str] | None:
    """What a layer's scripts find, as a real shell sets it; None where that is nothing but the fixed part."""
    (found,) = [one for one in made.layers if one.name == layer]
    for one in found.inputs:
        if one.path.endswith("/run/environment.sh") and isinstance(one.content, BytesContent):
            command = ["env", "-i", f"PATH={IMAGE_PATH}", "sh", "-s", "--", "/usr/bin/env", "-0"]
            text = subprocess.run(command, input=one.content.data, capture_output=True, check=True).stdout.decode()
            env = dict(pair.split("=", 1) for pair in text.split("\0") if pair)
            return {name: value for name, value in env.items() if name not in ("PWD", "_")}
    return None


def with_scripts(recipe: Recipe = SMALL) -> Recipe:
    """Both bases and the recipe have a script and variables."""

    def extend(base: Base, name: str) -> Base:
        env = (("WHO", name), (name, "1"))
        return replace(base, additions=replace(base.additions, run=(RunSpec(name="say", script="env"),), env=env))

    root, tools = recipe.bases
    recipe = replace(recipe, bases=(extend(root, "ROOT"), extend(tools, "TOOLS")))
    return add(recipe, env=(("WHO", "OWN"), ("OWN", "1")))


def test_scripts_of_a_recipe_have_the_images_environment() -> None:
    made = plan(with_scripts())
    found = find_environment(made, "extras")
    assert found == dict(made.env)
    assert found["WHO"] == "OWN"
    assert found["CC_aarch64_unknown_linux_gnu"] == "aarch64-linux-gnu-gcc"


def test_scripts_of_a_base_have_what_bases_set_so_far() -> None:
    made = plan(with_scripts())
    assert find_environment(made, "base") == {"PATH": IMAGE_PATH, "WHO": "ROOT", "ROOT": "1"}
    assert find_environment(made, "tools") == {"PATH": IMAGE_PATH, "WHO": "TOOLS", "ROOT": "1", "TOOLS": "1"}
    assert find_environment(made, "gcc-aarch64-linux-gnu") is None


def test_what_a_recipe_sets_is_not_in_the_keys_of_its_bases() -> None:
    one, other = (keys(plan(add(with_scripts(), env=(("OWN", value),)))) for value in "12")
    assert [name for name in one if one[name] != other[name]] == ["extras"]


def test_a_script_is_told_of_sources_and_time_by_the_build_alone() -> None:
    env = (("SOURCES", "/x"), ("SOURCE_DATE_EPOCH", "0"), ("HOME", "/y"))
    found = find_environment(plan(add(SMALL, env=env)), "extras")
    assert found is not None
    assert not {"SOURCES", "SOURCE_DATE_EPOCH"} & found.keys()
    assert found["HOME"] == "/y"


@settings(max_examples=30)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])), min_size=1, max_size=4))
def test_values_reach_scripts_as_they_are(values: list[str]) -> None:
    env = {f"V{number}": value for number, value in enumerate([*values, "'", "\\", "a'b\"$(id)`id`", "\\'"])}
    found = find_environment(plan(add(SMALL, env=tuple(env.items()))), "extras")
    assert found is not None
    assert found.items() >= env.items()


# -- paths and values -------------------------------------------------------------------------------------------------


HOSTILE_PATHS = [
    "relative",
    "",
    "/",
    "/folder/",
    "/a/../b",
    "/..",
    "/with space",
    "/a\nRUN id",
    "/a\rb",
    "/a\n",
    "/$HOME",
    "/*",
    "/[a]",
    "/a\\",
    '/"',
    "/é",
    "/a\0",
    "/tmp/x",
    "/etc/hosts",
    "/opt/.wh.x",
]


def test_hostile_paths_are_refused(subtests: pytest.Subtests) -> None:
    """Loading a recipe refuses them first, with a position; this also covers what toolchains ask for."""
    for path in HOSTILE_PATHS:
        with subtests.test(repr(path)):
            with pytest.raises(RecipeError) as caught:
                plan(add(SMALL, files=(FileSpec(path=path, content=b""),)))
            assert caught.value.problem.isprintable()


@pytest.mark.parametrize("path", ["/a", "/opt/x86_64-linux/lib@1,2+3=4~5.so", "/..a", "/-"])
def test_ordinary_paths_are_taken(path: str) -> None:
    plan(add(SMALL, files=(FileSpec(path=path, content=b""),)))


@pytest.mark.parametrize("value", ["a\nUSER nobody", "a\rb", "\0", "\x1b[31m", "a\u2028b"])
def test_values_that_would_end_a_line_are_refused(value: str) -> None:
    with pytest.raises(RecipeError, match="control character"):
        plan(add(SMALL, env=(("X", value),)))
    with pytest.raises(RecipeError, match="control character"):
        plan(make_recipe(description=value))


# -- keys -------------------------------------------------------------------------------------------------------------


def test_keys_are_stable() -> None:
    """A change here means that every layer that anyone has is built again. Raise CANONICAL_FORM only on purpose."""
    assert {name: key.short for name, key in keys(plan()).items()} == {
        "base": "85790c025ed4",
        "tools": "d45d307369d1",
        "runner-aarch64": "9df885c59c4c",
        "gcc-aarch64-linux-gnu": "fced71329091",
        "build-systems": "e7d6b4566b5f",
        "extras": "3347c9e5c9a2",
    }


def test_keys_do_not_depend_on_what_is_not_in_a_layer() -> None:
    other = make_recipe(name="other", file="x.toml", description="d", size_budget=5)
    assert keys(plan(other)) == keys(plan())
    silent = add(SMALL, run=())
    assert keys(plan(add(silent, env=(("X", "1"),)))) == keys(plan(silent)), "no script sees it"


def test_siblings_share_layers() -> None:
    mine, musl = keys(plan()), keys(plan(make_recipe(target=TARGETS["aarch64-unknown-linux-musl"], kind="musl")))
    riscv = keys(plan(make_recipe(target=TARGETS["riscv64gc-unknown-linux-gnu"])))
    for name in ("base", "tools", "runner-aarch64", "gcc-aarch64-linux-gnu"):
        assert mine[name] == musl[name]
    assert mine["extras"] != musl["extras"], "it stands on another layer"
    assert [mine[name] == riscv[name] for name in ("base", "tools", "extras")] == [True, True, False]


def test_platforms_share_nothing() -> None:
    amd64, arm64 = make_plans(SMALL)
    assert not set(keys(amd64).values()) & set(keys(arm64).values())


CHANGES: dict[str, Callable[[], Recipe]] = {
    "a file's content": lambda: add(SMALL, files=(replace(SMALL.additions.files[0], content=b"other"),)),
    "a file's mode": lambda: add(SMALL, files=(replace(SMALL.additions.files[0], mode=0o700),)),
    "a file's path": lambda: add(SMALL, files=(replace(SMALL.additions.files[0], path="/usr/local/bin/took"),)),
    "a package": lambda: add(SMALL, host_packages=("yq",)),
    "a target package": lambda: add(SMALL, target_packages=("libz-dev",)),
    "a source's hash": lambda: add(
        SMALL,
        sources=(
            SourceSpec(name="zlib.tar.gz", url="https://example.org/z", sha256=Digest.of_bytes(b"?")),
            SMALL.additions.sources[1],
        ),
    ),
    "a source's name": lambda: add(
        SMALL, sources=(replace(SMALL.additions.sources[0], name="y"), SMALL.additions.sources[1])
    ),
    "a script": lambda: add(SMALL, run=(replace(SMALL.additions.run[0], script="other"), SMALL.additions.run[1])),
    "the scripts' environment": lambda: add(SMALL, env=(*SMALL.additions.env, ("X", "1"))),
    "the scripts' order": lambda: add(SMALL, run=tuple(reversed(SMALL.additions.run))),
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGES)
def test_every_ingredient_changes_its_layer_and_no_other(what: str) -> None:
    before, after = keys(plan()), keys(plan(CHANGES[what]()))
    assert [name for name in before if before[name] != after[name]] == ["extras"]


def test_a_change_below_changes_all_above() -> None:
    base = replace(SMALL.bases[1], additions=replace(SMALL.bases[1].additions, host_packages=("ninja-build",)))
    after = keys(plan(make_recipe(bases=(SMALL.bases[0], base))))
    assert [name for name, key in keys(plan()).items() if after[name] == key] == ["base"]


def test_the_layers_of_a_base_are_planned_once() -> None:
    _plan_base_layer.cache_clear()
    one, other = make_plans(make_recipe(name="one")), make_plans(make_recipe(name="other"))
    assert all(a.layers[n] is b.layers[n] for a, b in zip(one, other, strict=True) for n in (0, 1))
    assert _plan_base_layer.cache_info().hits == _plan_base_layer.cache_info().misses == 4


def change_lock(change: Callable[[Lock], Lock]) -> dict[str, Digest]:
    blueprints = design_blueprints(SMALL)
    return keys(make_plan(blueprints[0], change(make_lock(blueprints))))


def repin(lock: Lock, layer: int, kind: str) -> Lock:
    """Another build of the first package that a layer pins."""
    platform = lock.platforms[0]
    pins = getattr(platform.layers[layer], kind)
    changed = (replace(pins[0], sha256=Digest.of_bytes(b"rebuilt")), *pins[1:])
    layers = list(platform.layers)
    layers[layer] = replace(layers[layer], **{kind: changed})  # type: ignore[arg-type]
    return replace(lock, platforms=(replace(platform, layers=tuple(layers)), *lock.platforms[1:]))


@pytest.mark.parametrize(("layer", "kind"), [(0, "packages"), (1, "packages"), (2, "extracts"), (5, "packages")])
def test_the_lock_changes_its_layer_and_all_above(layer: int, kind: str) -> None:
    before, after = keys(plan()), change_lock(lambda lock: repin(lock, layer, kind))
    assert [before[name] == after[name] for name in before] == [n < layer for n in range(6)]


def test_the_epoch_changes_all_layers() -> None:
    after = change_lock(lambda lock: replace(lock, epoch=lock.epoch + 1))
    assert not set(keys(plan()).values()) & set(after.values())


def test_the_canonical_form_changes_all_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys(plan())
    monkeypatch.setattr(make, "CANONICAL_FORM", CANONICAL_FORM + 1)
    assert not set(before.values()) & set(keys(plan()).values())


def test_what_a_step_runs_is_in_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys(plan())
    monkeypatch.setattr(make, "_DPKG", "dpkg --force-all")
    monkeypatch.setattr(make, "_plan_base_layer", make._plan_layer)
    assert before["base"] != keys(plan())["base"]

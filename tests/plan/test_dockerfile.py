"""Rendered Dockerfiles: golden texts, hadolint's opinion, and nothing in a recipe that could become an instruction."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.plan.dockerfile_parser import parse_dockerfile, read_pairs
from tests.sample_recipe import SMALL, add, make_plans, make_recipe
from tests.shipped_sample import SAMPLE

from imagefab.plan.dockerfile import render_dockerfile, stage_name
from imagefab.plan.model import MOUNT, AddRootfs, Plan, Run
from imagefab.recipe.model import Recipe, RunSpec
from imagefab.recipe.project import find_shipped_project
from imagefab.recipe.target import TARGETS

GOLDEN = Path(__file__).parent.parent / "golden" / "dockerfile"
RECIPES: dict[str, Recipe] = {
    "small": SMALL,
    "one-platform": make_recipe(platforms=("linux/arm64",)),
    "bare": make_recipe(
        runner="none",
        target=TARGETS["x86_64-unknown-linux-musl"],
        kind="musl",
        additions=replace(SMALL.additions, host_packages=(), target_packages=(), files=(), run=(), sources=(), env=()),
    ),
}


def expect_instructions(plans: Sequence[Plan]) -> list[tuple[str, str]]:
    """What the plans say, instruction by instruction; of LABEL and ENV only that they are there."""
    found: list[tuple[str, str]] = []
    for plan in plans:
        parent = "scratch"
        for layer in plan.layers:
            found.append(("FROM", f"{parent} AS {stage_name(plan, layer.name)}"))
            parent = stage_name(plan, layer.name)
            if any(isinstance(step, Run) for step in layer.steps):
                found += [("ARG", f"{name}={value}") for name, value in sorted(plan.step_environment.items())]
            for step in layer.steps:
                match step:
                    case AddRootfs(source=source):
                        found.append(("ADD", f"{source} /"))
                    case Run(mount=mount, shell=shell):
                        found.append(("RUN", f"--mount=type=bind,source={mount},target={MOUNT} {shell}"))
        found.append(("FROM", f"{parent} AS image-{plan.platform.oci_arch}"))
        found += [("LABEL", ""), ("ENV", ""), ("CMD", '["bash"]')]
    return [*found, ("FROM", "image-${TARGETARCH}")]


def check_instructions(plans: Sequence[Plan]) -> None:
    """The text is exactly the plans, and the values come out as they went in."""
    found = parse_dockerfile(render_dockerfile(plans))
    assert [(k, "" if k in ("LABEL", "ENV") else rest) for k, rest in found] == expect_instructions(plans)
    assert [read_pairs(rest) for keyword, rest in found if keyword == "ENV"] == [list(plan.env) for plan in plans]
    assert [read_pairs(rest) for keyword, rest in found if keyword == "LABEL"] == [list(plan.labels) for plan in plans]


# -- golden -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECIPES)
def test_golden(name: str, check_golden: Callable[[Path, str], None]) -> None:
    check_golden(GOLDEN / f"{name}.Dockerfile", render_dockerfile(make_plans(RECIPES[name])))


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_hadolint_reads_all_values(length: int, tmp_path: Path) -> None:
    """It has a parser of its own, which knows less than Docker's about what comes before a quote."""
    marks = ["\\", '"', "'", "$", "a"] if length > 2 else [*_MARKS, "${X", "$$"]
    values = ["".join(parts) for parts in itertools.product(marks, repeat=length)]
    plans = make_plans(add(SMALL, env=tuple((f"V{number}", value) for number, value in enumerate(values))))
    check_instructions(plans)
    path = tmp_path / "Dockerfile"
    path.write_text(render_dockerfile(plans))
    assert run_hadolint(path) == ("", 0)


def run_hadolint(*files: Path) -> tuple[str, int]:
    program = Path(sys.executable).parent / "hadolint"
    result = subprocess.run([program, "--no-color", *files], capture_output=True, text=True, check=False)
    return result.stdout + result.stderr, result.returncode


@pytest.mark.parametrize("name", RECIPES)
def test_instructions_are_the_plans_steps(name: str) -> None:
    check_instructions(make_plans(RECIPES[name]))


def test_hadolint_finds_nothing() -> None:
    """`make check` asks it about all of the shipped images."""
    images = find_shipped_project().images_dir
    files = [*GOLDEN.glob("*.Dockerfile"), *(images / name / "Dockerfile" for name in SAMPLE)]
    assert len(files) == len(RECIPES) + len(SAMPLE)
    assert run_hadolint(*files) == ("", 0)


# -- going on from a layer --------------------------------------------------------------------------------------------


def test_layers_that_the_parent_has_are_left_out() -> None:
    (plan, _) = make_plans(SMALL)
    found = parse_dockerfile(render_dockerfile([plan], first=3, parent_image="localhost/seed:1"))
    stages = [rest for keyword, rest in found if keyword == "FROM"]
    assert stages == [
        "localhost/seed:1 AS gcc-aarch64-linux-gnu-amd64",
        "gcc-aarch64-linux-gnu-amd64 AS build-systems-amd64",
        "build-systems-amd64 AS extras-amd64",
        "extras-amd64 AS image-amd64",
        "image-${TARGETARCH}",
    ]
    assert not any(keyword == "ADD" for keyword, _ in found)


def test_all_layers_may_be_there_already() -> None:
    (plan, _) = make_plans(SMALL)
    text = render_dockerfile([plan], first=len(plan.layers), parent_image="localhost/seed:1")
    assert parse_dockerfile(text)[0] == ("FROM", "localhost/seed:1 AS image-amd64")


def test_a_base_whose_name_begins_with_a_digit() -> None:
    """Docker takes no such stage name."""
    recipe = make_recipe(bases=(SMALL.bases[0], replace(SMALL.bases[1], name="13-tools")))
    check_instructions(make_plans(recipe))
    text = render_dockerfile(make_plans(recipe))
    stages = [rest.split(" AS ")[1] for keyword, rest in parse_dockerfile(text) if " AS " in rest and keyword == "FROM"]
    assert all(stage[0].isalpha() for stage in stages)
    assert len(stages) == len(set(stages))


# -- injection --------------------------------------------------------------------------------------------------------

SCRIPTS = [
    "echo hi\nUSER nobody\nENV X=y",
    "echo a \\\n  && echo b",
    "# a comment that ends in a backslash \\\nrm -rf /",
    "cat <<EOF\nRUN id\nEOF",
    "cat <<'EOF' > /x\nFROM scratch\nEOF\n",
    "RUN <<EOF\nid\nEOF",
    "echo '\rRUN id'",
    "echo \x0b RUN id \x0c \x1c \x85 \u2028 RUN id \u2029",
    "# syntax=docker/dockerfile:evil",
    "# escape=`",
    "\n\n\n",
    " \\",
    "$(id) `id` ${PATH} $$ %{x} {{ plans }} {% raw %}",
    "é ünï 漢字 🦀",
]


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_stay_comments(script: str) -> None:
    check_instructions(make_plans(add(SMALL, run=(RunSpec(name=script, script=script),))))
    base = replace(SMALL.bases[1], description=script)
    check_instructions(make_plans(make_recipe(bases=(SMALL.bases[0], base))))


def test_long_lines_are_cut_off() -> None:
    """Docker takes no file with a line of more than 64 KiB."""
    plans = make_plans(add(SMALL, run=(RunSpec(name="x", script=f"echo {'é' * 100_000}"),)))
    check_instructions(plans)
    assert max(map(len, render_dockerfile(plans).splitlines())) < 1000


def test_readers_see_the_script() -> None:
    text = render_dockerfile(make_plans(SMALL))
    comment = ["build zlib", 'tar -xf "$SOURCES/zlib.tar.gz"', "", "# make it", "make"]
    assert "".join(f"#   {line}".rstrip() + "\n" for line in comment) + "# hadolint ignore=DL3059\nRUN --mount" in text


def test_directives_come_only_from_us() -> None:
    """Docker takes `# syntax=` and the like for directives until the first line that is none."""
    first = render_dockerfile(make_plans(SMALL)).splitlines()[0]
    assert first == "# small: cross-compiles for aarch64-unknown-linux-gnu"


_MARKS = ["\\", '"', "'", "$", "${X}", "`", "#", " ", "=", "A=b", "<<EOF", "RUN id", "é", "\\n", "~"]
TEXTS = st.lists(
    st.one_of(
        st.sampled_from([*SCRIPTS, *_MARKS, "\n", "\r", "\t", "\\\n"]),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    ),
    max_size=6,
).map("".join)
VALUES = st.one_of(
    st.lists(st.sampled_from(_MARKS)).map("".join),
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])),
)


@settings(max_examples=60)
@given(TEXTS, TEXTS, TEXTS)
def test_no_text_of_a_recipe_becomes_an_instruction(name: str, script: str, description: str) -> None:
    base = replace(SMALL.bases[1], description=description)
    recipe = make_recipe(platforms=("linux/amd64",), bases=(SMALL.bases[0], base))
    check_instructions(make_plans(add(recipe, run=(RunSpec(name=name, script=script),))))


@given(st.lists(VALUES, min_size=1, max_size=4), VALUES)
def test_values_come_out_as_they_went_in(values: list[str], description: str) -> None:
    env = tuple((f"V{number}", value) for number, value in enumerate(values))
    recipe = make_recipe(platforms=("linux/amd64",), description=description)
    check_instructions(make_plans(add(recipe, env=env)))

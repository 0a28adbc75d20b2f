"""The house's rules, held against the source: who may import what, how large a room is, and what starting up loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import imagefab

SOURCE = Path(imagefab.__file__).parent
MODULES = sorted(path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py"))

OUTSIDE = {"httpx", "docker", "python_on_whales", "subprocess", "socket", "requests", "urllib"}
"""What reaches the network and other processes."""
REACHING = ("sources/", "engines/", "registry/", "cli/", "oci/store.py")

PURE = ("plan/make.py", "plan/model.py", "plan/dockerfile.py", "toolchains/", "recipe/model.py", "recipe/rules.py",
        "recipe/target.py", "recipe/grammar.py", "recipe/format.py", "recipe/positions.py", "recipe/schema.py",
        "lock/text.py", "lock/model.py", "lock/staleness.py", "lock/libc.py", "oci/tree.py", "oci/tarfmt.py",
        "oci/image.py", "emit/cargo_config.py", "emit/choice.py", "emit/cross_toml.py", "emit/edit.py", "emit/lint.py",
        "emit/matrix.py", "emit/pin.py", "emit/profile.py", "volatile.py", "digest.py", "errors.py",
        "progress.py")  # fmt: skip
"""Values in, values out: neither network nor processes, and no file is opened."""

SHUNNED = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
HEAVY = {"httpx", "docker", "python_on_whales", "rich", "jinja2", "tomlkit", "requests", "pysequoia", "deflate"}
READS_SURROUNDINGS = {
    "os.environ", "os.environb", "os.getenv",
    "time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today",
}  # fmt: skip


def parse(module: str) -> ast.Module:
    return ast.parse((SOURCE / module).read_text())


def list_imports(module: str) -> set[str]:
    """The modules that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(parse(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def list_names(module: str) -> Iterator[str]:
    """`a.b` for every such attribute in a file."""
    for node in ast.walk(parse(module)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"


@pytest.mark.parametrize("module", [module for module in MODULES if not module.startswith(REACHING)])
def test_only_some_rooms_reach_outside(module: str) -> None:
    tops = {name.partition(".")[0] for name in list_imports(module)}
    assert not tops & OUTSIDE


@pytest.mark.parametrize("module", [module for module in MODULES if module.startswith(PURE)])
def test_pure_rooms_open_nothing(module: str) -> None:
    tops = {name.partition(".")[0] for name in list_imports(module)}
    assert not tops & (OUTSIDE | {"shutil", "tempfile", "fcntl"})
    calls = {
        node.func.id
        for node in ast.walk(parse(module))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert "open" not in calls


def test_the_pure_rooms_are_there() -> None:
    assert all(any(module.startswith(prefix) for module in MODULES) for prefix in PURE)


@pytest.mark.parametrize(
    "room",
    ["plan.make", "plan.dockerfile", "toolchains.design", "lock.text", "oci.tarfmt", "oci.tree", "emit.cross_toml"],
)
def test_pure_rooms_bring_nothing_along(room: str) -> None:
    """Not even through what they import."""
    assert not load(f"import imagefab.{room}") & (OUTSIDE | HEAVY) - {"urllib"}


@pytest.mark.parametrize("module", [module for module in MODULES if not module.startswith("cli/")])
def test_only_the_command_line_reads_clock_and_environment(module: str) -> None:
    assert not set(list_names(module)) & READS_SURROUNDINGS
    assert not list_imports(module) & (READS_SURROUNDINGS | {"os.environ", "os.getenv", "time.time"})


@pytest.mark.parametrize("module", [module for module in MODULES if not module.startswith(("cli/", "__main__"))])
def test_nobody_depends_on_the_command_line(module: str) -> None:
    assert not any(name.startswith("imagefab.cli") for name in list_imports(module))


def find_circle(imports: Mapping[str, set[str]]) -> list[str]:
    """Modules each of which imports the next, and the last the first."""
    from graphlib import CycleError, TopologicalSorter

    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return [str(name) for name in reversed(error.args[1])]
    return []


def test_circles_are_found() -> None:
    assert find_circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert len(find_circle({"a": {"b"}, "b": {"c"}, "c": {"b"}})) == 3


def test_no_module_needs_itself() -> None:
    """Not even by an import inside a function: of two modules in a circle, neither can be understood alone."""
    names = {module: module.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for module in MODULES}
    known = {f"imagefab.{name}" for name in names.values()}
    assert not find_circle({f"imagefab.{name}": list_imports(module) & known for module, name in names.items()})


@pytest.mark.parametrize("module", MODULES)
def test_modules_are_described_and_not_too_long(module: str) -> None:
    assert ast.get_docstring(parse(module)), "every module says what it is for"
    assert len((SOURCE / module).read_text().splitlines()) <= 400, "this is two rooms"
    assert not set(Path(module).with_suffix("").parts) & SHUNNED


def load(code: str) -> set[str]:
    """The top-level modules that a fresh interpreter has after some code."""
    script = f"{code}\nimport sys; print(*{{name.partition('.')[0] for name in sys.modules}}, file=sys.__stderr__)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(result.stderr.split())


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["build", "--help"], ["list"], ["lock", "--check"], ["cross-toml", "--check"]],
    ids=" ".join,
)
def test_starting_up_is_light(arguments: list[str], tmp_path: Path) -> None:
    code = f"""
from imagefab.cli.main import run_main
import os
os.chdir({str(tmp_path)!r})
os.environ["IMAGEFAB_STORE"] = {str(tmp_path / "store")!r}
try:
    run_main({arguments!r})
except SystemExit:
    pass
"""
    assert not load(code) & HEAVY

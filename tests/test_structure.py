"""The project's rules, held against its modules: what each may import, how long it is, and what starting up loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from functools import cache
from pathlib import Path

import pytest

import imagefab
from tests.project_copies import copy_project

SOURCE = Path(imagefab.__file__).parent
TESTS = Path(__file__).parent
MODULES = sorted(path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py"))

OUTSIDE = {"httpx", "docker", "python_on_whales", "subprocess", "socket", "requests", "urllib"}
"""What reaches the network and other processes."""
REACHING = (
    "cli/", "ci/origin.py", "ci/revision.py", "attest/sign.py", "engines/", "registry/", "fetch/", "debian/apt.py",
    "http.py",
)  # fmt: skip

FLOORS = (
    "cli", "flows", "ci", "attest", "records", "cross", "check", "engines", "registry", "plan", "lock", "toolchains",
    "debian", "fetch", "recipe", "http", "oci", "store", "toml", "files", "ground",
)  # fmt: skip
"""The rooms, from top to bottom. What lies beside them, but for http.py, is the ground that all of them stand on."""

PURE = ("plan/make.py", "plan/model.py", "plan/dockerfile.py", "toolchains/", "recipe/model.py", "recipe/rules.py",
        "recipe/target.py", "recipe/format.py", "recipe/schema.py", "toml/grammar.py", "toml/positions.py",
        "lock/text.py", "lock/model.py", "lock/staleness.py", "lock/libc.py", "oci/tree.py", "oci/tarfmt.py",
        "oci/image.py", "cross/cargo_config.py", "cross/choice.py", "cross/cross_toml.py", "cross/lint.py",
        "cross/pin.py", "cross/profile.py", "ci/matrix.py", "debian/pin.py", "toml/edit.py", "volatile.py",
        "digest.py", "errors.py", "progress.py")  # fmt: skip
"""Values in, values out: neither network nor processes, and no file is opened."""

MOST_LINES = 400
SHUNNED = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
HEAVY = {"httpx", "docker", "python_on_whales", "rich", "jinja2", "tomlkit", "requests", "pysequoia", "deflate"}
READS_SURROUNDINGS = {
    "os.environ", "os.environb", "os.getenv",
    "time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today",
}  # fmt: skip


@cache
def parse(module: str) -> tuple[ast.Module, tuple[ast.AST, ...]]:
    """A module of the program, and all nodes in it."""
    tree = ast.parse((SOURCE / module).read_text())
    return tree, tuple(ast.walk(tree))


@cache
def list_imports(module: str) -> frozenset[str]:
    """The modules that a file imports, wherever in it."""
    found: set[str] = set()
    for node in parse(module)[1]:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            found |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found)


def list_packages(module: str) -> set[str]:
    """The top-level packages that a file imports from."""
    return {name.partition(".")[0] for name in list_imports(module)}


def list_names(module: str) -> Iterator[str]:
    """`a.b` for every such attribute in a file."""
    for node in parse(module)[1]:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"


def list_calls(module: str) -> set[str]:
    """The functions that a file calls by a name without dots."""
    nodes = parse(module)[1]
    return {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}


def assert_none(modules: Iterable[str], find: Callable[[str], Iterable[str]]) -> None:
    """Fail with a line for each violation of a rule that is found in the modules."""
    lines = [f"{module}: {violation}" for module in modules for violation in sorted(find(module))]
    assert not lines, "\n".join(["", *lines])


def test_only_some_packages_reach_outside() -> None:
    modules = [module for module in MODULES if not module.startswith(REACHING)]
    assert_none(modules, lambda module: list_packages(module) & OUTSIDE)


def test_pure_modules_open_nothing() -> None:
    modules = [module for module in MODULES if module.startswith(PURE)]
    shunned = OUTSIDE | {"shutil", "tempfile", "fcntl"}
    assert_none(modules, lambda module: list_packages(module) & shunned)
    assert_none(modules, lambda module: list_calls(module) & {"open"})


def test_the_pure_modules_exist() -> None:
    assert [prefix for prefix in PURE if not any(module.startswith(prefix) for module in MODULES)] == []


@pytest.mark.parametrize(
    "module",
    ["plan.make", "plan.dockerfile", "toolchains.design", "lock.text", "oci.tarfmt", "oci.tree", "cross.cross_toml"],
)
def test_pure_modules_load_nothing_heavy(module: str) -> None:
    """Not even through what they import."""
    assert not load(f"import imagefab.{module}") & (OUTSIDE | HEAVY) - {"urllib"}


def test_only_the_command_line_reads_clock_and_environment() -> None:
    modules = [module for module in MODULES if not module.startswith("cli/")]
    assert_none(modules, lambda module: set(list_names(module)) & READS_SURROUNDINGS)
    assert_none(modules, lambda module: list_imports(module) & READS_SURROUNDINGS)


def test_one_module_writes_to_the_standard_streams() -> None:
    """It makes strangers' texts harmless, so nothing else of the command line may write by itself."""
    writing = ("cli/display.py", "cli/main.py")
    modules = [module for module in MODULES if module.startswith("cli/") and module not in writing]
    assert_none(modules, lambda module: set(list_names(module)) & {"sys.stdout", "sys.stderr"})
    assert_none(modules, lambda module: list_calls(module) & {"print"})


def find_floor(module: str) -> int:
    """Of a module by its file; the ground for what is in no room."""
    top = module.removesuffix(".py").partition("/")[0]
    return FLOORS.index({"__main__": "cli"}.get(top, top if top in FLOORS else "ground"))


def test_every_room_has_a_floor() -> None:
    rooms = {module.partition("/")[0] for module in MODULES if "/" in module}
    assert rooms == set(FLOORS) - {"http", "ground"}


def test_no_import_runs_up() -> None:
    """A room knows those below it and none above, so that it can be read without them."""

    def find(module: str) -> list[str]:
        names = {
            name.removeprefix("imagefab.").replace(".", "/") for name in list_imports(module) if "imagefab." in name
        }
        return [name for name in names if f"{name}.py" in MODULES and find_floor(f"{name}.py") < find_floor(module)]

    assert_none(MODULES, find)


def find_circle(imports: Mapping[str, Set[str]]) -> list[str]:
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


def list_test_modules() -> list[str]:
    """All of them, also those of end-to-end tests; of packages, only those that say something."""
    return sorted(path.relative_to(TESTS).as_posix() for path in TESTS.rglob("*.py") if path.read_bytes())


def test_modules_have_a_docstring() -> None:
    assert_none(MODULES, lambda module: [] if ast.get_docstring(parse(module)[0]) else ["no docstring"])
    assert_none(list_test_modules(), lambda module: [] if has_docstring(TESTS / module) else ["no docstring"])


def has_docstring(path: Path) -> bool:
    """Whether a file begins with one; faster than to parse it."""
    return path.read_text("utf-8").startswith('"""')


def test_modules_are_not_too_long() -> None:
    """A module that is longer is about two things."""
    assert_none(MODULES, lambda module: find_excess(SOURCE / module))
    assert_none(list_test_modules(), lambda module: find_excess(TESTS / module))


def find_excess(path: Path) -> list[str]:
    count = len(path.read_text().splitlines())
    return [f"{count} lines, of at most {MOST_LINES}"] if count > MOST_LINES else []


def test_names_of_modules_say_something() -> None:
    assert_none(MODULES, lambda module: set(Path(module).with_suffix("").parts) & SHUNNED)
    assert_none(list_test_modules(), lambda module: set(Path(module).with_suffix("").parts) & SHUNNED)


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
    copy_project(tmp_path / "project", ["aarch64-musl"])
    code = f"""
from imagefab.cli.main import run_main
import os
os.chdir({str(tmp_path / "project")!r})
os.environ["IMAGEFAB_STORE"] = {str(tmp_path / "store")!r}
try:
    run_main({arguments!r})
except SystemExit:
    pass
"""
    assert not load(code) & HEAVY

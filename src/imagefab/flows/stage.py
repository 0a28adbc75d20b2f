"""Start programs in the userlands of suites, as recipes' locks pin them."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from imagefab.check.needs import Needs
from imagefab.check.product import find_fault, read_binary
from imagefab.check.start_result import Start
from imagefab.engines.command import run_in_image
from imagefab.engines.engine import Command
from imagefab.errors import UsageError
from imagefab.flows.build import EngineChoice, Workshop, build_recipe, make_workshop
from imagefab.flows.check import capture
from imagefab.flows.prepare import Prepared
from imagefab.flows.workspace import Workspace
from imagefab.oci.image import Image
from imagefab.platforms import HostPlatform, machine_platform
from imagefab.recipe.model import Recipe
from imagefab.toml.grammar import quote

_LIMIT = 20.0
_NOBODY = 12345
_INSIDE = "/judged"
_LOADER = (126, 127)
_CRASHES = (signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGSEGV)
_REFUSAL = re.compile(
    r"error while loading shared libraries|version `[^']+' not found|symbol lookup error|Could not open '"
)
"""What loaders say, and QEMU where there is no loader."""
_ILLEGAL = 128 + signal.SIGILL


@dataclass(frozen=True, slots=True)
class _Place:
    """An image with a suite's userland, and what runs the program there."""

    recipe: str
    image: Image
    runner: tuple[str, ...]
    env: tuple[tuple[str, str], ...]


class Stage:
    """Images of suites, from the recipes' locks. They are built when they are needed first."""

    def __init__(self, workspace: Workspace, suites: Sequence[str]) -> None:
        self._workspace = workspace
        self._recipes = workspace.load_recipes(None)
        self._suites = suites
        known = dict.fromkeys(recipe.archives[0].suite for recipe in self._recipes)
        for suite in suites:
            if suite not in known:
                raise UsageError(f"no recipe here is of the suite {quote(suite)}", hint=f"there are {', '.join(known)}")
        self._workshop: Workshop = make_workshop(workspace, EngineChoice())
        self._places: dict[str, _Place] = {}

    def start(self, file: Path, needs: Needs) -> Iterator[Start]:
        if needs.format != "ELF" or needs.kind != "program":
            raise UsageError(f"{file} is no program for Linux, so it starts on no suite", hint="leave out --runs-on")
        for suite in self._suites:
            yield self._start(file, suite)

    def _start(self, file: Path, suite: str) -> Start:
        recipe, is_native = self._choose(file, suite)
        place = self._provide(recipe, is_native=is_native)
        inside = f"{_INSIDE}/{file.name}"
        command = Command(
            argv=(*place.runner, inside, "--version"),
            env=(*place.env, ("HOME", "/tmp")),  # noqa: S108
            user=(_NOBODY, _NOBODY),
            read_only_binds=((str(file), inside),),
            read_only=True,
            limit=_LIMIT,
            limits=self._workspace.project.settings.limits,
        )
        codes: list[int] = []
        store = self._workspace.store
        said = capture(
            store,
            lambda output: codes.append(
                run_in_image(place.image, place.recipe, command, store, self._workspace.progress, output=output)
            ),
        )
        return _conclude(suite, codes[0] if codes else None, said)

    def _choose(self, file: Path, suite: str) -> tuple[Recipe, bool]:
        """A recipe with the suite's userland for the program's machine."""
        binary, machine = read_binary(file), machine_platform()
        those = [recipe for recipe in self._recipes if recipe.archives[0].suite == suite]
        native = [one for one in those if machine.name in one.platforms and one.additions is not None]
        if native and find_fault(binary, machine.rust_host, static=False) is None:
            return native[0], True
        for recipe in those:
            is_linux = recipe.target.os == "linux" and recipe.kind in ("gcc", "llvm")
            if is_linux and find_fault(binary, recipe.target.triple, static=False) is None:
                return recipe, False
        raise UsageError(
            f"no recipe of {suite} is for the machine of {file.name}, {binary.architecture}",
            hint=f"one of kind gcc with a base of {suite} would do: `imagefab new`",
        )

    def _provide(self, recipe: Recipe, *, is_native: bool) -> _Place:
        key = f"{recipe.archives[0].suite} {'' if is_native else recipe.name}"
        if key not in self._places:
            self._places[key] = self._build(recipe, machine_platform(), is_native=is_native)
        return self._places[key]

    def _build(self, recipe: Recipe, platform: HostPlatform, *, is_native: bool) -> _Place:
        (prepared,) = self._workspace.prepare([recipe.name])
        chosen = _keep_userland(prepared, platform) if is_native else prepared
        outcome = build_recipe(chosen, (platform.name,), self._workshop)
        (plan,) = chosen.choose_plans([platform.name])
        upper = recipe.target.triple.upper().replace("-", "_").replace(".", "_")
        runner = "" if is_native else dict(plan.env).get(f"CARGO_TARGET_{upper}_RUNNER", "")
        env = () if is_native else plan.env
        return _Place(recipe=recipe.name, image=outcome.images.images[0], runner=tuple(runner.split()), env=env)


def _keep_userland(prepared: Prepared, platform: HostPlatform) -> Prepared:
    """The recipe with its lowest layer alone: the suite itself, without compilers."""
    (plan,) = prepared.choose_plans([platform.name])
    return replace(prepared, instead={platform.name: replace(plan, layers=plan.layers[:1], env=(), labels=())})


def _conclude(suite: str, code: int | None, said: str) -> Start:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = lines[-1][:200] if lines else ""
    if code is None:
        return Start(suite=suite, works=True, detail=f"it still ran after {_LIMIT:.0f} seconds")
    if code == _ILLEGAL or "uncaught target signal 4" in said:
        return Start(suite=suite, works=False, detail="it executes an instruction that the processor does not have")
    if code - 128 in _CRASHES:
        return Start(suite=suite, works=False, detail=f"it is ended by {signal.Signals(code - 128).name}")
    refusal = next((line for line in lines if _REFUSAL.search(line)), None)
    if code in _LOADER or refusal is not None:
        return Start(suite=suite, works=False, detail=(refusal or last)[:200] or f"exit code {code}")
    return Start(suite=suite, works=True, detail=f"exit code {code}")

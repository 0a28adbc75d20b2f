"""Asks the apt of a built image what it would install on the image's lower layers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from imagefab.engines.build import find_layers
from imagefab.engines.engine import Command
from imagefab.engines.sandbox.run import run_in_sandbox
from imagefab.flows.prepare import design_blueprints, prepare_recipe
from imagefab.plan.model import Plan
from imagefab.progress import SilentProgress
from imagefab.recipe.loader import load_recipes
from imagefab.recipe.project import open_project
from imagefab.store.store import Store
from imagefab.toolchains.blueprint import IMAGE_PATH
from imagefab.toolchains.design import RULES
from tests.e2e.support.apt import Oracle, make_command, read_answer
from tests.e2e.support.command_line import CommandLine


def compare_layers(oracle: Oracle, line: CommandLine, name: str, platform: str, folder: Path) -> None:
    """For every layer: asked for the same, both choose the same."""
    project = open_project(line.folder)
    (recipe,) = load_recipes(project, RULES, [name])
    prepared = prepare_recipe(project, recipe)
    (plan,) = prepared.choose_plans([platform])
    pinned = next(pins for pins in prepared.lock.platforms if pins.platform == platform)
    blueprint = next(b for b in design_blueprints(recipe) if b.platform.name == platform)
    foreign = {word.partition(":")[2] for layer in blueprint.layers for word in layer.packages} - {""}
    universe = oracle.reader.open_universe(blueprint.archives, (plan.platform.debian_arch, *sorted(foreign)))
    oracle.lay_out(folder, blueprint.archives, universe)
    asked = [number for number, spec in enumerate(blueprint.layers) if number and spec.packages]
    assert asked
    for number in asked:
        packages = blueprint.layers[number].packages
        command = make_command(folder, universe, packages, status=Path("/var/lib/dpkg/status"))
        chosen = read_answer(run_in_lower_layers(line, plan, command, folder, layers=number))
        wanted = {(pin.name, pin.architecture, pin.version) for pin in pinned.layers[number].packages}
        assert chosen == wanted, blueprint.layers[number].name


def run_in_lower_layers(line: CommandLine, plan: Plan, argv: Sequence[str], folder: Path, *, layers: int) -> str:
    """What a command says inside an image's lowest layers; a folder of the test's is in its place."""
    store = Store(line.store)
    found = find_layers(plan, store, SilentProgress())
    assert len(found) >= layers
    command = Command(argv=tuple(argv), env=(("PATH", IMAGE_PATH),), binds=((str(folder), str(folder)),))
    with (folder / "output").open("w+b") as output:
        code = run_in_sandbox(tuple(chain.from_iterable(found[:layers])), store, command, output=output)
        output.seek(0)
        said = output.read().decode()
    store.close()
    assert code == 0, said
    return said

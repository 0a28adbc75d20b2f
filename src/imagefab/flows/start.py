"""Start a new project, or a new recipe in one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imagefab import __version__
from imagefab.ci.origin import find_origin
from imagefab.ci.requirements import PINNED
from imagefab.ci.services import DEFAULT_REGISTRY, NONE
from imagefab.ci.workflow import compose_workflows
from imagefab.errors import UsageError
from imagefab.files.plain import MOST_GENERATED, BadFileError, is_there, read_text
from imagefab.flows.workspace import Workspace
from imagefab.recipe.loader import list_recipes
from imagefab.recipe.model import BASES
from imagefab.recipe.new import compose_recipe, write_recipe
from imagefab.recipe.project import SETTINGS_FILE, Project, find_shipped_project, open_project
from imagefab.recipe.start import FIRST_RECIPE, start_project
from imagefab.toml.grammar import quote, suggest
from imagefab.toolchains.design import RULES


@dataclass(frozen=True, slots=True, kw_only=True)
class InitRequest:
    folder: Path
    services: tuple[str, ...]
    """The CI services to write workflows for; `none` means none."""
    to: str | None = None
    """Registry and namespace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    project: Project
    written: tuple[Path, ...]
    recipe: str
    """A recipe to begin with."""
    warnings: tuple[str, ...]


def start(workspace: Workspace, request: InitRequest) -> Started:
    """Write the project files that don't exist yet, and say what is left to do by hand."""
    project = open_project(request.folder)
    known = project.settings.publish_to or request.to
    had_settings = (project.root / SETTINGS_FILE).exists()
    shipped = find_shipped_project()
    has_workflows = NONE not in request.services
    # Finding where imagefab was installed from may query a package index.
    origin = find_origin(__version__, offline=workspace.offline or not has_workflows)
    workflows = compose_workflows(
        request.services,
        origin=origin,
        pins=_read_pins(shipped),
        registry=DEFAULT_REGISTRY if known is None else known.partition("/")[0],
    )
    written = start_project(project, shipped, RULES, workflows=workflows, to=request.to)
    warnings: list[str] = []
    if had_settings and request.to is not None and request.to != project.settings.publish_to:
        warnings.append(
            f"{project.show(project.root / SETTINGS_FILE)} stays as it is; `to` and `layers` under [publish] in it say "
            f"where images go, {known if known != request.to else 'which is nowhere yet'}"
        )
    if has_workflows and (top := _find_repository(project.root)) is not None:
        warnings.append(
            f"services look for workflows at the top of a repository, which is {top}: move them there, and have their "
            "commands work in this folder, by `imagefab -C`; or start the project there"
        )
    if asking := [path for path in written if path.name == PINNED and origin.requirement is None]:
        where = " and ".join(map(project.show, asking))
        warnings.append(f"{where}: replace FILL IN by a URL that CI can install imagefab from; {origin.reason}")
    names: Sequence[str] = list_recipes(project)
    return Started(
        project=project,
        written=tuple(written),
        recipe=FIRST_RECIPE if FIRST_RECIPE in names else names[0],
        warnings=tuple(warnings),
    )


def _read_pins(shipped: Project) -> str:
    """The versions that this imagefab was tested with."""
    try:
        return read_text(shipped.root / "requirements.txt", MOST_GENERATED)
    except BadFileError:
        return ""


def _find_repository(folder: Path) -> Path | None:
    """The repository that contains the folder, unless the folder is its root."""
    folder = folder.resolve()
    if is_there(folder / ".git"):
        return None
    return next((one for one in folder.parents if is_there(one / ".git")), None)


# -- a recipe ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    name: str
    target: str
    kind: str
    base: str


def start_recipe(workspace: Workspace, request: NewRequest) -> Path:
    """Write a first draft of a recipe."""
    if request.name == BASES:
        raise UsageError(f"a recipe can't be called `{BASES}`", hint="that is where bases and their locks are")
    if not (workspace.project.bases_dir / f"{request.base}.toml").exists():
        bases = [path.stem for path in workspace.project.bases_dir.glob("*.toml")]
        raise UsageError(f"no base {quote(request.base)}", hint=suggest(request.base, bases, noun="bases"))
    text = compose_recipe(request.name, target=request.target, kind=request.kind, rules=RULES, base=request.base)
    return write_recipe(workspace.project, request.name, text)

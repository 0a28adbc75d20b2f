"""TOML → Recipe: load recipes and the bases they build on, and report everything that is wrong in one run.

The rules for single values are declared in the format; how values fit together is checked here: kinds against targets,
references against what they refer to, bases against each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imagefab.errors import Position, RecipeError, SeveralErrors, UsageError
from imagefab.platforms import HOST_PLATFORMS
from imagefab.recipe.additions import find_own_file, load_additions
from imagefab.recipe.format import BASE, STEM, declare_options, declare_recipe, declare_runner
from imagefab.recipe.model import BASES, Archive, Base, Recipe
from imagefab.recipe.project import Project
from imagefab.recipe.rules import KindRules, Value
from imagefab.recipe.target import TARGETS, Target
from imagefab.toml.document import Document, read_document
from imagefab.toml.grammar import quote, suggest

_DEEPEST = 16
"""The most bases under a recipe. Each is a layer, and overlay mounts support a limited number."""

_WITHOUT_GLIBC = ("musl", "musl-dev", "linux-libc-dev")
"""The archive's packages for a target with musl."""


def list_recipes(project: Project) -> tuple[str, ...]:
    """List the names of a project's recipes, without reading them."""
    return tuple(sorted(_list_stems(project.recipes_dir)))


def load_recipes(
    project: Project, rules: Mapping[str, KindRules], names: Iterable[str] | None = None
) -> tuple[Recipe, ...]:
    """Load all recipes of a project, or the named ones, in that order, once each.

    Raises SeveralErrors with all problems in them and their bases, and UsageError for a name without a recipe. With
    names, other recipes need not be valid.
    """
    known = list_recipes(project)
    wanted = known if names is None else _choose(tuple(dict.fromkeys(names)), known)
    loading = _Loading(project, rules)
    recipes = [loading.load_recipe(name) for name in wanted]
    if names is None:
        loading.load_all_bases()
    if errors := loading.errors():
        raise SeveralErrors(errors)
    return tuple(recipe for recipe in recipes if recipe)


def _check_target_packages(document: Document, packages: tuple[str, ...], target: Target) -> None:
    spot = document.spot("packages", "target")
    if packages and not target.debian_arch:
        spot.report(f"the archive has no packages for `{target.triple}`", "`host` is for tools that run in the image")
    foreign = [name for name in packages if name not in _WITHOUT_GLIBC]
    if foreign and target.is_musl:
        spot.report(
            f"the archive builds {', '.join(foreign)} for glibc, and the target has musl",
            "let the crate build its library from source (for openssl: the feature `vendored`), or install the source "
            "of one and compile it with `[[run]]`",
        )


def _choose(names: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    errors = [
        UsageError(f"no recipe {quote(name)}", hint=suggest(name, known, noun="recipes"))
        for name in names
        if name not in known
    ]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise SeveralErrors(errors)
    return names


def _list_stems(folder: Path) -> list[str]:
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RecipeError(f"cannot be read: {error.strerror}", position=Position(str(folder))) from None
    # Editors leave hidden files next to an open file.
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml") and not name.startswith("."))


@dataclass
class _Loading:
    """The state of one run: what has been read, and the problems in it."""

    project: Project
    rules: Mapping[str, KindRules]
    documents: list[Document] = field(default_factory=list)
    unreadable: list[RecipeError] = field(default_factory=list)
    chains: dict[str, tuple[Base, ...] | None] = field(default_factory=dict)
    """A base's name → the base and all below it, root first; None for an invalid one."""

    def __post_init__(self) -> None:
        self.recipe_names = _list_stems(self.project.recipes_dir)
        self.base_names = _list_stems(self.project.bases_dir)
        self.recipe_table = declare_recipe(self.rules)

    def errors(self) -> list[RecipeError]:
        found = [*self.unreadable, *(error for document in self.documents for error in document.errors())]
        return sorted(found, key=_order)

    def load_recipe(self, name: str) -> Recipe | None:
        document = self._read(self.project.recipes_dir / f"{name}.toml", self.recipe_names)
        if document is None:
            return None
        if name == BASES:
            problem = f"a recipe can't be called `{BASES}`: that is where the locks of bases are"
            self.unreadable.append(RecipeError(problem, position=Position(document.file), hint="give it another name"))
        table = document.read(self.recipe_table)
        options = _check_kind(document, table, self.rules, self.project.recipes_dir)
        bases = self._find_chain(document, table.get("base"))
        additions = load_additions(document, table, bases or (), self.project.recipes_dir)
        if additions is None or bases is None:
            return None
        target = TARGETS[table["target"]]
        _check_target_packages(document, additions.target_packages, target)
        platforms = table.get("platforms", HOST_PLATFORMS)
        recipe = Recipe(
            name=name,
            file=document.file,
            description=table["description"],
            target=target,
            kind=table["kind"],
            runner=table.get("runner", "auto"),
            platforms=tuple(platform for platform in HOST_PLATFORMS if platform in platforms),
            bases=bases,
            additions=additions,
            options=options,
            qemu_suite=table.get("qemu-suite"),
            debug=table.get("debug", False),
            size_budget=table.get("size-budget"),
        )
        _check_base(document, recipe, self.rules[recipe.kind])
        _check_layer_names(document, recipe, self.rules[recipe.kind])
        return recipe

    def load_all_bases(self) -> None:
        for name in self.base_names:
            if name not in self.chains:
                self.chains[name] = self._load_base(name, (name,))

    def _load_base(self, name: str, trail: tuple[str, ...]) -> tuple[Base, ...] | None:
        """Load a base and all below it. `trail` is the path that led here, to detect cycles."""
        document = self._read(self.project.bases_dir / f"{name}.toml", self.base_names)
        if document is None:
            return None
        table = document.read(BASE)
        below = self._find_chain(document, table.get("base"), trail) if "base" in table else ()
        additions = load_additions(document, table, below or (), self.project.recipes_dir)
        if additions is None or below is None:
            return None
        archives = tuple(
            Archive(
                name=archive["name"],
                archive=archive["archive"],
                suite=archive["suite"],
                components=tuple(archive.get("components", ("main",))),
            )
            for archive in table.get("archives", ())
        )
        base = Base(name=name, description=table["description"], archives=archives, additions=additions)
        return (*below, base)

    def _find_chain(self, document: Document, name: str | None, trail: tuple[str, ...] = ()) -> tuple[Base, ...] | None:
        """Return the chain of bases that a document's `base` refers to."""
        if name is None:
            return None
        spot = document.spot("base")
        if name not in self.base_names:
            spot.report(f"no base {quote(name)}", suggest(name, self.base_names, noun="bases"))
        elif name in trail:
            circle = " → ".join((*trail[trail.index(name) :], name))
            spot.report(f"the bases depend on each other in a circle: {circle}")
        else:
            if name not in self.chains and len(trail) < _DEEPEST:
                self.chains[name] = self._load_base(name, (*trail, name))
            chain = self.chains.get(name, ())
            if chain is None or 0 < len(chain) < _DEEPEST:
                return chain
            spot.report(f"more than {_DEEPEST} bases are stacked here")
        return None

    def _read(self, path: Path, siblings: list[str]) -> Document | None:
        file = self.project.show(path)
        try:
            _check_stem(path.name.removesuffix(".toml"), file, siblings)
            document = read_document(path, file)
        except RecipeError as error:
            self.unreadable.append(error)
            return None
        self.documents.append(document)
        return document


def _order(error: RecipeError) -> tuple[str, int, int]:
    position = error.position or Position("")
    return position.file, position.line or 0, position.column or 0


def _check_stem(stem: str, file: str, known: list[str]) -> None:
    if stem != stem.lower() and stem.lower() in known:
        raise RecipeError(f"{quote(stem)} and `{stem.lower()}` differ only in case", position=Position(file))
    if (broken := STEM.find_broken(stem)) is not None:
        raise RecipeError(broken.explain(stem), position=Position(file), hint=broken.hint)


def _check_base(document: Document, recipe: Recipe, kind: KindRules) -> None:
    if reason := kind.refuses(recipe):
        name = recipe.bases[-1].name
        document.spot("base").report(
            f"kind `{kind.name}` has no images for `{recipe.target.triple}` on `{name}`", reason
        )


def _check_layer_names(document: Document, recipe: Recipe, kind: KindRules) -> None:
    """Check that layer names are unique: every base but the root gives its name to a layer."""
    taken = set(kind.layer_names(recipe))
    for base in recipe.bases[1:]:
        if base.name in taken:
            document.spot("base").report(
                f"two layers of this image would have the name `{base.name}`",
                f"give the base `{base.name}` another name",
            )


def _check_kind(
    document: Document, table: dict[str, Any], rules: Mapping[str, KindRules], recipes_dir: Path
) -> tuple[tuple[str, str | int | bool], ...]:
    """Check a recipe against its kind's rules; returns its options, completed with the kind's defaults."""
    kind = rules.get(table.get("kind", ""))
    if kind is None:
        return ()
    chosen = declare_options(kind).read(table.get("options", {}), document.spot("options")) or {}
    target = TARGETS[table["target"]] if "target" in table else None
    if target is not None:
        _check_target(document, table, kind, target, chosen)
    for rule in kind.options:
        if rule.is_file and chosen.get(rule.name):
            chosen[rule.name] = find_own_file(chosen[rule.name], recipes_dir)
    return tuple((kind.list_defaults(target) | chosen).items())


def _has_qemu_user(table: dict[str, Any], kind: KindRules, target: Target) -> bool:
    """Whether an image of the recipe has qemu-user: it is the runner, or the default where the target is foreign."""
    runner = table.get("runner", "auto")
    hosts = [HOST_PLATFORMS[name] for name in table.get("platforms", HOST_PLATFORMS) if name in HOST_PLATFORMS]
    is_foreign = any(host.debian_arch != target.debian_arch for host in hosts)
    return "qemu-user" in kind.runners(target) and (runner == "qemu-user" or (runner == "auto" and is_foreign))


def _check_target(
    document: Document, table: dict[str, Any], kind: KindRules, target: Target, chosen: Mapping[str, Value]
) -> None:
    """Report what does not fit the recipe's target."""
    if reason := kind.accepts(target):
        document.spot("target").report(f"kind `{kind.name}` has no images for `{target.triple}`", reason)
    if "runner" in table:
        declare_runner(kind, [target]).read(table["runner"], document.spot("runner"))
    if table.get("debug") and not target.has_gdb:
        document.spot("debug").report(f"no debugger for `{target.triple}`", "Linux and bare metal have one")
    if "qemu-suite" in table and not reason and not _has_qemu_user(table, kind, target):
        document.spot("qemu-suite").report(
            "no image of this recipe has QEMU's user mode emulator",
            "leave it out: nothing else comes from that suite",
        )
    for fault in () if reason else kind.find_faults(target, chosen):
        document.spot("options", fault.option).report(fault.problem, fault.hint)

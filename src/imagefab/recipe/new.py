"""New recipes and projects: what `imagefab new` and `imagefab init` write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from imagefab.errors import UsageError
from imagefab.files.disk import DiskError, write_new
from imagefab.recipe.format import STEM
from imagefab.recipe.project import Project
from imagefab.recipe.rules import KindRules
from imagefab.recipe.target import TARGETS, Target
from imagefab.toml.grammar import quote, suggest

DEFAULT_BASE = "trixie"

_TEXT = """\
#:schema ./recipe.schema.json
description = "{kind} image for {triple}"
target = "{triple}"
kind = "{kind}"
base = "{base}"
# runner = "auto"
# size-budget = 300                # MB, compressed

# [packages]
# host = ["protobuf-compiler"]     # tools that run in the build
"""
_TARGET_PACKAGES = """\
# target = ["libssl-dev"]          # libraries to link against
"""


def compose_recipe(
    name: str, *, target: str, kind: str, rules: Mapping[str, KindRules], base: str = DEFAULT_BASE
) -> str:
    """Compose the text of a new recipe. Raises UsageError if there can be no such recipe."""
    for text in (name, base):
        if (broken := STEM.find_broken(text)) is not None:
            raise UsageError(broken.explain(text), hint=broken.hint)
    if target not in TARGETS:
        raise UsageError(f"unknown target {quote(target)}", hint=suggest(target, TARGETS, noun="targets"))
    if kind not in rules:
        raise UsageError(f"unknown kind {quote(kind)}", hint=suggest(kind, rules, noun="kinds"))
    chosen = rules[kind]
    if reason := chosen.accepts(TARGETS[target]):
        raise UsageError(f"kind `{kind}` has no images for `{target}`", hint=reason)
    text = _TEXT.format(kind=kind, triple=target, base=base)
    if TARGETS[target].debian_arch and not TARGETS[target].is_musl:
        text += _TARGET_PACKAGES
    return text + _compose_options(chosen, TARGETS[target])


def write_recipe(project: Project, name: str, text: str) -> Path:
    """Write a new recipe into a project, never over an existing one."""
    if project.shipped:
        raise UsageError("no project here", hint="run `imagefab init` to start one")
    path = project.recipes_dir / f"{name}.toml"
    try:
        is_new = write_new(path, text.encode(), within=project.root)
    except DiskError as error:
        reason = error.__cause__.strerror if isinstance(error.__cause__, OSError) else error.problem
        raise UsageError(f"can't write {project.show(path)}: {reason}") from error
    if not is_new:
        raise UsageError(f"{project.show(path)} already exists")
    return path


def copy_bases(project: Project, shipped: Project) -> list[Path]:
    """Copy the shipped bases that a project lacks into it, so that its recipes have something to build on."""
    copied = []
    for source in sorted(shipped.bases_dir.glob("*.toml")):
        path = project.bases_dir / source.name
        if write_new(path, source.read_bytes(), within=project.root):
            copied.append(path)
    return copied


def _compose_options(kind: KindRules, target: Target) -> str:
    """List the kind's options for the target, as comments with their defaults."""
    defaults = kind.list_defaults(target)
    rules = [rule for rule in kind.options if not [*kind.find_faults(target, {rule.name: defaults[rule.name]})]]
    if not rules:
        return ""
    lines = ["", "# [options]"]

    for rule in rules:
        default = defaults[rule.name]
        choices = f" ({', '.join(rule.choices)})" if rule.choices else ""
        value = f'"{default}"' if isinstance(default, str) else str(default).lower()
        lines.append(f"# {rule.name} = {value}  # {rule.description}{choices}")
    return "\n".join(lines) + "\n"

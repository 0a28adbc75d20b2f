"""`imagefab show`: show everything about one recipe."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from imagefab.cli import arguments as shared
from imagefab.cli.display import print_json, write_out

if TYPE_CHECKING:
    from imagefab.flows.describe import Description
    from imagefab.flows.workspace import Workspace
    from imagefab.records.checked import Checked

NAME = "show"
HELP = "show a recipe's packages, layers, environment and Cross.toml entry"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", help="its name, as in `imagefab list`")
    shared.add_platform(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace, workspace: Workspace) -> int:
    from imagefab.flows.describe import describe

    value = _describe(describe(workspace, arguments.recipe, shared.read_platform(arguments)))
    if arguments.json:
        print_json(value)
        return 0
    out = write_out
    out(f"{value['recipe']}: {value['description']}\n")
    libc = f"{value['libc'] or '-'} {value['libc_floor'] or ''}".rstrip()
    about = {**value, "digest": value["digest"] or "not built", "libc": libc}
    for key in ("target", "kind", "runner", "libc", "platform", "epoch", "digest", "manifest"):
        if key != "manifest" or value["manifest"] != value["digest"]:
            out(f"  {key:<9} {about[key]}\n")
    if value["checked"]:
        _print_checked(value["checked"], value)
    for layer in value["layers"]:
        size = f", {layer['size'] / 1e6:.1f} MB" if layer["size"] else ""
        out(f"\n{layer['name']}: {layer['comment']}{size}\n")
        if len(layer["layers"]) > 1:
            for part in layer["layers"]:
                out(f"  {part['size'] / 1e6:5.1f} MB  {part['name']}\n")
        for package in layer["packages"]:
            out(f"  {package['name']} {package['version']} ({package['architecture']})\n")
    out("\nenvironment\n")
    for variable, text in value["env"].items():
        out(f"  {variable}={text}\n")
    for text, versions in _group(value["cross_toml"] or {}).items():
        out(f"\nCross.toml, for cross {' and '.join(versions)}\n")
        out("".join(f"  {line}\n" for line in text.splitlines()))
    if value["advice"]:
        out("\ngood to know\n")
    for line in value["advice"]:
        out(f"  {line}\n")
    return 0


def _print_checked(checked: dict[str, Any], value: dict[str, Any]) -> None:
    other = "" if checked["manifest"] == value["manifest"] else " (of another image than this lock's)"
    told = f"{len(checked['passed'])} passed, {len(checked['failed'])} failed, {len(checked['skipped'])} skipped"
    write_out(f"  checked   {told}{other}\n")
    for name, fact in checked["facts"].items():
        write_out(f"  {name:<12} {fact}\n")


def _group(entries: dict[str, str]) -> dict[str, list[str]]:
    """The Cross.toml texts, each with the versions of cross that it is for."""
    return {text: [name for name, other in entries.items() if other == text] for text in entries.values()}


def _describe(found: Description) -> dict[str, Any]:
    recipe, plan, image, layers = found.prepared.recipe, found.plan, found.image, found.layers
    return {
        "recipe": recipe.name,
        "description": recipe.description,
        "target": plan.target,
        "kind": recipe.kind,
        "runner": dict(plan.labels)["org.cross-rs.runs-with"],
        "libc": found.libc.name,
        "libc_floor": found.libc.floor,
        "platform": plan.platform.name,
        "platforms": list(recipe.platforms),
        "epoch": plan.epoch,
        "digest": found.digest,
        "manifest": str(image.digest) if image else None,
        "config": str(image.config_digest) if image else None,
        "size": image.size if image else None,
        "checked": None if found.checked is None else _describe_checked(found.checked),
        "layers": [
            {
                "name": planned.name,
                "comment": planned.comment,
                "key": str(planned.key),
                "size": sum(layer.size for layer in layers[n]) if n < len(layers) else None,
                "layers": [
                    {"name": layer.name, "digest": str(layer.digest), "size": layer.size}
                    for layer in (layers[n] if n < len(layers) else ())
                ],
                "packages": [
                    {"name": p.name, "version": p.version, "architecture": p.architecture}
                    for p in (*pins.packages, *pins.extracts)
                ],
            }
            for n, (planned, pins) in enumerate(zip(plan.layers, found.pins.layers, strict=True))
        ],
        "env": dict(plan.env),
        "cross_toml": found.cross_toml,
        "labels": dict(plan.labels),
        "advice": list(found.advice),
    }


def _describe_checked(checked: Checked) -> dict[str, Any]:
    return {
        "manifest": str(checked.manifest),
        "ok": checked.is_good,
        "passed": list(checked.passed),
        "failed": list(checked.failed),
        "skipped": list(checked.skipped),
        "facts": dict(checked.facts),
    }

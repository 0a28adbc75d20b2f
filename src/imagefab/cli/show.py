"""`imagefab show`: everything about one recipe."""

from __future__ import annotations

import argparse
from typing import Any

from imagefab.cli.display import write_out
from imagefab.cli.session import Session, print_json

NAME = "show"
HELP = "everything about one recipe: packages, layers, environment, Cross.toml entry"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE")
    parser.add_argument("--platform", metavar="P", help="a host platform; default: this machine's")
    parser.add_argument("--json", action="store_true")


def run(session: Session) -> int:
    from imagefab.platforms import parse_platform

    (prepared,) = session.prepare([session.arguments.recipe])
    asked = session.arguments.platform
    (plan,) = prepared.choose([parse_platform(asked).name if asked else prepared.default_platform])
    value = _describe(session, prepared, plan)
    if session.arguments.json:
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
        for package in layer["packages"]:
            out(f"  {package['name']} {package['version']} ({package['architecture']})\n")
    out("\nenvironment\n")
    for variable, text in value["env"].items():
        out(f"  {variable}={text}\n")
    for text, versions in _group(value["cross_toml"] or {}).items():
        out(f"\nCross.toml, for cross {' and '.join(versions)}\n")
        out("".join(f"  {line}\n" for line in text.splitlines()))
    return 0


def _print_checked(checked: dict[str, Any], value: dict[str, Any]) -> None:
    other = "" if checked["manifest"] == value["manifest"] else " (of another image than this lock's)"
    told = f"{len(checked['passed'])} passed, {len(checked['failed'])} failed, {len(checked['skipped'])} skipped"
    write_out(f"  checked   {told}{other}\n")
    for name, fact in checked["facts"].items():
        write_out(f"  {name:<12} {fact}\n")


def _group(entries: dict[str, str]) -> dict[str, list[str]]:
    """The texts of a Cross.toml, each with the versions of cross that it is for."""
    return {text: [name for name, other in entries.items() if other == text] for text in entries.values()}


def _compose_entries(session: Session, prepared: Any) -> dict[str, str] | None:
    """What `cross-toml` writes; for an image that is not published, what it writes for a loaded one."""
    from imagefab.emit.cross_toml import Entry, compose_cross_toml
    from imagefab.emit.profile import PROFILES
    from imagefab.errors import ImagefabError
    from imagefab.pinning import find_local_pin, find_pin
    from imagefab.progress import SilentProgress

    recipe = prepared.recipe
    try:
        pin = find_pin(session.project, recipe, session.store, SilentProgress())
    except ImagefabError:
        try:
            pin = find_local_pin(session.project, recipe, session.store, lambda name: True)
        except ImagefabError:
            return None
    entry = Entry(recipe=recipe.name, triple=recipe.target.triple, pin=pin)
    return {name: compose_cross_toml([entry], profile) for name, profile in PROFILES.items()}


def _describe(session: Session, prepared: Any, plan: Any) -> dict[str, Any]:
    from imagefab.engines.build import assemble_image, find_layers
    from imagefab.factory import find_checked
    from imagefab.lock.libc import find_claim, find_libc
    from imagefab.pinning import find_built

    libc, floor = find_libc(prepared.lock, prepared.recipe.target)
    claim = find_claim(prepared.blueprints[0])
    if prepared.blueprints[0].has_own_libc or claim:
        floor = claim
    layers = find_layers(plan, session.store, session.progress)
    image = assemble_image(plan, layers) if len(layers) == len(plan.layers) else None
    checked = find_checked(session.project, plan.recipe, session.progress).get(plan.platform.name)
    pinned = next(pins for pins in prepared.lock.platforms if pins.platform == plan.platform.name)
    return {
        "recipe": prepared.recipe.name,
        "description": prepared.recipe.description,
        "target": plan.target,
        "kind": prepared.recipe.kind,
        "runner": dict(plan.labels)["org.cross-rs.runs-with"],
        "libc": libc,
        "libc_floor": floor,
        "platform": plan.platform.name,
        "platforms": list(prepared.recipe.platforms),
        "epoch": plan.epoch,
        "digest": str(find_built(prepared, session.store, session.progress).digest) if image else None,
        "manifest": str(image.digest) if image else None,
        "config": str(image.config_digest) if image else None,
        "size": image.size if image else None,
        "checked": None
        if checked is None
        else {
            "manifest": str(checked.manifest),
            "ok": checked.is_good,
            "passed": list(checked.passed),
            "failed": list(checked.failed),
            "skipped": list(checked.skipped),
            "facts": dict(checked.facts),
        },
        "layers": [
            {
                "name": planned.name,
                "comment": planned.comment,
                "key": str(planned.key),
                "digest": str(layers[n].digest) if n < len(layers) else None,
                "size": layers[n].size if n < len(layers) else None,
                "packages": [
                    {"name": p.name, "version": p.version, "architecture": p.architecture}
                    for p in (*lock.packages, *lock.extracts)
                ],
            }
            for n, (planned, lock) in enumerate(zip(plan.layers, pinned.layers, strict=True))
        ],
        "env": dict(plan.env),
        "cross_toml": _compose_entries(session, prepared),
        "labels": dict(plan.labels),
    }

"""`imagefab list`: the recipes at a glance."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from imagefab.cli.session import Session, print_json
from imagefab.errors import StaleError

NAME = "list"
HELP = "the recipes: target, kind, runner, libc and its floor, platforms, locked or not, digest and size"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true")


def run(session: Session) -> int:
    rows = [_describe(session, recipe) for recipe in session.recipes(None)]
    if session.arguments.json:
        print_json({"recipes": rows})
        return 0
    table = [("RECIPE", "TARGET", "KIND", "RUNNER", "LIBC", "PLATFORMS", "LOCK", "SIZE", "DIGEST")]
    for row in rows:
        libc = f"{row['libc'] or '-'} {row['libc_floor'] or ''}".rstrip()
        platforms = ",".join(name.removeprefix("linux/") for name in row["platforms"])
        size = f"{row['size'] / 1e6:.0f} MB" if row["size"] else "-"
        digest = row["digest"][:19] if row["digest"] else "-"
        about = (row["recipe"], row["target"], row["kind"], row["runner"], libc, platforms)
        table.append((*about, row["lock"], size, digest))
    widths = [max(len(line[n]) for line in table) for n in range(len(table[0]))]
    for line in table:
        sys.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n")
    return 0


def _describe(session: Session, recipe: Any) -> dict[str, Any]:
    from imagefab.engines.build import find_image
    from imagefab.factory import lock_path, prepare_recipe
    from imagefab.lock.libc import find_libc
    from imagefab.oci.image import ImageSet
    from imagefab.platforms import machine_platform
    from imagefab.progress import SilentProgress
    from imagefab.toolchains.runners.table import make_runner

    digest, size, state = None, None, "locked"
    libc, floor = find_libc(None, recipe.target)
    try:
        prepared = prepare_recipe(session.project, recipe)
    except StaleError:
        state = "none" if not lock_path(session.project, recipe.name).exists() else "stale"
    else:
        libc, floor = find_libc(prepared.lock, recipe.target)
        floor = dict(recipe.options).get("glibc") or floor
        own = [plan for plan in prepared.plans if plan.platform == machine_platform()] or list(prepared.plans[:1])
        image = find_image(own[0], session.store, SilentProgress())
        if image is not None:
            digest, size = str(ImageSet(recipe=recipe.name, images=(image,)).digest), image.size
    return {
        "recipe": recipe.name,
        "description": recipe.description,
        "target": recipe.target.triple,
        "kind": recipe.kind,
        "runner": make_runner(recipe, machine_platform()).name,
        "libc": libc,
        "libc_floor": floor,
        "platforms": list(recipe.platforms),
        "lock": state,
        "digest": digest,
        "size": size,
    }

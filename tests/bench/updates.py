"""What updates cost those who pull images: all that Debian's updates and security suites have now, replayed at once.

The same recipe is locked and built without those suites, and then with them. What a user who has the first image pulls
for the second are the layers that the first one lacks.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

from tests.process import mkdir, run, say

ROOT = Path(__file__).parents[2]
RECIPES = {"trixie": "aarch64-gnu", "bookworm": "aarch64-gnu-bookworm"}
_SUITES = re.compile(r'\[\[archives\]\]\nname = "[a-z]+-(?:updates|security)"\n(?:.+\n)+\n')


def measure_updates(folder: Path, store: Path) -> None:
    project = mkdir(folder / "updates")
    shutil.copytree(ROOT / "recipes/bases", project / "recipes/bases")
    for suite, recipe in RECIPES.items():
        shutil.copy(ROOT / f"recipes/{recipe}.toml", project / "recipes")
        base = project / f"recipes/bases/debian-{suite}.toml"
        text = base.read_text()
        base.write_text(_SUITES.sub("", text))
        before = _build(project, store, recipe)
        base.write_text(text)
        after = _build(project, store, recipe)
        new, size = sum(one for digest, one in after.items() if digest not in before), sum(after.values())
        say(f"{f'all updates of {suite}':<34} {new / 1e6:7.1f} MB  {100 * new / size:6.1f} % of {recipe}")


def _build(project: Path, store: Path, recipe: str) -> dict[str, int]:
    """The sizes of an image's layers."""
    imagefab = (sys.executable, "-m", "imagefab", "-C", project, "--store", store, "-q")
    run(*imagefab, "lock", "--upgrade", recipe)
    described = json.loads(run(*imagefab, "build", "--engine", "sandbox", "--json", recipe))
    (platform,) = described["images"][0]["platforms"].values()
    return {layer["digest"]: layer["size"] for layer in platform["layers"]}

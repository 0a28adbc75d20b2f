"""The preset for Renovate: its expressions find the pins that a Cross.toml has, and nothing else.

Renovate runs them with RE2, whose syntax for groups is JavaScript's; Python spells them `(?P<name>…)`.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest
from tests.machine import require

from imagefab.cross.cross_toml import Entry, update_cross_toml
from imagefab.cross.pin import Pin
from imagefab.cross.profile import MAIN, RELEASE, Profile
from imagefab.digest import Digest
from imagefab.platforms import AMD64, ARM64

PRESET = json.loads((files("imagefab.ci") / "renovate" / "cross.json").read_text())
MANAGERS = PRESET["customManagers"]
DIGEST = Digest.of_bytes(b"")
TRIPLE = "aarch64-unknown-linux-gnu"
PINNED = f'image = "a.io/b/c:latest@{DIGEST}"'


def read_expression(text: str) -> re.Pattern[str]:
    return re.compile(text.replace("(?<", "(?P<"))


def find(text: str) -> list[dict[str, str]]:
    """What all managers find, as Renovate would: by their groups."""
    return [
        found.groupdict()
        for manager in MANAGERS
        for expression in manager["matchStrings"]
        for found in read_expression(expression).finditer(text)
    ]


@pytest.mark.parametrize("profile", [RELEASE, MAIN], ids=lambda profile: profile.name)
@pytest.mark.parametrize(
    "name", ["ghcr.io/acme/images/arm-gnu", "localhost:5000/a/b", "127.0.0.1:5000/x/thumbv8m.base"]
)
@pytest.mark.parametrize("tag", ["", "latest", "2026-01-31-0123456789ab", "v1.2", "0.2.5", "0"])
def test_pins_that_imagefab_writes(profile: Profile, name: str, tag: str) -> None:
    reference = f"{name}{':' if tag else ''}{tag}@{DIGEST}"
    entry = Entry(recipe="x", triple=TRIPLE, pin=Pin(reference=reference, digest=DIGEST, platforms=(AMD64, ARM64)))
    text = update_cross_toml("", [entry], profile).text
    (found,) = find(text)
    assert (found["depName"], found["currentDigest"]) == (name, str(DIGEST))
    assert found.get("currentValue", "") == tag


@pytest.mark.parametrize(
    "line",
    [
        'image = "ghcr.io/acme/arm:latest"',
        'image = "arm@sha256:abc"',
        f'other = "ghcr.io/acme/arm@{DIGEST}"',
        f'image = "localhost/imagefab/arm:sha256-{DIGEST.short}"',
        f'image = "{DIGEST}"',
    ],
)
def test_what_is_no_pin(line: str) -> None:
    assert find(line) == []


def test_other_ways_to_write_it() -> None:
    text = f"image='ghcr.io/acme/a@{DIGEST}' # one\n  image   =   \"ghcr.io/acme/b:latest@{DIGEST}\"\n"
    assert [one["depName"] for one in find(text)] == ["ghcr.io/acme/b", "ghcr.io/acme/a"]


def test_versions_are_dates() -> None:
    versioning = MANAGERS[0]["versioningTemplate"].removeprefix("regex:")
    found = read_expression(versioning).match("2026-01-31-0123456789ab")
    assert found is not None
    assert found.groupdict() == {"major": "2026", "minor": "01", "patch": "31"}


def test_files() -> None:
    for manager in MANAGERS:
        (pattern,) = manager["managerFilePatterns"]
        expression = re.compile(pattern.strip("/"))
        assert expression.search("Cross.toml")
        assert expression.search("tools/Cross.toml")
        assert not expression.search("MyCross.toml")


def test_re2_takes_the_expressions() -> None:
    """It has no lookaround and no references back."""
    for manager in MANAGERS:
        for expression in manager["matchStrings"]:
            assert not re.search(r"\(\?[=!]|\(\?<[=!]|\\[1-9]", expression)


def test_javascript_takes_the_expressions(tmp_path: Path) -> None:
    node = shutil.which("node")
    require(node is not None, "node")
    assert node is not None
    script = tmp_path / "find.js"
    script.write_text(
        f"const text = {json.dumps(PINNED)};\n"
        f"for (const one of {json.dumps([one for m in MANAGERS for one in m['matchStrings']])})\n"
        "  for (const found of text.matchAll(new RegExp(one, 'gm'))) console.log(JSON.stringify(found.groups));\n"
    )
    said = subprocess.run([node, script], check=True, capture_output=True, text=True).stdout
    assert json.loads(said) == {"depName": "a.io/b/c", "currentValue": "latest", "currentDigest": str(DIGEST)}

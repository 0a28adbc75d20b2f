"""Requirements files for workflows: this imagefab, from where it came, and its dependencies, each with its hash.

The dependencies are those it was tested with: requirements.txt of the source tree, which ships with the package. pip
verifies hashes for everything in such a file. It has none for what it builds itself, which is a Git commit or an
archive with a hash; that goes into a file of its own, and is built with a backend from the first one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from imagefab.ci.origin import Installation

PINNED, BUILT = "imagefab-requirements.txt", "imagefab-source.txt"
_BACKEND = "hatchling"
_ENTRY = re.compile(r"^([A-Za-z0-9._-]+)==\S+(?: ; [^\n\\]+)? \\\n(?:    --hash=\S+(?: \\)?\n)+", re.MULTILINE)
_VIA = re.compile(r"    # via(.*\n(?:    #   .*\n)*)")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def choose_pins(text: str, names: Sequence[str]) -> str:
    """The entries of a requirements file for some packages and their dependencies."""
    entries: dict[str, str] = {}
    wanted_by: dict[str, set[str]] = {}
    for match in _ENTRY.finditer(text):
        name = normalise(match[1])
        entries[name] = match[0]
        via = _VIA.match(text, match.end())
        wanted_by[name] = {normalise(one) for one in _NAME.findall(via[1])} if via else set()
    chosen = {normalise(name) for name in names}
    while more := {name for name, by in wanted_by.items() if by & chosen} - chosen:
        chosen |= more
    return "".join(entries[name] for name in sorted(chosen & entries.keys()))


def normalise(name: str) -> str:
    """A package's normalised name, as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def compose_requirements(origin: Installation, pins: str) -> Iterator[tuple[str, str]]:
    """Yield the name and text of each file. `pins` is requirements.txt of the source tree."""
    needs = [*origin.needs, *([_BACKEND] if origin.is_source else [])]
    head = (
        f"# Written by `imagefab init`, once: imagefab {origin.version}, the version that ran it,\n"
        "# and what it needs, each by its hash; wheels only, as building one could bring anything.\n"
        "--only-binary :all:\n\n"
    )
    chosen = choose_pins(pins, needs)
    if origin.requirement is None:
        yield PINNED, head + _ask(origin) + chosen
    elif origin.is_source:
        yield PINNED, head + chosen
        yield (
            BUILT,
            f"# Written by `imagefab init`, once: imagefab {origin.version}, which pip builds with\n"
            f"# what {PINNED} brings.\n{origin.requirement}\n",
        )
    else:
        yield PINNED, f"{head}{origin.requirement}\n{chosen}"


def list_commands(origin: Installation, folder: str) -> list[str]:
    """The commands that install imagefab in a job."""
    commands = [f"pip install --require-hashes -r {folder}/{PINNED}"]
    if origin.is_source and origin.requirement is not None:
        commands.append(f"pip install --no-deps --no-build-isolation -r {folder}/{BUILT}")
    return commands


def _ask(origin: Installation) -> str:
    """A line that pip rejects, so that no imagefab is installed until a person fills in which."""
    return (
        "# FILL IN: replace the line that begins with imagefab by a URL that CI can install it from, with its hash.\n"
        f"# It can't be known: {origin.reason}.\n"
        f"#   imagefab @ https://example.org/imagefab-{origin.version}-py3-none-any.whl --hash=sha256:…\n"
        "imagefab @ FILL-IN\n"
    )

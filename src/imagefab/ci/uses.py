"""The CI of a Rust project that uses images: new pins every night, and a release for all of its targets.

Like the workflows of images: files with words to replace, no third-party actions, everything pinned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib.resources import files

from imagefab.ci.artifacts import name_artifacts
from imagefab.ci.origin import Installation
from imagefab.ci.requirements import compose_requirements, list_commands
from imagefab.ci.services import GITHUB, GITLAB, NONE
from imagefab.ci.workflow import install

_FILES = {
    GITHUB: {
        ".github/workflows/pins.yml": "github-pins.yml",
        ".github/workflows/release.yml": "github-release.yml",
        ".github/propose.sh": "github-propose.sh",
    },
    GITLAB: {
        ".gitlab-ci.yml": "gitlab-uses.yml",
        ".gitlab/propose.sh": "gitlab-propose.sh",
    },
    NONE: {},
}
_FORMS = {GITHUB: "- target: {}\n{}  artifact: {}", GITLAB: "- TARGET: {}\n{}  ARTIFACT: {}"}


def compose_uses(
    services: Sequence[str], *, origin: Installation, pins: str, namespace: str, app: str, triples: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield the path from the root of the repository and the text of each file.

    `origin` is where imagefab came from, and `pins` has its dependencies; `app` is the program's name in artifacts.
    """
    artifacts = name_artifacts(app, triples)
    for service in dict.fromkeys(services):
        for path, name in _FILES[service].items():
            text = (files("imagefab.ci") / "workflows" / name).read_text("utf-8").replace("%USES%", namespace)
            text = install(text, list_commands(origin, f".{service}"))
            yield path, _fill_matrix(text, _FORMS[service], artifacts) if "%MATRIX%" in text else text
        if _FILES[service]:
            for name, text in compose_requirements(origin, pins):
                yield f".{service}/{name}", text
    yield "rust-toolchain.toml", compose_toolchain(triples)


def compose_toolchain(triples: Sequence[str]) -> str:
    """The toolchain file, so that rustup installs the targets' standard libraries wherever the project is built."""
    lines = "".join(f'    "{triple}",\n' for triple in triples)
    return f'[toolchain]\nchannel = "stable"\nprofile = "minimal"\ntargets = [\n{lines}]\n'


def _fill_matrix(text: str, form: str, artifacts: dict[str, str]) -> str:
    """Replace the placeholder line by an entry for each target, with its indent."""

    def fill(found: re.Match[str]) -> str:
        indent = found[1]
        return "\n".join(indent + form.format(triple, indent, name) for triple, name in artifacts.items())

    return re.sub("^( *)%MATRIX%$", fill, text, flags=re.MULTILINE)

"""A project's CI: workflows for GitHub Actions and GitLab, as `imagefab init` writes them.

They are files in workflows/, so that they read here as they do in a project; words between percent signs are replaced.
The design:

- Pull requests build and check what they change, in a matrix of native machines. Merged code is built the same way, and
  published if all of it is good. Layers go from the matrix to the publishing job through `[publish] layers`, and check
  results as small artifacts: what was tested is what is published.
- Only merged code shares layers. Layers are trusted by key, so a pull request must not write there.
- A merge builds whatever is not published as it is now, not what the last push touched, so the next job makes up for
  one that failed.
- No engine is named: `auto` uses the sandbox if the machine allows it, and else the Docker that is there.
- A job's token goes to GitHub's own registry and to no other.
- imagefab and its dependencies are pinned by hash to what the person who ran `init` has: on an index, that name may be
  anyone's.
- Whom to trust is read from the target branch of a pull request, never from the change itself.
- No third-party actions: a script makes the pull requests, so the only trusted code is GitHub's own. Actions are pinned
  by commit. Logins are written with a shell builtin, so that no token is an argument.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib.resources import files

from imagefab.ci.origin import Installation
from imagefab.ci.requirements import compose_requirements, list_commands
from imagefab.ci.services import DEFAULT_REGISTRY, GITHUB, GITLAB, NONE

_FILES = {
    GITHUB: {
        ".github/workflows/images.yml": "github-images.yml",
        ".github/workflows/refresh.yml": "github-refresh.yml",
        ".github/propose.sh": "github-propose.sh",
    },
    GITLAB: {
        ".gitlab-ci.yml": "gitlab-ci.yml",
        ".gitlab/images.yml": "gitlab-images.yml",
        ".gitlab/propose.sh": "gitlab-propose.sh",
    },
    NONE: {},
}


def compose_workflows(
    services: Sequence[str], *, origin: Installation, pins: str, registry: str
) -> Iterator[tuple[str, str]]:
    """Yield the path from the root of the repository and the text of each file.

    `registry` is the host to publish to, `origin` is where imagefab came from, and `pins` has its dependencies, as in
    requirements.txt of the source tree.
    """
    words = {"REGISTRY": registry, **_name_login(registry)}
    for service in dict.fromkeys(services):
        for path, name in _FILES[service].items():
            text = (files("imagefab.ci") / "workflows" / name).read_text("utf-8")
            text = install(text, list_commands(origin, f".{service}"))
            yield path, re.sub("%([A-Z]+)%", lambda found: words[found[1]], text)
        if _FILES[service]:
            for name, text in compose_requirements(origin, pins):
                yield f".{service}/{name}", text


def install(text: str, commands: Sequence[str]) -> str:
    """Replace the placeholder line by a line for each command."""
    return re.sub(
        "^(.*)%INSTALL%$", lambda found: "\n".join(found[1] + command for command in commands), text, flags=re.MULTILINE
    )


def _name_login(registry: str) -> dict[str, str]:
    """Where a job finds the login. Its token can write to the project, so only GitHub's own registry gets it."""
    if registry == DEFAULT_REGISTRY:
        return {"NAME": "github.actor", "TOKEN": "github.token"}
    return {"NAME": "secrets.REGISTRY_NAME", "TOKEN": "secrets.REGISTRY_TOKEN"}

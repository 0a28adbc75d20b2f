"""What a project's CI runs: workflows for GitHub Actions and GitLab, as `imagefab init` writes them.

They are files in workflows/, so that they read here as they do in a project; words between percent signs stand for what
differs. What was decided for them:

- A pull request gets builds and checks of what it changes, by a matrix of native machines. What is merged is built in
  the same way, and published when all of it is good. Layers go from the matrix to the job that publishes through
  `[publish] layers`, and what checks found as small artifacts: what was tested is what is published.
- Only merged code gives layers to others. Layers are trusted by their keys, so a pull request must not write there.
- What has to be built after a merge is what is not published as it is now, not what the last push touched: a job that
  failed is made up for by the next.
- No engine is named: `auto` takes the sandbox where the machine allows it, and else the Docker that is there.
- A job's token goes to GitHub's own registry and to no other.
- imagefab is what whoever ran `init` has, by its hash, with all that it needs: an index gives whatever somebody put
  there under that name.
- Whom to trust is read from the branch that a pull request goes into, never from the change itself.
- Nobody else's actions: pull requests are the work of a script, so the only code that is trusted is GitHub's own.
  Actions are pinned by commit. Logins are written with a builtin of the shell, so that no token is an argument.
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
    """Paths from the top of the repository, and texts. `registry` is the host that images are published to.

    `origin` is where imagefab came from, and `pins` what it needs, as requirements.txt of the source tree has it.
    """
    words = {"REGISTRY": registry, **_name_login(registry)}
    for service in dict.fromkeys(services):
        for path, name in _FILES[service].items():
            text = (files("imagefab.ci") / "workflows" / name).read_text("utf-8")
            text = _install(text, list_commands(origin, f".{service}"))
            yield path, re.sub("%([A-Z]+)%", lambda found: words[found[1]], text)
        if _FILES[service]:
            for name, text in compose_requirements(origin, pins):
                yield f".{service}/{name}", text


def _install(text: str, commands: Sequence[str]) -> str:
    """A line for each command where one stands for them."""
    return re.sub(
        "^(.*)%INSTALL%$", lambda found: "\n".join(found[1] + command for command in commands), text, flags=re.MULTILINE
    )


def _name_login(registry: str) -> dict[str, str]:
    """Where a job finds it. The job's token writes to the project, so nobody but its maker is sent it."""
    if registry == DEFAULT_REGISTRY:
        return {"NAME": "github.actor", "TOKEN": "github.token"}
    return {"NAME": "secrets.REGISTRY_NAME", "TOKEN": "secrets.REGISTRY_TOKEN"}

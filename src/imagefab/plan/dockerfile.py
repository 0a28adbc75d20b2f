"""The Dockerfile: the plan as people review it and as container engines build it.

One file serves all host platforms: each has its chain of stages, one stage per layer, and the last line picks the chain
of the platform being built. BuildKit skips the other one. An engine that continues from a layer it did not build itself
gets the same text, with that layer as the first stage's parent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from imagefab.plan.model import MOUNT, AddRootfs, Plan, Run, Step
from imagefab.templates import read_template

if TYPE_CHECKING:
    from jinja2 import Template

_UNPRINTABLE = re.compile(r"[^\t\x20-\x7e\xa0-\u2027\u202f-\U0010ffff]")
_MOST_IN_LINE = 500
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=-]+\Z")
_BEFORE_QUOTE = re.compile(r'(\\+(?="|\Z))')


def render_dockerfile(plans: Sequence[Plan], *, first: int = 0, parent_image: str = "scratch") -> str:
    """Render the Dockerfile for one plan per host platform; `first` skips layers that `parent_image` has."""

    def parent(plan: Plan, index: int) -> str:
        return parent_image if index == first else stage_name(plan, plan.layers[index - 1].name)

    return _template().render(
        recipe=plans[0].recipe, target=plans[0].target, plans=plans, first=first, parent=parent, stage=stage_name
    )


def stage_name(plan: Plan, layer: str) -> str:
    """Name a layer's stage. Docker rejects a name that starts with a digit, which a base's name may."""
    return f"{'layer-' if layer[0].isdigit() else ''}{layer}-{plan.platform.oci_arch}"


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(  # noqa: S701 - the output is not HTML
        trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    environment.filters |= {
        "instruction": _render_step,
        "line": _print_line,
        "pairs": _render_pairs,
        "runs": lambda steps: any(isinstance(s, Run) for s in steps),
    }
    return environment.from_string(read_template("imagefab.plan", "Dockerfile.jinja", {}))


def _render_step(step: Step, previous: object) -> str:
    match step:
        case AddRootfs(source=source):
            return f"ADD {source} /"
        case Run(commands=commands, mount=mount, comment=comment):
            lines = [f"#   {_print_line(line)}".rstrip() for line in comment]
            if isinstance(previous, Run):
                lines.append("# hadolint ignore=DL3059")  # each is a separate step, and says what it does
            mounted = f"RUN --mount=type=bind,source={mount},target={MOUNT} \\"
            return "\n".join([*lines, mounted, "    " + " \\\n && ".join(commands)])


def _print_line(text: str) -> str:
    """Format a text for a comment, so that nothing in it ends the line for any reader.

    Long lines are cut: Docker rejects those of more than 64 KiB.
    """
    text = _UNPRINTABLE.sub("?", text)
    return text if len(text) <= _MOST_IN_LINE else f"{text[:_MOST_IN_LINE]} …"


def _render_pairs(pairs: Iterable[tuple[str, str]]) -> str:
    return " \\\n    ".join(f"{name}={_quote(value)}" for name, value in pairs)


def _quote(value: str) -> str:
    """Quote a value for ENV and LABEL, escaping the characters they interpret.

    Backslashes before a quote are left outside the quotes: hadolint would read them as escaping it.
    """
    if _PLAIN.match(value):
        return value
    parts = [re.sub(r'(["\\$])', r"\\\1", part) for part in _BEFORE_QUOTE.split(value)]
    return "".join(part if number % 2 else f'"{part}"' for number, part in enumerate(parts))

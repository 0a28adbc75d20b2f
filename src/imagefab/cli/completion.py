"""`imagefab completion`: print what makes a shell complete verbs, options, recipes and files."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagefab.cli.display import write_out

if TYPE_CHECKING:
    from imagefab.flows.workspace import Workspace

NAME = "completion"
HELP = "print shell completions"
_SHELLS = ("bash", "zsh", "fish")
_RECIPES = {"bash": "_imagefab_recipes", "zsh": "_imagefab_recipes", "fish": "(_imagefab_recipes)"}
"""What completes recipes: functions that list those of the project in the working folder."""
_LIST = 'for f in recipes/*.toml; do [ -e "$f" ] && basename "$f" .toml; done'
_PREAMBLE = {
    "bash": f'_imagefab_recipes() {{ compgen -W "$({_LIST})" -- "$1"; }}\n',
    "zsh": f'_imagefab_recipes() {{ local -a found; found=(${{(f)"$({_LIST})"}}); compadd -a found; }}\n',
    "fish": "function _imagefab_recipes\n    for f in recipes/*.toml\n        basename $f .toml\n    end\nend\n",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=_SHELLS, help="whose completions to print")


def run(arguments: argparse.Namespace, workspace: Workspace) -> int:
    import shtab

    from imagefab.cli.main import make_parser

    top = make_parser()
    for action in _list_actions(top):
        complete = _choose(action, {"file": shtab.FILE, "folder": shtab.DIRECTORY})
        if complete is not None:
            action.complete = complete  # type: ignore[attr-defined]
    write_out(shtab.complete(top, shell=arguments.shell, preamble=_PREAMBLE[arguments.shell]))
    return 0


def _list_actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                yield from _list_actions(verb)


def _choose(action: argparse.Action, kinds: dict[str, Any]) -> Any:
    """What completes an option's value or an argument; None for what can't be completed."""
    words = str(action.metavar or "")
    if words.startswith("RECIPE"):
        return _RECIPES
    if words == "DIR" or action.dest in ("directory", "store"):
        return kinds["folder"]
    return kinds["file"] if action.type is Path or words in ("FILE", "PATH") else None

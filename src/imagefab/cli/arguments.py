"""Options and arguments that several verbs share, and how to read their values."""

from __future__ import annotations

import argparse
import os
import posixpath
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from imagefab.cli.surroundings import working_folder
from imagefab.errors import UsageError

if TYPE_CHECKING:
    from imagefab.flows.build import EngineChoice

ENGINES = ("auto", "sandbox", "docker", "podman")


def add_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", choices=ENGINES, default="auto", help="default: the fastest that works here")


def add_engine_and_builder(parser: argparse.ArgumentParser) -> None:
    add_engine(parser)
    parser.add_argument("--builder", metavar="NAME", help="a builder of `docker buildx`, local or remote")


def add_jobs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--jobs", type=read_count, default=os.cpu_count() or 1, metavar="N", help="how many recipes to build at a time"
    )


def add_allow_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--allow-file",
        action="append",
        type=Path,
        default=[],
        metavar="PATH",
        help="a file or folder outside of the project that recipes may use; repeatable",
    )


def add_bind(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--bind",
        action="append",
        default=[],
        metavar="HOST:INSIDE",
        help="mount a folder or file, such as an SDK, read-only into the image; repeatable",
    )


def add_platforms(parser: argparse.ArgumentParser, meaning: str) -> None:
    parser.add_argument("--platform", action="append", default=[], metavar="P", help=meaning)


def add_platform(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--platform", metavar="P", help="a host platform; default: this machine's")


def add_recipes(parser: argparse.ArgumentParser) -> None:
    """Add recipe arguments, and --all."""
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="their names, as in `imagefab list`")
    parser.add_argument("--all", action="store_true", help="all recipes")


# -- what they mean ----------------------------------------------------------------------------------------------------


def read_recipes(arguments: argparse.Namespace, verb: str) -> tuple[str, ...] | None:
    """The recipe names; None for --all."""
    refuse_both(arguments)
    if not arguments.all and not arguments.recipes:
        raise UsageError("no recipe given", hint=f"`imagefab {verb} RECIPE…`, or `imagefab {verb} --all`")
    return None if arguments.all else tuple(arguments.recipes)


def refuse_both(arguments: argparse.Namespace) -> None:
    if arguments.all and arguments.recipes:
        raise UsageError("--all can't be used with recipes")


def read_engine(arguments: argparse.Namespace) -> EngineChoice:
    from imagefab.flows.build import EngineChoice

    return EngineChoice(name=arguments.engine, builder=arguments.builder)


def read_platforms(arguments: argparse.Namespace) -> tuple[str, ...]:
    """Names of host platforms, each once, with `all` as it is."""
    from imagefab.platforms import parse_platforms

    return parse_platforms(arguments.platform)


def read_platform(arguments: argparse.Namespace) -> tuple[str, ...]:
    """The name of one platform, or none."""
    from imagefab.platforms import parse_platform

    return () if arguments.platform is None else (parse_platform(arguments.platform).name,)


def read_destination(text: str | None, *, option: str = "--to") -> str | None:
    """The value of an option that names a registry and a namespace."""
    from imagefab.recipe.format import REPOSITORY
    from imagefab.toml.grammar import quote

    for rule in REPOSITORY.all_rules:
        if text is not None and not rule.holds(text):
            raise UsageError(f"{option}: {rule.problem.format(quote(text))}", hint=rule.hint)
    return text


def read_binds(asked: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Host paths to mount in the image, and where."""
    found: dict[str, str] = {}
    for text in asked:
        host, _, inside = text.rpartition(":")
        path = posixpath.normpath(inside)
        if not host or not inside.startswith("/") or path in ("/", "//"):
            raise UsageError(
                f"--bind {text} is not HOST:INSIDE",
                hint="`--bind HOST:INSIDE`, like `--bind ~/MacOSX15.0.sdk:/opt/osxcross/SDK`",
            )
        if path in found:
            raise UsageError(f"--bind: {found[path]} and {host} can't both be {path}")
        try:
            found[path] = str((working_folder() / Path(host).expanduser()).resolve(strict=True))
        except (OSError, RuntimeError) as error:
            raise UsageError(f"can't bind {host}: {getattr(error, 'strerror', None) or error}") from None
    return tuple((host, inside) for inside, host in found.items())


def read_count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"invalid job count `{text}`")
    return int(text)

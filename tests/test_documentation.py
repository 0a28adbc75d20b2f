"""What the pages say: links lead somewhere, commands are ones that there are, and the front page is short."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagefab.cli.main import make_parser
from imagefab.errors import UsageError

ROOT = Path(__file__).parent.parent
PAGES = [
    *(ROOT / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted(path for top in ("images", "recipes", "src", "tests") for path in (ROOT / top).rglob("README.md")),
]
LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")
TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def list_commands(text: str) -> Iterator[tuple[str, bool]]:
    """The commands in blocks, which are whole, and those in a line of text, which may say the verb alone."""
    for line in re.findall(r"^(?:    |\$ )((?:imagefab|make) .*)$", text, re.MULTILINE):
        yield line.partition("  #")[0].partition(" | ")[0], True
    for words in re.findall(r"`((?:imagefab|make) [^`]+)`", text.replace("\n", " ")):
        yield words, False


def make_anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text()):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        titles = [make_anchor(title) for title in re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)]
        assert not anchor or anchor in titles, link


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_are_there(page: Path) -> None:
    targets = TARGET.findall((ROOT / "Makefile").read_text())
    for command, is_whole in list_commands(page.read_text()):
        program, *words = shlex.split(command.rstrip(" \\").replace("…", ""))
        if program == "make":
            assert {word for word in words if "=" not in word} <= set(targets), command
            continue
        try:
            make_parser().parse_args(words)
        except UsageError as error:
            if is_whole or "are required" not in error.problem:
                raise


def test_the_front_page_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200


def test_every_target_of_make_is_explained() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == set(re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE))

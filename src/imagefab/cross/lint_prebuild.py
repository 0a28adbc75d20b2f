"""The linter for `pre-build`: commands by which an image gets packages, as cross runs them.

cross joins the lines of an array, and has a shell evaluate them in one `RUN`, without `set -e`. A string is the path of
a script. Commands that can't be followed here, like loops, are left alone.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imagefab.cross.debian_arch import CROSS_DEB_ARCH, HOST, find_debian_arch
from imagefab.cross.remark import Remark
from imagefab.toml.edit import find_value
from imagefab.toml.grammar import quote
from imagefab.toml.positions import Path

_PROGRAMS = ("apt", "apt-get", "aptitude")
_VARIABLE = re.compile(r"\$(\{CROSS_DEB_ARCH(:?[-=][^}]*)?\}|CROSS_DEB_ARCH\b)")
_PUNCTUATION = re.compile(r"[();<>|&\n]+\Z")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_COMPLEX = re.compile(r"`|\$\(|(^|[;&|]\s*)(if|for|while|case|function)\b|<<", re.MULTILINE)
_YES = re.compile(r"-[a-zA-Z]*y[a-zA-Z]*\Z|--yes\Z|--assume-yes\Z|-[a-zA-Z]*qq[a-zA-Z]*\Z")
_STOPS = re.compile(r"\s*set\s+-[a-z]*e")
_TOOLS = re.compile(
    r"libclang|llvm|libprotobuf|libprotoc|python3|libpython|linux-libc|linux-headers|libc6|libstdc|musl"
)
"""Development packages that serve the host's tools, or that a compiler's packages bring along for the target."""
_CROSS_OWN = "ghcr.io/cross-rs/"
_KNOWN = {"amd64", "i386", "arm64", "armhf", "armel", "mips", "mipsel", "mips64", "mips64el", "powerpc", "ppc64",
          "ppc64el", "riscv64", "s390x", "sparc64", "loong64"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Command:
    index: int
    """The line that it is in."""
    words: tuple[str, ...]


def check_pre_builds(data: Mapping[str, Any], ours: Collection[str] = ()) -> Iterator[Remark]:
    """Yield remarks on a document's pre-builds. `ours` are targets whose images imagefab writes."""
    targets = data.get("target")
    tables = {key: one for key, one in targets.items() if isinstance(one, dict)} if isinstance(targets, dict) else {}
    common = find_value(data, ("build", "pre-build"))
    users = [triple for triple, table in tables.items() if "pre-build" not in table]
    yield from _check_one(common, ("build", "pre-build"), {triple: tables[triple] for triple in users}, ours)
    for triple, table in tables.items():
        path = ("target", triple, "pre-build")
        yield from _check_one(table.get("pre-build"), path, {triple: table}, ours)


def _check_one(
    value: object, path: Path, users: Mapping[str, Mapping[str, Any]], ours: Collection[str]
) -> Iterator[Remark]:
    if isinstance(value, str) and re.search(r"\s", value.strip()):
        yield Remark(path, f"cross takes {quote(value[:80])} for the path of a script", 'commands are an array: ["…"]')
    if not isinstance(value, list) or not all(isinstance(line, str) for line in value):
        return
    yield from _check_failures(value, path)
    commands = [*_list_commands(value)]
    yield from _check_questions(commands, path)
    if _COMPLEX.search("\n".join(value)):
        return
    yield from _check_lists(commands, path)
    for triple, table in users.items():
        yield from _check_packages(commands, path, triple)
        if triple not in ours and _has_cross_image(table):
            yield from _check_added(commands, path, triple)


def _has_cross_image(table: Mapping[str, Any]) -> bool:
    image = table.get("image", _CROSS_OWN)
    return "dockerfile" not in table and isinstance(image, str) and image.startswith(_CROSS_OWN)


# -- commands ----------------------------------------------------------------------------------------------------------


def _list_commands(lines: Sequence[str]) -> Iterator[_Command]:
    for index, line in enumerate(lines):
        words: list[str] = []
        for word in [*_split(line), ";"]:
            if not _PUNCTUATION.match(word):
                words.append(word)
                continue
            while words and (_ASSIGNMENT.match(words[0]) or words[0] in ("sudo", "env")):
                words.pop(0)
            if words:
                yield _Command(index, tuple(words))
            words = []


def _split(line: str) -> list[str]:
    lexer = shlex.shlex(line.replace("\\\n", " ").replace("\n", " ; "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError:
        return []


def _is_apt(command: _Command, verb: str) -> bool:
    return command.words[0] in _PROGRAMS and verb in command.words[1:]


def _list_packages(command: _Command) -> Iterator[str]:
    """Yield the packages that a command installs."""
    if _is_apt(command, "install"):
        for word in command.words[command.words.index("install") + 1 :]:
            if not word.startswith("-"):
                yield word.partition("=")[0]


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def _check_failures(lines: Sequence[str], path: Path) -> Iterator[Remark]:
    joined = [line.rstrip().endswith(("&&", "||", "\\", "|")) for line in lines[:-1]]
    if len(lines) > 1 and not all(joined) and not _STOPS.match(lines[0]):
        yield Remark(
            path,
            "of several lines only the last one's failure stops cross: what fails before it goes unnoticed",
            "begin with a line `set -e`, or join the lines by `&&`",
            on_key=True,
            group="pre-build failures",
        )


def _check_questions(commands: Sequence[_Command], path: Path) -> Iterator[Remark]:
    for command in commands:
        asks = any(_is_apt(command, verb) for verb in ("install", "upgrade", "dist-upgrade", "remove", "purge"))
        if asks and not any(map(_YES.match, command.words)):
            yield Remark(
                (*path, command.index),
                f"`{command.words[0]}` asks before it goes on, and nobody answers: the build fails",
                "give it `-y`",
                group="pre-build questions",
            )


def _check_lists(commands: Sequence[_Command], path: Path) -> Iterator[Remark]:
    """Warn about packages that are installed before there is any list of packages."""
    for command in commands:
        if _is_apt(command, "update"):
            return
        if any(not name.startswith((".", "/")) for name in _list_packages(command)):
            yield Remark(
                (*path, command.index),
                "nothing was updated before this: images have no lists of packages",
                "`apt-get update && apt-get install …`",
                group="pre-build lists",
            )
            return


def _check_packages(commands: Sequence[_Command], path: Path, triple: str) -> Iterator[Remark]:
    own, given = find_debian_arch(triple), CROSS_DEB_ARCH.get(triple, "")
    names = {name for command in commands for name in _list_packages(command)}
    for command in commands:
        place = (*path, command.index)
        if any(_VARIABLE.search(word) for word in command.words) and own is None:
            yield _explain_variable(place, triple, given)
            continue
        for package in _list_packages(command):
            name, colon, arch = package.partition(":")
            if colon and arch in _KNOWN - {HOST, own}:
                yield Remark(
                    place,
                    f"{quote(package)} is not for {triple}" + (f", which is Debian's {quote(own)}" if own else ""),
                    f"{name}:$CROSS_DEB_ARCH" if own else None,
                    group=f"pre-build architecture {arch}",
                )
            elif not colon and own not in (HOST,) and _is_library(name):
                if own is None:
                    yield _explain_foreign(place, triple, name)
                elif not any(other.startswith(f"{name}:") for other in names):
                    yield Remark(
                        place,
                        f"{quote(name)} is the host's: programs for {triple} can't be linked with it",
                        f"`{name}:$CROSS_DEB_ARCH`, after `dpkg --add-architecture $CROSS_DEB_ARCH`",
                        group="pre-build host libraries",
                    )


def _is_library(name: str) -> bool:
    return name.endswith("-dev") and _TOOLS.match(name) is None


def _explain_foreign(place: Path, triple: str, name: str) -> Remark:
    what = "is linked against glibc" if "linux-musl" in triple else "is for Linux with glibc"
    return Remark(
        place,
        f"{quote(name)} {what}: programs for {triple} can't be linked with it",
        "let the crate build its library, like openssl's feature `vendored`, or put one into the image",
        group=f"pre-build foreign libraries {triple}",
    )


def _explain_variable(place: Path, triple: str, given: str) -> Remark:
    text = (
        f"$CROSS_DEB_ARCH is {quote(given)} for {triple}, for which Debian has no packages"
        if given
        else f"$CROSS_DEB_ARCH is empty for {triple}"
    )
    return Remark(
        place, text, "write what differs between targets under [target.TRIPLE]", group=f"pre-build variable {triple}"
    )


def _check_added(commands: Sequence[_Command], path: Path, triple: str) -> Iterator[Remark]:
    """Warn about packages of an architecture that apt does not know, which is certain for cross's own images."""
    own, added, fresh = find_debian_arch(triple), {HOST}, {HOST}
    for command in commands:
        if command.words[0] == "dpkg" and "--add-architecture" in command.words:
            added |= {_read_arch(word, own) for word in command.words[2:]}
        elif _is_apt(command, "update"):
            fresh = set(added)
        for package in _list_packages(command):
            arch = _read_arch(package.partition(":")[2], own)
            if arch in _KNOWN - fresh:
                yield Remark(
                    (*path, command.index),
                    f"apt knows no packages of {quote(arch)} here"
                    + (": the lists were not updated since it was added" if arch in added else ""),
                    f"`dpkg --add-architecture {arch} && apt-get update` before it",
                    group="pre-build architectures",
                )
                return


def _read_arch(text: str, own: str | None) -> str:
    return _VARIABLE.sub(own or "", text)

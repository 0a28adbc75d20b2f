"""Which package installed a file: from what dpkg wrote down of it, in the tree of an image.

dpkg keeps two files for each package: a list of its paths, and the MD5 sums of its files as they were shipped.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

ALIASES = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""Folders that are links to those of the same name below /usr."""
INFO = "var/lib/dpkg/info/"
_LIST, _SUMS = ".list", ".md5sums"


def make_finder(packages: Iterable[str]) -> Callable[[str], str | None]:
    """Make a function that finds the package, like `libc6:arm64`, of a list of dpkg's by its path.

    dpkg names the architecture only of packages that may be installed for several.
    """
    names: dict[str, list[str]] = defaultdict(list)
    for package in packages:
        names[package].append(package)
        names[package.partition(":")[0]].append(package)

    def find(path: str) -> str | None:
        if not (path.startswith(INFO) and path.endswith(_LIST)):
            return None
        found = names.get(path.removeprefix(INFO).removesuffix(_LIST), [])
        return found[0] if len(found) == 1 else None

    return find


def sums_of(path: str) -> str:
    """The path of the sums beside a list."""
    return path.removesuffix(_LIST) + _SUMS


def parse_list(data: bytes) -> list[str]:
    """The paths in a list, without their leading slash."""
    lines = data.decode(errors="surrogateescape").split("\n")
    return [line.removeprefix("/") for line in lines if line.startswith("/") and len(line) > 1]


def parse_sums(data: bytes) -> Mapping[str, str]:
    """MD5 sums by path."""
    found = {}
    for line in data.decode(errors="surrogateescape").split("\n"):
        digest, _, path = line.partition("  ")
        if path:
            found[path.removeprefix("./")] = digest
    return found


def is_left_out(path: str, filters: Sequence[str]) -> bool:
    """Whether dpkg, given options like `--path-exclude=/usr/bin/*`, does not install a file. The last one counts."""
    left_out = False
    for option in filters:
        name, _, pattern = option.partition("=")
        if fnmatchcase(f"/{path}", pattern):
            left_out = name == "--path-exclude"
    return left_out

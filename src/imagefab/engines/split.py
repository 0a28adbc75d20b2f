"""What a step changed, split by the packages that it installed: files that are as their package has them go with it.

A file is as its package has it when one package alone lists it, and it is older than the lock's archives or has the sum
that the package says. All else was written by scripts and triggers, or shipped by several packages. Of that, what lies
in /etc and /var follows whatever is installed, and is the rest; the other files stay as they are when packages change.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from imagefab.debian.installed import ALIASES, INFO, make_finder, parse_list, parse_sums, sums_of
from imagefab.oci.layer import Reader
from imagefab.oci.split import split_difference
from imagefab.oci.tree import MADE, LayerDifference, Node, Tree
from imagefab.plan.groups import OTHER, name_part
from imagefab.plan.model import PlanLayer

_STATE = ("etc/", "var/")
_MOST_LIST = 8 << 20
Groups = Sequence[tuple[str, Sequence[str]]]
"""Names of groups, each with its packages."""


def list_groups(planned: PlanLayer) -> Groups:
    return [(group.name, group.packages) for group in planned.groups]


def split_step(
    name: str, difference: LayerDifference, groups: Groups, read: Reader
) -> list[tuple[str, LayerDifference]]:
    """The parts of what a step changed, each with the name of its layer."""
    owners = _find_owners(difference.changed, groups, read) if groups else {}
    parts = split_difference(difference, owners, [*(group for group, _ in groups), OTHER])
    return [(name_part(name, group), part) for group, part in parts]


def _find_owners(changed: Tree, groups: Groups, read: Reader) -> dict[str, str]:
    """The groups of paths."""
    homes = {package: group for group, packages in groups for package in packages}
    find_package = make_finder(homes)
    lists = {
        path: package
        for path, node in changed.items()
        if _is_readable(node) and (package := find_package(path)) is not None
    }
    shipped: dict[str, set[str]] = defaultdict(set)
    for path, package in lists.items():
        for place in _list_shipped(path, changed, read):
            shipped[place].add(package)
    owners = {place: homes[packages.pop()] for place, packages in shipped.items() if len(packages) == 1}
    owners |= _find_own_files(changed, lists, homes)
    return {path: OTHER for path in changed if not path.startswith(_STATE)} | owners


def _list_shipped(path: str, changed: Tree, read: Reader) -> Iterator[str]:
    """The paths of a package's list that are as the package has them, as they are called in the tree."""
    sums: Mapping[str, str] | None = None
    for name in dict.fromkeys(parse_list(_read(changed[path], read))):
        place = _find_place(name, changed)
        node = changed.get(place)
        if node is None or node.kind == "folder":
            continue
        if node.kind == "file" and node.mtime == MADE:
            if sums is None:
                said = changed.get(sums_of(path))
                sums = parse_sums(_read(said, read)) if said is not None and _is_readable(said) else {}
            if name not in sums or sums[name] != _sum_up(node, read):
                continue
        yield place


def _find_place(path: str, changed: Tree) -> str:
    """Packages may ship files in /bin, which is a link to /usr/bin."""
    return f"usr/{path}" if path not in changed and path.partition("/")[0] in ALIASES else path


def _find_own_files(changed: Tree, lists: Mapping[str, str], homes: Mapping[str, str]) -> dict[str, str]:
    """The groups of what dpkg keeps of each package by itself."""
    stems = {path.removeprefix(INFO).removesuffix(".list"): homes[package] for path, package in lists.items()}
    found = {}
    for path in changed:
        if path.startswith(INFO) and (stem := path.removeprefix(INFO).rpartition(".")[0]) in stems:
            found[path] = stems[stem]
    return found


def _sum_up(node: Node, read: Reader) -> str:
    with read(node) as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()  # type: ignore[arg-type]


def _is_readable(node: Node) -> bool:
    """Whether it can be a list of dpkg's: a step may have put anything there."""
    return node.kind == "file" and node.size <= _MOST_LIST


def _read(node: Node, read: Reader) -> bytes:
    with read(node) as file:
        return file.read()

"""One difference as several: the files of each group by themselves, and a rest.

Each part has all folders above its files, so that it can be unpacked by itself. What is removed is in the rest, which
comes last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from imagefab.oci.tree import LayerDifference, Tree, parents_of

REST = ""


def split_difference(
    difference: LayerDifference, groups: Mapping[str, str], order: Sequence[str]
) -> list[tuple[str, LayerDifference]]:
    """`groups` says to which group a path belongs; the groups come in that order, without those that have no files."""
    homes = _keep_links_together(difference.changed, groups)
    parts: dict[str, Tree] = {name: {} for name in order}
    for path, group in homes.items():
        parts[group][path] = difference.changed[path]
    for part in parts.values():
        _add_folders(part, part, difference.changed)
    covered = set().union(*parts.values())
    rest = {path: node for path, node in difference.changed.items() if path not in covered}
    _add_folders(rest, (*rest, *difference.removed), difference.changed)
    found = [(name, LayerDifference(part, ())) for name, part in parts.items() if part]
    if rest or difference.removed or not found:
        found.append((REST, LayerDifference(rest, difference.removed)))
    return found


def _add_folders(part: Tree, paths: Iterable[str], changed: Tree) -> None:
    for path in list(paths):
        for parent in parents_of(path):
            if parent in part:
                break
            part[parent] = changed[parent]


def _keep_links_together(changed: Tree, groups: Mapping[str, str]) -> dict[str, str]:
    """The groups of files. The names of one file are in one layer, so where they belong to several, it is the rest."""
    homes = {path: group for path, group in groups.items() if path in changed and changed[path].kind != "folder"}
    names: dict[Any, list[str]] = defaultdict(list)
    for path, node in changed.items():
        if node.inode is not None and node.kind != "folder":
            names[node.inode].append(path)
    for paths in names.values():
        if len({homes.get(path, REST) for path in paths}) > 1:
            for path in paths:
                homes.pop(path, None)
    return homes

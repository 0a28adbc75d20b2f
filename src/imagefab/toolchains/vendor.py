"""A vendor's archive that must not be redistributed: the user's own file, or pinned by URL and sha256 in a recipe.

No shipped recipe has one. An image with one says so in a label, wherever the archive came from, so that it is not
published by accident.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from imagefab.digest import Digest
from imagefab.recipe.model import OwnFileSpec, Recipe, SourceSpec
from imagefab.recipe.rules import OptionRule

_PLAIN_FOLDERS = r"(.*/)?"
_HOST_AND_FOLDERS = r"https?://[^?#]+/"


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorArchive:
    file: str
    """Its name, without a folder."""
    source: OwnFileSpec | SourceSpec


def declare_archive(option: str, *, file: str, description: str) -> tuple[OptionRule, ...]:
    """Return the options with which a recipe specifies it. `file` is a pattern for the file's name."""
    return (
        OptionRule(
            name=option,
            type=str,
            default="",
            is_file=True,
            description=f"{description}; without it the image expects it mounted",
            pattern=f"^{_PLAIN_FOLDERS}{file}$",
        ),
        OptionRule(
            name=f"{option}-url",
            type=str,
            default="",
            is_url=True,
            description=f"where to fetch {description}, in the place of `{option}`",
            pattern=f"^{_HOST_AND_FOLDERS}{file}$",
        ),
        OptionRule(
            name=f"{option}-sha256",
            type=str,
            default="",
            description=f"the digest of what `{option}-url` serves, as `sha256sum` prints it",
            pattern=r"^[0-9a-f]{64}$",
        ),
    )


def find_archive(
    recipe: Recipe, option: str, *, tops: Callable[[str], tuple[str, ...]] = lambda file: ()
) -> VendorArchive | None:
    """Return the recipe's archive, or None if users of the image mount it.

    `tops` returns the top folders that an archive of a given name may have.
    """
    options = dict(recipe.options)
    path, url = str(options[option]), str(options[f"{option}-url"])
    file = (path or url).rpartition("/")[2]
    if path:
        return VendorArchive(file=file, source=OwnFileSpec(name=file, path=path, tops=tops(file)))
    if url:
        sha256 = Digest.parse(str(options[f"{option}-sha256"]))
        return VendorArchive(file=file, source=SourceSpec(name=file, url=url, sha256=sha256))
    return None

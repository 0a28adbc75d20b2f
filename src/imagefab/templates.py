"""Programs and scripts that are files of the package: read by name, with `@name@` replaced by what is given."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

_PLACE = re.compile(r"@([a-z_]+)@")


def read_template(package: str, path: str, values: Mapping[str, object]) -> str:
    """The file's text. Each place in it must be given a value."""
    return _PLACE.sub(lambda found: str(values[found[1]]), _read(package, path))


@cache
def _read(package: str, path: str) -> str:
    return (files(package) / path).read_text("utf-8")

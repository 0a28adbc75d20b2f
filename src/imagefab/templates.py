"""Programs and scripts that ship as files of the package, in which `@name@` is replaced by a given value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

_PLACE = re.compile(r"@([a-z_]+)@")


def read_template(package: str, path: str, values: Mapping[str, object]) -> str:
    """Return the file's text. Each placeholder in it must have a value."""
    return _PLACE.sub(lambda found: str(values[found[1]]), _read(package, path))


@cache
def _read(package: str, path: str) -> str:
    return (files(package) / path).read_text("utf-8")

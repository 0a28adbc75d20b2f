"""Volatile paths: what they hold says when and where a build ran rather than what was built, so no image has them.

This is the one place that knows them. Layers leave them out, recipes can put no files there, and the script that ends
every step removes what it can of them.

They are regular expressions of the kind that Python and JSON schema read alike, for paths without the first slash.
"""

from __future__ import annotations

import re

FILES = (
    r"\.dockerenv|etc/(hostname|hosts|machine-id|mtab|resolv\.conf)"
    r"|var/cache/ldconfig/aux-cache|var/lib/dbus/machine-id"
    r"|var/lib/dpkg/(.*/)?lock|var/lib/dpkg/.*-old|var/cache/debconf/.*-old"
)
FOLDERS = r"dev|proc|run|sys|tmp|var/(cache/apt|lib/apt/lists|log|tmp)"
"""The folders themselves stay, empty."""
FOLDERS_ANYWHERE = r"__pycache__"

_VOLATILE = re.compile(rf"(?:{FILES})\Z|(?:{FOLDERS})/|(?:.*/)?{FOLDERS_ANYWHERE}(?:/|\Z)", re.DOTALL)


def is_volatile(path: str) -> bool:
    return _VOLATILE.match(path) is not None

"""Volatile paths: their content depends on when and where a build ran, not on what was built, so no image has them.

This is the only place that lists them. Layers leave them out, recipes can't put files there, and the script that ends
every step removes what it can of them.

They are regular expressions in the syntax that Python and JSON schema share, for paths without the leading slash.
"""

from __future__ import annotations

import re

FILES = (
    r"\.dockerenv|etc/(hostname|hosts|machine-id|mtab|resolv\.conf)"
    r"|var/cache/ldconfig/aux-cache|var/lib/dbus/machine-id"
    r"|var/lib/dpkg/(.*/)?lock|var/lib/dpkg/.*-old|var/cache/debconf/.*-old"
)
FOLDERS = r"dev|proc|run|sys|tmp|var/(cache/apt|lib/apt/lists|log|tmp)"
"""The folders themselves stay, but empty."""
FOLDERS_ANYWHERE = r"__pycache__"

_VOLATILE = re.compile(rf"(?:{FILES})\Z|(?:{FOLDERS})/|(?:.*/)?{FOLDERS_ANYWHERE}(?:/|\Z)", re.DOTALL)


def is_volatile(path: str) -> bool:
    return _VOLATILE.match(path) is not None

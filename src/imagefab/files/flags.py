"""Flags of `os.open` that not every system has; where there is none, nothing needs it."""

from __future__ import annotations

import os

UNWAITING: int = getattr(os, "O_NONBLOCK", 0)
"""Don't wait for the other end of a pipe."""
UNLINKED: int = getattr(os, "O_NOFOLLOW", 0)
"""Don't follow a link at the end of the path."""
FOLDER: int = getattr(os, "O_DIRECTORY", 0)
"""Nothing but a folder."""

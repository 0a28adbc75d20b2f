"""A store in a temporary folder."""

from __future__ import annotations

from tests.stores import store  # noqa: F401

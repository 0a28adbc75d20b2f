"""A small signed archive on a local server, and a store."""

from __future__ import annotations

from tests.small_archive import (  # noqa: F401
    archive,
    few_authorities,
    make_fetcher,
    make_universe,
    progress,
    secret,
    serve,
    store,
)

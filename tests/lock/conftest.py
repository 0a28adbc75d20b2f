"""A small signed archive on a local server, as tests of sources have it."""

from __future__ import annotations

from tests.sources.conftest import (  # noqa: F401
    archive,
    few_authorities,
    make_fetcher,
    progress,
    secret,
    serve,
    store,
)

"""A store for the tests of the sandbox."""

from tests.stores import store  # noqa: F401

"""Pins, and what published.toml says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagefab.cross.pin import is_fixed, name_of
from imagefab.digest import Digest
from imagefab.errors import StaleError
from imagefab.oci.image import local_pin
from imagefab.platforms import AMD64, ARM64
from imagefab.records.published import Published, parse_published

DIGEST = Digest("0123456789abcdef" * 4)
GOOD = f"""\
name = "ghcr.io/acme/images/aarch64-musl"
digest = "{DIGEST}"
platforms = ["linux/arm64", "linux/amd64"]
tags = ["2026-11-20"]
when = 2026-11-20T10:00:00Z
"""


def test_published() -> None:
    published = parse_published(GOOD, file="x", recipe="aarch64-musl")
    assert published == Published(name="ghcr.io/acme/images/aarch64-musl", digest=DIGEST, platforms=(AMD64, ARM64))


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("name", "nam", "name"),
        ("ghcr.io/acme/images/aarch64-musl", "aarch64-musl", "name"),
        ("aarch64-musl", "aarch64-musl:latest", "name"),
        ("ghcr.io", "https://ghcr.io", "name"),
        ('"ghcr.io/acme/images/aarch64-musl"', "1", "name"),
        ("sha256:", "", "digest"),
        ("abcdef", "ABCDEF", "digest"),
        ("abcdef", "", "digest"),
        ('["linux/arm64", "linux/amd64"]', "[]", "platforms"),
        ('["linux/arm64", "linux/amd64"]', '"linux/amd64"', "platforms"),
        ("linux/arm64", "linux/sparc", "platforms"),
        ('"linux/arm64"', "[]", "platforms"),
        ("digest", "= digest", "TOML"),
    ],
)
def test_a_record_that_cannot_be_believed(old: str, new: str, named: str) -> None:
    assert old in GOOD
    with pytest.raises(StaleError) as caught:
        parse_published(GOOD.replace(old, new, 1), file="images/x/published.toml", recipe="x")
    assert named in caught.value.problem
    assert str(caught.value.position) == "images/x/published.toml"
    assert caught.value.hint == "remove it, and run `imagefab publish x`"


@given(st.text())
def test_any_record(text: str) -> None:
    with pytest.raises(StaleError):
        parse_published(text, file="x", recipe="x")


@pytest.mark.parametrize(
    ("reference", "fixed"),
    [
        (f"ghcr.io/acme/x@{DIGEST}", True),
        (f"ghcr.io/acme/x:tag@{DIGEST}", True),
        (str(DIGEST), True),
        (DIGEST.hex, True),
        (local_pin("x", DIGEST), True),
        ("ghcr.io/acme/x:sha256-0123456789ab", False),
        ("localhost/imagefab/x:latest", False),
        ("localhost/imagefab/x:sha256-01234", False),
        ("ghcr.io/acme/x@sha256:0123", False),
        ("x", False),
        (f"@{DIGEST}", False),
    ],
)
def test_what_can_move(reference: str, fixed: bool) -> None:
    assert is_fixed(reference) == fixed


def test_names() -> None:
    assert name_of(f"localhost:5000/acme/x@{DIGEST}") == "x"
    assert name_of(local_pin("x.y", DIGEST)) == "x.y"
    assert name_of("x") == "x"

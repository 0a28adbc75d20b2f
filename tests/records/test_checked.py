"""The record of a check, images/<recipe>/checked.toml."""

from __future__ import annotations

import pytest

from imagefab.check.judge import Report
from imagefab.check.probe import failed, passed, skipped
from imagefab.digest import Digest
from imagefab.records.checked import make_checked, read_checked, render_checked

REPORT = Report(
    name="r",
    triple="t",
    rows=(
        passed("c", "C works"),
        failed("c++", "it does not"),
        skipped("run", "no runner"),
        skipped("rust", "no toolchain"),
    ),
    facts={"gcc": "14.2.0", "glibc-floor": "2.34"},
)
CHECKED = make_checked(REPORT, plan=Digest.of_bytes(b"plan"), manifest=Digest.of_bytes(b""), size=10)


def test_a_record_is_read_as_it_was_written() -> None:
    found = {"linux/arm64": CHECKED, "linux/amd64": CHECKED}
    text = render_checked("r", found)
    assert read_checked(text) == found
    assert render_checked("r", read_checked(text)) == text
    assert text.index("amd64") < text.index("arm64")
    assert not CHECKED.is_good
    assert (CHECKED.passed, CHECKED.failed, CHECKED.skipped) == (("c",), ("c++",), ("run",))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "format = 1",
        "not toml [",
        "x = " + "[" * 100_000,
        "format = 2\nplatforms = 3",
        'format = 2\n[platforms.a]\nmanifest = "x"',
        render_checked("r", {"linux/amd64": CHECKED}).replace("14.2.0", "$(x)"),
        render_checked("r", {"linux/amd64": CHECKED}).replace('"c"', "3"),
        render_checked("r", {"linux/amd64": CHECKED}).replace("size = 10", 'size = "10"'),
    ],
)
def test_broken_records(text: str) -> None:
    assert read_checked(text) == {}

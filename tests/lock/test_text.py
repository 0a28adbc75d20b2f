"""The text of a lock: one text for one lock, and edits by hand are noticed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagefab.debian.pin import ArchivePin, PackagePin
from imagefab.digest import Digest
from imagefab.errors import StaleError
from imagefab.lock.model import LayerLock, Lock, PlatformLock, SourcePin
from imagefab.lock.text import parse_lock, render_lock

DIGEST = Digest("ab" * 32)
PIN = PackagePin(
    name="libc6",
    version="1:2.41-12~deb13+b1",
    architecture="amd64",
    archive="trixie",
    path="pool/main/g/glibc/libc6_2.41-12~deb13+b1_amd64.deb",
    size=12345,
    sha256=DIGEST,
)
OTHER = replace(PIN, name="zlib1g", path="pool/main/z/zlib/zlib1g_1.3_amd64.deb", seen="20260101T000000Z")
LOCK = Lock(
    recipe="aarch64-musl",
    inputs=DIGEST,
    epoch=1789199741,
    archives=(
        ArchivePin(
            name="trixie",
            archive="debian",
            suite="trixie",
            components=("main", "contrib"),
            date="20260912T075541Z",
            release=DIGEST,
        ),
    ),
    sources=(SourcePin(name="sdk", sha256=DIGEST),),
    platforms=(
        PlatformLock(
            platform="linux/amd64",
            layers=(
                LayerLock(name="base", packages=(PIN, OTHER)),
                LayerLock(name="empty"),
                LayerLock(name="runner", extracts=(replace(PIN, name="qemu"),)),
            ),
        ),
        PlatformLock(platform="linux/arm64", layers=()),
    ),
)
TEXT = f"""\
# written by `imagefab lock`; do not edit
checksum = "{{checksum}}"
format = 1
recipe = "aarch64-musl"
inputs = "sha256:{DIGEST.hex}"
epoch = 1789199741

[[archive]]
name = "trixie"
archive = "debian"
suite = "trixie"
components = ["main", "contrib"]
date = "20260912T075541Z"
release = "sha256:{DIGEST.hex}"

[[source]]
name = "sdk"
sha256 = "{DIGEST.hex}"

[[platform]]
name = "linux/amd64"

[[platform.layer]]
name = "base"
packages = [
  {{{{ name = "libc6", version = "1:2.41-12~deb13+b1", arch = "amd64", archive = "trixie", \
path = "pool/main/g/glibc/libc6_2.41-12~deb13+b1_amd64.deb", size = 12345, sha256 = "{DIGEST.hex}" }}}},
  {{{{ name = "zlib1g", version = "1:2.41-12~deb13+b1", arch = "amd64", archive = "trixie", \
path = "pool/main/z/zlib/zlib1g_1.3_amd64.deb", size = 12345, sha256 = "{DIGEST.hex}", \
seen = "20260101T000000Z" }}}},
]

[[platform.layer]]
name = "empty"

[[platform.layer]]
name = "runner"
extracts = [
  {{{{ name = "qemu", version = "1:2.41-12~deb13+b1", arch = "amd64", archive = "trixie", \
path = "pool/main/g/glibc/libc6_2.41-12~deb13+b1_amd64.deb", size = 12345, sha256 = "{DIGEST.hex}" }}}},
]

[[platform]]
name = "linux/arm64"
"""


def seal(text: str) -> str:
    """The text with the checksum that belongs to it: as if another version had written it."""
    head, _, body = text.partition("\nformat")
    body = f"format{body}"
    return f'{head.splitlines()[0]}\nchecksum = "{Digest.of_bytes(body.encode())}"\n{body}'


def refusal(text: str) -> StaleError:
    with pytest.raises(StaleError) as caught:
        parse_lock(text, file="images/x/imagefab.lock")
    assert caught.value.exit_code == 4
    assert caught.value.problem.startswith("images/x/imagefab.lock: ")
    return caught.value


def test_the_text_of_a_lock() -> None:
    body = TEXT.replace("{{", "{").replace("}}", "}")
    assert render_lock(LOCK) == seal(body)


def test_it_reads_what_it_writes() -> None:
    assert parse_lock(render_lock(LOCK), file="x") == LOCK


def test_line_endings_of_another_system_do_no_harm() -> None:
    assert parse_lock(render_lock(LOCK).replace("\n", "\r\n"), file="x") == LOCK


def test_there_are_no_hosts_in_it() -> None:
    assert "://" not in render_lock(LOCK)


def test_one_change_is_one_line() -> None:
    newer = replace(PIN, version="1:2.41-13")
    layers = (replace(LOCK.platforms[0].layers[0], packages=(newer,)), *LOCK.platforms[0].layers[1:])
    older = replace(LOCK.platforms[0].layers[0], packages=(PIN,))
    one = render_lock(replace(LOCK, platforms=(PlatformLock(platform="linux/amd64", layers=layers),)))
    other = render_lock(replace(LOCK, platforms=(PlatformLock(platform="linux/amd64", layers=(older, *layers[1:])),)))
    changed = [pair for pair in zip(one.splitlines(), other.splitlines(), strict=True) if pair[0] != pair[1]]
    assert len(changed) == 2 and changed[0][0].startswith("checksum")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("12345", "12346"),
        ("1:2.41-12", "1:2.41-11"),
        ("epoch = 1789199741", "epoch = 1789199742"),
        ("\n\n[[source]]", "\n[[source]]"),
        ('name = "empty"', 'name = "empty"  # mine'),
        ("checksum = ", "# checksum = "),
        ('checksum = "sha256:', 'checksum = "sha256:0'),
    ],
)
def test_edits_by_hand_are_noticed(old: str, new: str) -> None:
    error = refusal(render_lock(LOCK).replace(old, new))
    assert "by hand" in error.problem
    assert error.hint == "run `imagefab lock aarch64-musl`"


@given(st.integers(min_value=0), st.characters(codec="ascii"))
def test_any_change_is_noticed(place: int, character: str) -> None:
    text = render_lock(LOCK)
    place %= len(text)
    changed = text[:place] + character + text[place + 1 :]
    if changed.replace("\r\n", "\n") != text:
        refusal(changed)


@given(st.integers(min_value=0))
def test_a_cut_off_file_is_noticed(length: int) -> None:
    text = render_lock(LOCK)
    refusal(text[: length % len(text)])


@given(st.text(max_size=200))
def test_any_other_text_is_refused(text: str) -> None:
    refusal(text)


def test_a_merge_conflict() -> None:
    text = render_lock(LOCK).replace("format = 1", "<<<<<<< ours\nformat = 1\n=======\nformat = 1\n>>>>>>> theirs")
    assert "not TOML" in refusal(text).problem


def test_a_newer_format() -> None:
    error = refusal(seal(render_lock(LOCK).replace("format = 1", "format = 2")))
    assert "format 2" in error.problem
    assert error.hint is not None and error.hint.startswith("update imagefab")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('arch = "amd64"', 'Arch = "amd64"', "platform[0].layer[0].packages[0].Arch: is a key"),
        ('arch = "amd64", ', "", "platform[0].layer[0].packages[0].arch: is missing"),
        ("size = 12345", 'size = "12345"', "platform[0].layer[0].packages[0].size: must be a number"),
        ("size = 12345", "size = true", "platform[0].layer[0].packages[0].size: must be a number"),
        ("size = 12345", "size = -1", "platform[0].layer[0].packages[0].size: must not be negative"),
        (DIGEST.hex + '", seen', 'abc", seen', "platform[0].layer[0].packages[1].sha256: is not a sha256 digest"),
        ("pool/main", "../main", "platform[0].layer[0].packages[0].path: "),
        ("pool/main", "/main", "platform[0].layer[0].packages[0].path: "),
        (".deb", ".rpm", "platform[0].layer[0].packages[0].path: "),
        ("zlib1g_1.3_amd64.deb", "libc6_2.41-12~deb13+b1_amd64.deb", "platform[0].layer[0].packages: has two"),
        ('archive = "trixie"', 'archive = "sid"', "platform[0].layer[0].packages[0].archive: 'sid' is no archive"),
        ("20260101T000000Z", "yesterday", "platform[0].layer[0].packages[1].seen: 'yesterday' is not valid"),
        ('name = "libc6"', 'name = "-rf"', "platform[0].layer[0].packages[0].name: "),
        ('name = "linux/amd64"', 'name = "linux"', "platform[0].name: "),
        ('["main", "contrib"]', '["main", 1]', "archive[0].components: 1 is not valid"),
        ('["main", "contrib"]', '"main"', "archive[0].components: must be an array"),
        ("[[source]]", "[[surplus]]", "surplus: is a key"),
        ("[[source]]", "[source]", "source: must be an array"),
        ('recipe = "aarch64-musl"\n', "", "recipe: is missing"),
        ("epoch = 1789199741", "epoch  = 1789199741", "is not as `imagefab lock` writes it"),
        ("format = 1", "format = 0", "is not a lock"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, told: str) -> None:
    assert told in refusal(seal(render_lock(LOCK).replace(old, new))).problem


def test_quotes_are_never_written() -> None:
    with pytest.raises(ValueError, match="plain ASCII"):
        render_lock(replace(LOCK, recipe='a"b'))


@pytest.mark.timeout(60)
def test_large_locks_are_read() -> None:
    pins = tuple(replace(PIN, name=f"package-{n:04}", path=f"pool/p/package-{n:04}.deb") for n in range(400))
    lock = replace(
        LOCK,
        platforms=tuple(
            PlatformLock(platform=f"linux/{name}", layers=(LayerLock(name="base", packages=pins),)) for name in "ab"
        ),
    )
    text = render_lock(lock)
    assert parse_lock(text, file="x") == lock

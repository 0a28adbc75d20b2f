"""The text of a lock: one text for one lock, and edits by hand are noticed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagefab.debian.pin import ArchivePin, PackagePin
from imagefab.digest import Digest
from imagefab.errors import StaleError
from imagefab.lock.model import BasePin, LayerLock, Lock, LockFile, PlatformLock, SourcePin
from imagefab.lock.text import find_checksum, parse_lock, render_lock

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
ON_BASE = LockFile(
    own=replace(
        LOCK,
        epoch=0,
        platforms=(PlatformLock(platform="linux/amd64", layers=(LayerLock(name="own", packages=(PIN,)),)),),
    ),
    base=BasePin(name="trixie", checksum=DIGEST),
)
FILE = LockFile(own=LOCK)
TEXT = f"""\
# written by `imagefab lock`; do not edit
checksum = "{{checksum}}"
format = 2
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
  "libc6 1:2.41-12~deb13+b1 amd64 trixie main/glibc 12345 {DIGEST.hex}",
  "zlib1g 1:2.41-12~deb13+b1 amd64 trixie pool/main/z/zlib/zlib1g_1.3_amd64.deb 12345 {DIGEST.hex} 20260101T000000Z",
]

[[platform.layer]]
name = "empty"

[[platform.layer]]
name = "runner"
extracts = [
  "qemu 1:2.41-12~deb13+b1 amd64 trixie pool/main/g/glibc/libc6_2.41-12~deb13+b1_amd64.deb 12345 {DIGEST.hex}",
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
    assert render_lock(FILE) == seal(TEXT)


def test_what_a_lock_says_of_its_base() -> None:
    head = render_lock(ON_BASE).partition("\n\n")[0].splitlines()[2:]
    assert head == [
        "format = 2",
        'recipe = "aarch64-musl"',
        f'inputs = "sha256:{DIGEST.hex}"',
        'base = "trixie"',
        f'base-checksum = "sha256:{DIGEST.hex}"',
    ]
    assert parse_lock(render_lock(ON_BASE), file="x") == ON_BASE


def test_the_lock_of_a_base() -> None:
    base = LockFile(own=replace(LOCK, recipe="bases/trixie"))
    assert render_lock(base).splitlines()[3] == 'name = "trixie"'
    assert parse_lock(render_lock(base), file="x") == base
    assert render_lock(base).splitlines()[1] == f'checksum = "{find_checksum(base)}"'
    assert find_checksum(base) != find_checksum(FILE)


def test_it_reads_what_it_writes() -> None:
    assert parse_lock(render_lock(FILE), file="x") == FILE


def test_line_endings_of_another_system_do_no_harm() -> None:
    assert parse_lock(render_lock(FILE).replace("\n", "\r\n"), file="x") == FILE


def test_there_are_no_hosts_in_it() -> None:
    assert "://" not in render_lock(FILE)


def whole(*platforms: PlatformLock) -> LockFile:
    return LockFile(own=replace(LOCK, platforms=platforms))


def test_one_change_is_one_line() -> None:
    newer = replace(PIN, version="1:2.41-13")
    layers = (replace(LOCK.platforms[0].layers[0], packages=(newer,)), *LOCK.platforms[0].layers[1:])
    older = replace(LOCK.platforms[0].layers[0], packages=(PIN,))
    one = render_lock(whole(PlatformLock(platform="linux/amd64", layers=layers)))
    other = render_lock(whole(PlatformLock(platform="linux/amd64", layers=(older, *layers[1:]))))
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
    ],
)
def test_edits_by_hand_are_noticed(old: str, new: str) -> None:
    error = refusal(render_lock(FILE).replace(old, new))
    assert "by hand" in error.problem
    assert error.hint == "run `imagefab lock aarch64-musl`"


@given(st.integers(min_value=0), st.characters(codec="ascii"))
def test_any_change_is_noticed(place: int, character: str) -> None:
    text = render_lock(FILE)
    place %= len(text)
    changed = text[:place] + character + text[place + 1 :]
    if changed.replace("\r\n", "\n") != text:
        refusal(changed)


@given(st.integers(min_value=0))
def test_a_cut_off_file_is_noticed(length: int) -> None:
    text = render_lock(FILE)
    refusal(text[: length % len(text)])


@given(st.text(max_size=200))
def test_any_other_text_is_refused(text: str) -> None:
    refusal(text)


def test_a_merge_conflict() -> None:
    text = render_lock(FILE).replace("format = 2", "<<<<<<< ours\nformat = 2\n=======\nformat = 2\n>>>>>>> theirs")
    error = refusal(text)
    assert error.problem.endswith("has the conflict markers of a merge")
    assert error.hint is not None and "git checkout --ours" in error.hint


def test_a_newer_format() -> None:
    error = refusal(seal(render_lock(FILE).replace("format = 2", "format = 3")))
    assert "format 3" in error.problem
    assert error.hint is not None and error.hint.startswith("update imagefab")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (" amd64 trixie main/glibc 12345", " amd64 trixie main/glibc", "is not a package"),
        (" amd64 trixie main/glibc 12345", " amd64  trixie main/glibc 12345", "is not a package"),
        (" amd64 trixie main/glibc 12345", " amd64 trixie main/glibc -1", "is not a package"),
        (f"12345 {DIGEST.hex} 2026", "12345 abc 2026", "is not a package"),
        ("20260101T000000Z", "yesterday", "is not a package"),
        ('"libc6 ', '"-rf ', "is not a package"),
        ("trixie main/glibc", "trixie ../main/glibc", "platform[0].layer[0].packages[0]: 'pool/../main/g/glibc"),
        ("trixie main/glibc", "trixie /main/libc6.deb", "platform[0].layer[0].packages[0]: '/main/libc6.deb'"),
        ("zlib1g_1.3_amd64.deb", "libc6_2.41-12~deb13+b1_amd64.deb", "platform[0].layer[0].packages: has two"),
        ("amd64 trixie main", "amd64 sid main", "platform[0].layer[0].packages[0]: 'sid' is no archive"),
        ('  "libc6 ', '  "zz ', "platform[0].layer[0].packages: is not sorted"),
        ('name = "linux/amd64"', 'name = "linux"', "platform[0].name: "),
        ('["main", "contrib"]', '["main", 1]', "is not as `imagefab lock` writes it"),
        ('["main", "contrib"]', '["main"," contrib"]', "archive[0].components: 'main\",\" contrib' is not valid"),
        ('["main", "contrib"]', '"main"', "archive[0].components: must be an array"),
        ("[[source]]", "[[surplus]]", "surplus: is a key"),
        ("[[source]]", "[source]", "'[source]' is not as `imagefab lock` writes it"),
        ("[[platform]]", "[[platforms]]", "is not as `imagefab lock` writes it"),
        ('recipe = "aarch64-musl"\n', "", "recipe: is missing"),
        ("epoch = 1789199741", "epoch  = 1789199741", "is not as `imagefab lock` writes it"),
        (
            "epoch = 1789199741",
            f'base = "x"\nbase-checksum = "{DIGEST}"\nepoch = 1',
            "is not as `imagefab lock` writes it",
        ),
        ("epoch = 1789199741", 'base = "../x"', "base: '../x' is not valid"),
        ("epoch = 1789199741", 'base = "x"', "base-checksum: is missing"),
        ("format = 2", "format = 0", "is not a lock"),
        ("format = 2", "format = 1", "platform[0].layer[0].packages[0]: must be a table"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, told: str) -> None:
    assert told in refusal(seal(render_lock(FILE).replace(old, new))).problem


def test_quotes_are_never_written() -> None:
    with pytest.raises(ValueError, match="plain ASCII"):
        render_lock(LockFile(own=replace(LOCK, recipe='a"b')))


@pytest.mark.timeout(60)
def test_large_locks_are_read() -> None:
    pins = tuple(replace(PIN, name=f"package-{n:04}", path=f"pool/p/package-{n:04}.deb") for n in range(400))
    layers = (LayerLock(name="base", packages=pins),)
    file = whole(*(PlatformLock(platform=f"linux/{name}", layers=layers) for name in "ab"))
    assert parse_lock(render_lock(file), file="x") == file
    assert render_lock(file).count("\n") > 800


@given(
    st.sampled_from(["main", "updates/main", "non-free", "x/y/z"]),
    st.sampled_from(["glibc", "libzstd", "lib", "l", "x.deb", "0ad"]),
    st.sampled_from(["l", "g", "libz", "x", "0"]),
    st.sampled_from(["libc6_2.41-12~deb13+b1_amd64.deb", "libc6_1%3a2.41_amd64.deb", "other.deb"]),
)
def test_every_path_comes_back(component: str, source: str, letter: str, file: str) -> None:
    pin = replace(PIN, path=f"pool/{component}/{letter}/{source}/{file}")
    found = whole(PlatformLock(platform="linux/amd64", layers=(LayerLock(name="base", packages=(pin,)),)))
    assert parse_lock(render_lock(found), file="x") == found


@pytest.mark.parametrize(
    ("path", "short"),
    [
        ("pool/main/g/glibc/libc6_2.41-12~deb13+b1_amd64.deb", "main/glibc"),
        ("pool/updates/main/o/openssl/libc6_2.41-12~deb13+b1_amd64.deb", "updates/main/openssl"),
        ("pool/main/libz/libzstd/libc6_2.41-12~deb13+b1_amd64.deb", "main/libzstd"),
        ("pool/main/l/libzstd/libc6_2.41-12~deb13+b1_amd64.deb", None),
        ("pool/main/g/glibc/libc6_1_amd64.deb", None),
        ("libc6_2.41-12~deb13+b1_amd64.deb", None),
    ],
)
def test_a_path_is_written_if_it_does_not_follow(path: str, short: str | None) -> None:
    layer = LayerLock(name="base", packages=(replace(PIN, path=path),))
    text = render_lock(whole(PlatformLock(platform="linux/amd64", layers=(layer,))))
    assert f" trixie {short or path} 12345 " in text

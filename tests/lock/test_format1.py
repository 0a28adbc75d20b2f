"""Format 1 of locks is read: projects have it, and so has what older versions published."""

from __future__ import annotations

import pytest
from tests.lock.test_text import DIGEST, LOCK, refusal, seal

from imagefab.lock.format1 import render_lock
from imagefab.lock.model import LockFile
from imagefab.lock.text import parse_lock

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


def test_the_text_of_a_lock() -> None:
    body = TEXT.replace("{{", "{").replace("}}", "}")
    assert render_lock(LOCK) == seal(body)


def test_it_is_read_as_it_was_written() -> None:
    assert parse_lock(render_lock(LOCK), file="x") == LockFile(own=LOCK, format=1)
    assert parse_lock(render_lock(LOCK).replace("\n", "\r\n"), file="x").own == LOCK


@pytest.mark.parametrize(("old", "new"), [("12345", "12346"), ("\n\n[[source]]", "\n[[source]]")])
def test_edits_by_hand_are_noticed(old: str, new: str) -> None:
    assert "by hand" in refusal(render_lock(LOCK).replace(old, new)).problem


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
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, told: str) -> None:
    assert told in refusal(seal(render_lock(LOCK).replace(old, new))).problem

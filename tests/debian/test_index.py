"""The compact form of an index: nothing lost, damage noticed."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagefab.debian.index import BadIndexError, Index, build_index, decompress_index, open_index
from imagefab.digest import Digest

SOURCE = Digest.of_bytes(b"source")
HASH = "0" * 64
TEXT = f"""\
Package: zsh
Version: 1:2.0-1
Architecture: amd64
Maintainer: Somebody
Multi-Arch: allowed
Priority: required
Pre-Depends: a (>= 1)
Depends: b | c,
 d
Breaks: e (<< 3)
Description: one
 Package: not-one
Provides: shell (= 2), sh
Filename: pool/main/z/zsh_2.0-1_amd64.deb
Size: 5
SHA256: {HASH}

Package: ash
Version: 1
Architecture: all
Essential: yes
Provides: sh
Suggests: zsh
Filename: pool/main/a/ash_1_all.deb
Size: 6
SHA256: {HASH}

Package: zsh
Version: 1:1.0-1
Architecture: amd64
Filename: pool/main/z/zsh_1.0-1_amd64.deb
Size: 7
SHA256: {HASH}
""".encode()


def make_index(text: bytes = TEXT) -> Index:
    return Index(build_index(text, source=SOURCE), source=SOURCE, archive="trixie")


def test_packages_are_read_in_full() -> None:
    index = make_index()
    assert index.names == ("ash", "zsh")
    assert index.essential == ("ash",)
    new, old = index.packages("zsh")
    assert (new.version, old.version) == ("1:2.0-1", "1:1.0-1")
    assert [[str(r) for r in group] for group in new.dependencies] == [["a (>= 1)"], ["b", "c"], ["d"]]
    assert [str(relation) for relation in new.conflicts] == ["e (<< 3)"]
    assert [str(relation) for relation in new.provides] == ["shell (= 2)", "sh"]
    assert (new.multi_arch, new.priority, old.priority) == ("allowed", 1, 5)
    assert (new.archive, new.path, new.size) == ("trixie", "pool/main/z/zsh_2.0-1_amd64.deb", 5)
    assert index.packages("not-one") == ()
    assert index.packages("zsh")[0] is new


def test_providers_come_in_the_order_in_which_apt_prefers_them() -> None:
    # Both come in the file in this order; zsh is spoken of first, so ash has the higher number.
    assert make_index().providers("sh") == ("ash", "zsh")
    mentioned = b"Package: aaa\nVersion: 1\nArchitecture: all\nRecommends: x | ash\n\n"
    assert make_index(mentioned + TEXT).providers("sh") == ("zsh", "ash")
    assert make_index().providers("shell") == ("zsh",)
    assert make_index().providers("nothing") == ()


def test_an_empty_index() -> None:
    index = make_index(b"")
    assert index.names == () and index.packages("a") == () and index.essential == ()


def test_a_file_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "index"
    path.write_bytes(build_index(TEXT, source=SOURCE))
    assert open_index(path, source=SOURCE, archive="trixie").names == ("ash", "zsh")
    with pytest.raises(BadIndexError, match="another"):
        open_index(path, source=Digest.of_bytes(b"other"), archive="trixie")
    path.write_bytes(b"")
    with pytest.raises(BadIndexError):
        open_index(path, source=SOURCE, archive="trixie")


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_damage_is_noticed(place: int, change: int) -> None:
    data = bytearray(build_index(TEXT, source=SOURCE))
    place %= len(data)
    data[place] ^= change
    with pytest.raises(BadIndexError):
        Index(bytes(data), source=SOURCE, archive="trixie")


@given(st.integers(min_value=0, max_value=100_000))
def test_a_cut_off_file_is_noticed(length: int) -> None:
    data = build_index(TEXT, source=SOURCE)
    with pytest.raises(BadIndexError):
        Index(data[: length % len(data)], source=SOURCE, archive="trixie")


@pytest.mark.parametrize(
    "line", ["Size: many", "SHA256: short", "Filename: ../../etc/passwd", "Filename: /x", "Depends: ((", "Version: x:1"]
)
def test_a_bad_stanza_is_refused(line: str) -> None:
    name = line.split(":", maxsplit=1)[0].encode()
    text = b"\n".join(
        line.encode() if row.startswith(name + b":") else row for row in TEXT.split(b"\n\n")[0].splitlines()
    )
    with pytest.raises(BadIndexError):
        make_index(text).packages("zsh")


def test_a_stanza_without_a_name() -> None:
    with pytest.raises(BadIndexError, match="no package name"):
        make_index(b"Version: 1\n")


def test_decompression_is_bounded(tmp_path: Path) -> None:
    packed = tmp_path / "Packages.xz"
    bomb = bytes(1 << 20)
    packed.write_bytes(lzma.compress(bomb))
    digest = Digest.of_bytes(bomb)
    assert decompress_index(packed, size=1 << 20, sha256=digest) == bomb
    for size in ((1 << 20) - 1, (1 << 20) + 1, 0):
        with pytest.raises(BadIndexError, match="not the one in the Release"):
            decompress_index(packed, size=size, sha256=digest)
    with pytest.raises(BadIndexError, match="not the one in the Release"):
        decompress_index(packed, size=1 << 20, sha256=SOURCE)
    packed.write_bytes(b"no xz at all")
    with pytest.raises(BadIndexError, match="decompress"):
        decompress_index(packed, size=1 << 20, sha256=digest)

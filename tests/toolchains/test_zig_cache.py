"""What an image keeps of Zig's cache, and how a container gets a cache of it: the scripts themselves, run by perl."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pytest
from tests.machine import require

from imagefab.recipe.target import TARGETS
from imagefab.toolchains.zig_cache import list_links

KEY = bytes(range(16))
MASK = (1 << 64) - 1
SOURCE, GENERATED = 1, 3
"""The folders that entries of manifests are in: Zig's lib, and the cache itself."""


@dataclass(frozen=True)
class Entry:
    path: str
    folder: int = SOURCE
    flags: int = 0
    digest: bytes = b"\x11" * 16

    def pack(self) -> bytes:
        flags = self.folder << 2 | self.flags
        return (
            struct.pack("<QQq", 5, 4711, 1_700_000_000_123_456_789)
            + self.digest
            + bytes([flags])
            + self.path.encode()
            + b"\0"
        )


def siphash(data: bytes) -> bytes:
    """SipHash-1-3 with 128 bits, as Zig names folders."""
    first, second = struct.unpack("<QQ", KEY)
    v = [
        first ^ 0x736F6D6570736575,
        second ^ 0x646F72616E646F6D ^ 0xEE,
        first ^ 0x6C7967656E657261,
        second ^ 0x7465646279746573,
    ]

    def rotate(value: int, bits: int) -> int:
        return (value << bits | value >> 64 - bits) & MASK

    def mix() -> None:
        for a, b, c, d, left, right in ((0, 1, 2, 3, 13, 16), (2, 1, 0, 3, 17, 21)):
            v[a] = v[a] + v[b] & MASK
            v[c] = v[c] + v[d] & MASK
            v[b], v[d] = rotate(v[b], left) ^ v[a], rotate(v[d], right) ^ v[c]
            v[a] = rotate(v[a], 32)

    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 0xFF])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        mix()
        v[0] ^= word
    v[2] ^= 0xEE
    found = []
    for _ in range(2):
        for _ in range(3):
            mix()
        found.append(v[0] ^ v[1] ^ v[2] ^ v[3])
        v[1] ^= 0xDD
    return struct.pack("<QQ", *found)


class Zig:
    """A folder of Zig's with sources, and a cache beside it."""

    def __init__(self, folder: Path) -> None:
        self.home, self.cache, self.kept = folder / "zig", folder / "cache", folder / "zig/kept"
        source = self.home / "lib/std/Build/Cache.zig"
        source.parent.mkdir(parents=True)
        listed = ", ".join(f"0x{byte:02x}" for byte in KEY)
        source.write_text(f"pub const hasher_init: Hasher = Hasher.init(&.{{\n    {listed},\n}});\n")
        (self.home / "lib/a.c").write_text("int a;\n")
        os.utime(self.home / "lib/a.c", (1_600_000_000, 1_600_000_000))
        for name in ("h", "o", "b/0f"):
            (self.cache / name).mkdir(parents=True)
        (self.cache / "b/0f/builtin.zig").write_text("generated")
        (self.cache / "h/timestamp").write_text("")

    def add(self, entries: Sequence[Entry], products: Sequence[str], ending: bytes = b"\0") -> tuple[str, str]:
        """The manifest's name and the folder's."""
        name = f"{len(list((self.cache / 'h').iterdir())):032x}"
        (self.cache / "h" / name).write_bytes(b"".join(entry.pack() for entry in entries) + ending)
        folder = siphash(bytes.fromhex(name) + b"".join(entry.digest for entry in entries)).hex()
        (self.cache / "o" / folder).mkdir(exist_ok=True)
        for product in products:
            (self.cache / "o" / folder / product).write_text(f"{product} of {name}")
        return name, folder

    def keep(self) -> subprocess.CompletedProcess[str]:
        shutil.rmtree(self.kept, ignore_errors=True)
        self.kept.mkdir()
        return run_script("zig-keep.pl", self.home, self.cache, self.kept)

    def seed(self, cache: Path) -> subprocess.CompletedProcess[str]:
        return run_script("zig-seed.pl", self.home, cache)


def run_script(name: str, *arguments: Path) -> subprocess.CompletedProcess[str]:
    script = str(files("imagefab.toolchains") / "scripts" / name)
    return subprocess.run(["perl", script, *map(str, arguments)], capture_output=True, text=True, check=False)


def list_files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def zig(tmp_path: Path) -> Iterator[Zig]:
    require(shutil.which("perl") is not None, "perl")
    yield Zig(tmp_path)


@pytest.mark.parametrize(
    "product", ["libc.a", "libc.so.6", "crt1.o", "Scrt1.o", "crtbeginS.o", "dllcrt2.obj", "kernel32.lib"]
)
def test_libraries_and_start_files_are_kept(zig: Zig, product: str) -> None:
    name, folder = zig.add([Entry("a.c"), Entry("b/0f/builtin.zig", GENERATED)], [product, "lib_zcu.o"])
    zig.add([Entry("a.c", digest=b"\x22" * 16)], ["a.o", "wcrtomb.o"])
    zig.add([Entry("nowhere.c")], [])
    done = zig.keep()
    assert (done.returncode, done.stderr) == (0, "")
    assert list_files(zig.kept) == {f"h/{name}", f"o/{folder}/{product}", "b/0f/builtin.zig"}
    assert (zig.kept / "o" / folder / product).read_text() == f"{product} of {name}"


def test_what_is_kept_depends_on_no_inode_and_no_time(zig: Zig) -> None:
    name, _ = zig.add([Entry("a.c"), Entry("a-longer-name.c")], ["libc.a"])
    assert zig.keep().returncode == 0
    manifest = (zig.kept / "h" / name).read_bytes()
    size, inode, when = struct.unpack_from("<QQq", manifest)
    assert (size, inode, when) == (5, 0, 0)
    assert len(manifest) == (zig.cache / "h" / name).stat().st_size


@pytest.mark.parametrize(
    ("entry", "ending", "said"),
    [
        (Entry("a.c", flags=2), b"\0", "goes by times"),
        (Entry("a.c"), b"more", "ends early"),
        (Entry("../a.c", GENERATED), b"\0", "names ../a.c"),
    ],
)
def test_a_form_that_is_not_known_is_an_error(zig: Zig, entry: Entry, ending: bytes, said: str) -> None:
    """Not an image that compiles everything again without a word."""
    zig.add([entry], ["libc.a"], ending)
    failed = zig.keep()
    assert failed.returncode != 0
    assert said in failed.stderr


def test_another_key_leads_nowhere_and_says_so(zig: Zig) -> None:
    zig.add([Entry("a.c")], ["libc.a"])
    source = zig.home / "lib/std/Build/Cache.zig"
    source.write_text(source.read_text().replace("0x01", "0xff"))
    assert "no manifest of Zig's cache leads to a library" in zig.keep().stderr


def test_a_container_gets_manifests_that_fit_its_files(zig: Zig, tmp_path: Path) -> None:
    name, folder = zig.add([Entry("a.c"), Entry("gone.c"), Entry("b/0f/builtin.zig", GENERATED)], ["libc.a"])
    zig.keep()
    cache = tmp_path / "other"
    for _ in range(2):  # in a cache that stays, the next container does it again
        assert zig.seed(cache).stderr == ""
    assert list_files(cache) == {f"h/{name}", f"o/{folder}/libc.a", "b/0f/builtin.zig"}
    manifest = (cache / "h" / name).read_bytes()
    assert struct.unpack_from("<QQq", manifest) == (5, (zig.home / "lib/a.c").stat().st_ino, 1_600_000_000 * 10**9)
    second = len(Entry("a.c").pack())
    assert struct.unpack_from("<QQq", manifest, second) == (5, 0, 0), "what is not there is left as it is"


def test_a_place_that_takes_no_files_is_an_error(zig: Zig, tmp_path: Path) -> None:
    zig.add([Entry("a.c")], ["libc.a"])
    zig.keep()
    (tmp_path / "file").write_text("")
    assert zig.seed(tmp_path / "file" / "cache").returncode != 0


# What `rustc --print link-args` (1.95) names, for a debug build, that Zig makes other libraries for.
BY_RUSTC = {
    "aarch64-unknown-linux-gnu": ("-pie -nodefaultlibs", "-shared -nodefaultlibs"),
    "aarch64-unknown-linux-musl": ("-static -no-pie -nodefaultlibs",),
    "x86_64-unknown-linux-musl": ("-static-pie -nodefaultlibs",),
    "x86_64-unknown-freebsd": ("-pie -nodefaultlibs", "-shared -nodefaultlibs"),
    "x86_64-pc-windows-gnullvm": ("", "-shared"),
}


@pytest.mark.parametrize("triple", BY_RUSTC)
def test_what_rustc_links_is_linked_ahead(triple: str) -> None:
    """A release has the linker remove debug information. Nothing tells that linker of an optimization."""
    ahead = [
        {word for word in options.split() if not word.startswith("-l")}
        for language, options in list_links(TARGETS[triple])
        if language == "c"
    ]
    for line in BY_RUSTC[triple]:
        assert set(line.split()) in ahead
        assert {*line.split(), "-Wl,--strip-debug"} in ahead


@pytest.mark.parametrize("triple", [*BY_RUSTC, "x86_64-unknown-netbsd"])
def test_what_people_link_is_linked_ahead(triple: str) -> None:
    links = list_links(TARGETS[triple])
    assert len(set(links)) == len(links)
    for language in ("c", "c++"):
        lines = {options for found, options in links if found == language}
        assert lines >= {"", "-O2", "-O2 -Wl,--strip-debug", "-shared -fPIC -O2"}
        assert ("-no-pie" in lines) == ("linux" in triple)
        assert ("-static -O2" in lines) == triple.endswith("musl")

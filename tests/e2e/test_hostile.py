"""Input that means harm, from end to end: recipes, mirrors, and packages that a forged lock names."""

from __future__ import annotations

import hashlib
import json
import lzma
import re
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from imagefab.debian.pin import PackagePin
from imagefab.digest import Digest
from imagefab.lock.file import make_whole, read_lock, write_lock
from imagefab.lock.staleness import platform_pins
from tests.debian.sample_packages import ar, deb, entry, tar
from tests.e2e.support.command_line import CommandLine
from tests.e2e.support.engines import remove_image
from tests.e2e.support.projects import HEAD, TINY, add_recipe, copy_project
from tests.e2e.support.stores import copy_store, find_blob

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

# -- recipes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('[env]\nX = "one\\ntwo"', "8:5"),
        ('[env]\nX = """\none\nENV Y=1"""', "8:5"),
        ('[env]\n"X\\nENV Y" = "1"', "8:1"),
        ('[env]\n"X=1 Y" = "1"', "8:1"),
        ('[[run]]\nname = "one\\nRUN touch /x"\nscript = "true"', "8:8"),
        ('[[run]]\nname = "\\u2028RUN touch /x"\nscript = "true"', "8:8"),
        ('[[run]]\nname = "x"\nscript = "true\\u0000"', "9:10"),
        ('[[files]]\npath = "/opt/../../etc/x"\ncontent = ""', "8:8"),
        ('[[files]]\npath = "../x"\ncontent = ""', "8:8"),
        ('[[files]]\npath = "/opt/x\\nRUN touch /x"\ncontent = ""', "8:8"),
        ('[[files]]\npath = "/opt/x"\nsource = "../../secret"', "9:10"),
        ('[[files]]\npath = "/opt/x"\nsource = "/etc/passwd"', "9:10"),
        ('[[files]]\npath = "/opt/x"\nsource = "absolute-link"', "9:10"),
        ('[[files]]\npath = "/opt/x"\nsource = "linked-folder/passwd"', "9:10"),
        ('[[files]]\npath = "/opt/x"\nsource = "/dev/zero"', "9:10"),
        ('[[sources]]\nname = "../x"\nurl = "https://x.org/x"\nsha256 = "00"', "8:8"),
        ('[[sources]]\nname = "x"\nurl = "file:///etc/passwd"\nsha256 = "00"', "9:7"),
        ('[packages]\nhost = ["bash; touch /x"]', "8:9"),
        ('[packages]\nhost = ["--force-all"]', "8:9"),
    ],
)
def test_refused_recipes(text: str, place: str, project: Callable[[str], Path], tmp_path: Path) -> None:
    folder = project(f"{TINY}{text}\n")
    (folder / "secret").write_text("secret")
    (folder / "recipes/absolute-link").symlink_to("/etc/passwd")
    (folder / "recipes/linked-folder").symlink_to("/etc")
    failed = CommandLine(tmp_path / "store", folder).run("--offline", "lock", code=3)
    assert f"recipes/probe.toml:{place}: error: " in failed.stderr
    assert "root:" not in failed.stderr
    assert not (folder / "images").exists()


HARM = "touch /injected"
VALUES = {
    "PLAIN": "plain",
    "EMPTY": "",
    "DOUBLE": f'" && {HARM} && "',
    "SINGLE": f"' && {HARM} && '",
    "COMMAND": f"$({HARM})",
    "BACKTICKS": f"`{HARM}`",
    "VARIABLES": "$HOME ${PATH} ${X:-y} $$ %s %%",
    "BACKSLASHES": "\\ \\\\ \\n \\$ ends with \\",
    "BACKSLASHED_QUOTES": '\\" \\\\"\\\' \\\\',
    "ONLY_A_BACKSLASH": "\\",
    "INSTRUCTION": f"ENV X=y RUN {HARM}",
    "CONTINUED": f" # syntax=evil && {HARM} \\",
    "SPACES": "  before and after  ",
    "LETTERS": "äöü 漢字 \U0001f980 e\u0301",
    "LONG": "x" * 5000,
    "SIGNS": "<&|;*?[]{}()!^~=,@>",
}
DESCRIPTION = f"\"quoted\" 'quoted' $({HARM}) `{HARM}` $PATH \\ ends with \\"
SCRIPT = f"""\
# FROM scratch
cat >/opt/said <<'END'
RUN {HARM}
# syntax=docker/dockerfile:1
$({HARM}) ends with \\
END
env -0 >/opt/environment
# ends with \\
"""


def quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


HOSTILE = "\n".join(
    [
        HEAD.format(description="x", base="debian-trixie").replace('"x"', quote(DESCRIPTION)),
        "[env]",
        *(f"{name} = {quote(value)}" for name, value in VALUES.items()),
        "[[run]]",
        f"name = {quote(f'$({HARM}) `{HARM}` && {HARM} ends with {chr(92)}')}",
        f"script = {quote(SCRIPT)}",
        "[[files]]",
        'path = "/opt/file"',
        f"content = {quote(f'$({HARM})')}",
    ]
)


@pytest.fixture
def hostile(tiny: CommandLine, unique: str) -> CommandLine:
    """Its recipe has the test's own name, since its image goes into Docker."""
    add_recipe(tiny, unique, HOSTILE)
    return tiny


def read_environment(text: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in text.split("\0") if pair)


@pytest.mark.usefixtures("docker")
@pytest.mark.parametrize("engine", ["sandbox", "docker"])
def test_values_are_inert(engine: str, hostile: CommandLine, unique: str, tmp_path: Path) -> None:
    """Whatever they look like, they arrive byte for byte, and nothing of them runs: neither here nor in the image."""
    before = sorted(path.name for path in Path("/").iterdir())
    image = hostile.build(unique, "--engine", engine, "--output", tmp_path / "layout", "--load")
    config = image["platforms"]["linux/amd64"]["config"].removeprefix("sha256:")
    found = json.loads((tmp_path / "layout/blobs/sha256" / config).read_text())["config"]
    assert read_environment("\0".join(found["Env"])).items() >= VALUES.items()
    assert found["Labels"]["org.opencontainers.image.description"] == DESCRIPTION

    asked = 'test ! -e /injected && test "$(cat /opt/file)" = "$1" && cat /opt/said >&2 && env -0'
    words = ["sh", "-euc", asked, "sh", f"$({HARM})"]
    name = f"localhost/imagefab/{unique}:latest"
    try:
        for command in (
            hostile.command("run", "--mount", tmp_path, unique, "--", *words),
            ["docker", "run", "--rm", "--network", "none", name, *words],
        ):
            ran = subprocess.run(command, capture_output=True, text=True, check=True)
            assert read_environment(ran.stdout).items() >= VALUES.items()
            assert f"RUN {HARM}" in ran.stderr
        told = hostile.run("run", unique, "--", "cat", "/opt/environment").stdout
        assert read_environment(told).items() >= VALUES.items(), "the recipe's own script has them too"
    finally:
        remove_image(config)
    assert sorted(path.name for path in Path("/").iterdir()) == before


@pytest.mark.usefixtures("docker", "podman")
def test_engines_agree_on_hostile_values(hostile: CommandLine, unique: str, tmp_path: Path) -> None:
    digests = set()
    for engine in ("sandbox", "docker", "podman"):
        line = CommandLine(copy_store(hostile.store, tmp_path / engine), hostile.folder)
        digests.add(line.build(unique, "--engine", engine)["digest"])
    assert len(digests) == 1


# -- mirrors ----------------------------------------------------------------------------------------------------------

VICTIM = "base-passwd"
IMPATIENT = """\
# A mirror that says nothing is given up after a second.
import dataclasses
import imagefab.fetch.transport as transport
from imagefab.cli.main import main

transport.MIRROR_PATIENCE = dataclasses.replace(transport.MIRROR_PATIENCE, read=1, attempts=2, pause=0.1)
main()
"""


class ImpatientLine(CommandLine):
    def command(self, *arguments: str | Path) -> list[str]:
        words = super().command(*arguments)
        return [sys.executable, "-c", IMPATIENT, *words[3:]]


class Mirror(ThreadingHTTPServer):
    """Serves the packages of a lock out of a store, one of them badly."""

    daemon_threads = True

    def __init__(self, line: CommandLine, harm: str) -> None:
        super().__init__(("127.0.0.1", 0), MirrorHandler)
        self.harm = harm
        self.released = threading.Event()
        self.files: dict[str, Path] = {}
        for pin in platform_pins(read_lock(line.folder / "images/tiny/imagefab.lock", recipe="tiny"), "linux/amd64"):
            self.files[pin.path] = find_blob(line.store, pin.sha256.hex)


class MirrorHandler(BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        file = self.server.files.get(self.path.removeprefix("/debian/"))
        if file is None:
            self.send_error(404)
            return
        content = file.read_bytes()
        length = len(content)
        if f"/{VICTIM}/" in self.path:
            match self.server.harm:
                case "wrong byte":
                    content = content[:-1] + bytes([content[-1] ^ 1])
                case "truncated":
                    content = content[: length // 2]
                case "silent":
                    self.server.released.wait(30)
                    return
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def mirrors(tiny_cold: CommandLine, tmp_path: Path) -> Iterator[Callable[..., CommandLine]]:
    """A project that fetches from mirrors that do some harm, in that order, and a store with nothing in it."""
    folder = tiny_cold.folder
    running: list[Mirror] = []

    def make(*harms: str) -> CommandLine:
        for harm in harms:
            mirror = Mirror(tiny_cold, harm)
            threading.Thread(target=mirror.serve_forever, daemon=True).start()
            running.append(mirror)
        urls = json.dumps([f"http://127.0.0.1:{mirror.server_port}/debian" for mirror in running])
        (folder / "imagefab.toml").write_text(
            f'[mirrors]\ndebian = {urls}\ndebian-security = {urls}\nsnapshot = "http://127.0.0.1:9"\n'
        )
        return ImpatientLine(tmp_path / "store", folder)

    yield make
    for mirror in running:
        mirror.released.set()
        mirror.shutdown()
        mirror.server_close()


@pytest.mark.parametrize("harm", ["wrong byte", "truncated", "silent"])
def test_a_bad_mirror_is_named(harm: str, mirrors: Callable[..., CommandLine], tmp_path: Path) -> None:
    line = mirrors(harm)
    failed = line.run("context", "tiny", tmp_path / "context", code=6)
    assert re.search(rf"cannot fetch {VICTIM} \S+ \(amd64\): 127\.0\.0\.1:\d+", failed.stderr), failed.stderr
    assert failed.stderr.count("cannot fetch") == 1
    for blob in line.store.glob("blobs/sha256/*/*"):
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name


@pytest.mark.parametrize("harm", ["wrong byte", "truncated", "silent"])
def test_the_next_mirror_serves(harm: str, mirrors: Callable[..., CommandLine], tmp_path: Path) -> None:
    line = mirrors(harm, "none")
    fetched = line.run("context", "tiny", tmp_path / "context")
    assert list((tmp_path / "context").rglob(f"{VICTIM}_*.deb"))
    if harm == "wrong byte":
        assert re.search(rf"warning: {VICTIM} .*127\.0\.0\.1:\d+ sent bytes that do not match", fetched.stderr)


# -- packages ---------------------------------------------------------------------------------------------------------


def forge(line: CommandLine, recipe: str, packages: dict[str, bytes]) -> None:
    """Make a lock name other bytes for some packages, and put these into the store: what no mirror could do."""
    path = line.folder / "images" / recipe / "imagefab.lock"
    lock = read_lock(path, recipe=recipe)
    assert packages.keys() <= {pin.name for pin in platform_pins(lock, "linux/amd64")}
    for content in packages.values():
        blob = find_blob(line.store, hashlib.sha256(content).hexdigest())
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(content)

    def change(pins: tuple[PackagePin, ...]) -> tuple[PackagePin, ...]:
        return tuple(
            replace(pin, size=len(found), sha256=Digest.of_bytes(found)) if (found := packages.get(pin.name)) else pin
            for pin in pins
        )

    platforms = tuple(
        replace(
            one,
            layers=tuple(
                replace(each, packages=change(each.packages), extracts=change(each.extracts)) for each in one.layers
            ),
        )
        for one in lock.platforms
    )
    write_lock(path, make_whole(replace(lock, platforms=platforms)))


def make_bomb() -> bytes:
    """Few megabytes that unpack to many gigabytes: one file of zeros, which are one stream of xz, many times."""
    control = lzma.compress(tar("./control", content=b"Package: bomb\n"))
    header = tarfile.TarInfo("./usr/bin/qemu-aarch64")
    header.size = 16 << 30
    data = lzma.compress(header.tobuf(tarfile.GNU_FORMAT)) + lzma.compress(bytes(1 << 28), preset=0) * 64
    return ar(("debian-binary", b"2.0\n"), ("control.tar.xz", control), ("data.tar.xz", data))


@pytest.fixture
def shipped_copy(flagship: CommandLine, tmp_path: Path) -> CommandLine:
    line = CommandLine(copy_store(flagship.store, tmp_path / "store"), flagship.folder)
    return copy_project(line, tmp_path / "shipped")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that nobody is to write to."""
    folder = tmp_path / "outside"
    folder.mkdir()
    return folder


UP = "../" * 20
TRAP = "./usr/share/trap"
WAYS: dict[str, Callable[[str], list[bytes]]] = {
    "dots": lambda outside: [tar(f"{UP}{outside}/x")],
    "beneath a link": lambda outside: [tar(entry(TRAP, b"2", outside), f"{TRAP}/x")],
    "beneath a link with dots": lambda outside: [tar(entry(TRAP, b"2", f"{UP}{outside}"), f"{TRAP}/x")],
    "a hard link out": lambda outside: [tar(entry("./usr/x", b"1", f"{UP}etc/passwd"))],
    "below the link of another": lambda outside: [tar(entry(TRAP, b"2", outside)), tar(f"{TRAP}/x")],
}
VICTIMS = ("base-files", "base-passwd")


@pytest.mark.usefixtures("docker")
@pytest.mark.parametrize("engine", ["sandbox", "docker"])
@pytest.mark.parametrize("way", WAYS)
def test_no_package_climbs_out_of_the_first_layer(engine: str, way: str, tiny: CommandLine, outside: Path) -> None:
    packages = WAYS[way](str(outside))
    forge(tiny, "tiny", {name: deb(data) for name, data in zip(VICTIMS, packages, strict=False)})
    failed = tiny.run("build", "tiny", "--engine", engine, code=6)
    assert re.search(r"base-(files|passwd)_\S+\.deb: |no folder but a link", failed.stderr)
    assert re.search(r"leads out of the package|below the link|no folder but a link", failed.stderr)
    assert not list(outside.iterdir())


@pytest.mark.parametrize("way", ["dots", "beneath a link", "beneath a link with dots"])
def test_no_package_climbs_out_of_an_extract(way: str, shipped_copy: CommandLine, outside: Path) -> None:
    forge(shipped_copy, "aarch64-gnu", {"qemu-user": deb(WAYS[way](str(outside))[0])})
    failed = shipped_copy.run("build", "aarch64-gnu", "--engine", "sandbox", code=6)
    assert re.search(r"qemu-user_\S+\.deb: .*(leads out of the package|below the link)", failed.stderr)
    assert not list(outside.iterdir())


def assert_refused_soon(line: CommandLine, recipe: str) -> None:
    began = time.monotonic()
    failed = line.run("build", recipe, "--engine", "sandbox", code=6)
    assert "unpacks to more than is allowed" in failed.stderr
    assert time.monotonic() - began < 500
    assert not list((line.store / "tmp").iterdir())


def test_a_bomb_in_the_first_layer(tiny: CommandLine) -> None:
    forge(tiny, "tiny", {VICTIMS[0]: make_bomb()})
    assert_refused_soon(tiny, "tiny")


def test_a_bomb_in_an_extract(shipped_copy: CommandLine) -> None:
    forge(shipped_copy, "aarch64-gnu", {"qemu-user": make_bomb()})
    assert_refused_soon(shipped_copy, "aarch64-gnu")

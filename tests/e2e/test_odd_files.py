"""Files that trip tools up, made by steps in all engines: the same digest from each, alone and on top of each other."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import CommandLine, copy_store

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root", "docker", "podman")]

ENGINES = ("sandbox", "docker", "podman")

BASE = """\
description = "odd files"
base = "debian-trixie"

[[run]]
name = "kinds and permissions"
script = '''
mkdir -p /opt/odd/kinds
cd /opt/odd/kinds
perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => "socket", Listen => 1) or die'
mkfifo -m 0620 fifo
cp /bin/true setuid && chmod 4755 setuid
cp /bin/true setgid && chmod 2750 setgid
set_attribute() {
    perl -e 'my ($path, $name, $value) = @ARGV; $value = pack("H*", $value);
        syscall(188, $path, $name, $value, length($value), 0) == 0 or die "$name: $!\n"' "$@"
}
cp /bin/true capable && set_attribute capable security.capability 0100000200200000000000000000000000000000
cp /bin/true tagged && { set_attribute tagged user.note 68656c6c6f || echo "no user attributes here"; }
mkdir closed sticky && echo secret >closed/file && chmod 0000 closed/file closed && chmod 3777 sticky
echo owned >owned && chown 1234:65534 owned && chmod 0440 owned
truncate -s 3000001 sparse
: >empty
'''

[[run]]
name = "names"
script = '''
mkdir -p /opt/odd/names
cd /opt/odd/names
long=$(printf 'a%.0s' $(seq 90))
mkdir -p "$long/$long/$long" && echo deep >"$long/$long/$long/$(printf 'b%.0s' $(seq 60))"
ln -s "/opt/$long/$long/$long" long-target
ln -s "$(printf 'caf\\351')" bytes-target
echo bytes >"$(printf 'caf\\351')"
echo utf >"$(printf 'caf\\303\\251')"
echo newline >"$(printf 'new\\nline')"
echo star >'*' && echo space >' ' && echo back >'back\\slash' && echo dash >-dash && echo quote >"'\\""
echo tab >"$(printf 't\\tb')"
mkdir UPPER upper && echo 1 >UPPER/File && echo 2 >UPPER/file
'''

[[run]]
name = "times"
script = '''
mkdir -p /opt/odd/times
cd /opt/odd/times
touch -d '1960-02-03 04:05:06.7' before
touch -d '@0' zero
touch -d '2001-01-01 00:00:00.999999999' nearly
touch -d '2100-01-01' future
ln -s nowhere link && touch -h -d '1999-12-31 23:59:59.5' link
'''

[[run]]
name = "links"
script = '''
mkdir -p /opt/odd/links/folder
cd /opt/odd/links
echo one >z && ln z a && ln z folder/m
ln -s z soft && perl -e 'link("soft", "soft-twin") or die'
mkfifo pipe && ln pipe pipe-twin
echo kept >kept && ln kept /var/log/volatile-twin
cp -l /bin/true /opt/odd/links/true
'''

[[run]]
name = "what comes after changes"
script = '''
mkdir -p /opt/odd/changes/folder/sub /opt/odd/changes/other /opt/odd/changes/gone/sub /opt/odd/changes/moved
cd /opt/odd/changes
for name in folder/one folder/sub/two other/three gone/sub/four moved/five file same size mode owner untouched; do
    echo "$name" >$name
    touch -d '2020-01-01' $name
done
ln -s other link-to-folder
ln file linked && ln untouched untouched-twin
'''

[[run]]
name = "what nobody sees"
script = '''
echo x >/tmp/x; echo x >/run/x; echo x >/var/log/x; echo x >/var/cache/apt/x
(sleep 1000 &) ; (trap '' HUP TERM; exec sleep 1000) &
'''
"""

FIRST = """\
description = "odd files"
target = "x86_64-unknown-linux-gnu"
kind = "gcc"
base = "odd"
platforms = ["linux/amd64"]
runner = "none"
"""

SECOND = (
    FIRST
    + """
[[files]]
path = "/opt/odd/changes/link-to-folder/new"
content = "in the other folder"

[[run]]
name = "change"
script = '''
cd /opt/odd/changes
rm -r other/three && rm -r gone
rm -r moved && ln -s other moved
rm file && mkdir file && echo inside >file/seven
echo 'another size' >size
chmod 0000 mode && chmod 0644 untouched
chown 7:8 owner
cd ../links
ln a later && chmod 0600 m 2>/dev/null || chmod 0600 folder/m
ln /bin/true true-again
rm soft-twin pipe
cd ../kinds
echo open >>closed/file && rm fifo && mkfifo -m 0600 fifo
rm setuid && cp /bin/true setuid && chmod 4755 setuid
cd ../names && rm -- "$(printf 'caf\\351')" '*' -dash && rm -r a* && rm -r UPPER && ln -s upper UPPER
'''

[[run]]
name = "and back"
script = '''
cd /opt/odd/changes
rm moved && mkdir moved && echo moved/five >moved/five && touch -d '2020-01-01' moved/five
mkdir gone && echo again >gone/again
mkdir -p /opt/odd/short-lived/sub && rm -r /opt/odd/short-lived
'''
"""
)

THIRD = (
    FIRST
    + """
[[run]]
name = "change"
script = '''
cd /opt/odd/changes
rm -r folder && mkdir folder && echo new >folder/six
echo SAME >same && touch -d '2020-01-01' same
echo more >>/opt/odd/links/z
'''

[[run]]
name = "and back"
script = '''
cd /opt/odd/changes
rm -r folder && mkdir -p folder/sub && echo folder/one >folder/one && touch -d '2020-01-01' folder/one
'''
"""
)
"""What only the kernel's own overlays get right."""


@pytest.fixture
def line(warm: CommandLine, project: Callable[[str, str], Path]) -> CommandLine:
    folder = project(FIRST, "first")
    project(SECOND, "second")
    project(THIRD, "third")
    (folder / "recipes/bases/odd.toml").write_text(BASE)
    found = warm.at(folder)
    found.run("lock")
    return found


def is_native_overlay() -> bool:
    """Whether Docker has the kernel's overlays. Where it finds changes by comparing files, it misses some."""
    asked = ["docker", "info", "--format", "{{.Driver}}"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.startswith("overlay")


def test_one_digest(line: CommandLine, tmp_path: Path) -> None:
    """Each engine alone; and each on top of the layers that the sandbox made."""
    expected: dict[str, list[str]] = {}
    for engine in ENGINES:
        stores = [CommandLine(copy_store(line.store, tmp_path / engine), line.folder)]
        if engine != "sandbox":
            stores.append(CommandLine(copy_store(line.store, tmp_path / f"{engine}-on-sandbox"), line.folder))
            stores[1].build("first", "--engine", "sandbox")
        for recipe in ("first", "second", "third"):
            if recipe == "third" and engine == "docker" and not is_native_overlay():
                continue
            for store in stores:
                image = store.build(recipe, "--engine", engine)
                layers = [layer["digest"] for layer in image["platforms"]["linux/amd64"]["layers"]]
                wanted = expected.setdefault(recipe, layers)
                assert layers == wanted, explain(tmp_path / ENGINES[0], wanted, store.store, layers)


def explain(one: Path, digests: list[str], other: Path, others: list[str]) -> str:
    """The entries in which the first layers that differ do so."""
    first = next(index for index, pair in enumerate(zip(digests, others, strict=True)) if len(set(pair)) == 2)
    listings = []
    for store, digest in ((one, digests[first]), (other, others[first])):
        command = ["tar", "--list", "-vv", "--full-time", "--gzip", "--file", str(find_blob(store, digest))]
        listed = subprocess.run(command, capture_output=True, text=True, errors="replace", check=True)
        listings.append(set(listed.stdout.splitlines()))
    return "\n".join(
        [f"layer {first} of {other.name}:", *(f"  {entry}" for entry in sorted(listings[0] ^ listings[1]))]
    )


def find_blob(store: Path, digest: str) -> Path:
    hexadecimal = digest.removeprefix("sha256:")
    return store / "blobs/sha256" / hexadecimal[:2] / hexadecimal


DEVICE = (
    FIRST.replace('"odd"', '"debian-trixie"')
    + """
[[run]]
name = "make a device file"
script = "mknod /opt/device c 1 3 || { echo device file refused; exit 1; }"
"""
)


@pytest.mark.parametrize("engine", ENGINES)
def test_no_engine_leaves_a_device_file(engine: str, warm: CommandLine, project: Callable[[str], Path]) -> None:
    """Some let a step make one. None lets it into a layer."""
    line = warm.at(project(DEVICE))
    line.run("lock")
    failed = line.run("build", "probe", "--engine", engine, code=5)
    assert "device file" in failed.stderr

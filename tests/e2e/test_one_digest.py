"""Same lock, same digest, whatever builds it, wherever and whenever: the engines against each other, for real."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.support.command_line import CommandLine, list_built
from tests.e2e.support.engines import ENGINES
from tests.e2e.support.everything import RECIPES, Circumstances, explain, list_digests
from tests.e2e.support.projects import FILE, TINY, add_recipe, add_step
from tests.e2e.support.stores import copy_packages, copy_store
from tests.machine import require

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root", "docker", "podman")]

SOON = Circumstances(later=timedelta(days=400))
LATE = Circumstances("other", timedelta(days=4000), 0o077, {"LC_ALL": "C", "PYTHONUTF8": "0", "TZ": "Asia/Kathmandu"})


@pytest.fixture
def expected(everything: CommandLine) -> dict[str, list[str]]:
    """The layers that the sandbox made of each recipe."""
    return {recipe: list_digests(everything.build(recipe)) for recipe in RECIPES}


def is_native_overlay() -> bool:
    """Whether Docker has the kernel's overlays. Where it finds changes by comparing files, it misses some."""
    asked = ["docker", "info", "--format", "{{.Driver}}"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.startswith("overlay")


QUICK = {("sandbox", "late"), ("docker", "soon"), ("podman", "late")}
"""Each engine once; `make prove` has each of them twice."""


@pytest.mark.parametrize(
    ("engine", "circumstances"),
    [
        pytest.param(engine, when, id=f"{engine}-{name}", marks=[] if (engine, name) in QUICK else [pytest.mark.prove])
        for engine in ENGINES
        for name, when in {"soon": SOON, "late": LATE}.items()
    ],
)
def test_engines_agree(
    engine: str,
    circumstances: Circumstances,
    everything: CommandLine,
    expected: dict[str, list[str]],
    tmp_path: Path,
) -> None:
    """Each engine twice, from empty stores: at other dates, on another host, under another umask, in another locale.
    What engines themselves remember of earlier builds does not count."""
    line = CommandLine(copy_packages(everything, tmp_path / "store", *RECIPES), everything.folder)
    image = circumstances.build(line, "first", "--engine", engine, "--no-cache")
    assert image["engine"] == engine
    assert len(list_built(image)) == len(expected["first"])
    found = list_digests(image)
    assert found == expected["first"], explain(everything, expected["first"], line, found)


@pytest.mark.parametrize("engine", ["docker", pytest.param("podman", marks=pytest.mark.prove)])
def test_an_engine_goes_on_from_layers_of_another(
    engine: str, everything: CommandLine, expected: dict[str, list[str]], tmp_path: Path
) -> None:
    """What the sandbox built is not built again by others; what they add, change and remove on top is the same."""
    line = CommandLine(copy_packages(everything, tmp_path / "store", *RECIPES), everything.folder)
    line.build("first", "--engine", "sandbox")
    for recipe in ["second", "third"] if engine != "docker" or is_native_overlay() else ["second"]:
        image = line.build(recipe, "--engine", engine)
        assert (image["engine"], list_built(image)) == (engine, ["extras"])
        found = list_digests(image)
        assert found == expected[recipe], explain(everything, expected[recipe], line, found)


@pytest.mark.parametrize("engine", ["sandbox", pytest.param("podman", marks=pytest.mark.prove)])
def test_steps_do_find_another_date(engine: str, everything: CommandLine, tmp_path: Path) -> None:
    """Else the tests above would show nothing. Docker's steps are children of its daemon, and have its date."""
    digests = []
    for number, when in enumerate((SOON, LATE)):
        line = CommandLine(copy_store(everything.store, tmp_path / f"store-{number}"), everything.folder)
        digests.append(when.build(line, "dated", "--engine", engine)["digest"])
        now = datetime.now(UTC)
        date, seconds = line.run("run", "dated", "--", "cat", "/opt/date", "/opt/seconds").stdout.splitlines()
        assert abs(int(seconds) - (now + when.later).timestamp()) < 3600
        assert date[:4] in {str((now + when.later).year), str((now + when.later - timedelta(hours=1)).year)}
    assert len(set(digests)) == 2


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_a_shipped_image_is_the_same_from_every_engine(engine: str, warm: CommandLine, tmp_path: Path) -> None:
    """A full one: 140 packages, two layers of tools. `make prove` has the flagship built so, with its emulator."""
    expected = warm.build("x86_64-gnu", "--engine", "sandbox")["digest"]
    line = CommandLine(copy_packages(warm, tmp_path / "store", "x86_64-gnu"), warm.folder)
    image = line.build("x86_64-gnu", "--engine", engine)
    assert image["engine"] == engine
    assert not any(layer["cached"] for layer in image["platforms"]["linux/amd64"]["layers"])
    assert image["digest"] == expected


def test_nothing_changed_asks_no_engine(everything: CommandLine) -> None:
    image = everything.build("second", env={"PATH": "/nowhere"})
    assert image["engine"] is None
    assert all(platform["cached"] for platform in image["platforms"].values())


def test_a_step_knows_localhost(tiny: CommandLine, tmp_path: Path) -> None:
    """In all engines; and in none is the file that says so a part of the image."""
    add_recipe(tiny, "local", add_step("getent hosts localhost && echo found >/opt/localhost"))
    images: list[dict[str, Any]] = []
    for engine in ENGINES:
        line = CommandLine(copy_store(tiny.store, tmp_path / engine), tiny.folder)
        images.append(line.build("local", "--engine", engine, "--output", tmp_path / f"{engine}-layout"))
    assert len({image["digest"] for image in images}) == 1
    for digest in list_digests(images[0]):
        blob = tmp_path / "sandbox-layout/blobs/sha256" / digest.removeprefix("sha256:")
        listed = subprocess.run(["tar", "--list", "--gzip", "--file", blob], check=True, capture_output=True, text=True)
        assert "etc/hosts" not in listed.stdout.splitlines()
    assert "opt/localhost" in listed.stdout.splitlines()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_step_has_no_network(engine: str, tiny: CommandLine, registry: str) -> None:
    """The host answers at that address, and a step can't reach it."""
    host, _, port = registry.partition(":")
    subprocess.run(["perl", "-MIO::Socket::INET", "-e", f'IO::Socket::INET->new("{host}:{port}") or die'], check=True)
    reach_out = f'IO::Socket::INET->new(PeerAddr => "{registry}", Timeout => 5) or die "network: $!\\n"'
    add_recipe(tiny, "network", add_step(f"perl -MIO::Socket::INET -e '{reach_out}'"))
    failed = tiny.run("build", "network", "--engine", engine, code=5)
    assert "network:" in failed.stderr
    assert not failed.stdout


@pytest.mark.parametrize("engine", ENGINES)
def test_no_engine_leaves_a_device_file(engine: str, tiny: CommandLine) -> None:
    """Some let a step make one. None lets it into a layer."""
    add_recipe(tiny, "device", add_step("mknod /opt/device c 1 3 || { echo device file refused; exit 1; }"))
    assert "device file" in tiny.run("build", "device", "--engine", engine, code=5).stderr


# -- locales -----------------------------------------------------------------------------------------------------------

LETTERS = "äöü 漢字"
LOCALISED = f"""\
description = "{LETTERS}"
{TINY.partition(chr(10))[2]}
[env]
LETTERS = "{LETTERS}"

[[run]]
name = "{LETTERS}"
script = 'printf "%s" "$LETTERS" >"/opt/$LETTERS"'
"""


@pytest.fixture
def latin(tmp_path: Path) -> dict[str, str]:
    """A locale in which the names of files are Latin-1."""
    require(Path("/usr/share/i18n/locales/en_US").exists(), "the package locales")
    folder = tmp_path / "locales" / "en_US.ISO-8859-1"
    folder.parent.mkdir()
    subprocess.run(["localedef", "--inputfile=en_US", "--charmap=ISO-8859-1", folder], check=True, capture_output=True)
    return {"LOCPATH": str(folder.parent), "LC_ALL": folder.name}


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0"}


@pytest.mark.parametrize("locale", [pytest.param("latin", marks=pytest.mark.prove), "ascii"])
def test_no_locale_is_in_an_image(
    locale: str, request: pytest.FixtureRequest, tiny: CommandLine, tmp_path: Path
) -> None:
    add_recipe(tiny, "localised", LOCALISED)
    built = {}
    changed = ASCII if locale == "ascii" else request.getfixturevalue("latin")
    for name, changes in {"usual": {}, locale: changed}.items():
        # Names of files that are not ASCII are in the base already.
        copy = (
            copy_packages(tiny, tmp_path / name, "tiny") if name == "latin" else copy_store(tiny.store, tmp_path / name)
        )
        line = CommandLine(copy, tiny.folder)
        env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")} | changes
        built[name] = line.build("localised", "--engine", "sandbox", env=env)["digest"]
        words = ["sh", "-c", 'cat "/opt/$1"; printf "%s" "$LETTERS"', "sh", LETTERS]
        command = ("run", "--engine", "sandbox", "--mount", str(tmp_path), "localised", "--", *words)
        assert line.run(*command, env=env, encoding="utf-8").stdout == LETTERS * 2
        line.run("context", "localised", tmp_path / f"context-{name}", env=env)
        assert LETTERS in (tmp_path / f"context-{name}" / "Dockerfile").read_text("utf-8")
    assert len(set(built.values())) == 1, built


# -- what is not copied ------------------------------------------------------------------------------------------------


def test_a_file_where_a_folder_is(tiny: CommandLine) -> None:
    """It would land inside of it otherwise, under another name."""
    add_recipe(tiny, "clash", TINY + FILE.format(path="/etc/profile.d", content=""))
    failed = tiny.run("build", "clash", "--engine", "sandbox", code=5)
    assert "cannot overwrite directory '/etc/profile.d'" in failed.stderr

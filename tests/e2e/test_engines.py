"""Same lock, same digest, whatever builds it: the three engines against each other, for real."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import CommandLine
from tests.machine import require

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("warm_musl")]

ENGINES = ("sandbox", "docker", "podman")


@pytest.mark.usefixtures("root", "docker", "podman")
def test_six_builds_one_digest(shipped: Path, tmp_path: Path) -> None:
    """All engines, twice each, from empty stores, as another host, under another umask. See test_clock.py for dates.
    And of the second image, no engine runs a step that it ran for the first."""
    digests: dict[str, tuple[str, ...]] = {}
    for engine in ENGINES:
        for turn, (host, umask) in enumerate((("first-host", 0o022), ("other", 0o077))):
            line = CommandLine(tmp_path / f"{engine}-{turn}", shipped)
            words = ("unshare", "--uts", "sh", "-c", f'hostname {host}; exec "$0" "$@"')
            musl = line.build("aarch64-musl", "--engine", engine, "--no-cache", prefix=words, umask=umask)
            gnu = line.build("aarch64-gnu", "--engine", engine, prefix=words, umask=umask)
            assert {musl["engine"], gnu["engine"]} == {engine}
            assert not any(layer["cached"] for layer in musl["platforms"]["linux/amd64"]["layers"])
            layers = gnu["platforms"]["linux/amd64"]["layers"]
            assert [layer["name"] for layer in layers if not layer["cached"]] == ["build-systems"]
            digests[f"{engine} {turn}"] = (musl["digest"], gnu["digest"])
            shutil.rmtree(line.store)
    assert len(set(digests.values())) == 1, json.dumps(digests, indent=1)


NETWORK = """\
description = "tries the network"
target = "aarch64-unknown-linux-gnu"
kind = "gcc"
base = "tiny"
platforms = ["linux/amd64"]
runner = "none"

[[run]]
name = "reach out"
script = \"\"\"
perl -MIO::Socket::INET -e 'IO::Socket::INET->new(PeerAddr => "{address}", Timeout => 5) or die "network: $!\\n"'
\"\"\"
"""

TINY_BASE = """\
description = "the root, and nothing more"
base = "debian-trixie"
"""


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.usefixtures("root", "docker", "podman")
def test_a_step_has_no_network(engine: str, cold: CommandLine, project: Callable[[str], Path], registry: str) -> None:
    """The host answers at that address, and a step can't reach it."""
    host, _, port = registry.partition(":")
    subprocess.run(["perl", "-MIO::Socket::INET", "-e", f'IO::Socket::INET->new("{host}:{port}") or die'], check=True)
    folder = project(NETWORK.format(address=registry))
    (folder / "recipes/bases/tiny.toml").write_text(TINY_BASE)
    line = cold.at(folder)
    line.run("lock")
    failed = line.run("build", "probe", "--engine", engine, code=5)
    assert "network:" in failed.stderr
    assert not failed.stdout


LOCALHOST = """\
description = "looks for itself"
target = "x86_64-unknown-linux-gnu"
kind = "gcc"
base = "debian-trixie"
platforms = ["linux/amd64"]
runner = "none"

[[run]]
name = "look"
script = "getent hosts localhost && echo found >/opt/localhost"
"""


@pytest.mark.usefixtures("root", "docker", "podman")
def test_a_step_knows_localhost(cold: CommandLine, project: Callable[[str], Path], tmp_path: Path) -> None:
    """In all engines; and in none is the file that says so a part of the image."""
    line = cold.at(project(LOCALHOST))
    line.run("lock")
    images = [line.build("probe", "--engine", engine, "--no-cache") for engine in ENGINES]
    assert len({image["digest"] for image in images}) == 1
    line.build("probe", "--output", tmp_path / "layout")
    for layer in images[0]["platforms"]["linux/amd64"]["layers"]:
        blob = tmp_path / "layout/blobs/sha256" / layer["digest"].removeprefix("sha256:")
        listed = subprocess.run(["tar", "--list", "--gzip", "--file", blob], check=True, capture_output=True, text=True)
        assert "etc/hosts" not in listed.stdout.splitlines()
    assert "opt/localhost" in listed.stdout.splitlines()


SIBLING = """\
description = "aarch64-gnu, and one step more"
target = "aarch64-unknown-linux-gnu"
kind = "gcc"
base = "trixie"

[[run]]
name = "one step more"
script = "date >/var/log/when && aarch64-linux-gnu-gcc --version >/opt/compiler"
"""


@pytest.mark.parametrize("engine", ["docker", "podman"])
@pytest.mark.usefixtures("docker", "podman")
def test_an_engine_goes_on_from_layers_of_another(
    engine: str, cold: CommandLine, warm: CommandLine, project: Callable[[str], Path]
) -> None:
    """What the sandbox built is not built again by others; what they add on top is the same."""
    folder = project(SIBLING)
    warm.at(folder).run("lock")
    built = cold.build("aarch64-gnu", "--engine", "sandbox")
    image = cold.at(folder).build("probe", "--engine", engine)
    layers = image["platforms"]["linux/amd64"]["layers"]
    assert [layer["name"] for layer in layers if not layer["cached"]] == ["extras"]
    assert image["engine"] == engine
    assert image["digest"] == warm.at(folder).build("probe")["digest"]
    assert built["digest"] == warm.build("aarch64-gnu")["digest"]


def test_nothing_changed_asks_no_engine(warm: CommandLine) -> None:
    image = warm.build("aarch64-musl", env={"PATH": "/nowhere"}, prefix=())
    assert image["engine"] is None
    assert all(platform["cached"] for platform in image["platforms"].values())


@pytest.mark.usefixtures("docker")
def test_the_context_builds_without_imagefab(warm: CommandLine, tmp_path: Path) -> None:
    """A plain buildx build of the folder that imagefab lays out gives an image that says and does the same."""
    context = tmp_path / "context"
    warm.run("context", "aarch64-gnu", context, "--platform", "linux/amd64")
    assert (context / "Dockerfile").read_text() == (warm.folder / "images/aarch64-gnu/Dockerfile").read_text()
    tag = "localhost/imagefab-plain:test"
    subprocess.run(
        ["docker", "buildx", "build", "--network", "none", "--load", "--tag", tag, str(context)],
        check=True,
        capture_output=True,
    )
    try:
        plain = json.loads(subprocess.run(["docker", "inspect", tag], check=True, capture_output=True).stdout)[0]
        shown = warm.json("show", "aarch64-gnu")
        assert dict(pair.split("=", 1) for pair in plain["Config"]["Env"]) == shown["env"]
        assert plain["Config"]["Labels"] == shown["labels"]
        said = subprocess.run(
            ["docker", "run", "--rm", "--network", "none", tag, "aarch64-linux-gnu-gcc", "--version"],
            check=True,
            capture_output=True,
            text=True,
        )
        assert "14." in said.stdout
    finally:
        subprocess.run(["docker", "rmi", tag], check=False, capture_output=True)


@pytest.mark.usefixtures("docker", "podman")
@pytest.mark.parametrize("program", ["docker", "podman"])
def test_load_gives_the_image_its_id(
    program: str, warm: CommandLine, project: Callable[[str, str], Path], tmp_path: Path
) -> None:
    """The id that the engine shows is the config's digest that imagefab printed. The image is this test's own: it is
    removed by its id, and that takes all its names away."""
    env = dict(os.environ)
    if program == "podman":
        # A machine without Docker: nothing of that name on the path.
        tools = tmp_path / "tools"
        tools.mkdir()
        for name in ("podman", "runc", "conmon"):
            (tools / name).symlink_to(shutil.which(name) or "/nonexistent")
        env["PATH"] = str(tools)
    line = warm.at(project(SIBLING, "loaded"))
    line.run("lock")
    image = line.build("loaded", "--load", env=env)
    name = "localhost/imagefab/loaded:latest"
    shown = subprocess.run([program, "image", "inspect", name], check=True, capture_output=True, text=True)
    identity = json.loads(shown.stdout)[0]["Id"].removeprefix("sha256:")
    assert f"sha256:{identity}" == image["platforms"]["linux/amd64"]["config"]
    # Podman wants more than a machine may grant.
    options = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"] if program == "podman" else []
    said = subprocess.run(
        [program, "run", "--rm", "--network", "none", *options, name, "sh", "-c", "echo $CROSS_DEB_ARCH"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert said.stdout == "arm64\n"
    subprocess.run([program, "rmi", "--force", identity], check=True, capture_output=True)


def test_output_is_a_layout_that_others_read(warm: CommandLine, tmp_path: Path, registry: str) -> None:
    """skopeo copies it into a stock registry, and the registry has it under the digest that imagefab printed."""
    require(shutil.which("skopeo") is not None, "skopeo")
    folder = tmp_path / "layout"
    digest = warm.build("aarch64-musl", "--output", folder)["digest"]
    inspected = subprocess.run(
        ["skopeo", "inspect", f"oci:{folder}:aarch64-musl"], check=True, capture_output=True, text=True
    )
    assert json.loads(inspected.stdout)["Digest"] == digest
    target = f"docker://{registry}/team/aarch64-musl"
    subprocess.run(
        ["skopeo", "copy", "--dest-tls-verify=false", f"oci:{folder}:aarch64-musl", f"{target}:test"],
        check=True,
        capture_output=True,
    )
    pushed = subprocess.run(
        ["skopeo", "inspect", "--tls-verify=false", f"{target}@{digest}"], check=True, capture_output=True, text=True
    )
    assert json.loads(pushed.stdout)["Digest"] == digest

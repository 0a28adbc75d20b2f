"""`check` on images of engines and on layouts: good ones pass; what is broken on purpose fails, for its own reason."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.support.command_line import CommandLine, list_failures
from tests.e2e.support.engines import remove_image
from tests.e2e.support.projects import add_recipe

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

TARGET = "aarch64-unknown-linux-gnu"
UPPER, LOWER = "AARCH64_UNKNOWN_LINUX_GNU", "aarch64_unknown_linux_gnu"


@pytest.fixture(autouse=True)
def no_rust(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine may have any toolchain, and `check` uses it."""
    program = tmp_path / "no-rust/rustc"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


@pytest.fixture
def loaded(warm: CommandLine, docker: None) -> str:
    """The good image, by the name that it has in Docker."""
    image = warm.build("aarch64-gnu", "--load")
    return f"localhost/imagefab/aarch64-gnu:{image['digest'].replace(':', '-')[:19]}"


@pytest.fixture
def make_broken(loaded: str, unique: str, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """An image with changes on top of the good one."""
    name = f"localhost/imagefab-broken:{unique}"

    def make(*changes: str, base: str = loaded) -> str:
        folder = tmp_path / "broken"
        folder.mkdir()
        (folder / "Dockerfile").write_text("\n".join([f"FROM {base}", *changes, ""]))
        command = ["docker", "buildx", "build", "--network", "none", "--load", "--tag", name, str(folder)]
        subprocess.run(command, check=True, capture_output=True)
        return name

    yield make
    remove_image(name)


Fault = tuple[str, str, str]
"""What is done to the image, the probe that must find it, and what it says."""

FAULTS: Mapping[str, list[Fault]] = {
    "a file each": [
        ("RUN cp /usr/bin/true /usr/local/bin/cargo", "no-cargo", "/usr/local/bin/cargo"),
        ("RUN mkdir -m 700 /opt/private", "any-user", "/opt/private"),
        (r"RUN printf '#!/bin/sh\necho glibc 2.12\n' >/usr/bin/getconf", "host-libc", "glibc 2.12 is older"),
        ("RUN rm /etc/apt/sources.list.d/*", "apt", "no sources"),
        ("RUN rm /usr/aarch64-linux-gnu/lib/libc.a", "c-static", "cannot find -lc"),
        ("RUN echo 'set(CMAKE_C_COMPILER nowhere)' >>/opt/toolchain.cmake", "cmake", "CMake"),
        ("LABEL org.cross-rs.for-cross-target=x86_64-unknown-linux-gnu", "labels", f"should say {TARGET}"),
        ("ENV LIBCLANG_PATH=/nowhere", "variables", "LIBCLANG_PATH: no /nowhere"),
        ("ENV PKG_CONFIG_ALLOW_CROSS=0", "environment", "PKG_CONFIG_ALLOW_CROSS"),
        (r"""ENTRYPOINT ["sh", "-c", "\"$@\"; exit $?", "entry"]""", "entrypoint", "does not end in exec"),
    ],
    "the host's compiler": [
        ("RUN rm /usr/bin/cc", "host-cc", "cc: not found"),
        ("RUN mkdir -m 700 /x-tools", "any-user", "/x-tools"),
        ('LABEL org.cross-rs.runs-with=""', "labels", "org.cross-rs.runs-with"),
        (f'ENV CARGO_TARGET_{UPPER}_LINKER=""', "environment", "LINKER"),
        ("ENV FOO=a:/nowhere", "variables", "FOO: no /nowhere"),
        (r"""ENTRYPOINT ["sh", "-c", "\"$@\"", "entry", "setsid"]""", "entrypoint", "does not end in exec"),
    ],
    "headers": [
        ("RUN rm /usr/include/stdio.h", "host-cc", "stdio.h"),
        ("RUN rm -r /usr/aarch64-linux-gnu/include/c++", "c++", "iostream"),
        ("RUN install -m 744 /usr/bin/true /usr/local/bin/tool", "any-user", "/usr/local/bin/tool"),
        ("LABEL org.cross-rs.runs-with=banana", "labels", "banana"),
        ("ENV QEMU_CPU=max", "cpu", "what is newer than cortex-a53 ends with 0"),
    ],
    "clang's arguments": [(f"ENV BINDGEN_EXTRA_CLANG_ARGS_{LOWER}=-nostdinc", "bindgen", "not found")],
    "another compiler": [(f"ENV CC_{LOWER}=x86_64-linux-gnu-gcc", "c", "Invalid ELF")],
    "broken packages": [("RUN dpkg --force-depends --remove libmpfr6", "apt", "libmpfr6")],
    "a shell and a runner": [
        ("RUN rm /usr/bin/bash", "shell", "bash"),
        (
            r"""RUN printf '#!/bin/sh\n: ${QEMU_LD_PREFIX:?}\nexec /linux-runner "$@"\n' >/run-it && chmod 755 /run-it
"""
            f'ENV CARGO_TARGET_{UPPER}_RUNNER="/run-it aarch64"',
            "c",
            "QEMU_LD_PREFIX",
        ),
    ],
}
HEADERS = {"bindgen", "sizes", "kernel-headers"}
ALSO = {
    "the host's compiler": HEADERS,
    "headers": HEADERS | {"cmake"},
    "clang's arguments": HEADERS,
    "another compiler": {"c-static", "shared", "cpu", "sizes"},
    "broken packages": {"c", "c++", "c-static", "shared", "cpu", "cmake", "host-cc", *HEADERS},
    "a shell and a runner": {"c-static", "shared", "c++", "cmake"},
}
"""What can't but fail along with it."""


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_found_for_its_own_reason(
    name: str, make_broken: Callable[..., str], tiny_empty: CommandLine
) -> None:
    """Several in one image, each of which only one probe can find."""
    faults = FAULTS[name]
    image = make_broken(*(change for change, _, _ in faults))
    found = tiny_empty.run("check", image, "--target", TARGET, "--json", code=8)
    (report,) = json.loads(found.stdout)["images"]
    broken = list_failures(report)
    probes = [probe for _, probe, _ in faults]
    assert len(set(probes)) == len(probes)
    assert not set(probes) - broken.keys()
    assert not broken.keys() - set(probes) - ALSO.get(name, set())
    for _, probe, reason in faults:
        assert reason in broken[probe]
    assert f"error: {image}: {len(broken)} of {len(report['probes'])} probes failed:\n" in found.stderr
    assert re.findall(r"^  (\S+): ", found.stderr, re.MULTILINE) == list(broken)


def test_a_good_image_of_an_engine(loaded: str, tiny_empty: CommandLine) -> None:
    report = tiny_empty.check(loaded)
    assert report["ok"]
    assert report["target"] == TARGET
    assert "and not for linux/arm64" in tiny_empty.run("check", loaded, "--platform", "linux/arm64", code=2).stderr
    assert "Docker or Podman" in tiny_empty.run("check", loaded, "--engine", "sandbox", code=2).stderr
    both = tiny_empty.run("check", loaded, "nosuch", "--json", code=2)
    assert (both.stdout, "no recipe `nosuch`" in both.stderr) == ("", True), "nothing was begun"


@pytest.mark.looks_at_engines
@pytest.mark.usefixtures("docker")
def test_a_layout(warm: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "layout"
    warm.run("build", "aarch64-gnu", "--output", folder)
    assert warm.check(folder)["ok"]
    listed = subprocess.run(["docker", "images"], capture_output=True, text=True, check=True).stdout
    assert "imagefab-check" not in listed


@pytest.mark.usefixtures("docker", "podman")
@pytest.mark.parametrize("engine", ["docker", pytest.param("podman", marks=pytest.mark.prove)])
def test_engines_judge_alike(engine: str, warm: CommandLine) -> None:
    assert warm.check("aarch64-gnu", "--engine", engine) == warm.check("aarch64-gnu", "--engine", "sandbox")


def test_what_a_check_finds_is_kept_and_shown(warm: CommandLine) -> None:
    record = warm.folder / "images" / "aarch64-gnu" / "checked.toml"
    warm.run("check", "aarch64-gnu")
    first = record.read_bytes()
    warm.run("check", "aarch64-gnu")
    assert record.read_bytes() == first
    shown = warm.json("show", "aarch64-gnu")
    assert shown["checked"]["ok"]
    assert shown["checked"]["facts"]["gcc"].startswith("14.")


def test_an_image_that_is_too_large(warm: CommandLine) -> None:
    recipe = (warm.folder / "recipes/aarch64-gnu.toml").read_text()
    add_recipe(warm, "large", re.sub(r"(?m)^size-budget.*$", "size-budget = 1", recipe))
    warm.run("build", "large")
    (report,) = json.loads(warm.run("check", "large", "--json", code=8).stdout)["images"]
    assert list_failures(report).keys() == {"size"}
    assert "the recipe's size-budget is 1 MB" in list_failures(report)["size"]


# -- what is no image -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("docker")
def test_no_shell(tiny_empty: CommandLine, unique: str, tmp_path: Path) -> None:
    name = f"localhost/imagefab-broken:{unique}"
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    subprocess.run(["docker", "buildx", "build", "--load", "--tag", name, tmp_path], check=True, capture_output=True)
    try:
        assert "no shell runs in the image" in tiny_empty.run("check", name, code=8).stdout
    finally:
        remove_image(name)


@pytest.mark.usefixtures("docker")
def test_an_image_that_is_not_there(tiny_empty: CommandLine) -> None:
    failed = tiny_empty.run("check", "localhost/nowhere:1", code=2)
    assert "has no image localhost/nowhere:1" in failed.stderr
    failed = tiny_empty.run("check", "tinyy", code=2)
    assert "did you mean `tiny`?" in failed.stderr
    assert "imagefab build tiny" in tiny_empty.run("check", "tiny", code=2).stderr


def write_layout(folder: Path, config: bytes, *, index: bytes | None = None) -> Path:
    def add(data: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        (folder / "blobs" / "sha256" / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    (folder / "blobs" / "sha256").mkdir(parents=True)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    manifest = add(json.dumps({"schemaVersion": 2, "config": add(config), "layers": []}).encode())
    (folder / "index.json").write_bytes(index or json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode())
    return folder


@pytest.mark.usefixtures("docker")
@pytest.mark.parametrize(
    ("config", "index", "said"),
    [
        (b"not json", None, "is not a readable image"),
        (b"[]", None, "is not a readable image"),
        (b'{"os": "linux", "architecture": "s390x", "rootfs": {"type": "layers", "diff_ids": []}}', None, "s390x"),
        (b'{"os": "windows", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": []}}', None, "windows"),
        (b"{}", b"{", "is not JSON"),
        (b"{}", b'{"manifests": []}', "has 0 images"),
        (b"{}", b'{"manifests": [{"digest": "sha256:../../etc/passwd"}]}', "names no digest"),
        (b"{}", b'{"manifests": [{"digest": "sha256:%s"}]}' % (b"0" * 64), "0" * 64),
    ],
)
def test_broken_layouts(config: bytes, index: bytes | None, said: str, tiny_empty: CommandLine, tmp_path: Path) -> None:
    failed = tiny_empty.run("check", write_layout(tmp_path / "layout", config, index=index), code=8)
    assert said in failed.stderr

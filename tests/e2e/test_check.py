"""`check`: the shipped images pass; images that are broken on purpose fail, each for its own reason."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from imagefab.recipe.loader import load_recipes
from imagefab.recipe.project import open_project
from imagefab.toolchains.design import RULES
from imagefab.toolchains.suite import find_suite
from tests.e2e.conftest import ROOT, CommandLine
from tests.e2e.support.rust import Rust
from tests.shipped_sample import SAMPLE

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]

TARGET = "aarch64-unknown-linux-gnu"
LOADED = "localhost/imagefab/aarch64-gnu:latest"
BROKEN = "localhost/imagefab-broken:test"


def failures(report: dict[str, Any]) -> dict[str, str]:
    """The probes that failed, and what was said of them."""
    return {
        probe["name"]: "\n".join([probe["detail"], *probe["output"]])
        for probe in report["probes"]
        if probe["verdict"] == "fail"
    }


@pytest.mark.parametrize("name", SAMPLE)
def test_shipped_images_are_good(name: str, warm: CommandLine) -> None:
    warm.run("build", name)
    (report,) = warm.json("check", name)["images"]
    assert not failures(report)
    assert report["ok"]
    (recipe,) = load_recipes(open_project(ROOT), RULES, [name])
    passed = {probe["name"] for probe in report["probes"] if probe["verdict"] == "pass"}
    facts = report["facts"]
    assert passed >= {"apt", "any-user", "variables"}
    assert facts["cmake"]
    assert facts["gcc" if recipe.kind in ("gcc", "musl", "mingw") else "clang"]
    if recipe.target.os == "linux":
        assert passed >= {"c", "c++", "shared", "cmake", "bindgen"}
        assert ("c-static" in passed) == (recipe.kind != "zig")
        assert ("musl" in facts) == ("glibc-floor" not in facts) == name.endswith("-musl")
        assert ("qemu" in facts) == (not name.startswith("x86_64"))
    if recipe.kind == "gcc":
        assert facts["gcc"].startswith(f"{find_suite(recipe).gcc}.")
    claim = dict(recipe.options).get("glibc")
    assert ("glibc" in passed) == bool(claim)
    assert not claim or facts["glibc"] == claim


def test_rust(warm: CommandLine, debian_rust: Rust) -> None:
    """A toolchain that has the target's std, and one that has not."""
    for name, verdict in (
        ("aarch64-gnu", "pass"),
        ("aarch64-musl", "pass"),
        ("aarch64-gnu-zig", "pass"),
        ("riscv64gc-gnu", "skip"),
    ):
        warm.run("build", name)
        (report,) = warm.json("check", name, "--rust", debian_rust.sysroot)["images"]
        assert {probe["name"]: probe["verdict"] for probe in report["probes"]}["rust"] == verdict


@pytest.mark.parametrize("engine", ["docker", "podman"])
@pytest.mark.usefixtures("docker", "podman")
def test_engines_judge_alike(engine: str, warm: CommandLine) -> None:
    (ours,) = warm.json("check", "aarch64-gnu", "--engine", "sandbox")["images"]
    (theirs,) = warm.json("check", "aarch64-gnu", "--engine", engine)["images"]
    assert theirs == ours


def test_what_a_check_finds_is_kept_and_shown(warm: CommandLine) -> None:
    record = warm.folder / "images" / "aarch64-gnu" / "checked.toml"
    warm.run("check", "aarch64-gnu")
    first = record.read_bytes()
    warm.run("check", "aarch64-gnu")
    assert record.read_bytes() == first
    shown = warm.json("show", "aarch64-gnu")
    assert shown["checked"]["ok"]
    assert shown["checked"]["facts"]["gcc"].startswith("14.")


@pytest.fixture(scope="module")
def loaded(warm: CommandLine, docker: None) -> CommandLine:
    warm.run("build", "aarch64-gnu", "--load")
    return warm


@pytest.fixture
def make_broken(loaded: CommandLine, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """An image with a change on top of the good one."""

    def make(change: str, base: str = LOADED) -> str:
        folder = tmp_path / "broken"
        folder.mkdir()
        (folder / "Dockerfile").write_text(f"FROM {base}\n{change}\n")
        command = ["docker", "buildx", "build", "--network", "none", "--load", "--tag", BROKEN, str(folder)]
        subprocess.run(command, check=True, capture_output=True)
        return BROKEN

    yield make
    subprocess.run(["docker", "rmi", "--force", BROKEN], check=False, capture_output=True)


CASES = {
    "no bash": ("RUN rm /usr/bin/bash", "shell", "bash"),
    "no cc": ("RUN rm /usr/bin/cc", "host-cc", "cc: not found"),
    "no libc headers": ("RUN rm /usr/include/stdio.h", "host-cc", "stdio.h"),
    "cargo on PATH": ("RUN cp /usr/bin/true /usr/local/bin/cargo", "no-cargo", "/usr/local/bin/cargo"),
    "unreadable": ("RUN mkdir -m 700 /opt/private", "any-user", "/opt/private"),
    "unreadable elsewhere": ("RUN mkdir -m 700 /x-tools", "any-user", "/x-tools"),
    "not to be run": ("RUN install -m 744 /usr/bin/true /usr/local/bin/tool", "any-user", "/usr/local/bin/tool"),
    "no exec": (r"""ENTRYPOINT ["sh", "-c", "\"$@\"; exit $?", "entry"]""", "entrypoint", "does not end in exec"),
    "lost code": (r"""ENTRYPOINT ["sh", "-c", "\"$@\"", "entry", "setsid"]""", "entrypoint", "does not end in exec"),
    "old glibc": (r"RUN printf '#!/bin/sh\necho glibc 2.12\n' >/usr/bin/getconf", "host-libc", "glibc 2.12 is older"),
    "dead path": ("ENV LIBCLANG_PATH=/nowhere", "variables", "LIBCLANG_PATH: no /nowhere"),
    "dead path in a list": ("ENV FOO=a:/nowhere", "variables", "FOO: no /nowhere"),
    "no sources": ("RUN rm /etc/apt/sources.list.d/*", "apt", "no sources"),
    "broken packages": ("RUN dpkg --force-depends --remove libmpfr6", "apt", "libmpfr6"),
    "wrong label": ("LABEL org.cross-rs.for-cross-target=x86_64-unknown-linux-gnu", "labels", f"should say {TARGET}"),
    "no runner label": ('LABEL org.cross-rs.runs-with=""', "labels", "org.cross-rs.runs-with"),
    "odd runner label": ("LABEL org.cross-rs.runs-with=banana", "labels", "banana"),
    "pkg-config": ("ENV PKG_CONFIG_ALLOW_CROSS=0", "environment", "PKG_CONFIG_ALLOW_CROSS"),
    "no linker": ('ENV CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=""', "environment", "LINKER"),
    "wrong compiler": ("ENV CC_aarch64_unknown_linux_gnu=x86_64-linux-gnu-gcc", "c", "Invalid ELF"),
    "no static libc": ("RUN rm /usr/aarch64-linux-gnu/lib/libc.a", "c-static", "cannot find -lc"),
    "no C++ headers": ("RUN rm -r /usr/aarch64-linux-gnu/include/c++", "c++", "iostream"),
    "CMake": ("RUN echo 'set(CMAKE_C_COMPILER nowhere)' >>/opt/toolchain.cmake", "cmake", "CMake"),
    "clang arguments": (f"ENV BINDGEN_EXTRA_CLANG_ARGS_{TARGET.replace('-', '_')}=-nostdinc", "bindgen", "not found"),
    "a runner that needs variables": (
        r"""RUN printf '#!/bin/sh\n: ${QEMU_LD_PREFIX:?}\nexec /linux-runner "$@"\n' >/run-it && chmod 755 /run-it
ENV CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="/run-it aarch64" """,
        "c",
        "QEMU_LD_PREFIX",
    ),
}
ALSO = {
    "no cc": {"bindgen", "variables"},
    "no libc headers": {"bindgen"},
    "wrong compiler": {"c-static", "shared"},
    "no C++ headers": {"cmake"},
    "a runner that needs variables": {"c-static", "shared", "c++", "cmake"},
    "broken packages": {"c", "c++", "c-static", "shared", "cmake", "host-cc", "bindgen"},
}
"""What can't but fail along with it."""


@pytest.mark.parametrize("case", CASES)
def test_a_broken_image_is_caught_for_its_own_reason(
    case: str, make_broken: Callable[[str], str], loaded: CommandLine
) -> None:
    change, probe, reason = CASES[case]
    found = loaded.run("check", make_broken(change), "--target", TARGET, "--json", code=8)
    (report,) = json.loads(found.stdout)["images"]
    broken = failures(report)
    assert probe in broken
    assert reason in broken[probe]
    assert set(broken) <= {probe} | ALSO.get(case, set())
    assert f"error: {BROKEN}: {len(broken)} of {len(report['probes'])} probes failed:\n" in found.stderr
    assert re.findall(r"^  (\S+): ", found.stderr, re.MULTILINE) == list(broken)


def test_a_good_image_of_an_engine_is_good(loaded: CommandLine) -> None:
    (report,) = loaded.json("check", LOADED)["images"]
    assert report["ok"]
    assert report["target"] == TARGET
    assert "and not for linux/arm64" in loaded.run("check", LOADED, "--platform", "linux/arm64", code=2).stderr
    assert "Docker or Podman" in loaded.run("check", LOADED, "--engine", "sandbox", code=2).stderr
    both = loaded.run("check", LOADED, "nosuch", "--json", code=2)
    assert (both.stdout, "no recipe `nosuch`" in both.stderr) == ("", True), "nothing was begun"


def test_an_image_that_is_too_large(warm: CommandLine, project: Callable[[str], Path]) -> None:
    recipe = (warm.folder / "recipes/aarch64-gnu.toml").read_text()
    line = warm.at(project(re.sub(r"(?m)^size-budget.*$", "size-budget = 1", recipe)))
    line.run("lock")
    line.run("build", "probe")
    (report,) = json.loads(line.run("check", "probe", "--json", code=8).stdout)["images"]
    assert failures(report).keys() == {"size"}
    assert "the recipe's size-budget is 1 MB" in failures(report)["size"]


@pytest.mark.looks_at_engines
def test_a_layout(loaded: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "layout"
    loaded.run("build", "aarch64-gnu", "--output", folder)
    (report,) = loaded.json("check", folder)["images"]
    assert report["ok"]
    listed = subprocess.run(["docker", "images"], capture_output=True, text=True, check=True).stdout
    assert "imagefab-check" not in listed


# -- what is no image -------------------------------------------------------------------------------------------------


def test_no_shell(make_broken: Callable[..., str], loaded: CommandLine) -> None:
    found = loaded.run("check", make_broken("COPY Dockerfile /", "scratch"), code=8)
    assert "the image can't run a shell" in found.stdout


@pytest.mark.usefixtures("docker")
def test_an_image_that_is_not_there(warm: CommandLine) -> None:
    failed = warm.run("check", "localhost/nowhere:1", code=2)
    assert "has no image localhost/nowhere:1" in failed.stderr
    failed = warm.run("check", "aarch64-gnuu", code=2)
    assert "did you mean `aarch64-gnu`?" in failed.stderr


def test_what_is_not_built_says_so(empty: CommandLine) -> None:
    assert "imagefab build aarch64-gnu" in empty.run("check", "aarch64-gnu", code=2).stderr


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
    ("config", "index", "told"),
    [
        (b"not json", None, "is no JSON"),
        (b"[]", None, "is no JSON object"),
        (b'{"os": "linux", "architecture": "s390x", "rootfs": {"type": "layers", "diff_ids": []}}', None, "s390x"),
        (b'{"os": "windows", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": []}}', None, "windows"),
        (b"{}", b"{", "is no JSON"),
        (b"{}", b'{"manifests": []}', "leads to no image"),
        (b"{}", b'{"manifests": [{"digest": "sha256:../../etc/passwd"}]}', "without a sha256 digest"),
        (b"{}", b'{"manifests": [{"digest": "sha256:%s"}]}' % (b"0" * 64), "is missing"),
    ],
)
def test_broken_layouts(config: bytes, index: bytes | None, told: str, warm: CommandLine, tmp_path: Path) -> None:
    failed = warm.run("check", write_layout(tmp_path / "layout", config, index=index), code=8)
    assert told in failed.stderr

"""Scripts of probes: which there are, and that nothing an image says of itself gets out of its quotes."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.check.sample_subject import ENV, GOOD

from imagefab.check.libc_crate import LibcCrate
from imagefab.check.probes.choice import compares_libc, list_skips, make_probes
from imagefab.check.probes.contract import _paths
from imagefab.check.probes.headers import find_time_size
from imagefab.check.programs import read_program
from imagefab.check.subject import FOR_TARGET, RUNS_WITH, Subject
from imagefab.recipe.target import TARGETS

PINNED = LibcCrate(version="0.2.191", archive=Path("/store/libc.crate"))


def names(subject: Subject, *, rust: bool = True) -> list[str]:
    return [probe.name for probe in make_probes(subject, rust=rust)]


def test_probes_of_linux() -> None:
    contract = ["shell", "host-cc", "no-cargo", "any-user", "host-libc", "variables", "apt"]
    own = [*contract, "c", "c-static", "shared", "cmake", "bindgen", "sizes", "kernel-headers"]
    assert names(GOOD) == [*own, "rust", "facts"]
    assert names(GOOD, rust=False) == [*own, "facts"]
    assert "c++" in names(replace(GOOD, env=ENV | {"CXX_aarch64_unknown_linux_gnu": "g++"}))
    assert "entrypoint" in names(replace(GOOD, entrypoint=("/entry", "x")))
    assert names(replace(GOOD, env={}), rust=False) == [*contract, "facts"]


@pytest.mark.parametrize(
    ("triple", "variables", "size"),
    [
        ("armv7-unknown-linux-gnueabihf", {}, 4),
        ("armv7-unknown-linux-gnueabihf", {"RUST_LIBC_UNSTABLE_GNU_TIME_BITS": "64"}, 8),
        ("armv7-unknown-linux-gnueabihf", {"CARGO_CFG_LIBC_UNSTABLE_GNU_TIME_BITS": "64"}, 8),
        ("armv7-unknown-linux-gnueabihf", {"RUST_LIBC_UNSTABLE_MUSL_V1_2_3": "1"}, 4),
        ("x86_64-unknown-linux-gnux32", {}, None),
        ("hexagon-unknown-linux-musl", {}, None),
        ("i686-unknown-linux-musl", {}, 4),
        ("i686-unknown-linux-musl", {"RUST_LIBC_UNSTABLE_MUSL_V1_2_3": "1"}, 8),
        ("i686-unknown-linux-musl", {"RUST_LIBC_UNSTABLE_MUSL_V1_2_3": "0"}, 4),
        ("i686-unknown-linux-musl", {"RUST_LIBC_UNSTABLE_GNU_TIME_BITS": "64"}, 4),
        ("armv7-unknown-linux-gnueabihf", {"CARGO_CFG_LIBC_UNSTABLE_TIME64": "1"}, 8),
        (
            "armv7-unknown-linux-gnueabihf",
            {"RUST_LIBC_UNSTABLE_GNU_TIME_BITS": "64", "CARGO_CFG_LIBC_UNSTABLE_GNU_TIME_BITS": "32"},
            4,
        ),
        ("armv7-unknown-linux-gnueabihf", {"RUSTFLAGS": "--cfg libc_unstable_time64"}, None),
        ("armv7-unknown-linux-uclibceabihf", {}, 4),
        ("armv7-unknown-linux-uclibceabihf", {"RUST_LIBC_UNSTABLE_GNU_TIME_BITS": "64"}, 4),
        ("armv7-unknown-linux-uclibceabihf", {"RUST_LIBC_UNSTABLE_MUSL_V1_2_3": "1"}, 4),
        ("armv7-unknown-linux-uclibceabihf", {"CARGO_CFG_LIBC_UNSTABLE_UCLIBC_TIME64": "1"}, 8),
        ("aarch64-unknown-linux-gnu", {}, None),
        ("x86_64-unknown-freebsd", {}, None),
    ],
)
def test_what_rusts_libc_crate_takes_time_for(triple: str, variables: dict[str, str], size: int | None) -> None:
    assert find_time_size(Subject(name="image", triple=triple, env=variables, labels={})) == size


SIZES = {"time_t": 8, "off_t": 8, "stat": 144}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (SIZES, []),
        (SIZES | {"more": 3}, []),
        (SIZES | {"off_t": 4}, ["off_t has 8 bytes for the C compiler and 4 for Rust"]),
        ({"time_t": 4, "off_t": 8}, ["the size of stat for Rust is not known", "time_t has 8 bytes for the C compiler "
                                     "and 4 for Rust"]),
        ({}, [f"the size of {name} for Rust is not known" for name in sorted(SIZES)]),
    ],
)  # fmt: skip
def test_sizes_are_compared(found: dict[str, int], said: list[str], tmp_path: Path) -> None:
    for name, sizes in (("compiler", SIZES), ("rust", found)):
        (tmp_path / name).write_text("".join(f"{one} {size}\n" for one, size in sizes.items()))
    script = read_program("sizes.sh") + "compare Rust rust compiler\n"
    ran = subprocess.run(["sh", "-eu", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (sorted(ran.stdout.splitlines()), ran.returncode) == (said, 1 if said else 0)


def find_script(name: str, **variables: str) -> str:
    probes = make_probes(replace(GOOD, env=ENV | variables), rust=True, libc=PINNED)
    return next(probe.script for probe in probes if probe.name == name)


@pytest.mark.parametrize("name", ["sizes", "rust-libc", "kernel-headers"])
def test_c_is_compiled_as_the_cc_crate_does(name: str) -> None:
    flags = {
        f"CFLAGS_{GOOD.triple}": "-D_TIME_BITS=64 -D_X",
        f"CFLAGS_{GOOD.underscored}": "-D_TIME_BITS=32",
        "TARGET_CFLAGS": "-Da='b c'",
        "CFLAGS": "-O1",
    }
    assert "\ngcc -c " in find_script(name)
    added = "-D_TIME_BITS=32 -D_TIME_BITS=64 -D_X -c "
    assert f"\ngcc -O1 '-Da='\"'\"'b' 'c'\"'\"'' {added}" in find_script(name, **flags)
    assert f"\ngcc -O1 '-Da=b c' {added}" in find_script(name, **flags, CC_SHELL_ESCAPED_FLAGS="1")


def test_rusts_libc_crate() -> None:
    (probe,) = [probe for probe in make_probes(GOOD, rust=True, libc=PINNED) if probe.name == "rust-libc"]
    assert [path for _, path in probe.files] == [PINNED.archive]
    own = LibcCrate(version="0.2.183", archive=None)
    (probe,) = [probe for probe in make_probes(GOOD, rust=True, libc=own) if probe.name == "rust-libc"]
    assert probe.files == ()
    assert "vendor=/rust/lib/rustlib/src/rust/library/vendor\n" in probe.script
    assert "rust-libc" not in names(GOOD)


@pytest.mark.parametrize(
    ("subject", "compares"),
    [
        (GOOD, True),
        (replace(GOOD, env={}), False),
        (Subject(name="x", triple="x86_64-unknown-freebsd", env={"CC_x86_64-unknown-freebsd": "c"}, labels={}), True),
        (Subject(name="x", triple="aarch64-linux-android", env={"CC_aarch64-linux-android": "c"}, labels={}), False),
        (Subject(name="x", triple="x86_64-pc-windows-gnu", env={"CC_x86_64-pc-windows-gnu": "c"}, labels={}), False),
    ],
)
def test_whether_the_libc_crate_is_needed(subject: Subject, compares: bool) -> None:
    assert compares_libc(subject) == compares


def make_bare(triple: str, **env: str) -> Subject:
    target = TARGETS[triple]
    own = {f"CC_{target.underscored}": "cc", f"CXX_{target.underscored}": "c++"}
    own |= {f"CMAKE_TOOLCHAIN_FILE_{target.underscored}": "/x", f"CARGO_TARGET_{target.upper}_RUNNER": "/qemu-runner x"}
    return Subject(name="bare", triple=triple, env=own | env, labels={FOR_TARGET: triple, RUNS_WITH: "qemu-system"})


def test_probes_of_bare_metal() -> None:
    booted = ["c", "boot", "exit-code", "c++"]
    assert names(make_bare("thumbv7m-none-eabi"))[7:] == [*booted, "cmake", "bindgen", "rust", "facts"]
    disks = ["boot-bios", "boot-uefi"]
    assert names(make_bare("x86_64-unknown-none"))[7:] == [*booted, *disks, "cmake", "bindgen", "rust", "facts"]
    debugged = make_bare("thumbv7m-none-eabi", CROSS_DEBUGGER="gdb-multiarch")
    assert "debug" in names(debugged)
    unrun = replace(debugged, env={n: v for n, v in debugged.env.items() if not n.endswith("RUNNER")})
    assert names(unrun)[7:] == ["c", "cmake", "bindgen", "rust", "facts"]


def test_a_debugger_is_tried_where_the_image_names_one() -> None:
    assert "debug" not in names(GOOD)
    for runs_with, word in (("qemu-user", "CROSS_GDB="), ("native", "-ex run")):
        subject = replace(GOOD, env=ENV | {"CROSS_DEBUGGER": "gdb"}, labels={**GOOD.labels, RUNS_WITH: runs_with})
        (probe,) = [probe for probe in make_probes(subject, rust=False) if probe.name == "debug"]
        assert word in probe.script


OTHERS = {
    "x86_64-pc-windows-gnu": ["c", "shared", "resources", "c++", "c++-static", "cmake", "bindgen"],
    "x86_64-pc-windows-msvc": ["tools", "resources", "c", "c-static", "shared", "c++", "cmake", "bindgen"],
    "armv7-linux-androideabi": ["tools", "c", "shared", "c++", "cmake", "bindgen"],
    "wasm32-wasip1": ["c", "files", "archive", "c++", "cmake", "bindgen"],
    "wasm32-unknown-emscripten": ["c", "archive", "c++", "cmake", "bindgen"],
    "wasm32-unknown-unknown": ["c", "archive", "c++", "cmake", "bindgen"],
    "wasm32-wasip2": ["c", "archive", "c++", "bindgen"],
    "x86_64-unknown-uefi": ["c", "exit-code", "c++", "cmake", "bindgen"],
    "bpfel-unknown-none": ["c", "archive", "cmake", "bindgen"],
}


def make_other(triple: str, value: str = "tool") -> Subject:
    names = [f"{stem}_{triple.replace('-', '_')}" for stem in ("CC", "CXX", "AR", "CMAKE_TOOLCHAIN_FILE")]
    runner = f"CARGO_TARGET_{triple.replace('-', '_').upper()}_RUNNER"
    return Subject(name="image", triple=triple, env=dict.fromkeys([*names, runner], value), labels=GOOD.labels)


@pytest.mark.parametrize(
    ("triple", "place", "left"),
    [
        ("aarch64-linux-android", "/opt/android/NDK/sysroot", ["tools"]),
        ("aarch64-pc-windows-msvc", "/opt/msvc/SDK", ["tools", "resources"]),
    ],
)
def test_without_a_vendors_archive_what_needs_it_is_skipped(triple: str, place: str, left: list[str]) -> None:
    subject = make_other(triple)
    whole = {probe.name for probe in make_probes(subject, rust=False)}
    assert list_skips(subject) == []
    without = replace(subject, env={**subject.env, "CROSS_SYSROOT": place})
    probes = [probe.name for probe in make_probes(without, rust=False)]
    assert probes[7:] == [*left, "facts"]
    assert whole - set(probes) == {row.name for row in list_skips(without)}


def test_what_libclang_lays_out_otherwise_is_not_compared() -> None:
    subject = make_other("m68k-unknown-linux-gnu")
    assert "sizes" not in names(subject)
    assert [row.name for row in list_skips(subject)] == ["sizes"]


@pytest.mark.parametrize("triple", OTHERS)
def test_probes_of_other_systems(triple: str) -> None:
    found = make_probes(make_other(triple), rust=True)
    assert [probe.name for probe in found][7:] == [*OTHERS[triple], "rust", "facts"]
    without = make_probes(replace(make_other(triple), env={}), rust=False)
    assert [probe.name for probe in without][7:] == ["facts"]


def test_nothing_is_run_where_nothing_runs() -> None:
    subject = replace(make_other("wasm32-wasip1"), labels={RUNS_WITH: "none"})
    env = {name: value for name, value in subject.env.items() if "RUNNER" not in name}
    probes = {probe.name: probe.script for probe in make_probes(replace(subject, env=env), rust=False)}
    assert "files" not in probes
    assert "env -i" not in "".join(probes[name] for name in ("c", "archive", "c++", "cmake"))


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_scripts_are_good_shell(shell: str) -> None:
    hostile = "'; echo pwned; '\n$(id)`id`\"\\"
    flags = {"CC_SHELL_ESCAPED_FLAGS": "1"} | dict.fromkeys(("CFLAGS", "BINDGEN_EXTRA_CLANG_ARGS"), hostile)
    odd = flags | {"X": f"/a{hostile}", "PKG_CONFIG_PATH": f"/p{hostile}", "CROSS_DEBUGGER": hostile}
    env = dict.fromkeys(ENV, hostile) | odd
    bare = [make_bare(triple, CROSS_DEBUGGER="gdb") for triple in ("x86_64-unknown-none", "thumbv7m-none-eabi")]
    evil = [replace(subject, env=dict.fromkeys(subject.env, hostile)) for subject in bare]
    others = [make_other(triple, value) for triple in OTHERS for value in ("tool", hostile)]
    subjects = (GOOD, replace(GOOD, env=env, entrypoint=(hostile, "x")), *bare, *evil, *others)
    for script in {probe.script for subject in subjects for probe in make_probes(subject, rust=True, libc=PINNED)}:
        subprocess.run([shell, "-n"], input=script, text=True, check=True)


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)


@given(TEXTS.filter(lambda text: "://" not in text))
def test_a_variable_never_runs(value: str) -> None:
    """The script about variables, run for real: whatever they hold, only names of paths are looked at."""
    subject = replace(GOOD, env={"X": f"/nowhere {value}"})
    script = next(probe.script for probe in make_probes(subject, rust=False) if probe.name == "variables")
    ran = subprocess.run(["/bin/sh", "-eu", "-c", script], capture_output=True, check=False, env={"PATH": "/nowhere"})
    assert ran.returncode == 1
    assert b"X: no /nowhere" in ran.stderr


@pytest.mark.parametrize(
    ("value", "paths"),
    [
        ("/linux-runner aarch64", ["/linux-runner"]),
        ("--sysroot=/usr/x -isystem/usr/include", ["/usr/x", "/usr/include"]),
        ("/a/pkgconfig:/b/pkgconfig", ["/a/pkgconfig", "/b/pkgconfig"]),
        ("http://proxy:3128/x", []),
        ("gcc -O2", []),
        ("a/b", []),
        ("a/b:/c x=/d", ["/c", "/d"]),
    ],
)
def test_paths_in_variables(value: str, paths: list[str]) -> None:
    assert _paths(value) == paths


def test_missing_paths_are_reported(tmp_path: Path) -> None:
    env = {"A": f"{tmp_path}/gone", "B": str(tmp_path), "CC_x": "no-such-compiler -O2", "PATH": "/gone"}
    script = next(p.script for p in make_probes(replace(GOOD, env=env), rust=False) if p.name == "variables")
    ran = subprocess.run(["sh", "-eu", "-c", script], capture_output=True, text=True, check=False)
    assert ran.stderr.splitlines() == [f"A: no {tmp_path}/gone", "CC_x: no program no-such-compiler -O2"]

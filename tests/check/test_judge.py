"""Verdicts on images, from their labels and variables and what their probes did."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.check.elf import make_elf
from tests.check.sample_subject import ENV, GOOD, TRIPLE

from imagefab.check.judge import judge
from imagefab.check.probe import Probe, Product, Row, Verdict
from imagefab.check.probes.facts import FACTS
from imagefab.check.product import Binary
from imagefab.check.session import Ran
from imagefab.check.subject import FOR_TARGET, RUNS_WITH, Subject, guess_triple
from imagefab.toolchains.blueprint import GLIBC_CLAIM

PROBE = Probe(name="c", what="C works", script="", products=(Product(path="hello"),))


def ran(folder: Path, code: int | None = 0, *output: str, began: bool = True) -> Ran:
    return Ran(folder=folder, code=code, output=output, began=began)


def row(subject: Subject, name: str) -> Row:
    return next(row for row in judge(subject, (), {}).rows if row.name == name)


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ({}, "no label org.cross-rs.for-cross-target"),
        ({FOR_TARGET: TRIPLE}, "no label org.cross-rs.runs-with"),
        ({FOR_TARGET: "x86_64-unknown-linux-gnu", RUNS_WITH: "native"}, "should say aarch64-unknown-linux-gnu"),
        ({FOR_TARGET: TRIPLE, RUNS_WITH: "banana"}, "says banana; what is known is native, qemu-user"),
    ],
)
def test_labels(labels: dict[str, str], told: str) -> None:
    found = row(replace(GOOD, labels=labels), "labels")
    assert found.verdict is Verdict.FAIL
    assert told in found.detail
    assert row(GOOD, "labels").verdict is Verdict.PASS


@pytest.mark.parametrize("name", [name for name in ENV if name != "PKG_CONFIG_ALLOW_CROSS"])
def test_every_variable_is_needed(name: str) -> None:
    found = row(replace(GOOD, env={key: value for key, value in ENV.items() if key != name}), "environment")
    assert found.verdict is Verdict.FAIL
    assert name.partition("_aarch64")[0].rpartition("_")[2] in found.detail
    assert row(GOOD, "environment").verdict is Verdict.PASS


def test_other_faults_of_the_environment() -> None:
    assert (
        "PKG_CONFIG_ALLOW_CROSS" in row(replace(GOOD, env=ENV | {"PKG_CONFIG_ALLOW_CROSS": "0"}), "environment").detail
    )
    assert "HOME" in row(replace(GOOD, env=ENV | {"HOME": "/root"}), "environment").detail
    assert "is not known" in row(replace(GOOD, triple=""), "environment").detail
    other = {"TARGET_CC": "gcc", "TARGET_AR": "ar", "TARGET_CMAKE_TOOLCHAIN_FILE": "/x"}
    env = {name: value for name, value in ENV.items() if "CARGO" in name or "PKG" in name} | other
    assert row(replace(GOOD, env=env), "environment").verdict is Verdict.PASS


def test_no_runner_is_needed_where_nothing_runs() -> None:
    env = {name: value for name, value in ENV.items() if not name.endswith("RUNNER")}
    labels = {FOR_TARGET: TRIPLE, RUNS_WITH: "none"}
    assert row(replace(GOOD, env=env, labels=labels), "environment").verdict is Verdict.PASS


def test_no_linker_is_needed_where_rustc_has_its_own() -> None:
    triple = "thumbv7m-none-eabi"
    names = ("CC_thumbv7m_none_eabi", "AR_thumbv7m_none_eabi", "CMAKE_TOOLCHAIN_FILE_thumbv7m_none_eabi")
    env = dict.fromkeys(names, "x") | {"CARGO_TARGET_THUMBV7M_NONE_EABI_RUNNER": "x", "PKG_CONFIG_ALLOW_CROSS": "1"}
    assert row(replace(GOOD, triple=triple, env=env), "environment").verdict is Verdict.PASS


def test_products_are_examined(tmp_path: Path) -> None:
    def verdict(content: bytes | None, probe: Probe = PROBE) -> Row:
        (tmp_path / "hello").unlink(missing_ok=True)
        if content is not None:
            (tmp_path / "hello").write_bytes(content)
        report = judge(GOOD, [probe], {"c": ran(tmp_path)})
        return report.rows[-1]

    static = replace(PROBE, products=(Product(path="hello", static=True),))
    assert verdict(make_elf()).verdict is Verdict.PASS
    assert "another machine: X86_64" in verdict(make_elf(machine=62)).detail
    assert "not static" in verdict(make_elf(interpreter=True), static).detail
    assert "not an ELF file" in verdict(b"#!/bin/sh\n").detail
    assert "not an ELF file: expected 4, found 2" in verdict(make_elf()[:70]).detail
    assert "No such file" in verdict(None).detail


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ({"code": 3}, "exit code 3"),
        ({"code": 124}, "did not end"),
        ({"code": None}, "did not end"),
        ({"code": None, "began": False}, "no shell runs"),
    ],
)
def test_why_a_probe_failed(result: dict[str, object], told: str, tmp_path: Path) -> None:
    one = Ran(folder=tmp_path, output=(), **({"began": True} | result))  # type: ignore[arg-type]
    found = judge(GOOD, [PROBE], {"c": one}).rows[-1]
    assert found.verdict is Verdict.FAIL
    assert told in found.detail


def test_the_last_line_is_the_reason(tmp_path: Path) -> None:
    lines = [f"line {n}" for n in range(100)]
    found = judge(GOOD, [PROBE], {"c": ran(tmp_path, 1, *lines, "gcc: no such option", "")}).rows[-1]
    assert found.detail == "gcc: no such option"
    assert len(found.output) == 12


def test_only_plausible_facts_are_kept(tmp_path: Path) -> None:
    probe = Probe(name=FACTS, what="", script="")
    said = ["gcc=14.2.0", "gcc-evil=$(rm)", "x\x1b[2J=1", "noise", "qemu=", "cmake=3.31.6"]
    report = judge(GOOD, [probe], {FACTS: ran(tmp_path, 0, *said)})
    assert report.facts == {"gcc": "14.2.0", "cmake": "3.31.6"}
    assert [row.name for row in report.rows] == ["labels", "environment"]


@pytest.mark.parametrize(
    ("claim", "found", "told"),
    [
        ("2.31", "2.31", None),
        ("2.31", "2.4", None),
        ("2.31", "2.36", "claims glibc 2.31, and what it links may need 2.36"),
        ("2.9", "2.31", "claims glibc 2.9"),
        ("2.31", "", "does not say which"),
        ("new", "2.31", "'new', which is no version"),
    ],
)
def test_a_claim_of_glibc(claim: str, found: str, told: str | None, tmp_path: Path) -> None:
    subject = replace(GOOD, labels={**GOOD.labels, GLIBC_CLAIM: claim})
    report = judge(subject, [Probe(name=FACTS, what="", script="")], {FACTS: ran(tmp_path, 0, f"glibc={found}")})
    assert report.rows[-1].name == "glibc"
    assert report.is_good is (told is None)
    assert told is None or told in report.rows[-1].detail


def test_a_program_that_needs_more_than_the_headers_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = Binary(format="ELF", machine="EM_AARCH64", bits=64, little=True, static=False, glibc=(2, 34))
    monkeypatch.setattr("imagefab.check.judge.read_binary", lambda path: binary)
    subject = replace(GOOD, labels={**GOOD.labels, GLIBC_CLAIM: "2.31"})
    probes = [PROBE, Probe(name=FACTS, what="", script="")]
    report = judge(subject, probes, {"c": ran(tmp_path), FACTS: ran(tmp_path, 0, "glibc=2.31")})
    assert "may need 2.34" in report.rows[-1].detail


def test_the_target_of_an_image_without_labels() -> None:
    linker = "CARGO_TARGET_RISCV64GC_UNKNOWN_LINUX_GNU_LINKER"
    assert guess_triple({}, {FOR_TARGET: "x"}) == "x"
    assert guess_triple({linker: "gcc"}, {}) == "riscv64gc-unknown-linux-gnu"
    assert guess_triple({linker: "gcc", "CARGO_TARGET_I686_UNKNOWN_LINUX_GNU_LINKER": "gcc"}, {}) == ""
    assert guess_triple({}, {}) == ""

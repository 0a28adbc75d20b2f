"""Which engine builds, out of findings made up for these tests."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from imagefab.engines.choose import AUTO, ENGINES, choose_engine
from imagefab.engines.engine import BuildTask, Finding
from imagefab.errors import EngineError
from imagefab.store.store import Store


class FakeEngine:
    def __init__(self, name: str, *findings: Finding) -> None:
        self.name, self.findings = name, findings

    def is_known_to_work(self, store: Store) -> bool:
        return False

    def inspect(self, store: Store) -> Sequence[Finding]:
        return self.findings

    def build(self, request: BuildTask) -> None:
        raise AssertionError


STORE = Store(Path("unused"))
GOOD = Finding(what="kernel", ok=True, detail="fine", fix="unused")


def bad(what: str, fix: str = "") -> Finding:
    return Finding(what=what, ok=False, detail="not there", fix=fix)


def have(monkeypatch: pytest.MonkeyPatch, **findings: tuple[Finding, ...]) -> None:
    for name in ENGINES:
        monkeypatch.setitem(ENGINES, name, partial(FakeEngine, name, *findings.get(name, (bad("it"),))))


def test_the_fastest_engine_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    have(monkeypatch, sandbox=(GOOD,), docker=(GOOD,), podman=(GOOD,))
    assert choose_engine(AUTO, STORE).name == "sandbox"
    have(monkeypatch, sandbox=(GOOD, bad("overlayfs")), docker=(GOOD,), podman=(GOOD,))
    assert choose_engine(AUTO, STORE).name == "docker"
    have(monkeypatch, podman=(GOOD,))
    assert choose_engine(AUTO, STORE).name == "podman"


def test_the_engine_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    have(monkeypatch, sandbox=(GOOD,), podman=(GOOD,))
    assert choose_engine("podman", STORE).name == "podman"
    with pytest.raises(EngineError, match=r"docker does not work here:\n  docker: it: not there"):
        choose_engine("docker", STORE)


def test_without_any_engine_each_problem_is_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    have(
        monkeypatch,
        sandbox=(bad("ids", "mend ids"), bad("overlayfs", "modprobe overlay")),
        docker=(bad("client", "apt install"), GOOD),
        podman=(bad("program", "apt install"),),
    )
    with pytest.raises(EngineError) as caught:
        choose_engine(AUTO, STORE)
    assert caught.value.problem.splitlines() == [
        "no engine works here:",
        "  sandbox: ids: not there",
        "  sandbox: overlayfs: not there",
        "  docker: client: not there",
        "  podman: program: not there",
    ]
    assert caught.value.hint == "mend ids; modprobe overlay; apt install"
    assert caught.value.exit_code == 5


def test_the_hint_names_doctor_where_there_is_no_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    have(monkeypatch)
    with pytest.raises(EngineError) as caught:
        choose_engine(AUTO, STORE)
    assert "doctor" in (caught.value.hint or "")

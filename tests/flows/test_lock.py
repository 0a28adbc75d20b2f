"""What `lock --check --archive` says of a lock's dates."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from tests.sample_recipe import prepare

from imagefab.flows.check_locks import list_future_dates, list_older
from imagefab.lock.model import Lock


def at(lock: Lock, date: str) -> Lock:
    return replace(lock, archives=tuple(replace(archive, date=date) for archive in lock.archives))


def list_problems(lock: Lock, trusted: Lock | None) -> list[tuple[int, str]]:
    workspace: Any = SimpleNamespace(now=datetime(2026, 11, 30, tzinfo=UTC))
    return [
        (error.exit_code, error.problem)
        for error in (*list_future_dates(workspace, lock, "x.lock"), *list_older(lock, trusted))
    ]


def test_dates() -> None:
    lock = at(prepare().lock, "20261101T000000Z")
    assert list_problems(lock, None) == list_problems(lock, lock) == []
    assert list_problems(lock, at(lock, "20260101T000000Z")) == []
    future = list_problems(at(lock, "20270101T000000Z"), None)
    assert len(future) == len(lock.archives)
    assert {code for code, _ in future} == {4}
    assert all("in the future" in problem for _, problem in future)
    ((code, problem),) = list_problems(at(lock, "20260101T000000Z"), lock)
    assert code == 6
    assert "the lock is of" in problem

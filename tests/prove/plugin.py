"""A pytest plugin for runs that can be stopped: what passed is not run again, and the end is a table of what is known.

`make prove` loads it. It runs one test after the other: most of them use all cores.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.prove.results import Result, format_table, make_key, read_results, write_results

CELLS = pytest.StashKey[Mapping[str, tuple[str, str]]]()
CHOSEN = pytest.StashKey[str]()


def read_choice(name: str) -> set[str]:
    return set(os.environ.get(name, "").replace(",", " ").split())


def find_parameter(item: pytest.Item, name: str) -> str | None:
    found = getattr(item, "callspec", None)
    value = found.params.get(name) if found is not None else None
    return value if isinstance(value, str) else None


def is_chosen(item: pytest.Item) -> bool:
    """`make prove RECIPES="…" PLATFORMS="…"` asks for the part that has to do with those."""
    for variable, parameter in (("RECIPES", "recipe"), ("PLATFORMS", "platform")):
        choice = read_choice(variable)
        if choice and find_parameter(item, parameter) not in choice:
            return False
    return True


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = [item for item in items if item.get_closest_marker("prove") is not None and is_chosen(item)]
    results = read_results()
    cells, open_items, done = {}, [], 0
    for item in wanted:
        recipe = find_parameter(item, "recipe")
        item.user_properties.append(("key", make_key(recipe, item.path)))
        cells[item.nodeid] = (recipe or _name(item), find_parameter(item, "platform") or "")
        known = results.get(item.nodeid)
        if known is not None and known.outcome == "passed" and ("key", known.key) in item.user_properties:
            done += 1
        else:
            open_items.append(item)
    config.stash[CELLS] = cells
    config.stash[CHOSEN] = f"{done} of {len(wanted)} passed already, for the same sources"
    config.hook.pytest_deselected(items=[item for item in items if item not in open_items])
    items[:] = open_items


def _name(item: pytest.Item) -> str:
    return f"{Path(item.path).stem.removeprefix('test_')}: {item.name.removeprefix('test_')}"


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Recorder(config), "recorder-of-results")


class Recorder:
    """Writes each result down when it is there."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration
        if not report.passed:
            self.failed.add(report.nodeid)
        if report.when == "teardown":
            outcome = "FAILED" if report.nodeid in self.failed else "passed"
            key = str(dict(report.user_properties).get("key", ""))
            seconds = self.seconds[report.nodeid]
            write_results(read_results() | {report.nodeid: Result(key=key, outcome=outcome, seconds=seconds)})

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """With everything proven already, that nothing was left to run is no failure."""
        if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and self.config.stash.get(CELLS, {}):
            session.exitstatus = pytest.ExitCode.OK

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        lines = format_table(read_results(), self.config.stash.get(CELLS, {}))
        terminalreporter.section("proven")
        for line in lines:
            terminalreporter.write_line(line)


def pytest_report_collectionfinish(config: pytest.Config) -> str:
    return config.stash[CHOSEN]

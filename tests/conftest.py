"""What all tests share: golden files, and the option that rewrites them."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable, Generator
from pathlib import Path

import certifi
import pytest
from hypothesis import settings

settings.register_profile("imagefab", deadline=None)
settings.load_profile("imagefab")

# Where bytecode is not to be written, each of the thousands of commands that tests run would compile its modules.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# In a shell's background Ctrl-C is ignored, and after nohup a hang-up; whatever tests start would ignore them as well.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)


_SECONDS: dict[str, float] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    try:
        return (yield)
    finally:
        item.user_properties.append(("cpu", _measure_cpu()))


def _measure_cpu() -> float:
    """Seconds of this process and of those that it started and waited for, so far."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A line a test for whoever wants to know what took long: its seconds, set-up included, and its name."""
    _SECONDS[report.nodeid] = _SECONDS.get(report.nodeid, 0.0) + report.duration
    listing = os.environ.get("IMAGEFAB_TEST_TIMES")
    if report.when == "teardown" and listing and "PYTEST_XDIST_WORKER" not in os.environ:
        worker = getattr(report, "worker_id", "")
        cpu = float(str(dict(report.user_properties).get("cpu", 0.0)))
        before, _CPU[worker] = _CPU.get(worker, 0.0), cpu
        with Path(listing).open("a") as file:
            file.write(f"{_SECONDS[report.nodeid]:8.1f} s  {cpu - before:7.1f} s of CPU  {report.nodeid}\n")


_CPU: dict[str, float] = {}
"""What each worker had used."""


@pytest.fixture(scope="session")
def one_authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with one of the certificates that are trusted: to read all of them takes each client 20 ms."""
    end = "-----END CERTIFICATE-----\n"
    first, _, _ = Path(certifi.where()).read_text("utf-8").partition(end)
    path = tmp_path_factory.mktemp("certificates") / "one.pem"
    path.write_text(first + end, "utf-8")
    return path


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-golden", action="store_true", help="write what tests produce over the golden files")


@pytest.fixture
def check_golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """Compare a text with a golden file, or write it there."""

    def check(path: Path, text: str) -> None:
        if request.config.getoption("--rewrite-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        assert path.exists(), f"{path} is not there; --rewrite-golden writes it"
        assert text == path.read_text("utf-8")

    return check

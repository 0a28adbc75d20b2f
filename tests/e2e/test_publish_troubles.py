"""Publishing through a network that fails, and by programs that are killed: it passes, or says so and goes on later."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.support import proxy
from tests.e2e.support.command_line import CommandLine
from tests.e2e.support.proxy import Handler, Proxy, Rule, stand_before
from tests.e2e.support.registry import INDEX, ask, list_image_tags, pull

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("root")]


@pytest.fixture
def weather(registry: str) -> Iterator[Proxy]:
    with stand_before(registry) as one:
        yield one


PASSING: dict[str, list[tuple[str, Callable[[Handler], None], int]]] = {
    "cut": [("PUT .*blobs", proxy.cut(1_000_000), 2)],
    "cut at once": [("PUT .*blobs", proxy.cut(0), 1), ("PUT .*manifests", proxy.cut(0), 1)],
    "500": [("PUT .*blobs", proxy.say(500), 1), ("PUT .*manifests", proxy.say(502), 2), ("HEAD", proxy.say(503), 2)],
    "429": [("POST", proxy.say(429, Retry_After="1"), 1), ("HEAD", proxy.say(429), 1)],
    "401": [("PUT .*blobs", proxy.say(401), 1), ("GET .*manifests", proxy.say(401), 1)],
    "lost": [("PUT .*blobs", proxy.lose_answer, 2), ("PUT .*manifests", proxy.lose_answer, 1)],
    "lies": [("GET .*manifests/sha256:", proxy.mislabel, 1), ("GET .*manifests/sha256:", proxy.falsify, 1)],
    "truncated": [("GET .*manifests/sha256:", proxy.truncate, 2)],
    "slow": [("PUT .*blobs", proxy.dawdle(3), 1), ("GET .*manifests", proxy.dawdle(2), 1)],
}


@pytest.mark.parametrize("name", PASSING)
def test_bad_weather_passes(name: str, pair: CommandLine, weather: Proxy, place: str, tmp_path: Path) -> None:
    weather.rules += [Rule(when, act, times) for when, act, times in PASSING[name]]
    to = f"{weather.host}/{place.partition('/')[2]}"
    reference = pair.run("publish", "one", "--unchecked", "--to", to).stdout.strip()
    assert not weather.left
    pull(f"{place}/one@{reference.partition('@')[2]}", tmp_path)


LASTING: dict[str, tuple[str, Callable[[Handler], None]]] = {
    "cut": ("PUT .*blobs", proxy.cut(1_000_000)),
    "500": ("PUT .*manifests/sha256:", proxy.say(500)),
    "429": ("PUT .*blobs", proxy.say(429, Retry_After="9999")),
    "lies": ("GET .*manifests/sha256:", proxy.falsify),
    "truncated": ("GET .*manifests/sha256:", proxy.truncate),
    "tag": ("PUT .*manifests/20", proxy.say(500)),
}


LESS = ("500", "429", "truncated")
"""What ends as others do; `make prove` has it."""


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.prove] if n in LESS else []) for n in LASTING])
def test_bad_weather_stays(name: str, pair: CommandLine, weather: Proxy, place: str) -> None:
    """It says so, no tag leads to something incomplete, and later the rest goes."""
    when, act = LASTING[name]
    weather.rules.append(Rule(when, act, 1000))
    to = f"{weather.host}/{place.partition('/')[2]}"
    said = pair.run("publish", "one", "--unchecked", "--to", to, code=6)
    assert weather.host in said.stderr
    assert not (pair.folder / "images/one/published.toml").exists()
    assert not list_image_tags(f"{place}/one")
    weather.rules.clear()
    pair.run("publish", "one", "--unchecked", "--to", to)
    assert list_image_tags(f"{place}/one")


STAGES = ("PUT .*blobs", "PUT .*manifests/sha256:", "PUT .*manifests/20")


@pytest.mark.parametrize(
    ("number", "stage"),
    [
        *((signal.SIGKILL, stage) for stage in STAGES),
        (signal.SIGINT, STAGES[0]),
        *(pytest.param(signal.SIGINT, stage, marks=pytest.mark.prove) for stage in STAGES[1:]),
    ],
)
def test_killed_in_the_middle(
    stage: str, number: signal.Signals, pair: CommandLine, weather: Proxy, place: str, tmp_path: Path
) -> None:
    """At that request the program dies; the next run is right."""
    to = f"{weather.host}/{place.partition('/')[2]}"
    began: list[float] = []

    def hold(handler: Handler) -> None:
        began.append(time.monotonic())
        time.sleep(1.5)
        handler.forward()

    weather.rules.append(Rule(stage, hold))
    process = pair.start("publish", "one", "--unchecked", "--to", to)
    while not began:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -9)
    assert not out
    assert "Traceback" not in err
    time.sleep(2)
    name = f"{place}/one"
    for tag in list_image_tags(name):
        subprocess.run(["skopeo", "inspect", "--tls-verify=false", f"docker://{name}:{tag}"], check=True)
    assert not (pair.folder / "images/one/published.toml").exists()
    pair.run("publish", "one", "--unchecked", "--to", to)
    pull(f"{name}@{pair.build('one')['digest']}", tmp_path)


def test_two_at_once(pair: CommandLine, place: str) -> None:
    first = pair.start("publish", "one", "two", "--unchecked", "--to", place)
    second = pair.start("publish", "two", "one", "--unchecked", "--to", place)
    said = [process.communicate(timeout=120) for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), said
    assert sorted(said[0][0].splitlines()) == sorted(said[1][0].splitlines())
    for name in ("one", "two"):
        listed = ask(f"{place.replace('/', '/v2/', 1)}/{name}/manifests/{_fallback(pair, name)}",
                     INDEX)  # fmt: skip
        assert len(listed["manifests"]) == 2


def _fallback(line: CommandLine, name: str) -> str:
    digest: str = line.build(name)["digest"]
    return digest.replace(":", "-")

"""Jobs travel as lines of JSON and arrive as they were."""

from __future__ import annotations

import pytest

from imagefab.engines.sandbox.job import BuildJob, Isolator, LayerJob, LowerLayer, RunJob, decode_job, encode_job
from imagefab.limits import Limits

LIMITS = Limits(processes=7, memory=8, disk=9, time=None)
ISOLATOR = Isolator(program="/x/bwrap", libraries=None)
LOWER = LowerLayer(path="/store/é", members=[1, 2], listing="/store/l")
BUILD = BuildJob(
    folder="/tmp/a b",
    memory=1 << 40,
    prefer_disk=True,
    jobs=2,
    limits=LIMITS,
    isolator=ISOLATOR,
    epoch=1_700_000_000,
    store="/store",
    env={"A": 'quote " newline \n'},
    lowers=[LOWER],
    layers=[
        LayerJob(
            name="base",
            inputs="/x",
            packages=[["/store/1", "a.deb"]],
            bootstrap=True,
            filters=["--path-exclude=/x/*"],
            groups=[["often", ["a:amd64"]]],
            steps=["a && b", "c"],
        ),
        LayerJob(name="empty", inputs="/y", packages=[], bootstrap=False, filters=[], groups=[], steps=[]),
    ],
)
RUN = RunJob(
    folder="/tmp/x", memory=0, prefer_disk=False, jobs=1, limits=LIMITS, isolator=ISOLATOR, lowers=[LOWER, LOWER],
    argv=["sh", "-c", "\udc80"], env={}, cwd="/", user=[1000, 1000], as_caller=False, own_folders=True, terminal=True,
    binds=[{"source": "/a", "target": "/b", "read_only": True}], read_only=True, network=False,
)  # fmt: skip


@pytest.mark.parametrize("job", [BUILD, RUN])
def test_round_trip(job: BuildJob | RunJob) -> None:
    text = encode_job(job)
    assert "\n" not in text
    assert decode_job(text) == job

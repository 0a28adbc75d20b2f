"""Registries that take their time, and that fail on and on: how long, and how often, one is asked."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagefab.digest import Digest
from imagefab.http import Patience
from imagefab.registry.blobs import Blobs
from imagefab.registry.client import Client
from imagefab.registry.errors import PassingError
from imagefab.registry.manifests import Manifests
from imagefab.registry.reference import Repository
from tests.registry.fake_registry import Habits, answering, serve, trickling, trickling_headers
from tests.registry.test_push import LOGIN, QUICK, Pusher, Ring


@pytest.fixture
def pusher(tmp_path: Path) -> Iterator[Pusher]:
    made = Pusher(tmp_path / "store")
    yield made
    made.store.close()


def test_nothing_multiplies(pusher: Pusher) -> None:
    """A blob is asked for again, and so are its token and its answers: there are no more attempts than one has."""
    with serve(Habits(auth="bearer")) as registry:
        parcel = pusher.parcel(registry.host, pusher.images())
        pusher.push(parcel, LOGIN)
        layer = parcel.images.images[0].layers[0]
        client = Client(registry.host, keyring=Ring(LOGIN), patience=QUICK)
        blobs = Blobs(client, parcel.repository)
        before = len(registry.seen)
        registry.faults += answering(503, "token", times=60)
        with pytest.raises(PassingError):
            blobs.fetch(layer.digest, layer.size, io.BytesIO(), lambda _: None)
        asked = [one.path.startswith("/token") for one in registry.seen[before:]]
        assert (asked.count(True), asked.count(False)) == (QUICK.attempts, 1)
        registry.faults[:] = [
            *answering(503, "GET .*manifests", times=2),
            *answering(200, "GET .*manifests", times=60, body=b"no JSON"),
        ]
        before = len(registry.methods("GET .*manifests"))
        registry.habits.auth = "none"
        with pytest.raises(PassingError):
            Manifests(client, parcel.repository).find("latest")
        assert len(registry.methods("GET .*manifests")) - before == QUICK.attempts
        client.close()


def test_a_header_that_never_ends(pusher: Pusher) -> None:
    """A line a second keeps every timeout of a single read."""
    with serve() as registry:
        registry.faults += trickling_headers("manifests", times=9)
        client = Client(registry.host, patience=Patience(read=1, whole=0.3, attempts=9, pause=0.01))
        began = time.monotonic()
        with pytest.raises(PassingError, match="did not answer in time"):
            Manifests(client, Repository(registry.host, "team/one")).find("latest")
        assert time.monotonic() - began < 4
        client.close()


def test_a_blob_has_its_time(pusher: Pusher) -> None:
    with serve() as registry:
        registry.faults += trickling("blobs", times=9)
        patience = Patience(read=1, whole=0.2, attempts=9, pause=0.01, slowest=1_000_000)
        client = Client(registry.host, patience=patience)
        blobs = Blobs(client, Repository(registry.host, "team/one"))
        began = time.monotonic()
        with pytest.raises(PassingError, match="too slow"):
            blobs.fetch(Digest.of_bytes(b""), 1_000_000, io.BytesIO(), lambda _: None)
        assert 0.9 < time.monotonic() - began < 4
        client.close()


def test_a_slow_answer_ends(pusher: Pusher) -> None:
    with serve() as registry:
        registry.faults += trickling("manifests", times=9)
        client = Client(registry.host, patience=Patience(read=1, whole=0.3, attempts=2, pause=0.01))
        with pytest.raises(PassingError, match="slowly"):
            Manifests(client, Repository(registry.host, "team/one")).find("latest")
        client.close()

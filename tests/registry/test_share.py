"""Layers that machines share: honest ones get from one store into another, and nothing else gets into any."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from imagefab.digest import Digest, canonical_json
from imagefab.oci.layer import Layer, find_step, read_tree
from imagefab.oci.tarfmt import END, encode_node
from imagefab.oci.tree import Node, Tree
from imagefab.plan.model import Plan
from imagefab.progress import SilentProgress
from imagefab.registry.client import Client
from imagefab.registry.reference import Repository
from imagefab.registry.share import LayerShare
from imagefab.store.store import Store
from tests.oci.sample_trees import add_layer, file, folder, link
from tests.oci.test_verify import EMPTY, pack
from tests.registry.fake_registry import FakeRegistry, serve
from tests.registry.test_push import QUICK
from tests.sample_recipe import SMALL, make_plans

Published = Mapping[Digest, frozenset[tuple[Digest, ...]]]
TREE: Tree = {"bin": folder(), "bin/a": file(b"1", inode=1), "bin/b": file(b"1", inode=1), "lib": link("usr/lib")}
PATH = "team/layers"


class Listener(SilentProgress):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)


class Machine:
    """A store, and a way to share what is in it."""

    def __init__(self, root: Path, registry: FakeRegistry, published: Published) -> None:
        self.store, self.progress = Store(root), Listener()
        self.client = Client(registry.host, patience=QUICK)
        repository = Repository(registry.host, PATH)
        self.share = LayerShare(self.client, repository, self.store, self.progress, published=lambda: published)

    def find(self, layer: Digest) -> Layer | None:
        found = find_step(self.store, layer, pytest.fail)
        return None if found is None else found[-1]


class Place:
    """A registry between machines."""

    def __init__(self, folder: Path, registry: FakeRegistry) -> None:
        self.folder, self.registry = folder, registry
        self.machines: list[Machine] = []

    def machine(self, published: Published | None = None) -> Machine:
        made = Machine(self.folder / str(len(self.machines)), self.registry, published or {})
        self.machines.append(made)
        return made

    def forge(self, layer: Layer, data: bytes) -> None:
        """Put a layer there, whatever it is, as its record says."""
        record = canonical_json({"layers": [layer.record()]})
        for blob in (record, data, EMPTY):
            self.registry.blobs[PATH, str(Digest.of_bytes(blob))] = blob
        manifest = {
            "config": {"digest": str(Digest.of_bytes(record)), "size": len(record)},
            "layers": [
                {"digest": str(layer.digest), "size": layer.size},
                {"digest": str(layer.listing), "size": len(EMPTY)},
            ],
        }
        self.registry.manifests[PATH, layer.key.hex] = ("application/json", json.dumps(manifest).encode())


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with serve() as registry:
        made = Place(tmp_path, registry)
        yield made
        for machine in made.machines:
            machine.client.close()
            machine.store.close()


PLAN: Plan = make_plans(SMALL)[0]
LOWEST, SECOND = PLAN.layers[0], PLAN.layers[1]


def test_what_one_gives_another_takes(place: Place) -> None:
    one, other = place.machine(), place.machine()
    layer = add_layer(one.store, LOWEST.key, TREE, name=LOWEST.name)
    assert one.share.give([(layer,)]) == 1
    assert one.share.give([(layer,)]) == 0
    assert other.share.fetch(PLAN) == {LOWEST.key}
    taken = other.find(LOWEST.key)
    assert taken == replace(layer, name=LOWEST.name)
    (listing, wanted) = (machine.store.read_blob(layer.listing) for machine in (other, one))
    assert {path: node.row() for path, node in read_tree([listing]).items()} == {
        path: node.row() for path, node in read_tree([wanted]).items()
    }
    assert not other.share.fetch(PLAN)
    assert not other.progress.warnings


def test_a_name_is_one_of_the_plans(place: Place) -> None:
    """It is in the config of an image, and so in its digest."""
    data = encode_node("a", folder()) + END
    layer, packed = pack(data)
    place.forge(replace(layer, key=LOWEST.key, name="another"), packed)
    machine = place.machine()
    assert not machine.share.fetch(PLAN)
    (warning,) = machine.progress.warnings
    assert "its layers are not base's" in warning


@pytest.mark.parametrize(
    "entries",
    [
        [("../../../../../../../../etc/cron.d/x", file())],
        [("/etc/cron.d/x", file())],
        [("etc", link("/etc")), ("etc/x", file())],
        [("etc/x", file())],
        [("null", Node("char", 0o666, device=(1, 3)))],
    ],
    ids=["upwards", "absolute", "through a link", "through what is below", "a device"],
)
def test_a_layer_that_leads_out_is_refused(entries: list[tuple[str, Node]], place: Place) -> None:
    layer, packed = pack(b"".join(encode_node(path, node) for path, node in entries) + END)
    place.forge(replace(layer, key=LOWEST.key, name=LOWEST.name), packed)
    machine = place.machine()
    assert not machine.share.fetch(PLAN)
    assert machine.find(LOWEST.key) is None
    (warning,) = machine.progress.warnings
    assert "does not match its record" in warning


@pytest.mark.parametrize(
    "changes",
    [
        {"size": "12"},
        {"size": True},
        {"plain_size": -1},
        {"plain_size": 1 << 60},
        {"members": []},
        {"members": ["x"]},
        {"members": 7},
        {"digest": "sha256:no"},
        {"key": str(SECOND.key)},
    ],
    ids=str,
)
def test_records_that_make_no_sense(changes: dict[str, object], place: Place) -> None:
    layer, packed = pack(encode_node("a", folder()) + END)
    layer = replace(layer, key=LOWEST.key)
    place.forge(layer, packed)
    record = json.dumps({"layers": [layer.record() | changes]}).encode()
    place.registry.blobs[PATH, str(Digest.of_bytes(record))] = record
    config = {"digest": str(Digest.of_bytes(record)), "size": len(record)}
    name = (PATH, layer.key.hex)
    kind, manifest = place.registry.manifests[name]
    place.registry.manifests[name] = (kind, json.dumps(json.loads(manifest) | {"config": config}).encode())
    machine = place.machine()
    assert not machine.share.fetch(PLAN)
    assert machine.find(LOWEST.key) is None
    assert len(machine.progress.warnings) == 1


def test_what_was_published_is_what_has_to_come(place: Place) -> None:
    one = place.machine()
    layers = [add_layer(one.store, planned.key, TREE, name=planned.name) for planned in (LOWEST, SECOND)]
    one.share.give([(layer,) for layer in layers])
    published = {layer.key: frozenset([(layer.digest,)]) for layer in layers}
    assert place.machine(published).share.fetch(PLAN) == {LOWEST.key, SECOND.key}
    # Somebody who can write there puts another layer under the second key, and all of it fits.
    forged, packed = pack(encode_node("bin", folder()) + encode_node("bin/backdoor", file(mode=0o4755)) + END)
    place.forge(replace(forged, key=SECOND.key, name=SECOND.name), packed)
    machine = place.machine(published)
    assert machine.share.fetch(PLAN) == {LOWEST.key}
    assert machine.find(SECOND.key) is None
    (warning,) = machine.progress.warnings
    assert f"it is {forged.digest}, but the published one is {layers[1].digest}" in warning

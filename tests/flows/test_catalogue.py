"""A catalogue on a registry that can't compare and swap: whoever writes at the same time, nothing is lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest
from tests.records.sample_catalogue import day, make_catalogue, make_entry
from tests.registry.fake_registry import FakeRegistry, Fault, Habits, Handler, answering, serve
from tests.registry.test_push import QUICK
from tests.registry.test_share import Listener

from imagefab.attest.sign import Signer
from imagefab.digest import Digest
from imagefab.errors import FetchError, MismatchError
from imagefab.flows.catalogue import TAG, Keeper, Kept, open_catalogue, read_catalogue
from imagefab.records.catalogue import Catalogue, Entry, format_catalogue, is_update_tag, parse_catalogue
from imagefab.registry.client import Client

PATH = "acme/images/catalogue"


class Signatures:
    """Stands for cosign and a key."""

    def __init__(self) -> None:
        self.signed: set[str] = set()

    def sign(self, reference: str, predicate: bytes | None) -> None:
        assert predicate is None
        self.signed.add(reference)

    def has_signed(self, reference: str) -> bool:
        return reference in self.signed

    def verify(self, reference: str) -> None:
        if reference not in self.signed:
            raise MismatchError(f"{reference} is not signed")


@pytest.fixture(autouse=True)
def few_authorities(one_authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test here speaks TLS with anybody."""
    monkeypatch.setenv("SSL_CERT_FILE", str(one_authority))


class Place:
    """A namespace on a fake registry, and who publishes there."""

    def __init__(self, registry: FakeRegistry) -> None:
        self.registry = registry
        self.clients: list[Client] = []
        self.namespace = f"{registry.host}/acme/images"
        self.progress = Listener()

    def entry(self, recipe: str, content: str = "a", number: int = 1, **more: Any) -> Entry:
        return make_entry(recipe, content, number, namespace=self.namespace, **more)

    def open(self) -> Client:
        self.clients.append(Client(self.registry.host, patience=QUICK))
        return self.clients[-1]

    def keep(
        self, *entries: Entry, number: int = 1, look_up: bool = False, signatures: Signatures | None = None
    ) -> Kept:
        keeper = Keeper(self.open(), self.namespace, self.progress, cast(Signer, signatures))
        return keeper.keep(entries, day(number), look_up=look_up)

    def find(self) -> Catalogue | None:
        return read_catalogue(self.open(), self.namespace)

    def read(self, verify: Callable[[str], None] | None = None) -> Catalogue:
        found = read_catalogue(self.open(), self.namespace, verify)
        assert found is not None
        return found

    @property
    def recipes(self) -> list[str]:
        return [entry.recipe for entry in self.read().entries]

    def list_updates(self) -> list[str]:
        return [tag for path, tag in self.registry.manifests if path == PATH and is_update_tag(tag)]

    def write(self, data: bytes, tag: str = TAG) -> None:
        artifacts = open_catalogue(self.open(), self.namespace)
        artifacts.push(data)
        artifacts.tag(data, tag)


@pytest.fixture(params=[1, 1000], ids=["a tag a page", "one page"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with serve(Habits(page=request.param)) as registry:
        place = Place(registry)
        yield place
        for client in place.clients:
            client.close()


def test_it_is_kept(place: Place) -> None:
    assert place.keep(place.entry("one"), place.entry("two")).has_changed
    kept = place.keep(place.entry("two", "b", 2), number=2)
    assert kept.reference.startswith(f"{place.namespace}/catalogue@sha256:")
    assert kept.catalogue == place.read()
    assert place.recipes == ["one", "two"]
    two = place.read().find("two")
    assert two is not None
    assert two.digest == Digest.of_bytes(b"b")
    assert [one.digest for one in two.replaced] == [Digest.of_bytes(b"a")]


def test_the_same_again_writes_nothing(place: Place) -> None:
    place.keep(place.entry("one"))
    place.registry.seen.clear()
    assert not place.keep(place.entry("one", number=3), number=3).has_changed
    assert not place.registry.methods("^(PUT|POST|PATCH)")


def test_nothing_at_all(place: Place) -> None:
    assert not place.keep().has_changed
    assert place.find() is None


def test_other_clients_find_a_file_with_a_name(place: Place) -> None:
    place.keep(place.entry("one"))
    kind, data = place.registry.manifests[PATH, TAG]
    manifest = json.loads(data)
    assert kind == "application/vnd.oci.image.manifest.v1+json"
    assert (
        manifest["artifactType"] == manifest["layers"][0]["mediaType"] == "application/vnd.imagefab.catalogue.v1+json"
    )
    assert manifest["layers"][0]["annotations"] == {"org.opencontainers.image.title": "catalogue.json"}
    parse_catalogue(place.registry.blobs[PATH, manifest["layers"][0]["digest"]])


# -- two at once -------------------------------------------------------------------------------------------------------


def test_a_slow_publisher_undoes_nothing(place: Place) -> None:
    """It read the catalogue, another one writes it, and then it writes what it made of what it read."""
    reached, go_on = threading.Event(), threading.Event()

    def hold(handler: Handler) -> None:
        reached.set()
        assert go_on.wait(10)
        handler.handle_any()

    place.keep(place.entry("zero"))
    place.registry.faults.append(Fault(f"PUT .*{TAG}", hold))
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(place.keep, place.entry("slow"))
        assert reached.wait(10)
        place.keep(place.entry("quick"))
        assert place.recipes == ["quick", "slow", "zero"], "the update of the slow one is there already"
        go_on.set()
        slow.result(30)
    assert place.recipes == ["quick", "slow", "zero"]


def test_many_at_once(place: Place) -> None:
    names = [f"r{number}" for number in range(8)]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: place.keep(place.entry(name), place.entry("all", name, int(name[1:]))), names))
    assert place.recipes == ["all", *names]
    common = place.read().find("all")
    assert common is not None
    assert common.digest == Digest.of_bytes(b"r7")
    assert {one.digest for one in common.replaced} == {Digest.of_bytes(name.encode()) for name in names[:-1]}


def test_a_killed_publisher_is_caught_up(place: Place) -> None:
    place.registry.faults += answering(403, f"PUT .*{TAG}")
    with pytest.raises(FetchError):
        place.keep(place.entry("killed"))
    place.keep(place.entry("next"))
    assert place.recipes == ["killed", "next"]
    (first, second) = sorted(place.list_updates())
    assert place.read().updates == (second, first)


def test_a_catalogue_that_never_rests(place: Place) -> None:
    """Something in between answers with an old catalogue forever."""
    place.keep(place.entry("zero"))
    kind, old = place.registry.manifests[PATH, TAG]

    def answer(handler: Handler) -> None:
        digest = f"sha256:{Digest.of_bytes(old).hex}"
        handler.answer(200, old, Content_Type=kind, Docker_Content_Digest=digest)

    place.registry.faults += [Fault(f"GET .*manifests/{TAG}", answer) for _ in range(100)]
    with pytest.raises(FetchError, match="changes faster than it can be written"):
        place.keep(place.entry("one"))


# -- images that are gone ----------------------------------------------------------------------------------------------


def test_lost_images_leave_it(place: Place) -> None:
    """Not because this project has no such recipe, and not because a registry doesn't say."""
    place.keep(place.entry("lost"), place.entry("there"), place.entry("silent"))
    for name in ("there", "silent"):
        digest = str(place.entry(name).digest)
        place.registry.manifests[f"acme/images/{name}", digest] = ("application/json", b"{}")
    place.registry.faults += answering(400, "HEAD .*silent")
    assert place.keep(place.entry("new")).has_changed
    assert place.recipes == ["lost", "new", "silent", "there"]
    place.keep(look_up=True)
    assert place.recipes == ["silent", "there"]
    assert any("lost@sha256" in warning and "gone" in warning for warning in place.progress.warnings)


# -- signatures --------------------------------------------------------------------------------------------------------


def test_it_is_signed_before_anybody_finds_it(place: Place) -> None:
    signatures = Signatures()
    kept = place.keep(place.entry("one"), signatures=signatures)
    assert kept.reference in signatures.signed
    assert place.read(signatures.verify) == kept.catalogue
    place.keep(place.entry("two"), signatures=signatures)
    assert place.recipes == ["one", "two"]
    assert not place.progress.warnings
    place.keep(place.entry("three"))
    with pytest.raises(MismatchError):
        place.read(signatures.verify)


def test_no_signature_for_what_a_stranger_wrote(place: Place) -> None:
    signatures = Signatures()
    place.write(format_catalogue(make_catalogue(place.entry("foreign"))))
    place.write(format_catalogue(make_catalogue(place.entry("stranger"))), "update-20260101T000000Z-0123456789ab")
    kept = place.keep(place.entry("one"), signatures=signatures)
    assert [entry.recipe for entry in kept.catalogue.entries] == ["one"]
    assert place.read(signatures.verify) == kept.catalogue
    assert len([text for text in place.progress.warnings if "not signed with this key" in text]) == 2


# -- what else may be there --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b'{"schema": 2}', b"no", format_catalogue(Catalogue())[:-3]])
def test_not_a_catalogue(place: Place, data: bytes) -> None:
    place.write(data)
    with pytest.raises(FetchError, match=f"catalogue:{TAG}: ") as caught:
        place.keep(place.entry("one"))
    assert caught.value.hint is not None
    with pytest.raises(FetchError):
        place.read()


def test_an_image_with_that_name(place: Place) -> None:
    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "sha256:" + "0" * 64, "size": 5}
    manifest = json.dumps({"schemaVersion": 2, "config": layer, "layers": [layer]}).encode()
    place.registry.manifests[PATH, TAG] = ("application/vnd.oci.image.manifest.v1+json", manifest)
    with pytest.raises(FetchError, match=r"catalogue:latest is not application/vnd\.imagefab\.catalogue"):
        place.keep(place.entry("one"))

"""Pushing to a fake registry, with all habits that registries have, and with failures."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from imagefab.digest import Digest
from imagefab.errors import MismatchError
from imagefab.http import Patience
from imagefab.oci.image import ImageSet, make_image
from imagefab.oci.layer import Layer
from imagefab.platforms import AMD64, ARM64
from imagefab.progress import SilentProgress
from imagefab.registry.client import Client
from imagefab.registry.credentials import Credentials, Keyring
from imagefab.registry.errors import DeniedError, PassingError, RegistryError
from imagefab.registry.manifests import Manifests
from imagefab.registry.pull import RegistrySource
from imagefab.registry.push import Attachment, Parcel, Pushed, find_missing, push
from imagefab.registry.reference import Reference, Repository
from imagefab.store.store import Store
from tests.registry.fake_registry import (
    IDENTITY,
    PASSWORD,
    USER,
    FakeRegistry,
    Fault,
    Habits,
    answering,
    cutting,
    serve,
)

QUICK = Patience(connect=2, read=2, whole=2, attempts=4, pause=0.01, longest=1)
LOGIN = Credentials(username=USER, secret=PASSWORD, origin="the test")
TOKEN = Credentials(identity_token=IDENTITY, origin="the test")


class Ring(Keyring):
    def __init__(self, credentials: Credentials | None) -> None:
        super().__init__()
        object.__setattr__(self, "_given", credentials)

    def find(self, repository: Repository) -> Credentials | None:
        given: Credentials | None = getattr(self, "_given")  # noqa: B009
        return given


class Pusher:
    """A store with images, and a way to push them."""

    def __init__(self, root: Path) -> None:
        self.store = Store(root)

    def layer(self, name: str, size: int = 100_000) -> Layer:
        data = hashlib.shake_256(name.encode()).digest(size)
        digest = self.store.write_blob(data)
        return Layer(
            key=Digest.of_bytes(name.encode()),
            name=name,
            digest=digest,
            diff_id=Digest.of_bytes(data[::-1]),
            size=size,
            plain_size=size,
            members=(size,),
            listing=digest,
        )

    def images(self, recipe: str = "one", *layers: str, platforms: int = 1) -> ImageSet:
        made = [
            make_image(
                platform,
                [self.layer(f"{name}{number}") for name in layers or ("base", recipe)],
                epoch=1000,
                env=[],
                labels=[("recipe", recipe)],
                command=["sh"],
            )
            for number, platform in enumerate((AMD64, ARM64)[:platforms])
        ]
        return ImageSet(recipe=recipe, images=tuple(made))

    def parcel(self, host: str, images: ImageSet, **more: object) -> Parcel:
        values: dict[str, object] = {
            "repository": Repository(host, f"team/{images.recipe}"),
            "images": images,
            "tag": f"2026-01-01-{images.digest.short}",
            "siblings": {},
        }
        return Parcel(**(values | more))  # type: ignore[arg-type]

    def push(self, parcel: Parcel, credentials: Credentials | None = None) -> Pushed:
        client = Client(parcel.repository.host, keyring=Ring(credentials), patience=QUICK)
        try:
            return push(parcel, find_missing(parcel, client, self.store), client, SilentProgress())
        finally:
            client.close()


@pytest.fixture
def pusher(tmp_path: Path) -> Pusher:
    return Pusher(tmp_path / "store")


def is_complete(registry: FakeRegistry, parcel: Parcel) -> bool:
    """Whether the tag leads to all of it."""
    path = parcel.repository.path
    found = registry.manifests.get((path, parcel.tag))
    return (
        found is not None
        and Digest.of_bytes(found[1]) == parcel.images.digest
        and all((path, str(image.digest)) in registry.manifests for image in parcel.images.images)
        and all(
            registry.blobs[path, str(digest)]
            for image in parcel.images.images
            for digest in (image.config_digest, *(layer.digest for layer in image.layers))
        )
    )


@pytest.mark.parametrize("platforms", [1, 2])
@pytest.mark.parametrize(
    ("habits", "credentials"),
    [
        (Habits(), None),
        (Habits(auth="basic"), LOGIN),
        (Habits(auth="bearer"), LOGIN),
        (Habits(auth="bearer"), TOKEN),
        (Habits(auth="bearer", lasting=8), LOGIN),
        (Habits(mounts=False), None),
        (Habits(referrers=True), None),
        (Habits(most=70_000), None),
    ],
    ids=["plain", "basic", "bearer", "identity", "refresh", "no mounts", "referrers", "small pieces"],
)
def test_all_kinds_of_registries(
    pusher: Pusher, habits: Habits, credentials: Credentials | None, platforms: int
) -> None:
    with serve(habits) as registry:
        parcel = pusher.parcel(registry.host, pusher.images(platforms=platforms), moving_tag="latest")
        pushed = pusher.push(parcel, credentials)
        assert is_complete(registry, parcel)
        assert registry.manifests["team/one", "latest"] == registry.manifests["team/one", parcel.tag]
        assert pushed.sent >= 200_000 * platforms
        before = len(registry.seen)
        again = pusher.push(parcel, credentials)
        assert again.sent == 0
        later = [one for one in registry.seen[before:] if not one.path.startswith("/token")]
        assert {one.method for one in later} <= {"GET", "HEAD"}


def test_contents_are_pushed_before_what_names_them(pusher: Pusher) -> None:
    """Nothing is named before it is there."""
    with serve() as registry:
        parcel = pusher.parcel(registry.host, pusher.images(platforms=2), moving_tag="latest")
        pusher.push(parcel)
        puts = list(registry.methods("^PUT"))
    kinds = ["blob" if "/blobs/" in path else path.rpartition("/")[2] for path in puts]
    index, (one, two) = str(parcel.images.digest), [str(image.digest) for image in parcel.images.images]
    assert kinds == ["blob"] * 6 + [one, two, index, parcel.tag, "latest"]


def test_blobs_of_siblings_are_mounted(pusher: Pusher) -> None:
    with serve() as registry:
        first = pusher.parcel(registry.host, pusher.images("one"))
        pusher.push(first)
        images = pusher.images("two")
        siblings = {layer.digest: (first.repository,) for layer in first.images.images[0].layers}
        second = pusher.parcel(registry.host, images, siblings=siblings)
        pushed = pusher.push(second)
        assert is_complete(registry, second)
        assert pushed.blobs_mounted == 1
        assert pushed.sent == 100_000 + len(images.images[0].config)


def test_a_mount_that_fails_is_an_upload(pusher: Pusher) -> None:
    with serve() as registry:
        images = pusher.images("two")
        nobody = Repository(registry.host, "team/nobody")
        parcel = pusher.parcel(registry.host, images, siblings={images.images[0].layers[0].digest: (nobody,)})
        assert pusher.push(parcel).blobs_mounted == 0
        assert is_complete(registry, parcel)


@pytest.mark.parametrize(
    "faults",
    [
        answering(500, "PUT .*blobs", times=2),
        answering(503, "HEAD", times=3),
        answering(502, "POST"),
        answering(500, "PUT .*manifests", times=2),
        answering(429, "PUT .*blobs", Retry_After="1"),
        answering(401, "PUT .*blobs"),
        answering(404, "PUT .*blobs"),
        [*cutting("PUT .*blobs", after=1000), *cutting("PUT .*blobs", after=90_000)],
        cutting("PUT .*manifests"),
        [*cutting("HEAD"), *cutting("POST")],
        answering(200, "GET .*manifests", Docker_Content_Digest=f"sha256:{'0' * 64}"),
        answering(200, "GET .*manifests/sha256"),
    ],
    ids=["500 blob", "503 look", "502 begin", "500 manifest", "429", "401", "forgotten", "cut blob", "cut manifest",
         "cut look", "wrong digest", "wrong bytes"],
)  # fmt: skip
def test_temporary_failures(pusher: Pusher, faults: list[Fault]) -> None:
    with serve() as registry:
        registry.faults += faults
        parcel = pusher.parcel(registry.host, pusher.images(platforms=2))
        pusher.push(parcel)
        assert not registry.faults
        assert is_complete(registry, parcel)


@pytest.mark.parametrize(
    ("faults", "error"),
    [
        (answering(500, "PUT .*blobs", times=60), PassingError),
        (answering(500, "PUT .*manifests", times=60), PassingError),
        (answering(403, "PUT .*blobs", times=60), DeniedError),
        (answering(400, "PUT .*manifests"), RegistryError),
        (answering(429, "PUT .*blobs", Retry_After="3600", times=9), PassingError),
        (answering(200, "GET .*manifests/sha256", times=60), PassingError),
        (cutting("PUT .*blobs", after=1000, times=60), PassingError),
        (cutting("PUT .*manifests/sha256", times=60), PassingError),
    ],
    ids=["500 blob", "500 manifest", "403", "400 manifest", "429", "wrong bytes", "cut blob", "cut manifest"],
)
def test_lasting_failures(pusher: Pusher, faults: list[Fault], error: type[Exception]) -> None:
    """It says so, in the end; no tag leads to something incomplete, and the next push finishes the rest."""
    with serve() as registry:
        registry.faults += faults
        parcel = pusher.parcel(registry.host, pusher.images(platforms=2))
        with pytest.raises(error):
            pusher.push(parcel)
        assert ("team/one", parcel.tag) not in registry.manifests
        registry.faults.clear()
        pusher.push(parcel)
        assert is_complete(registry, parcel)


def test_tags_with_a_digest_are_not_moved(pusher: Pusher) -> None:
    with serve() as registry:
        other = pusher.parcel(registry.host, pusher.images("one", "x"), tag="taken")
        pusher.push(other)
        with pytest.raises(MismatchError):
            pusher.push(pusher.parcel(registry.host, pusher.images("one", "y"), tag="taken"))
        assert is_complete(registry, other)


@pytest.mark.parametrize(("times", "lasts"), [(2, False), (60, True)])
def test_a_tag_that_is_lost_for_a_moment(pusher: Pusher, times: int, lasts: bool) -> None:
    """Some registries have no tag while somebody writes it. The first request is from before it is written."""
    with serve() as registry:
        parcel = pusher.parcel(registry.host, pusher.images())
        registry.faults += answering(404, f"GET .*manifests/{parcel.tag}", times=times)
        if not lasts:
            pusher.push(parcel)
            assert is_complete(registry, parcel)
            return
        with pytest.raises(MismatchError, match="does not point to"):
            pusher.push(parcel)


@pytest.mark.parametrize("code", ["DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN"])
def test_a_blob_that_is_lost_for_a_moment(pusher: Pusher, code: str) -> None:
    """As for a stock registry, while another publisher pushes the same one."""
    with serve() as registry:
        body = json.dumps({"errors": [{"code": code, "message": "it is not"}]}).encode()
        registry.faults += answering(400, "PUT .*manifests/sha256", body=body)
        parcel = pusher.parcel(registry.host, pusher.images())
        pusher.push(parcel)
        assert is_complete(registry, parcel)


@pytest.mark.parametrize("referrers", [False, True])
def test_attachments(pusher: Pusher, referrers: bool) -> None:
    """They name the image, and change nothing about it."""
    with serve(Habits(referrers=referrers)) as registry:
        images = pusher.images()
        image = images.images[0]
        attachments = tuple(
            Attachment(
                subject=image.digest,
                subject_type="application/vnd.oci.image.manifest.v1+json",
                subject_size=len(image.manifest),
                kind=kind,
                data=kind.encode(),
                created="2026-01-01T00:00:00Z",
            )
            for kind in ("application/spdx+json", "application/vnd.in-toto+json")
        )
        parcel = pusher.parcel(registry.host, images, attachments=attachments)
        pusher.push(parcel)
        assert is_complete(registry, parcel)
        client = Client(registry.host, patience=QUICK)
        manifests = Manifests(client, parcel.repository)
        listed = manifests.list_referrers(image.digest)
        assert {one["artifactType"] for one in listed} == {one.kind for one in attachments}
        for one in listed:
            manifest = json.loads(registry.manifests["team/one", one["digest"]][1])
            assert manifest["subject"]["digest"] == str(image.digest)
        assert (("team/one", f"sha256-{image.digest.hex}") in registry.manifests) is not referrers
        before = len(registry.seen)
        pusher.push(parcel)
        assert {one.method for one in registry.seen[before:]} == {"GET", "HEAD"}
        client.close()


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_credentials_go_to_the_registry_alone(pusher: Pusher, auth: str) -> None:
    """Blobs come from another server, which gets no credentials."""
    with serve(Habits(auth=auth, elsewhere=True)) as registry:
        parcel = pusher.parcel(registry.host, pusher.images())
        pusher.push(parcel, LOGIN)
        client = Client(registry.host, keyring=Ring(LOGIN), patience=QUICK)
        source = RegistrySource(Reference(parcel.repository, digest=parcel.images.digest), client)
        assert [layer.digest for layer in source.images["linux/amd64"].layers] == [
            layer.digest for layer in parcel.images.images[0].layers
        ]
        client.close()
        assert registry.seen_elsewhere
        assert not any(one.authorization for one in registry.seen_elsewhere)
        assert any(one.authorization for one in registry.seen)


@pytest.mark.parametrize("auth", ["basic", "bearer"])
@pytest.mark.parametrize("credentials", [None, Credentials(username=USER, secret="wrong-secret", origin="x")])
def test_no_login(pusher: Pusher, auth: str, credentials: Credentials | None) -> None:
    with serve(Habits(auth=auth)) as registry:
        with pytest.raises(DeniedError) as caught:
            pusher.push(pusher.parcel(registry.host, pusher.images()), credentials)
        assert "login" in str(caught.value.hint)
        assert "wrong-secret" not in f"{caught.value}{caught.value.hint}{caught.value!r}"
        assert not registry.blobs


def test_secrets_in_answers_are_hidden(pusher: Pusher) -> None:
    """What a registry says is shown without what we told it."""
    with serve(Habits(auth="basic")) as registry:
        said = json.dumps({"errors": [{"code": "DENIED", "message": f"your password is {PASSWORD}"}]}).encode()
        registry.faults += answering(400, "PUT", body=said, times=60)
        with pytest.raises(RegistryError) as caught:
            pusher.push(pusher.parcel(registry.host, pusher.images()), LOGIN)
        assert "your password is" in str(caught.value)
        assert PASSWORD not in str(caught.value)


def test_no_proxy_for_a_registry_on_this_machine(pusher: Pusher, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would see the login, which goes in the clear where it goes nowhere."""
    with serve(Habits(auth="basic")) as registry:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{registry.other}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        parcel = pusher.parcel(registry.host, pusher.images())
        pusher.push(parcel, LOGIN)
        assert is_complete(registry, parcel)
        assert not registry.seen_elsewhere


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "foo://127.0.0.1:1", "http://[x"])
def test_bad_proxies(pusher: Pusher, proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(RegistryError):
        pusher.push(pusher.parcel("registry.example.org", pusher.images()))


def test_a_token_with_a_line_break(pusher: Pusher) -> None:
    """It is not shown either."""
    with serve(Habits(auth="bearer")) as registry, pytest.raises(RegistryError) as caught:
        pusher.push(
            pusher.parcel(registry.host, pusher.images()), Credentials(registry_token="TOP\nSECRET", origin="x")
        )
    assert "SECRET" not in str(caught.value)


def test_no_registry_answers(pusher: Pusher) -> None:
    with serve() as registry:
        host = registry.host
    with pytest.raises(PassingError) as caught:
        pusher.push(pusher.parcel(host, pusher.images()))
    assert host in str(caught.value)

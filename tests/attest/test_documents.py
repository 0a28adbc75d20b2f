"""Documents about images: SBOM, provenance, the record of what was published, the report of a refresh."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagefab.attest.provenance import make_provenance, read_predicate
from imagefab.attest.sbom import make_sbom
from imagefab.ci.report import DeadPin, Failure, ImageChange, compose_report
from imagefab.digest import Digest
from imagefab.errors import StaleError
from imagefab.lock.file import read_lock
from imagefab.lock.model import Lock
from imagefab.lock.staleness import PackageChange
from imagefab.oci.image import Image, ImageSet
from imagefab.oci.layer import Layer, Origin
from imagefab.platforms import AMD64, ARM64
from imagefab.records.published import Published, PublishedImage, parse_published, render_published

ROOT = Path(__file__).parents[2]
HOMES = {"base (updated often)": ("bash:amd64", "gzip:amd64"), "base (dpkg)": ("dpkg:amd64",)}


@pytest.fixture(scope="module", params=["aarch64-musl", "aarch64-gnu-zig"])
def lock(request: pytest.FixtureRequest) -> Lock:
    path = ROOT / "images" / request.param / "imagefab.lock"
    return read_lock(path, recipe=request.param)


@pytest.mark.parametrize("platform", ["linux/amd64", "linux/arm64"])
def test_all_that_a_lock_pins_is_in_the_sbom(lock: Lock, platform: str) -> None:
    data = make_sbom(lock, platform, "aarch64-unknown-linux-musl", HOMES)
    assert make_sbom(lock, platform, "aarch64-unknown-linux-musl", HOMES) == data
    document = json.loads(data)
    listed = {one["checksums"][0]["checksumValue"]: one for one in document["packages"] if "checksums" in one}
    layers = next(one.layers for one in lock.platforms if one.platform == platform)
    pins = [pin for layer in layers for pin in (*layer.packages, *layer.extracts)]
    for pin in pins:
        one = listed[pin.sha256.hex]
        assert (one["name"], one["versionInfo"]) == (pin.name, pin.version)
        assert pin.path in one["sourceInfo"]
    sources = [source for source in lock.sources if source.platform in (None, platform)]
    assert {source.sha256.hex for source in sources} <= listed.keys()
    assert len(listed) == len({pin.sha256 for pin in pins}) + len(sources)
    homes = {one["name"]: one["comment"] for one in document["packages"] if one.get("comment", "").startswith("in the")}
    expected = {"bash": "base (updated often)", "gzip": "base (updated often)", "dpkg": "base (dpkg)"}
    assert homes == ({k: f"in the layer `{v}`" for k, v in expected.items()} if platform == "linux/amd64" else {})
    # Every name in it leads somewhere, and each is there once.
    names = [one["SPDXID"] for one in document["packages"]]
    assert len(set(names)) == len(names)
    known = {*names, "SPDXRef-DOCUMENT"}
    for relation in document["relationships"]:
        assert {relation["spdxElementId"], relation["relatedSpdxElement"]} <= known


def test_documents_of_platforms_differ(lock: Lock) -> None:
    one, other = (json.loads(make_sbom(lock, name, "x", HOMES)) for name in ("linux/amd64", "linux/arm64"))
    assert one["documentNamespace"] != other["documentNamespace"]


@pytest.mark.filterwarnings("ignore")
def test_the_sbom_is_valid(lock: Lock, tmp_path: Path) -> None:
    """As the validator of the SPDX project has it. (It warns of its own use of what is deprecated.)"""
    from spdx_tools.spdx.parser.parse_anything import parse_file
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    path = tmp_path / "sbom.spdx.json"
    path.write_bytes(make_sbom(lock, "linux/amd64", "aarch64-unknown-linux-musl", HOMES))
    document = parse_file(str(path))
    assert [message.validation_message for message in validate_full_spdx_document(document)] == []
    assert len(document.packages) > 50


def test_package_urls() -> None:
    lock = read_lock(ROOT / "images/aarch64-musl/imagefab.lock", recipe="aarch64-musl")
    document = json.loads(make_sbom(lock, "linux/amd64", "x", HOMES))
    urls = {
        one["name"]: one["externalRefs"][0]["referenceLocator"] for one in document["packages"] if "externalRefs" in one
    }
    assert urls["g++"].startswith("pkg:deb/debian/g%2B%2B@4:14.2.0-1?arch=amd64&distro=trixie")


def image(number: int) -> Image:
    platform = (AMD64, ARM64)[number]
    return Image(platform=platform, layers=(), config=b"{}", manifest=f"{number}".encode())


def make_layer(name: str, origin: Origin | None) -> Layer:
    digest = Digest.of_bytes(name.encode())
    return Layer(
        key=digest, name=name, digest=digest, diff_id=digest, size=1, plain_size=1, members=(1,), listing=digest,
        origin=origin,
    )  # fmt: skip


def test_provenance(lock: Lock) -> None:
    images = ImageSet(recipe="one", images=(image(0), image(1)))
    files = {"recipes/one.toml": Digest.of_bytes(b"1")}
    data = make_provenance("ghcr.io/acme/one", images, lock, target="x", files=files, plans={}, homes={})
    statement = json.loads(data)
    assert [one["digest"]["sha256"] for one in statement["subject"]] == [
        images.digest.hex, images.images[0].digest.hex, images.images[1].digest.hex,
    ]  # fmt: skip
    materials = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    digests = {one["digest"]["sha256"] for one in materials}
    assert {pin.sha256.hex for p in lock.platforms for x in p.layers for pin in (*x.packages, *x.extracts)} <= digests
    assert {pin.release.hex for pin in lock.archives} <= digests
    assert files["recipes/one.toml"].hex in digests
    assert json.loads(read_predicate(data)) == statement["predicate"]


def test_provenance_says_who_built_each_layer() -> None:
    lock = read_lock(ROOT / "images/aarch64-musl/imagefab.lock", recipe="aarch64-musl")
    plan, other = Digest.of_bytes(b"plan"), Digest.of_bytes(b"other")
    origins = {
        "unknown": None,
        "shared": Origin(engine="docker", version="1.0", plan=plan, place="ghcr.io/acme/layers"),
        "earlier": Origin(engine="podman", version="1.0", plan=other),
        "own": Origin(engine="sandbox", version="1.1", plan=plan),
    }
    layers = [make_layer(name, origin) for name, origin in origins.items()]
    images = ImageSet(recipe="one", images=(replace(image(0), layers=tuple(layers)),))
    homes = {"linux/amd64": {"own": ("bash:amd64", "dash:amd64")}}
    data = make_provenance(
        "ghcr.io/acme/one", images, lock, target="x", files={}, plans={"linux/amd64": plan}, homes=homes
    )
    predicate = json.loads(data)["predicate"]
    said = {one["name"]: one["annotations"] for one in predicate["runDetails"]["byproducts"]}
    assert said == {
        "linux/amd64 unknown": {"cached": True},
        "linux/amd64 shared": {
            "engine": "docker", "imagefab": "1.0", "from": "ghcr.io/acme/layers", "cached": True,
        },
        "linux/amd64 earlier": {"engine": "podman", "imagefab": "1.0", "cached": True},
        "linux/amd64 own": {
            "engine": "sandbox", "imagefab": "1.1", "packages": "bash:amd64 dash:amd64", "cached": False,
        },
    }  # fmt: skip
    materials = [one.get("uri", "") for one in predicate["buildDefinition"]["resolvedDependencies"]]
    assert [uri for uri in materials if uri.startswith("oci:")] == [f"oci://ghcr.io/acme/layers@{layers[1].digest}"]


PUBLISHED = Published(
    name="ghcr.io/acme/one",
    digest=Digest.of_bytes(b"index"),
    platforms=(AMD64, ARM64),
    tag="2026-01-02-abc",
    when=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    images=tuple(
        (
            platform.name,
            PublishedImage(
                plan=Digest.of_bytes(b"plan"),
                manifest=Digest.of_bytes(platform.name.encode()),
                config=Digest.of_bytes(b"config"),
                layers=(Digest.of_bytes(b"1"), Digest.of_bytes(b"2")),
            ),
        )
        for platform in (AMD64, ARM64)
    ),
)


def test_a_record_is_read_as_it_was_written() -> None:
    text = render_published("one", PUBLISHED)
    assert parse_published(text, file="x", recipe="one") == PUBLISHED
    assert render_published("one", parse_published(text, file="x", recipe="one")) == text
    single = replace(PUBLISHED, platforms=(AMD64,), images=PUBLISHED.images[:1])
    assert parse_published(render_published("one", single), file="x", recipe="one") == single


@pytest.mark.parametrize(
    ("old", "new"),
    [('plan = "sha256:', 'plan = "sha'), ('manifest = "', 'manifesto = "'), ('layers = [', 'layers = 7 # ['),
     ('[images."linux/amd64"]', 'images = 7\n[x]')],
)  # fmt: skip
def test_broken_records(old: str, new: str) -> None:
    text = render_published("one", PUBLISHED)
    assert old in text
    with pytest.raises(StaleError):
        parse_published(text.replace(old, new, 1), file="x", recipe="one")


def test_a_report() -> None:
    change = ImageChange(
        recipe="one",
        target="aarch64-unknown-linux-gnu",
        packages=tuple(
            PackageChange(platform=platform, name="libssl3", architecture="amd64", old="1", new="2|`<b>`")
            for platform in ("linux/amd64", "linux/arm64")
        ),
        digest=("sha256:before", "sha256:after"),
        sizes=(("linux/amd64", 100_000_000, 101_500_000),),
        probes=(("linux/amd64", "15 pass"),),
        reference="ghcr.io/acme/one@sha256:after",
    )
    log = "it says ```` and <script>\nsecond line"
    dead = DeadPin(reference="ghcr.io/acme/two@sha256:gone", places=("Cross.toml:3:9", "images/two"), reason="404")
    silent = DeadPin(reference="acme/x@sha256:any", places=("Cross.toml:5:9",), reason="it is no name")
    failures = [Failure(recipe="three", log=log), Failure(recipe="four", log="no login", is_built=True)]
    text = compose_report(4, changes=[change], failures=failures, dead=[dead], silent=[silent], files=["Cross.toml"])
    assert "1 of 4 images changed, 2 failed, 1 pins are dead." in text
    assert (
        "### four\n\nIt is built with the new lock and passes all probes, but is not published.\n\n```\nno login"
        in text
    )
    assert "could not be checked\n\n| image" in text
    assert "| `acme/x@sha256:any` | Cross.toml:5:9 | it is no name |" in text
    assert text.count("libssl3") == 1
    assert "| 2\\|\\`\\<b\\>\\` |" in text
    assert "101.5 MB (+1.5 MB)" in text
    assert f"`````\n{log}\n`````" in text
    assert "Cross.toml:3:9<br>images/two" in text
    assert "Published as `ghcr.io/acme/one@sha256:after`" in text


def test_nothing_in_a_report_acts_by_itself() -> None:
    """What steps and registries say is shown: it is no markup, no link and no mention."""
    nasty = "a\x1b[31m <b> [x](https://evil.example) @octocat #1 www.evil.example ![](x) `|` \u202e ##[add-path]/evil"
    dead = DeadPin(reference="ghcr.io/acme/two@sha256:gone", places=(nasty,), reason=nasty)
    text = compose_report(
        1, changes=[], failures=[Failure(recipe=nasty, log=nasty)], dead=[dead], silent=[], files=["a`b|\n# c"]
    )
    outside = "\n".join(text.split("```\n")[::2])
    for acting in ("\x1b", "\u202e", "##["):
        assert acting not in text
    for acting in ("<b>", "[x](", "[](", "https://", "@octocat", "#1", "www.evil", "\n# c"):
        assert acting not in outside
    (row,) = (line for line in text.splitlines() if "ghcr.io" in line)
    assert len(re.findall(r"(?<!\\)\|", row)) == 4


def test_an_empty_report() -> None:
    assert (
        compose_report(3, changes=[], failures=[], dead=[], silent=[], files=[])
        == "# Images refreshed\n\n0 of 3 images changed.\n"
    )

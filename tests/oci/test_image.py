"""Config, manifest and index, byte for byte: their digests are what people pin."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from imagefab.digest import Digest
from imagefab.oci.image import Image, ImageSet, make_image
from imagefab.oci.layer import Layer
from imagefab.platforms import AMD64, ARM64, HostPlatform

GOLDEN = Path(__file__).parent.parent / "golden" / "oci"


def layer(name: str) -> Layer:
    def digest(what: str) -> Digest:
        return Digest.of_bytes(f"{name} {what}".encode())

    return Layer(
        key=digest("key"), name=name, digest=digest("packed"), diff_id=digest("plain"),
        size=1000, plain_size=5000, members=(1000,), listing=digest("listing"),
    )  # fmt: skip


def image(platform: HostPlatform = AMD64, *, env: tuple[tuple[str, str], ...] = (("A", 'q"=é'), ("B", ""))) -> Image:
    return make_image(
        platform,
        [layer("base"), layer("gcc")],
        epoch=1_700_000_000,
        env=env,
        labels=(("z", "last"), ("a", "first")),
        command=("bash",),
    )


def pretty(data: bytes | None) -> str:
    assert data is not None
    return json.dumps(json.loads(data), indent=2, ensure_ascii=False) + "\n"


def test_documents(check_golden: Callable[[Path, str], None]) -> None:
    both = ImageSet(recipe="x", images=(image(), image(ARM64)))
    check_golden(GOLDEN / "config.json", pretty(both.images[0].config))
    check_golden(GOLDEN / "manifest.json", pretty(both.images[0].manifest))
    check_golden(GOLDEN / "index.json", pretty(both.index))
    digests = [both.images[0].config_digest, both.images[0].digest, both.digest]
    check_golden(GOLDEN / "digests.txt", "".join(f"{digest}\n" for digest in digests))


def test_documents_are_canonical_json() -> None:
    for data in (image().config, image().manifest):
        assert data == json.dumps(json.loads(data), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def test_an_index_only_for_several_platforms() -> None:
    one = ImageSet(recipe="x", images=(image(),))
    assert one.index is None
    assert one.digest == image().digest
    two = ImageSet(recipe="x", images=(image(), image(ARM64)))
    assert two.index is not None
    assert two.digest == Digest.of_bytes(two.index)
    assert two.reference == f"x@{two.digest}"


def test_manifests_lead_to_what_they_name() -> None:
    made = image()
    manifest = json.loads(made.manifest)
    assert manifest["config"]["digest"] == str(Digest.of_bytes(made.config))
    assert manifest["config"]["size"] == len(made.config)
    assert [entry["digest"] for entry in manifest["layers"]] == [str(one.digest) for one in made.layers]
    config = json.loads(made.config)
    assert config["rootfs"]["diff_ids"] == [str(one.diff_id) for one in made.layers]
    assert len(config["history"]) == len(made.layers)
    assert made.size == 2000 + len(made.config) + len(made.manifest)


def test_an_index_distinguishes_platforms() -> None:
    assert json.loads(image(ARM64).config)["architecture"] == "arm64"
    assert image(ARM64).digest != image(AMD64).digest


def test_the_order_of_the_environment_is_kept() -> None:
    """A variable may build on one before it."""
    assert json.loads(image(env=(("Z", "1"), ("A", "2"))).config)["config"]["Env"] == ["Z=1", "A=2"]

"""What is built to verify an image, and when the two are the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.sample_recipe import prepare

from imagefab.digest import Digest
from imagefab.flows.prepare import choose_platforms
from imagefab.flows.verify import Given, Verified, choose_compared
from imagefab.oci.image import ImageSet, make_image
from imagefab.platforms import AMD64, ARM64
from imagefab.records.published import Published

BOTH = ("linux/amd64", "linux/arm64")
IMAGES = ImageSet(
    recipe="small",
    images=tuple(make_image(one, (), epoch=0, env=(), labels=(), command=("sh",)) for one in (AMD64, ARM64)),
)
INDEX = Given(name="a digest", digest=IMAGES.digest)
PUBLISHED = Published(name="ghcr.io/acme/small", digest=IMAGES.digest, platforms=(AMD64, ARM64), tag="t", images=())


def test_the_digest_that_was_published_is_of_its_platforms() -> None:
    prepared = prepare()
    assert prepared.recipe.platforms == BOTH
    assert choose_compared(prepared, INDEX, (), PUBLISHED) == BOTH
    assert choose_compared(prepared, INDEX, ["linux/arm64"], PUBLISHED) == ("linux/arm64",)
    other = replace(INDEX, digest=Digest.of_bytes(b"another"))
    for published in (PUBLISHED, None):
        assert choose_compared(prepared, other, (), published) == choose_platforms(prepared.recipe)


@pytest.mark.parametrize(
    ("digest", "is_same"),
    [
        (IMAGES.digest, True),
        (IMAGES.images[0].digest, True),
        (IMAGES.images[1].digest, True),
        (Digest.of_bytes(b"another"), False),
    ],
)
def test_a_digest_is_of_all_images_or_of_one(digest: Digest, is_same: bool) -> None:
    given = replace(INDEX, digest=digest)
    verdict = Verified(recipe="small", given=given, images=IMAGES, platforms=(), is_part=False, seconds=0)
    assert verdict.is_same is is_same

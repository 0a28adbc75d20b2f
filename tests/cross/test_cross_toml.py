"""What becomes of a Cross.toml and what is said of it, as scenario folders: before.toml, after.toml and remarks.txt.

A folder's name begins with the version of cross that it is for. `pytest --rewrite-golden` writes the other two anew.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.cross.sample_cross_tomls import cross_tomls

from imagefab.cross.choice import choose_one_each
from imagefab.cross.cross_toml import Entry, compose_cross_toml, list_used, update_cross_toml
from imagefab.cross.file import UserFile, place_remarks
from imagefab.cross.lint import check_cross_toml
from imagefab.cross.pin import Pin
from imagefab.cross.profile import MAIN, PROFILES, RELEASE, Profile, guess_profile
from imagefab.digest import Digest
from imagefab.errors import UsageError
from imagefab.platforms import AMD64, ARM64, HostPlatform
from imagefab.toml.edit import EditError, read_data

GOLDEN = Path(__file__).parent.parent / "golden" / "cross-toml"


def make_entry(recipe: str, triple: str, *platforms: HostPlatform, runners: tuple[str, ...] = ("native",)) -> Entry:
    digest = Digest(recipe[-1].encode().hex()[-1] * 64)
    pin = Pin(reference=f"ghcr.io/acme/images/{recipe}@{digest}", digest=digest, platforms=platforms or (AMD64,))
    return Entry(
        recipe=recipe, triple=triple, pin=pin, runners={p.name: frozenset(runners) for p in platforms or (AMD64,)}
    )


BOTH = make_entry("aarch64-musl", "aarch64-unknown-linux-musl", AMD64, ARM64, runners=("qemu-user", "native"))
ONE = make_entry("x86_64-gnu", "x86_64-unknown-linux-gnu")
ENTRIES = (BOTH, ONE, make_entry("thumbv8m.base", "thumbv8m.base-none-eabi", runners=("qemu-system",)))


@pytest.mark.parametrize("case", sorted(path.name for path in GOLDEN.iterdir()))
def test_files(case: str, check_golden: Callable[[Path, str], None]) -> None:
    profile = {"release": RELEASE, "main": MAIN}[case.partition("-")[0]]
    before = (GOLDEN / case / "before.toml").read_text()
    update = update_cross_toml(before, ENTRIES, profile, custom={"our-own-os"})
    file = UserFile(path=Path("Cross.toml"), shown="Cross.toml", text=before if update.is_refused else update.text)
    remarks = "\n".join(
        f"{error.position}: {'error' if remark.fatal else 'warning'}: {error.problem}\n"
        + (f"    hint: {error.hint}\n" if error.hint else "")
        for remark, error in place_remarks(file, update.remarks)
    )
    check_golden(GOLDEN / case / "after.toml", file.text)
    check_golden(GOLDEN / case / "remarks.txt", remarks)
    assert update.is_refused == ("refused" in case or case in ("release-mixed", "release-no-table"))
    if not update.is_refused:
        again = update_cross_toml(update.text, ENTRIES, profile, custom={"our-own-os"})
        assert again.text == update.text
        assert not again.differences


@pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
def test_what_is_composed_has_nothing_to_remark(profile: Profile) -> None:
    update = update_cross_toml(compose_cross_toml(ENTRIES[:2], profile), ENTRIES[:2], profile)
    assert (update.remarks, update.differences) == ((), ())


def test_a_target_that_the_release_leaves_to_the_host() -> None:
    entry = make_entry("riscv64gc-none", "riscv64gc-unknown-none-elf")
    (remark,) = update_cross_toml("", [entry], RELEASE).remarks
    assert "does not use a container for riscv64gc-unknown-none-elf" in remark.text
    assert update_cross_toml("", [entry], MAIN).remarks == ()


def test_which_host_platforms_need_a_table() -> None:
    arm = make_entry("x", "x86_64-unknown-linux-gnu", ARM64)
    data = {entry.pin.platforms: read_data(compose_cross_toml([entry], MAIN)) for entry in (ONE, BOTH, arm)}
    images = [next(iter(value["target"].values()))["image"] for value in data.values()]
    assert images == [
        ONE.pin.reference,
        {
            "name": BOTH.pin.reference,
            "toolchain": ["linux/amd64=x86_64-unknown-linux-gnu", "linux/arm64=aarch64-unknown-linux-gnu"],
        },
        {"name": arm.pin.reference, "toolchain": ["linux/arm64=aarch64-unknown-linux-gnu"]},
    ]


@pytest.mark.parametrize(
    "text", ["target.x.image = {}", "build.zig = false", "target.x.zig = '2.17'", "build.build-std = ['core']"]
)
def test_files_for_main_are_known(text: str) -> None:
    assert guess_profile(read_data(text)) is MAIN


@pytest.mark.parametrize(
    "text", ["", "target = 1", "build = 1", "target.x = 1", "build.build-std = true", "target.x.image = 'x'"]
)
def test_other_files_are_for_both(text: str) -> None:
    assert guess_profile(read_data(text)) is RELEASE


@given(cross_tomls(), st.sampled_from([RELEASE, MAIN]))
def test_any_file(text: str, profile: Profile) -> None:
    """Whatever is there: an update that says what it must, or a refusal; and a second one changes nothing."""
    try:
        update = update_cross_toml(text, ENTRIES, profile)
    except EditError:
        return
    if update.is_refused:
        return
    data = read_data(update.text)
    for entry in ENTRIES:
        image = data["target"][entry.triple]["image"]
        assert (image if isinstance(image, str) else image["name"]) == entry.pin.reference
    again = update_cross_toml(update.text, ENTRIES, profile)
    assert (again.text, again.differences, again.remarks) == (update.text, (), update.remarks)


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["target", "build", "image", "zig", "env", "dockerfile", "name", "x"]), inner)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["target", "build", "x"]), json))
def test_any_document_can_be_checked(data: dict[str, object]) -> None:
    for profile in PROFILES.values():
        check_cross_toml(data, profile, ours={})


# -- rivals -----------------------------------------------------------------------------------------------------------

RIVAL = make_entry("x86_64-gnu-zig", "x86_64-unknown-linux-gnu")
THIRD = make_entry("x86_64-gnu-llvm", "x86_64-unknown-linux-gnu")


def test_two_recipes_for_one_target() -> None:
    with pytest.raises(UsageError) as caught:
        choose_one_each([BOTH, ONE, RIVAL, THIRD], {"aarch64-unknown-linux-musl": "x86_64-gnu"}, file="Cross.toml")
    assert caught.value.problem == (
        "x86_64-gnu, x86_64-gnu-zig and x86_64-gnu-llvm are for the same target, x86_64-unknown-linux-gnu, "
        "which has one place in Cross.toml"
    )
    assert caught.value.hint == "name the recipes to use, like `imagefab cross-toml aarch64-musl x86_64-gnu`"


@pytest.mark.parametrize(
    "image",
    [
        "ghcr.io/elsewhere/x86_64-gnu-zig@sha256:" + "0" * 64,
        "localhost/imagefab/x86_64-gnu-zig:sha256-222222222222",
        "localhost:5000/x86_64-gnu-zig",
        {"name": "x86_64-gnu-zig:v1", "toolchain": []},
    ],
)
def test_the_file_says_which_is_used(image: object) -> None:
    used = list_used({"target": {"x86_64-unknown-linux-gnu": {"image": image}, "aarch64-unknown-linux-gnu": 1}})
    assert choose_one_each([BOTH, ONE, RIVAL, THIRD], used, file="Cross.toml") == (BOTH, RIVAL)

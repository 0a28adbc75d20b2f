"""Catalogues: merging loses nothing and gives the same in any order, and what strangers write must be valid."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import reduce
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.records.sample_catalogue import NAMESPACE, day, make_catalogue, make_entry, make_image

from imagefab.recipe.project import find_shipped_project
from imagefab.records.catalogue import (
    Catalogue,
    Entry,
    follow_entry,
    format_catalogue,
    is_update_tag,
    make_update_tag,
    merge_catalogues,
    merge_entries,
    parse_catalogue,
)
from imagefab.records.catalogue_schema import CATALOGUE_SCHEMA, FILE, render_catalogue_schema
from imagefab.toml.record import RecordError

ONE = make_catalogue(make_entry("one"), make_entry("two", "b", 2, libc=None), updates=("update-x",))
ENTRIES = st.builds(
    make_entry, st.sampled_from(["one", "two"]), st.text("abc", min_size=1, max_size=1), st.integers(0, 9)
)


def merge(*entries: Entry) -> Catalogue:
    return reduce(merge_catalogues, [make_catalogue(entry) for entry in entries], Catalogue())


def list_known(catalogue: Catalogue) -> set[tuple[str, str]]:
    return {(entry.recipe, image.tag) for entry in catalogue.entries for image in (entry.current, *entry.replaced)}


@settings(max_examples=60, deadline=None)
@given(st.lists(ENTRIES, min_size=1, max_size=6), st.randoms())
def test_any_order_gives_the_same_and_loses_nothing(entries: list[Entry], random: Any) -> None:
    merged = merge(*entries)
    assert list_known(merged) == {(entry.recipe, entry.current.tag) for entry in entries}
    assert merge_catalogues(merged, merged) == merged
    shuffled = list(entries)
    random.shuffle(shuffled)
    again = merge(*shuffled)
    assert list_known(again) == list_known(merged)
    assert [one.digest for one in again.entries] == [one.digest for one in merged.entries]
    half = len(shuffled) // 2
    assert merge_catalogues(merge(*shuffled[half:]), merge(*shuffled[:half]), merged) == merged


def test_the_last_published_is_the_current_one() -> None:
    merged = merge_entries(make_entry(content="new", number=5), make_entry(content="old", number=1))
    assert merged.current == make_image("new", 5)
    assert merged.replaced == (make_image("old", 1),)
    back = merge_entries(merged, make_entry(content="old", number=7))
    assert back.current == make_image("old", 7)
    assert back.replaced == (make_image("new", 5), make_image("old", 1))


def test_the_same_image_keeps_its_date() -> None:
    known = make_entry(number=1)
    assert follow_entry(known, make_entry(number=5)) is known
    changed = follow_entry(known, make_entry(number=5, description="better words"))
    assert (changed.current, changed.updated, changed.description) == (known.current, day(5), "better words")
    assert merge_entries(known, changed) == changed
    other = make_entry(content="b", number=5)
    assert follow_entry(known, other) == other
    assert follow_entry(None, other) == other


def test_one_recipe_for_a_target() -> None:
    several = make_catalogue(
        make_entry("arm-zig"), make_entry("arm"), make_entry("arm-old"), make_entry("x", target="x")
    )
    chosen = several.choose_default("aarch64-unknown-linux-gnu")
    assert chosen is not None
    assert chosen.recipe == "arm"
    preferred = merge_catalogues(several, make_catalogue(make_entry("arm-old", number=2, default=True)))
    chosen = preferred.choose_default("aarch64-unknown-linux-gnu")
    assert chosen is not None
    assert chosen.recipe == "arm-old"
    assert several.choose_default("wasm32-wasip1") is None


def test_what_is_written_is_read() -> None:
    data = format_catalogue(ONE)
    assert parse_catalogue(data) == ONE
    jsonschema.validate(json.loads(data), CATALOGUE_SCHEMA, format_checker=jsonschema.FormatChecker())
    assert parse_catalogue(data.replace(b'"kind"', b'"later": [1], "kind"')) == ONE


def test_the_schema_is_up_to_date() -> None:
    jsonschema.Draft202012Validator.check_schema(CATALOGUE_SCHEMA)
    assert (find_shipped_project().images_dir / FILE).read_text() == render_catalogue_schema(), "`make schemas`"


def change(path: str, value: object) -> bytes:
    document = json.loads(format_catalogue(ONE))
    *way, last = path.split(".")
    place = reduce(lambda found, key: found[int(key) if key.isdigit() else key], way, document)
    if value is None:
        del place[last]
    else:
        place[last] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("schema", 2),
        ("schema", None),
        ("images", {}),
        ("updates", [1]),
        ("images.0.reference", "ghcr.io/acme/images/one:latest"),
        ("images.0.reference", f"{NAMESPACE}/two@{make_image('a', 1).digest}"),
        ("images.0.reference", f"{NAMESPACE}/one@{make_image('b', 1).digest}"),
        ("images.0.recipe", "../one"),
        ("images.0.digest", "sha256:abc"),
        ("images.0.published", "yesterday"),
        ("images.0.published", "2026-13-01T00:00:00Z"),
        ("images.0.description", "two\nlines"),
        ("images.0.target", 'x"]'),
        ("images.0.default", 1),
        ("images.0.platforms", {}),
        ("images.0.platforms.linux/amd64.size", -1),
        ("images.0.platforms.linux/amd64.facts", {"a": "b c"}),
        ("images.0.replaced", [{}]),
    ],
)
def test_invalid(path: str, value: object) -> None:
    with pytest.raises(RecordError, match=r"schema|images|updates"):
        parse_catalogue(change(path, value))


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_no_catalogue(data: bytes) -> None:
    with pytest.raises(RecordError):
        parse_catalogue(data)


def test_tags_of_updates() -> None:
    early, late = (make_update_tag([make_entry()], day(number)) for number in (1, 2))
    assert early < late
    assert is_update_tag(early)
    assert make_update_tag([make_entry("two")], day(1)) != early
    assert not any(map(is_update_tag, ("latest", "sha256-abc", f"{early}.sig")))
    assert ONE.knows("update-x")
    assert not ONE.knows(early)
    full = replace(ONE, updates=tuple(make_update_tag([make_entry()], day(number)) for number in range(300, 100, -1)))
    assert full.knows(early)
    assert not full.knows(make_update_tag([make_entry("two")], day(150)))

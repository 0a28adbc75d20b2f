"""`imagefab cross-toml --from`: pins from a catalogue on a registry, where there are no recipes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import RunImagefab, read_json
from tests.records.sample_catalogue import make_catalogue, make_entry, make_image
from tests.registry.fake_registry import FakeRegistry, serve
from tests.registry.test_push import QUICK

from imagefab.errors import MismatchError
from imagefab.flows.catalogue import TAG, open_catalogue
from imagefab.records.catalogue import Entry, format_catalogue, merge_entries
from imagefab.registry.client import Client

GNU, MUSL, WASM = "aarch64-unknown-linux-gnu", "aarch64-unknown-linux-musl", "wasm32-wasip1"


class Namespace:
    """A namespace on a fake registry."""

    def __init__(self, registry: FakeRegistry) -> None:
        self.name = f"{registry.host}/acme/images"
        self._client = Client(registry.host, patience=QUICK)
        self.keep(
            self.entry("arm", "arm-2", 2, before=("arm-1", 1)),
            self.entry("arm-old", "old", 1),
            self.entry("musl", "musl", 1, target=MUSL, libc="musl"),
        )

    def entry(
        self, recipe: str, content: str, number: int, *, before: tuple[str, int] | None = None, **more: Any
    ) -> Entry:
        entry = make_entry(recipe, content, number, namespace=self.name, **more)
        return entry if before is None else merge_entries(entry, make_entry(recipe, *before, namespace=self.name))

    def keep(self, *entries: Entry) -> None:
        data = format_catalogue(make_catalogue(*entries))
        artifacts = open_catalogue(self._client, self.name)
        artifacts.push(data)
        artifacts.tag(data, TAG)

    def close(self) -> None:
        self._client.close()

    def reference(self, recipe: str, content: str, *, tag: str = "") -> str:
        return f"{self.name}/{recipe}{tag}@{make_image(content, 0).digest}"


@pytest.fixture
def place(one_authority: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Namespace]:
    monkeypatch.setenv("SSL_CERT_FILE", str(one_authority))
    with serve() as registry:
        namespace = Namespace(registry)
        yield namespace
        namespace.close()


def write(folder: Path, **images: str) -> Path:
    """A Cross.toml with an image for some targets; empty for a target without one."""
    triples = {"gnu": GNU, "musl": MUSL, "wasm": WASM}
    lines = [f"[target.{triples[key]}]\n" + (f'image = "{image}"\n' if image else "") for key, image in images.items()]
    path = folder / "Cross.toml"
    path.write_text("# ours\n" + "\n".join(lines))
    return path


def test_what_the_file_names_already(imagefab: RunImagefab, nowhere: Path, place: Namespace) -> None:
    """And nothing else: neither other images nor other targets."""
    file = write(nowhere, gnu=f"{place.name}/arm-old:latest", musl="ghcr.io/cross-rs/x:main", wasm="")
    before = file.read_text()
    result = imagefab("cross-toml", "--from", place.name)
    assert (result.code, result.out) == (0, f"{place.reference('arm-old', 'old')}\n"), result.err
    assert file.read_text() == before.replace(f"{place.name}/arm-old:latest", place.reference("arm-old", "old"))
    again = imagefab("cross-toml", "--from", place.name, "--exit-code")
    assert (again.code, again.out) == (0, result.out)
    assert again.err.endswith("Cross.toml is up to date\n")
    assert [path.name for path in nowhere.iterdir()] == ["Cross.toml"]


def test_an_earlier_pin_moves_on(imagefab: RunImagefab, nowhere: Path, place: Namespace) -> None:
    file = write(nowhere, gnu=place.reference("arm", "arm-1"))
    check = imagefab("cross-toml", "--from", place.name, "--check")
    assert check.code == 4
    assert f"hint: run `imagefab cross-toml --from {place.name}`" in check.err
    result = imagefab("cross-toml", "--from", place.name, "--exit-code", "--json")
    assert result.code == 10
    (target,) = read_json(result)["targets"]
    assert (target["recipe"], target["changed"]) == ("arm", True)
    assert place.reference("arm", "arm-2") in file.read_text()
    assert imagefab("cross-toml", "--from", place.name, "--check", "--exit-code").code == 0


def test_all_targets_that_it_has(imagefab: RunImagefab, nowhere: Path, place: Namespace) -> None:
    """One recipe a target: the one named, or else the catalogue's default."""
    file = write(nowhere, gnu="ghcr.io/cross-rs/x:main", musl="", wasm="")
    result = imagefab("cross-toml", "--from", place.name, "--targets")
    assert result.code == 0
    assert result.out.splitlines() == [place.reference("arm", "arm-2"), place.reference("musl", "musl")]
    assert f"{WASM} is left as it is: {place.name} has no image for it" in result.err
    assert file.read_text().count("image = ") == 2
    write(nowhere, gnu=f"{place.name}/arm-old")
    assert imagefab("cross-toml", "--from", place.name, "--targets").out == f"{place.reference('arm-old', 'old')}\n"


def test_the_default_of_the_project(imagefab: RunImagefab, nowhere: Path, place: Namespace) -> None:
    place.keep(place.entry("arm", "arm-2", 2), place.entry("arm-old", "old", 1, default=True))
    write(nowhere, gnu="")
    assert imagefab("cross-toml", "--from", place.name, "--targets").out == f"{place.reference('arm-old', 'old')}\n"


def test_a_target_with_a_dockerfile_is_left_alone(imagefab: RunImagefab, nowhere: Path, place: Namespace) -> None:
    file = nowhere / "Cross.toml"
    file.write_text(f'[target.{GNU}]\ndockerfile = "Dockerfile"\n\n[target.{MUSL}]\n')
    result = imagefab("cross-toml", "--from", place.name, "--targets")
    assert (result.code, result.out) == (0, f"{place.reference('musl', 'musl')}\n")
    assert f"{GNU} is left as it is: Cross.toml builds its image from a Dockerfile" in result.err


def test_recipes_by_name(imagefab: RunImagefab, nowhere: Path, place: Namespace) -> None:
    result = imagefab("cross-toml", "arm-old", "musl", "--from", place.name)
    assert result.code == 0
    text = (nowhere / "Cross.toml").read_text()
    assert f'[target.{GNU}]\nimage = "{place.reference("arm-old", "old")}"\n' in text
    refused = imagefab("cross-toml", "arn", "--from", place.name)
    assert refused.code == 2
    assert f"{place.name} has no image `arn`\n\nhint: did you mean `arm`?" in refused.err
    assert imagefab("cross-toml", "arm", "arm-old", "--from", place.name).code == 2


def test_a_tag_for_readers(imagefab: RunImagefab, nowhere: Path, place: Namespace) -> None:
    file = write(nowhere, gnu=f"{place.name}/arm")
    wanted = place.reference("arm", "arm-2", tag=":tag-arm-2")
    assert imagefab("cross-toml", "--from", place.name, "--with-tag").out == f"{wanted}\n"
    assert wanted in file.read_text()
    assert imagefab("cross-toml", "--from", place.name, "--check").code == 0, "who has a tag keeps it"


def test_a_mirror_of_the_namespace(imagefab: RunImagefab, nowhere: Path, place: Namespace) -> None:
    """Entries name the place of publication; what is pinned is what was asked."""
    entry = make_entry("arm", "arm-2", 2, namespace="ghcr.io/acme/images")
    place.keep(entry)
    file = write(nowhere, gnu="ghcr.io/acme/images/arm:latest")
    assert imagefab("cross-toml", "--from", place.name).code == 0
    assert place.reference("arm", "arm-2") in file.read_text()


def test_a_moved_floor_is_said(imagefab: RunImagefab, nowhere: Path, place: Namespace) -> None:
    old = make_entry("arm", "arm-1", 1, namespace=place.name)
    new = make_entry("arm", "arm-2", 2, namespace=place.name, floor="2.36")
    place.keep(merge_entries(old, new))
    write(nowhere, gnu=place.reference("arm", "arm-1"))
    result = imagefab("cross-toml", "--from", place.name)
    assert f"{GNU}: programs may need glibc 2.36 from now on, and needed 2.41 at most before" in result.err
    assert "from now on" not in imagefab("cross-toml", "--from", place.name).err


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_nothing_to_pin(imagefab: RunImagefab, nowhere: Path, place: Namespace) -> None:
    """A nightly job that does nothing forever would look fine."""
    for options in ([], ["--check"]):
        write(nowhere, gnu="ghcr.io/cross-rs/x:main")
        result = imagefab("cross-toml", "--from", place.name, *options)
        assert result.code == 2
        assert f"no image in Cross.toml is from {place.name}" in result.err
        assert "`--targets`" in result.err
        assert f"`imagefab cross-toml arm --from {place.name}`" in result.err
    write(nowhere, wasm="")
    result = imagefab("cross-toml", "--from", place.name, "--targets")
    assert result.code == 2
    assert "name a recipe of it: arm, arm-old, musl" in result.err
    (nowhere / "Cross.toml").unlink()
    assert imagefab("cross-toml", "--from", place.name, "--targets").code == 2


def test_an_image_that_is_gone(imagefab: RunImagefab, nowhere: Path, place: Namespace) -> None:
    write(nowhere, gnu=f"{place.name}/gone:latest", musl=f"{place.name}/musl")
    result = imagefab("cross-toml", "--from", place.name)
    assert result.code == 3
    assert f"Cross.toml:3:9: error: {place.name} has no image `gone` any more" in result.err
    assert f"for {GNU} it has arm, arm-old" in result.err


def test_no_catalogue(imagefab: RunImagefab, nowhere: Path, place: Namespace) -> None:
    result = imagefab("cross-toml", "arm", "--from", f"{place.name}/none")
    assert result.code == 6
    assert f"{place.name}/none has no catalogue" in result.err
    assert not (nowhere / "Cross.toml").exists()


def test_keys(imagefab: RunImagefab, nowhere: Path, place: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    result = imagefab("cross-toml", "arm", "--from", place.name, "--key", "cosign.pub")
    assert result.code == 2
    assert "there is no key cosign.pub" in result.err
    asked = []

    def refuse(self: object, reference: str) -> None:
        asked.append(reference)
        raise MismatchError("not signed")

    monkeypatch.setattr("imagefab.attest.sign.Verifier.verify", refuse)
    (nowhere / "cosign.pub").write_text("key")
    assert imagefab("cross-toml", "arm", "--from", place.name, "--key", "cosign.pub").code == 7
    assert asked[0].startswith(f"{place.name}/catalogue@sha256:")
    assert not (nowhere / "Cross.toml").exists()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--from", "https://ghcr.io/acme"], "--from: `https://ghcr.io/acme` is not a registry"),
        (["--from", "ghcr.io/acme", "--to", "ghcr.io/acme"], "--from can't be used with --to"),
        (["--from", "ghcr.io/acme", "--local"], "--from can't be used with --local"),
        (["--from", "ghcr.io/acme", "--cargo-config", "x"], "--from can't be used with --cargo-config"),
        (["--from", "ghcr.io/acme", "--targets", "arm"], "--targets can't be used with recipes"),
        (["--targets"], "--targets requires --from"),
        (["--with-tag"], "--with-tag requires --from"),
        (["--key", "x"], "--key requires --from"),
    ],
)
def test_what_does_not_go_together(imagefab: RunImagefab, nowhere: Path, words: list[str], problem: str) -> None:
    result = imagefab("cross-toml", *words)
    assert result.code == 2
    assert problem in result.err


def test_offline(imagefab: RunImagefab, nowhere: Path) -> None:
    assert imagefab("cross-toml", "arm", "--from", "ghcr.io/acme/images", "--offline").code == 2

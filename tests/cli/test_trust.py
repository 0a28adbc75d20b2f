"""Whom to trust is not for a change to say: `--trust-from`, and layers that are held against a project's records."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.cli.conftest import RunImagefab, read_json
from tests.cli.test_matrix import git
from tests.engines.fake_engine import FakeEngine
from tests.oci.sample_trees import file
from tests.oci.test_verify import pack
from tests.registry.fake_registry import FakeRegistry, serve

from imagefab.cli.main import make_parser
from imagefab.cli.surroundings import read_surroundings
from imagefab.digest import Digest, canonical_json
from imagefab.flows.workspace import Workspace
from imagefab.oci.layer import Layer
from imagefab.oci.tarfmt import END, encode_node
from imagefab.progress import SilentProgress
from imagefab.recipe.project import Settings
from imagefab.records.checked import Checked, render_checked

RECIPE = "aarch64-gnu"


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with serve() as registry:
        yield registry


@pytest.fixture
def repository(small_project: Path, registry: FakeRegistry) -> Path:
    """A project that shares its layers, as it was committed."""
    (small_project / "imagefab.toml").write_text(f'[publish]\nlayers = "{registry.host}/team/layers"\n')
    (small_project / "images" / RECIPE / "checked.toml").unlink()
    git(small_project, "init")
    git(small_project, "add", ".")
    git(small_project, "commit", "--message", "first")
    return small_project


def open_workspace(*arguments: str) -> Workspace:
    return Workspace(read_surroundings(make_parser().parse_args(["list", *arguments])), SilentProgress())


def read_settings(*arguments: str) -> Settings:
    return open_workspace(*arguments).project.settings


def test_settings_of_a_revision(repository: Path, registry: FakeRegistry) -> None:
    """A change sets all that says whom to trust. None of it is used."""
    before = read_settings()
    (repository / "imagefab.toml").write_text(
        '[publish]\nto = "evil.example.org/x"\nlayers = "evil.example.org/x/layers"\nprivate = true\n'
        'sign-key = "/proc/self/environ"\n[store]\npath = "/var/lib"\n[mirrors]\ndebian = ["http://evil.example.org/x"]\n'
    )
    assert read_settings().layers == "evil.example.org/x/layers"
    assert read_settings("--trust-from", "HEAD") == before
    git(repository, "commit", "--all", "--message", "second")
    assert read_settings("--trust-from=HEAD^") == before
    assert before == Settings(layers=f"{registry.host}/team/layers")


def test_a_revision_without_settings(small_project: Path) -> None:
    git(small_project, "init")
    git(small_project, "add", ".")
    git(small_project, "commit", "--message", "first")
    (small_project / "imagefab.toml").write_text('[publish]\nto = "evil.example.org/x"\n')
    assert read_settings("--trust-from", "HEAD") == Settings()


def test_a_link_is_no_file_of_a_revision(repository: Path) -> None:
    (repository / "imagefab.toml").rename(repository / "other.toml")
    (repository / "imagefab.toml").symlink_to("other.toml")
    git(repository, "add", ".")
    git(repository, "commit", "--message", "second")
    assert read_settings("--trust-from", "HEAD") == Settings()


def test_a_project_below_the_top_of_its_repository(small_project: Path, tmp_path: Path) -> None:
    (small_project / "imagefab.toml").write_text('[publish]\nto = "good.example.org/x"\n')
    git(tmp_path, "init")
    git(tmp_path, "add", "small-project")
    git(tmp_path, "commit", "--message", "first")
    (small_project / "imagefab.toml").unlink()
    assert read_settings("--trust-from", "HEAD").publish_to == "good.example.org/x"


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("revision", ["gone", "-x", "--output=x", "", "HEAD:recipes"])
def test_no_such_revision(revision: str, imagefab: RunImagefab) -> None:
    result = imagefab("list", f"--trust-from={revision}")
    assert (result.code, result.out) == (2, "")
    assert "error: there is no git revision" in result.err


@pytest.mark.usefixtures("nowhere")
def test_outside_of_a_project(imagefab: RunImagefab) -> None:
    assert imagefab("list", "--trust-from", "HEAD").code == 2


def test_mistakes_of_a_revision_have_their_place(repository: Path, imagefab: RunImagefab) -> None:
    (repository / "imagefab.toml").write_text("[publish]\nto = 7\n")
    git(repository, "commit", "--all", "--message", "second")
    (repository / "imagefab.toml").write_text("")
    result = imagefab("list", "--trust-from", "HEAD")
    assert result.code == 3
    assert "HEAD:imagefab.toml:2:6: error" in result.err


# -- layers from elsewhere --------------------------------------------------------------------------------------------


@pytest.fixture
def shared(repository: Path, registry: FakeRegistry, imagefab: RunImagefab, engine: FakeEngine) -> str:
    """The digest of the image whose layers the registry has."""
    result = imagefab("build", RECIPE, "--push-layers", "--json")
    assert result.code == 0, result.err
    digest = read_json(result)["images"][0]["digest"]
    assert isinstance(digest, str)
    engine.built.clear()
    return digest


def forge(registry: FakeRegistry) -> None:
    """Another layer under the key of one that is there, all digests right."""
    name = next(name for name in registry.manifests if ":" not in name[1])
    kind, data = registry.manifests[name]
    manifest = json.loads(data)
    (record,) = map(Layer.from_record, json.loads(registry.blobs[name[0], manifest["config"]["digest"]])["layers"])
    other, packed = pack(encode_node("backdoor", file(mode=0o4755)) + END)
    text = canonical_json({"layers": [replace(other, key=record.key, name=record.name).record()]})
    for blob in (text, packed):
        registry.blobs[name[0], str(Digest.of_bytes(blob))] = blob
    manifest["config"] = {"digest": str(Digest.of_bytes(text)), "size": len(text)}
    manifest["layers"] = [{"digest": str(other.digest), "size": other.size}]
    registry.manifests[name] = (kind, json.dumps(manifest).encode())


def test_a_change_does_not_bring_layers(
    repository: Path, registry: FakeRegistry, imagefab: RunImagefab, shared: str, tmp_path: Path, engine: FakeEngine
) -> None:
    """Of a pull request that names a place of its own, with layers that nobody has looked at."""
    forge(registry)
    (repository / "imagefab.toml").rename(repository / "kept.toml")
    git(repository, "add", ".")
    git(repository, "commit", "--message", "second")
    (repository / "imagefab.toml").write_text((repository / "kept.toml").read_text())
    asked = ("build", RECIPE, "--store", str(tmp_path / "elsewhere"))
    built = imagefab(*asked, "--trust-from", "HEAD")
    assert built.out == f"{RECIPE}@{shared}\n"
    assert engine.built
    assert imagefab(*asked[:2], "--store", str(tmp_path / "third")).out != built.out, "without it, they are taken"


def check(repository: Path, digest: str) -> None:
    """A record that says what the image is."""
    (prepared,) = open_workspace().prepare([RECIPE])
    (planned,) = prepared.choose_plans()
    one = Checked(plan=planned.key, manifest=Digest.parse(digest), size=1, passed=(), failed=(), skipped=(), facts={})
    path = repository / "images" / RECIPE / "checked.toml"
    path.write_text(render_checked(RECIPE, {planned.platform.name: one}))


def test_an_image_is_what_was_checked(
    repository: Path, registry: FakeRegistry, imagefab: RunImagefab, shared: str, tmp_path: Path
) -> None:
    """Layers of other machines that lead to another image are not used, and not kept."""
    check(repository, shared)
    store = ("--store", str(tmp_path / "elsewhere"))
    assert imagefab("build", RECIPE, *store).out == f"{RECIPE}@{shared}\n"
    forge(registry)
    store = ("--store", str(tmp_path / "third"))
    for _ in range(2):
        refused = imagefab("build", RECIPE, *store)
        assert (refused.code, refused.out) == (7, "")
        assert "another image is on record" in refused.err
    assert imagefab("build", RECIPE, *store, "--no-cache").out == f"{RECIPE}@{shared}\n"


def test_a_record_is_the_revisions(
    repository: Path, registry: FakeRegistry, imagefab: RunImagefab, shared: str, tmp_path: Path
) -> None:
    """A change can't say what an image has to be, either."""
    check(repository, shared)
    git(repository, "add", ".")
    git(repository, "commit", "--message", "second")
    forge(registry)
    (repository / "images" / RECIPE / "checked.toml").unlink()
    store = ("--store", str(tmp_path / "elsewhere"))
    assert imagefab("build", RECIPE, *store, "--trust-from", "HEAD").code == 7
    assert imagefab("build", RECIPE, *store).code == 0, "nothing says what it is"


def test_a_store_that_was_committed_is_refused(repository: Path, imagefab: RunImagefab, engine: FakeEngine) -> None:
    """A change could bring layers, which are believed by their keys."""
    store = repository / ".imagefab"
    assert imagefab("build", RECIPE, "--store", str(store)).code == 0
    git(repository, "add", "--force", ".imagefab/CACHEDIR.TAG")
    refused = imagefab("build", RECIPE, "--store", str(store))
    assert refused.code == 2
    assert "are committed" in refused.err
    git(repository, "rm", "--cached", "--quiet", ".imagefab/CACHEDIR.TAG")
    assert imagefab("build", RECIPE, "--store", str(store)).code == 0

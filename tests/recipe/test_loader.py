"""Loading recipes: good ones become values, and bad ones are refused."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.recipe.conftest import ROOT_BASE

from imagefab.digest import Digest
from imagefab.errors import Position, RecipeError, SeveralErrors, UsageError
from imagefab.recipe.loader import list_recipes, load_recipes
from imagefab.recipe.model import Additions, Archive, FileSpec, Recipe, RunSpec, SourceSpec
from imagefab.recipe.project import Project
from imagefab.recipe.rules import KindRules
from imagefab.toolchains.design import RULES

Rules = Mapping[str, KindRules]
SHA = "0" * 64
GOOD = """\
description = "static binaries"
target = "aarch64-unknown-linux-musl"
kind = "musl"
base = "root"
"""


def load(project: Project, rules: Rules, *names: str) -> Recipe:
    (recipe,) = load_recipes(project, rules, names or ("good",))
    return recipe


def refuse(project: Project, rules: Rules) -> list[RecipeError]:
    with pytest.raises(SeveralErrors) as caught:
        load_recipes(project, rules)
    assert caught.value.exit_code == 3
    return [error for error in caught.value.errors if isinstance(error, RecipeError)]


def test_a_whole_recipe(write_project: Any, rules: Rules) -> None:
    text = f"""
        description = "everything"
        target = "aarch64-unknown-linux-musl"
        kind = "musl"
        base = "middle"
        runner = "none"
        platforms = ["linux/arm64", "linux/amd64"]
        debug = true
        size-budget = 250
        [packages]
        host = ["file", "libc6:arm64"]
        target = ["musl-dev"]
        [env]
        FOO = "$(bar) `baz` \\"quoted\\""
        [options]
        jobs = 8
        [[files]]
        path = "/etc/foo.conf"
        content = "text\\n"
        [[files]]
        path = "/usr/bin/tool"
        source = "files/tool"
        mode = "0755"
        [[sources]]
        name = "tool.tar.gz"
        url = "https://example.org/tool.tar.gz"
        sha256 = "{SHA}"
        [[run]]
        name = "install tool"
        sources = ["tool.tar.gz"]
        script = '''tar -xf "$SOURCES/tool.tar.gz"'''
    """
    middle = 'description = "between"\nbase = "root"\n[packages]\nhost = ["make"]'
    files = {"recipes/all.toml": text, "recipes/bases/middle.toml": middle, "recipes/files/tool": "#!/bin/sh\n"}
    recipe = load(write_project(files), rules, "all")
    assert (recipe.name, recipe.file, recipe.runner) == ("all", "recipes/all.toml", "none")
    assert recipe.target.triple == "aarch64-unknown-linux-musl"
    assert recipe.platforms == ("linux/amd64", "linux/arm64"), "in one order, however they were written"
    assert recipe.size_budget == 250
    assert recipe.debug
    assert recipe.options == (("floor", "2.17"), ("jobs", 8), ("shared", False), ("cxx", "none"))
    assert [base.name for base in recipe.bases] == ["root", "middle"]
    assert recipe.bases[1].additions == Additions(host_packages=("make",))
    assert recipe.archives == (Archive(name="trixie", archive="debian", suite="trixie"),)
    assert recipe.additions == Additions(
        host_packages=("file", "libc6:arm64"),
        target_packages=("musl-dev",),
        files=(
            FileSpec(path="/etc/foo.conf", content=b"text\n"),
            FileSpec(path="/usr/bin/tool", content=b"#!/bin/sh\n", mode=0o755),
        ),
        sources=(SourceSpec(name="tool.tar.gz", url="https://example.org/tool.tar.gz", sha256=Digest(SHA)),),
        run=(RunSpec(name="install tool", script='tar -xf "$SOURCES/tool.tar.gz"', sources=("tool.tar.gz",)),),
        env=(("FOO", '$(bar) `baz` "quoted"'),),
    )


def test_defaults(write_project: Any, rules: Rules) -> None:
    recipe = load(write_project({}), rules)
    assert recipe.platforms == ("linux/amd64", "linux/arm64")
    assert recipe.runner == "auto"
    assert recipe.size_budget is None
    assert not recipe.debug


def test_windows_line_ends_and_marks_mean_the_same(write_project: Any, rules: Rules) -> None:
    text = GOOD + "[[run]]\nname = 'r'\nscript = '''\na\nb\n'''\n"
    project = write_project({"recipes/good.toml": text, "recipes/dos.toml": "\ufeff" + text.replace("\n", "\r\n")})
    good, dos = load_recipes(project, rules)[::-1]
    assert good.additions == dos.additions


def test_names_choose_and_order(write_project: Any, rules: Rules) -> None:
    project = write_project({"recipes/a.toml": GOOD, "recipes/bad.toml": "x = 1", "recipes/bases/bad.toml": "x ="})
    assert [recipe.name for recipe in load_recipes(project, rules, ["good", "a", "good"])] == ["good", "a"]
    assert list_recipes(project) == ("a", "bad", "good")
    assert len(refuse(project, rules)) > 1, "without names all of them must be valid, bases that nobody uses too"


def test_unknown_names(write_project: Any, rules: Rules) -> None:
    project = write_project({})
    with pytest.raises(UsageError) as caught:
        load_recipes(project, rules, ["goood"])
    assert caught.value.hint == "did you mean `good`?"
    with pytest.raises(SeveralErrors) as several:
        load_recipes(project, rules, ["x", "../good", "bases/root"])
    assert len(several.value.errors) == 3
    assert several.value.exit_code == 2


def test_no_recipes(tmp_path: Path, rules: Rules) -> None:
    project = Project(root=tmp_path, recipes_dir=tmp_path / "recipes", images_dir=tmp_path / "images")
    assert load_recipes(project, rules) == ()


def test_backups_of_editors_are_no_recipes(write_project: Any, rules: Rules) -> None:
    project = write_project({"recipes/.#good.toml": "?", "recipes/good.toml~": "?"})
    assert list_recipes(project) == ("good",)


def test_a_broken_base_is_reported_once(write_project: Any, rules: Rules) -> None:
    project = write_project({"recipes/bases/root.toml": "description = 'x'", "recipes/other.toml": GOOD})
    (error,) = refuse(project, rules)
    assert error.position == Position("recipes/bases/root.toml")


def test_many_errors_are_cut_off(write_project: Any, rules: Rules) -> None:
    errors = refuse(
        write_project({"recipes/good.toml": "\n".join(f"x{n} = 1" for n in range(100)) + "\n" + GOOD}), rules
    )
    assert len(errors) == 51
    assert errors[0].problem == "there are 50 more problems in this file"


def test_bases_may_not_be_stacked_without_end(write_project: Any, rules: Rules) -> None:
    bases = {f"recipes/bases/b{n:02}.toml": f"description = 'x'\nbase = 'b{n + 1:02}'" for n in range(40)}
    errors = refuse(write_project({**bases, "recipes/bases/b40.toml": "description = 'x'\nbase = 'root'"}), rules)
    assert all("more than 16 bases" in error.problem for error in errors)


@pytest.mark.parametrize("name", ["base", "image", "extras", "runner-aarch64", "gcc-aarch64-linux-gnu", "musl-arm64"])
def test_a_base_may_not_have_the_name_of_another_layer(name: str, write_project: Any) -> None:
    """That depends on the kind: so this is about the real ones."""
    files = {
        f"recipes/bases/{name}.toml": 'description = "d"\nbase = "root"\n',
        "recipes/bases/top.toml": f'description = "d"\nbase = "{name}"\n',
        "recipes/good.toml": GOOD.replace('"root"', '"top"'),
    }
    (error,) = refuse(write_project(files), RULES)
    assert error.problem == f"two layers of this image would have the name `{name}`"
    assert error.position == Position("recipes/good.toml", 4, 8)
    assert error.hint


def test_the_roots_own_name_is_free(write_project: Any) -> None:
    project = write_project({"recipes/bases/image.toml": ROOT_BASE, "recipes/good.toml": GOOD.replace("root", "image")})
    assert load(project, RULES).bases[0].name == "image"


class TestFilesOnDisk:
    def test_not_utf8(self, write_project: Any, rules: Rules) -> None:
        project = write_project({})
        (project.recipes_dir / "good.toml").write_bytes(GOOD.encode() + b'x = "\xc3\xa4\xff"')
        (error,) = refuse(project, rules)
        assert error.problem == "this is not UTF-8 text"
        assert error.position == Position("recipes/good.toml", 5, 7)

    def test_huge(self, write_project: Any, rules: Rules) -> None:
        (error,) = refuse(write_project({"recipes/good.toml": GOOD + "#" * (1 << 20)}), rules)
        assert "1 MiB" in error.problem

    def test_folder(self, write_project: Any, rules: Rules) -> None:
        project = write_project({})
        (project.recipes_dir / "folder.toml").mkdir()
        (error,) = refuse(project, rules)
        assert error.problem == "this is a folder, not a file"

    def test_links(self, write_project: Any, rules: Rules) -> None:
        project = write_project({})
        (project.recipes_dir / "broken.toml").symlink_to("nowhere")
        (project.recipes_dir / "circle.toml").symlink_to("circle.toml")
        (project.recipes_dir / "fine.toml").symlink_to("good.toml")
        broken, circle = refuse(project, rules)
        assert broken.problem == "this is a broken link"
        assert circle.problem.startswith("cannot be read")
        assert load(project, rules, "fine").name == "fine"

    def test_pipe_does_not_hang(self, write_project: Any, rules: Rules) -> None:
        project = write_project({})
        os.mkfifo(project.recipes_dir / "pipe.toml")
        (error,) = refuse(project, rules)
        assert error.problem == "this is not a regular file"

    def test_unreadable(self, write_project: Any, rules: Rules, monkeypatch: pytest.MonkeyPatch) -> None:
        project = write_project({})

        def refuse_to_open(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(os, "open", refuse_to_open)  # root, who may run the tests, reads everything
        errors = refuse(project, rules)
        assert {error.problem for error in errors} == {"cannot be read: Permission denied"}

    def test_recipes_is_a_file(self, tmp_path: Path, rules: Rules) -> None:
        (tmp_path / "recipes").write_text("")
        project = Project(root=tmp_path, recipes_dir=tmp_path / "recipes", images_dir=tmp_path / "images")
        with pytest.raises(RecipeError, match="cannot be read"):
            load_recipes(project, rules)

    @pytest.mark.parametrize(
        "name",
        ["Bad", "a b", "-x", "x-", "a..b", "a___b", "a-.b", "x" * 120, "ä", "a\nb", "\x1b[31m", "\udcff", "$(x)",
         "bases"],
    )  # fmt: skip
    def test_bad_names(self, name: str, write_project: Any, rules: Rules) -> None:
        project = write_project({})
        (project.recipes_dir / f"{name}.toml").write_text(GOOD)
        (error,) = refuse(project, rules)
        assert error.position is not None
        assert str(error).isprintable()

    def test_names_that_differ_only_in_case(self, write_project: Any, rules: Rules) -> None:
        (error,) = refuse(write_project({"recipes/GOOD.toml": GOOD}), rules)
        assert error.problem == "`GOOD` and `good` differ only in case"

    def test_deep_nesting(self, write_project: Any, rules: Rules) -> None:
        (error,) = refuse(write_project({"recipes/good.toml": "x = " + "[" * 100_000}), rules)
        assert error.problem == "the values are nested too deeply"


class TestCopiedFiles:
    def project(self, write_project: Any, source: str, base: str = "") -> Project:
        files = f"[[files]]\npath = '/etc/x'\nsource = '{source}'\n"
        texts = {"recipes/good.toml": GOOD + files, "recipes/files/x": "x", "secret": "s"}
        project: Project = write_project(texts)
        (project.recipes_dir / "files" / "out").symlink_to("../../secret")
        (project.recipes_dir / "files" / "in").symlink_to("x")
        (project.recipes_dir / "files" / "circle").symlink_to("circle")
        (project.recipes_dir / "folder-out").symlink_to("..")
        return project

    @pytest.mark.parametrize("source", ["files/x", "./files/x", "files/../files/x", "files/in"])
    def test_inside(self, source: str, write_project: Any, rules: Rules) -> None:
        assert load(self.project(write_project, source), rules).additions.files[0].content == b"x"

    @pytest.mark.parametrize(
        ("source", "problem"),
        [
            ("../secret", "outside the recipes folder"),
            ("files/../../secret", "outside the recipes folder"),
            ("files/out", "outside the recipes folder"),
            ("folder-out/secret", "outside the recipes folder"),
            ("/etc/passwd", "absolute path"),
            ("..\\\\secret", "backslash"),
            ("files", "folder"),
            ("files/none", "no such file"),
            ("files/circle", "cannot be read"),
            ("", "empty"),
        ],
    )
    def test_refused(self, source: str, problem: str, write_project: Any, rules: Rules) -> None:
        (error,) = refuse(self.project(write_project, source), rules)
        assert problem in error.problem
        assert error.position == Position("recipes/good.toml", 7, 10)

    def test_a_base_may_copy_from_the_recipes_folder(self, write_project: Any, rules: Rules) -> None:
        base = "description = 'x'\nbase = 'root'\n[[files]]\npath = '/x'\nsource = '../files/x'"
        recipe = GOOD.replace('"root"', '"copying"')
        project = write_project(
            {"recipes/good.toml": recipe, "recipes/bases/copying.toml": base, "recipes/files/x": "\r\n"}
        )
        assert load(project, rules).bases[1].additions.files[0].content == b"\r\n", "as it is, line ends too"


INJECTIONS = {
    "line break in a description": 'description = "a\\nRUN evil"',
    "carriage return in env": '[env]\nA = "a\\rENV B=c"',
    "line break in env": '[env]\nA = "a\\nENV B=c"',
    "line break in an env name": '[env]\n"A\\nENV" = "c"',
    "shell in an env name": '[env]\n"A$(id)" = "c"',
    "equals in an env name": '[env]\n"A=B" = "c"',
    "shell in a package": '[packages]\nhost = ["file; id"]',
    "option as a package": '[packages]\nhost = ["--force-yes"]',
    "version of a package": '[packages]\nhost = ["file=1.0"]',
    "path as a package": '[packages]\nhost = ["../../x"]',
    "shell in a source": f'[[sources]]\nname = "$(id)"\nurl = "https://x.org/x"\nsha256 = "{SHA}"',
    "path as a source": f'[[sources]]\nname = "../x"\nurl = "https://x.org/x"\nsha256 = "{SHA}"',
    "dots as a source": f'[[sources]]\nname = ".."\nurl = "https://x.org/x"\nsha256 = "{SHA}"',
    "file URL": f'[[sources]]\nname = "x"\nurl = "file:///etc/passwd"\nsha256 = "{SHA}"',
    "credentials": f'[[sources]]\nname = "x"\nurl = "https://u:p@x.org/x"\nsha256 = "{SHA}"',
    "space in a URL": f'[[sources]]\nname = "x"\nurl = "https://x.org/x y"\nsha256 = "{SHA}"',
    "line break after a URL": f'[[sources]]\nname = "x"\nurl = "https://x.org/x\\n"\nsha256 = "{SHA}"',
    "line break after a hash": f'[[sources]]\nname = "x"\nurl = "https://x.org/x"\nsha256 = "{SHA}\\n"',
    "line break in a step": '[[run]]\nname = "a\\nRUN b"\nscript = "x"',
    "NUL in a script": '[[run]]\nname = "a"\nscript = "x\\u0000"',
    "carriage return in a script": '[[run]]\nname = "a"\nscript = "x\\r"',
    "bidi control in a script": '[[run]]\nname = "a"\nscript = "x\\u202e"',
    "line separator in a script": '[[run]]\nname = "a"\nscript = "x\\u2028"',
    "escape code in a text": '[[files]]\npath = "/x"\ncontent = "\\u001b[31m"',
    "dots in a path": '[[files]]\npath = "/etc/../x"\ncontent = ""',
    "path that ends in dots": '[[files]]\npath = "/etc/.."\ncontent = ""',
    "relative path": '[[files]]\npath = "etc/x"\ncontent = ""',
    "root": '[[files]]\npath = "/"\ncontent = ""',
    "folder": '[[files]]\npath = "/etc/"\ncontent = ""',
    "double slash": '[[files]]\npath = "/etc//x"\ncontent = ""',
    "line break in a path": '[[files]]\npath = "/etc/x\\n"\ncontent = ""',
    "folder that is emptied": '[[files]]\npath = "/tmp/x"\ncontent = ""',
    "the folder itself": '[[files]]\npath = "/var/log"\ncontent = ""',
    "file that engines mount": '[[files]]\npath = "/etc/hosts"\ncontent = ""',
    "space in a path": '[[files]]\npath = "/a b"\ncontent = ""',
    "shell in a path": '[[files]]\npath = "/$(id)"\ncontent = ""',
    "letter with an accent in a path": '[[files]]\npath = "/é"\ncontent = ""',
    "whiteout": '[[files]]\npath = "/opt/.wh.x"\ncontent = ""',
    "long name": f'[[files]]\npath = "/{"x" * 256}"\ncontent = ""',
    "long path": f'[[files]]\npath = "{"/abc" * 251}"\ncontent = ""',
    "kernel's folder": '[[files]]\npath = "/proc/x"\ncontent = ""',
    "path as a base": 'base = "../../evil"',
    "long source name": f'[[sources]]\nname = "{"x" * 101}"\nurl = "https://x.org/x"\nsha256 = "{SHA}"',
    "long package": f'[packages]\nhost = ["{"x" * 101}"]',
    "long variable": f'[env]\nX = "{"x" * 10001}"',
    "long name of a variable": f'[env]\n{"X" * 201} = "x"',
    "long description of a step": f'[[run]]\nname = "{"x" * 1001}"\nscript = "x"',
    "address that is none": f'[[sources]]\nname = "x"\nurl = "https://[1:2:3]/"\nsha256 = "{SHA}"',
    "port that is none": f'[[sources]]\nname = "x"\nurl = "https://x.org:65536/"\nsha256 = "{SHA}"',
    "host with an empty part": f'[[sources]]\nname = "x"\nurl = "https://x..org/"\nsha256 = "{SHA}"',
    "percent without digits": f'[[sources]]\nname = "x"\nurl = "https://x.org/%x"\nsha256 = "{SHA}"',
    "long URL": f'[[sources]]\nname = "x"\nurl = "https://x.org/{"x" * 4000}"\nsha256 = "{SHA}"',
    "odd mode": '[[files]]\npath = "/x"\ncontent = ""\nmode = "0888"',
}


@pytest.mark.parametrize("text", INJECTIONS.values(), ids=INJECTIONS.keys())
def test_injections_are_refused(text: str, write_project: Any, rules: Rules) -> None:
    key = text.partition(" = ")[0]
    kept = "".join(line for line in GOOD.splitlines(keepends=True) if not line.startswith(f"{key} = "))
    (error,) = refuse(write_project({"recipes/good.toml": kept + text + "\n"}), rules)
    assert error.position is not None and error.position.line is not None
    assert str(error).isprintable()


def test_shell_text_is_kept_as_it_is(write_project: Any, rules: Rules) -> None:
    script = 'echo "$(id)" `x` \\ # ENV X=y\nEOF\n\tRUN true\n'
    text = GOOD + "[env]\nX = '$HOME \"`id`\" \\ä'\n" + f"[[run]]\nname = 'a'\nscript = '''\n{script}'''\n"
    recipe = load(write_project({"recipes/good.toml": text}), rules)
    assert recipe.additions.env == (("X", '$HOME "`id`" \\ä'),)
    assert recipe.additions.run[0].script == script


@pytest.mark.parametrize(
    ("packages", "told"), [('"libssl-dev", "zlib1g-dev"', "libssl-dev, zlib1g-dev"), ('"x11", "musl-dev"', "x11")]
)
def test_packages_for_glibc_in_an_image_with_musl(packages: str, told: str, write_project: Any) -> None:
    """They would be locked and installed, and nothing would link with them."""
    text = 'description = "d"\ntarget = "aarch64-unknown-linux-musl"\nkind = "musl"\nbase = "root"\n'
    project = write_project({"recipes/good.toml": text + f"packages.target = [{packages}]\n"})
    with pytest.raises(SeveralErrors, match=f"the archive builds {told} for glibc") as caught:
        load_recipes(project, RULES, ["good"])
    assert "vendored" in str(caught.value.errors[0].hint)


def test_packages_with_musl_itself(write_project: Any) -> None:
    text = 'description = "d"\ntarget = "aarch64-unknown-linux-musl"\nkind = "musl"\nbase = "root"\n'
    project = write_project({"recipes/good.toml": text + 'packages.target = ["musl-dev", "linux-libc-dev"]\n'})
    assert load_recipes(project, RULES, ["good"])


def test_packages_for_a_target_that_the_archive_has_none_for(write_project: Any) -> None:
    text = 'description = "d"\ntarget = "aarch64-apple-darwin"\nkind = "osxcross"\nbase = "root"\n'
    project = write_project({"recipes/good.toml": text + 'packages.target = ["libssl-dev"]\n'})
    with pytest.raises(SeveralErrors, match="the archive has no packages for `aarch64-apple-darwin`") as caught:
        load_recipes(project, RULES, ["good"])
    assert caught.value.errors[0].position == Position("recipes/good.toml", 5, 19)

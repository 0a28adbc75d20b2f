"""The format of the three kinds of file that a person writes, declared once for the loader and for the JSON schema.

Texts end up in shell scripts, Dockerfiles, URLs and paths. The rules here limit them to what is valid there; the code
that writes them there still quotes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from imagefab import volatile
from imagefab.platforms import HOST_PLATFORMS
from imagefab.recipe.rules import KindRules, OptionRule
from imagefab.recipe.target import TARGETS, Target
from imagefab.recipe.weight import LEFT_OUT
from imagefab.toml.grammar import (
    NOT_EMPTY,
    AnyTable,
    Boolean,
    Declaration,
    Field,
    Integer,
    ListOf,
    MapOf,
    OneOrMany,
    Rule,
    Table,
    Text,
    quote,
)

_ADDRESS = re.compile(r"https?://(?:\[(?P<ipv6>[^]]*)\]|[^:/?]*)(?::(?P<port>[0-9]+))?")


def _find_fault_of_address(url: str) -> str | None:
    found = _ADDRESS.match(url)
    assert found is not None
    if found["ipv6"] is not None:
        from ipaddress import IPv6Address

        try:
            IPv6Address(found["ipv6"])
        except ValueError:
            return f"{quote(found['ipv6'])} is not an IPv6 address"
    if found["port"] and not 0 < int(found["port"]) < 1 << 16:
        return f"there is no port {found['port']}"
    return None


LINE = Text(rules=(NOT_EMPTY, Rule(r"^.{1001}", "this is too long: one line, please", forbids=True)))
CONTENT = Text(multiline=True)
SCRIPT = Text(rules=(NOT_EMPTY,), multiline=True)

STEM = Text(
    rules=(
        # It is also the name of an image, which registries and engines must accept.
        Rule(
            r"^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*$",
            "{} is not a name",
            "use small letters and digits, with `.`, `_` or `-` between them",
        ),
        Rule(r"^.{101}", "{} is longer than a name can be", forbids=True),
    )
)
PLAIN_PACKAGE = Text(
    rules=(
        Rule(r"^[^=/]*$", "{} names a version", "name the package only; the lock pins its version"),
        Rule(r"^[^:]*$", "{} names an architecture", "these packages are installed in the target's architecture"),
        Rule(r"^[a-z0-9][a-z0-9+.-]{1,99}$", "{} is not the name of a Debian package"),
    )
)
PACKAGE = Text(
    rules=(
        PLAIN_PACKAGE.rules[0],
        Rule(r"^[a-z0-9][a-z0-9+.-]{1,99}(:[a-z0-9][a-z0-9-]{1,99})?$", "{} is not the name of a Debian package"),
    )
)
ENV_NAME = Text(rules=(Rule(r"^[A-Za-z_][A-Za-z0-9_]{0,199}$", "{} is not the name of an environment variable"),))
# The kernel accepts 128 KiB, including the name, and Docker up to 64 KiB in a line of a Dockerfile.
ENV_VALUE = Text(rules=(Rule(r"^.{10001}", "this is longer than a variable can be", forbids=True),))
FILE_PATH = Text(
    rules=(
        Rule(r"^/", "{} is not an absolute path", "paths inside the image begin with `/`"),
        Rule(r"(^|/)\.\.?(/|$)", "{} has `.` or `..` in it", "write the path as it is inside the image", forbids=True),
        Rule(r"//|/$", "{} is not a normalised path to a file", forbids=True),
        # It is used in a shell command and in the Dockerfile.
        Rule(
            r"^[A-Za-z0-9._+@,=~/-]*$",
            "{} cannot be a path in an image",
            "it can have letters without accents, digits, `/` and `. _ + @ , = ~ -`",
        ),
        Rule(r"[^/]{256}|^.{1001}", "{} is longer than a path can be", forbids=True),
        Rule(r"/\.wh\.", "{} has a name that layers reserve for removed files", forbids=True),
        Rule(
            rf"^/(({volatile.FILES})$|({volatile.FOLDERS}|(.*/)?{volatile.FOLDERS_ANYWHERE})(/|$))",
            "{} cannot be in an image: builds and containers write there, and it is emptied",
            forbids=True,
        ),
        Rule(
            r"^/var/lib/dpkg(/|$)",
            "{} belongs to dpkg",
            "list packages under `[packages]`",
            forbids=True,
        ),
    )
)
"""The path of a recipe's file in an image. The plan checks all files against it, the toolchains' too."""
SOURCE_PATH = Text(
    rules=(
        NOT_EMPTY,
        Rule(r"^/", "{} is an absolute path", "write it relative to this file's folder", forbids=True),
        Rule(r"\\", "{} has a backslash in it", "folders are separated by `/`", forbids=True),
    )
)
MODE = Text(
    rules=(Rule(r"^0?[0-7]{3}$", "{} is not a file mode", 'write it in octal: `"0644"` or `"0755"`'),), example="0644"
)
FILE_NAME = Text(
    rules=(
        Rule(
            r"^[A-Za-z0-9_][A-Za-z0-9._+~-]{0,99}$",
            "{} is not a plain file name",
            "letters, digits and `. _ + ~ -`, without a folder, and no more than 100",
        ),
    )
)
URL = Text(
    rules=(
        Rule(r"^https?://", "{} is not an http or https URL"),
        Rule(r"^[a-z]+://[^/?#]*@", "the URL has credentials in it", "keep them out of files", forbids=True),
        Rule(
            r"^https?://([A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?"
            r"([/?]([A-Za-z0-9._~:/?@!$&'()*+,;=\[\]-]|%[0-9A-Fa-f]{2})*)?$",
            "{} is not a URL",
            "other characters are written as `%` and two hex digits",
        ),
        Rule(r"^.{4001}", "the URL is too long", forbids=True),
    ),
    find_fault=_find_fault_of_address,
)
MIRROR = Text(
    rules=(
        *URL.rules,
        Rule(r"\?", "{} has a query in it", "a mirror is the URL of an archive's root", forbids=True),
    ),
    find_fault=_find_fault_of_address,
)
SHA256 = Text(
    rules=(Rule(r"^[0-9a-f]{64}$", "{} is not a sha256 digest", "64 small hexadecimal digits, as `sha256sum` prints"),)
)
ARCHIVE_NAME = Text(rules=(Rule(r"^[a-z0-9][a-z0-9-]*$", "{} is not a name of small letters, digits and `-`"),))
SUITE = Text(rules=(Rule(r"^[A-Za-z0-9][A-Za-z0-9.+_-]*(/[A-Za-z0-9][A-Za-z0-9.+_-]*)*$", "{} is not a suite"),))
REPOSITORY = Text(
    rules=(
        # What precedes it may be a password, which must not appear in a message.
        Rule(r"@", "a login does not belong in the name of a registry", "`docker login` keeps it", forbids=True),
        Rule(
            r"^(localhost|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+|[A-Za-z0-9.-]+:[0-9]{1,5}|\[[0-9a-fA-F:]+\](:[0-9]{1,5})?)"
            r"(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$",
            "{} is not a registry and namespace",
            "like `ghcr.io/acme/images`, without a scheme and without a tag",
        ),
    )
)
TAG = Text(rules=(Rule(r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", "{} is not a tag", "like `latest`"),))

WHEEL = Text(
    rules=(
        Rule(
            r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?==[A-Za-z0-9][A-Za-z0-9.+!_-]{0,99}$",
            "{} is not a project and a version",
            "like `ziglang==0.15.1`",
        ),
    )
)
OWN_PATH = Text(rules=(NOT_EMPTY, Rule(r"^.{1001}", "{} is too long for a path", forbids=True)))

FILE = Table(
    {
        "path": Field(FILE_PATH, "Its path in the image.", required=True),
        "content": Field(CONTENT, "What is in it."),
        "source": Field(SOURCE_PATH, "The file to copy, relative to this file's folder, inside the recipes folder."),
        "mode": Field(MODE, "Its permissions, in octal.", default="0644"),
    },
    exactly_one=("content", "source"),
)
SOURCE = Table(
    {
        "name": Field(FILE_NAME, "What run steps call it: $SOURCES/<name>.", required=True),
        "url": Field(URL, "Where it is fetched from."),
        "sha256": Field(SHA256, "For `url`: the digest that its bytes must have."),
        "wheel": Field(WHEEL, "A wheel of the Python package index, like `ziglang==0.15.1`; the lock pins its hash."),
        "file": Field(OWN_PATH, "A local file, relative to the project; the lock pins its hash."),
    },
    exactly_one=("url", "wheel", "file"),
    together=("url", "sha256"),
)
RUN = Table(
    {
        "name": Field(LINE, "What the step does, in a few words.", required=True),
        "sources": Field(ListOf(item=FILE_NAME), "The names of the [[sources]] that the script uses."),
        "script": Field(
            SCRIPT, "A shell script. It runs as root, without network, with the image's variables set.", required=True
        ),
    }
)
ARCHIVE = Table(
    {
        "name": Field(ARCHIVE_NAME, "How locks refer to it.", required=True),
        "archive": Field(ARCHIVE_NAME, "The archive that it is a part of; [mirrors] goes by this name.", required=True),
        "suite": Field(SUITE, "The suite, like `trixie` or `trixie-security`.", required=True),
        "components": Field(
            ListOf(item=ARCHIVE_NAME, not_empty=True), 'The components to take packages from; ["main"] when absent.'
        ),
    }
)

HOST_PACKAGES = Field(ListOf(item=PACKAGE), "Debian packages, in the architecture of the image or as `name:arch`.")
TARGET_PACKAGES = Field(ListOf(item=PLAIN_PACKAGE), "Debian packages, in the target's architecture.")
ADDITIONS = {
    "keep": Field(
        ListOf(item=Text(choices=tuple(LEFT_OUT), noun="part")),
        "Parts of packages that images leave out otherwise, like `lto` or `sanitizers`.",
    ),
    "env": Field(MapOf(ENV_NAME, ENV_VALUE), "Environment variables."),
    "files": Field(ListOf(item=FILE, unique_by="path"), "Files to copy into the image."),
    "sources": Field(ListOf(item=SOURCE, unique_by="name"), "Files from the web, pinned by hash, for run steps."),
    "run": Field(ListOf(item=RUN, unique_by="name"), "Steps of the build, in this order."),
}

BASE = Table(
    {
        "description": Field(LINE, "What images on this base share, in one line.", required=True),
        "base": Field(STEM, "The base below this one: a file in this folder."),
        "archives": Field(
            ListOf(item=ARCHIVE, unique_by="name", not_empty=True),
            "For a base without another below it: where packages come from. The first is the base suite.",
        ),
        "packages": Field(Table({"host": HOST_PACKAGES}), "Packages to install."),
        **ADDITIONS,
    },
    exactly_one=("base", "archives"),
)

SETTINGS = Table(
    {
        "mirrors": Field(
            MapOf(ARCHIVE_NAME, OneOrMany(ListOf(item=MIRROR, not_empty=True))),
            "The mirrors to ask first, by archive: debian, debian-security, snapshot.",
        ),
        "publish": Field(
            Table(
                {
                    "to": Field(REPOSITORY, "The registry and namespace that images are published to."),
                    "tag": Field(TAG, "A moving tag, beside the fixed one of each image."),
                    "private": Field(
                        Boolean(), "The registry is private, so images with licensed files may be published there."
                    ),
                    "layers": Field(
                        REPOSITORY,
                        "The repository for layers shared between machines; everybody who can write there is trusted.",
                    ),
                    "sign-key": Field(
                        LINE, "The key that cosign signs what is published with: a file, or a KMS's address."
                    ),
                    "builder": Field(LINE, "The builder that provenance names: a URI."),
                    "catalogue": Field(
                        Boolean(), "Whether a catalogue of the images is kept on the registry; true when absent."
                    ),
                    "defaults": Field(
                        ListOf(item=STEM),
                        "Recipes that the catalogue names first, where there are several for a target.",
                    ),
                }
            ),
            "Where images are published.",
        ),
        "store": Field(
            Table({"path": Field(LINE, "The folder of the store, relative to the project.")}),
            "Where built images and fetched files are kept.",
        ),
        "limits": Field(
            Table(
                {
                    "processes": Field(Integer(minimum=1), "Processes that a step may have at once; 4096 when absent."),
                    "memory": Field(
                        Integer(minimum=1),
                        "The memory that a step may have, in MB; three quarters of the machine's when absent.",
                    ),
                    "disk": Field(Integer(minimum=1), "What a step may write, in MB; 50000 when absent."),
                    "time": Field(
                        Integer(minimum=1), "The seconds that a step of a build may take; 14400 when absent."
                    ),
                }
            ),
            "How much of the machine a step in the sandbox may have.",
        ),
    }
)

_OWN_PLACE = Text(
    rules=(Rule(r"^(/|~/)", "{} is not an absolute path", "paths begin with `/`, or with `~/` for the home folder"),)
)
USER_SETTINGS = Table(
    {
        "files": Field(
            Table({"allow": Field(ListOf(item=_OWN_PLACE), "Files, and folders of files, that recipes may take.")}),
            "Files outside of projects.",
        ),
    }
)
"""What a project must not set, because it may be untrusted."""


def declare_recipe(kinds: Mapping[str, KindRules]) -> Table:
    """Declare a recipe's table. What depends on its kind is declared by `declare_options` and `declare_runner`."""
    platforms = ListOf(item=Text(choices=tuple(HOST_PLATFORMS), noun="host platform"), not_empty=True)
    return Table(
        {
            "description": Field(LINE, "What the image is for, in one line.", required=True),
            "target": Field(Text(choices=tuple(TARGETS), noun="target"), "The Rust target triple.", required=True),
            "kind": Field(Text(choices=tuple(kinds), noun="kind"), "The kind of toolchain.", required=True),
            "base": Field(STEM, "The base: a file in the folder bases.", required=True),
            "runner": Field(LINE, "What runs the target's programs; what fits the target and the machine when absent."),
            "qemu-suite": Field(
                SUITE,
                "The suite to take QEMU's user mode emulator from, like `trixie-backports`; the base's when absent.",
            ),
            "platforms": Field(platforms, "The machines that the image runs on; all when absent."),
            "size-budget": Field(
                Integer(minimum=1), "The most that the image may weigh, compressed, in MB; `check` holds it to that."
            ),
            "debug": Field(Boolean(), "Include a debugger for the target's programs.", default=False),
            "packages": Field(Table({"host": HOST_PACKAGES, "target": TARGET_PACKAGES}), "Packages to install."),
            "options": Field(AnyTable(), "Options of the kind."),
            **ADDITIONS,
        }
    )


def declare_runner(kind: KindRules, targets: Iterable[Target]) -> Text:
    """Declare the runners that can run programs of any of the targets."""
    names = dict.fromkeys(name for target in targets for name in kind.runners(target))
    return Text(choices=tuple(names), noun="runner")


def declare_options(kind: KindRules) -> Table:
    return Table(
        {rule.name: Field(_declare_option(rule), rule.description, default=rule.default) for rule in kind.options},
        at_most_one=kind.exclusive,
        together=kind.together,
    )


def _declare_option(rule: OptionRule) -> Declaration:
    if rule.type is bool:
        return Boolean()
    if rule.type is int:
        return Integer(minimum=rule.minimum)
    pattern = (Rule(rule.pattern, f"{{}} is not a value for `{rule.name}`", rule.description),) if rule.pattern else ()
    if rule.is_url:
        return Text(rules=(*URL.rules, *pattern), find_fault=URL.find_fault)
    return Text(choices=rule.choices, noun="choice", rules=pattern)

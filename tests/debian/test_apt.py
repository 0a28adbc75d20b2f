"""Where archives are served: settings, the machine's apt, defaults; and how paths become addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagefab.debian.apt import DEFAULTS, find_mirrors
from imagefab.errors import UsageError


@pytest.fixture
def apt(tmp_path: Path) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    return tmp_path


def test_defaults(apt: Path) -> None:
    assert dict(find_mirrors(apt=apt).bases) == dict(DEFAULTS)
    assert dict(find_mirrors(apt=apt / "none").bases) == dict(DEFAULTS)


def test_one_line_sources(apt: Path) -> None:
    (apt / "sources.list").write_text(
        "# deb http://old.example/debian trixie main\n"
        "deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] "
        "http://a.example/debian/ trixie main # x\n"
        "deb-src http://src.example/debian trixie main\n"
        "deb http://s.example/debian-security trixie-security main contrib\n"
    )
    (apt / "sources.list.d" / "b.list").write_text("deb https://b.example/pub/debian trixie-updates main\n")
    mirrors = find_mirrors(apt=apt)
    assert mirrors.bases["debian"] == ("http://a.example/debian", "https://b.example/pub/debian")
    assert mirrors.bases["debian-security"] == ("http://s.example/debian-security",)
    assert mirrors.bases["snapshot"] == DEFAULTS["snapshot"]


def test_deb822_sources(apt: Path) -> None:
    (apt / "sources.list.d" / "debian.sources").write_text(
        "Types: deb deb-src\n# a comment\nURIs: http://a.example/debian http://b.example/debian\nSuites: trixie\n"
        " trixie-updates\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n"
        "Enabled: no\nTypes: deb\nURIs: http://off.example/debian\nSuites: trixie\nComponents: main\n"
    )
    assert find_mirrors(apt=apt).bases["debian"] == ("http://a.example/debian", "http://b.example/debian")


@pytest.mark.parametrize(
    "line",
    [
        "deb https://download.docker.example/linux/debian trixie stable",
        "deb https://repo.example/apt/debian trixie/thing/7.0 main",
        "deb [signed-by=/etc/apt/keyrings/other.gpg] https://other.example/debian trixie main",
        "deb http://a.example/ubuntu noble main",
        "deb file:/srv/debian trixie main",
        "deb cdrom:[Debian]/debian trixie main",
        "nonsense",
        "deb http://[::1/debian trixie main",
        "deb http://[1:2:3]/debian trixie main",
        "deb http://a.example:99999/debian trixie main",
        "deb http://a.example/debian?x trixie main",
    ],
)
def test_third_parties_are_left_out(apt: Path, line: str) -> None:
    (apt / "sources.list").write_text(line + "\n")
    assert find_mirrors(apt=apt).bases["debian"] == DEFAULTS["debian"]


def test_unreadable_sources_are_left_out(apt: Path) -> None:
    (apt / "sources.list.d" / "bad.sources").write_bytes(b"\xff\xfe no: stanza\n begins\n\x00\n\nnot a field\n")
    assert find_mirrors(apt=apt).bases["debian"] == DEFAULTS["debian"]


def test_settings_come_first(apt: Path) -> None:
    (apt / "sources.list").write_text("deb http://a.example/debian trixie main\n")
    mirrors = find_mirrors(
        {"debian": ["https://mine.example/debian/", "http://two.example/d"], "own": ["http://o.example"]}, apt=apt
    )
    assert mirrors.bases["debian"] == ("https://mine.example/debian", "http://two.example/d")
    assert mirrors.bases["own"] == ("http://o.example",)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a/b",
        "a.example/debian",
        "http://",
        "file:///x",
        "http://a/b?c",
        "http://a/b#c",
        "http://[::::]/b",
        "http://[/b",
        "http://a:99999/b",
        "http://a:x/b",
    ],
)
def test_bad_settings(apt: Path, url: str) -> None:
    with pytest.raises(UsageError, match="not a mirror URL for debian"):
        find_mirrors({"debian": [url]}, apt=apt)


def test_addresses(apt: Path) -> None:
    mirrors = find_mirrors({"debian": ["http://a/debian"], "snapshot": ["https://s"]}, apt=apt)
    path = "pool/main/g/gtk+2.0/libgtk_2.24~rc1+b1_amd64.deb"
    assert mirrors.urls("debian", path) == (f"http://a/debian/{path}",)
    # A colon in a version is `%3a` in the file's very name, so the address has its percent sign escaped.
    assert mirrors.urls("debian", "pool/a_1%3a2_all.deb") == ("http://a/debian/pool/a_1%253a2_all.deb",)
    assert mirrors.urls("debian", "pool/a b?#_é.deb") == ("http://a/debian/pool/a%20b%3F%23_%C3%A9.deb",)
    assert mirrors.snapshot_urls("debian", "20260101T000000Z", path) == (
        f"https://s/archive/debian/20260101T000000Z/{path}",
    )
    assert mirrors.urls("unknown", path) == ()

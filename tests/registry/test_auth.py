"""Challenges and tokens, and which servers may get credentials."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagefab.errors import FetchError, UsageError
from imagefab.registry.auth import check_realm, choose_challenge, parse_challenges, read_token
from imagefab.registry.reference import Reference, Repository, api_host, is_loopback


def test_challenges() -> None:
    (one,) = parse_challenges(['Bearer realm="https://auth.example.org/token",service="reg, istry",scope="a:b:c"'])
    assert (one.scheme, one.realm, one.service) == ("bearer", "https://auth.example.org/token", "reg, istry")
    both = parse_challenges(['Basic realm="x"', 'bearer realm="https://a/t"'])
    chosen = choose_challenge(both)
    assert chosen is not None and chosen.scheme == "bearer"
    joined = parse_challenges(['Negotiate, Basic realm="x"'])
    assert choose_challenge(joined) is None or choose_challenge(joined).scheme == "basic"  # type: ignore[union-attr]
    assert choose_challenge(parse_challenges(["Negotiate"])) is None


@given(st.lists(st.text(max_size=200), max_size=3))
def test_any_challenge_is_read(headers: list[str]) -> None:
    choose_challenge(parse_challenges(headers))


def test_tokens() -> None:
    grant = read_token({"token": "abc", "expires_in": 100}, 1000)
    assert grant is not None
    assert (grant.header, grant.until) == ("Bearer abc", 1090)
    assert "abc" not in repr(grant)
    short = read_token({"access_token": "abc"}, 1000)
    assert short is not None and 1000 < short.until < 1061


@pytest.mark.parametrize(
    "answer", [None, [], {}, {"token": ""}, {"token": 7}, {"token": "a\r\nX-Evil: 1"}, {"token": "ä"}]
)
def test_what_is_no_token(answer: object) -> None:
    assert read_token(answer, 0) is None


@pytest.mark.parametrize(
    ("realm", "registry"),
    [
        ("http://auth.example.org/token", "ghcr.io"),
        ("http://127.0.0.1/token", "ghcr.io"),
        ("http://auth.example.org/token", "127.0.0.1:5000"),
        ("ftp://auth.example.org", "ghcr.io"),
        ("", "ghcr.io"),
        ("https://", "ghcr.io"),
        ("https://[x/", "ghcr.io"),
    ],
)
def test_credentials_do_not_go_in_the_clear(realm: str, registry: str) -> None:
    with pytest.raises(FetchError):
        check_realm(realm, registry)


def test_where_credentials_may_go() -> None:
    for realm, registry in (
        ("https://auth.docker.io/token", "docker.io"),
        ("http://127.0.0.1:5001/token", "127.0.0.1:5000"),
        ("http://localhost:5001/token", "[::1]:5000"),
    ):
        assert check_realm(realm, registry) == realm


DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    "text",
    ["ghcr.io/acme/one", "localhost:5000/one", "127.0.0.1:5000/a/b/c", "[::1]:5000/one", "docker.io/library/one",
     "ghcr.io/acme/one:latest", f"ghcr.io/acme/one@{DIGEST}", f"ghcr.io/acme/one:v1@{DIGEST}"],
)  # fmt: skip
def test_references(text: str) -> None:
    assert str(Reference.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "one", "acme/one", "ghcr.io", "ghcr.io/", "ghcr.io/Acme/one", "ghcr.io/acme/one:", "ghcr.io/acme/one:a b",
     "ghcr.io/acme/one@sha256:0", "https://ghcr.io/acme/one", "ghcr.io//one", "ghcr.io/../one", "a b/c",
     "ghcr.io/one\n"],
)  # fmt: skip
def test_what_is_no_reference(text: str) -> None:
    with pytest.raises(UsageError):
        Reference.parse(text)


@given(st.text(max_size=300))
def test_any_text_is_a_reference_or_an_error(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert Reference.parse(text).repository.path


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("localhost:5000", True), ("127.0.0.1:5000", True), ("127.1.2.3", True), ("[::1]:5000", True),
     ("a.localhost", True), ("ghcr.io", False), ("10.0.0.1:5000", False), ("localhost.example.org", False)],
)  # fmt: skip
def test_what_is_on_this_machine(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_the_hub_answers_elsewhere() -> None:
    assert api_host("docker.io") == "registry-1.docker.io"
    assert api_host("ghcr.io") == "ghcr.io"
    assert str(Repository("docker.io", "a/b")) == "docker.io/a/b"

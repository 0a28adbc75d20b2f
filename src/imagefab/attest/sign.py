"""Sign and verify images with cosign, a separate program: only it has the key.

The image and its provenance are signed. Nothing goes to a public log: what an organisation builds is its own business,
and anyone with the public key can verify without one (`cosign verify --insecure-ignore-tlog`). Cosign also handles the
key's password (COSIGN_PASSWORD in the environment). It gets the login that publishing uses, wherever that was found,
through a file in memory, so the login is never on disk or in an argument.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from imagefab.errors import FetchError, MismatchError, UsageError
from imagefab.progress import Progress
from imagefab.registry.credentials import Credentials, Keyring
from imagefab.registry.reference import DOCKER_HUB, Reference

_PROGRAM = "cosign"
_TIME = 300
_MOST_TOLD = 500
_WITHOUT_LOG = "--insecure-ignore-tlog=true"
_TYPE = ("--type", "slsaprovenance1")


class _Cosign:
    """Runs cosign, with a login for one image at a time."""

    def __init__(self, keyring: Keyring, env: Mapping[str, str]) -> None:
        self._keyring = keyring
        self._own = dict(env)
        self._env = dict(env)

    @contextmanager
    def work_on(self, reference: str) -> Iterator[Path]:
        """A temporary folder, in which cosign has its login."""
        login = self._keyring.find(Reference.parse(reference).repository)
        with tempfile.TemporaryDirectory() as folder, _logged_in(login, reference, Path(folder)) as found:
            self._env = self._own | found
            yield Path(folder)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [_PROGRAM, *arguments],
                env=self._env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=_TIME,
            )
        except OSError as error:
            hint = "install cosign, or go without a key"
            raise UsageError(f"can't run cosign: {error.strerror}", hint=hint) from None
        except subprocess.TimeoutExpired:
            raise FetchError(f"cosign did not finish within {_TIME} seconds") from None


class Verifier:
    """Verifies signatures with a public key."""

    def __init__(self, key: str, folder: Path, keyring: Keyring, env: Mapping[str, str]) -> None:
        """`key` is a file, relative to `folder`, or a key URI that cosign supports; cosign runs with `env`."""
        self._key = _place_key(key, folder)
        self._cosign = _Cosign(keyring, env)
        if "://" not in key and not Path(self._key).is_file():
            raise UsageError(f"there is no key {key}", hint="`--key` takes the file of a public key, like cosign.pub")

    def verify(self, reference: str) -> None:
        """Raise MismatchError if an image is not signed with the key."""
        with self._cosign.work_on(reference):
            result = self._cosign.run("verify", "--key", self._key, _WITHOUT_LOG, reference)
        if result.returncode != 0:
            raise MismatchError(
                f"{reference} is not signed with {self._key}: {_last_line(result.stderr)}",
                hint="use the publisher's public key; without a key, nothing checks who published the images",
            )


class Signer:
    def __init__(self, key: str, folder: Path, progress: Progress, keyring: Keyring, env: Mapping[str, str]) -> None:
        """`key` is a file, relative to `folder`, or a key URI that cosign supports; cosign runs with `env`."""
        self._key = _place_key(key, folder)
        self._progress = progress
        self._cosign = _Cosign(keyring, env)

    def sign(self, reference: str, predicate: bytes | None) -> None:
        """Sign an image by digest, and its provenance if it has any, unless they are signed already."""
        with self._cosign.work_on(reference) as folder:
            known = self._know_key(folder)
            if not self._is_signed(reference, *known):
                self._demand(reference, "sign", "--key", self._key, *self._quietly, reference)
                self._progress.say(f"signed {reference}")
            if predicate is None:
                return
            said = self._cosign.run("verify-attestation", *known, *_TYPE, reference)
            if said.returncode != 0 or not _says(said.stdout, predicate):
                path = folder / "predicate.json"
                path.write_bytes(predicate)
                given = ("--key", self._key, "--predicate", str(path), *_TYPE)
                self._demand(reference, "attest", *given, *self._quietly, reference)
                self._progress.say(f"signed the provenance of {reference}")

    def has_signed(self, reference: str) -> bool:
        """Whether an image is signed with the key."""
        with self._cosign.work_on(reference) as folder:
            return self._is_signed(reference, *self._know_key(folder))

    def _know_key(self, folder: Path) -> tuple[str, ...]:
        """The options to verify with. The public key is kept, so that a KMS is asked for it once."""
        public = folder / "key.pub"
        public.write_text(self._public_key)
        return ("--key", str(public), _WITHOUT_LOG)

    def _is_signed(self, reference: str, *known: str) -> bool:
        return self._cosign.run("verify", *known, reference).returncode == 0

    @cached_property
    def _public_key(self) -> str:
        result = self._cosign.run("public-key", "--key", self._key)
        if result.returncode != 0:
            raise UsageError(
                f"cosign can't use the key {self._key}: {_last_line(result.stderr)}",
                hint="it takes a private key of `cosign generate-key-pair`, with its password as COSIGN_PASSWORD in "
                "the environment, or the address of one that a KMS has",
            )
        return result.stdout

    @cached_property
    def _quietly(self) -> tuple[str, ...]:
        """The options for no transparency log in this version of cosign."""
        help_text = self._cosign.run("sign", "--help").stdout
        newer = ("--use-signing-config=false",) if "--use-signing-config" in help_text else ()
        return ("--yes", "--tlog-upload=false", *newer)

    def _demand(self, reference: str, verb: str, *arguments: str) -> None:
        result = self._cosign.run(verb, *arguments)
        if result.returncode != 0:
            raise FetchError(
                f"cosign does not {verb} {reference}: {_last_line(result.stderr)}",
                hint="the image was pushed but not signed; publish again once cosign works",
            )


def _place_key(key: str, folder: Path) -> str:
    return key if "://" in key else str(folder / key)


@contextmanager
def _logged_in(login: Credentials | None, reference: str, folder: Path) -> Iterator[dict[str, str]]:
    """The environment that gives cosign a login, in Docker's format."""
    if login is None:
        yield {}
        return
    host = Reference.parse(reference).repository.host
    entry = {"auth": login.basic, "identitytoken": login.identity_token, "registrytoken": login.registry_token}
    name = "https://index.docker.io/v1/" if host == DOCKER_HUB else host
    memory = os.memfd_create("login")
    try:
        os.write(memory, json.dumps({"auths": {name: {key: value for key, value in entry.items() if value}}}).encode())
        (folder / "config.json").symlink_to(f"/proc/{os.getpid()}/fd/{memory}")
        yield {"DOCKER_CONFIG": str(folder)}
    finally:
        os.close(memory)


def _says(said: str, predicate: bytes) -> bool:
    """Whether cosign verified this predicate."""
    try:
        statements = [json.loads(base64.b64decode(json.loads(line)["payload"])) for line in said.splitlines() if line]
        return any(statement["predicate"] == json.loads(predicate) for statement in statements)
    except (ValueError, KeyError, TypeError):
        return False


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    if not lines:
        return "it does not say why"
    told = "".join(c if c.isprintable() else " " for c in lines[-1])
    # The end of the message matters most.
    return told if len(told) <= _MOST_TOLD else f"…{told[-_MOST_TOLD:]}"

"""Signatures by cosign, which is a program of its own: it has the key, we have not.

Signed are the image and its provenance. Nothing goes to a public log: what an organisation builds is its own business,
and whoever has the public key can verify without one (`cosign verify --insecure-ignore-tlog`). The key's password is
cosign's business too (COSIGN_PASSWORD in the environment); it logs in as Docker does.
"""

from __future__ import annotations

import subprocess
import tempfile
from functools import cached_property
from pathlib import Path

from imagefab.errors import FetchError, UsageError
from imagefab.progress import Progress

_PROGRAM = "cosign"
_TIME = 300
_WITHOUT_LOG = "--insecure-ignore-tlog=true"
_TYPE = ("--type", "slsaprovenance1")


class Signer:
    def __init__(self, key: str, folder: Path, progress: Progress) -> None:
        """`key` is a file, relative to `folder`, or the address of a key that cosign knows."""
        self._key = key if "://" in key else str(folder / key)
        self._progress = progress

    def sign(self, reference: str, predicate: bytes | None) -> None:
        """An image by its digest, and what its provenance says, where there is one; what is signed already stays."""
        with tempfile.TemporaryDirectory() as folder:
            public = Path(folder) / "key.pub"
            public.write_text(self._public_key)
            known = ("--key", str(public), _WITHOUT_LOG)
            if not self._succeeds("verify", *known, reference):
                self._demand(reference, "sign", "--key", self._key, *self._quietly, reference)
                self._progress.say(f"{reference} signed")
            if predicate is not None and not self._succeeds("verify-attestation", *known, *_TYPE, reference):
                path = Path(folder) / "predicate.json"
                path.write_bytes(predicate)
                given = ("--key", self._key, "--predicate", str(path), *_TYPE)
                self._demand(reference, "attest", *given, *self._quietly, reference)

    @cached_property
    def _public_key(self) -> str:
        result = self._run("public-key", "--key", self._key)
        if result.returncode != 0:
            raise UsageError(
                f"cosign can't use the key {self._key}: {_last_line(result.stderr)}",
                hint="COSIGN_PASSWORD in the environment is its password",
            )
        return result.stdout

    @cached_property
    def _quietly(self) -> tuple[str, ...]:
        """Without a log, as this version of cosign spells it."""
        help_text = self._run("sign", "--help").stdout
        newer = ("--use-signing-config=false",) if "--use-signing-config" in help_text else ()
        return ("--yes", "--tlog-upload=false", *newer)

    def _demand(self, reference: str, verb: str, *arguments: str) -> None:
        result = self._run(verb, *arguments)
        if result.returncode != 0:
            raise FetchError(
                f"cosign does not {verb} {reference}: {_last_line(result.stderr)}",
                hint="the image itself is there, not signed; publish again when cosign works",
            )

    def _succeeds(self, *arguments: str) -> bool:
        return self._run(*arguments).returncode == 0

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [_PROGRAM, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=_TIME,
            )
        except OSError as error:
            hint = "install cosign, or publish without a key"
            raise UsageError(f"cosign, which signs, can't be run: {error.strerror}", hint=hint) from None
        except subprocess.TimeoutExpired:
            raise FetchError(f"cosign did not end within {_TIME} seconds") from None


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return "".join(c if c.isprintable() else " " for c in lines[-1])[:300] if lines else "it does not say why"

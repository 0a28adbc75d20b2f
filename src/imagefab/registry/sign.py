"""Signatures by cosign, which is a program of its own: it has the key, we have not.

The key's password is cosign's business too (COSIGN_PASSWORD in the environment). It logs in as Docker does.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from imagefab.errors import FetchError, UsageError
from imagefab.progress import Progress

_PROGRAM = "cosign"
_TIME = 300


class Signer:
    def __init__(self, key: str, folder: Path, progress: Progress) -> None:
        """`key` is a file, relative to the project's folder, or the address of a key that cosign knows."""
        self._key = key if "://" in key else str(folder / key)
        self._progress = progress

    def sign(self, reference: str) -> None:
        if self._is_signed(reference):
            return
        result = self._run("sign", "--yes", "--key", self._key, *_OFFLINE, reference)
        if result.returncode != 0:
            raise FetchError(
                f"cosign does not sign {reference}: {_last_line(result.stderr)}",
                hint="the image is there, without a tag; publish again when cosign works",
            )
        self._progress.say(f"{reference} signed")

    def _is_signed(self, reference: str) -> bool:
        """Whether it has a signature by this key."""
        public = self._run("public-key", "--key", self._key)
        if public.returncode != 0:
            raise UsageError(
                f"cosign can't use the key {self._key}: {_last_line(public.stderr)}",
                hint="COSIGN_PASSWORD in the environment is its password",
            )
        return (
            self._run(
                "verify", "--key", "/dev/stdin", "--insecure-ignore-tlog", reference, given=public.stdout
            ).returncode
            == 0
        )

    def _run(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [_PROGRAM, *arguments], input=given, capture_output=True, text=True, check=False, timeout=_TIME
            )
        except FileNotFoundError:
            raise UsageError(
                "cosign is not there, which signs", hint="install cosign, or publish without a key"
            ) from None
        except subprocess.TimeoutExpired:
            raise FetchError(f"cosign did not end within {_TIME} seconds") from None


_OFFLINE = ("--tlog-upload=false",)


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return "".join(c if c.isprintable() else " " for c in lines[-1])[:300] if lines else "it does not say why"

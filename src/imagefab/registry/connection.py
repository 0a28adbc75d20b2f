"""Connections to registries: by which proxy, and whose certificates are believed."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from imagefab import http
from imagefab.registry.errors import RegistryError

if TYPE_CHECKING:
    import httpx

_PROXIES = "HTTPS_PROXY, HTTP_PROXY and ALL_PROXY are addresses like http://proxy.example.org:3128"


def make_client(**options: Any) -> httpx.Client:
    import httpx

    try:
        return http.make_client(**options)
    except httpx.InvalidURL:
        # What it says may be a part of a password that has a slash in it.
        raise RegistryError("the proxy in the environment is not a URL", hint=_PROXIES) from None
    except (ImportError, ValueError) as error:
        raise RegistryError(
            f"the proxy in the environment can't be used: {str(error).splitlines()[0][:200]}",
            hint=_PROXIES,
        ) from None


def hint_at_proxy(url: str) -> str | None:
    """Where a proxy stands between, what fails is most often that."""
    parts = urlsplit(url)
    proxies = getproxies()
    if proxy_bypass(parts.hostname or "") or not (proxies.get(parts.scheme) or proxies.get("all")):
        return None
    return f"a proxy leads there, of {parts.scheme.upper()}_PROXY or ALL_PROXY in the environment; does it work?"


def make_context(host: str, folders: Sequence[Path]) -> ssl.SSLContext:
    """Whom to trust: the system's authorities or SSL_CERT_FILE's, and those that Docker and Podman have for a host."""
    context = ssl.create_default_context()
    for folder in (root / host for root in folders):
        try:
            for path in sorted(folder.glob("*.crt")):
                context.load_verify_locations(cafile=path)
            for path in sorted(folder.glob("*.cert")):
                context.load_cert_chain(path, path.with_suffix(".key"))
        except (OSError, ssl.SSLError) as error:
            raise RegistryError(f"{folder} can't be used: {error}", hint="this folder is for certificates") from None
    return context

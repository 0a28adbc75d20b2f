"""Connections to registries: which certificates are trusted, and whether a proxy may be at fault."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from imagefab.registry.errors import RegistryError

PROXIES = "HTTPS_PROXY, HTTP_PROXY and ALL_PROXY are addresses like http://proxy.example.org:3128"


def hint_at_proxy(url: str) -> str | None:
    """A hint at the proxy, if there is one, since it is the likeliest cause of a failure."""
    parts = urlsplit(url)
    proxies = getproxies()
    if proxy_bypass(parts.hostname or "") or not (proxies.get(parts.scheme) or proxies.get("all")):
        return None
    return f"a proxy leads there, of {parts.scheme.upper()}_PROXY or ALL_PROXY in the environment; does it work?"


def make_context(host: str, folders: Sequence[Path]) -> ssl.SSLContext:
    """Trust the system's authorities or SSL_CERT_FILE's, and those that Docker and Podman have for the host."""
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

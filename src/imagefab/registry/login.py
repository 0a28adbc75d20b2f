"""Authentication for httpx: adds a grant to a request, and sends it again if the registry wants another."""

from __future__ import annotations

from collections.abc import Generator

import httpx

from imagefab.registry.access import Access, Scope


class Login(httpx.Auth):
    def __init__(self, access: Access, scope: Scope) -> None:
        self._access = access
        self._scope = scope

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response]:
        # Another thread that shares the token may have used it up.
        for is_last in (False, False, True):
            grant = self._access.find(self._scope)
            if grant is not None:
                request.headers["Authorization"] = grant.header
            response = yield request
            if response.status_code != 401 or is_last:
                return
            self._access.learn(response.headers.get_list("WWW-Authenticate"), self._scope)

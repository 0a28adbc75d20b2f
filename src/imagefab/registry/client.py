"""A registry over HTTP, with authentication, retries, and errors that a person can act on.

Transient failures are retried after a pause: broken connections, 5xx, and 429 with its Retry-After. Any other status is
final. A response is read in full, within limits of size and time, before it is used.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urljoin, urlsplit

from imagefab.http import MOST_REDIRECTS, Patience, ProxyAddressError, follow, is_passing, make_client, within
from imagefab.registry.access import Access, Scope
from imagefab.registry.connection import PROXIES, hint_at_proxy, make_context
from imagefab.registry.credentials import NO_KEYRING, Keyring
from imagefab.registry.effort import Effort, Efforts
from imagefab.registry.errors import PassingError, RegistryError
from imagefab.registry.reference import api_host, is_loopback

if TYPE_CHECKING:
    import httpx

_AT_ONCE = 4
_MOST_BODY = 16 << 20
T = TypeVar("T")
_LATER = "try again later; the upload goes on where it stopped"
_CERTIFICATES = (Path("/etc/docker/certs.d"), Path("/etc/containers/certs.d"))

Content = bytes | Callable[[], Iterator[bytes]]
"""A request body: a function if it may have to be sent twice."""


@dataclass(frozen=True, slots=True)
class _Repeatable:
    """A request body that can be sent again from the start after a login."""

    make: Callable[[], Iterator[bytes]]

    def __iter__(self) -> Iterator[bytes]:
        return self.make()


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: httpx.Headers
    body: bytes
    url: str


class Client:
    """One registry, shared between threads."""

    def __init__(
        self,
        host: str,
        *,
        keyring: Keyring = NO_KEYRING,
        patience: Patience | None = None,
        certificates: Sequence[Path] = _CERTIFICATES,
    ) -> None:
        self.host = host
        self.patience = patience or Patience()
        self._certificates = certificates
        self._guard = threading.Lock()
        self._http: httpx.Client | None = None
        self._base: str | None = None
        self._access = Access(host, keyring, self._ask)
        self._efforts = Efforts()
        self.stop = threading.Event()

    def close(self) -> None:
        self.stop.set()
        with self._guard:
            if self._http is not None:
                self._http.close()
                self._http = None

    # -- calls ----------------------------------------------------------------------------------------------------

    def call(
        self,
        method: str,
        address: str,
        scope: Scope,
        *,
        headers: dict[str, str] | None = None,
        content: Content = b"",
        attempts: int | None = None,
    ) -> Answer:
        """Send a request, with retries. `address` is a path below /v2/, or a URL that the registry gave."""
        return self._insist(
            method,
            lambda: self.stream(method, address, scope, headers=headers, content=content),
            "it",
            seconds=self.patience.limit(_read_length(headers)),
            attempts=attempts,
        )

    @contextmanager
    def stream(
        self,
        method: str,
        address: str,
        scope: Scope,
        *,
        headers: dict[str, str] | None = None,
        content: Content = b"",
    ) -> Iterator[httpx.Response]:
        """Send a request once, with the response's body still to be read. Follows redirects of reads."""
        url = urljoin(f"{self.connect()}/v2/", address)
        for _ in range(MOST_REDIRECTS):
            with self._open(method, url, scope, headers or {}, content) as response:
                if not (response.is_redirect and method in ("GET", "HEAD")):
                    yield response
                    return
                url = self.follow(url, response.headers.get("Location", ""))
        raise RegistryError(f"{self.host} redirects too often")

    def _insist(
        self,
        method: str,
        send: Callable[[], AbstractContextManager[httpx.Response]],
        who: str,
        *,
        seconds: float,
        attempts: int | None = None,
    ) -> Answer:
        """Send until there is a conclusive response, with a time limit in seconds for each attempt."""

        def attempt() -> Answer:
            with within(seconds), send() as response:
                body = b"" if method == "HEAD" else self._read(response)
                answer = Answer(response.status_code, response.headers, body, str(response.url))
            if is_passing(answer.status):
                problem = f"{self.host}: {who} answers {self.explain(answer)}{_name_limit(answer.status)}"
                raise PassingError(problem, hint=_LATER, wait=read_retry_after(answer.headers))
            return answer

        return attempt() if attempts == 1 else self.insist(attempt)

    def insist(self, attempt: Callable[[], T], *, size: int = 0) -> T:
        """Attempt something until it raises no PassingError, or the patience for that many bytes ends."""
        with self.work(size) as effort:
            while True:
                try:
                    return attempt()
                except PassingError as error:
                    self.rest(effort, error)

    def work(self, size: int = 0) -> AbstractContextManager[Effort]:
        """Everything inside shares one limit of time and attempts, also when nested in other work."""
        return self._efforts.begin(self.patience, size)

    def rest(self, effort: Effort, error: PassingError) -> None:
        """Pause before another attempt, for as long as the registry asks within reason, or give up."""
        pause = effort.fail(error)
        if error.wait > self.patience.longest:
            effort.failures = self.patience.attempts
            raise PassingError(
                f"{self.host} asks to wait {error.wait:.0f} seconds",
                hint="the registry limits requests; try again later, or log in for a higher limit",
            )
        self.pause(pause)

    def pause(self, seconds: float) -> None:
        if self.stop.wait(seconds):
            raise RegistryError("stopped")

    @contextmanager
    def hurry(self) -> Iterator[None]:
        """Let nothing pause any more: whatever would have to gives up."""
        self.stop.set()
        try:
            yield
        finally:
            self.stop.clear()

    def follow(self, url: str, location: str) -> str:
        try:
            return follow(url, location)
        except ValueError as error:
            raise RegistryError(f"{self.host} {error}") from None

    def explain(self, answer: Answer) -> str:
        """The registry's error message, without credentials."""
        told = str(answer.status)
        try:
            errors = json.loads(answer.body)["errors"]
            told += f": {errors[0].get('code', '')} {errors[0].get('message', '')}".rstrip()
        except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
            pass
        told = "".join(character if character.isprintable() else " " for character in told)[:300]
        return self._access.hide(told)

    # -- one request ----------------------------------------------------------------------------------------------

    @contextmanager
    def _open(
        self, method: str, url: str, scope: Scope, headers: dict[str, str], content: Content
    ) -> Iterator[httpx.Response]:
        """Send with authentication."""
        from imagefab.registry.login import Login

        # Only the registry itself may see credentials.
        is_ours = _origin(url) == _origin(self.connect())
        login = Login(self._access, scope) if is_ours else None
        response = self._send(method, url, headers, content, login)
        try:
            if response.status_code in (401, 403) and is_ours:
                raise self._access.refuse(scope.repository, response.status_code)
            yield response
        finally:
            response.close()

    def _send(
        self, method: str, url: str, headers: dict[str, str], content: Content, login: httpx.Auth | None = None
    ) -> httpx.Response:
        import httpx

        client = self._client()
        try:
            body = _Repeatable(content) if callable(content) else content or None
            request = client.build_request(method, url, headers=headers, content=body)
            with within(self.patience.limit(_read_length(headers))):
                return client.send(request, stream=True, auth=login)
        except httpx.ProxyError as error:
            raise PassingError(f"the proxy on the way to {self.host}: {self._reason(error)}") from None
        except httpx.TimeoutException:
            raise PassingError(f"{self.host} did not answer in time") from None
        except httpx.TransportError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise RegistryError(
                    f"{self.host}: {self._reason(error)}",
                    hint=f"put its authority's certificate into {_CERTIFICATES[0]}/{self.host}/ca.crt, or name a file "
                    "with it in SSL_CERT_FILE",
                ) from None
            if "WRONG_VERSION_NUMBER" in str(error) and not is_loopback(self.host):
                raise RegistryError(
                    f"{self.host} does not use TLS",
                    hint="only registries on this machine may do without TLS: give it a certificate",
                ) from None
            raise PassingError(f"{self.host}: {self._reason(error)}", hint=hint_at_proxy(url)) from None
        except (httpx.InvalidURL, ValueError) as error:
            raise RegistryError(
                f"{self.host} redirects to something that is not a URL: {type(error).__name__}"
            ) from None

    def _reason(self, error: Exception) -> str:
        return self._access.hide(str(error) or type(error).__name__)

    def _read(self, response: httpx.Response) -> bytes:
        """Read a small response in full, within limits."""
        import httpx

        body = bytearray()
        try:
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > _MOST_BODY:
                    raise RegistryError(f"{self.host} sends more than {_MOST_BODY >> 20} MiB")
        except httpx.TimeoutException:
            raise PassingError(f"{self.host} answers too slowly") from None
        except (httpx.TransportError, httpx.StreamError, httpx.DecodingError) as error:
            raise PassingError(f"{self.host}: {self._reason(error)}") from None
        return bytes(body)

    def _client(self) -> httpx.Client:
        with self._guard:
            if self._http is None:
                context = make_context(self.host, self._certificates)
                # Don't reach this machine's registry through a proxy, which would see the login in the clear.
                trust = not is_loopback(self.host)
                try:
                    self._http = make_client(self.patience, trust_env=trust, verify=context)
                except ProxyAddressError as error:
                    raise RegistryError(str(error), hint=PROXIES) from None
            return self._http

    # -- who we are -----------------------------------------------------------------------------------------------

    def connect(self) -> str:
        """The registry's base URL. On this machine it may be without TLS, which is detected once."""
        with self._guard:
            if self._base is not None:
                return self._base
        host = api_host(self.host)
        base = f"https://{host}"
        if is_loopback(self.host):
            try:
                self._send("GET", f"{base}/v2/", {}, b"").close()
            except PassingError as error:
                if "SSL" not in error.problem and "TLS" not in error.problem:
                    raise PassingError(error.problem, hint="is the registry running?") from None
                base = f"http://{host}"
        with self._guard:
            self._base = base
            return base

    def _ask(self, method: str, url: str, headers: dict[str, str], content: bytes) -> tuple[int, bytes]:
        """Call a token service, which is another party than the registry."""

        @contextmanager
        def send() -> Iterator[httpx.Response]:
            response = self._send(method, url, headers, content)
            try:
                yield response
            finally:
                response.close()

        answer = self._insist(method, send, "its token service", seconds=self.patience.whole)
        return answer.status, answer.body


@contextmanager
def work_at_once(client: Client) -> Iterator[ThreadPoolExecutor]:
    """Threads that call one registry. On an error or interrupt, nothing waits for the others."""
    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        yield pool
    except Exception:
        with client.hurry():
            pool.shutdown(cancel_futures=True)
        raise
    except BaseException:
        client.stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


class Registries:
    """Registry clients, one for each host."""

    def __init__(self, *, keyring: Keyring = NO_KEYRING, patience: Patience | None = None) -> None:
        self._keyring = keyring
        self._patience = patience
        self._guard = threading.Lock()
        self._clients: dict[str, Client] = {}

    def open(self, host: str) -> Client:
        with self._guard:
            if host not in self._clients:
                self._clients[host] = Client(host, keyring=self._keyring, patience=self._patience)
            return self._clients[host]

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


def _read_length(headers: Mapping[str, str] | None) -> int:
    """The length of a large request body."""
    return int((headers or {}).get("Content-Length", "0"))


def _origin(url: str) -> tuple[str, str]:
    """Normalise a URL's origin: equivalent spellings are the same registry."""
    parts = urlsplit(url)
    default = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    return parts.scheme, parts.netloc.lower().removesuffix(default)


def _name_limit(status: int) -> str:
    return " (rate limited)" if status == 429 else ""


def read_retry_after(headers: Mapping[str, str]) -> float:
    """Read Retry-After in seconds; a date is relative to the registry's own clock."""
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        return (parsedate_to_datetime(text) - parsedate_to_datetime(headers.get("Date", ""))).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return 0.0

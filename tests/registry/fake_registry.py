"""A fake registry in memory, over real HTTP on loopback, with the habits of real ones."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

USER, PASSWORD = "robot", "hush-hush-1234"
IDENTITY = "identity-token-5678"


@dataclass
class Habits:
    auth: str = "none"
    """none, basic or bearer."""
    mounts: bool = True
    referrers: bool = False
    most: int | None = None
    """Bytes that it takes in one request."""
    lasting: int | None = None
    """Requests that a token is good for."""
    elsewhere: bool = False
    """Blobs are given by another server, which must not learn who we are."""
    page: int = 1000
    """Tags that it lists in one answer."""


@dataclass
class Seen:
    method: str
    path: str
    authorization: str
    length: int


@dataclass(eq=False)
class Fault:
    when: str
    """A pattern of the method and the path."""
    answer: Callable[[Handler], None]

    def fits(self, handler: Handler) -> bool:
        return re.search(self.when, f"{handler.command} {handler.path}") is not None


@dataclass
class FakeRegistry:
    habits: Habits = field(default_factory=Habits)
    host: str = ""
    blobs: dict[tuple[str, str], bytes] = field(default_factory=dict)
    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    seen_elsewhere: list[Seen] = field(default_factory=list)
    uploads: dict[str, bytearray] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    """The first that fits a request answers it, and is gone."""
    guard: threading.Lock = field(default_factory=threading.Lock)
    tokens: dict[str, int] = field(default_factory=dict)
    other: str = ""

    def methods(self, pattern: str = "") -> list[str]:
        return [f"{one.method} {one.path}" for one in self.seen if re.search(pattern, f"{one.method} {one.path}")]


class Handler(BaseHTTPRequestHandler):
    registry: FakeRegistry
    is_other = False
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a body that follows its header would wait for the client's delayed acknowledgement

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 204 and "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status: int, code: str) -> None:
        self.answer(status, json.dumps({"errors": [{"code": code, "message": "no"}]}).encode())

    def read_body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def handle_any(self) -> None:
        registry, path = self.registry, self.path
        length = int(self.headers.get("Content-Length", "0"))
        seen = Seen(self.command, path, self.headers.get("Authorization", ""), length)
        (registry.seen_elsewhere if self.is_other else registry.seen).append(seen)
        for fault in list(registry.faults):
            with registry.guard:
                if fault not in registry.faults or not fault.fits(self):
                    continue
                registry.faults.remove(fault)
            fault.answer(self)
            return
        self.body = self.read_body()
        if self.is_other:
            self.answer(200, registry.blobs[tuple(path.strip("/").rsplit("/", 1))])  # type: ignore[index]
        elif path.startswith("/token"):
            self.give_token()
        elif not self.is_welcome():
            scheme = registry.habits.auth
            realm = f'realm="http://{registry.host}/token",service="fake"' if scheme == "bearer" else 'realm="fake"'
            body = b'{"errors":[{"code":"UNAUTHORIZED","message":"who are you?"}]}'
            self.answer(401, body, WWW_Authenticate=f"{scheme.capitalize()} {realm}")
        elif found := re.fullmatch(r"/v2/(.+)/(blobs/uploads|blobs|manifests|referrers|tags)/(.*)", path):
            getattr(self, f"{self.command.lower()}_{found[2].rpartition('/')[2]}", self.no)(found[1], found[3])
        else:
            self.answer(200 if urlsplit(path).path == "/v2/" else 404)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def no(self, repository: str, name: str) -> None:
        self.refuse(405, "UNSUPPORTED")

    # -- who ------------------------------------------------------------------------------------------------------

    def is_welcome(self) -> bool:
        auth, given = self.registry.habits.auth, self.headers.get("Authorization", "")
        if auth == "basic":
            return given == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if auth == "bearer":
            token = given.removeprefix("Bearer ")
            left = self.registry.tokens.get(token, 0)
            self.registry.tokens[token] = left - 1
            return left > 0
        return True

    def give_token(self) -> None:
        given = self.headers.get("Authorization", "")
        form = parse_qs(self.body.decode())
        known = given == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if not known and form.get("refresh_token") != [IDENTITY]:
            self.answer(401, b"{}")
            return
        token = f"token-{len(self.registry.tokens)}"
        self.registry.tokens[token] = self.registry.habits.lasting or 10**6
        self.answer(200, json.dumps({"token": token, "expires_in": 300}).encode())

    # -- blobs ----------------------------------------------------------------------------------------------------

    def get_blobs(self, repository: str, digest: str) -> None:
        data = self.registry.blobs.get((repository, digest))
        if data is None:
            self.refuse(404, "BLOB_UNKNOWN")
        elif self.registry.habits.elsewhere and self.command == "GET":
            self.answer(307, Location=f"http://{self.registry.other}/{repository}/{digest}")
        else:
            self.answer(200, data)

    head_blobs = get_blobs

    def post_uploads(self, repository: str, query: str) -> None:
        asked = parse_qs(query.removeprefix("?"))
        if self.registry.habits.mounts and "mount" in asked:
            data = self.registry.blobs.get((asked["from"][0], asked["mount"][0]))
            if data is not None:
                self.registry.blobs[repository, asked["mount"][0]] = data
                self.answer(201)
                return
        name = f"upload{len(self.registry.uploads)}"
        self.registry.uploads[name] = bytearray()
        # Relative, with a query that has to come back as it is.
        self.answer(202, Location=f"/v2/{repository}/blobs/uploads/{name}?_state=a%2Bb%3D%3D")

    def find_upload(self, name: str) -> bytearray | None:
        name, _, query = name.partition("?")
        if not query.startswith("_state=a%2Bb%3D%3D"):
            return None
        return self.registry.uploads.get(name)

    def patch_uploads(self, repository: str, name: str) -> None:
        upload, most = self.find_upload(name), self.registry.habits.most
        if most is not None and len(self.body) > most:
            self.refuse(413, "SIZE_INVALID")
        elif upload is None:
            self.refuse(404, "BLOB_UPLOAD_UNKNOWN")
        elif self.headers.get("Content-Range", "").partition("-")[0] != str(len(upload)):
            self.refuse(416, "RANGE_INVALID")
        else:
            upload += self.body
            self.answer(202, Location=self.path, Range=f"0-{len(upload) - 1}")

    def put_uploads(self, repository: str, name: str) -> None:
        upload, most = self.find_upload(name), self.registry.habits.most
        if most is not None and len(self.body) > most:
            self.refuse(413, "SIZE_INVALID")
            return
        if upload is None:
            self.refuse(404, "BLOB_UPLOAD_UNKNOWN")
            return
        data = bytes(upload) + self.body
        digest = parse_qs(urlsplit(self.path).query)["digest"][0]
        if digest != f"sha256:{hashlib.sha256(data).hexdigest()}":
            self.refuse(400, "DIGEST_INVALID")
            return
        self.registry.blobs[repository, digest] = data
        self.answer(201)

    def delete_uploads(self, repository: str, name: str) -> None:
        self.answer(204)

    # -- manifests ------------------------------------------------------------------------------------------------

    def get_manifests(self, repository: str, name: str) -> None:
        found = self.registry.manifests.get((repository, name))
        if found is None:
            self.refuse(404, "MANIFEST_UNKNOWN")
            return
        digest = f"sha256:{hashlib.sha256(found[1]).hexdigest()}"
        self.answer(200, found[1], Content_Type=found[0], Docker_Content_Digest=digest)

    head_manifests = get_manifests

    def delete_manifests(self, repository: str, digest: str) -> None:
        names = [(place, name) for (place, name), (_, data) in self.registry.manifests.items()
                 if place == repository and f"sha256:{hashlib.sha256(data).hexdigest()}" == digest]  # fmt: skip
        for key in names:
            del self.registry.manifests[key]
        self.refuse(404, "MANIFEST_UNKNOWN") if not names else self.answer(202)

    def put_manifests(self, repository: str, name: str) -> None:
        value = json.loads(self.body)
        digest = f"sha256:{hashlib.sha256(self.body).hexdigest()}"
        if name.startswith("sha256:") and name != digest:
            self.refuse(400, "DIGEST_INVALID")
            return
        blobs = [value["config"], *value["layers"]] if "layers" in value else []
        children = [] if "layers" in value else value["manifests"]
        lacking = [one for one in blobs if (repository, one["digest"]) not in self.registry.blobs]
        lacking += [one for one in children if (repository, one["digest"]) not in self.registry.manifests]
        if lacking:
            self.refuse(404, "MANIFEST_BLOB_UNKNOWN")
            return
        kind = self.headers.get("Content-Type", "")
        self.registry.manifests[repository, digest] = self.registry.manifests[repository, name] = (kind, self.body)
        subject = {"OCI_Subject": value["subject"]["digest"]} if "subject" in value else {}
        self.answer(201, Docker_Content_Digest=digest, **(subject if self.registry.habits.referrers else {}))

    def get_tags(self, repository: str, rest: str) -> None:
        tags = sorted(name for place, name in list(self.registry.manifests) if place == repository and ":" not in name)
        if not tags:
            self.refuse(404, "NAME_UNKNOWN")
            return
        last, most = parse_qs(urlsplit(rest).query).get("last", [""])[0], self.registry.habits.page
        left = [tag for tag in tags if tag > last]
        link = f'</v2/{repository}/tags/list?last={left[:most][-1]}&n={most}>; rel="next"'
        body = json.dumps({"name": repository, "tags": left[:most]}).encode()
        self.answer(200, body, **({"Link": link} if len(left) > most else {}))

    def get_referrers(self, repository: str, digest: str) -> None:
        if not self.registry.habits.referrers:
            self.refuse(404, "UNSUPPORTED")
            return
        found = [
            {"digest": name, "artifactType": json.loads(data).get("artifactType"), "size": len(data)}
            for (place, name), (_, data) in self.registry.manifests.items()
            if place == repository
            and name.startswith("sha256:")
            and json.loads(data).get("subject", {}).get("digest") == digest
        ]
        self.answer(200, json.dumps({"schemaVersion": 2, "manifests": found}).encode())


@contextlib.contextmanager
def serve(habits: Habits | None = None) -> Iterator[FakeRegistry]:
    registry = FakeRegistry(habits or Habits())

    class Main(Handler):
        pass

    class Other(Handler):
        is_other = True

    Main.registry = Other.registry = registry
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), one) for one in (Main, Other)]
    for server in servers:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    registry.host, registry.other = (f"127.0.0.1:{server.server_address[1]}" for server in servers)
    try:
        yield registry
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


def answering(status: int, when: str, *, times: int = 1, body: bytes = b"{}", **headers: str) -> list[Fault]:
    """Another answer to the next requests of a kind."""

    def answer(handler: Handler) -> None:
        handler.read_body()
        handler.answer(status, body, **headers)

    return [Fault(when, answer) for _ in range(times)]


def cutting(when: str, *, after: int = 0, times: int = 1) -> list[Fault]:
    """The connection ends in the middle of what we send."""

    def answer(handler: Handler) -> None:
        handler.rfile.read(after)
        handler.close_connection = True
        for one in (handler.rfile, handler.wfile, handler.connection):
            one.close()

    return [Fault(when, answer) for _ in range(times)]


def trickling(when: str, *, times: int = 1) -> list[Fault]:
    """An answer that comes one byte now and then, and would keep us forever."""

    def answer(handler: Handler) -> None:
        handler.answer(200, b"", Content_Length="1000000")
        with contextlib.suppress(OSError):
            for _ in range(100):
                handler.wfile.write(b" ")
                handler.wfile.flush()
                time.sleep(0.1)

    return [Fault(when, answer) for _ in range(times)]


def trickling_headers(when: str, *, times: int = 1) -> list[Fault]:
    """An answer whose header has one more line, now and then."""

    def answer(handler: Handler) -> None:
        handler.close_connection = True
        with contextlib.suppress(OSError):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
            for number in range(100):
                handler.wfile.write(b"X-%d: x\r\n" % number)
                handler.wfile.flush()
                time.sleep(0.1)

    return [Fault(when, answer) for _ in range(times)]

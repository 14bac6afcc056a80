"""A server that speaks the Hub's protocol, with a second one for the large files, both on loopback.

It serves real files and misbehaves as a test tells it.
"""

import contextlib
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = (".gguf", ".safetensors", ".bin")
PIECE = 1 << 16


@cache
def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass
class Repository:
    files: dict[str, Path]
    gated: str | bool = False
    private: bool = False
    downloads: int = 10
    license: str = "apache-2.0"
    revisions: tuple[str, ...] = ("main",)

    @property
    def commit(self) -> str:
        return hashlib.sha1("".join(sorted(self.files)).encode()).hexdigest()

    @property
    def tags(self) -> list[str]:
        ends = {Path(name).suffix[1:] for name in self.files}
        return [*sorted(ends & {"gguf", "safetensors"}), f"license:{self.license}"]


@dataclass
class Misbehaviour:
    """What the servers do wrong; all of it for the bytes of large files, but for ``busy``."""

    drop_after: int = 0  # bytes of each answer, then the connection is cut
    hold_at: int = 0  # offset in the file at which the server stops sending and waits
    flip_at: int = -1  # offset of a byte that arrives wrong
    longer: int = 0  # bytes more than the file has
    says: int = 0  # length that the answer claims
    ignore_range: bool = False
    changing_etag: bool = False
    no_validator: bool = False
    loop: bool = False
    busy: list[tuple[int, str]] = field(default_factory=list)  # status and Retry-After, in turn
    cut_off: bool = False  # every connection is closed without an answer


@dataclass
class Asked:
    """A request that came."""

    server: str
    path: str
    headers: dict[str, str]


class HubServer:
    """The Hub, its storage, and what was asked of them."""

    def __init__(self, token: str = "hf_right") -> None:
        self.repositories: dict[str, Repository] = {}
        self.token = token
        self.wrong = Misbehaviour()
        self.asked: list[Asked] = []
        self.served = 0
        self.release = threading.Event()
        self._lock = threading.Lock()
        self._hub = _listen(self, "hub")
        self._storage = _listen(self, "storage")

    def __enter__(self) -> "HubServer":
        for server in (self._hub, self._storage):
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        for server in (self._hub, self._storage):
            server.shutdown()
            server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._hub.server_address[1]}"

    @property
    def storage(self) -> str:
        return f"http://127.0.0.1:{self._storage.server_address[1]}"

    def file(self, digest: str) -> Path:
        files = (path for one in self.repositories.values() for path in one.files.values())
        return next(path for path in files if sha256(path) == digest)

    def count(self, size: int) -> None:
        with self._lock:
            self.served += size

    def bytes_asked(self) -> list[str]:
        """The ranges that were asked of the storage."""
        return [one.headers.get("range", "") for one in self.asked if one.server == "storage"]


def _listen(hub: HubServer, kind: str) -> ThreadingHTTPServer:
    class Bound(_Handler):
        pass

    Bound.hub, Bound.kind = hub, kind
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bound)
    server.daemon_threads = True
    server.block_on_close = False
    return server


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    kind: str
    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.hub.asked.append(Asked(self.kind, self.path, headers))
        wrong = self.hub.wrong
        if wrong.cut_off:
            self.close_connection = True
            return
        if wrong.busy:
            status, after = wrong.busy.pop(0)
            self._send(status, {"Retry-After": after} if after else {}, b"busy")
            return
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if self.kind == "storage":
                self._bytes(self.hub.file(parts.path.removeprefix("/")))
            elif parts.path == "/api/models":
                self._search(parse_qs(parts.query))
            elif parts.path.startswith("/api/models/"):
                self._model(unquote(parts.path.removeprefix("/api/models/")))
            else:
                self._resolve(unquote(parts.path))

    def _allowed(self, repository: Repository | None) -> bool:
        """Refuse as the Hub does: what is private is not there, what is gated says so."""
        right = self.headers.get("Authorization") == f"Bearer {self.hub.token}"
        if repository is None or (repository.private and not right):
            self._send(401, {"X-Error-Code": "RepoNotFound"}, b"{}")
            return False
        return True

    def _search(self, query: dict[str, list[str]]) -> None:
        words = query.get("search", [""])[0].lower()
        found = [
            {"id": name, "downloads": one.downloads, "gated": one.gated, "tags": one.tags}
            for name, one in self.hub.repositories.items()
            if words in name.lower() and not one.private
        ]
        found.sort(key=lambda one: -one["downloads"])
        self._json(found[: int(query.get("limit", ["1000"])[0])])

    def _model(self, path: str) -> None:
        name, _, revision = path.partition("/revision/")
        repository = self.hub.repositories.get(name)
        if not self._allowed(repository):
            return
        assert repository is not None
        if revision not in ("", repository.commit, *repository.revisions):
            self._send(404, {"X-Error-Code": "RevisionNotFound"}, b"{}")
            return
        self._json(
            {
                "id": name,
                "sha": repository.commit,
                "gated": repository.gated,
                "downloads": repository.downloads,
                "tags": repository.tags,
                "pipeline_tag": "text-generation",
                "siblings": [_sibling(one, path) for one, path in repository.files.items()],
            }
        )

    def _resolve(self, path: str) -> None:
        found = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        repository = self.hub.repositories.get(found[1]) if found else None
        if not self._allowed(repository) or found is None:
            return
        assert repository is not None
        if repository.gated and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            self._send(401, {"X-Error-Code": "GatedRepo"}, b"Access is restricted")
            return
        file = repository.files.get(found[3])
        if file is None or found[2] not in (repository.commit, *repository.revisions):
            self._send(404, {"X-Error-Code": "EntryNotFound"}, b"")
            return
        commit = {"X-Repo-Commit": repository.commit}
        if self.hub.wrong.loop:
            self._send(302, {**commit, "Location": self.path}, b"")
        elif file.suffix in LARGE:
            linked = {"X-Linked-Size": str(file.stat().st_size), "X-Linked-Etag": sha256(file)}
            onward = f"{self.hub.storage}/{sha256(file)}?Signature=abc"
            self._send(302, {**commit, **linked, "Location": onward}, b"")
        else:
            self._send(200, {**commit, "ETag": f'"{_blob(file)}"'}, file.read_bytes())

    def _bytes(self, file: Path) -> None:
        """A file or a piece of it, right or wrong."""
        wrong, size = self.hub.wrong, file.stat().st_size + self.hub.wrong.longer
        etag = f'"{len(self.hub.asked)}"' if wrong.changing_etag else f'"{sha256(file)}"'
        start = 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        same = self.headers.get("If-Range", etag) == etag
        if asked and same and not wrong.ignore_range:
            start = int(asked[1])
        if start >= size:
            self._send(416, {"Content-Range": f"bytes */{size}"}, b"")
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.send_header("Content-Length", str(wrong.says or size - start))
        if not wrong.no_validator:
            self.send_header("ETag", etag)
        self.end_headers()
        if self.command == "GET":
            self._body(file, start)

    def _body(self, file: Path, start: int) -> None:
        wrong, sent = self.hub.wrong, 0
        self.close_connection = bool(wrong.says or wrong.longer or wrong.drop_after)
        with file.open("rb") as content:
            content.seek(start)
            while piece := content.read(PIECE):
                at = start + sent
                if wrong.hold_at and at + len(piece) > wrong.hold_at:
                    self.hub.release.wait(60)
                if at <= wrong.flip_at < at + len(piece):
                    changed = bytearray(piece)
                    changed[wrong.flip_at - at] ^= 1
                    piece = bytes(changed)
                if wrong.drop_after and sent + len(piece) > wrong.drop_after:
                    self.wfile.write(piece[: wrong.drop_after - sent])
                    self.hub.count(wrong.drop_after - sent)
                    self.close_connection = True
                    return
                self.wfile.write(piece)
                self.hub.count(len(piece))
                sent += len(piece)
        self.wfile.write(bytes(wrong.longer))

    def _json(self, value: Any) -> None:
        body = json.dumps(value).encode()
        self._send(200, {"Content-Type": "application/json"}, body)

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _sibling(name: str, path: Path) -> dict[str, Any]:
    size = path.stat().st_size
    one: dict[str, Any] = {"rfilename": name, "size": size, "blobId": _blob(path)}
    if path.suffix in LARGE:
        one["lfs"] = {"size": size, "sha256": sha256(path), "pointerSize": 134}
    return one


@cache
def _blob(path: Path) -> str:
    """What git calls the content of a small file, or the pointer of a large one."""
    content = path.read_bytes() if path.suffix not in LARGE else sha256(path).encode()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

"""The engine's own HTTP port, kept private and used for what has no call in the process."""

from __future__ import annotations

import http.client
import json
import secrets
import shutil
import socket
import tempfile
import threading
from pathlib import Path
from typing import Any

from jackfield import LoaderError

LONGEST_PATH = 100
"""Bytes of a socket's path that every system takes."""


class Loopback:
    """Where the engine listens: a socket in a folder that only this user can enter.

    Where there are no such sockets, a free port of 127.0.0.1. Either way a random key is needed.
    """

    def __init__(self) -> None:
        self.key = secrets.token_urlsafe(32)
        self.host = "127.0.0.1"
        self._folder: Path | None = None
        self._lock = threading.Lock()
        self._connection: http.client.HTTPConnection | None = None
        if hasattr(socket, "AF_UNIX"):
            folder = Path(tempfile.mkdtemp(prefix="jackfield-"))
            path = folder / "engine.sock"
            if len(str(path).encode()) <= LONGEST_PATH:
                self._folder, self.host = folder, str(path)
            else:
                folder.rmdir()

    def connect(self, address: str) -> None:
        """Remember where the engine says that it listens."""
        if self._folder is not None:
            self._connection = _SocketConnection(self.host)
        else:
            self._connection = http.client.HTTPConnection(address.rpartition("/")[2], timeout=60)

    def ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The JSON answer to a POST of ``body``, or to a GET without one.

        Raises:
            LoaderError: the engine refused or is gone.
        """
        with self._lock:
            try:
                status, data = self._exchange(path, body)
            except (http.client.HTTPException, OSError):
                # A connection that was idle too long or used too often is closed by the engine.
                self._close()
                try:
                    status, data = self._exchange(path, body)
                except (http.client.HTTPException, OSError) as error:
                    raise LoaderError(f"The engine does not answer {path!r}: {error}.") from error
        answer: dict[str, Any] = json.loads(data)
        if status != http.HTTPStatus.OK:
            raise LoaderError(f"The engine refused {path!r}: {answer}.")
        return answer

    def close(self) -> None:
        """Remove the socket."""
        with self._lock:
            self._close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _exchange(self, path: str, body: dict[str, Any] | None) -> tuple[int, bytes]:
        if self._connection is None:
            raise LoaderError("The engine is not listening.")
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        self._connection.request("GET" if body is None else "POST", path, data, headers)
        response = self._connection.getresponse()
        return response.status, response.read()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()


class _SocketConnection(http.client.HTTPConnection):
    """HTTP through a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)

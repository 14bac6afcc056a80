"""Fetches a page of the web for reading, and nothing from the local network."""

from __future__ import annotations

import ipaddress
import queue
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from jackfield import Document, DocumentReader, InvalidRequest, JackfieldError, NotPermitted
from jackfield_plugins.documents.process import Reading
from jackfield_plugins.documents.readers import FileReader, all_readers

if TYPE_CHECKING:
    import httpx

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address

REDIRECTS = 5
KINDS = {
    "text/html": "html",
    "application/xhtml+xml": "html",
    "application/pdf": "pdf",
    "text/markdown": "markdown",
    "text/csv": "csv",
    "application/json": "text",
    "application/xml": "text",
}
"""Media types to names of readers; other texts are read as such."""
PACKINGS = ("", "identity", "gzip", "deflate")
"""How a page may be packed, once: packed twice, a few bytes unpack to gigabytes."""
NAT64 = ipaddress.ip_network("64:ff9b::/96")
AGENT = "Mozilla/5.0 (compatible; Jackfield)"


class Deadline:
    """The moment by which a page must be there, and what is open until then."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._sockets: list[socket.socket] = []

    def left(self) -> float:
        """Seconds that are left, at least a moment."""
        return max(self._end - time.monotonic(), 0.001)

    @property
    def over(self) -> bool:
        """Whether it has come."""
        return time.monotonic() >= self._end

    def watch(self, event: str, info: dict[str, object]) -> None:
        """Note a connection: httpcore's trace."""
        if event == "connection.connect_tcp.complete":
            stream = info["return_value"]
            self._sockets.append(stream.get_extra_info("socket"))  # type: ignore[attr-defined]

    def hang_up(self) -> None:
        """End all connections: a server that sends a byte now and then would never end."""
        for one in self._sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:  # it is closed already
                continue


def fetch(
    url: str,
    *,
    offline: Callable[[], bool],
    seconds: float = 20.0,
    longest: int = 10_000_000,
    allow_private: bool = False,
    readers: Sequence[DocumentReader] = (),
) -> Document:
    """Read a page, a text or a PDF of the web. Blocks; for threads.

    Args:
        offline: whether the user has switched the network off.
        seconds: for all of it, redirects included.
        longest: bytes, unpacked.
        allow_private: addresses of this computer and its network may be asked, too.
        readers: what reads the page; those of the plugin ``documents`` with their usual limits if
            there are none.

    Raises:
        NotPermitted: offline, or an address that is not public.
        InvalidRequest: no address, no answer in time, or nothing that can be read.
        JackfieldError: the library that reads it is not installed.
    """
    if offline():
        raise NotPermitted(
            f"{url!r} cannot be read: Jackfield is offline.", hint="Switch offline mode off."
        )
    _check_scheme(url)
    deadline = Deadline(seconds)
    timer = threading.Timer(seconds, deadline.hang_up)
    timer.daemon = True
    timer.start()
    try:
        page = _got(url, deadline, longest, allow_private)
    finally:
        timer.cancel()
    if readers:
        return _read(page, readers)
    reading = Reading()
    try:
        return _read(page, all_readers(reading))
    finally:
        reading.close()


class Got:
    """What a server sent.

    Attributes:
        url: where it was in the end.
    """

    def __init__(self, url: str, media_type: str, charset: str, data: bytes) -> None:
        self.url, self.media_type, self.charset, self.data = url, media_type, charset, data


def _got(url: str, deadline: Deadline, longest: int, allow_private: bool) -> Got:
    import httpx

    headers = {"user-agent": AGENT, "accept-encoding": "gzip, deflate"}
    try:
        with (
            httpx.Client(
                transport=_transport(deadline, allow_private),
                headers=headers,
                follow_redirects=True,
                max_redirects=REDIRECTS,
                trust_env=False,
            ) as client,
            client.stream("GET", url) as response,
        ):
            if not response.is_success:
                raise InvalidRequest(
                    f"{url!r} answered with status {response.status_code} "
                    f"{response.reason_phrase}.".replace(" .", "."),
                    hint="Is the address right?",
                )
            media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            _reader_name(url, media_type)
            packed = response.headers.get("content-encoding", "").strip().lower()
            if packed not in PACKINGS:
                raise InvalidRequest(f"{url!r} is packed in a way that is not read: {packed!r}.")
            data = _body(url, response, deadline, longest)
            return Got(str(response.url), media_type, response.charset_encoding or "", data)
    except httpx.TooManyRedirects as error:
        raise InvalidRequest(f"{url!r} leads round in more than {REDIRECTS} steps.") from error
    except httpx.InvalidURL as error:
        raise InvalidRequest(f"{url!r} is no address: {error}.") from error
    except (httpx.HTTPError, OSError) as error:
        if deadline.over or isinstance(error, httpx.TimeoutException):
            raise _late(url) from error
        raise InvalidRequest(
            f"{url!r} cannot be reached: {error or type(error).__name__}.",
            hint="Is the address right, and is there a network?",
        ) from error


def _body(url: str, response: httpx.Response, deadline: Deadline, longest: int) -> bytes:
    too_long = InvalidRequest(
        f"{url!r} is longer than {longest:,} bytes.", hint="Download it and read the file."
    )
    said = response.headers.get("content-length", "")
    if said.isdigit() and int(said) > longest:
        raise too_long
    data = bytearray()
    for piece in response.iter_bytes():
        data += piece
        if len(data) > longest:
            raise too_long
        if deadline.over:
            raise _late(url)
    if deadline.over:  # it was hung up, and what came is not all
        raise _late(url)
    return bytes(data)


def _late(url: str) -> InvalidRequest:
    return InvalidRequest(f"{url!r} did not answer in time.", hint="Try again later.")


def _transport(deadline: Deadline, allow_private: bool) -> httpx.BaseTransport:
    """Asks the very address that was checked, at each redirect anew."""
    import httpx

    class Checked(httpx.BaseTransport):
        def __init__(self) -> None:
            self._inner = httpx.HTTPTransport(trust_env=False)

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            _check_scheme(str(request.url))
            host = request.url.host
            address = _public_address(host, request.url.port, deadline, allow_private)
            extensions = {
                **request.extensions,
                "sni_hostname": host,  # the certificate must be the name's
                "timeout": httpx.Timeout(deadline.left()).as_dict(),
                "trace": deadline.watch,
            }
            asked = httpx.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,  # Host among them
                extensions=extensions,
            )
            return self._inner.handle_request(asked)

        def close(self) -> None:
            self._inner.close()

    return Checked()


def _check_scheme(url: str) -> None:
    try:
        parts = urlsplit(url)
        right = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        right = False
    if not right:
        raise InvalidRequest(
            f"{url!r} is no address of the web.", hint="It has to begin with http:// or https://."
        )


def _public_address(host: str, port: int | None, deadline: Deadline, allow_private: bool) -> str:
    """An address of a host, if all of its addresses are public."""
    found = _resolved(host, port, deadline)
    for address in found:
        if not allow_private and not _is_public(ipaddress.ip_address(address)):
            raise NotPermitted(
                f"The address {host!r} is not read: {address} belongs to this computer or to a "
                "private network.",
                hint="Only pages of the public web can be read.",
            )
    return found[0]


def _resolved(host: str, port: int | None, deadline: Deadline) -> list[str]:
    """The addresses of a host, IPv4 first; asked in a thread, for it knows no time limit."""
    answers: queue.Queue[list[str] | OSError] = queue.Queue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port or 80, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            answers.put(OSError(f"there is no {host!r} ({error})"))
            return
        by_family = sorted(found, key=lambda one: one[0] != socket.AF_INET)
        answers.put([str(one[4][0]).partition("%")[0] for one in by_family])

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=deadline.left())
    except queue.Empty as error:
        raise TimeoutError(f"the addresses of {host!r} were not told in time") from error
    if isinstance(answer, OSError):
        raise answer
    return answer


def _is_public(address: Address) -> bool:
    """Whether an address is of the public network, and so is one that is packed into it."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in NAT64:
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if any(one is not None and not _is_public(one) for one in inner):
            return False
        if address.ipv4_mapped is not None or address in NAT64:
            return True
        if address.is_site_local:
            return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified
    )


def _reader_name(url: str, media_type: str) -> str:
    kind = KINDS.get(media_type, "text" if media_type.startswith("text/") else "")
    if not kind:
        raise InvalidRequest(
            f"{url!r} is no page but {media_type or 'of an unknown type'!r}.",
            hint="Pages, texts and PDF files can be read.",
        )
    return kind


def _read(page: Got, readers: Sequence[DocumentReader]) -> Document:
    wanted = _reader_name(page.url, page.media_type)
    reader = next((one for one in readers if one.name == wanted), None)
    if reader is None:
        raise JackfieldError(
            f"{page.url!r} cannot be read: nothing is there that reads {wanted}.",
            hint="Enable the plugin 'documents'.",
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "page")
        path.write_bytes(page.data)
        if isinstance(reader, FileReader):
            return reader.read(path, name=page.url, charset=page.charset)
        return reader.read(path, name=page.url)

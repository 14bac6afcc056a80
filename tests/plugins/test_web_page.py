"""Fetching pages of the web, from a server that does as the address says."""

from __future__ import annotations

import gzip
import http.server
import ipaddress
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import document_files as files
from jackfield import Document, InvalidRequest, JackfieldError, NotPermitted
from jackfield_plugins import web_page
from jackfield_plugins.web_page import fetch

WORDS = "The lighthouse stands on a rock by the sea, and it has done so for a long time. " * 8
PAGE = f"<html><title>Lights</title><article><h1>Größe</h1><p>{WORDS}</p></article></html>"


class Web(http.server.BaseHTTPRequestHandler):
    """A server of pages good and bad."""

    hosts: list[str]
    pdf: bytes

    def do_GET(self) -> None:
        self.hosts.append(self.headers["host"])
        match self.path:
            case "/page":
                self.answer("text/html; charset=iso-8859-1", PAGE.encode("latin-1"))
            case "/packed":
                self.answer("text/html", gzip.compress(PAGE.encode()), encoding="gzip")
            case "/bomb":
                self.answer("text/plain", gzip.compress(bytes(30_000_000)), encoding="gzip")
            case "/packed-twice":
                data = gzip.compress(gzip.compress(bytes(30_000_000)))
                self.answer("text/plain", data, encoding="gzip, gzip")
            case "/text":
                self.answer("text/plain", b"just text")
            case "/pdf":
                self.answer("application/pdf", self.pdf)
            case "/large":
                self.answer("text/plain", b"x" * 2_000_000)
            case "/picture":
                self.answer("image/png", b"\x89PNG")
            case "/round":
                self.redirect("/round")
            case "/private":
                self.redirect("http://10.0.0.1/secret")
            case "/file":
                self.redirect("file:///etc/passwd")
            case "/there":
                self.redirect("/text")
            case "/drip":
                self.drip(b"HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\n")
            case "/silent":
                self.drip(b"HTTP/1.0 200 OK\r\nx: ")
            case _:
                self.send_error(404)

    def answer(self, kind: str, data: bytes, encoding: str = "") -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        if encoding:
            self.send_header("content-encoding", encoding)
        self.end_headers()
        self.wfile.write(data)

    def redirect(self, where: str) -> None:
        self.send_response(302)
        self.send_header("location", where)
        self.end_headers()

    def drip(self, head: bytes) -> None:
        try:
            self.wfile.write(head)
            for _ in range(200):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.05)
        except OSError:  # the client has gone
            return

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = tmp_path_factory.mktemp("web") / "a.pdf"
    Web.hosts, Web.pdf = [], files.pdf(path, [["A page of a PDF"]]).read_bytes()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(10)


def got(url: str, **options: object) -> Document:
    return fetch(url, offline=lambda: False, allow_private=True, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["/page", "/packed"])
def test_a_page_is_read_in_its_encoding(web: str, path: str) -> None:
    document = got(web + path)
    assert document.title == "Lights"
    assert document.sections[0].heading == "Größe"


@pytest.mark.parametrize(
    ("path", "text"), [("/text", "just text"), ("/there", "just text"), ("/pdf", "A page of a PDF")]
)
def test_texts_and_pdf_files_are_read_as_well_and_redirects_followed(
    web: str, path: str, text: str
) -> None:
    assert got(web + path).text == text


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/missing", "status 404"),
        ("/picture", "is no page but 'image/png'"),
        ("/packed-twice", "is packed in a way that is not read: 'gzip, gzip'"),
        ("/round", "more than 5 steps"),
        ("/file", "is no address of the web"),
    ],
)
def test_what_cannot_be_read_is_said(web: str, path: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        got(web + path)


@pytest.mark.parametrize("path", ["/large", "/bomb"])
def test_a_page_that_is_too_large_is_not_read_to_its_end(web: str, path: str) -> None:
    with pytest.raises(InvalidRequest, match="longer than 1,000,000 bytes"):
        got(web + path, longest=1_000_000)


@pytest.mark.parametrize("path", ["/drip", "/silent"])
def test_a_page_that_drips_is_given_up_in_time(web: str, path: str) -> None:
    began = time.monotonic()
    with pytest.raises(InvalidRequest, match="did not answer in time"):
        got(web + path, seconds=0.5)
    assert time.monotonic() - began < 3


def test_nothing_is_fetched_offline(web: str) -> None:
    asked = len(Web.hosts)
    with pytest.raises(NotPermitted, match="offline"):
        fetch(f"{web}/text", offline=lambda: True, allow_private=True)
    assert len(Web.hosts) == asked


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[fc00::1]",
        "[ff02::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
    ],
)
def test_addresses_that_are_not_public_are_refused(host: str) -> None:
    with pytest.raises(NotPermitted, match="private network"):
        fetch(f"http://{host}:9/x", offline=lambda: False)


def test_a_public_address_that_a_network_of_ipv6_alone_packs_is_public() -> None:
    assert web_page._is_public(ipaddress.ip_address("64:ff9b::8.8.8.8"))
    assert not web_page._is_public(ipaddress.ip_address("64:ff9b::10.0.0.1"))


def test_a_redirect_to_a_private_address_is_refused(
    web: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = web.rpartition(":")[2]
    only_here(monkeypatch)
    with pytest.raises(NotPermitted, match=r"10\.0\.0\.1"):
        fetch(f"http://public.example:{port}/private", offline=lambda: False)
    assert Web.hosts[-1] == f"public.example:{port}"


def test_a_name_is_asked_for_once_and_that_address_connected_to(
    web: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = web.rpartition(":")[2]
    asked = only_here(monkeypatch)
    document = fetch(f"http://public.example:{port}/text", offline=lambda: False)
    assert document.text == "just text"
    assert asked == ["public.example"]


def only_here(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the name public.example lead to this computer as if that were public."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def resolve(host: str, *more: object, **options: object) -> object:
        if host == "public.example":
            asked.append(host)
            host = "127.0.0.1"
        return real(host, *more, **options)  # type: ignore[arg-type]

    public = web_page._is_public
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(web_page, "_is_public", lambda one: str(one) == "127.0.0.1" or public(one))
    return asked


def test_a_host_with_a_private_address_among_public_ones_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def resolve(host: str, *_: object, **__: object) -> object:
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, ("93.184.216.34", 80)), (*kind, ("192.168.0.1", 80))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(NotPermitted, match=r"192\.168\.0\.1"):
        fetch("http://mixed.example/", offline=lambda: False)


@pytest.mark.parametrize("url", ["", "no address", "ftp://a/b", "http://", "http://[", "//a/b"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest, match="is no address of the web"):
        fetch(url, offline=lambda: False)


def test_a_server_that_is_not_there_is_said() -> None:
    with pytest.raises(InvalidRequest, match="cannot be reached"):
        got("http://127.0.0.1:9/x")


def test_without_a_reader_nothing_is_read(web: str, tmp_path: Path) -> None:
    from jackfield_plugins.documents import Reading
    from jackfield_plugins.ocr import ImageReader

    with pytest.raises(JackfieldError, match="nothing is there that reads text"):
        got(f"{web}/text", readers=[ImageReader(Reading())])

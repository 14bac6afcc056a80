"""Who may reach the server: hosts, origins, keys, cookies."""

from collections.abc import Awaitable, Callable

import anyio
import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from jackfield.paths import Paths
from jackfield.security.gate import Gate
from jackfield.security.hosts import host_allowed, is_loopback, origin_allowed
from jackfield.security.keys import COOKIE, Keys
from jackfield.settings_store import SettingsStore

BEHIND = "what lies behind the gate"
Ask = Callable[..., httpx.Response]


async def behind(scope: Scope, receive: Receive, send: Send) -> None:
    text = f"{BEHIND}: {scope['state']['access']}"
    await PlainTextResponse(text)(scope, receive, send)


@pytest.fixture
def settings(paths: Paths) -> SettingsStore:
    return SettingsStore(paths)


@pytest.fixture
def keys(settings: SettingsStore) -> Keys:
    return Keys(settings)


@pytest.fixture
def ask(settings: SettingsStore) -> Ask:
    """Asks a gate that is bound to an address, as a client from another."""

    def ask(
        path: str = "/",
        *,
        bound: str = "127.0.0.1",
        client: str = "127.0.0.1",
        host: str = "127.0.0.1:7860",
        method: str = "GET",
        **more: object,
    ) -> httpx.Response:
        async def asked() -> httpx.Response:
            gate = Gate(behind, settings=settings, bound=bound)
            transport = httpx.ASGITransport(gate, client=(client, 1234))
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as asking:
                return await asking.request(method, path, **more)  # type: ignore[arg-type]

        return anyio.run(asked)

    return ask


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_this_computer_needs_no_key_on_a_loopback_server(ask):
    for path in ("/", "/v1/models", "/api/plugins"):
        assert ask(path).text == f"{BEHIND}: admin"
    assert ask("/", host="localhost:7860").is_success
    assert ask("/", host="[::1]:7860", bound="::1", client="::1").is_success


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "192.168.1.5"]
)
def test_a_foreign_host_name_is_refused(ask, host):
    answer = ask("/v1/models", host=host)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "host_not_allowed"
    assert BEHIND not in answer.text


def test_a_host_name_of_the_settings_is_allowed(ask, settings):
    settings.set("server.allowed_hosts", ["models.example"])
    assert ask("/", host="models.example:7860").is_success
    assert ask("/", host="MODELS.example.").is_success


def test_a_server_bound_everywhere_answers_to_addresses_but_not_to_strange_names(ask, keys):
    headers = bearer(keys.admin)
    assert ask("/", bound="0.0.0.0", host="192.168.1.5:7860", headers=headers).is_success
    refused = ask("/", bound="0.0.0.0", host="evil.example", headers=headers)
    assert refused.status_code == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:9999", "null"])
def test_a_page_from_elsewhere_may_not_change_anything(ask, origin):
    headers = {"Origin": origin}
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = ask("/api/plugins/x/disable", method=method, headers=headers)
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] == "origin_not_allowed"
    assert ask("/", headers=headers).is_success
    assert ask("/", method="POST", headers={"Origin": "http://127.0.0.1:7860"}).is_success


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_what_a_proxy_passed_on_does_not_count_as_from_this_computer(ask, keys, header):
    headers = {header: "127.0.0.1"}
    assert ask("/api/settings", headers=headers).status_code == 401
    assert ask("/api/settings", headers={**headers, **bearer(keys.admin)}).is_success


@pytest.mark.parametrize("client", ["127.0.0.1", "192.168.1.9"])
def test_bound_elsewhere_every_request_needs_a_key(ask, client):
    where = {"bound": "0.0.0.0", "client": client}
    for path in ("/v1/models", "/api/plugins", "/_stcore/host-config", "/docs", "/metrics"):
        answer = ask(path, **where)
        assert answer.status_code == 401, path
        assert answer.json()["error"]["code"] == "missing_api_key"
        assert answer.headers["www-authenticate"] == "Bearer"
    wrong = ask("/v1/models", headers=bearer("wrong"), **where)
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (401, "invalid_api_key")


def test_the_api_key_opens_v1_and_the_admin_key_everything(ask, keys):
    where = {"bound": "0.0.0.0", "client": "192.168.1.9"}
    assert ask("/v1/models", headers=bearer(keys.api), **where).text == f"{BEHIND}: api"
    assert ask("/v1/models", headers=bearer(keys.admin), **where).text == f"{BEHIND}: admin"
    for path in ("/", "/api/plugins", "/api/conversations", "/v12", "/_stcore/health"):
        refused = ask(path, headers=bearer(keys.api), **where)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "admin_key_required")
        assert ask(path, headers=bearer(keys.admin), **where).is_success


def test_health_answers_everybody_and_knows_who_has_no_key(ask):
    assert ask("/health", bound="0.0.0.0", client="8.8.8.8").text == f"{BEHIND}: none"


def test_a_browser_is_sent_to_the_login_page(ask):
    headers = {"Accept": "text/html,*/*"}
    answer = ask("/", bound="0.0.0.0", client="192.168.1.9", headers=headers)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    page = ask("/login", bound="0.0.0.0", client="192.168.1.9", headers=headers)
    assert page.status_code == 200 and 'type="password"' in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert ask("/login").headers["location"] == "/"


def test_the_admin_key_is_exchanged_for_a_cookie_that_opens_everything(ask, keys):
    where = {"bound": "0.0.0.0", "client": "192.168.1.9"}
    answer = ask("/login", method="POST", data={"key": keys.admin}, **where)
    assert answer.status_code == 303
    set_cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in set_cookie and "SameSite=lax" in set_cookie
    assert keys.admin not in set_cookie
    value = set_cookie.partition(";")[0]
    assert ask("/api/plugins", headers={"Cookie": value}, **where).text == f"{BEHIND}: admin"
    out = ask("/logout", method="POST", headers={"Cookie": value}, **where)
    assert out.status_code == 303 and f"{COOKIE}=" in out.headers["set-cookie"]


def test_wrong_keys_and_the_programs_key_do_not_open_the_dashboard(ask, keys):
    where = {"bound": "0.0.0.0", "client": "192.168.1.9", "method": "POST"}
    wrong = ask("/login", data={"key": "wrong"}, **where)
    assert wrong.status_code == 401 and "not the admin key" in wrong.text
    programs = ask("/login", data={"key": keys.api}, **where)
    assert programs.status_code == 401 and "for programs" in programs.text
    assert "set-cookie" not in wrong.headers and "set-cookie" not in programs.headers


def test_a_forged_or_old_cookie_opens_nothing(ask, keys, settings, paths):
    where = {"bound": "0.0.0.0", "client": "192.168.1.9"}
    good = keys.new_cookie()
    until, _, signature = good.rpartition(".")
    later = f"9{until}.{signature}"
    for forged in (later, f"{until}.{'0' * 64}", "x", "", "..", "é.é"):
        headers = {"Cookie": f"{COOKIE}={forged}".encode()}
        assert ask("/api/plugins", headers=headers, **where).status_code == 401
    old = f"1000000000.x.{keys._signature('1000000000.x')}"
    assert ask("/api/plugins", headers={"Cookie": f"{COOKIE}={old}"}, **where).status_code == 401
    paths.secrets.unlink()  # a new key is made: sessions of the old one have ended
    assert ask("/api/plugins", headers={"Cookie": f"{COOKIE}={good}"}, **where).status_code == 401


@pytest.mark.parametrize(
    ("headers", "bound", "opened"),
    [
        ([(b"host", b"127.0.0.1:7860")], "127.0.0.1", True),
        ([(b"host", b"127.0.0.1:7860"), (b"origin", b"http://127.0.0.1:7860")], "127.0.0.1", True),
        ([(b"host", b"127.0.0.1:7860"), (b"origin", b"http://evil.example")], "127.0.0.1", False),
        ([(b"host", b"evil.example")], "127.0.0.1", False),
        ([(b"host", b"127.0.0.1:7860")], "0.0.0.0", False),
    ],
)
def test_a_websocket_passes_the_same_gate(settings, headers, bound, opened):
    reached: list[str] = []
    sent: list[dict[str, object]] = []

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope["path"])

    async def receive() -> dict[str, object]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": "/_stcore/stream",
        "headers": headers,
        "client": ("127.0.0.1", 1),
    }
    gate: Callable[..., Awaitable[None]] = Gate(inside, settings=settings, bound=bound)
    anyio.run(gate, scope, receive, send)
    assert bool(reached) is opened
    assert [one["type"] for one in sent] == ([] if opened else ["websocket.close"])


def test_pages_are_told_to_ask_nothing_of_other_servers(settings):
    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        from starlette.responses import HTMLResponse

        await HTMLResponse("<p>hello</p>")(scope, receive, send)

    async def asked() -> httpx.Response:
        gate = Gate(page, settings=settings, bound="127.0.0.1")
        transport = httpx.ASGITransport(gate, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as asking:
            return await asking.get("/")

    policy = anyio.run(asked).headers["content-security-policy"]
    assert "img-src 'self' data: blob:" in policy
    assert "connect-src 'self'" in policy


def test_keys_are_kept_where_only_the_owner_reads(keys, paths):
    assert keys.admin != keys.api and len(keys.admin) > 30
    assert paths.secrets.stat().st_mode & 0o077 == 0
    assert keys.admin == Keys(SettingsStore(paths)).admin


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.1", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
def test_loopback_is_this_computer_alone(address, loopback):
    assert is_loopback(address) is loopback


@pytest.mark.parametrize(
    "header", ["", "a b", "127.0.0.1:port", "user@127.0.0.1", "127.0.0.1/x", "[::1", "http://x"]
)
def test_a_malformed_host_is_not_allowed(header):
    assert not host_allowed(header, "127.0.0.1", ())


def test_an_origin_must_have_host_and_port_of_the_request():
    assert origin_allowed("http://127.0.0.1:7860", "127.0.0.1:7860")
    assert origin_allowed("https://Models.example", "models.example")
    assert not origin_allowed("http://127.0.0.1:7861", "127.0.0.1:7860")
    assert not origin_allowed("file://127.0.0.1:7860", "127.0.0.1:7860")
    assert not origin_allowed("http://[", "127.0.0.1:7860")

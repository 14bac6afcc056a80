"""``serve`` as a whole: one port for dashboard and API, one server a folder, and its end."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import psutil
import pytest

from api_server import PATIENCE
from jackfield.errors import JackfieldError
from jackfield.listening import listen, url_of
from jackfield.testing import fake_model

BROWSER = {"Accept": "text/html"}


def get(url, **more):
    return httpx.get(url, timeout=30, trust_env=False, **more)


def workers(pid):
    children = psutil.Process(pid).children(recursive=True)
    return [one for one in children if "jackfield.worker" in " ".join(one.cmdline())]


def test_dashboard_and_api_answer_on_one_port_and_ctrl_c_ends_all(paths, start_process):
    fake_model(paths.models, "slow", delay=0.05)
    server = start_process()
    url = server.wait_until_ready()
    note = json.loads(paths.server.read_text())
    assert note["pid"] == server.pid and note["url"] == url
    assert stat.S_IMODE(paths.server.stat().st_mode) == 0o600

    page = get(url, headers=BROWSER)
    assert page.status_code == 200 and "<script" in page.text
    assert "img-src 'self'" in page.headers["content-security-policy"]
    assert get(f"{url}/_stcore/health").status_code == 200
    assert get(f"{url}/health").json()["status"] == "ok"
    assert [one["id"] for one in get(f"{url}/v1/models").json()["data"]] == ["slow"]
    assert "SwaggerUIBundle" in get(f"{url}/docs").text
    for path in ("/", "/v1/models"):
        refused = get(f"{url}{path}", headers={"Host": "evil.example"})
        assert refused.status_code == 403

    chat = {
        "model": "slow",
        "stream": True,
        "messages": [{"role": "user", "content": "word " * 2000}],
    }
    with httpx.stream(
        "POST", f"{url}/v1/chat/completions", json=chat, timeout=30, trust_env=False
    ) as response:
        lines = response.iter_lines()
        for _ in range(5):
            next(lines)
        (worker,) = workers(server.pid)
        started = time.monotonic()
        os.kill(server.pid, signal.SIGINT)
        rest = [line for line in lines if line.startswith("data: {")]
    assert json.loads(rest[-1].removeprefix("data: "))["error"]["code"] == "worker_died"
    code, errors = server.finish()
    assert time.monotonic() - started < 15
    assert code == 0
    assert "Traceback" not in errors
    assert not worker.is_running()
    assert not paths.server.exists()
    assert "ready" in server.said[0] and url in server.said[0]


def test_sigterm_ends_server_and_workers(paths, start_process):
    fake_model(paths.models, "parrot")
    server = start_process()
    url = server.wait_until_ready()
    httpx.post(f"{url}/api/models/parrot/load?wait=true", timeout=30, trust_env=False)
    (worker,) = workers(server.pid)
    assert server.end(signal.SIGTERM) == 0
    assert not worker.is_running()


def test_a_second_server_on_one_folder_is_refused_and_names_the_first(start_process):
    first = start_process()
    url = first.wait_until_ready()
    code, errors = start_process().finish()
    assert code == 1
    assert errors.startswith("HomeInUse: ")
    assert url in errors and str(first.pid) in errors
    assert get(f"{url}/health").status_code == 200


def test_a_port_that_jackfield_has_is_named_as_such(tmp_path, start_process):
    url = start_process().wait_until_ready()
    port = int(url.rpartition(":")[2])
    code, errors = start_process(tmp_path / "other", port=port).finish()
    assert code == 1
    assert f"Jackfield already runs at {url}" in errors
    assert f"--port {port + 1}" in errors


def test_a_port_that_another_program_has_is_refused_with_another():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(JackfieldError, match=f"Port {port} .* taken") as caught:
            listen("127.0.0.1", port)
        assert f"--port {port + 1}" in caught.value.hint


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host.invalid"])
def test_an_address_of_another_computer_is_refused(host):
    with pytest.raises(JackfieldError, match=re.escape(repr(host))):
        listen(host, 0)


def test_addresses_become_urls_that_a_browser_opens():
    assert url_of("0.0.0.0", 7860) == "http://127.0.0.1:7860"
    assert url_of("::1", 80) == "http://[::1]:80"
    assert url_of("models.example", 1) == "http://models.example:1"


def test_bound_everywhere_a_key_is_made_shown_once_and_asked_for(paths, start_process):
    first = start_process(host="0.0.0.0")
    url = first.wait_until_ready()
    shown = "\n".join(first.said)
    admin = re.search(r"admin key .*: (\S+)", shown)
    api = re.search(r"API key .*: (\S+)", shown)
    assert admin and api
    assert get(f"{url}/v1/models").status_code == 401
    assert get(url, headers=BROWSER).headers["location"] == "/login"
    assert get(f"{url}/_stcore/host-config").status_code == 401
    assert get(f"{url}/health").json() == {
        "status": "ok",
        "name": "jackfield",
        "version": "",
        "models": [],
    }
    bearer = {"Authorization": f"Bearer {api[1]}"}
    assert get(f"{url}/v1/models", headers=bearer).status_code == 200
    assert get(f"{url}/api/plugins", headers=bearer).status_code == 403

    with httpx.Client(base_url=url, timeout=30, trust_env=False) as browser:
        assert browser.post("/login", data={"key": "wrong"}).status_code == 401
        assert browser.post("/login", data={"key": admin[1]}).status_code == 303
        assert browser.get("/", headers=BROWSER).status_code == 200
        assert browser.get("/_stcore/host-config").status_code == 200
        assert browser.get("/api/plugins").status_code == 200
    first.end()

    second = start_process(host="0.0.0.0")
    url = second.wait_until_ready()
    assert admin[1] not in "\n".join(second.said)
    assert get(f"{url}/v1/models", headers=bearer).status_code == 200


def test_the_dashboards_websocket_is_refused_to_other_pages(start_process):
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    url = start_process().wait_until_ready()
    address = url.replace("http", "ws") + "/_stcore/stream"
    protocols = ["streamlit"]
    with connect(address, origin=url, subprotocols=protocols, proxy=None) as opened:
        assert opened.subprotocol == "streamlit"
    with pytest.raises(InvalidStatus) as caught:
        connect(address, origin="http://evil.example", subprotocols=protocols, proxy=None)
    assert caught.value.response.status_code == 403


def test_streamlits_own_command_runs_the_same_on_this_computer_alone(paths):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py"]
    process = subprocess.Popen(
        [*command, "--server.port", str(port)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "JACKFIELD_HOME": str(paths.home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + PATIENCE
        while not paths.server.exists():
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.05)
        url = json.loads(paths.server.read_text())["url"]
        assert url == f"http://127.0.0.1:{port}"
        assert get(f"{url}/v1/models").json()["object"] == "list"
        assert get(url, headers=BROWSER).status_code == 200
        assert get(f"{url}/v1/models", headers={"Host": "evil.example"}).status_code == 403
        listening = [
            one.laddr.ip
            for one in psutil.Process(process.pid).net_connections()
            if one.status == psutil.CONN_LISTEN
        ]
        assert listening == ["127.0.0.1"]
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
        assert not paths.server.exists()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(PATIENCE)


def test_a_killed_server_leaves_a_folder_that_the_next_one_takes(start_process):
    first = start_process()
    first.wait_until_ready()
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    url = start_process().wait_until_ready()
    assert get(f"{url}/health").status_code == 200


def test_other_requests_go_on_while_one_streams(paths, start_process):
    fake_model(paths.models, "slow", delay=0.05)
    url = start_process().wait_until_ready()
    chat = {"model": "slow", "messages": [{"role": "user", "content": "word " * 40}]}
    answers = []

    def ask():
        answers.append(
            httpx.post(f"{url}/v1/chat/completions", json=chat, timeout=30, trust_env=False)
        )

    thread = threading.Thread(target=ask)
    thread.start()
    while thread.is_alive():
        assert get(f"{url}/health").status_code == 200
        assert get(url, headers=BROWSER).status_code == 200
        time.sleep(0.1)
    thread.join()
    assert answers[0].status_code == 200

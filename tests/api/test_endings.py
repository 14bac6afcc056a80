"""How requests end early: clients that hang up, workers that die, many at once."""

import threading
import time

import httpx
import openai
import pytest

BODY = {"model": "slow", "messages": [{"role": "user", "content": "word " * 2000}]}
SLOW = {"delay": 0.02, "parallel": 1}


def until(condition, seconds=20.0):
    """Wait for a condition; returns how long that took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, "it never came to be"
        time.sleep(0.005)
    return time.monotonic() - started


def test_a_client_that_leaves_a_stream_frees_its_slot_at_once(start_server):
    with start_server(slow=SLOW) as server:
        with server.http.stream(
            "POST", "/v1/chat/completions", json={**BODY, "stream": True}
        ) as response:
            lines = response.iter_lines()
            for _ in range(10):
                next(lines)
            assert server.resident("slow").active == 1
        assert until(lambda: server.resident("slow").active == 0) < 0.5


def test_a_client_that_leaves_before_the_answer_is_ready_frees_its_slot_at_once(start_server):
    with start_server(slow=SLOW) as server:
        server.http.post("/api/models/slow/load?wait=true")
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{server.url}/v1/chat/completions", json=BODY, timeout=0.5, trust_env=False)
        assert until(lambda: server.resident("slow").active == 0) < 0.5


def test_a_client_that_leaves_the_queue_does_not_get_the_slot(start_server):
    with start_server(slow=SLOW) as server:
        url = f"{server.url}/v1/chat/completions"
        with server.http.stream("POST", url, json={**BODY, "stream": True}) as response:
            lines = response.iter_lines()  # dropped, it would close the stream
            next(lines)
            with pytest.raises(httpx.ReadTimeout):
                httpx.post(url, json=BODY, timeout=0.5, trust_env=False)
            until(lambda: server.resident("slow").queued == 0)
            assert server.resident("slow").active == 1
        until(lambda: server.resident("slow").active == 0)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_a_client_that_leaves_before_its_stream_begins_leaves_the_queue_at_once(start_server, path):
    with start_server(slow=SLOW) as server:
        url = f"{server.url}/v1/chat/completions"
        with server.http.stream("POST", url, json={**BODY, "stream": True}) as response:
            lines = response.iter_lines()  # dropped, it would close the stream
            next(lines)
            asks = {"prompt": "word"} if path == "/v1/completions" else BODY
            asked = {**asks, "model": "slow", "stream": True}
            with pytest.raises(httpx.ReadTimeout):
                httpx.post(f"{server.url}{path}", json=asked, timeout=0.5, trust_env=False)
            assert until(lambda: server.resident("slow").queued == 0) < 0.5
            assert server.resident("slow").active == 1


def test_requests_beyond_the_slots_wait_and_are_all_answered(start_server):
    with start_server(slow={"delay": 0.01, "parallel": 2}) as server:
        found = []

        def ask(number):
            reply = server.chat(f"number {number}", model="slow")
            found.append((number, reply.choices[0].message.content))

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted(found) == [(number, f"number {number}") for number in range(8)]


def test_a_request_for_a_model_that_is_loading_waits_for_it(start_server):
    with start_server(late={"load_delay": 1.0}) as server:
        begun = server.http.post("/api/models/late/load").json()
        assert begun["state"] == "loading"
        assert server.chat("hello", model="late").choices[0].message.content == "hello"


def test_a_worker_that_dies_in_a_stream_ends_it_with_a_clear_error(start_server):
    with start_server(frail={"crash_after_tokens": 3, "delay": 0.2}, parrot={}) as server:
        text = ""
        with pytest.raises(openai.APIError) as caught:
            for chunk in server.chat("one two three four five", model="frail", stream=True):
                text += chunk.choices[0].delta.content or ""
        assert text == "one two three"
        assert caught.value.code == "worker_died"
        assert "segmentation fault" in caught.value.message.lower()
        assert server.chat("hello").choices[0].message.content == "hello"
        assert server.chat("one two", model="frail").choices[0].message.content == "one two"


def test_a_worker_that_dies_before_the_answer_is_503_with_what_happened(start_server):
    with start_server(frail={"crash_after_tokens": 3}) as server:
        with pytest.raises(openai.InternalServerError) as caught:
            server.chat("one two three four five", model="frail")
        assert caught.value.status_code == 503
        assert caught.value.code == "worker_died"


def test_a_request_that_fails_in_the_engine_leaves_the_model_loaded(start_server):
    with start_server(moody={"raise_after_tokens": 2}) as server:
        with pytest.raises(openai.InternalServerError, match="told to fail"):
            server.chat("one two three", model="moody")
        assert server.resident("moody").state == "ready"
        assert server.chat("one", model="moody").choices[0].message.content == "one"


def test_a_load_that_takes_long_keeps_the_stream_alive_with_comments(start_server, monkeypatch):
    monkeypatch.setattr("jackfield.api.turns.PATIENCE", 0.2)
    with start_server(late={"load_delay": 1.0}) as server:
        with server.http.stream(
            "POST", "/v1/chat/completions", json={**BODY, "model": "late", "stream": True}
        ) as response:
            lines = response.iter_lines()
            seen = [line for line in (next(lines) for _ in range(8)) if line.startswith(":")]
        assert seen == [": still at work"] * len(seen)
        assert seen

"""Eight clients at once on the real model, and clients that hang up."""

import threading

from installation import until


def asked(server, number, tokens=32):
    """One client's whole request."""
    server.chat(
        "smollm2",
        f"Tell a story about the number {number}.",
        max_tokens=tokens,
        temperature=0.8,
        extra_body={"ignore_eos": True},
    )


def test_a_client_that_hangs_up_frees_its_slot_within_half_a_second(server):
    asked(server, 0, tokens=2)
    freed = []
    for _ in range(3):
        body = {
            "model": "smollm2",
            "messages": [{"role": "user", "content": "Count to one thousand."}],
            "max_tokens": 3000,
            "ignore_eos": True,
            "stream": True,
        }
        with server.http.stream("POST", "/v1/chat/completions", json=body) as response:
            lines = response.iter_lines()
            while '"content":' not in next(lines):
                continue
            assert server.resident("smollm2")["active"] == 1
        freed.append(until(lambda: server.resident("smollm2")["active"] == 0, 20))
        if freed[-1] < 0.5:
            break
    assert min(freed) < 0.5, freed
    metrics = server.http.get("/metrics").text
    assert 'jackfield_model_active_requests{model="smollm2"} 0.0' in metrics


def test_the_last_of_many_clients_that_hang_up_leaves_nothing_behind(server):
    asked(server, 0, tokens=2)
    body = {"model": "smollm2", "prompt": "Once", "max_tokens": 3000, "ignore_eos": True}

    threads = []
    for _ in range(12):
        threads.append(threading.Thread(target=hang_up, args=(server, body)))
        threads[-1].start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    until(lambda: server.resident("smollm2")["active"] == 0, 20)
    assert server.resident("smollm2")["queued"] == 0
    asked(server, 1, tokens=2)


def hang_up(server, body):
    """Ask for a long answer, read a little and leave."""
    with server.http.stream("POST", "/v1/completions", json={**body, "stream": True}) as response:
        for _, line in zip(range(4), response.iter_lines(), strict=False):
            assert "error" not in line

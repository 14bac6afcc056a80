"""One, four and eight clients, against the engine's own server and llama-cpp-python's."""

from __future__ import annotations

import statistics
from collections import defaultdict
from contextlib import ExitStack

from benchmarks.peers import LLAMA_CPP_SERVER, llama_cpp_server, missing
from benchmarks.raw_engine import RawEngine
from benchmarks.result import Result, ratio, spread
from benchmarks.setting import LONGEST, PARALLEL, Setting
from benchmarks.stack import Stack
from benchmarks.streams import Burst, Client

OURS, ENGINE, PEER = "Jackfield", "the engine's own C++ HTTP server", "llama-cpp-python's server"
CLIENTS = (1, 4, PARALLEL)
BUDGETS = {(ENGINE, PARALLEL): 0.95, (PEER, PARALLEL): 1.5}


def run(setting: Setting) -> list[Result]:
    """Tokens per second of all clients together, and seconds to their first tokens."""
    if lacking := missing(("xllamacpp",)):
        print(f"  left out: {', '.join(lacking)} not installed")
        return []
    with ExitStack() as stack:
        servers = {ENGINE: stack.enter_context(RawEngine(setting)).client}
        if lacking := missing(LLAMA_CPP_SERVER):
            print(f"  without {PEER}: {', '.join(lacking)} not installed")
        else:
            servers[PEER] = stack.enter_context(llama_cpp_server(setting)).client
        servers[OURS] = stack.enter_context(Stack(setting)).load()
        measured = measure(setting, servers, CLIENTS)
    return [
        compared("gguf", clients, peer, measured, BUDGETS.get((peer, clients)))
        for peer in servers
        if peer != OURS
        for clients in CLIENTS
    ]


def measure(
    setting: Setting,
    servers: dict[str, Client],
    clients: tuple[int, ...],
    seconds: float = LONGEST,
) -> dict[tuple[str, int], list[Burst]]:
    """Bursts by server and number of clients; the servers take turns, in turning order."""
    measured: dict[tuple[str, int], list[Burst]] = defaultdict(list)
    names = list(servers)
    for client in servers.values():
        client.at_once(1000, max(clients), 8)
    for number in setting.paced(seconds):
        for many in clients:
            for name in names:
                burst = servers[name].at_once(10 * number + many, many, setting.tokens)
                measured[name, many].append(burst)
        names.reverse()
    return measured


def compared(
    loader: str,
    clients: int,
    peer: str,
    measured: dict[tuple[str, int], list[Burst]],
    budget: float | None,
) -> Result:
    """Our throughput over a peer's."""
    rates, firsts = {}, {}
    for name in (OURS, peer):
        bursts = measured[name, clients]
        rates[name] = [burst.rate for burst in bursts]
        firsts[name] = 1000 * statistics.median(one for burst in bursts for one in burst.firsts)
    many = "client" if clients == 1 else "clients at once"
    return Result(
        f"Tokens per second with {clients} {many}, `{loader}` over {peer}",
        ratio(rates[OURS], rates[peer]),
        "",
        budget,
        "at least",
        f"{spread(rates[OURS], 'tokens/s')} over {spread(rates[peer], 'tokens/s')}; first token "
        f"after {firsts[OURS]:.0f} ms and {firsts[peer]:.0f} ms",
    )

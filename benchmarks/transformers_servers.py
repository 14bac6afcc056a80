"""Eight clients of the Transformers loader, against Transformers' own server and bare generate."""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks.gguf_servers import OURS, compared, measure
from benchmarks.peers import missing, transformers_serve
from benchmarks.raw_process import RawProcess
from benchmarks.result import Result, ratio, spread
from benchmarks.setting import PARALLEL, Setting
from benchmarks.stack import FOLDER, Stack
from benchmarks.streams import OPENINGS, Client

PLAIN = "`transformers serve`"
CONTINUOUS = "`transformers serve --continuous-batching`"
PART = 40.0
"""Seconds for each of the two halves, after which no further round begins."""


def run(setting: Setting) -> list[Result]:
    """Tokens per second of all clients together."""
    if lacking := missing(("torch", "transformers", "accelerate", "openai")):
        print(f"  left out: {', '.join(lacking)} not installed")
        return []
    with ExitStack() as stack:
        ours = stack.enter_context(Stack(setting))
        client = ours.load(FOLDER, "transformers", setting.transformers_options)
        alone = _over_generate(setting, stack, client)
        servers = {
            PLAIN: stack.enter_context(transformers_serve(setting, continuous=False)).client,
            CONTINUOUS: stack.enter_context(transformers_serve(setting, continuous=True)).client,
            OURS: client,
        }
        measured = measure(setting, servers, (PARALLEL,), PART)
    served = [
        compared("transformers", PARALLEL, peer, measured, 1.0) for peer in (PLAIN, CONTINUOUS)
    ]
    return [*served, *alone]


def _over_generate(setting: Setting, stack: ExitStack, client: Client) -> list[Result]:
    """Against ``generate`` in a process of its own: a static batch of all, and one by one."""
    given = (str(setting.folder), setting.device, setting.dtype, str(setting.threads))
    with RawProcess("benchmarks.raw_generate", setting, *given) as bare:
        ours: list[float] = []
        batch: list[float] = []
        single: list[float] = []
        client.at_once(1000, PARALLEL, 8)
        for number in setting.paced(PART):
            prompts = [opening.format(number) for opening in OPENINGS]
            batch.append(bare.ask(batches=[prompts], tokens=setting.tokens)["rate"])
            ours.append(client.at_once(number, PARALLEL, setting.tokens).rate)
            one_by_one = [[prompt] for prompt in prompts]
            single.append(bare.ask(batches=one_by_one, tokens=setting.tokens)["rate"])
    return [
        Result(
            f"Tokens per second with {PARALLEL} clients at once, `transformers` over {what}",
            ratio(ours, theirs),
            "",
            None,
            "at least",
            f"{spread(ours, 'tokens/s')} over {spread(theirs, 'tokens/s')}",
        )
        for what, theirs in (
            (f"bare `generate` with a static batch of {PARALLEL}", batch),
            ("bare `generate`, one by one", single),
        )
    ]

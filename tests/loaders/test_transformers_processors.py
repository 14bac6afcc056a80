"""Plugins change the scores of a real model, each request for itself, also in a worker."""

import threading
from collections.abc import Sequence
from typing import Any

import pytest

import parts
from jackfield import LogitsProcessor, ModelFiles, Prompt, SamplingParams, Token
from jackfield.application import Application
from jackfield.catalog.model import describe
from jackfield.messages import DoneEvent, TextEvent
from jackfield.paths import Paths
from jackfield.pipeline import Turn
from jackfield_loaders.transformers import Transformers, TransformersLoader
from jackfield_loaders.transformers.options import TransformersOptions
from jackfield_plugins.no_repeat import NoRepeat, RunsOnce

CIRCLES = "I like red and blue and red and blue and red and blue and"


@pytest.fixture(scope="module")
def files() -> ModelFiles:
    found = describe(parts.smollm2_folder())
    assert found is not None
    return found.files


@pytest.fixture(scope="module")
def model(files):
    options = TransformersOptions(n_ctx=512, parallel=4, device="cpu", dtype="float32", threads=1)
    loaded = TransformersLoader().load(files, options)
    yield loaded
    loaded.close()


def ids(tokens: Sequence[Token]) -> list[int]:
    return [token.id for token in tokens if token.id is not None]


def begun(processor: LogitsProcessor, model: Any, prompt: str) -> LogitsProcessor:
    processor.begin(model, model.tokenize(prompt))
    return processor


def runs(tokens: Sequence[int], size: int) -> list[tuple[int, ...]]:
    return [tuple(tokens[at : at + size]) for at in range(len(tokens) - size + 1)]


def test_no_run_comes_twice(model):
    params = SamplingParams(temperature=0, max_tokens=40, ignore_eos=True)
    plain = runs(ids(list(model.complete(Prompt(CIRCLES), params))), 3)
    assert len(plain) > len(set(plain))
    processor = begun(RunsOnce(3), model, CIRCLES)
    changed = runs(ids(list(model.complete_processed(Prompt(CIRCLES), params, [processor]))), 3)
    assert len(changed) == len(set(changed)) >= 30


def test_requests_at_once_keep_their_own(model):
    params = SamplingParams(temperature=0, max_tokens=30, ignore_eos=True)
    said: dict[int, list[int]] = {}

    def ask(size: int) -> None:
        processors = [begun(RunsOnce(size), model, CIRCLES)] if size else []
        stream = model.complete_processed(Prompt(CIRCLES), params, processors)
        said[size] = ids(list(stream))

    alone: dict[int, list[int]] = {}
    for size in (0, 2, 4):
        ask(size)
    alone.update(said)
    said.clear()
    threads = [threading.Thread(target=ask, args=(size,)) for size in (0, 2, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert said == alone
    assert len({tuple(one) for one in alone.values()}) == 3


def written(app: Application, **fields: Any) -> str:
    sampling = SamplingParams(temperature=0, max_tokens=40, ignore_eos=True)
    turn = Turn(model="smollm2", mode="completion", prompt=CIRCLES, sampling=sampling, **fields)

    async def collect() -> str:
        events = [event async for event in app.pipeline.run(turn)]
        assert isinstance(events[-1], DoneEvent)
        assert events[-1].finish_reason == "length"
        return "".join(event.text for event in events if isinstance(event, TextEvent))

    return app.portal.call(collect)


def test_the_plugin_works_through_the_whole_pipeline(paths: Paths, files: ModelFiles):
    (paths.models / "smollm2").symlink_to(files.path)
    app = Application(paths, entry_points=[])
    app.plugins.register("transformers", Transformers)
    app.plugins.register("no_repeat", NoRepeat, config={"size": 3})
    app.settings.set(("models", "smollm2", "options"), {"device": "cpu", "n_ctx": 512})
    with app.in_thread():
        changed = written(app)
        plain = written(app, off=("no_repeat",))
        assert changed != plain
        app.plugins.disable("no_repeat")
        assert written(app) == plain
        assert written(app, on=("no_repeat",)) == changed

"""What the plugin does in a turn: passages with citations, the budget, and nothing found."""

from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from jackfield import NoticeEvent, SourceEvent
from jackfield.messages import Event, message
from jackfield.pipeline import Turn
from jackfield.testing import PluginConformance
from jackfield.trace import Trace
from jackfield_plugins.knowledge import Knowledge
from jackfield_plugins.knowledge.desk import Desk
from jackfield_plugins.knowledge.library import InUse
from jackfield_plugins.knowledge.remote import RemoteDesk
from knowledge_bench import PATIENCE, Bench, running, write_texts

NAME = "knowledge"


class TestKnowledge(PluginConformance):
    plugin = Knowledge


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with running(tmp_path / "home", minimum=0.1) as made:
        made.create()
        made.add(write_texts(tmp_path / "texts"))
        yield made


def answered(bench: Bench, text: str, **options: object) -> tuple[list[Event], Trace]:
    turn = Turn(model="fake-model", messages=[message("user", text)], options={NAME: dict(options)})

    async def collect() -> list[Event]:
        return [event async for event in bench.app.pipeline.run(turn)]

    return bench.app.portal.call(collect), bench.app.traces.get(turn.id)


def notices(events: list[Event]) -> str:
    return " ".join(event.text for event in events if isinstance(event, NoticeEvent))


def test_passages_are_given_to_the_model_with_numbers_and_cited_by_place(bench: Bench) -> None:
    events, trace = answered(bench, "How long does a loaf bake?", collections=["notes"])
    sources = [event.passage for event in events if isinstance(event, SourceEvent)]
    assert sources[0].title == "bread.md › Bread › Oven"
    assert sources[0].uri.startswith("/knowledge?collection=notes&document=")
    assert "[1] bread.md › Bread › Oven" in trace.prompt
    assert "square brackets" in trace.prompt
    first = trace.accounts[NAME][0]
    assert (first["rank"], first["used"]) == (1, "yes")
    assert first["cosine"] > 0 and first["bm25"] > 0 and first["fused"] > 0
    assert first["tokens"] > 0


def test_no_collection_means_nothing_is_done(bench: Bench) -> None:
    events, trace = answered(bench, "How long does a loaf bake?")
    assert not [event for event in events if isinstance(event, SourceEvent)]
    assert NAME not in trace.accounts
    assert "square brackets" not in trace.prompt


def test_the_default_collections_are_used_and_a_chat_can_use_none(tmp_path: Path) -> None:
    with running(tmp_path / "home", default_collections=["notes"], minimum=0.1) as bench:
        bench.create()
        bench.add(write_texts(tmp_path / "texts"))
        assert NAME in answered(bench, "How long does a loaf bake?")[1].accounts
        assert NAME not in answered(bench, "How long does a loaf bake?", collections=[])[1].accounts


def test_the_budget_drops_passages_and_says_which(bench: Bench) -> None:
    events, trace = answered(
        bench, "loaf dough queen harbour", collections=["notes"], budget_tokens=60
    )
    rows = trace.accounts[NAME]
    dropped = [row for row in rows if row["used"] != "yes"]
    assert dropped and "over the budget of 60 tokens" in dropped[0]["used"]
    used = sum(row["tokens"] for row in rows if row["used"] == "yes")
    assert 0 < used <= 60
    sources = [event for event in events if isinstance(event, SourceEvent)]
    assert len(sources) == len(rows) - len(dropped)


def test_nothing_found_is_said_plainly(bench: Bench) -> None:
    events, trace = answered(bench, "quantum chromodynamics", collections=["notes"], minimum=0.5)
    assert "Nothing about this was found in 'notes'." in notices(events)
    assert trace.accounts[NAME] == [{"found": "nothing", "searched": "'notes'"}]
    assert "square brackets" not in trace.prompt


def test_a_collection_that_is_gone_is_said_and_the_chat_goes_on(bench: Bench) -> None:
    events, trace = answered(bench, "hello", collections=["nowhere"])
    assert "There is no collection 'nowhere'" in notices(events)
    assert not trace.error


def test_options_of_the_wrong_kind_are_said_and_the_chat_goes_on(bench: Bench) -> None:
    for options in ({"collections": 7}, {"collections": ["notes"], "mode": "magic"}):
        events, trace = answered(bench, "hello", **options)
        assert "The knowledge was not searched" in notices(events)
        assert not trace.error


def test_the_tool_searches_and_says_when_there_is_nothing(bench: Bench) -> None:
    (found,) = bench.plugin.jackfield_tools()

    def run(**arguments: str) -> object:
        return bench.app.portal.call(found.run, arguments)

    assert found.approval == "always"
    assert found.parameters["required"] == ["query"]
    assert "[1] bread.md" in str(run(query="how long does a loaf bake"))
    assert "no collection" in _failure(lambda: run(query="x", collection="none"))


def test_the_tool_searches_all_collections_of_a_server_that_has_them(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    (found,) = bench.plugin.jackfield_tools()
    desk, library = Desk(bench.plugin), bench.library

    class Server:
        def search(self, names: list[str], **asked: object) -> dict[str, object]:
            with monkeypatch.context() as here:
                here.setattr(bench.plugin, "library", lambda: library)
                return desk.search(names, **asked)

    def in_use() -> None:
        raise InUse("Another process uses the collections.")

    monkeypatch.setattr(bench.plugin, "library", in_use)
    monkeypatch.setattr(RemoteDesk, "of", lambda app: Server())
    text = bench.app.portal.call(found.run, {"query": "how long does a loaf bake"})
    assert "[1] bread.md" in text


def test_many_searches_at_once_do_not_keep_the_model_from_being_loaded(bench: Bench) -> None:
    (found,) = bench.plugin.jackfield_tools()

    async def search_all() -> None:
        await bench.app.engine.unload("small")
        anyio.to_thread.current_default_thread_limiter().total_tokens = 2
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(found.run, {"query": "how long does a loaf bake"})

    bench.app.portal.call(search_all)


def _failure(do: object) -> str:
    with pytest.raises(Exception) as wrong:
        do()  # type: ignore
    return str(wrong.value)

import json

import jsonschema
import pytest

from jackfield import Tool, ToolCallPart, any_call, tool
from jackfield.messages import (
    Message,
    NoticeEvent,
    TextEvent,
    TextPart,
    ToolCallEvent,
    ToolResultEvent,
    ToolResultPart,
    message,
)
from jackfield.pipeline import Turn
from jackfield.pipeline.call_splitter import CallSplitter
from jackfield.pipeline.turn import ToolName
from jackfield.testing import Workbench
from jackfield.testing.fake import CHATML
from jackfield.tools import ToolDefinition
from jackfield_plugins.tool_calls.qwen3_coder import Qwen3Coder
from toolshed import SEES_TOOLS, Parser, Toolshed, add, call

ALL = ("add", "shout", "slow", "fails", "breaks", "long")


def run(bench: Workbench, text: str = "go", **values):
    turn = Turn(model="fake-model", messages=[message("user", text)], use_tools=ALL, **values)
    events = bench.app.portal.call(bench._collect, turn)
    return events, bench.app.traces.get(turn.id)


def results(events) -> list[ToolResultPart]:
    return [one.result for one in events if isinstance(one, ToolResultEvent)]


def text_of(events) -> str:
    return "".join(one.text for one in events if hasattr(one, "logprobs"))


def bench(*replies: str, **model) -> Workbench:
    model = {"chat_template": SEES_TOOLS, **model}
    return Workbench(Toolshed, replies=list(replies), model=model)


def test_a_typed_function_becomes_a_tool_with_a_schema() -> None:
    made = tool(add)
    assert made.description == "Add two numbers."
    assert made.parameters["properties"] == {
        "a": {"type": "integer"},
        "b": {"type": "integer", "default": 1, "description": "The second one"},
    }
    assert made.parameters["required"] == ["a"]
    assert made.run({"a": 2, "b": 3}) == "5"
    with pytest.raises(ValueError, match="valid integer"):
        made.run({"a": "x"})


def test_a_called_tool_runs_and_the_model_goes_on_with_its_result() -> None:
    with bench("Let me see. " + call("add", a=2, b=3), "It is five.") as at:
        events, trace = run(at)
    assert text_of(events) == "Let me see. It is five."
    (result,) = results(events)
    assert (result.name, result.text, result.error) == ("add", "5", False)
    assert "5" in trace.prompt.rpartition("user")[2]
    (line,) = [one for one in trace.lines if one.hook == "tools"]
    assert line.plugin == "under-test"
    assert "= 5" in line.after
    kinds = [type(one).__name__ for one in events]
    assert kinds.index("ToolCallEvent") < kinds.index("ToolResultEvent")


def test_arguments_written_as_plain_texts_reach_the_tool_in_its_types() -> None:
    class Plain(Toolshed):
        parsers = (Qwen3Coder(),)

    marks = "{# <function= <parameter= #}"
    said = "<function=add>\n<parameter=a>\n2\n</parameter>\n</function>"
    loud = "<function=shout>\n<parameter=text>\n2024\n</parameter>\n</function>"
    replies = [f"<tool_call>\n{said}\n{loud}\n</tool_call>", "Done."]
    model = {"chat_template": SEES_TOOLS + marks}

    async def approve(part, which: Tool):
        return "once"

    with Workbench(Plain, replies=replies, model=model) as at:
        events, _ = run(at, approve=approve)
    assert [(one.text, one.error) for one in results(events)] == [("3", False), ("2024", False)]
    calls = [one.call.arguments for one in events if isinstance(one, ToolCallEvent)]
    assert [json.loads(one) for one in calls] == [{"a": 2}, {"text": "2024"}]


def test_the_model_is_told_of_tools_by_its_template_or_else_in_words() -> None:
    with bench("Nothing to do.") as at:
        _, trace = run(at)
        assert '"name": "add"' in trace.prompt
        assert "Tools: add" not in trace.prompt
    with bench("Nothing to do.", chat_template=CHATML) as at:
        _, trace = run(at)
        assert "Tools: add, shout" in trace.prompt


def test_two_calls_run_side_by_side_and_one_only_where_the_request_says_so() -> None:
    both = call("add", a=1) + call("add", a=10)
    with bench(both, "Done.") as at:
        events, _ = run(at)
        assert [one.text for one in results(events)] == ["2", "11"]
    with bench(both, "Done.") as at:
        events, _ = run(at, parallel_tool_calls=False)
        assert [one.text for one in results(events)] == ["2"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fails", "KeyError: 'no such thing'"),
        ("breaks", "The tool 'breaks' failed: The bell has no rope."),
        ("slow", "no answer within 0.2 seconds"),
        ("unknown", "There is no tool 'unknown'"),
    ],
)
def test_a_tool_that_fails_hangs_or_is_not_there_is_told_to_the_model(name, words) -> None:
    with bench(call(name), "I could not.") as at:
        events, _ = run(at)
    (result,) = results(events)
    assert result.error
    assert words in result.text
    assert text_of(events) == "I could not."


def test_wrong_arguments_are_told_to_the_model() -> None:
    with bench(call("add", a="seven"), "Sorry.") as at:
        events, _ = run(at)
    assert "valid integer" in results(events)[0].text


def test_a_result_of_five_megabytes_is_cut_to_what_the_model_can_read() -> None:
    with bench(call("long"), "Much.") as at:
        events, _ = run(at)
    (result,) = results(events)
    assert len(result.text) < 21_000
    assert "of 5,000,000 characters" in result.text
    assert text_of(events) == "Much."


def test_a_tool_that_asks_is_refused_where_nobody_can_be_asked() -> None:
    with bench(call("shout", text="hey"), "As you wish.") as at:
        events, _ = run(at)
    assert "needs the user's approval" in results(events)[0].text


@pytest.mark.parametrize(
    ("approval", "text"), [("once", "HEY"), ("refused", "did not allow"), ("never", "did not")]
)
def test_the_user_is_asked(approval, text) -> None:
    asked = []

    async def approve(part, which: Tool):
        asked.append((part.arguments, which.title))
        return approval

    with bench(call("shout", text="hey"), "Well.") as at:
        events, _ = run(at, approve=approve)
        kept = dict(at.app.settings.value.tools)
    assert asked == [('{"text": "hey"}', "Shout")]
    assert next(one for one in events if isinstance(one, ToolCallEvent)).asks
    assert text in results(events)[0].text
    assert kept == ({"shout": "never"} if approval == "never" else {})


def test_always_is_remembered() -> None:
    async def approve(part, which):
        return "always"

    with bench(call("shout", text="a"), "One.", call("shout", text="b"), "Two.") as at:
        run(at, approve=approve)
        events, _ = run(at)
        assert at.app.settings.value.tools == {"shout": "always"}
    assert results(events)[0].text == "B"


def test_a_job_waits_for_the_users_answer_and_a_stop_ends_the_wait() -> None:
    with bench(call("shout", text="hey"), "Well.", delay=0.001) as at:
        for decided in (True, False):
            job = at.app.jobs.start(
                Turn(model="fake-model", messages=[message("user", "go")], use_tools=ALL)
            )
            for event in job.follow():
                if isinstance(event, ToolCallEvent):
                    assert event.asks
                    assert not job.decided(event.call.id)
                    if decided:
                        job.answer(event.call.id, "once")
                    else:
                        job.cancel()
            assert job.text == ("Well." if decided else "")
            assert bool(results(job.events)) == decided


def test_a_model_that_never_stops_calling_has_to_answer_in_the_end() -> None:
    many = [call("add", a=number) for number in range(10)]
    with bench(*many, "Enough.") as at:
        events, trace = run(at)
    assert len(results(events)) == 10
    assert any("10 times in a row" in one.text for one in events if isinstance(one, NoticeEvent))
    assert text_of(events) == "Enough."
    assert '"description": "Add two numbers."' not in trace.prompt


def test_a_model_that_repeats_a_call_is_asked_to_answer_without_tools() -> None:
    with bench(call("add", a=1), call("add", a=1), "It is two.") as at:
        events, _ = run(at)
    assert len(results(events)) == 1
    assert text_of(events) == "It is two."


def test_tools_of_the_client_are_given_to_it_to_run() -> None:
    theirs = ToolDefinition(name="weather", description="The weather")
    with bench("Look: " + call("weather", city="Rome")) as at:
        events, _ = run(at, tools=(theirs,))
    (event,) = [one for one in events if isinstance(one, ToolCallEvent)]
    assert event.client
    assert json.loads(event.call.arguments) == {"city": "Rome"}
    assert events[-1].finish_reason == "tool_calls"
    assert text_of(events) == "Look: "


def test_a_tool_that_must_be_called_needs_a_loader_that_keeps_to_a_schema() -> None:
    with bench("no") as at:
        events, _ = run(at, tool_choice=ToolName("add"))
        assert "cannot make a model call one" in events[-2].message
        events, _ = run(at, tool_choice=ToolName("other"))
        assert "'other', which is not among the tools" in events[-2].message


def test_text_that_looks_like_a_call_but_is_none_is_shown() -> None:
    with bench("<call>nonsense") as at:
        events, _ = run(at)
    assert text_of(events) == "<call>nonsense"


def test_the_saved_reply_holds_texts_calls_and_results_in_order_and_is_read_again() -> None:
    with bench("First. " + call("add", a=2), "Then.", "prompt") as at:
        chat = at.app.conversations.create(model="fake-model")
        asked = at.app.conversations.add(chat.id, None, message("user", "go"))
        run(at, conversation=chat.id, parent=asked.id)
        saved = at.app.conversations.path(chat.id)[-1].message
        kinds = [type(part).__name__ for part in saved.parts]
        assert kinds == ["TextPart", "ToolCallPart", "ToolResultPart", "TextPart"]
        assert saved.text == "First. Then."
        turn = Turn(
            model="fake-model", messages=[message("user", "go"), saved, message("user", "?")]
        )
        prompt = text_of(at.app.portal.call(at._collect, turn))
    before = prompt.index("First.")
    assert before < prompt.index('"name": "add"') < prompt.index("tool\n3") < prompt.index("Then.")


def test_replacing_the_text_of_a_reply_keeps_what_tools_did() -> None:
    result = ToolResultPart("1", "3")
    reply = Message("assistant", (TextPart("a"), ToolCallPart("1", "add", "{}"), result))
    assert reply.with_text("b").parts[-1] == TextPart("b")
    assert result in reply.with_text("b").parts


def test_a_call_is_found_however_the_text_is_cut() -> None:
    whole = "Well < then: " + call("add", a=1)
    for size in range(1, 9):
        splitter = CallSplitter(Parser())
        pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
        events = [event for piece in pieces for event in splitter.feed(TextEvent(piece))]
        rest, calls = splitter.finish()
        assert "".join(one.text for one in [*events, *rest]) == "Well < then: "
        assert [one.name for one in calls] == ["add"]
        assert len(calls[0].id) == 9


def test_what_schemas_of_tools_refer_to_is_found_in_that_of_a_call() -> None:
    place = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    schema = {
        "type": "object",
        "properties": {"at": {"$ref": "#/$defs/Place"}},
        "required": ["at"],
        "$defs": {"Place": place},
    }
    tools = [ToolDefinition(name=name, parameters=schema) for name in ("go", "stay")]
    check = jsonschema.Draft202012Validator(any_call(tools))
    assert check.is_valid({"name": "go", "arguments": {"at": {"name": "Rome"}}})
    assert not check.is_valid({"name": "stay", "arguments": {"at": {}}})
    assert not check.is_valid({"name": "fly", "arguments": {"at": {"name": "Rome"}}})

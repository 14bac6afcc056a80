"""Tools over the API, as OpenAI's clients expect them."""

import json
from pathlib import Path

import pytest

from api_server import Server, fake_server
from toolshed import SEES_TOOLS, Toolshed, call

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


@pytest.fixture
def server(tmp_path: Path):
    two = call("weather", city="Rome") + call("weather", city="Oslo")
    models = {
        "caller": {"replies": [two], "chat_template": SEES_TOOLS},
        "adder": {"replies": [call("add", a=2, b=3), "Five."], "chat_template": SEES_TOOLS},
        "asker": {"replies": [call("shout", text="a"), "No."], "chat_template": SEES_TOOLS},
        "mirror": {"replies": ["prompt"], "chat_template": SEES_TOOLS},
    }
    with fake_server(tmp_path, Toolshed, models=models) as made:
        yield made


def test_calls_come_as_openais_client_expects_them(server: Server) -> None:
    (choice,) = server.chat("Well?", "caller", tools=[WEATHER]).choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    first, second = choice.message.tool_calls
    assert first.type == "function"
    assert (first.function.name, json.loads(first.function.arguments)) == (
        "weather",
        {"city": "Rome"},
    )
    assert json.loads(second.function.arguments) == {"city": "Oslo"}
    assert first.id != second.id


def test_one_call_at_a_time_if_the_client_wants_that(server: Server) -> None:
    answer = server.chat("Well?", "caller", tools=[WEATHER], parallel_tool_calls=False)
    assert len(answer.choices[0].message.tool_calls) == 1


def test_streamed_calls_are_put_together_by_their_index(server: Server) -> None:
    calls = {}
    finish = None
    for chunk in server.chat("Well?", "caller", tools=[WEATHER], stream=True):
        for choice in chunk.choices:
            finish = choice.finish_reason or finish
            for one in choice.delta.tool_calls or ():
                calls.setdefault(one.index, []).append(one)
    assert finish == "tool_calls"
    assert sorted(calls) == [0, 1]
    assert json.loads("".join(one.function.arguments for one in calls[1])) == {"city": "Oslo"}


def test_results_go_back_to_the_model_with_their_calls(server: Server) -> None:
    answer = server.chat("Well?", "caller", tools=[WEATHER], parallel_tool_calls=False)
    said = answer.choices[0].message
    messages = [
        {"role": "user", "content": "Well?"},
        said.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": said.tool_calls[0].id, "content": "Sunny."},
    ]
    prompt = (
        server.openai.chat.completions.create(model="mirror", messages=messages, tools=[WEATHER])
        .choices[0]
        .message.content
    )
    assert '"name": "weather"' in prompt.partition("<|im_start|>")[0]
    assert prompt.index('"city": "Rome"') < prompt.index("<|im_start|>tool\nSunny.")


def test_jackfields_own_tools_run_where_the_request_names_them(server: Server) -> None:
    answer = server.chat("Well?", "adder", extra_body={"use_tools": ["add"]})
    assert answer.choices[0].message.content == "Five."
    assert answer.choices[0].finish_reason == "stop"
    (step,) = answer.jackfield["tools"]
    assert (step["name"], step["result"], step["error"]) == ("add", "5", False)
    assert answer.usage.completion_tokens > 2


def test_a_tool_that_asks_does_not_run_over_the_api_until_it_is_allowed(server: Server) -> None:
    answer = server.chat("Well?", "asker", extra_body={"use_tools": ["shout"]})
    assert answer.jackfield["tools"][0]["error"]
    server.app.settings.set(("tools", "shout"), "always")
    answer = server.chat("Well?", "asker", extra_body={"use_tools": ["shout"]})
    assert answer.jackfield["tools"][0]["result"] == "A"


def test_a_tool_that_is_not_there_is_told(server: Server) -> None:
    answer = server.chat("Well?", "mirror", extra_body={"use_tools": ["gone"]})
    assert "'gone'" in answer.jackfield["notices"][0]


def test_a_call_that_the_client_has_answered_is_not_given_to_it_again(server: Server) -> None:
    answer = server.chat("Well?", "caller", tools=[WEATHER], parallel_tool_calls=False)
    said = answer.choices[0].message
    result = {"role": "tool", "tool_call_id": said.tool_calls[0].id, "content": "Sunny."}
    messages = [{"role": "user", "content": "Well?"}, said.model_dump(exclude_none=True), result]
    ask = server.openai.chat.completions.create
    again = ask(model="caller", messages=messages, tools=[WEATHER], parallel_tool_calls=False)
    assert again.choices[0].finish_reason == "stop"

"""Real models call tools, driven by OpenAI's client."""

import json
from collections.abc import Iterator

import pytest

import parts
from api_server import Server
from jackfield.application import Application
from jackfield.paths import Paths
from jackfield.pipeline.rounds import Rounds
from jackfield_loaders.gguf import Gguf
from jackfield_plugins.tool_calls import ToolCalls
from toolshed import Toolshed

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The current weather of a city",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["city", "unit"],
        },
    },
}
NAMED = {"type": "function", "function": {"name": "get_weather"}}


class Shed(Toolshed):
    """The tools for tests, without their own way of writing calls."""

    parsers = ()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    app = Application(Paths(tmp_path_factory.mktemp("home")), entry_points=[])
    app.paths.make()
    (app.paths.models / "smollm2.gguf").symlink_to(parts.smollm2())
    (app.paths.models / "qwen.gguf").symlink_to(parts.qwen())
    for name in ("smollm2", "qwen"):
        app.settings.set(("models", name, "options"), {"n_ctx": 2048, "n_threads": 1})
    app.plugins.register("gguf", Gguf)
    app.plugins.register("tool_calls", ToolCalls)
    app.plugins.register("toolshed", Shed)
    with Server(app) as made:
        yield made


def calls(answer) -> list[tuple[str, dict]]:
    assert answer.choices[0].finish_reason == "tool_calls"
    return [
        (one.function.name, json.loads(one.function.arguments))
        for one in answer.choices[0].message.tool_calls
    ]


@pytest.mark.parametrize("choice", [NAMED, "required"], ids=["named", "required"])
def test_a_model_that_was_never_taught_is_made_to_call_a_tool(server: Server, choice) -> None:
    answer = server.chat(
        "What is the weather in Paris?",
        "smollm2",
        tools=[WEATHER],
        tool_choice=choice,
        temperature=0,
        max_tokens=100,
    )
    ((name, arguments),) = calls(answer)
    assert name == "get_weather"
    assert arguments["unit"] in ("celsius", "fahrenheit")
    assert "Paris" in arguments["city"]


def test_a_model_that_was_never_taught_names_a_tool_or_none_before_it_writes(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which one is its own choice, and not tested."""
    chosen: list[str] = []
    written = Rounds._written

    async def spied(self, prepared, texts, calls):
        async for event in written(self, prepared, texts, calls):
            yield event
        chosen.extend(call.name for call in calls)

    monkeypatch.setattr(Rounds, "_written", spied)
    answer = server.chat(
        "What is the weather in Paris, in celsius?",
        "smollm2",
        tools=[WEATHER],
        temperature=0,
        max_tokens=200,
    )
    assert chosen[0] in ("get_weather", "no_tool")
    if chosen[0] == "no_tool":
        assert answer.choices[0].message.content.strip()
        assert not answer.choices[0].message.tool_calls
    else:
        assert set(calls(answer)[0][1]) == {"city", "unit"}


def test_qwen_calls_a_tool_and_answers_with_its_result(server: Server) -> None:
    asked = {"role": "user", "content": "What is the weather in Paris, in celsius?"}
    answer = server.openai.chat.completions.create(
        model="qwen", messages=[asked], tools=[WEATHER], temperature=0, max_tokens=100
    )
    ((name, arguments),) = calls(answer)
    assert (name, arguments["city"]) == ("get_weather", "Paris")
    message = answer.choices[0].message
    result = {
        "role": "tool",
        "tool_call_id": message.tool_calls[0].id,
        "content": "18 degrees and rain",
    }
    answer = server.openai.chat.completions.create(
        model="qwen",
        messages=[asked, message.model_dump(exclude_none=True), result],
        tools=[WEATHER],
        temperature=0,
        max_tokens=100,
    )
    assert "18" in answer.choices[0].message.content


def test_qwen_uses_a_tool_that_jackfield_runs(server: Server) -> None:
    answer = server.chat(
        "Add 1234 and 4321 with the tool.",
        "qwen",
        extra_body={"use_tools": ["add"]},
        temperature=0,
        max_tokens=120,
    )
    assert answer.jackfield["tools"][0]["result"] == "5555"
    assert answer.choices[0].message.content

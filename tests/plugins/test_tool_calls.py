"""How families of models write calls of tools, and how their parsers read them."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield import ToolCallParser, ToolDefinition
from jackfield.messages import TextEvent
from jackfield.pipeline.call_splitter import CallSplitter
from jackfield.testing import PluginConformance
from jackfield.tool_schema import read_as
from jackfield_plugins.tool_calls import ToolCalls

PARSERS: dict[str, ToolCallParser] = {
    one.name: one
    for one in ToolCalls.jackfield_tool_call_parsers(ToolCalls.__new__(ToolCalls))  # type: ignore[arg-type]
}

ODD = {"note": 'Zoë said "{ not [ a } call"', "深さ": [1, {"a": None}], "on": True}
"""Arguments with what a careless reader trips over."""
ODD_JSON = json.dumps(ODD, ensure_ascii=False)
ONE = [("weigh", {"fruit": "pear", "count": 3})]
TWO = [("weigh", {"fruit": "pear"}), ("pack-it", ODD)]
ONE_OF_TEXTS = [("weigh", {"fruit": "pear", "count": "3"})]
TWO_OF_TEXTS = [
    ("weigh", {"fruit": "pear"}),
    ("pack-it", {"note": ODD["note"], "深さ": '[1, {"a": null}]', "on": "true"}),
]

EXAMPLES: list[tuple[str, str, list[tuple[str, dict[str, Any]]]]] = [
    (
        "hermes",
        '<tool_call>\n{"name": "weigh", "arguments": {"fruit": "pear"}}\n</tool_call>\n'
        f'<tool_call>\n{{"name": "pack-it", "arguments": {ODD_JSON}}}\n</tool_call>',
        TWO,
    ),
    (
        "hermes",
        '```json\n{\n  "name": "weigh",\n  "arguments": {\n    "fruit": "pear",\n    "count": 3\n'
        "  }\n}\n```",
        ONE,
    ),
    (
        "hermes",
        '{"name": "weigh", "arguments": {"fruit": "pear"}}\n'
        f'{{"name": "pack-it", "arguments": {ODD_JSON}}}',
        TWO,
    ),
    ("hermes", '{{"name": "weigh", "arguments": {"fruit": "pear", "count": 3}}}', ONE),
    ("hermes", '<tools>{"name": "weigh", "arguments": {"fruit": "pear", "count": 3}}</tools>', ONE),
    (
        "qwen3_coder",
        "<tool_call>\n<function=weigh>\n<parameter=fruit>\npear\n</parameter>\n</function>\n"
        "</tool_call>\n<tool_call>\n<function=pack-it>\n<parameter=note>\n"
        f'{ODD["note"]}\n</parameter>\n<parameter=深さ>\n[1, {{"a": null}}]\n</parameter>\n'
        "<parameter=on>\ntrue\n</parameter>\n</function>\n</tool_call>",
        TWO_OF_TEXTS,
    ),
    (
        "qwen3_coder",
        "<function=weigh>\n<parameter=fruit>\npear\n</parameter>\n<parameter=count>\n3\n"
        "</parameter>\n</function>",
        ONE_OF_TEXTS,
    ),
    ("llama3", '{"name": "weigh", "parameters": {"fruit": "pear", "count": 3}}', ONE),
    (
        "llama3",
        '<|python_tag|>{"name": "weigh", "parameters": {"fruit": "pear"}}; '
        f'{{"name": "pack-it", "parameters": {ODD_JSON}}}<|eom_id|>',
        TWO,
    ),
    ("llama3", '<|python_tag|>weigh.call(fruit="pear", count=3)', ONE),
    (
        "llama3",
        '{"type": "function", "name": "weigh", "parameters": {"fruit": "pear", "count": 3}}',
        ONE,
    ),
    (
        "mistral",
        '[TOOL_CALLS] [{"name": "weigh", "arguments": {"fruit": "pear"}}, '
        f'{{"name": "pack-it", "arguments": {ODD_JSON}}}]</s>',
        TWO,
    ),
    (
        "mistral",
        f'[TOOL_CALLS]weigh[ARGS]{{"fruit": "pear"}}[TOOL_CALLS]pack-it[ARGS]{ODD_JSON}',
        TWO,
    ),
    ("mistral", '[TOOL_CALLS]weigh[CALL_ID]abc123XYZ[ARGS]{"fruit": "pear", "count": 3}', ONE),
    ("mistral", '[{"name": "weigh", "arguments": {"fruit": "pear", "count": 3}}]', ONE),
    ("gemma", '```tool_code\nprint(weigh(fruit="pear", count=3))\n```', ONE),
    (
        "gemma",
        '```tool_code\n{"name": "weigh", "parameters": {"fruit": "pear"}}\n```\n'
        f'```tool_code\n{{"name": "pack-it", "parameters": {ODD_JSON}}}\n```',
        TWO,
    ),
    ("gemma", '```json\n{"name": "weigh", "parameters": {"fruit": "pear", "count": 3}}\n```', ONE),
    (
        "function_gemma",
        "<start_function_call>call:weigh{fruit:<escape>pear<escape>}<end_function_call>"
        f"<start_function_call>call:pack-it{{note:<escape>{ODD['note']}<escape>,"
        '"深さ":[1,{a:null}],on:true}<end_function_call>',
        TWO,
    ),
    ("function_gemma", '<|tool_call>call:weigh{fruit:<|"|>pear<|"|>,count:3}<tool_call|>', ONE),
    (
        "functionary",
        f'<function=weigh>{{"fruit": "pear"}}</function><function=pack-it>{ODD_JSON}</function>',
        TWO,
    ),
    ("functionary", f'>>>weigh\n{{"fruit": "pear"}}\n>>>pack-it\n{ODD_JSON}', TWO),
    (
        "deepseek",
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weigh\n```json\n"
        '{"fruit": "pear"}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>'
        f"pack-it\n```json\n{ODD_JSON}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        TWO,
    ),
    (
        "deepseek",
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weigh<｜tool▁sep｜>"
        '{"fruit": "pear", "count": 3}'
        "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        ONE,
    ),
    ("json", 'TOOL CALL:\n{"name": "weigh", "arguments": {"fruit": "pear", "count": 3}}', ONE),
]

NOT_CALLS = [
    ("hermes", '```json\n{"name": "Ada Lovelace", "born": 1815}\n```\nThat is the record.'),
    ("hermes", '{"name": "weigh", "arguments": ["pear"]}'),
    ("hermes", '{"name": "weigh", "arguments": {}, "colour": "green"}'),
    ("hermes", '{"name": "John Smith", "arguments": {}}'),
    ("hermes", "<tool_call>\n{'name': 'weigh'}\n</tool_call>"),
    ("hermes", '<tool_call>\n{"name": "weigh", "arguments": {"fruit": NaN}}\n</tool_call>'),
    ("hermes", '<tool_call>{"name": "weigh", "arguments": ' + "[" * 100_000),
    ("qwen3_coder", "<tool_call>\n<function=weigh>\n<parameter=fruit>\npear"),
    ("llama3", '<|python_tag|>weigh("pear")'),
    ("llama3", '<|python_tag|>import os\nos.remove("x")'),
    ("llama3", '<|python_tag|>weigh(fruit=open("secret"))'),
    ("llama3", '{"name": "Ada", "parameters": 3}'),
    ("mistral", '[TOOL_CALLS] [{"name": "weigh", "arguments": {"fruit": "pe'),
    ("mistral", '[TOOL_CALLS]weigh[ARGS]{"fruit": '),
    ("gemma", "```tool_code\nfor x in y: pass\n```"),
    ("function_gemma", "<start_function_call>call:weigh{fruit:<escape>pear}"),
    ("functionary", ">>> print('a doctest')\na doctest"),
    ("deepseek", "<｜tool▁calls▁begin｜> and so on"),
    ("json", "TOOL CALL: is what I would write."),
]


class TestToolCalls(PluginConformance):
    plugin = ToolCalls


def read(name: str, text: str) -> list[tuple[str, dict[str, Any]]]:
    return [(one.name, json.loads(one.arguments)) for one in PARSERS[name].parse(text)]


@pytest.mark.parametrize(("name", "text", "calls"), EXAMPLES)
def test_a_familys_calls_are_read_whole(name, text, calls) -> None:
    assert text.startswith(PARSERS[name].opens)
    assert read(name, text) == calls


@pytest.mark.parametrize(("name", "text", "calls"), EXAMPLES)
def test_a_text_that_is_cut_anywhere_holds_only_calls_that_are_whole(name, text, calls) -> None:
    for end in range(len(text)):
        found = read(name, text[:end])
        assert found == calls[: len(found)], text[:end]


@pytest.mark.parametrize(("name", "text"), NOT_CALLS)
def test_what_only_looks_like_a_call_is_none(name, text) -> None:
    assert read(name, text) == []


@pytest.mark.parametrize(("name", "text", "calls"), EXAMPLES)
def test_calls_are_found_in_a_stream_however_it_is_cut(name, text, calls) -> None:
    for size in (1, 3, 7, 1000):
        splitter = CallSplitter(PARSERS[name])
        reply = f"Let me see. {text}"
        events = []
        for at in range(0, len(reply), size):
            events += splitter.feed(TextEvent(reply[at : at + size]))
        rest, found = splitter.finish()
        assert [(one.name, json.loads(one.arguments)) for one in found] == calls
        shown = "".join(one.text for one in [*events, *rest] if isinstance(one, TextEvent))
        assert shown == "Let me see. "


def test_the_id_that_a_model_gives_is_kept() -> None:
    (call,) = PARSERS["mistral"].parse('[TOOL_CALLS]weigh[CALL_ID]abc123XYZ[ARGS]{"fruit": "fig"}')
    assert call.id == "abc123XYZ"
    (call,) = PARSERS["mistral"].parse(
        '[TOOL_CALLS] [{"name": "weigh", "arguments": {}, "id": "q1w2e3r4t"}]'
    )
    assert call.id == "q1w2e3r4t"


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "string"}, "2024", "2024"),
        ({"type": "string"}, "1.10", "1.10"),
        ({"type": "integer"}, "2024", 2024),
        ({"type": "integer"}, "many", "many"),
        ({"type": "integer"}, "1.5", "1.5"),
        ({"type": "number"}, "1.5", 1.5),
        ({"type": "boolean"}, "true", True),
        ({"type": ["integer", "null"]}, "null", None),
        ({"type": "array", "items": {}}, '["a", 1]', ["a", 1]),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "7", 7),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, "7", "7"),
        ({"$ref": "#/$defs/Unit"}, "1", "1"),
        ({"$ref": "#/$defs/Unknown"}, "1", 1),
        ({"enum": [1, 2]}, "2", 2),
        ({}, "true", True),
        ({}, "green", "green"),
        (True, "7", 7),
        ({"anyOf": [True]}, "7", 7),
        ({"type": "number"}, "NaN", "NaN"),
        ({"type": "array"}, "[" * 100_000, "[" * 100_000),
    ],
)
def test_arguments_that_are_written_as_texts_become_what_the_schema_wants(
    schema, text, value
) -> None:
    parameters = {"properties": {"x": schema}, "$defs": {"Unit": {"enum": ["1", "2"]}}}
    assert read_as({"x": text, "y": 5}, parameters) == {"x": value, "y": 5}


def test_half_a_surrogate_pair_does_not_spoil_the_arguments() -> None:
    (call,) = PARSERS["hermes"].parse(
        '<tool_call>{"name": "weigh", "arguments": {"fruit": "\\ud83c"}}</tool_call>'
    )
    assert call.arguments.encode()


@pytest.mark.parametrize(
    ("template", "architecture", "parser"),
    [
        ("{{ '<|im_start|>' }} <tool_call> </tool_call>", "qwen2", "hermes"),
        ("<|im_start|>", "Qwen2ForCausalLM", "hermes"),
        ("<tool_call><function=x><parameter=y>", "qwen3moe", "qwen3_coder"),
        ("<|start_header_id|> <|python_tag|> parameters", "llama", "llama3"),
        ("<|start_header_id|> <|python_tag|> <function=x>", "llama", "functionary"),
        ("<|start_header_id|> '>>>all'", "llama", "functionary"),
        ("[INST] [TOOL_CALLS] [ARGS]", "llama", "mistral"),
        ("<start_of_turn>", "gemma3", "gemma"),
        ("<start_of_turn> <start_function_call>", "gemma3", "function_gemma"),
        ("<|tool_call>", "gemma4", "function_gemma"),
        ("<｜tool▁calls▁begin｜>", "deepseek2", "deepseek"),
        ("<|im_start|>", "llama", "json"),
        ("", "", "json"),
    ],
)
def test_the_family_is_known_by_its_template(template, architecture, parser) -> None:
    best = max(PARSERS.values(), key=lambda one: one.fits(template, architecture))
    assert best.name == parser


WEIGH = ToolDefinition(
    name="weigh",
    description="Weighs fruit.",
    parameters={"type": "object", "properties": {"fruit": {"type": "string"}}},
)


@pytest.mark.parametrize("name", ["hermes", "llama3", "mistral", "gemma", "functionary", "json"])
def test_a_model_that_writes_what_it_is_told_is_understood(name) -> None:
    told = PARSERS[name].describe([WEIGH])
    assert "Weighs fruit." in told
    assert '"fruit"' in told
    how = told.split("nothing else:\n")[1].split("\nYou are then")[0]
    written = how.replace("the tool's name", "weigh").replace("a parameter", "fruit")
    written = written.replace("its value", "fig")
    assert read(name, written) == [("weigh", {"fruit": "fig"})]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)  # fmt: skip
arguments = st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), values, max_size=4)
names = st.from_regex(r"\A[a-zA-Z0-9_-]{1,64}\Z")


@pytest.mark.parametrize("name", sorted(PARSERS))
@given(tools=st.lists(names, min_size=1, max_size=3, unique=True), wanted=arguments, data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_forced_call_is_read_as_the_call_that_it_is(name, tools, wanted, data) -> None:
    definitions = [
        ToolDefinition(
            name=one, parameters={"type": "object", "properties": {}, "title": f"of {one}"}
        )
        for one in tools
    ]
    opening, schema = PARSERS[name].forced(definitions)
    assert opening.startswith(PARSERS[name].opens)
    chosen = data.draw(st.sampled_from(tools))
    written = _obeying(schema, chosen, wanted)
    text = json.dumps(written, ensure_ascii=data.draw(st.booleans()))
    assert read(name, opening + text) == [(chosen, wanted)]


def _obeying(schema: Any, tool: str, wanted: dict[str, Any]) -> Any:
    """What obeys a schema of calls, and calls a tool."""
    if schema.get("type") == "array":
        return [_obeying(schema["items"], tool, wanted)]
    calls = schema.get("anyOf", [schema])
    for one in calls:
        key = next((key for key in ("arguments", "parameters") if key in one["properties"]), "")
        if not key:
            assert schema["title"] == f"of {tool}"
            return wanted
        if one["properties"]["name"]["const"] == tool:
            assert one["properties"][key]["title"] == f"of {tool}"
            return {"name": tool, key: wanted}
    raise AssertionError(f"the schema has no place for {tool!r}")

"""Requests that cannot be answered: each gets OpenAI's shape of error and a reason."""

import openai
import pytest

CHAT = "/v1/chat/completions"


def body(**more):
    return {"model": "parrot", "messages": [{"role": "user", "content": "hello"}], **more}


def refused(server, status=400, path=CHAT, **more):
    answer = server.http.post(path, json=body(**more))
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert {"message", "type", "param", "code"} <= set(error)
    return error


def test_an_unknown_model_is_404_and_names_the_nearest(parrot):
    with pytest.raises(openai.NotFoundError) as caught:
        parrot.chat("hello", model="parot")
    assert caught.value.code == "model_not_found"
    assert "'parrot'" in caught.value.message
    with pytest.raises(openai.NotFoundError):
        parrot.chat("hello", model="parot", stream=True)
    with pytest.raises(openai.NotFoundError, match="parrot"):
        parrot.openai.models.retrieve("parot")


def test_a_field_that_the_loader_lacks_names_field_and_loader(parrot):
    error = refused(parrot, grammar='root ::= "yes"')
    assert error["param"] == "grammar"
    assert "'grammar'" in error["message"] and "'fake'" in error["message"]
    assert error["code"] == "unsupported_parameter"
    schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
    assert refused(parrot, response_format=schema)["param"] == "json_schema"


def test_a_field_that_the_loader_lacks_may_have_its_neutral_value(parrot):
    answer = parrot.http.post(CHAT, json=body(repeat_penalty=1.0, min_p=0.0, grammar=""))
    assert answer.status_code == 200


def test_a_prompt_that_is_too_long_is_refused_with_both_numbers(start_server):
    with start_server(short={"context_length": 16}) as server:
        text = "word " * 40
        for extra in ({}, {"stream": True}):
            with pytest.raises(openai.BadRequestError) as caught:
                server.chat(text, model="short", **extra)
            details = caught.value.body["details"]
            assert details["limit"] == 16 and details["tokens"] > 40
            assert "16" in caught.value.message and str(details["tokens"]) in caught.value.message
        with pytest.raises(openai.BadRequestError) as caught:
            server.openai.completions.create(model="short", prompt=text)
        assert caught.value.code == "context_length_exceeded"


def test_a_body_over_the_limit_is_413(parrot):
    error = refused(parrot, 413, messages=[{"role": "user", "content": "x" * 40_000_000}])
    assert error["code"] == "body_too_large"
    assert "33,554,432" in error["message"]


def test_invalid_json_is_400_and_says_where(parrot):
    headers = {"Content-Type": "application/json"}
    answer = parrot.http.post(CHAT, content=b'{"model": "parrot", ', headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_json"
    assert "character 20" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (CHAT, '"messages": [{"role": "user", "content": "a\\ud800"}]'),
        (CHAT, '"stop": ["\\ud800"], "messages": [{"role": "user", "content": "a"}]'),
        ("/v1/completions", '"prompt": "a\\ud800"'),
        ("/api/tokenize", '"text": "a\\ud800"'),
    ],
)
def test_half_a_character_which_json_can_say_is_400(parrot, path, field):
    headers = {"Content-Type": "application/json"}
    for _ in range(6):  # more often than the model has slots
        answer = parrot.http.post(path, content=f'{{"model": "parrot", {field}}}', headers=headers)
        assert answer.status_code == 400
        assert "half a character" in answer.json()["error"]["message"]
    assert parrot.resident().active == 0


@pytest.mark.parametrize("limit", ["0", "-1", "9" * 30])
def test_a_limit_out_of_bounds_is_400(parrot, limit):
    assert parrot.http.get(f"/api/conversations?limit={limit}").status_code == 400


@pytest.mark.parametrize("content", [b"", b"[]", b'"text"', b"null"])
def test_a_body_that_is_no_object_is_400(parrot, content):
    headers = {"Content-Type": "application/json"}
    answer = parrot.http.post(CHAT, content=content, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_empty_messages_are_refused(parrot):
    assert refused(parrot, messages=[])["param"] == "messages"
    assert refused(parrot, messages=[{"role": "user", "content": "  "}])["param"] == "messages"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", 9),
        ("top_p", "high"),
        ("n", 0),
        ("n", 1000),
        ("max_tokens", 0),
        ("seed", -5),
        ("top_k", 5000),
        ("mirostat", 7),
        ("samplers", ["no such sampler"]),
        ("temprature", 1),
    ],
)
def test_a_value_out_of_bounds_names_its_field(parrot, field, value):
    assert refused(parrot, **{field: value})["param"].startswith(field)


def test_a_misspelled_field_names_the_nearest(parrot):
    assert "'temperature'" in refused(parrot, temprature=1)["message"]


def test_a_missing_model_is_named(parrot):
    answer = parrot.http.post(CHAT, json={"messages": [{"role": "user", "content": "hi"}]})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "model"


def test_images_for_a_model_that_cannot_see_are_refused(parrot):
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    content = [{"type": "text", "text": "look"}, part]
    error = refused(parrot, messages=[{"role": "user", "content": content}])
    assert error["param"] == "messages"
    assert "takes no image" in error["message"]


def test_tools_that_cannot_be_used_are_refused(parrot):
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    error = refused(parrot, tools=[tool])  # no plugin here knows how a model calls tools
    assert error["param"] == "tools"
    assert parrot.http.post(CHAT, json=body(tools=[])).status_code == 200
    assert parrot.http.post(CHAT, json=body(tools=[tool], tool_choice="none")).status_code == 200
    assert refused(parrot, tool_choice="required")["param"] == "tool_choice"
    named = {"type": "function", "function": {"name": "no spaces"}}
    assert refused(parrot, tools=[named])["param"] == "tools.0.function.name"
    assert "two tools 'f'" in refused(parrot, tools=[tool, tool])["message"]
    listed = {"type": "function", "function": {"name": "f", "parameters": {"type": "array"}}}
    assert refused(parrot, tools=[listed])["param"] == "tools.0.function.parameters"
    spoken = {"role": "tool", "content": "42"}
    assert refused(parrot, messages=[spoken])["param"] == "messages.0.tool_call_id"
    assert refused(parrot, functions=[{"name": "f"}])["param"] == "functions"


def test_an_unknown_template_or_plugin_is_named(parrot):
    assert "'no such'" in refused(parrot, template="no such")["message"]
    error = refused(parrot, 404, plugins={"on": ["no such"]})
    assert error["code"] == "plugin_not_found"
    assert refused(parrot, plugins={"only": ["x"]})["param"] == "plugins.only"


def test_a_response_format_without_a_schema_is_refused(parrot):
    error = refused(parrot, response_format={"type": "json_schema"})
    assert error["param"] == "response_format.json_schema"
    clash = refused(parrot, response_format={"type": "json_object"}, grammar="root ::= [a-z]")
    assert clash["param"] == "response_format"


def test_what_is_not_there_is_404_in_the_same_shape(parrot):
    answer = parrot.http.get("/v1/no/such/route")
    assert answer.status_code == 404
    assert "'/v1/no/such/route'" in answer.json()["error"]["message"]
    assert parrot.http.get(CHAT).json()["error"]["code"] == "method_not_allowed"


def test_a_model_that_cannot_be_loaded_is_503_with_the_reason(start_server):
    with start_server(broken={"crash_on_load": "exit"}, parrot={}) as server:
        for extra in ({}, {"stream": True}):
            with pytest.raises(openai.InternalServerError) as caught:
                server.chat("hello", model="broken", **extra)
            assert caught.value.status_code == 503
            assert caught.value.code == "load_failed"
        assert server.chat("hello").choices[0].message.content == "hello"

"""``/v1/chat/completions`` with OpenAI's own client and a model that repeats what it is told."""

import math

import openai
import pytest


def test_a_reply_has_text_usage_and_the_turn_it_comes_from(parrot):
    reply = parrot.chat("good day to you")
    assert reply.choices[0].message.content == "good day to you"
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage.completion_tokens == 4
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + 4
    turn = reply.jackfield["turn"]
    assert parrot.http.get(f"/api/traces/{turn}").json()["prompt"].count("good day") == 1


def test_a_streamed_reply_comes_in_pieces_and_ends_with_usage_when_asked(parrot):
    chunks = list(parrot.chat("one two three", stream=True, stream_options={"include_usage": True}))
    texts = [one.choices[0].delta.content for one in chunks if one.choices]
    assert "".join(text for text in texts if text) == "one two three"
    assert len([text for text in texts if text]) == 3
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [one.choices[0].finish_reason for one in chunks if one.choices][-1] == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 3
    assert all(one.usage is None for one in chunks[:-1])


def test_a_stream_without_stream_options_has_no_usage(parrot):
    chunks = list(parrot.chat("one two", stream=True))
    assert all(one.usage is None and one.choices for one in chunks)


def test_system_messages_reach_the_model(parrot):
    messages = [
        {"role": "system", "content": "You are a parrot."},
        {"role": "user", "content": "hello"},
    ]
    reply = parrot.openai.chat.completions.create(model="parrot", messages=messages)
    prompt = parrot.http.get(f"/api/traces/{reply.jackfield['turn']}").json()["prompt"]
    assert prompt.startswith("<|im_start|>system\nYou are a parrot.<|im_end|>")


def test_content_may_come_in_parts_of_text(parrot):
    content = [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]
    reply = parrot.openai.chat.completions.create(
        model="parrot", messages=[{"role": "user", "content": content}]
    )
    assert reply.choices[0].message.content == "one two"


def test_max_tokens_by_either_name_cuts_the_reply(parrot):
    for name in ("max_tokens", "max_completion_tokens"):
        reply = parrot.chat("one two three four", **{name: 2})
        assert reply.choices[0].message.content == "one two"
        assert reply.choices[0].finish_reason == "length"


@pytest.mark.parametrize("stop", [" three", [" nine", " three"]])
def test_stop_ends_the_reply_just_before_the_text(parrot, stop):
    reply = parrot.chat("one two three four", stop=stop)
    assert reply.choices[0].message.content == "one two"
    assert reply.choices[0].finish_reason == "stop"


def test_several_replies_are_written_at_once_each_with_a_seed_of_its_own(start_server):
    with start_server(choir={"replies": ["do", "re", "mi"], "delay": 0.01}) as server:
        reply = server.chat("sing", model="choir", n=3, seed=0)
        assert [one.message.content for one in reply.choices] == ["do", "re", "mi"]
        assert [one.index for one in reply.choices] == [0, 1, 2]
        assert len(set(reply.jackfield["turns"])) == 3
        again = server.chat("sing", model="choir", n=3, seed=0)
        assert [one.message.content for one in again.choices] == ["do", "re", "mi"]
        assert reply.usage.completion_tokens == 3
        alone = server.chat("sing", model="choir", seed=0)
        assert reply.usage.prompt_tokens == alone.usage.prompt_tokens


def test_several_streamed_replies_carry_their_index(start_server):
    with start_server(choir={"replies": ["do do", "re re"], "delay": 0.01}) as server:
        texts = {0: "", 1: ""}
        for chunk in server.chat("sing", model="choir", n=2, seed=0, stream=True):
            texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
        assert texts == {0: "do do", 1: "re re"}


def test_logprobs_have_one_item_for_each_token_with_alternatives(parrot):
    reply = parrot.chat("one two", logprobs=True, top_logprobs=2)
    content = reply.choices[0].logprobs.content
    assert "".join(one.token for one in content) == "one two"
    for one in content:
        assert one.logprob < 0 and math.exp(one.logprob) <= 1
        assert one.top_logprobs[0].token == one.token
        assert len(one.top_logprobs) == 2
        assert bytes(one.bytes).decode() == one.token


def test_logprobs_come_with_each_piece_of_a_stream(parrot):
    tokens = []
    for chunk in parrot.chat("one two", logprobs=True, stream=True):
        if chunk.choices[0].logprobs is not None:
            tokens += [one.token for one in chunk.choices[0].logprobs.content]
            assert chunk.choices[0].logprobs.content[0].top_logprobs == []
    assert tokens == ["one", " two"]


def test_without_logprobs_none_are_sent(parrot):
    assert parrot.chat("one").choices[0].logprobs is None


def test_top_logprobs_without_logprobs_is_refused(parrot):
    with pytest.raises(openai.BadRequestError) as caught:
        parrot.chat("one", top_logprobs=2)
    assert caught.value.body["param"] == "top_logprobs"


def test_fields_of_sampling_params_are_taken_beside_openais(parrot):
    reply = parrot.chat("one two", extra_body={"top_k": 1, "min_p": 0.0})
    trace = parrot.http.get(f"/api/traces/{reply.jackfield['turn']}").json()
    assert trace["sampling"]["top_k"] == 1


def test_fields_that_change_nothing_are_passed_over(parrot):
    reply = parrot.chat("one", user="me", metadata={"a": "b"}, store=False, service_tier="auto")
    assert reply.choices[0].message.content == "one"


def test_a_named_template_takes_the_place_of_the_models_own(start_server):
    from jackfield_plugins.templates import Templates

    with start_server(Templates, parrot={}) as server:
        reply = server.chat("hello", extra_body={"template": "alpaca"})
        trace = server.http.get(f"/api/traces/{reply.jackfield['turn']}").json()
        assert trace["template"] == "alpaca"
        assert "### Instruction" in trace["prompt"]


def test_a_preset_is_laid_under_the_fields_that_are_sent(start_server):
    from jackfield_plugins.presets import Presets

    with start_server(Presets, parrot={}) as server:
        presets = server.http.get("/api/sampling").json()["presets"]
        assert presets
        with pytest.raises(openai.NotFoundError) as caught:
            server.chat("hello", extra_body={"preset": "no such"})
        assert presets[0]["name"] in caught.value.message


def test_the_answer_names_its_turn_in_a_header(parrot):
    with parrot.openai.chat.completions.with_streaming_response.create(
        model="parrot", messages=[{"role": "user", "content": "hi"}], stream=True
    ) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert len(response.headers["x-request-id"]) == 32
        lines = list(response.iter_lines())
    assert lines[-1] == "data: [DONE]" or lines[-2] == "data: [DONE]"

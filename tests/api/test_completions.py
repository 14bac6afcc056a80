"""``/v1/completions`` with OpenAI's own client and a model that repeats what it is told."""

import openai
import pytest


def complete(server, prompt, **more):
    return server.openai.completions.create(model="parrot", prompt=prompt, **more)


def test_a_text_is_continued(parrot):
    reply = complete(parrot, "one two")
    assert reply.choices[0].text == "one two"
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage.prompt_tokens == 2


def test_several_prompts_are_answered_in_their_order(parrot):
    reply = complete(parrot, ["one", "two two", "three"], n=2)
    assert [one.text for one in reply.choices] == ["one", "one", "two two", "two two"] + [
        "three"
    ] * 2
    assert [one.index for one in reply.choices] == list(range(6))
    assert reply.usage.prompt_tokens == sum(
        complete(parrot, one).usage.prompt_tokens for one in ("one", "two two", "three")
    )


def test_token_ids_are_a_prompt_too(parrot):
    tokens = parrot.http.post("/api/tokenize", json={"model": "parrot", "text": "one two"}).json()
    assert tokens["count"] == len(tokens["tokens"]) == 2
    assert complete(parrot, tokens["tokens"]).choices[0].text == "one two"
    both = complete(parrot, [tokens["tokens"], tokens["tokens"][:1]])
    assert [one.text for one in both.choices] == ["one two", "one"]


def test_echo_begins_with_the_prompt(parrot):
    assert complete(parrot, "one two ", echo=True).choices[0].text == "one two one two "
    chunks = list(complete(parrot, "one two ", echo=True, stream=True))
    assert "".join(one.choices[0].text for one in chunks) == "one two one two "
    assert chunks[0].choices[0].text == "one two "


def test_logprobs_have_four_lists_of_one_length(parrot):
    reply = complete(parrot, "one two", logprobs=2, max_tokens=8)
    found = reply.choices[0].logprobs
    assert "".join(found.tokens) == "one two"
    assert len(found.token_logprobs) == len(found.tokens) == 2
    assert all(value < 0 for value in found.token_logprobs)
    assert [len(one) for one in found.top_logprobs] == [2, 2]
    assert found.text_offset == [7, 10]


def test_a_stream_ends_with_its_reason_and_usage(parrot):
    chunks = list(
        complete(parrot, "one two three", stream=True, stream_options={"include_usage": True})
    )
    assert "".join(one.choices[0].text for one in chunks if one.choices) == "one two three"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage.completion_tokens == 3


def test_offsets_of_streamed_logprobs_go_on_from_piece_to_piece(parrot):
    offsets = []
    for chunk in complete(parrot, "one two", stream=True, logprobs=0):
        if chunk.choices[0].logprobs is not None:
            offsets += chunk.choices[0].logprobs.text_offset
    assert offsets == [7, 10]


@pytest.mark.parametrize(
    ("field", "value"),
    [("suffix", "the end"), ("best_of", 3), ("prompt", ""), ("prompt", []), ("prompt", ["a", ""])],
)
def test_what_cannot_be_done_is_refused_by_its_name(parrot, field, value):
    fields = {"model": "parrot", "prompt": "one", field: value}
    with pytest.raises(openai.BadRequestError) as caught:
        parrot.openai.completions.create(**fields)
    assert caught.value.body["param"] == field


def test_echo_with_logprobs_is_refused(parrot):
    with pytest.raises(openai.BadRequestError, match="echo"):
        complete(parrot, "one", echo=True, logprobs=1)

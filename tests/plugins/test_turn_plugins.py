"""The built-in extensions of turns, each through the real pipeline with a fake model."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackfield.errors import InvalidRequest
from jackfield.messages import ErrorEvent, Event, NoticeEvent, ReasoningEvent, message
from jackfield.pipeline import Turn
from jackfield.testing import PluginConformance, Workbench
from jackfield_plugins.clock import Clock
from jackfield_plugins.limits import Limits, tidied
from jackfield_plugins.prefill import Prefill
from jackfield_plugins.redact import Masker, Redact, iban, luhn
from jackfield_plugins.typography import Typesetter, Typography, plain


class TestClock(PluginConformance):
    plugin = Clock


class TestLimits(PluginConformance):
    plugin = Limits


class TestPrefill(PluginConformance):
    plugin = Prefill


class TestRedact(PluginConformance):
    plugin = Redact


class TestTypography(PluginConformance):
    plugin = Typography


def test_the_clock_tells_the_model_the_date() -> None:
    with Workbench(Clock, config={"time_zone": "Asia/Tokyo"}, replies=["prompt"]) as bench:
        reply = bench.chat("What day is it?")
    today = datetime.now(ZoneInfo("Asia/Tokyo"))
    assert f"{today:%A}" in reply.trace.prompt
    assert "JST" in reply.trace.prompt


def test_the_clock_refuses_a_time_zone_that_does_not_exist() -> None:
    with Workbench(Clock) as bench, pytest.raises(InvalidRequest) as caught:
        bench.app.plugins.configure("under-test", {"time_zone": "Mars/Olympus"})
    assert "Europe/Berlin" in caught.value.details["errors"]["time_zone"]


def test_a_reply_begins_with_the_prefill_and_the_model_goes_on_from_there() -> None:
    with Workbench(Prefill, config={"text": "Sure: "}, replies=["Sure: here it is"]) as bench:
        reply = bench.chat("Help me")
    assert reply.trace.prompt.endswith("assistant\nSure: ")
    assert reply.text == "Sure: here it is"


def test_a_message_over_the_limit_is_refused_and_the_plugin_is_not_blamed() -> None:
    with Workbench(Limits, config={"message_characters": 5}) as bench:
        reply = bench.chat("too long")
        assert reply.error is not None
        assert "8 characters" in reply.error.message
        assert reply.error.status == 400
        assert bench.chat("short").text == "short"
        assert bench.app.plugins.record("under-test").failures == 0


def test_replies_are_limited_unless_less_was_asked_for() -> None:
    with Workbench(Limits, config={"reply_tokens": 3}, replies=["a b c d e f"]) as bench:
        limited = bench.chat("go").trace
        assert limited.sampling["max_tokens"] == 3
        assert limited.finish_reason == "length"
        assert bench.chat("go", max_tokens=2).trace.sampling["max_tokens"] == 2


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("One. Two. Thr", "One. Two."),
        ("One. Two.", "One. Two."),
        ("no end at all", "no end at all"),
        ("He said “stop!” and th", "He said “stop!”"),
        ("Look:\n```python\nprint(1)", "Look:\n```python\nprint(1)\n```"),
        ("Done.\n```\nx\n```", "Done.\n```\nx\n```"),
        ("Version 3.11 is fine. And 4.2", "Version 3.11 is fine."),
    ],
)
def test_a_cut_reply_is_tidied(reply: str, expected: str) -> None:
    assert tidied(reply) == expected


def test_tidying_is_shown_in_place_of_a_reply_that_reached_its_limit() -> None:
    config = {"tidy": True, "reply_tokens": 4}
    with Workbench(Limits, config=config, replies=["All done. And the rest", "Hi. Bye"]) as bench:
        cut = bench.chat("go", seed=0)
        assert cut.trace.finish_reason == "length"
        assert cut.text == "All done."
        assert bench.chat("go", seed=1).text == "Hi. Bye"


def test_a_long_reply_may_be_continued_though_messages_are_limited() -> None:
    before = [message("user", "go"), message("assistant", "a long reply")]
    with Workbench(Limits, config={"message_characters": 5}) as bench:
        turn = Turn(model="fake-model", messages=before, continues="some-id")

        async def run() -> list[Event]:
            return [event async for event in bench.app.pipeline.run(turn)]

        assert not any(isinstance(event, ErrorEvent) for event in bench.app.portal.call(run))


def test_a_prefill_is_shown_even_if_the_model_adds_nothing() -> None:
    with Workbench(Prefill, config={"text": "Sure."}, replies=["Sure."]) as bench:
        assert bench.chat("Help me").text == "Sure."


def test_pasted_typography_is_made_plain_outside_code() -> None:
    with Workbench(Typography) as bench:
        assert bench.chat("“Smart” — it’s… `“kept”`").text == '"Smart" -- it\'s... `“kept”`'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("``a ` “b”`` “c”", '``a ` “b”`` "c"'),
        ("```\n“a”\n```\n“b”", '```\n“a”\n```\n"b"'),
        ("“a”\n```\n“open”", '"a"\n```\n“open”'),
        ("a ` alone “b”", 'a ` alone "b"'),
    ],
)
def test_only_what_is_code_is_left_as_it_is(text: str, expected: str) -> None:
    assert plain(text) == expected


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("English", "He said “it’s ‘fine’” (“yes”)."),
        ("German", "He said „it’s ‚fine‘“ („yes“)."),
        (
            "French",
            "He said «\u202fit’s ‹\u202ffine\u202f›\u202f» («\u202fyes\u202f»).",
        ),
    ],
)
def test_straight_quotes_become_typographic(style: str, expected: str) -> None:
    assert typeset(style, 'He said "it\'s \'fine\'" ("yes").') == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\"'I don't' is short\"", "„‚I don’t‘ is short“"),
        ("\"'Yes'\"", "„‚Yes‘“"),
        ("'", "‚"),
        ("'a'", "‚a‘"),
        ('a lone ` tick\n\n"b"', "a lone ` tick\n\n„b“"),
        ("'a'`'b'`", "‚a‘`'b'`"),
    ],
)
def test_marks_within_marks_are_told_from_apostrophes(text: str, expected: str) -> None:
    assert typeset("German", text) == expected


def typeset(style: str, text: str) -> str:
    """The text set whole; it comes out the same however it is cut."""
    whole = Typesetter(style)
    expected = whole.feed(text) + whole.finish()
    pieces = Typesetter(style)
    assert "".join(pieces.feed(character) for character in text) + pieces.finish() == expected
    return expected


def test_quotes_in_code_stay_straight_while_a_reply_streams() -> None:
    code = 'Use "x":\n```python\nprint("x")\n```\nand `"y"` then "z"'
    with Workbench(Typography, config={"fine_replies": "English"}, replies=[code]) as bench:
        expected = 'Use “x”:\n```python\nprint("x")\n```\nand `"y"` then “z”'
        assert bench.chat("go").text == expected


SECRETS = (
    "Write to anna.b@example.com or call +49 30 1234567 now. Card 4111 1111 1111 1111, not "
    "4111 1111 1111 1112. Key sk-abcdefghijklmnop1234 here. IBAN DE89 3704 0044 0532 0130 00 end. "
    "The Blue Moon, not bluemoon. In 2024 it was 12."
)
MASKED = (
    "Write to […] or call […] now. Card […], not 4111 1111 1111 1112. Key […] here. IBAN […] end. "
    "The […], not bluemoon. In 2024 it was 12."
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20, 1000])
def test_secrets_are_masked_however_the_text_is_cut(size: int) -> None:
    masker = Masker(Redact.Config(words="blue moon").chosen(), "[…]")
    pieces = [masker.feed(SECRETS[at : at + size]) for at in range(0, len(SECRETS), size)]
    assert "".join([*pieces, masker.finish()]) == MASKED


def test_text_without_secrets_is_held_back_for_a_word_at_most() -> None:
    masker = Masker(Redact.Config().chosen(), "[…]")
    given = ""
    text = "The quick brown fox jumps over the lazy dog, again and again. "
    for end in range(1, len(text) + 1):
        given += masker.feed(text[end - 1])
        assert end - len(given) <= 9
    assert given + masker.finish() == text


def test_masking_works_on_a_stream_and_says_what_it_did() -> None:
    with Workbench(Redact, config={"words": "blue moon"}, replies=[SECRETS]) as bench:
        reply = bench.chat("go")
    assert reply.text == MASKED
    (notice,) = [event for event in reply.events if isinstance(event, NoticeEvent)]
    assert "e-mail address: 1" in notice.text


def test_thoughts_are_masked_as_well() -> None:
    reply = "<think>ask a@example.com</think>Ask b@example.com, not him."
    with Workbench(Redact, replies=[reply]) as bench:
        events = bench.chat("go").events
    thoughts = "".join(event.text for event in events if isinstance(event, ReasoningEvent))
    assert thoughts == "ask […]"
    (notice,) = [event for event in events if isinstance(event, NoticeEvent)]
    assert notice.text == "Masked in this reply: e-mail address: 2."


def test_numbers_are_told_by_their_check_digits() -> None:
    assert luhn("4111 1111 1111 1111")
    assert not luhn("4111 1111 1111 1112")
    assert iban("DE89 3704 0044 0532 0130 00")
    assert not iban("DE89 3704 0044 0532 0130 01")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1234 4111 1111 1111 1111 5", "1234 […] 5"),
        ("AT61 1904 3002 3457 3201 THIS WORD", "[…] THIS WORD"),
        ("AB12 CDEF GHIJ KLMN OPQR", "AB12 CDEF GHIJ KLMN OPQR"),
        ("me@mail.example.co.uk.", "[…]."),
        ("x@y, +1 (555) 123-4567!", "x@y, […]!"),
        ("1+1 234 567", "1+1 234 567"),
        ("AKIAABCDEFGHIJKLMNOP xoxb-1234567890abcdefgh", "[…] […]"),
    ],
)
def test_what_only_looks_like_a_secret_stays(text: str, expected: str) -> None:
    masker = Masker(Redact.Config().chosen(), "[…]")
    assert masker.feed(text) + masker.finish() == expected


FRAGMENTS = (
    *("anna.b@example.com", "x@y", "a@b.co.uk", "+49 30 1234567", "+1 (555) 123-4567"),
    *("4111 1111 1111 1111", "5500-0000-0000-0004", "1234 5678", "12", "2024", "+", "@", "."),
    *("sk-abcdefghijklmnop1234", "hf_abcdefghijklmnopqrstuv", "DE89 3704 0044 0532 0130 00"),
    *("GB29NWBK60161331926819", "blue moon", "Blue", "moon", " ", ", ", "\n", "A", "DE", "sk-"),
)


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=10), st.integers(1, 12))
@settings(max_examples=300, deadline=None)
def test_what_is_masked_does_not_depend_on_how_the_text_is_cut(
    fragments: list[str], size: int
) -> None:
    text = "".join(fragments)
    kinds = Redact.Config(words="blue moon").chosen()
    whole, cut = Masker(kinds, "[…]"), Masker(kinds, "[…]")
    expected = whole.feed(text) + whole.finish()
    pieces = [cut.feed(text[at : at + size]) for at in range(0, len(text), size)]
    assert "".join([*pieces, cut.finish()]) == expected
    assert cut.counts == whole.counts


def test_several_plugins_work_on_one_turn_in_order() -> None:
    with Workbench(Prefill, config={"text": '"A" '}, replies=['"A" b@example.com']) as bench:
        bench.app.plugins.register("redact", Redact)
        bench.app.plugins.register("typography", Typography, config={"fine_replies": "English"})
        reply = bench.chat("go", before=[message("system", "x")])
        assert reply.text == "“A” […]"
        filters = [line.plugin for line in reply.trace.lines if line.hook == "filter_stream"]
        assert sorted(filters) == ["redact", "typography", "under-test"]

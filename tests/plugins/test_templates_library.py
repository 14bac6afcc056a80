"""The library of chat templates, where a conversation is not the usual one."""

from collections.abc import Sequence
from functools import partial

import anyio
import pytest

from jackfield import ChatTemplate, Message, message
from jackfield.loader import ModelInfo
from jackfield.manager import PluginManager
from jackfield.paths import Paths
from jackfield.settings_store import SettingsStore
from jackfield.templates.templates import Templates
from jackfield_plugins.templates import Templates as Library

NAMES = ["alpaca", "chatml", "gemma", "llama3", "mistral", "phi", "plain", "vicuna"]
SYSTEM, QUESTION = message("system", "Rules."), message("user", "What?")
ANSWER, FURTHER = message("assistant", "That."), message("user", "Why?")


@pytest.fixture
def templates(paths: Paths) -> Templates:
    manager = PluginManager(paths, SettingsStore(paths), entry_points=[])
    manager.discover()
    manager.register("templates", Library)
    return Templates(manager)


def rendered(
    templates: Templates, name: str, talk: Sequence[Message], *, open_: bool = False
) -> str:
    info = ModelInfo(context_length=1000, bos="<s>", eos="</s>")
    template = templates.choose(info, name)
    return anyio.run(partial(templates.render, template, talk, info, continue_reply=open_))


def test_the_library_has_the_common_formats(templates: Templates):
    assert [template.name for template in templates.names()] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_text_comes_once_and_in_order(templates: Templates, name: str):
    prompt = rendered(templates, name, [SYSTEM, QUESTION, ANSWER, FURTHER])
    places = [prompt.index(text) for text in ("Rules.", "What?", "That.", "Why?")]
    assert places == sorted(places)
    assert all(prompt.count(text) == 1 for text in ("Rules.", "What?", "That.", "Why?"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "talk",
    [[SYSTEM], [SYSTEM, ANSWER], [SYSTEM, ANSWER, FURTHER], [QUESTION, FURTHER], [ANSWER]],
    ids=["system alone", "system and reply", "reply first", "two questions", "reply alone"],
)
def test_no_text_is_lost_from_an_unusual_conversation(
    templates: Templates, name: str, talk: list[Message]
):
    prompt = rendered(templates, name, talk)
    assert all(prompt.count(one.text) == 1 for one in talk)


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_conversation_is_no_error(templates: Templates, name: str):
    assert "None" not in rendered(templates, name, [])


@pytest.mark.parametrize("name", NAMES)
def test_a_reply_to_go_on_with_stands_at_the_very_end(templates: Templates, name: str):
    prompt = rendered(templates, name, [QUESTION, ANSWER], open_=True)
    assert prompt.endswith("That.")


@pytest.mark.parametrize("name", NAMES)
def test_what_the_user_writes_is_never_read_as_a_template(templates: Templates, name: str):
    text = "{{ 7 * 7 }} {% for %} <|weird|> \\n 'quote' \"double\""
    assert text in rendered(templates, name, [message("user", text)])


@pytest.mark.parametrize("name", NAMES)
def test_a_stop_text_begins_what_would_follow_the_reply(templates: Templates, name: str):
    """Generation ends where the format goes on, should the model write the next turn itself."""
    template = templates.choose(ModelInfo(context_length=1), name)
    before = rendered(templates, name, [QUESTION, ANSWER], open_=True)
    whole = rendered(templates, name, [QUESTION, ANSWER, FURTHER])
    assert whole.startswith(before) or name in ("mistral", "alpaca", "plain", "vicuna")
    follows = whole.split("That.", 1)[1].removeprefix("</s>")
    assert any(follows.strip().startswith(stop.strip()) for stop in template.stop)


def test_each_template_says_in_its_title_which_models_it_is_for(templates: Templates):
    titles = [template.title for template in templates.names()]
    assert len(set(titles)) == len(NAMES)
    assert all(
        isinstance(template, ChatTemplate) and template.stop for template in templates.names()
    )

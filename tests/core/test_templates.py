"""Chat templates: rendered as their models expect, in a sandbox with limits."""

import gc
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import anyio
import psutil
import pytest

from jackfield import ChatTemplate
from jackfield.errors import TemplateError
from jackfield.loader import ModelInfo
from jackfield.manager import PluginManager
from jackfield.messages import Message, TextPart, message
from jackfield.paths import Paths
from jackfield.settings_store import SettingsStore
from jackfield.templates.renderer import Renderer
from jackfield.templates.sandbox import LONGEST
from jackfield.templates.templates import Templates
from jackfield_plugins.templates import Templates as Library

TALK = [
    message("system", "Be brief."),
    message("user", "Hi"),
    message("assistant", "Hello."),
    message("user", "Bye"),
]
FOR_EVER = (
    "{% set r = range(10000) | list %}"
    "{% for a in r %}{% for b in r %}{% for c in r %}{% endfor %}{% endfor %}{% endfor %}"
)
INFO = ModelInfo(context_length=1000, bos="<s>", eos="</s>")


@pytest.fixture
def templates(paths: Paths) -> Iterator[Templates]:
    plugins = PluginManager(paths, SettingsStore(paths), entry_points=[])
    plugins.register("templates", Library)
    yield Templates(plugins)
    plugins.unregister("templates")


def render(templates: Templates, source: str, talk: list[Message] = TALK, **options: bool) -> str:
    template = ChatTemplate(name="tried", title="", source=source)
    return anyio.run(lambda: templates.render(template, talk, INFO, **options))


EXPECTED = {
    "chatml": "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
    "<|im_start|>assistant\nHello.<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n"
    "<|im_start|>assistant\n",
    "llama3": "<s><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\nHello.<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "mistral": "<s>[INST] Be brief.\n\nHi [/INST] Hello.</s>[INST] Bye [/INST]",
    "alpaca": "Be brief.\n\n### Instruction:\nHi\n\n### Response:\nHello.\n\n"
    "### Instruction:\nBye\n\n### Response:\n",
    "vicuna": "<s>Be brief. USER: Hi ASSISTANT: Hello.</s>USER: Bye ASSISTANT:",
    "gemma": "<s><start_of_turn>user\nBe brief.\n\nHi<end_of_turn>\n<start_of_turn>model\nHello."
    "<end_of_turn>\n<start_of_turn>user\nBye<end_of_turn>\n<start_of_turn>model\n",
    "phi": "<|system|>\nBe brief.<|end|>\n<|user|>\nHi<|end|>\n<|assistant|>\nHello.<|end|>\n"
    "<|user|>\nBye<|end|>\n<|assistant|>\n",
    "plain": "Be brief.\n\nUser: Hi\nAssistant: Hello.\nUser: Bye\nAssistant:",
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_named_template_writes_its_format(name: str, templates: Templates) -> None:
    template = templates.choose(INFO, name)
    assert anyio.run(lambda: templates.render(template, TALK, INFO)) == EXPECTED[name]
    assert template.stop


def test_all_named_templates_are_tried_here(templates: Templates) -> None:
    assert [template.name for template in templates.names()] == sorted(EXPECTED)


def test_the_model_s_own_template_is_taken_unless_another_is_named(templates: Templates) -> None:
    info = ModelInfo(context_length=10, chat_template="own")
    assert templates.choose(info, "").source == "own"
    assert templates.choose(info, "model").source == "own"
    assert templates.choose(info, "phi").name == "phi"


def test_a_model_without_template_needs_a_choice_and_the_error_names_the_choices(
    templates: Templates,
) -> None:
    with pytest.raises(TemplateError) as caught:
        templates.choose(INFO, "")
    assert "alpaca, chatml" in caught.value.hint
    with pytest.raises(TemplateError, match="'chatlm'"):
        templates.choose(INFO, "chatlm")


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("chatml", "<|im_start|>assistant\nHello the "),
        ("llama3", "assistant<|end_header_id|>\n\nHello the "),
        ("mistral", "[/INST] Hello the "),
        ("vicuna", "Hi ASSISTANT: Hello the "),
        ("plain", "\nAssistant: Hello the "),
    ],
)
def test_a_reply_is_continued_from_where_it_stands(
    name: str, end: str, templates: Templates
) -> None:
    talk = [message("user", "Hi"), message("assistant", "Hello the ")]
    template = templates.choose(INFO, name)
    prompt = anyio.run(partial(templates.render, template, talk, INFO, continue_reply=True))
    assert prompt.endswith(end)
    assert prompt.count("Hello the") == 1


def test_a_reply_that_the_template_does_not_write_out_is_continued_all_the_same(
    templates: Templates,
) -> None:
    source = (
        "{% for m in messages %}{% if m.role == 'user' %}[{{ m.content }}]{% else %}"
        "{{ raise_exception('users only') }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}>{% endif %}"
    )
    talk = [message("user", "Hi"), message("assistant", "Hello the")]
    assert render(templates, source, talk, continue_reply=True) == "[Hi]>Hello the"


def test_thoughts_are_given_to_the_templates_that_want_them(templates: Templates) -> None:
    source = "{% for m in messages %}{{ m.reasoning_content or '-' }}{% endfor %}"
    reply = Message("assistant", (TextPart("Hello"),), reasoning="hm")
    assert render(templates, source, [message("user", "Hi"), reply]) == "-hm"


def test_the_beginning_token_is_not_written_twice(templates: Templates) -> None:
    adds = ModelInfo(context_length=10, bos="<s>", adds_bos=True)
    template = templates.choose(adds, "llama3")
    prompt = anyio.run(lambda: templates.render(template, TALK, adds))
    assert prompt.startswith("<|start_header_id|>")


def test_a_system_message_goes_into_the_first_one_where_the_template_refuses_it(
    templates: Templates,
) -> None:
    source = (
        "{% for m in messages %}{% if m['role'] == 'system' %}"
        "{{ raise_exception('System role not supported') }}{% endif %}"
        "{{ m['role'] }}:{{ m['content'] }}|{% endfor %}"
    )
    prompt = render(templates, source)
    assert prompt == "user:Be brief.\n\nHi|assistant:Hello.|user:Bye|"


def test_what_transformers_gives_its_templates_is_there(templates: Templates) -> None:
    source = (
        "{% for m in messages %}{% if loop.index > 1 %}{% break %}{% endif %}"
        "{{ m | tojson }}{{ {'b': '<é>', 'a': 1} | tojson(sort_keys=true) }}"
        "{% generation %}({{ m.role }}){% endgeneration %}{% endfor %}"
        "{{ strftime_now('%Y')[:2] }}{% if tools is none and documents is none %}!{% endif %}"
    )
    assert render(templates, source) == (
        '{"role": "system", "content": "Be brief."}{"a": 1, "b": "<é>"}(system)20!'
    )


def test_lines_that_hold_only_a_block_leave_nothing_behind(templates: Templates) -> None:
    source = "{% for m in messages[:1] %}\n    {% if true %}\nx\n    {% endif %}\n{% endfor %}"
    assert render(templates, source) == "x\n"


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.append(1) }}",
        "{% for a in range(99999999999) %}{% endfor %}",
        "{{ 'a' * 10000000000 }}",
        "{{ [1] * 10000000000 }}",
        "{{ 9 ** 999999999 }}",
        "{% set n = namespace(x='ab') %}{% for i in range(64) %}{% set n.x = n.x ~ n.x %}"
        "{% endfor %}",
        "{% set n = namespace(x=[1]) %}{% for i in range(64) %}{% set n.x = [n.x, n.x] %}"
        "{% endfor %}{{ n.x }}",
        "{{ 'a' | center(10000000000) }}",
        "{{ lipsum(n=100000000) }}",
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ undefined.attribute }}",
        "{% for %}",
        "{{ 1 / 0 }}",
        "{{ raise_exception('no') }}",
    ],
)
def test_a_harmful_or_broken_template_is_an_error_that_says_what_to_do(
    source: str, templates: Templates
) -> None:
    with pytest.raises(TemplateError) as caught:
        render(templates, source)
    assert "Choose another template" in caught.value.hint


def test_a_template_that_goes_on_for_ever_is_stopped(templates: Templates) -> None:
    assert render(templates, "fine") == "fine"
    started = time.monotonic()
    with pytest.raises(TemplateError, match="longer than 2 seconds"):
        render(templates, FOR_EVER)
    assert time.monotonic() - started < 20
    assert render(templates, "fine") == "fine"


def test_a_slow_template_does_not_hold_up_another(templates: Templates) -> None:
    ends: dict[str, float] = {}

    async def one(source: str) -> None:
        template = ChatTemplate(name="tried", title="", source=source)
        with suppress(TemplateError):
            await templates.render(template, TALK, INFO)
        ends[source] = time.monotonic()

    async def both() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(one, FOR_EVER)
            await anyio.sleep(0.1)
            group.start_soon(one, "quick")

    anyio.run(both)
    assert ends["quick"] < ends[FOR_EVER]


def test_a_template_that_writes_without_end_is_stopped(templates: Templates) -> None:
    source = "{% for a in range(100000) %}{{ 'abcdefghij' * 10 }}{% endfor %}"
    with pytest.raises(TemplateError, match=str(LONGEST)):
        render(templates, source)


def test_a_prompt_of_megabytes_and_of_any_characters_comes_back_whole(
    templates: Templates,
) -> None:
    text = "né\u2028\n\0\ud800👋" * 200_000
    assert render(templates, "{{ messages[0].content }}", [message("user", text)]) == text


def test_rendering_goes_on_after_its_process_was_killed_from_outside(
    templates: Templates,
) -> None:
    assert render(templates, "one") == "one"
    for child in renderers(os.getpid()):
        child.kill()
        child.wait(10)
    assert render(templates, "two") == "two"


def test_no_process_is_left_when_the_server_is_killed_in_the_middle() -> None:
    program = (
        "import sys, threading\n"
        "from jackfield.templates.renderer import Renderer\n"
        "renderer = Renderer()\n"
        "renderer.render('x', 'fine', {})\n"
        "threading.Thread(target=renderer.render, args=('x', sys.argv[1], {})).start()\n"
        "print('rendering', flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, FOR_EVER], stdout=-1) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"rendering\n"
        left = renderers(server.pid)
        server.kill()
    assert left
    _, alive = psutil.wait_procs(left, timeout=30)
    assert alive == []


def test_the_process_ends_with_the_object_that_uses_it() -> None:
    renderer = Renderer()
    before = {child.pid for child in renderers(os.getpid())}
    renderer.render("x", "fine", {})
    (mine,) = [child for child in renderers(os.getpid()) if child.pid not in before]
    del renderer
    gc.collect()
    assert not mine.is_running()


def renderers(parent: int) -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process(parent).children()
        if child.status() != psutil.STATUS_ZOMBIE and "sandbox.py" in " ".join(child.cmdline())
    ]

"""Chat templates: choosing one, and rendering it in a sandbox with limits."""

from __future__ import annotations

import ctypes
import json
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn

import anyio.to_thread
import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from jackfield.errors import TemplateError
from jackfield.loader import ModelInfo
from jackfield.messages import Message
from jackfield.templates.template import ChatTemplate

if TYPE_CHECKING:
    from jackfield.manager import PluginManager

OWN = "model"
"""Name of the template that a model brings itself."""
SECONDS = 2.0
LONGEST = 4_000_000
"""Characters a prompt may have."""


class Templates:
    """Named templates of plugins, and models' own."""

    def __init__(self, plugins: PluginManager) -> None:
        self._plugins = plugins

    def names(self) -> list[ChatTemplate]:
        """Named templates, by name."""
        return sorted(self._plugins.chat_templates().values(), key=lambda one: one.name)

    def choose(self, info: ModelInfo, wanted: str) -> ChatTemplate:
        """The template of a turn.

        Args:
            wanted: a name; "" or ``model`` for the model's own.

        Raises:
            TemplateError: no such template, or the model has none and nobody chose one.
        """
        named = self._plugins.chat_templates()
        there = ", ".join(sorted(named)) or "none"
        if wanted and wanted != OWN:
            if wanted in named:
                return named[wanted]
            raise TemplateError(
                f"There is no chat template {wanted!r}.",
                hint=f"There is: {there}.",
                param="template",
            )
        if info.chat_template:
            return ChatTemplate(name=OWN, title="The model's own", source=info.chat_template)
        raise TemplateError(
            "This model brings no chat template, so it is not known how to write a conversation "
            "for it.",
            hint=f"Choose one for it on the Models page or in the request ('template'): {there}. "
            "A model without instruction training takes 'plain'.",
            param="template",
        )

    async def render(
        self,
        template: ChatTemplate,
        messages: Sequence[Message],
        info: ModelInfo,
        *,
        continue_reply: bool = False,
    ) -> str:
        """The prompt for a conversation.

        Args:
            continue_reply: leave the last message open for the model to go on with.

        Raises:
            TemplateError: the template is broken, refuses the messages, or overruns its limits.
        """
        turns = [{"role": one.role, "content": one.text} for one in messages]
        values = {"bos_token": info.bos, "eos_token": info.eos, "tools": None, "documents": None}
        open_text = turns.pop()["content"] if continue_reply and turns else ""

        def rendered() -> str:
            given = {**values, "add_generation_prompt": True}
            return _limited(lambda: _render_merging(template, turns, given))

        prompt = await anyio.to_thread.run_sync(rendered)
        if info.adds_bos and info.bos:
            prompt = prompt.removeprefix(info.bos)
        return prompt + open_text


def _render_merging(
    template: ChatTemplate, turns: list[dict[str, str]], values: dict[str, Any]
) -> str:
    """Render; where a template refuses a system message, put it into the user's first one."""
    try:
        return _render(template, {**values, "messages": turns})
    except TemplateError:
        system, *rest = turns or [{"role": ""}]
        if system["role"] != "system" or not rest or rest[0]["role"] != "user":
            raise
        first = {**rest[0], "content": f"{system['content']}\n\n{rest[0]['content']}"}
        return _render(template, {**values, "messages": [first, *rest[1:]]})


def _render(template: ChatTemplate, values: dict[str, Any]) -> str:
    """Render, refusing a prompt that grows past all measure."""
    pieces, length = [], 0
    try:
        compiled = _compiled(template.source)
        for piece in compiled.generate(strftime_now=_strftime_now, **values):
            length += len(piece)
            if length > LONGEST:
                raise TemplateError(
                    f"The chat template {template.name!r} made a prompt of more than {LONGEST} "
                    "characters.",
                    hint=CHOOSE,
                )
            pieces.append(piece)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(
            f"The chat template {template.name!r} has a mistake in line {error.lineno}: "
            f"{error.message}.",
            hint=CHOOSE,
        ) from error
    except jinja2.TemplateError as error:
        raise TemplateError(
            f"The chat template {template.name!r} refuses this conversation: {error}", hint=CHOOSE
        ) from error
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError, MemoryError) as error:
        raise TemplateError(
            f"The chat template {template.name!r} fails on this conversation: {error}.", hint=CHOOSE
        ) from error
    return "".join(pieces)


CHOOSE = "Choose another template for this model on the Models page, or in the chat."


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja without access to Python's inside, and without texts of gigabytes."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(
        self, context: jinja2.runtime.Context, operator: str, left: Any, right: Any
    ) -> Any:
        if operator == "%" and isinstance(left, str):
            raise jinja2.TemplateRuntimeError("the operator % on texts is not allowed")
        if operator == "**" and isinstance(right, int | float) and abs(right) > 64:
            raise jinja2.TemplateRuntimeError("a power of more than 64 is not allowed")
        if operator == "*":
            lengths = [len(side) for side in (left, right) if isinstance(side, str | list | tuple)]
            factors = [side for side in (left, right) if isinstance(side, int)]
            if lengths and factors and lengths[0] * factors[0] > LONGEST:
                raise jinja2.TemplateRuntimeError("a text of more than 4 million characters")
        return super().call_binop(context, operator, left, right)


@lru_cache(maxsize=32)
def _compiled(source: str) -> jinja2.Template:
    """A template as Transformers' chat templates expect their environment."""
    environment = _Sandbox(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise
    return environment.from_string(source)


def _raise(message: str) -> NoReturn:
    raise jinja2.TemplateRuntimeError(message)


def _to_json(value: Any, indent: int | None = None) -> str:
    """JSON without HTML escapes, unlike Jinja's own filter."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _strftime_now(form: str) -> str:
    return datetime.now().strftime(form)


class _Overdue(BaseException):
    """Raised inside a rendering thread whose time is over; no template can catch it."""


def _limited(function: Callable[[], str]) -> str:
    """Run a function, and break it off when it takes too long.

    Python code in another thread can only be stopped by raising an exception in it, which
    ``PyThreadState_SetAsyncExc`` does between two bytecodes.
    """
    thread = threading.get_ident()
    lock = threading.Lock()
    ended = False

    def stop() -> None:
        with lock:
            if not ended:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(thread), ctypes.py_object(_Overdue)
                )

    timer = threading.Timer(SECONDS, stop)
    timer.daemon = True
    timer.start()
    try:
        result = function()
        with lock:
            ended = True
        return result
    except _Overdue as error:
        raise TemplateError(
            f"The chat template took longer than {SECONDS:g} seconds and was stopped.", hint=CHOOSE
        ) from error
    finally:
        ended = True
        timer.cancel()

"""Chat templates: choosing one, and making a prompt of a conversation with it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.to_thread

from jackfield.errors import TemplateError
from jackfield.loader import ModelInfo
from jackfield.messages import Message
from jackfield.templates.renderer import Renderer
from jackfield.templates.template import ChatTemplate
from jackfield.templates.turns import Turn, as_given

if TYPE_CHECKING:
    from jackfield.manager import PluginManager

OWN = "model"
"""Name of the template that a model brings itself."""
OPEN_END = "\ue0c5\ue0d1"
"""Stands at the end of a reply that is continued while its prompt is made; never in a text."""


class Templates:
    """Named templates of plugins, and models' own."""

    def __init__(self, plugins: PluginManager) -> None:
        self._plugins = plugins
        self._renderer = Renderer()

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

    def warm(self) -> None:
        """Prepare to render, which takes a moment the first time; returns at once."""
        self._renderer.warm()

    async def render(
        self,
        template: ChatTemplate,
        messages: Sequence[Message],
        info: ModelInfo,
        *,
        continue_reply: bool = False,
        tools: list[dict[str, Any]] | None = None,
    ) -> str:
        """The prompt for a conversation.

        A template that refuses a system message (Gemma's) gets it at the beginning of the user's
        first one: the agent description is the user's will, and must not depend on the model.

        Args:
            continue_reply: leave the last message open for the model to go on with.
            tools: what the model may call, as OpenAI's API has them.

        Raises:
            TemplateError: the template is broken, refuses the messages, or overruns its limits.
        """
        values = {"bos_token": info.bos, "eos_token": info.eos, "tools": tools, "documents": None}
        make = partial(self._continued if continue_reply else self._rendered, template)
        turns = as_given(messages, tools="tools" in template.source)
        prompt = await anyio.to_thread.run_sync(make, turns, values, abandon_on_cancel=True)
        if info.adds_bos and info.bos:  # the tokenizer writes it
            prompt = prompt.removeprefix(info.bos)
        return prompt

    def _rendered(
        self, template: ChatTemplate, turns: Sequence[Turn], values: dict[str, Any]
    ) -> str:
        """Render; where a template refuses a system message, put it into the user's first one."""
        values = {"add_generation_prompt": True, **values}
        try:
            return self._renderer.render(
                template.name, template.source, {**values, "messages": turns}
            )
        except TemplateError as error:
            merged = _merged(turns)
            if merged is None or error.details.get("reason") not in ("refused", "failed"):
                raise
            return self._renderer.render(
                template.name, template.source, {**values, "messages": merged}
            )

    def _continued(
        self, template: ChatTemplate, turns: Sequence[Turn], values: dict[str, Any]
    ) -> str:
        """Render with the last message open: as the template writes it, up to where it ends.

        Where the template does not write it out as it is, the text goes after the opening of a
        reply.
        """
        *before, last = turns
        marked = [*before, {**last, "content": last["content"] + OPEN_END}]
        try:
            whole = self._rendered(template, marked, {**values, "add_generation_prompt": False})
        except TemplateError:
            whole = ""
        prompt, found, _ = whole.partition(OPEN_END)
        if found and str(last["content"]).strip() in prompt:
            return prompt
        return self._rendered(template, before, values) + str(last["content"])


def _merged(turns: Sequence[Turn]) -> list[Turn] | None:
    """The messages with a first system message put into the user's first one, if that can be."""
    if len(turns) < 2 or turns[0]["role"] != "system" or turns[1]["role"] != "user":
        return None
    system, first, *rest = turns
    return [{**first, "content": f"{system['content']}\n\n{first['content']}"}, *rest]

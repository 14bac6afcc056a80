"""A named chat template."""

from __future__ import annotations

import msgspec


class ChatTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """How messages become a prompt.

    Attributes:
        name: what it is chosen by, lower-case, e.g. ``chatml``.
        title: what the user reads, e.g. ``ChatML (Qwen, SmolLM2)``.
        source: Jinja, given ``messages`` (role and content), ``bos_token``, ``eos_token``,
            ``add_generation_prompt`` and ``tools``, as in Transformers' chat templates.
        stop: texts that end a reply in this format.
    """

    name: str
    title: str
    source: str
    stop: tuple[str, ...] = ()

"""Keeps messages and replies within bounds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from jackfield import Field, Plugin, SamplingParams, TurnRefused, hookimpl

if TYPE_CHECKING:
    from jackfield.pipeline import Turn

SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’»)]*(?=\s|$)")
FENCE = re.compile(r"^```", re.MULTILINE)


class Limits(Plugin):
    """Limits the length of messages and replies, and tidies replies that were cut off."""

    enabled_by_default = False

    class Config(Plugin.Config):
        """Options of the limits."""

        message_characters: int = Field(
            0, ge=0, le=1_000_000, description="Refuse messages longer than this; 0: any length"
        )
        reply_tokens: int = Field(
            512, ge=0, le=100_000, description="Longest reply in tokens; 0: any length"
        )
        tidy: bool = Field(
            False,
            description="Cut a reply that reaches its limit back to its last whole sentence, and "
            "close an open code block (a streamed API reply then comes at once, when it is whole)",
        )

    @hookimpl
    def jackfield_before_turn(self, turn: Turn) -> None:
        """Decline a message that is too long."""
        limit = self.config.message_characters
        said = [one.text for one in turn.messages if one.role == "user"] or [turn.prompt]
        length = len(said[-1])
        if limit and length > limit:
            raise TurnRefused(
                f"The message has {length} characters and the limit is {limit}.",
                hint="Shorten it, or raise the limit in the settings of the plugin 'limits'.",
            )

    @hookimpl(trylast=True)
    def jackfield_modify_sampling(self, params: SamplingParams) -> SamplingParams | None:
        """Lower max_tokens to the limit."""
        limit = self.config.reply_tokens
        if not limit or (params.max_tokens or limit + 1) <= limit:
            return None
        return params.model_copy(update={"max_tokens": limit})

    @hookimpl
    def jackfield_transform_reply(self, reply: str, turn: Turn) -> str | None:
        """Tidy what was cut off by its longest length."""
        return tidied(reply) if self.config.tidy and turn.finish == "length" else None


def tidied(reply: str) -> str:
    """A reply without its unfinished last sentence, and with its code block closed."""
    if len(FENCE.findall(reply)) % 2:
        return reply.rstrip() + "\n```"
    ends = [match.end() for match in SENTENCE_END.finditer(reply)]
    after_code = reply.rstrip().endswith("```")
    if after_code or not ends or ends[-1] == len(reply.rstrip()):
        return reply
    return reply[: ends[-1]]

"""What an MCP server answers, as text for a model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mcp import types


def as_text(result: types.CallToolResult, longest: int) -> str:
    """The parts of a result, one after the other; what is too long is cut with a note.

    Args:
        longest: characters.
    """
    parts = [_part(one) for one in result.content]
    if not parts and result.structured_content is not None:
        parts = [json.dumps(result.structured_content, ensure_ascii=False)]
    text = "\n".join(parts)
    if len(text) > longest:
        return f"{text[:longest]}\n[cut: the first {longest:,} of {len(text):,} characters]"
    return text


def _part(part: types.ContentBlock) -> str:
    """One part: its text, or a note on what a model cannot read here."""
    if part.type == "text":
        return part.text
    if part.type == "resource":
        resource = part.resource
        text = getattr(resource, "text", None)
        if isinstance(text, str):
            return text
        return f"[a file that is no text: {resource.uri}]"
    if part.type == "resource_link":
        return f"[a link: {part.title or part.name} {part.uri}]"
    kind = "an image" if part.type == "image" else "a recording"
    return f"[{kind} ({part.mime_type}, {len(part.data) * 3 // 4:,} bytes) is not shown]"

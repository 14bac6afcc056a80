"""``/api/translate``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from jackfield import InvalidRequest, Routes, Translator
from jackfield_plugins.translation.engines import Engines
from jackfield_plugins.translation.service import pair_list, translation


class TranslateRequest(BaseModel):
    """A text, or several, to translate."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"text": "Good morning", "target": "fr"}]},
    )

    text: str | None = Field(None, description="A text of any length")
    texts: list[str] | None = Field(None, description="Several texts, in place of one")
    source: str = Field("", description="Its language, such as en; empty: it is found out")
    target: str = Field(description="The language wanted, such as fr")
    format: Literal["text", "markdown"] = Field(
        "text", description="With markdown, code blocks and marks stay as they are"
    )


def routes(engines: Engines, supplied: Callable[[], Mapping[str, Translator]]) -> Routes:
    """The routes of the plugin."""
    router = APIRouter(tags=["Translation"])

    @router.post("/api/translate")
    def translate(sent: TranslateRequest) -> dict[str, Any]:
        """Translate a text, or several; ``engine`` tells who did it."""
        if (sent.text is None) == (sent.texts is None):
            raise InvalidRequest("Give either 'text' or 'texts'.", param="text")
        texts = [sent.text] if sent.text is not None else sent.texts or []
        made = translation(
            engines, texts, sent.source, sent.target, markdown=sent.format == "markdown"
        )
        said = {"text": made.texts[0]} if sent.text is not None else {"texts": made.texts}
        return {**said, "source": made.source, "target": made.target, "engine": made.engine}

    @router.get("/api/translate/pairs")
    def pairs() -> dict[str, Any]:
        """Direct pairs of languages, and what is missing of engines that have none."""
        return pair_list(engines, supplied())

    return Routes(router=router, paths=("/api/translate",))

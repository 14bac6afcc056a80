"""What the API and the command line do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from jackfield import InvalidRequest, Translator
from jackfield_plugins.translation.conversation import words
from jackfield_plugins.translation.detection import detect
from jackfield_plugins.translation.engines import Engines
from jackfield_plugins.translation.languages import short


class Made(msgspec.Struct, frozen=True):
    """Translated texts, and who translated them; "" if nothing had to be."""

    texts: list[str]
    source: str
    target: str
    engine: str


def translation(
    engines: Engines, texts: Sequence[str], source: str, target: str, *, markdown: bool
) -> Made:
    """Translate texts, which are all in one language.

    Args:
        source: a code, "" to find it out.

    Raises:
        InvalidRequest: a code is none, the language cannot be told, or nobody has the pair.
        JackfieldError: an engine failed, or something is not installed.
    """
    into = _code(target, "target")
    out_of = _code(source, "source") if source else ""
    if not any(text.strip() for text in texts):
        return Made(list(texts), out_of, into, "")
    if not out_of:
        out_of = detect("\n".join(texts)[:4000], engines.languages())
    if not out_of:
        raise InvalidRequest(
            "The language of the text cannot be told.",
            hint="Say it: 'source' over the API, --from on the command line.",
            param="source",
        )
    if out_of == into:
        return Made(list(texts), out_of, into, "")
    made = [engines.translate(text, out_of, into, markdown=markdown) for text in texts]
    return Made(made, out_of, into, words(engines, out_of, into))


def pair_list(engines: Engines, supplied: Mapping[str, Translator]) -> dict[str, Any]:
    """Direct pairs with their engine, and what is missing of engines that are not ready."""
    return {
        "pairs": [msgspec.structs.asdict(step) for step in engines.pairs()],
        "missing": [
            {"engine": one.name, "install": one.missing()}
            for one in supplied.values()
            if one.missing()
        ],
    }


def _code(said: str, param: str) -> str:
    code = short(said.strip())
    if not code:
        raise InvalidRequest(
            f"{said!r} is not the code of a language that is known here.",
            hint="Codes have two letters, such as fr, or three, such as fra.",
            param=param,
        )
    return code

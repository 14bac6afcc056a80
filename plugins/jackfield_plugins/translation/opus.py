"""Folders with opus-mt models: between which languages they translate."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from jackfield_plugins.translation.languages import short

TOKENIZERS = ("source.spm", "target.spm")
MODEL = "model.bin"
NAMED = re.compile(r"opus-mt-(?:tc-(?:big|base)-)?(?P<source>[A-Za-z]{2,3})-(?P<target>[A-Za-z_]+)")
"""How these models are named, e.g. ``opus-mt-fr-en`` or ``opus-mt-tc-big-en-fr``."""
SEVERAL = re.compile(r">>(?P<code>[a-z]{2,3})(?:_[A-Za-z]+)?<<")
"""The token that tells a model of several languages which one to write."""


class OpusModel(msgspec.Struct, frozen=True):
    """A model folder, and one pair of languages that it translates.

    Attributes:
        converted: the folder is in CTranslate2's format already.
        prefix: a token that the sentence has to begin with, or "".
    """

    folder: Path
    source: str
    target: str
    converted: bool = False
    prefix: str = ""


def models_in(folder: Path) -> Iterator[OpusModel]:
    """The pairs of a model folder; none if it is not one, or does not say which languages."""
    if not all((folder / file).is_file() for file in TOKENIZERS):
        return
    converted = (folder / MODEL).is_file()
    source, target = _languages(folder)
    vocabulary = folder / ("shared_vocabulary.json" if converted else "vocab.json")
    if source and target:
        yield OpusModel(folder, source, target, converted)
    elif source and vocabulary.is_file():
        for code, prefix in sorted(_prefixes(vocabulary).items()):
            if code != source:
                yield OpusModel(folder, source, code, converted, prefix)


def models_below(root: Path) -> Iterator[OpusModel]:
    """The pairs of a folder and of all folders below it."""
    seen: set[str] = set()
    for folder, inner, names in os.walk(root.expanduser(), followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            inner.clear()  # a loop of links
            continue
        seen.add(real)
        inner[:] = sorted(one for one in inner if not one.startswith("."))
        if set(TOKENIZERS) <= set(names):
            inner.clear()
            yield from models_in(Path(folder))


def repository(source: str, target: str) -> str:
    """The model of a pair on the Hugging Face Hub, as these models are named there."""
    return f"Helsinki-NLP/opus-mt-{source}-{target}"


def _languages(folder: Path) -> tuple[str, str]:
    """Source and target, "" for what is not one language."""
    said = _json(folder / "tokenizer_config.json")
    source, target = (str(said.get(key) or "") for key in ("source_lang", "target_lang"))
    if not source or not target:
        named = NAMED.search(folder.resolve().as_posix())
        source, target = (named["source"], named["target"]) if named else ("", "")
    return short(source), short(target)


def _prefixes(vocabulary: Path) -> dict[str, str]:
    """Target languages of a model of several, with the token of each."""
    found: dict[str, str] = {}
    for token in sorted(map(str, _json(vocabulary)), key=len):  # >>fr<< before >>fr_BE<<
        match = SEVERAL.fullmatch(token)
        code = short(match["code"]) if match else ""
        if code:
            found.setdefault(code, token)
    return found


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}

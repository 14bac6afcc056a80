"""What a plugin does and touches, in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from jackfield.dashboard.words import listed, plain
from jackfield.plugin import Reach

PREFIX = "jackfield_"
HOOKS: Mapping[str, str] = {
    "loaders": "opens models",
    "model_sources": "offers models to download",
    "chat_templates": "brings chat templates",
    "sampling_presets": "brings sampling presets",
    "characters": "brings characters",
    "tools": "brings tools that models can call",
    "tool_call_parsers": "reads models' calls of tools",
    "document_readers": "reads documents",
    "speech_synthesizers": "speaks",
    "speech_recognizers": "understands speech",
    "translators": "translates",
    "pages": "adds a page",
    "commands": "adds commands",
    "routes": "adds HTTP routes",
    "composer": "adds something beside the input of a chat",
    "chat_actions": "adds something to do with a message",
    "chat_look": "changes how the one who answers is shown",
    "before_turn": "looks at each request first",
    "transform_messages": "changes the conversation that the model reads",
    "transform_input": "changes what you write",
    "add_context": "adds passages for the model to read",
    "modify_sampling": "changes the sampling parameters",
    "transform_prompt": "changes the prompt",
    "logits_processors": "changes which tokens the model chooses",
    "filter_stream": "changes the reply as it is written",
    "transform_reply": "changes the finished reply",
    "after_turn": "takes note of finished replies",
}
"""What a plugin with a hook does. Hooks that only tell it of changes are not listed."""
TURN = tuple(HOOKS)[tuple(HOOKS).index("before_turn") :]
"""Hooks that run one plugin after the other, in the user's order."""


def does(hooks: Iterable[str]) -> str:
    """What a plugin does, a sentence; "" if nothing that a user would notice."""
    known = [HOOKS[name] for name in (one.removeprefix(PREFIX) for one in hooks) if name in HOOKS]
    return listed(known).capitalize() if known else ""


def is_ordered(hooks: Iterable[str]) -> bool:
    """Whether it matters before and after which others a plugin runs."""
    return any(one.removeprefix(PREFIX) in TURN for one in hooks)


def touches(reach: Reach) -> str:
    """What a plugin touches outside Jackfield, a sentence or two."""
    hosts = listed(plain(host) for host in reach.hosts)
    match reach.network:
        case "download":
            network = f"Uses the network only to fetch something when you ask for it ({hosts})"
        case "runtime":
            network = f"Uses the network while it runs ({hosts})"
        case _:
            network = "Does not use the network"
    network = network.removesuffix(" ()")
    if reach.files:
        return f"{network}. Reads or writes {listed(f'`{one}`' for one in reach.files)}."
    return f"{network}, nor files outside its own folder." if "not" in network else f"{network}."


def offered(what: str) -> str:
    """A conflict's subject: ``loader:gguf`` as words."""
    kind, _, name = what.partition(":")
    kinds = {
        "loader": "the loader",
        "source": "the source of models",
        "template": "the chat template",
        "preset": "the sampling preset",
        "page": "the page",
        "character": "the character",
        "tool": "the tool",
        "parser": "the way of calling tools",
        "reader": "the reader of documents",
        "synthesizer": "the voice engine",
        "recognizer": "the engine for speech recognition",
        "translator": "the translation engine",
        "plugin": "the name",
    }
    return f"{kinds.get(kind, kind)} **{plain(name)}**"

"""Character cards as somebody else's editor writes them, after the public specifications.

This shares no code with the plugin: it writes PNG chunks with zlib and struct alone.
"""

import base64
import json
import struct
import zlib
from typing import Any

LONG = "Sie lebte am Ende der Welt. 她住在世界的尽头。 👩🏽‍🚀 " * 2000

LOREBOOK: dict[str, Any] = {
    "name": "Станция",
    "description": "",
    "scan_depth": 3,
    "token_budget": 300,
    "recursive_scanning": True,
    "extensions": {"risu_fullWordMatching": False},
    "entries": [
        {
            "keys": ["reactor", "реактор"],
            "content": "The reactor hums in B flat. 🎵",
            "extensions": {"position": 0, "exclude_recursion": False, "probability": 100},
            "enabled": True,
            "insertion_order": 10,
            "case_sensitive": False,
            "name": "Reactor",
            "priority": 5,
            "id": 0,
            "comment": "nobody reads this",
            "selective": True,
            "secondary_keys": ["sound", "noise"],
            "constant": False,
            "position": "after_char",
            "x_unknown": [1, 2.5, None, {"deep": True}],
        },
        {
            "keys": [],
            "content": "It is always night outside.",
            "extensions": {},
            "enabled": True,
            "insertion_order": 1,
            "constant": True,
            "position": "before_char",
        },
    ],
}

V2: dict[str, Any] = {
    "spec": "chara_card_v2",
    "spec_version": "2.0",
    "data": {
        "name": "Юля 🚀 (星子)",
        "description": LONG,
        "personality": "curious; {{char}} calls {{user}} “Commander”\r\n\ttabbed",
        "scenario": "<BOT> and <user> are on a station.",
        "first_mes": "Hello {{User}}, I am {{CHAR}}.",
        "mes_example": "<START>\n{{user}}: hi\n{{char}}: hello",
        "creator_notes": "Made by hand. <b>not html</b>",
        "system_prompt": "{{original}} Speak briefly.",
        "post_history_instructions": "Stay aboard.",
        "alternate_greetings": ["Again you, {{user}}?", "…"],
        "character_book": LOREBOOK,
        "tags": ["sci-fi", "Тест"],
        "creator": "somebody else",
        "character_version": "1.2.3",
        "extensions": {
            "talkativeness": "0.5",
            "fav": False,
            "depth_prompt": {"prompt": "", "depth": 4, "role": "system"},
            "agnai": {"voice": {"service": "elevenlabs", "pitch": 0.25}},
            "huge": 9007199254740993,
        },
        "x_future": {"kept": ["yes"]},
    },
    # Some editors repeat the first version's fields beside ``data``.
    "name": "Юля 🚀 (星子)",
    "first_mes": "Hello {{User}}, I am {{CHAR}}.",
    "create_date": "2026-01-02@03h04m",
}

V3: dict[str, Any] = {
    "spec": "chara_card_v3",
    "spec_version": "3.0",
    "data": {
        **V2["data"],
        "nickname": "Юля",
        "creator_notes_multilingual": {"fr": "Fait à la main."},
        "source": ["https://example.org/yulia"],
        "group_only_greetings": ["All aboard!"],
        "creation_date": 1700000000,
        "modification_date": 1700000001,
        "assets": [{"type": "icon", "uri": "ccdefault:", "name": "main", "ext": "png"}],
        "character_book": {
            **LOREBOOK,
            "entries": [
                {**entry, "use_regex": False, "content": "@@depth 2\n" + entry["content"]}
                for entry in LOREBOOK["entries"]
            ],
        },
    },
}


def chunk(kind: bytes, body: bytes) -> bytes:
    whole = kind + body
    return struct.pack(">I", len(body)) + whole + struct.pack(">I", zlib.crc32(whole))


def png(*texts: tuple[str, bytes], width: int = 24, height: int = 36) -> bytes:
    """A picture of a colour gradient with text chunks, as an editor writes it."""
    rows = b"".join(
        b"\0" + bytes(value for x in range(width) for value in (x * 9 % 256, y * 7 % 256, 90, 255))
        for y in range(height)
    )
    parts = [
        b"\x89PNG\r\n\x1a\n",
        chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)),
        chunk(b"tEXt", b"Software\0somebody else's editor"),
        chunk(b"IDAT", zlib.compress(rows)),
        *(chunk(b"tEXt", keyword.encode() + b"\0" + body) for keyword, body in texts),
        chunk(b"IEND", b""),
    ]
    return b"".join(parts)


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """The chunks of a picture, read anew."""
    found, at = [], 8
    while at < len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    return found


def encoded(card: object) -> bytes:
    return base64.b64encode(json.dumps(card, ensure_ascii=False).encode())


def card_in(data: bytes, keyword: bytes) -> Any:
    """The card in a picture."""
    (body,) = (
        body.partition(b"\0")[2]
        for kind, body in chunks(data)
        if kind == b"tEXt" and body.startswith(keyword + b"\0")
    )
    return json.loads(base64.b64decode(body))


def pixels(data: bytes) -> bytes:
    return zlib.decompress(b"".join(body for kind, body in chunks(data) if kind == b"IDAT"))

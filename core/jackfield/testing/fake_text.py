"""The fake model's tokenizer and its probabilities: made up, but always the same."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

from jackfield.messages import Alternative

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_CHUNK = 6  # bytes: with 3 bits for the length an id stays below 2**53, exact in JSON everywhere
_SPECIALS = re.compile("(" + "|".join(re.escape(text) for text in SPECIAL) + ")")
_WORDS = re.compile(r"\s?\S+|\s")
_LIKELY = 0.6  # probability of the token that comes


def vocabulary(longest: int = _CHUNK) -> int:
    """How many tokens there are, of at most so many bytes."""
    return 8 << (8 * longest)


def tokenize(text: str, *, special: bool = True, longest: int = _CHUNK) -> list[int]:
    """Ids: a token is at most six bytes of a word with the space before it.

    An id holds its text: the bytes as a number, times eight, plus how many there are. Special
    tokens are multiples of eight.

    Args:
        longest: bytes of a token, if not six; a character that is longer is one by itself.
    """
    pieces = _SPECIALS.split(text) if special else [text]
    ids = []
    for piece in pieces:
        if special and piece in SPECIAL:
            ids.append(8 * (SPECIAL.index(piece) + 1))
        else:
            ids += [token_id(chunk) for chunk in _chunks(piece, longest)]
    return ids


def detokenize(ids: Sequence[int]) -> str:
    """The text of ids.

    Raises:
        ValueError: an id that no text has.
    """
    return "".join(token_text(id_) for id_ in ids)


def token_id(chunk: bytes) -> int:
    """The id of a token's bytes."""
    return int.from_bytes(chunk, "big") << 3 | len(chunk)


def token_text(id_: int) -> str:
    """The text of one id."""
    size = id_ & 7
    if size == 0 and 0 < id_ >> 3 <= len(SPECIAL):
        return SPECIAL[(id_ >> 3) - 1]
    try:
        if 0 < size <= _CHUNK:
            return (id_ >> 3).to_bytes(size, "big").decode()
    except (OverflowError, UnicodeDecodeError):
        pass
    raise ValueError(f"no token has the id {id_}")


def _chunks(text: str, longest: int) -> Iterator[bytes]:
    """Pieces of at most so many bytes that end between characters."""
    for word in _WORDS.findall(text):
        chunk = b""
        for character in word:
            encoded = character.encode("utf-8", "replace")
            if chunk and len(chunk) + len(encoded) > longest:
                yield chunk
                chunk = b""
            chunk += encoded
        yield chunk


def probabilities(id_: int, wanted: int) -> tuple[float, tuple[Alternative, ...]]:
    """The log probability of the token that comes, and the best ``wanted`` alternatives.

    The token itself is the likeliest; each of the others has half of what is left.
    """
    best = math.log(_LIKELY)
    found = [Alternative(token_text(id_), id_, best)]
    left = 1 - _LIKELY
    for rank in range(1, wanted):
        left /= 2
        other = token_id(f" alt{rank:02d}".encode())
        found.append(Alternative(token_text(other), other, math.log(left)))
    return best, tuple(found[:wanted])

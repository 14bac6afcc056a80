"""What models of all kinds here ask of a tokenizer, and of what a request says about tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jackfield import InvalidRequest, SamplingParams


def ends_of(model: Any, tokenizer: Any) -> frozenset[int]:
    """Tokens that end a reply."""
    named = model.generation_config.eos_token_id if model.generation_config else None
    found = set(named if isinstance(named, list) else [named]) | {tokenizer.eos_token_id}
    return frozenset(int(one) for one in found if one is not None)


def adds_bos(tokenizer: Any) -> bool:
    """Whether the tokenizer puts its first token before a text."""
    first = tokenizer.bos_token_id
    return first is not None and list(tokenizer("a")["input_ids"])[:1] == [first]


def encodable(text: str) -> str:
    """The text, if it can be written in UTF-8.

    Raises:
        InvalidRequest: it has half a character.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest(
            f"The text has half a character at position {error.start}.", hint="Remove it."
        ) from error
    return text


def refuse_unknown(tokens: Sequence[int], vocabulary: int) -> None:
    """Whether there are such tokens.

    Raises:
        InvalidRequest: there is one that is not.
    """
    for token in tokens:
        if not 0 <= token < vocabulary:
            raise InvalidRequest(
                f"There is no token {token!r}; the model has tokens 0 to {vocabulary - 1}."
            )


def special_among(
    texts: Sequence[str], tokenizer: Any, tokenize: Callable[[str], list[int]]
) -> frozenset[int]:
    """The special tokens that one of these texts spells, which the text of a reply never has.

    Args:
        tokenize: token ids of a text, special tokens among them.
    """
    if not texts:
        return frozenset()
    added = tokenizer.added_tokens_decoder.items()
    special = {*tokenizer.all_special_ids, *(number for number, one in added if one.special)}
    found: set[int] = set()
    for text in filter(None, texts):
        tokens = tokenize(text)
        # What is unknown has a special token too, which no text spells.
        if len(tokens) == 1 and tokens[0] in special and tokenizer.decode(tokens) == text.strip():
            found.add(tokens[0])
    return frozenset(found)


def bias(
    params: SamplingParams, vocabulary: int, tokenize: Callable[[str], list[int]]
) -> dict[int, float]:
    """Scores to add by token; banned words are those that one token alone spells.

    Args:
        tokenize: token ids of a text of a reply, special tokens as plain text.

    Raises:
        InvalidRequest: a token is named that there is not.
    """
    unknown = [token for token in params.logit_bias if not 0 <= token < vocabulary]
    if unknown:
        raise InvalidRequest(
            f"logit_bias names token {unknown[0]}; the model has tokens 0 to {vocabulary - 1}.",
            param="logit_bias",
        )
    # As OpenAI's reference has it, -100 is a ban.
    found = {
        token: float("-inf") if value <= -100 else value
        for token, value in params.logit_bias.items()
    }
    for text in filter(None, params.banned_strings):
        words = {text, text.lower(), text.capitalize(), text.upper()}
        ways = [tokenize(lead + word) for word in words for lead in ("", " ")]
        alone = [tokens[0] for tokens in ways if len(tokens) == 1]
        found |= dict.fromkeys(alone, float("-inf"))
    return found

"""Computes the running requests of a sequence-to-sequence model, one token each at every step.

Each text is encoded on its own. Decoders of these models count positions from the length of their
cache, so only replies of one length can be computed together: those that begin at the same step
make a group, and groups take turns. In a group the encoded texts are filled up on the right to the
longest, and a mask hides the filling.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from transformers import DynamicCache, EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from jackfield import LoaderError
from jackfield_loaders.transformers.batch import Batch
from jackfield_loaders.transformers.row import Row
from jackfield_loaders.transformers.rules import Rules
from jackfield_loaders.transformers.sampler import Choice, Sampler

log = logging.getLogger(__name__)


class Line(Row):
    """One request; its prompt is what the encoder reads.

    Attributes:
        written: the decoder's tokens so far, the one it starts from first.
    """

    def __init__(
        self, prompt: Sequence[int], sampler: Sampler, limit: int, ends: frozenset[int], start: int
    ) -> None:
        super().__init__(prompt, sampler, limit, ends)
        self.written = [start]

    def take(self, choice: Choice) -> bool:
        """Note a choice; whether the row goes on."""
        self.written.append(choice.token)
        return super().take(choice)


class Group:
    """Rows whose replies have one length.

    Attributes:
        states: encoded texts, of shape (rows, positions, numbers).
        mask: 1 where they are no filling, of shape (rows, positions).
        cache: of the decoder, for what it wrote and for the encoded texts.
    """

    def __init__(self, row: Line, states: torch.Tensor) -> None:
        self.rows = [row]
        self.states = states
        self.mask = torch.ones(states.shape[:2], dtype=torch.long, device=states.device)
        self.cache = EncoderDecoderCache(DynamicCache(), DynamicCache())

    @property
    def made(self) -> int:
        """Tokens that each of its rows has written."""
        return self.rows[0].made

    def join(self, other: Group) -> None:
        """Take in the rows of another group with replies of the same length."""
        longest = max(self.mask.shape[1], other.mask.shape[1])
        self.rows += other.rows
        self.mask = _stacked(self.mask, other.mask, longest, 0)
        self.states = _stacked(self.states, other.states, longest, 1)
        for mine, its in zip(_written(self), _written(other), strict=True):
            mine.keys = torch.cat([mine.keys, its.keys])
            mine.values = torch.cat([mine.values, its.values])
        for mine, its in zip(_read(self), _read(other), strict=True):
            mine.keys = _stacked(mine.keys, its.keys, longest, 1)
            mine.values = _stacked(mine.values, its.values, longest, 1)

    def keep(self, rows: Sequence[Row]) -> None:
        """Go on with those of its rows that are among these."""
        places = [number for number, row in enumerate(self.rows) if row in rows]
        if len(places) == len(self.rows):
            return
        self.rows = [self.rows[place] for place in places]
        index = torch.tensor(places, dtype=torch.long)
        self.mask = self.mask[index.to(self.mask.device)]
        used = int(self.mask.any(0).sum())  # filling is all on the right
        self.mask = self.mask[:, :used]
        self.states = self.states[index.to(self.states.device), :used]
        for layer in _written(self):
            here = index.to(layer.keys.device)  # layers may be spread over graphics cards
            layer.keys, layer.values = layer.keys[here], layer.values[here]
        for layer in _read(self):
            here = index.to(layer.keys.device)
            layer.keys = layer.keys[here, :, :used]
            layer.values = layer.values[here, :, :used]


class Seq2SeqBatch(Batch):
    """The thread that computes, and the requests in it.

    Args:
        model: a sequence-to-sequence model of Transformers.
        slots: requests at once.
        context: most tokens that it reads.
        rules: what its generation settings forbid and force.
    """

    def __init__(self, model: Any, slots: int, context: int, rules: Rules) -> None:
        self._rules = rules
        self._groups: list[Group] = []
        # Nothing of a text is of use to another one: it is read in both directions.
        super().__init__(model, slots, context, stateful=True)

    def _join(self) -> None:
        """Encode texts that wait, and write the first token of each reply."""
        while self._waiting and len(self._rows) < self._slots:
            row = self._waiting.popleft()
            if row.cancelled:
                row.end()
                continue
            try:
                group = self._encoded(row)
                goes_on = self._chosen(group)
            except BaseException as error:  # a panic of Rust is no Exception
                log.warning("A text could not be read", exc_info=error)
                row.end(LoaderError(f"The text could not be read: {error}"))
                continue
            if goes_on:
                self._put(group)
            else:
                row.end()

    def _encoded(self, row: Row) -> Group:
        """Read a text."""
        assert isinstance(row, Line)
        tokens = torch.tensor([row.prompt], device=self._device)
        encoder = self._model.get_encoder()
        return Group(row, encoder(input_ids=tokens, attention_mask=torch.ones_like(tokens))[0])

    def _put(self, group: Group) -> None:
        """Put a row to those that began at this step."""
        self._rows += group.rows
        alike = next((one for one in self._groups if one.made == group.made), None)
        if alike is None:
            self._groups.append(group)
        else:
            alike.join(group)

    def _step(self) -> None:
        """Compute the next token of each row, group after group."""
        going = [row for group in self._groups for row in self._chosen(group)]
        if len(going) < len(self._rows):
            self._keep(going)

    def _chosen(self, group: Group) -> list[Row]:
        """Compute a group's next scores and choose; the rows that go on."""
        last = [[row.written[-1]] for row in group.rows]
        found = self._model(
            encoder_outputs=BaseModelOutput(last_hidden_state=group.states),
            attention_mask=group.mask,
            decoder_input_ids=torch.tensor(last, device=self._device),
            use_cache=True,
            **{self._cache_name: group.cache},
        )
        group.cache = found[self._cache_name]
        going: list[Row] = []
        for row, logits in zip(group.rows, found.logits[:, -1], strict=True):
            ruled = self._rules(row.written, logits)
            if row.advance(partial(row.sampler.choose, ruled)):
                going.append(row)
        return going

    def _keep(self, rows: list[Row]) -> None:
        """Go on with these rows; the others end."""
        gone = [row for row in self._rows if row not in rows]
        if not gone:
            return
        self._rows = [row for row in self._rows if row in rows]
        self._groups = [group for group in self._groups if any(row in rows for row in group.rows)]
        try:
            for group in self._groups:
                group.keep(rows)
        finally:  # whatever happens, nobody is left waiting
            for row in gone:
                row.end()

    def _fail(self, error: LoaderError) -> None:
        self._groups = []
        super()._fail(error)


def _written(group: Group) -> list[Any]:
    """Layers of the cache of what the decoder wrote."""
    return list(group.cache.self_attention_cache.layers)


def _read(group: Group) -> list[Any]:
    """Layers of the cache of the encoded texts."""
    return list(group.cache.cross_attention_cache.layers)


def _stacked(upper: torch.Tensor, lower: torch.Tensor, length: int, inner: int) -> torch.Tensor:
    """Two tensors, lengthened on the right and stacked.

    Args:
        inner: dimensions after the one that is lengthened, the last of all or the last but one.
    """
    pads = [(*(0, 0) * inner, 0, length - one.shape[-1 - inner]) for one in (upper, lower)]
    both = zip((upper, lower), pads, strict=True)
    return torch.cat([torch.nn.functional.pad(one, pad) for one, pad in both])

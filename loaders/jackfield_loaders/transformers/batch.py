"""Computes all running requests of a model together, one token each at every step.

Requests join between two steps, after their prompt was computed on its own, and leave when they
end: the idea of iteration-level scheduling (Yu et al. 2022, "Orca", OSDI). The KV cache is one
tensor a layer, of shape (rows, heads, positions, numbers), filled up on the left to the length of
the longest row; a mask hides the filling. What a prompt has in common with that of a running or an
earlier request is copied, not computed.
"""

from __future__ import annotations

import inspect
import logging
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from transformers import DynamicCache

from jackfield import JackfieldError, LoaderError
from jackfield_loaders.transformers.prefixes import LEAST, Layers, Prefixes, alike
from jackfield_loaders.transformers.row import Arrival, Row
from jackfield_loaders.transformers.sampler import Choice
from jackfield_loaders.transformers.task import Task

log = logging.getLogger(__name__)

CHUNK = 512
"""Tokens of prompts that are computed between two steps of the others."""


class Batch:
    """The thread that computes, and the requests in it.

    Args:
        model: a causal language model of Transformers.
        slots: rows at once.
        context: most tokens of a row.
        stateful: the model keeps another state than a plain KV cache, which cannot be cut and
            joined row by row; there is one slot then.
    """

    def __init__(self, model: Any, slots: int, context: int, *, stateful: bool = False) -> None:
        self._model = model
        self._slots = slots
        self._stateful = stateful
        self._prefixes = Prefixes(0 if self._stateful else slots * context)
        self._arrival: Arrival | None = None
        self._device = computing_device(model)
        # Transformers renamed it in the course of version 5.
        known = inspect.signature(model.forward).parameters
        self._cache_name = "cache" if "cache" in known else "past_key_values"
        self._changed = threading.Condition()
        self._waiting: deque[Row] = deque()
        self._tasks: deque[Task] = deque()
        self._rows: list[Row] = []
        self._cache: Any = None
        self._mask = torch.zeros((0, 0), dtype=torch.long, device=self._device)
        self._closed = False
        self._unusable = "The model is being unloaded."
        self._thread = threading.Thread(target=self._work, name="batch", daemon=True)
        self._thread.start()

    def add(self, row: Row) -> None:
        """Let a request join at the next step."""
        with self._changed:
            self._refuse_if_closed()
            self._waiting.append(row)
            self._changed.notify()

    def leave(self, row: Row) -> None:
        """Take a request out; returns when its slot is free."""
        row.cancelled = True
        with self._changed:
            self._changed.notify()
        row.gone.wait()

    def alone(self, task: Callable[[], None]) -> None:
        """Do something while no request runs; those that come meanwhile wait.

        Raises:
            JackfieldError: what the task raised.
        """

        def fresh() -> None:
            self._prefixes.clear()
            task()

        asked = Task(fresh)
        with self._changed:
            self._refuse_if_closed()
            self._tasks.append(asked)
            self._changed.notify()
        asked.wait()

    def close(self) -> None:
        """End the thread; requests that run end with an error."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise LoaderError(self._unusable)

    def _work(self) -> None:
        try:
            with torch.inference_mode():
                while self._wait():
                    try:
                        self._round()
                    except BaseException as error:  # a panic of Rust is no Exception
                        log.exception("A step failed")
                        self._fail(LoaderError(f"The computation failed: {error}"))
        finally:
            with self._changed:
                if not self._closed:
                    self._unusable = "The model has stopped computing: load it again."
                self._closed = True
            while self._tasks:
                self._tasks.popleft().end(LoaderError(self._unusable))
            self._fail(LoaderError(self._unusable))

    def _wait(self) -> bool:
        with self._changed:
            while not (self._closed or self._waiting or self._arrival or self._rows or self._tasks):
                self._changed.wait()
            return not self._closed

    def _round(self) -> None:
        """Let rows leave and join, then compute a step."""
        self._keep([row for row in self._rows if not row.cancelled])
        if self._tasks and not self._arrival:
            if not self._rows:
                self._tasks.popleft().run()
        else:
            self._join()
        if self._rows:
            self._step()

    def _join(self) -> None:
        """Compute prompts that wait, up to so many tokens that the others hardly notice."""
        budget = CHUNK
        while budget > 0 and (arrival := self._arrival or self._next()) is not None:
            row = arrival.row
            before = arrival.done
            goes_on = False
            try:
                if not row.cancelled:
                    goes_on = self._go_on(arrival, budget)
            except JackfieldError as error:
                row.failure = error
            except Exception as error:
                log.warning("A prompt could not be computed", exc_info=error)
                row.failure = LoaderError(f"The prompt could not be computed: {error}")
            budget -= arrival.done - before
            if goes_on and arrival.done < len(row.prompt):
                continue
            if goes_on:
                self._merge(row, arrival.cache)
            elif row.failure is None:
                self._keep_prompt(arrival)
            self._arrival = None
            if not goes_on:
                row.end()

    def _next(self) -> Arrival | None:
        """The next request that waits, if there is a slot for it."""
        if self._tasks or not self._waiting or len(self._rows) >= self._slots:
            return None
        row = self._waiting.popleft()
        # Noted first: whatever fails from here on, the request is told.
        self._arrival = arrival = Arrival(row, None, 0)
        if not self._stateful:
            row.cached, layers = self._known(row.prompt[:-1])
            arrival.cache, arrival.done = DynamicCache(), row.cached
            for number, (keys, values) in enumerate(layers):
                arrival.cache.update(keys, values, number)
        return arrival

    def _known(self, tokens: list[int]) -> tuple[int, Layers]:
        """How much of a prompt has a cache, among those that were kept and those in use."""
        shared, layers = self._prefixes.longest(tokens)
        ids = np.array(tokens)
        for number, row in enumerate(self._rows):
            here = alike(ids, np.array(row.tokens[: row.length]))
            if here >= LEAST and here > shared:
                shared, layers = here, self._layers(number, row, here)
        return shared, layers

    def _layers(self, number: int, row: Row, length: int) -> Layers:
        """The first positions of a row's cache."""
        start = self._mask.shape[1] - row.length
        place = (slice(number, number + 1), slice(None), slice(start, start + length))
        return [(layer.keys[place], layer.values[place]) for layer in self._cache.layers]

    def _go_on(self, arrival: Arrival, budget: int) -> bool:
        """Compute so many more tokens of a prompt, and choose the first token after it.

        Returns:
            Whether the request goes on.
        """
        row = arrival.row
        prompt = row.prompt[arrival.done : arrival.done + budget]
        found = self._model(
            input_ids=torch.tensor([prompt], device=self._device),
            use_cache=True,
            logits_to_keep=1,
            **{self._cache_name: arrival.cache},
        )
        arrival.cache = found.get(self._cache_name)
        if arrival.cache is None:
            raise LoaderError(
                f"Models of the kind {self._model.config.model_type!r} keep no KV cache that "
                "Jackfield can use.",
                hint="Choose another model, or this one as a GGUF file.",
            )
        arrival.done += len(prompt)
        return arrival.done < len(row.prompt) or row.advance(
            partial(row.sampler.choose, found.logits[0, -1])
        )

    def _keep_prompt(self, arrival: Arrival) -> None:
        """Keep what was computed of a request that goes no further."""
        if self._stateful or not arrival.done:
            return
        layers = [(layer.keys, layer.values) for layer in arrival.cache.layers]
        self._remember(arrival.row.prompt[: arrival.done], layers)

    def _remember(self, tokens: list[int], layers: Layers) -> None:
        """Keep the cache of tokens, if there is memory for it."""
        try:
            self._prefixes.keep(tokens, layers, self._taken)
        except (MemoryError, RuntimeError) as error:  # PyTorch's are RuntimeErrors
            log.warning("A finished request's cache is not kept: %s", error)
            self._prefixes.clear()

    @property
    def _taken(self) -> int:
        """Positions of the cache that rows take."""
        return int(self._mask.shape[0] * self._mask.shape[1])

    def _merge(self, row: Row, cache: Any) -> None:
        """Put a row's cache below those of the others."""
        here, more = self._mask.shape[1], len(row.prompt)
        longest = max(here, more)
        mask = torch.ones((1, more), dtype=torch.long, device=self._device)
        self._mask = torch.cat([_filled(self._mask, longest), _filled(mask, longest)])
        self._prefixes.shrink(self._taken)
        if not self._rows:
            self._cache = cache
        else:
            for mine, other in zip(self._cache.layers, cache.layers, strict=True):
                mine.keys = _joined(mine.keys, other.keys, longest)
                mine.values = _joined(mine.values, other.values, longest)
        self._rows.append(row)

    def _step(self) -> None:
        """Compute the next scores of all rows and choose a token for each."""
        rows = self._rows
        ones = torch.ones((len(rows), 1), dtype=torch.long, device=self._device)
        self._mask = torch.cat([self._mask, ones], dim=1)
        found = self._model(
            input_ids=torch.tensor([[row.tokens[-1]] for row in rows], device=self._device),
            # Without filling there is nothing to hide, and attention is computed faster.
            attention_mask=self._mask if len(rows) > 1 else None,
            position_ids=torch.tensor([[row.length] for row in rows], device=self._device),
            use_cache=True,
            **{self._cache_name: self._cache},
        )
        self._cache = found[self._cache_name]
        self._prefixes.shrink(self._taken)
        scores = found.logits[:, -1]
        best = scores.argmax(-1).tolist() if any(row.sampler.plain for row in rows) else []
        going: list[Row] = []
        ended: list[Row] = []
        for number, row in enumerate(rows):
            if row.sampler.plain:
                goes_on = row.take(Choice(best[number], None, ()))
            else:
                goes_on = row.advance(partial(row.sampler.choose, scores[number]))
            (going if goes_on else ended).append(row)
        if ended:
            self._keep(going)

    def _keep(self, rows: list[Row]) -> None:
        """Go on with these rows; the others end."""
        if len(rows) == len(self._rows):
            return
        places = [number for number, row in enumerate(self._rows) if row in rows]
        # The cache of a row whose choice failed has a position that no token was chosen for.
        ended = [
            (row, [] if self._stateful or row.failure else self._layers(number, row, row.length))
            for number, row in enumerate(self._rows)
            if row not in rows
        ]
        self._rows = rows
        try:
            self._cut(places)
        finally:  # whatever happens, nobody is left waiting
            for row, _ in ended:
                row.end()
        for row, layers in ended:
            if layers:
                self._remember(row.tokens[: row.length], layers)

    def _cut(self, places: list[int]) -> None:
        """Leave these rows of the cache, and no filling that all of them have."""
        if not places:
            self._cache, self._mask = None, self._mask[:0, :0]
            return
        index = torch.tensor(places, device=self._device)
        self._mask = self._mask[index]
        unused = int((self._mask == 0).all(0).sum())  # filling is all on the left
        self._mask = self._mask[:, unused:]
        for layer in self._cache.layers:
            here = index.to(layer.keys.device)  # layers may be spread over graphics cards
            layer.keys = layer.keys[here, :, unused:]
            layer.values = layer.values[here, :, unused:]

    def _fail(self, error: LoaderError) -> None:
        rows, self._rows = self._rows, []
        if self._arrival is not None:
            rows.append(self._arrival.row)
            self._arrival = None
        with self._changed:
            rows += self._waiting
            self._waiting.clear()
        for row in rows:
            row.end(error)
        self._cache, self._mask = None, self._mask[:0, :0]
        self._prefixes.clear()


def computing_device(model: Any) -> torch.device:
    """Where a model takes its input, though its weights may be spread, or kept on disk."""
    places = getattr(model, "hf_device_map", None) or {"": model.device}
    devices = [place for place in places.values() if place not in ("cpu", "disk")]
    return torch.device(devices[0] if devices else "cpu")


def _filled(mask: torch.Tensor, length: int) -> torch.Tensor:
    """A mask of shape (rows, positions), lengthened on the left."""
    return torch.nn.functional.pad(mask, (length - mask.shape[1], 0))


def _joined(upper: torch.Tensor, lower: torch.Tensor, length: int) -> torch.Tensor:
    """Two caches of shape (rows, heads, positions, numbers), lengthened on the left and stacked."""
    return torch.cat(
        [torch.nn.functional.pad(one, (0, 0, length - one.shape[2], 0)) for one in (upper, lower)]
    )

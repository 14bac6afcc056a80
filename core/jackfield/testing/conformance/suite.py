"""What the subjects of the conformance suite share: the model, and ways to ask it."""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
import unittest
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from jackfield.loader import LoadedModel, Loader, LoadOptions, ModelFiles, Prompt, Token
from jackfield.machine import Machine
from jackfield.sampling import SamplingParams
from jackfield.testing.worker_model import WorkerModel

UNICODE = "Zoë naïve — 日本語, Привет, 👩‍🚀 and 🙂"
Value = TypeVar("Value")


class NotClaimed(unittest.SkipTest):
    """The model does not claim what a test is about; pytest shows the test as skipped."""


class Suite:
    """A model under test; the documentation of its attributes is at ``LoaderConformance``."""

    loader: ClassVar[Loader]
    options: ClassVar[LoadOptions | None] = None
    files: ClassVar[ModelFiles | None] = None
    python: ClassVar[str] = ""
    adapter: ClassVar[Path | None] = None
    patience: ClassVar[float] = 120.0
    prompt: ClassVar[str] = "Once upon a time there was"
    filler: ClassVar[str] = "once upon a time "
    model: ClassVar[LoadedModel]
    _folder: ClassVar[Path]

    @classmethod
    def model_files(cls, folder: Path) -> ModelFiles:
        """Make a small model in ``folder``, where ``files`` is not set."""
        path = cls.loader.sample(folder)
        if path is None:
            raise NotImplementedError(f"{cls.__name__} needs `files` or `model_files`")
        size = sum(one.stat().st_size for one in (path, *path.rglob("*")) if one.is_file())
        return ModelFiles(path, path.suffix.removeprefix("."), size)

    @classmethod
    def setup_class(cls) -> None:
        """Load the model with its options settled, as the host does."""
        cls._folder = Path(tempfile.mkdtemp(prefix="jackfield-conformance-"))
        cls.files = cls.files or cls.model_files(cls._folder)
        given = cls.options or cls.loader.Options()
        cls.options = cls.loader.settle(cls.files, given, Machine.now()).options
        if cls.python:
            cls.model = WorkerModel(cls.loader, cls.files, cls.options, cls.python)
        else:
            cls.model = cls.loader.load(cls.files, cls.options)

    @classmethod
    def teardown_class(cls) -> None:
        """Close the model."""
        cls.model.close()
        shutil.rmtree(cls._folder)

    # What tests ask before they begin

    def claims(self, capability: str) -> None:
        """End the test unless the model has the capability.

        Raises:
            NotClaimed: it has not.
        """
        if capability not in self.model.info.capabilities:
            raise NotClaimed(f"not claimed: {capability}")

    def samples(self, *fields: str) -> None:
        """End the test unless the model writes text and honours these sampling fields.

        Raises:
            NotClaimed: it does not.
        """
        self.claims("completion")
        for field in fields:
            if not self.has(field):
                raise NotClaimed(f"not claimed: sampling field {field!r}")

    def has_tokenizer(self) -> None:
        """End the test unless the model has a tokenizer that can be asked.

        Raises:
            NotClaimed: its vocabulary is 0.
        """
        if not self.model.info.vocabulary:
            raise NotClaimed("not claimed: a tokenizer (vocabulary is 0)")

    def has(self, field: str) -> bool:
        """Whether a sampling field is honoured."""
        return field in self.model.info.sampling_fields

    # Ways to ask it

    def complete(self, text: str = "", **fields: Any) -> list[Token]:
        """All tokens of a reply; ``text`` is the prompt, the suite's own if empty."""

        def ask() -> list[Token]:
            iterator = self.begin(text, **fields)
            try:
                return list(iterator)
            finally:
                close(iterator)

        return within(self.patience, ask, "a reply")

    def begin(self, text: str = "", **fields: Any) -> Any:
        """The iterator of a reply."""
        return self.model.complete(Prompt(text or self.prompt), SamplingParams(**fields))

    def greed(self) -> dict[str, Any]:
        """What makes replies repeat, where the model can."""
        return {"temperature": 0} if self.has("temperature") else {}

    def greedy(self, limit: int, text: str = "", **fields: Any) -> str:
        """The likeliest reply of so many tokens."""
        return text_of(self.complete(text, max_tokens=limit, **self.greed(), **fields))

    def the_files(self) -> ModelFiles:
        """The model on disk."""
        assert self.files is not None
        return self.files

    def the_options(self) -> LoadOptions:
        """The settled options."""
        assert self.options is not None
        return self.options

    def interpreter(self) -> str:
        """Where a worker of this loader runs."""
        return self.python or sys.executable


def text_of(tokens: Sequence[Token]) -> str:
    """The text of a reply."""
    return "".join(token.text for token in tokens)


def close(iterator: Any) -> None:
    """Close an iterator that can be closed."""
    shut = getattr(iterator, "close", None)
    if shut is not None:
        shut()


def within(seconds: float, call: Callable[[], Value], what: str) -> Value:
    """What a call returns or raises, in a thread of its own.

    Raises:
        AssertionError: it takes longer; a loader that hangs fails one test and not all.
    """
    values: list[Value] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            values.append(call())
        except BaseException as error:  # noqa: BLE001 - raised below, in the caller's thread
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), f"{what} takes more than {seconds:g} s"
    if errors:
        raise errors[0]
    return values[0]

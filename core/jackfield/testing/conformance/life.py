"""A model's life: in a worker of its own, out of it again, from a broken file, with adapters."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import psutil

from jackfield.errors import LoadFailed, ModelFileError
from jackfield.loader import Adapter, ModelFiles, Prompt
from jackfield.machine import Machine
from jackfield.sampling import SamplingParams
from jackfield.testing.conformance.suite import NotClaimed, Suite, text_of
from jackfield.testing.worker_model import GRACE, WorkerModel

WHOLE = 4096
"""Bytes that are left of a broken file: enough for its beginning to look right."""
JUNK = bytes([0xFF]) * 64
"""What follows them."""
SMALL = 1_000_000
"""Bytes up to which a file of a folder is copied whole: a config, a tokenizer."""
ROOM = 64_000_000
"""Bytes by which this process or an accelerator may miss what it had: others work too."""


class Lived(msgspec.Struct):
    """What came of a model that was opened in a worker, asked and closed.

    Attributes:
        reply: its greedy reply, "" if it writes none.
        loaded: resident bytes of the worker.
        before, after: bytes in use by this process and on each accelerator.
        left: processes of the worker that are still there.
        seconds: that closing took.
    """

    reply: str
    loaded: int
    before: dict[str, int]
    after: dict[str, int]
    left: int
    seconds: float


class Life(Suite):
    """Loading and unloading for real, and what cannot be loaded."""

    _lived: ClassVar[Lived | None] = None

    def test_it_answers_the_same_in_a_worker(self) -> None:
        """Where models live: behind frames, with their output going to a log."""
        lived = self._life()
        self.claims("completion")
        here = self.greedy(6)
        assert lived.reply == here, f"a worker answers {lived.reply!r}, here it is {here!r}"

    def test_unloading_gives_the_memory_back(self) -> None:
        """The worker ends by itself, nothing of it is left, and nothing stays with the host."""
        lived = self._life()
        assert lived.left == 0, f"{lived.left} processes are left"
        assert lived.seconds < GRACE, f"it had to be killed after {lived.seconds:.0f} s"
        assert lived.loaded > 0, "the worker's memory is not known"
        for device, before in lived.before.items():
            after = lived.after.get(device, before)
            assert after <= before * 1.02 + ROOM, (
                f"{device}: {after / 1e6:.0f} MB in use after unloading, {before / 1e6:.0f} before"
            )

    def test_a_broken_file_is_refused(self) -> None:
        """ModelFileError or LoadFailed; the engine does not crash, hang or pretend."""
        files = self.the_files()
        if not files.path.exists():
            raise NotClaimed("not claimed: files on this computer")
        self._life()  # the whole file is opened, so a refusal is about this one
        broken = _broken(files, self._folder)
        try:
            WorkerModel(self.loader, broken, self.the_options(), self.interpreter()).close()
        except (ModelFileError, LoadFailed) as error:
            code = error.details.get("exit_code")
            assert code is None, f"a broken file ends the worker: {error.message}"
            return
        raise AssertionError("a broken file is loaded as if it were whole")

    def test_adapters_are_attached_and_detached(self) -> None:
        """Without a reload; what is no adapter is refused and changes nothing."""
        self.claims("lora")
        plain = self.greedy(8)
        self.model.set_adapters([])
        assert self.greedy(8) == plain, "an empty list of adapters changes the reply"
        nothing = self._folder / "no-adapter"
        nothing.mkdir(exist_ok=True)
        try:
            self.model.set_adapters([Adapter(nothing)])
        except ModelFileError:
            pass
        else:
            raise AssertionError("an empty folder is taken for an adapter")
        assert self.greedy(8) == plain, "an adapter that was refused changes the reply"
        if self.adapter is not None:
            self.model.set_adapters([Adapter(self.adapter)])
            other = self.greedy(8)
            assert other != plain, f"the adapter changes nothing: {other!r}"
            self.model.set_adapters([])
            assert self.greedy(8) == plain, "the adapter stays after it was taken off"

    def _life(self) -> Lived:
        """Open the model in a worker, ask, close; once for all tests of the class."""
        kind = type(self)
        if kind._lived is None:
            kind._lived = self._live()
        return kind._lived

    def _live(self) -> Lived:
        reply = ""
        before = _in_use()
        model = WorkerModel(self.loader, self.the_files(), self.the_options(), self.interpreter())
        try:
            if "completion" in model.info.capabilities:
                params = SamplingParams(max_tokens=6, **self.greed())
                reply = text_of(list(model.complete(Prompt(self.prompt), params)))
            loaded = model.memory
            family = _family(model.pid)
        finally:
            begun = time.monotonic()
            model.close()
        seconds = time.monotonic() - begun
        left = sum(one.is_running() for one in family)
        return Lived(reply, loaded, before, _in_use(), left, seconds)


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _in_use() -> dict[str, int]:
    """Bytes that this process has, and that are taken on each accelerator."""
    taken = {one.name: one.total - one.free for one in Machine.now().accelerators}
    return {"this process": psutil.Process().memory_info().rss, **taken}


def _broken(files: ModelFiles, folder: Path) -> ModelFiles:
    """The model with its weights cut off after a few kilobytes and junk behind them."""
    source, target = files.path, folder / f"broken{files.path.suffix}"
    if source.is_file():
        _cut(source, target)
    else:
        for path in source.rglob("*"):
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if path.is_file() and path.stat().st_size > SMALL:
                _cut(path, copy)
            elif path.is_file():
                shutil.copy(path, copy)
    changes: dict[str, Any] = {"path": target, "size": WHOLE}
    return msgspec.structs.replace(files, **changes)


def _cut(source: Path, target: Path) -> None:
    with source.open("rb") as file:
        whole = file.read(2 * WHOLE)
    target.write_bytes(whole[: min(WHOLE, len(whole) // 2)] + JUNK)

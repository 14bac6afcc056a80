"""Makes a GPTQ model from another, in a process of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from jackfield import DiskFull, InvalidRequest, JackfieldError

Progress = Callable[[str, int, int], None]
"""Told the stage, and how many of how many layers are done (0 of 0 where that says nothing)."""

GROUPS = (128, 64, 32)
"""Weights that share a scale. Most kernels refuse rows that do not divide into them."""

NEEDED = 0.6
"""Room on the disk, as a share of the model that is quantized."""


def quantize(
    source: Path,
    target: Path,
    *,
    bits: int = 4,
    group_size: int = 0,
    device: str = "cpu",
    threads: int = 2,
    texts: Sequence[str] = (),
    progress: Progress = lambda stage, done, total: None,
) -> None:
    """Write a quantized copy of a model folder; ``target`` appears when it is whole.

    Frantar et al. 2023, "GPTQ", arXiv:2210.17323.

    Args:
        group_size: weights of a row that share a scale; 0: the most that kernels take, up to 128;
            -1: whole rows.
        texts: what the model reads while its weights are rounded so that it reads it as before;
            some of our own if there are none.

    Raises:
        DiskFull: there is not enough room.
        InvalidRequest: another process is making this target.
        JackfieldError: GPTQModel is not installed, or failed.
    """
    from jackfield_loaders.gptq.calibration import texts as usual

    size = sum(one.stat().st_size for one in source.iterdir() if one.is_file())
    free = shutil.disk_usage(target.parent).free
    if free < size * NEEDED:
        raise DiskFull(
            f"Quantizing needs {size * NEEDED / 1e9:.1f} GB of disk and {free / 1e9:.1f} GB are "
            f"free in {str(target.parent)!r}.",
            hint="Free some space.",
        )
    with _place(target) as made:
        told = {
            "source": str(source.resolve()),
            "target": str(made.resolve()),
            "bits": bits,
            "group_size": group_size or fitting_group(row_lengths(source)),
            "device": device,
            "threads": max(1, threads),
            "texts": list(texts) or usual(),
        }
        _run(told, progress)
        made.rename(target)


def row_lengths(model: Path) -> list[int]:
    """How many weights the rows of a model's layers have, as its configuration says."""
    whole = json.loads((model / "config.json").read_text(encoding="utf-8"))
    config = {**whole, **(whole.get("text_config") or {})}
    hidden = config.get("hidden_size") or config.get("n_embd") or config.get("d_model")
    heads = config.get("num_attention_heads") or 0
    lengths = [hidden, config.get("intermediate_size"), heads * (config.get("head_dim") or 0)]
    return [one for one in lengths if one]


def fitting_group(lengths: Sequence[int]) -> int:
    """The largest usual group that divides rows of these lengths; -1, whole rows, if none does."""
    fits = (one for one in GROUPS if not any(length % one for length in lengths))
    return next(fits, -1)


@contextmanager
def _place(target: Path) -> Iterator[Path]:
    """A hidden folder beside the target; what a killed run left there is removed."""
    from filelock import FileLock, Timeout

    folder = target.parent / f".{target.name}.quantizing"
    lock = FileLock(folder.with_suffix(".lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        raise InvalidRequest(
            f"The model {target.name!r} is being made by another process.",
            hint="Wait for that one, or stop it.",
        ) from error
    try:
        shutil.rmtree(folder, ignore_errors=True)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        folder.with_suffix(".lock").unlink(missing_ok=True)
        lock.release()


def _run(told: dict[str, object], progress: Progress) -> None:
    command = [sys.executable, "-P", "-m", "jackfield_loaders.gptq.quantizing"]
    with (
        tempfile.TemporaryDirectory(prefix="jackfield-quantize-") as folder,
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            cwd=folder,  # GPTQModel writes logs where it stands
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(told) + "\n")
            process.stdin.flush()  # it stays open: its end tells the process that we are gone
            for line in process.stdout:
                now = json.loads(line)
                progress(now["stage"], now.get("done", 0), now.get("total", 0))
            process.stdin.close()
            process.wait()
        finally:  # whoever waits may have been interrupted
            if process.poll() is None:
                process.kill()
        if process.returncode:
            said.seek(0)
            raise _failure(process.returncode, said.read())


def _failure(code: int, said: str) -> JackfieldError:
    lines = [line for line in said.splitlines() if line.strip()]
    last = lines[-1] if lines else "it said nothing"
    if code == -9:
        return JackfieldError(
            "Quantizing was killed, probably because the memory was not enough.",
            hint="Unload other models, or quantize a smaller one.",
        )
    if "ModuleNotFoundError" in last:
        return JackfieldError(
            f"Quantizing needs something that is not installed: {last}.",
            hint="Install PyTorch, then: pip install --no-build-isolation 'jackfield[gptq]'",
        )
    return JackfieldError(f"Quantizing failed: {last}", hint="\n".join(lines[-5:-1]))

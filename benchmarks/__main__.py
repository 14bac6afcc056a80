"""``python -m benchmarks [NAME ...]``: measure the budgets and print them in a table."""

from __future__ import annotations

import argparse
import importlib
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.result import Result, table
from benchmarks.setting import Setting, machine, threads

NAMES = {
    "one_stream": ("model",),
    "first_token": ("model",),
    "gguf_servers": ("model",),
    "transformers_servers": ("folder",),
    "embeddings": ("embedder",),
    "translation": ("translator",),
    "help_time": (),
    "first_byte": (),
    "chat_page": ("model",),
    "unload": ("model", "folder", "embedder"),
    "knowledge": ("embedder",),
}
"""The benchmarks, and which of the tests' models each uses."""

PARTS = {
    "model": "smollm2",
    "folder": "smollm2_folder",
    "embedder": "minilm",
    "translator": "opus_mt",
}
UNUSED = Path("none")
"""Stands for a model that no benchmark of this run uses."""
ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "benchmarks.md"

INTRODUCTION = """# Benchmarks

Made by `python -m benchmarks --write`. What is compared runs in the same run, in turn, on one
machine, on the device `{device}`, with {threads} threads, a context of 1,024 tokens in each of 8
slots, and replies of {tokens} tokens, counted by each server's own usage. The models: GGUF
`{model}`, safetensors `{folder}` in {dtype}, embeddings `{embedder}`. Each figure is the median, in
parentheses the least and the greatest. A ratio is the median of the ratios of measurements made one
after the other. Rows without a budget are there to be compared.

Measured on {date}: {machine}

"""


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"some of: {', '.join(NAMES)}; all if none")
    parser.add_argument("--model", type=Path, help="a GGUF file instead of the tests' SmolLM2")
    parser.add_argument("--folder", type=Path, help="safetensors instead of the tests' SmolLM2")
    parser.add_argument("--embedder", type=Path, help="a folder instead of the tests' MiniLM")
    parser.add_argument("--translator", type=Path, help="a folder instead of the tests' opus-mt")
    parser.add_argument("--device", default="cpu", help="where the models run, e.g. cuda")
    parser.add_argument("--rounds", type=int, default=7, help="pairs to measure")
    parser.add_argument("--tokens", type=int, default=96, help="length of a reply")
    parser.add_argument("--threads", type=int, default=threads(), help="the engines' threads")
    parser.add_argument(
        "--write",
        nargs="?",
        type=Path,
        const=PAGE,
        metavar="FILE",
        help="write the page, by default docs/reference/benchmarks.md",
    )
    given = parser.parse_args()
    names = given.names or list(NAMES)
    if unknown := [name for name in names if name not in NAMES]:
        parser.error(f"no benchmark {unknown[0]!r}; there are: {', '.join(NAMES)}")
    used = {what for name in names for what in NAMES[name]}
    model, folder, embedder, translator = (
        (getattr(given, what) or (part(name) if what in used else UNUSED)).resolve()
        for what, name in PARTS.items()
    )
    setting = Setting(
        model,
        folder,
        embedder,
        given.rounds,
        given.tokens,
        given.threads,
        given.device,
        translator,
    )
    results: list[Result] = []
    for name in names:
        print(name, flush=True)
        found = importlib.import_module(f"benchmarks.{name}").run(setting)
        for result in found:
            print(f"  {' | '.join(result.row)}", flush=True)
        results += found
    print(f"\n{machine()}\n\n{table(results)}")
    if given.write:
        given.write.write_text(page(setting, results), encoding="utf-8")
        print(f"\nwritten: {given.write}")
    sys.exit(0 if all(result.kept for result in results) else 1)


def part(name: str) -> Path:
    """One of the tests' models, fetched or made if it is not there."""
    if str(ROOT / "tests") not in sys.path:
        sys.path.insert(0, str(ROOT / "tests"))
    found: Path = getattr(importlib.import_module("parts"), name)()
    return found


def page(setting: Setting, results: list[Result]) -> str:
    """The page of the reference."""
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    head = INTRODUCTION.format(
        model=setting.model.name,
        folder=setting.folder.name,
        embedder=setting.embedder.name,
        threads=setting.threads,
        tokens=setting.tokens,
        dtype=setting.dtype,
        device=setting.device,
        date=today,
        machine=machine(),
    )
    return f"{head}{table(results)}\n"


if __name__ == "__main__":
    main()

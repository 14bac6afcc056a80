"""``jackfield quantize``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jackfield import InvalidRequest, Machine, ModelFiles
from jackfield_loaders.gptq.quantize import fitting_group, quantize, row_lengths
from jackfield_loaders.transformers.facts import Facts

if TYPE_CHECKING:
    from jackfield.application import Application

BITS = (2, 3, 4, 8)
"""What GPTQ rounds to."""


def add(cli: typer.Typer, app: Application) -> None:
    """Add the verb."""

    @cli.command("quantize")
    def make(
        model: Annotated[str, typer.Argument(help="A safetensors model that is not quantized")],
        bits: Annotated[int, typer.Option(help="Bits of a weight: 2, 3, 4 or 8")] = 4,
        group_size: Annotated[
            int,
            typer.Option(help="Weights that share a scale; 0: up to 128, as fits; -1: a whole row"),
        ] = 0,
        name: Annotated[
            str, typer.Option(help="Name of the new model; default MODEL-gptq-4bit")
        ] = "",
        device: Annotated[
            str, typer.Option(help="cpu, cuda:0, ...; auto: a graphics card if there is one")
        ] = "auto",
        texts: Annotated[
            Path | None, typer.Option(help="Texts, one a line, that are like what it will read")
        ] = None,
        threads: Annotated[int, typer.Option(min=0, help="Threads; 0: one for each core")] = 0,
    ) -> None:
        """Make a GPTQ model of another: a quarter of the size, a little worse."""
        entry = app.catalog.find(model)
        _refuse(entry.name, entry.files, bits, group_size)
        target = app.paths.models / (name or f"{Path(entry.name).name}-gptq-{bits}bit")
        _refuse_place(target, app.paths.models)
        machine = Machine.now()
        if device == "auto":
            device = machine.accelerators[0].name if machine.accelerators else "cpu"
        _run(
            entry.files.path,
            target,
            bits=bits,
            group_size=group_size,
            device=device,
            threads=threads or machine.cores,
            texts=_lines(texts),
        )
        size = sum(one.stat().st_size for one in target.iterdir())
        typer.echo(f"{target.name}: {size / 1e6:.0f} MB, from {entry.size / 1e6:.0f} MB")
        typer.echo(f'Try it: jackfield run {target.name} "Hello"', err=True)


def _run(
    source: Path,
    target: Path,
    *,
    bits: int,
    group_size: int,
    device: str,
    threads: int,
    texts: list[str],
) -> None:
    """Quantize, with a bar of the layers on standard error."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("starting", total=None)

        def tell(stage: str, done: int, total: int) -> None:
            bar.update(task, description=stage, completed=done, total=total or None)
            if not console.is_terminal:  # where a bar cannot move
                console.print(f"{stage}: {done} of {total} layers" if total else stage)

        quantize(
            source,
            target,
            bits=bits,
            group_size=group_size,
            device=device,
            threads=threads,
            texts=texts,
            progress=tell,
        )


def _refuse(name: str, files: ModelFiles, bits: int, group_size: int) -> None:
    """Say no to what cannot be quantized."""
    facts = Facts(files)
    if bits not in BITS:
        raise InvalidRequest(
            f"GPTQ cannot round weights to {bits} bits.", hint="Choose 2, 3, 4 or 8.", param="bits"
        )
    if files.format != "safetensors" or not facts.generates:
        raise InvalidRequest(
            f"Model {name!r} cannot be quantized: it is no safetensors folder of a model that "
            "writes text.",
            hint="Fetch the same model as safetensors, or use it as it is.",
        )
    if facts.method:
        raise InvalidRequest(
            f"Model {name!r} is quantized already, by {facts.method}.",
            hint="Quantize the model that it was made from.",
        )
    lengths = row_lengths(files.path)
    odd = [one for one in lengths if group_size > 0 and one % group_size]
    if group_size < -1 or odd:
        why = f": it has rows of {odd[0]}" if odd else ""
        fits = fitting_group(lengths)
        raise InvalidRequest(
            f"The weights of {name!r} do not divide into groups of {group_size}{why}.",
            hint=f"Leave --group-size out; it would be {fits}.",
            param="group_size",
        )


def _refuse_place(target: Path, models: Path) -> None:
    if target.parent != models or target.name.startswith("."):
        raise InvalidRequest(
            f"{target.name!r} cannot be the name of a model.", hint="Use letters and digits."
        )
    if target.exists():
        raise InvalidRequest(
            f"There is a model {target.name!r} already.",
            hint="Give the new one another name with --name, or remove the old one.",
        )


def _lines(file: Path | None) -> list[str]:
    """The texts of a file; none without one."""
    if file is None:
        return []
    try:
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"The texts {str(file)!r} cannot be read: {error}.") from error
    if not lines:
        raise InvalidRequest(f"There are no texts in {str(file)!r}.", hint="Put one on each line.")
    return lines

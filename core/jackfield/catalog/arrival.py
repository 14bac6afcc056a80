"""Checking a model that has arrived, and putting it into its place."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from pathlib import Path

import msgspec

from jackfield.catalog.folder import format_of
from jackfield.catalog.model import SIDECAR, Sidecar, describe
from jackfield.catalog.source import Fetched, ModelSource, Offer, Progress
from jackfield.errors import CorruptDownload, DiskFull, DownloadError, JackfieldError

CHUNK = 1 << 20
KEPT = ".kept"
"""The folder that becomes the model's; no offer has a name like it."""
RESERVE = 100_000_000
"""Bytes of disk to leave free."""


def check_room(offer: Offer, models: Path, folder: Path) -> None:
    """Refuse before anything is fetched what would not find room.

    Raises:
        DiskFull: what is still missing, and a reserve, is more than what is free.
    """
    here = sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())
    needed = max(0, offer.size - here) + offer.installed_size + RESERVE
    free = shutil.disk_usage(models).free
    if free < needed:
        raise DiskFull(
            f"{offer.name!r} needs {needed / 1e6:.0f} MB of disk and {free / 1e6:.0f} MB are "
            f"free in {str(models)!r}.",
            hint="Free some space, or move the data folder to another disk.",
            needed=needed,
            free=free,
            path=str(models),
        )


def has_files(folder: Path) -> bool:
    """Whether anything of a model has arrived in a workplace."""
    return any(one.stat().st_size for one in folder.glob("[!.]*/**/*") if one.is_file())


def checked(
    source: ModelSource, offer: Offer, folder: Path, fetched: Fetched, progress: Progress
) -> Sidecar:
    """A note about what has arrived.

    Raises:
        DownloadError: there is nothing.
        CorruptDownload: it is no model that could be used.
    """
    path = fetched.path
    if not path.exists() or not path.resolve().is_relative_to(folder.resolve()):
        raise DownloadError(f"The source {source.name!r} brought nothing for {offer.name!r}.")
    note = Sidecar(
        name=offer.name,
        source=source.name,
        license=offer.license,
        repository=offer.repository,
        revision=offer.revision,
        files=dict(fetched.sha256),
    )
    models = [describe(one) for one in _models_in(path)]
    for model in models:
        if model is None or model.error:
            why = model.error if model else "It is no model of its own."
            raise CorruptDownload(
                f"What the source {source.name!r} brought for {offer.name!r} cannot be used. {why}",
                hint="Nothing of it was kept. Try again, or tell the plugin's author.",
            )
    note.size = sum(model.size for model in models if model)
    if path.is_file():
        note.sha256 = fetched.sha256.get(path.name) or _sha256(path, note.size, progress)
        note.files = {path.name: note.sha256}
    return note


def _models_in(path: Path) -> list[Path]:
    """The files or folders there that must be models; a folder of another kind is believed."""
    if path.is_file():
        return [path]
    names = {one.name for one in path.iterdir()}
    if format_of(path, names):
        return [path]
    return sorted(path.glob("*.gguf"))[:1]  # the first part of a model in several


def _sha256(path: Path, size: int, progress: Progress) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            progress(file.tell(), size, "verifying")
    return digest.hexdigest()


def keep(models: Path, note: Sidecar, folder: Path, fetched: Path) -> Path:
    """Put the model's folder in its place, with a note of where it came from; return the place."""
    made = folder / KEPT
    if fetched.is_dir() and not format_of(fetched, {one.name for one in fetched.iterdir()}):
        fetched.rename(made)
    else:
        made.mkdir()
        fetched.rename(made / fetched.name)
    (made / SIDECAR).write_bytes(msgspec.json.format(msgspec.json.encode(note)))
    for file in (one for one in made.rglob("*") if one.is_file()):
        _to_disk(file)
    place = models / note.name
    if place.is_dir():  # an empty one, or the download fails: nothing of the user's is deleted
        (place / SIDECAR).unlink(missing_ok=True)
        place.rmdir()
    made.rename(place)
    return place


def _to_disk(path: Path) -> None:
    """Wait until a file's content would survive a power cut."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def explained(error: OSError, offer: Offer) -> JackfieldError:
    """An error of the system while a model was written, for the user."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(
            f"The disk became full while {offer.name!r} was being fetched; nothing of it was kept.",
            hint="Free some space and fetch it again.",
        )
    return DownloadError(
        f"{offer.name!r} could not be written: {error.strerror or error}.",
        hint=f"Look at {str(error.filename)!r}." if error.filename else "",
    )

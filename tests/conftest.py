"""Fixtures for every test: a clean environment, a data folder of its own, real weights."""

import os
import signal
from pathlib import Path

import huggingface_hub.constants  # reads the environment now, before a loader switches it off here
import pytest

import parts
from jackfield.paths import Paths

# Programs that a shell starts in the background ignore Ctrl-C, and so would those of the tests.
signal.signal(signal.SIGINT, signal.default_int_handler)
assert not huggingface_hub.constants.HF_HUB_OFFLINE
SET_BY_LOADERS = ("GPTQMODEL_CPU_WORKERS", "HF_HUB_OFFLINE", "TOKENIZERS_PARALLELISM")
"""Which otherwise would be left to the programs that other tests start."""


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith(("JACKFIELD_", "STREAMLIT_"))]:
        monkeypatch.delenv(name)
    for name in SET_BY_LOADERS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JACKFIELD_HOME", str(tmp_path / "home"))


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    made = Paths(tmp_path / "home")
    made.make()
    return made


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The starter model's GGUF file, in a cache outside the repository."""
    return parts.smollm2()


@pytest.fixture(scope="session")
def smollm2_folder() -> Path:
    """The same weights as a safetensors folder, made from the GGUF file."""
    return parts.smollm2_folder()


@pytest.fixture(scope="session")
def minilm() -> Path:
    """A small sentence-transformers model."""
    return parts.minilm()


@pytest.fixture(scope="session")
def opus_mt() -> Path:
    """A translator from English into French, as a safetensors folder."""
    return parts.opus_mt()

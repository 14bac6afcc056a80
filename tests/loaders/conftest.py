"""SmolLM2 as the catalog identifies it, for the tests of loaders."""

from pathlib import Path

import pytest

from jackfield import ModelFiles
from jackfield.catalog.gguf import read_gguf


def identified(path: Path) -> ModelFiles:
    return ModelFiles(path, "gguf", path.stat().st_size, read_gguf(path).metadata)


@pytest.fixture(scope="session")
def smollm2_files(smollm2: Path) -> ModelFiles:
    return identified(smollm2)

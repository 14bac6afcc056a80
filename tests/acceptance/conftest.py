"""Installations for the tests of this folder."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from installation import Installation, RunningServer

TESTS = Path(__file__).parents[1]
BAD = sorted(path.parent for path in (TESTS / "bad_plugins").glob("*/pyproject.toml"))


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """A fresh data folder with the fake loader."""
    made = Installation(tmp_path / "home")
    made.add_fake_loader()
    return made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Iterator[RunningServer]:
    """One server for a module, with the real model and the fake loader."""
    made = Installation(tmp_path_factory.mktemp("home"))
    made.add_fake_loader()
    made.add_model(smollm2, "smollm2", n_ctx=4096, n_threads=1, parallel=8)
    with made.serving() as server:
        yield server


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sample plugin and all bad ones, as pip installs them."""
    folder = tmp_path_factory.mktemp("site")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(folder)]
    command = [sys.executable, "-m", "pip", "install", "-q", *options, str(TESTS / "sample_plugin")]
    subprocess.run([*command, *map(str, BAD)], check=True, timeout=120)
    return folder

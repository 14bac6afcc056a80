"""Fixtures that start servers, and end them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from api_server import Process, Server, fake_server
from jackfield.paths import Paths
from jackfield.plugin import Plugin

StartServer = Callable[..., AbstractContextManager[Server]]


@pytest.fixture
def start_server(paths: Paths) -> StartServer:
    """Starts servers with fake models in this test's data folder."""

    def start(*plugins: type[Plugin], **models: dict[str, Any]) -> AbstractContextManager[Server]:
        return fake_server(paths.home, *plugins, models=models)

    return start


@pytest.fixture(scope="module")
def parrot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for a module, with a model that repeats what it is told."""
    with fake_server(tmp_path_factory.mktemp("home")) as server:
        yield server


@pytest.fixture
def start_process(paths: Paths) -> Iterator[Callable[..., Process]]:
    """Starts whole servers; those that a test leaves running are killed."""
    started: list[Process] = []

    def start(home: Path | None = None, **options: Any) -> Process:
        process = Process(home or paths.home, **options)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()

"""Serves Jackfield with the fake loader over a given data folder: ``python -m ... HOME PORT_FILE``."""

from __future__ import annotations

import sys
from pathlib import Path

from jackfield.application import Application
from jackfield.paths import Paths
from jackfield.server import serve
from jackfield.testing import FakePlugin


def main(home: Path) -> None:
    app = Application.create(Paths(home), entry_points=[])
    app.plugins.register("fake", FakePlugin)
    serve(app, port=0, open_browser=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

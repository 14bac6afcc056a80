"""Serves a data folder with a fake model and the characters: ``serve_characters.py HOME``."""

import sys
from pathlib import Path

from jackfield.application import Application
from jackfield.paths import Paths
from jackfield.server import serve
from jackfield.testing import FakePlugin
from jackfield_plugins.characters import Characters

if __name__ == "__main__":
    app = Application.create(Paths(Path(sys.argv[1])), entry_points=[])
    app.plugins.register("fake", FakePlugin)
    app.plugins.register("characters", Characters)
    serve(app, port=0, open_browser=False)

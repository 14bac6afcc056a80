"""Serves a data folder with fake models, and with the plugins that read attached files.

``python serve_attachments.py HOME`` prints the address and serves until it is ended.
"""

from __future__ import annotations

import sys
from pathlib import Path

from jackfield.application import Application
from jackfield.paths import Paths
from jackfield.server import serve
from jackfield.testing import FakePlugin
from jackfield_plugins.attachments import Attachments
from jackfield_plugins.documents import Documents


def main(home: Path) -> None:
    app = Application.create(Paths(home), entry_points=[])
    app.plugins.register("fake", FakePlugin)
    app.plugins.register("documents", Documents)
    app.plugins.register("attachments", Attachments)
    serve(app, port=0, open_browser=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

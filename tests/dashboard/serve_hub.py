"""Serves a data folder with the sources that find models, asking a Hub at the address given.

``python serve_hub.py HOME HUB`` prints the address and serves until it is ended.
"""

from __future__ import annotations

import sys
from pathlib import Path

from jackfield.application import Application
from jackfield.paths import Paths
from jackfield.server import serve
from jackfield_loaders.gguf import Gguf
from jackfield_plugins.hub import Hub
from jackfield_plugins.links import Links


def main(home: Path, hub: str) -> None:
    app = Application.create(Paths(home), entry_points=[])
    app.plugins.register("gguf", Gguf)
    app.plugins.register("hub", Hub)
    app.plugins.register("links", Links)
    app.plugins.configure("hub", {"endpoint": hub})
    serve(app, port=0, open_browser=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

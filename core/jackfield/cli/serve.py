"""``jackfield serve``."""

from __future__ import annotations

from typing import Annotated

import typer

from jackfield.cli.door import Door


def add(cli: typer.Typer, door: Door) -> None:
    """Add the verb."""

    @cli.command()
    def serve(
        host: Annotated[str | None, typer.Option(help="Address to listen on")] = None,
        port: Annotated[
            int | None, typer.Option(min=0, max=65535, help="Port; 0 takes any free one")
        ] = None,
        browser: Annotated[
            bool | None, typer.Option("--browser/--no-browser", help="Open the dashboard")
        ] = None,
    ) -> None:
        """Start the dashboard and the HTTP API, on one port."""
        from jackfield.server import serve as run

        run(door.app, host=host, port=port, open_browser=browser)

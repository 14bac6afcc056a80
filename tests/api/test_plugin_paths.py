"""Routes of plugins at paths of their own."""

from pathlib import Path
from typing import ClassVar

import pytest
from fastapi import APIRouter

from api_server import fake_server
from jackfield import Plugin, Routes, hookimpl
from jackfield.errors import InvalidRequest


def router(*paths: str) -> APIRouter:
    made = APIRouter()
    for path in paths:
        made.add_api_route(path, lambda: {"here": True})
    return made


class Shelf(Plugin):
    """Has paths of its own."""

    given: ClassVar[Routes] = Routes(
        router=router("/api/shelf", "/api/shelf/{number}"), paths=("/api/shelf",)
    )

    @hookimpl
    def jackfield_routes(self):
        return self.given


class Audio(Shelf):
    """Below /v1, and it fails."""

    @hookimpl
    def jackfield_routes(self):
        made = APIRouter()

        @made.get("/v1/sounds/one")
        def one():
            raise InvalidRequest("There is no sound.", hint="Make one.", param="sound")

        return Routes(router=made, paths=("/v1/sounds",))


def test_a_plugin_answers_at_its_own_paths_while_it_is_enabled(tmp_path: Path) -> None:
    with fake_server(tmp_path, Shelf, Audio) as server:
        assert server.http.get("/api/shelf").json() == {"here": True}
        assert server.http.get("/api/shelf/7").json() == {"here": True}
        assert server.http.get("/api/shelves").status_code == 404
        error = server.http.get("/v1/sounds/one")
        assert error.status_code == 400
        assert error.json()["error"]["param"] == "sound"
        server.app.plugins.disable("shelf")
        assert server.http.get("/api/shelf").status_code == 404
        server.app.plugins.enable("shelf")
        assert server.http.get("/api/shelf").status_code == 200


@pytest.mark.parametrize(
    ("paths", "routes", "words"),
    [
        (("/api/models",), ("/api/models",), "taken already"),
        (("/v1/chat",), ("/v1/chat/x",), "taken already"),
        (("/api/plugins/x",), ("/api/plugins/x",), "taken already"),
        (("/other",), ("/other",), "no path below /api or /v1"),
        (("/api/mine",), ("/api/yours",), "lies below none of its paths"),
    ],
)
def test_paths_of_others_are_refused(tmp_path: Path, paths, routes, words) -> None:
    class Greedy(Shelf):
        """Wants what it may not have."""

        given = Routes(router=router(*routes), paths=paths)

    with fake_server(tmp_path, Greedy, Shelf) as server:
        assert server.http.get("/api/shelf").status_code == 200
        assert server.http.get(routes[0]).json() != {"here": True}
        assert words in server.app.plugins.record("greedy").error

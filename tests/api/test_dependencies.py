"""What each request goes through before its route is called."""

import inspect

from fastapi.routing import APIRoute

from jackfield.api.build import build_api
from jackfield.application import Application


def calls(dependant):
    for one in dependant.dependencies:
        yield one.call
        yield from calls(one)


def test_no_request_waits_for_a_thread_before_its_route_is_called(paths):
    api = build_api(Application.create(paths, entry_points=[]))
    seen, routes = [], list(api.routes)
    while routes:
        route = routes.pop()
        routes += getattr(getattr(route, "original_router", route), "routes", None) or []
        if isinstance(route, APIRoute):
            seen += calls(route.dependant)
    assert len(seen) > 20
    assert {one.__name__ for one in seen if not inspect.iscoroutinefunction(one)} == set()

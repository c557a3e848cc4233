"""The template of a route, from what each generation of Starlette and FastAPI leaves in the scope."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Match, Mount, Route, Router

from obsv.patches._asgi_routes import template


async def hello(request: Any) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def other(request: Any) -> PlainTextResponse:
    return PlainTextResponse("other")


files = PlainTextResponse("a file")


def application() -> Starlette:
    return Starlette(
        routes=[
            Route("/a/{x}", hello),
            Route("/b/{x}", hello),
            Route("/post", other, methods=["POST"]),
            Route("/post", hello, methods=["PUT"]),
            Mount("/files", files),
            Mount("/{tenant}/m", routes=[Route("/c", hello), Mount("/files", files)]),
            Host("x.example", Router([Route("/host", hello)])),
        ]
    )


def old_scope(path: str, endpoint: Any = None, method: str = "GET", **more: Any) -> dict[str, Any]:
    """What Starlette before 1.0 leaves: an endpoint, no route."""
    scope = {"type": "http", "method": method, "path": path, "root_path": "", **more}
    return scope if endpoint is None else {**scope, "endpoint": endpoint}


@pytest.mark.parametrize(
    ("path", "endpoint", "expected"),
    [
        ("/a/1", hello, "/a/{x}"),
        ("/b/1", hello, "/b/{x}"),
        ("/acme/m/c", hello, "/{tenant}/m/c"),
        ("/files/x/y", files, "/files/{path}"),
        ("/acme/m/files/x", files, "/{tenant}/m/files/{path}"),
        ("/host", hello, "/host"),
        ("/nowhere", hello, None),
    ],
)
def test_older_starlette(path: str, endpoint: Any, expected: str | None) -> None:
    assert template(application(), old_scope(path, endpoint), "", 200) == expected


def test_nothing_is_searched_when_nothing_was_found() -> None:
    class NoRoutes:
        pass

    assert template(NoRoutes(), old_scope("/a/1"), "", 404) is None


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [("GET", "/a/1", "/a/{x}"), ("PUT", "/post", "/post"), ("DELETE", "/post", "/post"), ("GET", "/x", None)],
)
def test_answer_that_came_before_routing(method: str, path: str, expected: str | None) -> None:
    assert template(application(), old_scope(path, None, method), "", 401) == expected


def test_application_root() -> None:
    assert template(application(), old_scope("/api/a/1", hello, root_path="/api"), "/api", 200) == "/api/a/{x}"
    assert template(application(), old_scope("/a/1", hello, root_path="/api/"), "/api/", 200) == "/api/a/{x}"


def test_fastapi_before_it_kept_routers() -> None:
    app = FastAPI()
    app.get("/items/{item}")(hello)
    route: Any = next(each for each in app.routes if getattr(each, "path", "") == "/items/{item}")
    match, child = route.matches({"type": "http", "method": "GET", "path": "/items/1"})
    assert match is Match.FULL
    assert template(app, {**old_scope("/items/1"), **child}, "", 200) == "/items/{item}"


def test_stale_route_of_a_mount_is_not_believed() -> None:
    app = application()
    scope = old_scope("/acme/m/c", hello, route=app.routes[4])  # the scope's route is a mount, its endpoint is not
    assert template(app, scope, "", 200) == "/{tenant}/m/c"


def test_routers_of_fastapi_are_searched() -> None:
    inner, outer, app = APIRouter(), APIRouter(), FastAPI()
    inner.get("/c")(hello)
    outer.include_router(inner, prefix="/b")
    app.include_router(outer, prefix="/a")
    assert template(app, old_scope("/a/b/c"), "", 401) == "/a/b/c"


def test_applications_that_mount_themselves_end() -> None:
    app = Starlette()
    app.routes.append(Mount("", app))
    assert template(app, old_scope("/x"), "", 401) is not None

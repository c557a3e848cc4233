"""The template (``http.route``) of the route that Starlette or FastAPI chose, read from the ASGI scope.

Nothing is matched a second time when the scope says it: ``scope["route"]`` (FastAPI; Starlette since 1.0) with
``scope["endpoint"]``. Older Starlettes leave the endpoint only, mounted applications a route that knows nothing of
its mount, and an answer of a middleware's nothing at all: then the routes are searched.
"""

from __future__ import annotations

from typing import Any

from ..hotpath.connection import said

_MAX_DEPTH = 16  # applications mounted in one another


def template(app: Any, scope: Any, root: str, status: int | None) -> str | None:
    """Return the template of the request's path with the application's root before it; None when no route fits.

    Args:
        app: The outermost application.
        scope: The ASGI scope, after routing.
        root: The scope's ``root_path`` before routing: a mount makes it longer.
        status: The answer's status.
    """
    found = said(scope if type(scope) is dict else dict(scope), root)
    if found is not None:
        return found
    endpoint = scope.get("endpoint")
    if endpoint is None and status == 404:  # routing was tried: nothing fits
        return None
    path: str = scope["path"]
    if root and path.startswith(root):
        path = path[len(root) :]
    found = _search(app.routes, endpoint, path, scope, _MAX_DEPTH)
    return None if found is None else root.rstrip("/") + found


def _search(routes: Any, endpoint: Any, path: str, scope: Any, depth: int) -> str | None:
    """Find the route of ``endpoint`` (of any, when None) that fits the path."""
    partial: str | None = None
    for route in routes:
        included = getattr(route, "effective_candidates", None)  # a router in a FastAPI application
        if included is not None:
            inner = [getattr(each, "starlette_route", None) or each for each in included()] if depth else []
            found = _search(inner, endpoint, path, scope, depth - 1)
        elif hasattr(route, "routes"):
            found = _mounted(route, endpoint, path, scope, depth)
        else:
            found = None
            own = getattr(route, "endpoint", None)
            if own is not None and (endpoint is None or own is endpoint) and _fits(route, path):
                methods = getattr(route, "methods", None)
                if not methods or scope.get("method") in methods:
                    template: str = route.path
                    return template
                partial = partial or route.path
        if found is not None:
            return found
    return partial


def _mounted(route: Any, endpoint: Any, path: str, scope: Any, depth: int) -> str | None:
    """Look below a ``Mount`` or a ``Host``. What is mounted may have no routes (static files, a WSGI application)."""
    pattern = getattr(route, "path_regex", None)
    if pattern is None:  # a Host
        return _search(route.routes, endpoint, path, scope, depth - 1) if depth else None
    match = pattern.match(path)
    if match is None:
        return None
    rest = "/" + match.groupdict().get("path", "")
    found = _search(route.routes or (), endpoint, rest, scope, depth - 1) if depth else None
    if found is None and (endpoint is None or route.app is endpoint):
        found = "/{path}"
    return None if found is None else route.path + found


def _fits(route: Any, path: str) -> bool:
    pattern = getattr(route, "path_regex", None)
    return pattern is not None and pattern.match(path) is not None

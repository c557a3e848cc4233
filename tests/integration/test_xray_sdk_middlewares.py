"""The middlewares of aws-xray-sdk's API on obsv, and the library's own where it can be compared: Flask, Django, Bottle,
aiohttp, each with the framework itself."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import obsv
from xray_programs import COMMON, HEADER, LAMBDA, OBSV, Daemon, flat, ours, run, tree

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("aws_xray_sdk")

SAME = ("name", "http", "annotations", "trace_id", "parent_id", "error", "fault", "throttle")
"""What has to be the same in the library's segment of a request and in obsv's."""


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    made = Daemon()
    yield made
    made.socket.close()


def same(daemon: Daemon, tmp_path: Path, program: str, **settings: str) -> list[dict[str, Any]]:
    """Run a program through the library and through obsv: its requests are the same segments. Returns obsv's."""
    theirs, _ = run(daemon, tmp_path, COMMON + textwrap.dedent(program))
    mine, errors = run(daemon, tmp_path, OBSV + COMMON + textwrap.dedent(program), **settings)
    assert "obsv" not in errors
    for one, other in zip(theirs, mine, strict=True):
        for key in SAME:
            assert one.get(key) == other.get(key), (key, one, other)
        assert tree(one) == tree(other)
    return mine


# ---- Flask


FLASK = """
    from flask import Flask
    from aws_xray_sdk.ext.flask.middleware import XRayMiddleware
    app = Flask("app")
    XRayMiddleware(app, xray_recorder)
    @app.get("/users/<name>")
    def user(name):
        xray_recorder.current_segment().put_annotation("name", name)
        with xray_recorder.in_subsegment("load"):
            if name == "nobody":
                raise KeyError(name)
        return "hello"
    app.config["PROPAGATE_EXCEPTIONS"] = False
    client = app.test_client()
    root = "1-5759e988-bd862e3fe1be46a994272793"
    headers = {"X-Amzn-Trace-Id": f"Root={root};Parent=53995c3f42cd8ad8;Sampled=?", "X-Forwarded-For": "192.0.2.1"}
    answer = client.get("/users/bob?x=1", headers=headers)
    assert answer.headers["X-Amzn-Trace-Id"] == f"Root={root};Sampled=1", answer.headers
    headers["X-Amzn-Trace-Id"] = f"Root={root};Parent=53995c3f42cd8ad8;Sampled=1"
    answer = client.get("/users/nobody", headers=headers)
    assert answer.status_code == 500
    assert answer.headers["X-Amzn-Trace-Id"] == f"Root={root}", answer.headers
    assert xray_recorder.get_trace_entity() is None
"""


def test_flask_requests_are_the_same_segments(daemon: Daemon, tmp_path: Path) -> None:
    """With obsv's own patch of Flask off, the middleware does what the library's does."""
    same(daemon, tmp_path, FLASK, OBSV_PATCH="-flask")


def test_with_obsvs_patch_of_flask_a_request_is_one_segment(daemon: Daemon, tmp_path: Path) -> None:
    documents, _ = run(daemon, tmp_path, OBSV + COMMON + textwrap.dedent(FLASK))
    assert [tree(each) for each in documents] == [{"svc": ["load"]}, {"svc": ["load"]}]
    assert [each["annotations"]["name"] for each in documents] == ["bob", "nobody"]
    assert [each["http"]["response"]["status"] for each in documents] == [200, 500]
    assert {each["parent_id"] for each in documents} == {"53995c3f42cd8ad8"}


def test_templates_that_flask_renders_are_subsegments(daemon: Daemon, tmp_path: Path) -> None:
    program = """
        from flask import Flask, render_template, render_template_string
        from jinja2 import DictLoader
        from aws_xray_sdk.ext.flask.middleware import XRayMiddleware
        app = Flask("app")
        app.jinja_loader = DictLoader({"cart.html": "{{ xray.name }}"})
        XRayMiddleware(app, xray_recorder)
        XRayMiddleware(Flask("other"), xray_recorder)
        @app.get("/")
        def cart():
            return render_template("cart.html", xray=xray_recorder.current_segment())
        assert app.test_client().get("/").text == "svc"
        with app.app_context():
            assert render_template_string("by itself") == "by itself"
        """
    [document] = ours(daemon, tmp_path, program, OBSV_PATCH="aws-xray-sdk")
    assert tree(document) == {"svc": ["cart.html"]}


@pytest.mark.parametrize("patch", ["-flask", "auto"])
def test_in_lambda_a_request_is_a_subsegment(daemon: Daemon, tmp_path: Path, patch: str) -> None:
    """As the library's documentation says of its middlewares in Lambda: views ask for the current subsegment."""
    pytest.importorskip("flask")
    program = """
        from flask import Flask
        from aws_xray_sdk.ext.flask.middleware import XRayMiddleware
        app = Flask("app")
        XRayMiddleware(app, xray_recorder)
        @app.get("/users/<name>")
        def user(name):
            xray_recorder.current_subsegment().put_annotation("name", name)
            return "hello"
        HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=1111111111111111;Sampled=1"  # of the gateway
        assert app.test_client().get("/users/bob", headers={"X-Amzn-Trace-Id": HEADER}).status_code == 200
        """
    settings = {} if patch == "auto" else {"OBSV_PATCH": patch}
    [document] = ours(daemon, tmp_path, program, **LAMBDA, **settings)
    assert document["type"] == "subsegment"
    assert document["annotations"]["name"] == "bob"
    assert document["trace_id"] in HEADER
    if patch != "auto":
        assert document["parent_id"] in HEADER
        assert document["http"]["response"]["status"] == 200


# ---- Django


DJANGO = """
    import django
    from django.conf import settings
    from django.http import HttpResponse, HttpResponseNotFound
    from django.urls import path

    def user(request, name):
        xray_recorder.current_segment().put_annotation("name", name)
        with xray_recorder.in_subsegment("load"):
            if name == "nobody":
                raise KeyError(name)
        return HttpResponse("hello") if name == "bob" else HttpResponseNotFound("who?")

    urlpatterns = [path("users/<name>", user)]
    settings.configure(
        ROOT_URLCONF=__name__, ALLOWED_HOSTS=["shop.example", "testserver"], SECRET_KEY="x", LOGGING_CONFIG=None,
        INSTALLED_APPS=["aws_xray_sdk.ext.django"],
        MIDDLEWARE=[
            "aws_xray_sdk.ext.django.middleware.XRayMiddleware", "django.middleware.common.CommonMiddleware",
        ],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "OPTIONS": {
            "loaders": [("django.template.loaders.locmem.Loader", {"cart.html": "{{ a }}"})]}}],
        XRAY_RECORDER={"AWS_XRAY_TRACING_NAME": "svc", "SAMPLING": False, **globals().get("SAID", {})},
    )
    django.setup()
    from django.test import Client
    client = Client(raise_request_exception=False, headers={"host": "shop.example"})
    root = "1-5759e988-bd862e3fe1be46a994272793"
    PARENT = "Parent=53995c3f42cd8ad8"
"""
REQUESTS = """
    def get(place, sampled, **headers):
        return client.get(place, headers={"X-Amzn-Trace-Id": f"Root={root};{PARENT};Sampled={sampled}", **headers})
    answer = get("/users/bob?x=1", "?", **{"X-Forwarded-For": "192.0.2.1", "User-Agent": "curl/8"})
    assert answer["X-Amzn-Trace-Id"] == f"Root={root};Sampled=1", answer.headers
    assert get("/users/carol", "1").status_code == 404
    assert get("/users/nobody", "1").status_code == 500
    assert get("/nowhere", "1").status_code == 404
    assert xray_recorder.get_trace_entity() is None
"""


def test_django_requests_are_the_same_segments(daemon: Daemon, tmp_path: Path) -> None:
    pytest.importorskip("django")
    mine = same(daemon, tmp_path, DJANGO + REQUESTS)
    assert [each["http"]["response"]["status"] for each in mine] == [200, 404, 500, 404]
    assert mine[0]["http"]["request"]["client_ip"] == "192.0.2.1"
    assert mine[2]["cause"]["exceptions"][0]["type"].endswith("KeyError")


def test_a_host_that_django_does_not_take_leaves_nothing_open(daemon: Daemon, tmp_path: Path) -> None:
    pytest.importorskip("django")
    program = (
        DJANGO
        + """
    client = Client(raise_request_exception=False, headers={"host": "evil.example"})
    assert client.get("/users/bob").status_code == 400
    assert xray_recorder.get_trace_entity() is None
    """
    )
    [document], _ = run(daemon, tmp_path, OBSV + COMMON + textwrap.dedent(program))
    assert document["http"]["response"]["status"] == 400
    assert document["http"]["request"]["url"] == "/users/bob"


def test_templates_that_django_renders_are_subsegments(daemon: Daemon, tmp_path: Path) -> None:
    pytest.importorskip("django")
    program = (
        DJANGO
        + """
    from django.shortcuts import render
    urlpatterns.append(path("cart", lambda request: render(request, "cart.html", {"a": 1})))
    assert client.get("/cart", headers={"X-Amzn-Trace-Id": f"Root={root};{PARENT};Sampled=1"}).status_code == 200
    """
    )
    [document] = same(daemon, tmp_path, program)
    assert tree(document) == {"svc": ["cart.html"]}


@pytest.mark.parametrize(("said", "annotated"), [("{}", False), ("{'URLS_AS_ANNOTATION': 'ALL'}", True)])
def test_what_a_django_request_says_can_be_annotations(
    daemon: Daemon, tmp_path: Path, said: str, annotated: bool
) -> None:
    pytest.importorskip("django")
    mine = same(daemon, tmp_path, f"SAID = {said}\n" + textwrap.dedent(DJANGO + REQUESTS))
    assert ("url" in mine[0]["annotations"]) is annotated


def test_in_lambda_django_requests_are_subsegments_with_annotations(daemon: Daemon, tmp_path: Path) -> None:
    pytest.importorskip("django")
    program = (
        DJANGO.replace("current_segment()", "current_subsegment()")
        + """
    assert client.get("/users/bob").status_code == 200
    """
    )
    [document] = ours(daemon, tmp_path, program, **LAMBDA)
    assert (document["type"], document["parent_id"]) == ("subsegment", "53995c3f42cd8ad8")
    assert document["annotations"]["url"] == "http://shop.example/users/bob"
    assert document["annotations"]["status"] == 200


def test_django_under_asgi(daemon: Daemon, tmp_path: Path) -> None:
    pytest.importorskip("django")
    program = (
        DJANGO
        + """
    import asyncio
    from django.test import AsyncClient
    async def slow(request, number):
        with xray_recorder.in_subsegment(f"slow {number}"):
            await asyncio.sleep(0.01)
        return HttpResponse("hello")
    urlpatterns.append(path("slow/<int:number>", slow))
    async def main():
        client = AsyncClient()
        await asyncio.gather(*[client.get(f"/slow/{number}") for number in range(3)])
    asyncio.run(main())
    """
    )
    documents = ours(daemon, tmp_path, program)
    assert sorted(map(str, map(tree, documents))) == [str({"svc": [f"slow {number}"]}) for number in range(3)]


# ---- Bottle


BOTTLE = """
    import io
    import bottle
    from aws_xray_sdk.ext.bottle.middleware import XRayMiddleware
    app = bottle.Bottle()
    app.install(XRayMiddleware(xray_recorder))
    root = "1-5759e988-bd862e3fe1be46a994272793"
    PARENT = "Parent=53995c3f42cd8ad8"

    def get(place, sampled="1", **environ):
        found = {}
        def start_response(status, headers, exc_info=None):
            found.update(status=int(status.split()[0]), headers=dict(headers))
        environ = {
            "REQUEST_METHOD": "GET", "PATH_INFO": place, "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "shop.example", "wsgi.url_scheme": "http",
            "HTTP_X_AMZN_TRACE_ID": f"Root={root};{PARENT};Sampled={sampled}", "REMOTE_ADDR": "192.0.2.7",
            "HTTP_X_FORWARDED_FOR": "192.0.2.1", "HTTP_USER_AGENT": "curl/8", "wsgi.errors": io.StringIO(), **environ,
        }
        list(app(environ, start_response))
        return found

    @app.get("/users/<name>")
    def user(name):
        xray_recorder.current_segment().put_annotation("name", name)
        with xray_recorder.in_subsegment("load"):
            if name == "nobody":
                raise KeyError(name)
        return "hello"
"""


def test_bottle_requests_are_the_same_segments(daemon: Daemon, tmp_path: Path) -> None:
    pytest.importorskip("bottle")
    program = (
        BOTTLE
        + """
    @app.get("/cart")
    def cart():
        return bottle.template("{{a}}", a=1)
    answer = get("/users/bob", "?")
    assert answer["headers"]["X-Amzn-Trace-Id"] == f"Root={root};Sampled=1", answer
    assert get("/users/nobody")["status"] == 500
    assert get("/cart")["status"] == 200
    assert xray_recorder.get_trace_entity() is None
    """
    )
    mine = same(daemon, tmp_path, program)
    assert [each["http"]["response"]["status"] for each in mine] == [200, 500, 200]
    assert mine[1]["cause"]["exceptions"][0]["type"].endswith("KeyError")
    assert tree(mine[2]) == {"svc": ["template_render"]}


def test_an_answer_of_bottles_that_is_raised_or_returned_is_an_answer(daemon: Daemon, tmp_path: Path) -> None:
    """The library takes `redirect()` and `abort(404)` for faults, and a returned response for a 200."""
    pytest.importorskip("bottle")
    program = (
        BOTTLE
        + """
    @app.get("/raised/<status:int>")
    def raised(status):
        bottle.redirect("/") if status < 400 else bottle.abort(status, "no")
    @app.get("/returned")
    def returned():
        return bottle.HTTPResponse("no", 429)
    for place in ("/raised/303", "/raised/404", "/raised/503", "/returned"):
        answer = get(place)
        assert answer["status"] == 503 or answer["headers"]["X-Amzn-Trace-Id"] == f"Root={root}", answer
    """
    )
    documents = ours(daemon, tmp_path, program)
    assert [each["http"]["response"]["status"] for each in documents] == [303, 404, 503, 429]
    flags = [{flag for flag in ("error", "fault", "throttle") if each.get(flag)} for each in documents]
    assert flags == [set(), {"error"}, {"fault"}, {"error", "throttle"}]
    assert ["cause" in each for each in documents] == [False, False, True, False]


def test_in_lambda_bottle_requests_are_subsegments(daemon: Daemon, tmp_path: Path) -> None:
    pytest.importorskip("bottle")
    program = (
        BOTTLE.replace("current_segment()", "current_subsegment()")
        + """
    assert get("/users/bob")["status"] == 200
    """
    )
    [document] = ours(daemon, tmp_path, program, **LAMBDA)
    assert (document["type"], document["parent_id"]) == ("subsegment", "53995c3f42cd8ad8")
    assert [each["name"] for each in flat(document)] == ["svc", "load"]


# ---- aiohttp


def test_aiohttp_servers_and_clients(daemon: Daemon, tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    documents = ours(
        daemon,
        tmp_path,
        """
        import asyncio
        from aiohttp import ClientSession, web
        from aws_xray_sdk.ext.aiohttp.client import aws_xray_trace_config
        from aws_xray_sdk.ext.aiohttp.middleware import middleware
        async def hello(request):
            xray_recorder.put_annotation("path", request.path)
            if request.path == "/missing":
                raise web.HTTPNotFound()
            return web.Response(text="hi")
        async def main():
            app = web.Application(middlewares=[middleware])
            app.router.add_get("/{tail:.*}", hello)
            runner = web.AppRunner(app)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            port = site._server.sockets[0].getsockname()[1]
            async with ClientSession(trace_configs=[aws_xray_trace_config()]) as session:
                async with xray_recorder.in_segment_async("client"):
                    for path in ("hello", "missing"):
                        async with session.get(f"http://127.0.0.1:{port}/{path}?secret=1") as answer:
                            await answer.text()
            await runner.cleanup()
        asyncio.run(main())
        """,
        OBSV_PATCH="aws-xray-sdk",
    )
    served = [each for each in documents if each["name"] == "svc"]
    [called] = [each for each in documents if each["name"] == "client"]
    assert [each["http"]["response"]["status"] for each in served] == [200, 404]
    calls = called["subsegments"]
    assert [call["namespace"] for call in calls] == ["remote", "remote"]
    assert [call["id"] for call in calls] == [each["parent_id"] for each in served]
    assert "secret" not in calls[0]["http"]["request"]["url"]


def test_aiohttp_answers_that_are_raised_and_failures(daemon: Daemon, tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    program = """
        import asyncio
        from aiohttp import web
        from aiohttp.test_utils import make_mocked_request
        from aws_xray_sdk.core.async_context import AsyncContext
        from aws_xray_sdk.ext.aiohttp.middleware import middleware
        async def main():
            xray_recorder.configure(service="svc", context=AsyncContext(loop=asyncio.get_running_loop()))
            async def handler(request):
                async with xray_recorder.in_subsegment_async("load"):
                    if request.path == "/fails":
                        raise KeyError("nobody")
                if request.path == "/missing":
                    raise web.HTTPNotFound()
                if request.path == "/gone":
                    raise web.HTTPFound("/")
                return web.Response(text="hello")
            root = "1-5759e988-bd862e3fe1be46a994272793"
            for path in ("/", "/missing", "/gone", "/fails"):
                headers = {"Host": "shop.example:80", "User-Agent": "curl/8", "X-Forwarded-For": "192.0.2.1",
                           "X-Amzn-Trace-Id": f"Root={root};Parent=53995c3f42cd8ad8;Sampled=?"}
                try:
                    answer = await middleware(make_mocked_request("GET", path, headers), handler)
                except web.HTTPException as error:
                    answer = error
                except KeyError:
                    continue
                assert answer.headers["X-Amzn-Trace-Id"] == f"Root={root};Sampled=1"
        asyncio.run(main())
        """
    mine = same(daemon, tmp_path, program)
    assert [each["http"]["response"]["status"] for each in mine] == [200, 404, 302, 500]


# ---- without the library


@pytest.mark.parametrize(
    ("modules", "program"),
    [
        ("flask werkzeug jinja2 click itsdangerous blinker markupsafe", FLASK),
        ("django asgiref sqlparse", DJANGO + REQUESTS),
        ("bottle", BOTTLE + '\n    assert get("/users/bob", "1")["status"] == 200\n'),
    ],
    ids=["flask", "django", "bottle"],
)
def test_without_the_library_the_middlewares_are_there(
    daemon: Daemon, tmp_path: Path, modules: str, program: str
) -> None:
    place = tmp_path / "installed"
    place.mkdir()
    for module in modules.split():
        found = Path(str(pytest.importorskip(module).__file__))
        found = found.parent if found.name == "__init__.py" else found
        for each in (found, *found.parent.glob(f"{module}-*.dist-info")):
            (place / each.name).symlink_to(each)
    file = tmp_path / "program.py"
    file.write_text(OBSV + COMMON + textwrap.dedent(program))
    path = os.pathsep.join([str(place), str(Path(obsv.__file__).parents[1])])
    done = subprocess.run(  # -S: without site-packages
        [sys.executable, "-S", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path, "OBSV_XRAY_DAEMON_ADDRESS": daemon.address}
        | {"OBSV_PATCH": "aws-xray-sdk"},
    )
    assert done.returncode == 0, done.stderr
    assert "obsv" not in done.stderr
    first = daemon.documents()[0]
    assert (first["name"], first["annotations"]["name"]) == ("svc", "bob")
    assert [each["name"] for each in flat(first)] == ["svc", "load"]

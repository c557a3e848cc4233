"""Flask, patched: real applications behind a real Werkzeug server, with threads."""

from __future__ import annotations

import gc
import http.client
import inspect
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Blueprint, Flask, Response, abort, request, send_file, stream_with_context
from werkzeug.middleware.dispatcher import DispatcherMiddleware

import obsv
from obsv.hotpath import compiled, exchange, faults, gateway
from obsv.hotpath.span import LocalTrace, Span
from obsv.patches import flask as patched
from obsv.testing import Capture, capture
from servers import WebServer, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
DURATION = "http.server.request.duration"


@pytest.fixture
def seen() -> Iterator[Capture]:
    with capture(patch="flask") as captured:
        yield captured


def get(server: WebServer, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    """One request over a real connection."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def spans(seen: Capture, count: int) -> list[Span]:
    """So many spans: a request's ends a moment after its client has the answer."""
    wait_until(lambda: len(seen.spans) >= count, f"{count} spans")
    assert len(seen.spans) == count
    return seen.spans


def shop() -> Flask:
    app = Flask("shop")
    orders = Blueprint("orders", "orders", url_prefix="/orders")

    @app.get("/items/<int:item>")
    def item(item: int) -> dict[str, int]:
        return {"item": item}

    @orders.get("/<order>")
    def order(order: str) -> str:
        return order

    @app.get("/boom")
    def boom() -> str:
        raise ValueError("no luck")

    @app.get("/busy")
    def busy() -> str:
        abort(503)

    @app.get("/stream")
    def stream() -> Response:
        def parts() -> Iterator[str]:
            for number in range(3):
                with obsv.span("part", number=number):
                    time.sleep(0.02)
                yield f"{request.args.get('word', '')}{number}"

        return Response(stream_with_context(parts()))

    @app.get("/broken")
    def broken() -> Response:
        def parts() -> Iterator[str]:
            yield "a"
            raise KeyError("in the middle")

        return Response(parts())

    @app.get("/file")
    def file() -> Response:
        return send_file(Path(__file__))

    app.register_blueprint(orders)
    return app


# ---------------------------------------------------------------------- the span


def test_span_says_what_the_conventions_want(seen: Capture, wsgi_server: Callable[..., WebServer]) -> None:
    server = wsgi_server(shop())
    status, body = get(server, "/items/7?q=1&AWSAccessKeyId=secret", User_Agent="tester/1")
    assert (status, body) == (200, b'{"item":7}\n')
    [span] = spans(seen, 1)
    assert (span.name, span.kind_value, span.status_value, span.event_list) == ("GET /items/<int:item>", 1, 0, None)
    assert span.parent_id is None
    assert span.attributes == {
        "http.request.method": "GET",
        "http.route": "/items/<int:item>",
        "http.response.status_code": 200,
        "url.path": "/items/7",
        "url.query": "q=1&AWSAccessKeyId=REDACTED",
        "url.scheme": "http",
        "server.address": "127.0.0.1",
        "server.port": server.port,
        "client.address": "127.0.0.1",
        "network.peer.address": "127.0.0.1",
        "network.protocol.version": "1.1",
        "user_agent.original": "tester/1",
    }
    point = seen.point(DURATION)
    assert (point.unit, point.kind, point.count) == ("Seconds", "histogram", 1)
    assert point.attributes == {
        "http.request.method": "GET",
        "http.route": "/items/<int:item>",
        "http.response.status_code": 200,
        "url.scheme": "http",
    }


@pytest.mark.parametrize(
    ("method", "path", "name", "status"),
    [
        ("GET", "/orders/7", "GET /orders/<order>", 200),
        ("HEAD", "/items/7", "HEAD /items/<int:item>", 200),
        ("OPTIONS", "/items/7", "OPTIONS /items/<int:item>", 200),
        ("POST", "/items/7", "POST", 405),
        ("get", "/items/7", "GET /items/<int:item>", 200),
        ("BREW", "/items/7", "HTTP", 405),
        ("GET", "/nowhere", "GET", 404),
        ("GET", "/items/seven", "GET", 404),
    ],
)
def test_route_names_the_span(seen: Capture, method: str, path: str, name: str, status: int) -> None:
    environ = {"REQUEST_METHOD": method}  # the test client would write it in capitals
    with shop().test_client().open(path, environ_overrides=environ) as answer:
        assert answer.status_code == status
    [span] = seen.spans
    assert span.name == name
    assert span.attributes.get("http.route") == (name.partition(" ")[2] or None)
    assert span.attributes["http.response.status_code"] == status
    assert span.attributes.get("http.request.method_original") == ("BREW" if method == "BREW" else None)
    assert span.status_value == 0


def test_paths_are_decoded_and_hosts_taken_apart(seen: Capture) -> None:
    client = shop().test_client()
    client.get(
        "/orders/caf\u00e9", headers={"X-Forwarded-For": "203.0.113.7, 10.0.0.1"}, base_url="https://Shop.example"
    )
    client.get("/orders/1", headers={"Host": "user:secret@x"})
    first, second = (span.attributes for span in seen.spans)
    assert first["url.path"] == "/orders/caf\u00e9"
    assert (first["server.address"], first["server.port"], first["url.scheme"]) == ("shop.example", 443, "https")
    assert (first["client.address"], first["network.peer.address"]) == ("203.0.113.7", "127.0.0.1")
    assert second["server.address"] == "localhost"
    assert "secret" not in repr(second)


def test_root_of_a_dispatched_application_is_part_of_the_route(
    seen: Capture, wsgi_server: Callable[..., WebServer]
) -> None:
    front = Flask("front")
    front.wsgi_app = DispatcherMiddleware(front.wsgi_app, {"/shop": shop()})  # type: ignore[method-assign]
    server = wsgi_server(front)
    assert get(server, "/shop/items/1")[0] == 200
    assert get(server, "/items/1")[0] == 404
    found = spans(seen, 2)
    assert [span.name for span in found] == ["GET /shop/items/<int:item>", "GET"]
    assert found[0].attributes["url.path"] == "/shop/items/1"


def test_middleware_assigned_before_and_after_patching(wsgi_server: Callable[..., WebServer]) -> None:
    class Middleware:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        def __call__(self, environ: Any, start_response: Any) -> Any:
            return self.inner(environ, start_response)

    before = shop()
    with capture(patch="flask") as seen:
        after = shop()
        after.wsgi_app = Middleware(after.wsgi_app)  # type: ignore[method-assign]
        before.wsgi_app = Middleware(before.wsgi_app)  # type: ignore[method-assign]
        get(wsgi_server(before), "/items/1")
        get(wsgi_server(after), "/items/2")
        assert [span.attributes["url.path"] for span in spans(seen, 2)] == ["/items/1", "/items/2"]


@pytest.mark.filterwarnings("ignore:starlette.middleware.wsgi is deprecated")
def test_mounted_in_fastapi_it_is_one_request(seen: Capture, asgi_server: Callable[..., WebServer]) -> None:
    from fastapi import FastAPI
    from starlette.middleware.wsgi import WSGIMiddleware

    obsv.patch("asgi")
    app = FastAPI()
    app.mount("/old", WSGIMiddleware(shop()))
    assert get(asgi_server(app), "/old/items/1") == (200, b'{"item":1}\n')
    [span] = spans(seen, 1)
    assert (span.name, span.attributes["url.path"]) == ("GET /old/{path}", "/old/items/1")


# ---------------------------------------------------------------------- trace context


@pytest.mark.parametrize(
    "header",
    [
        {"traceparent": TRACEPARENT},
        {"X-Amzn-Trace-Id": f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent={PARENT};Sampled=1"},
    ],
)
def test_trace_goes_on(seen: Capture, wsgi_server: Callable[..., WebServer], header: dict[str, str]) -> None:
    get(wsgi_server(shop()), "/items/1", **header)
    [span] = spans(seen, 1)
    assert (span.trace_id, span.parent_id, span.parent_remote) == (TRACE, PARENT, True)


ROOT = f"Root=1-{TRACE[:8]}-{TRACE[8:]}"


@pytest.mark.parametrize(
    ("share", "asked", "answer"),
    [
        (1.0, f"{ROOT};Sampled=?", [f"{ROOT};Sampled=1"]),
        (0.0, f"Sampled = ? ;{ROOT};Parent={PARENT}", [f"{ROOT};Sampled=0"]),
        (1.0, f"{ROOT};Parent={PARENT};Sampled=1", []),
        (1.0, ROOT, []),
        (1.0, "Sampled=?", []),
    ],
)
def test_an_answer_says_what_was_decided_where_x_rays_header_asks(share: float, asked: str, answer: list[str]) -> None:
    with capture(patch="flask", sample=share):
        for path in ("/items/1", "/busy", "/nowhere", "/boom", "/file", "/stream"):
            got = shop().test_client().get(path, headers={"X-Amzn-Trace-Id": asked})
            assert got.headers.getlist("X-Amzn-Trace-Id") == answer
            got.close()


def test_an_application_answers_for_itself(seen: Capture) -> None:
    app = shop()

    @app.after_request
    def mine(response: Response) -> Response:
        response.headers["x-amzn-trace-id"] = "mine"
        return response

    answer = app.test_client().get("/items/1", headers={"X-Amzn-Trace-Id": f"{ROOT};Sampled=?"})
    assert answer.headers.getlist("X-Amzn-Trace-Id") == ["mine"]


@pytest.mark.parametrize("header", ["garbage", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "\xff\xfe", "-" * 9999])
def test_garbage_begins_a_new_trace(seen: Capture, header: str) -> None:
    names = ("HTTP_TRACEPARENT", "HTTP_TRACESTATE", "HTTP_BAGGAGE", "HTTP_X_AMZN_TRACE_ID")
    answer = shop().test_client().get("/items/1", environ_overrides=dict.fromkeys(names, header))
    assert answer.status_code == 200
    [span] = seen.spans
    assert span.parent_id is None
    assert span.trace_id not in (TRACE, "0" * 32)


def test_unsampled_request_has_no_span_but_is_counted(seen: Capture) -> None:
    shop().test_client().get("/items/1", headers={"traceparent": TRACEPARENT[:-1] + "0"})
    assert seen.spans == []
    assert seen.point(DURATION).attributes["http.route"] == "/items/<int:item>"


def test_concurrent_requests_keep_apart(seen: Capture, wsgi_server: Callable[..., WebServer]) -> None:
    app = Flask("busy")

    @app.get("/work/<int:number>")
    def work(number: int) -> str:
        with obsv.span("step", number=number):
            time.sleep(0.001 * (number % 7))
            assert obsv.current_span().attributes["number"] == number
        return str(number)

    server = wsgi_server(app)

    def ask(number: int) -> None:
        get(server, f"/work/{number}", traceparent=f"00-{number + 1:032x}-{PARENT}-01")

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = spans(seen, 60)
    roots = {span.trace_lo: span for span in found if span.name != "step"}
    assert len(roots) == 30
    for step in found:
        if step.name == "step":
            assert step.trace_lo == step.attributes["number"] + 1
            assert step.parent64 == roots[step.trace_lo].id64


# ---------------------------------------------------------------------- failures


def test_exception_behind_a_500_is_recorded_once(seen: Capture, wsgi_server: Callable[..., WebServer]) -> None:
    assert get(wsgi_server(shop()), "/boom")[0] == 500
    [span] = spans(seen, 1)
    assert (span.name, span.status_value, span.status_message) == ("GET /boom", 2, "ValueError: no luck")
    assert (span.attributes["http.response.status_code"], span.attributes["error.type"]) == (500, "ValueError")
    [event] = span.event_list or []
    assert event.error is not None
    assert event.error.stack()[-1][2] == "boom"
    assert seen.point(DURATION).attributes["error.type"] == "ValueError"


def test_propagated_exception_passes_untouched(seen: Capture) -> None:
    app = shop()
    app.testing = True
    error = ValueError("the very one")

    @app.get("/same")
    def same() -> str:
        raise error

    with pytest.raises(ValueError, match="the very one") as raised:
        app.test_client().get("/same")
    assert raised.value is error
    [span] = seen.spans
    assert (span.status_value, len(span.event_list or [])) == (2, 1)
    assert span.attributes["http.response.status_code"] == 500
    assert obsv.current_span().span_id == "0" * 16


def test_handled_failures(seen: Capture) -> None:
    app = shop()

    @app.errorhandler(ValueError)
    def handle(error: ValueError) -> tuple[str, int]:
        return "teapot", 418

    client = app.test_client()
    assert client.get("/busy").status_code == 503
    assert client.get("/boom").status_code == 418
    busy, boom = seen.spans  # the bodies were never read nor closed
    assert (busy.status_value, busy.event_list, busy.attributes["error.type"]) == (2, None, "503")
    assert (boom.status_value, boom.event_list, "error.type" in boom.attributes) == (0, None, False)


def test_handler_for_500_and_failing_after_request(seen: Capture) -> None:
    app = shop()

    @app.errorhandler(500)
    def handle(error: Exception) -> tuple[str, int]:
        return "sorry", 500

    @app.after_request
    def after(response: Response) -> Response:
        if response.status_code == 200:
            raise RuntimeError("after")
        return response

    assert app.test_client().get("/items/1").data == b"sorry"
    [span] = seen.spans
    assert (span.name, span.attributes["error.type"]) == ("GET /items/<int:item>", "RuntimeError")
    assert span.attributes["http.response.status_code"] == 500


# ---------------------------------------------------------------------- bodies


def test_streamed_body_is_part_of_the_span(seen: Capture, wsgi_server: Callable[..., WebServer]) -> None:
    assert get(wsgi_server(shop()), "/stream?word=x") == (200, b"x0x1x2")
    found = spans(seen, 4)
    stream = seen.span("GET /stream")
    assert stream.end_ns - stream.start_ns >= 60_000_000
    assert all(span.parent64 == stream.id64 for span in found if span.name == "part")


def test_stream_that_fails_or_is_left(seen: Capture) -> None:
    with pytest.raises(KeyError):
        _ = shop().test_client().get("/broken").data
    with shop().test_client().get("/stream"):
        pass  # closed before it was read
    environ = shop().test_request_context("/stream").request.environ
    shop()(environ, lambda status, headers: None)  # neither read nor closed
    gc.collect()
    broken, left, unread = (span for span in seen.spans if span.kind_value == 1)
    assert (unread.name, unread.status_value, unread.event_list) == ("GET /stream", 0, None)
    assert (broken.status_value, broken.attributes["error.type"], len(broken.event_list or [])) == (2, "KeyError", 1)
    assert (left.name, left.status_value) == ("GET /stream", 0)
    assert obsv.current_span().span_id == "0" * 16


def test_head_of_a_stream(seen: Capture, wsgi_server: Callable[..., WebServer]) -> None:
    assert get(wsgi_server(shop()), "/stream", "HEAD") == (200, b"")
    assert [span.name for span in spans(seen, 1)] == ["HEAD /stream"]


def test_file_goes_to_the_server_untouched(seen: Capture, wsgi_server: Callable[..., WebServer]) -> None:
    assert get(wsgi_server(shop()), "/file") == (200, Path(__file__).read_bytes())
    assert spans(seen, 1)[0].name == "GET /file"

    class Wrapper:  # what gunicorn and uWSGI look for to use sendfile()
        def __init__(self, file: Any, size: int = 8192) -> None:
            self.file = file

        def __iter__(self) -> Iterator[bytes]:
            return iter(())

        def close(self) -> None:
            self.file.close()

    app = shop()
    environ = app.test_request_context("/file").request.environ
    body = app({**environ, "wsgi.file_wrapper": Wrapper}, lambda status, headers: None)
    assert type(body) is Wrapper
    body.close()


def test_body_at_hand_is_returned_as_it_is(seen: Capture) -> None:
    from werkzeug.wsgi import ClosingIterator

    app = shop()
    environ = app.test_request_context("/items/1").request.environ
    assert type(app(environ, lambda status, headers: None)) is ClosingIterator
    assert len(seen.spans) == 1


# ---------------------------------------------------------------------- settings and the patch itself


def test_excluded_urls() -> None:
    with capture(patch="flask", config={"excluded_urls": "^/orders,items/[0-4]$", "signals": False}) as seen:
        for path in ("/orders/1", "/items/3", "/items/5"):
            assert shop().test_client().get(path).status_code == 200
        assert [span.attributes["url.path"] for span in seen.spans] == ["/items/5"]
        assert seen.point(DURATION).count == 1


def test_nobody_notices_the_wrappers_and_unpatching_restores_the_originals() -> None:
    names = ("wsgi_app", "finalize_request", "handle_exception")
    own = {name: vars(Flask)[name] for name in names}
    with capture(patch="flask"):
        for name in names:
            wrapper = vars(Flask)[name]
            assert wrapper is not own[name]
            assert inspect.signature(wrapper) == inspect.signature(own[name])
            assert (wrapper.__name__, wrapper.__qualname__) == (own[name].__name__, own[name].__qualname__)
        app = shop()
        assert type(app) is Flask
        kept = app.wsgi_app
        obsv.unpatch("flask")
        assert {name: vars(Flask)[name] for name in names} == own
        app.wsgi_app = kept  # type: ignore[method-assign]  # a patched method that somebody kept falls silent
        assert app.test_client().get("/items/1").status_code == 200
        obsv.patch("flask")
        assert vars(Flask)["wsgi_app"] is not own["wsgi_app"]
    assert {name: vars(Flask)[name] for name in names} == own


ORDERS = {
    "obsv first": "start(); import flask",
    "framework first": "import flask; start()",
    "application first": "import flask; app = flask.Flask('app'); start()",
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_order_of_imports_does_not_matter(order: str) -> None:
    code = f"""
from obsv.testing import capture
block = capture(patch="flask")
def start():
    global seen
    seen = block.__enter__()
{order}
app = globals().get("app") or flask.Flask("app")
@app.get("/hello/<name>")
def hello(name):
    return name
assert app.test_client().get("/hello/you").data == b"you"
print([span.name for span in seen.spans])
block.__exit__(None, None, None)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.returncode) == ("['GET /hello/<name>']", 0), done.stderr


def test_an_application_that_others_wrapped_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their wrappers take whatever comes, so the replacements that are made for Flask's own methods do not fit."""
    for name in ("wsgi_app", "finalize_request"):
        own = getattr(Flask, name)

        def theirs(self: Any, *args: Any, own: Any = own, **kwargs: Any) -> Any:
            return own(self, *args, **kwargs)

        monkeypatch.setattr(Flask, name, theirs)
    with capture(patch="flask") as seen:
        client = shop().test_client()
        assert client.get("/items/1").data == b'{"item":1}\n'
        assert client.get("/boom").status_code == 500
        assert client.get("/stream").data == b"012"
    assert [(span.name, span.status_value) for span in seen.spans if span.name != "part"] == [
        ("GET /items/<int:item>", 0),
        ("GET /boom", 2),
        ("GET /stream", 0),
    ]
    assert obsv.current_span().span_id == "0" * 16


interpreted = pytest.mark.skipif(compiled(), reason="methods of compiled classes cannot be replaced")


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (patched._door, "variable"),
        (patched, "Body"),
        (patched._door, "streaming"),
        (patched._door, "excluded"),
        (gateway, "extract"),
        (gateway, "_extracted"),
        pytest.param(gateway.Call, "_see", marks=interpreted),
        pytest.param(exchange.Exchange, "open", marks=interpreted),
        pytest.param(exchange.Exchange, "finish", marks=interpreted),
        (exchange, "_first"),
        (exchange, "_cell"),
        (exchange, "redact_query"),
    ],
)
def test_a_bug_of_ours_leaves_the_answer_alone(
    seen: Capture, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], owner: Any, name: str
) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("a bug of ours")

    faults.reset()
    exchange._cells.clear()
    exchange._histogram = None
    monkeypatch.delenv("OBSV_RAISE")
    monkeypatch.setattr(owner, name, broken)
    client = shop().test_client()
    headers = {"traceparent": TRACEPARENT}
    assert client.get("/items/1?a=1", headers=headers).data == b'{"item":1}\n'
    assert client.get("/stream", headers=headers).data == b"012"
    assert client.get("/boom", headers=headers).status_code == 500
    assert faults.counts["patch flask"] >= 1
    assert capfd.readouterr().err.count("your code is fine") == 1
    assert obsv.current_span().span_id == "0" * 16


# ---------------------------------------------------------------------- bounds


def test_ten_thousand_requests_leave_nothing_behind() -> None:
    exchange._cells.clear()
    with capture(patch="flask", traces="none") as seen:
        app = shop()
        paths = ("/items/{}", "/nowhere/{}", "/orders/{}")

        def some(count: int) -> int:
            for number in range(count):
                environ = app.test_request_context(paths[number % 3].format(number)).request.environ
                environ["HTTP_HOST"] = f"h{number}.example"
                body = app(environ, lambda status, headers: None)
                list(body)
                body.close()
            gc.collect()
            return sum(type(each) in (patched.Call, Span, LocalTrace) for each in gc.get_objects())

        before = some(100)
        assert some(10_000) <= before
        assert len(seen.points) == len(exchange._cells) == 3
        assert len(exchange._hosts) <= 256

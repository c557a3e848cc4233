"""OpenTelemetry's instrumentors: which are started, when, and what becomes of those that fail."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from obsv.otel.instrumentors import Instrumentor, _installed, _instrumentors, _instruments, found
from programs import run, to

if TYPE_CHECKING:
    from pathlib import Path

    from collectors import Collector


def install(site: Path, name: str, version: str = "1.0", entry_points: str = "", metadata: str = "") -> None:
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\n{metadata}\nA text. extra\n")
    if entry_points:
        (folder / "entry_points.txt").write_text(entry_points)


def contrib(site: Path, name: str, value: str, *requires: str, more: str = "") -> None:
    metadata = "".join(f"Requires-Dist: {line}\n" for line in requires)
    points = f"[console_scripts]\na = b:c\n\n[opentelemetry_instrumentor]\n{name} = {value}\n{more}\n[z]\nx = y\n"
    install(site, f"opentelemetry-instrumentation-{name}", "0.5", points, metadata)


def search(site: Path) -> dict[str, Instrumentor]:
    return {one.name: one for one in _instrumentors(_installed([str(site)]))}


def test_what_each_waits_for(tmp_path: Path) -> None:
    install(tmp_path, "Jinja2", "3.1")
    install(tmp_path, "grpcio", "1.60")
    install(tmp_path, "psycopg2-binary", "2.9")
    install(tmp_path, "Some.Tool", "2.0")
    contrib(tmp_path, "jinja2", "a.b:C", "jinja2<4.0,>=2.7; extra == 'instruments'", "wrapt>=1")
    contrib(tmp_path, "grpc_client", "a:C [x]", 'grpcio<2,>=1.42; extra == "instruments"')
    contrib(
        tmp_path,
        "psycopg2",
        "a:C",
        "psycopg2>=2.7; extra == 'instruments-any'",
        "psycopg2-binary>=2.7; extra == 'instruments-any'",
    )
    contrib(tmp_path, "tool", "a:C", "some-tool; extra == 'instruments'")
    contrib(tmp_path, "urllib", "a:C")
    contrib(tmp_path, "asyncio", "a:C")
    contrib(tmp_path, "nothing", "a:C")
    contrib(tmp_path, "system_metrics", "a:C")
    one = search(tmp_path)
    assert {name: made.problem for name, made in one.items() if made.problem} == {}
    assert {name: made.modules for name, made in one.items()} == {
        "jinja2": ("jinja2",),
        "grpc_client": ("grpc",),
        "psycopg2": ("psycopg2",),
        "tool": ("some_tool",),
        "urllib": ("urllib.request",),
        "asyncio": ("asyncio",),
        "nothing": (),
        "system_metrics": (),
    }
    assert (one["grpc_client"].value, one["jinja2"].source) == ("a:C", "opentelemetry-instrumentation-jinja2 0.5")


def test_what_is_left_out(tmp_path: Path) -> None:
    install(tmp_path, "old", "1.9.3")
    install(tmp_path, "newest", "99.0")
    for name in ("flask", "fastapi", "starlette", "requests", "boto3", "redis"):
        contrib(tmp_path, name, "a:C")
    contrib(tmp_path, "old", "a:C", "old>=2.0; extra == 'instruments'")
    contrib(tmp_path, "newest", "a:C", "newest<3,>=1; extra == 'instruments'")
    contrib(tmp_path, "absent", "a:C", "absent>=1; extra == 'instruments'")
    contrib(tmp_path, "aws_lambda", "a:C")
    problems = {name: one.problem for name, one in search(tmp_path).items()}
    assert problems == {
        "flask": "left out: obsv has its own patch flask",
        "fastapi": "left out: obsv has its own patch asgi",
        "starlette": "left out: obsv has its own patch asgi",
        "requests": "left out: obsv has its own patch requests",
        "boto3": "left out: obsv has its own patch botocore",
        "redis": "left out: obsv has its own patch redis",
        "old": "left out: old 1.9.3 is installed, it needs 2.0 or newer",
        "newest": None,  # contrib itself refuses libraries that are newer than it knows
        "absent": "left out: absent is not installed",
        "aws_lambda": "left out: this is no Lambda function",
    }


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("x>=1.2,<3; extra == 'instruments'", ("x", "1.2")),
        ("x (>=1.2) ; extra == 'instruments'", ("x", "1.2")),
        ("x.y-z~=1.0; python_version < '3.13' and extra == 'instruments'", ("x.y-z", "1.0")),
        ("x[a,b]>=4 ; extra == 'instruments'", ("x", "4")),
        ("x ; extra == 'instruments'", ("x", "")),
        ("x!=2; extra == 'instruments'", ("x", "")),
    ],
)
def test_requirements(line: str, wanted: tuple[str, str]) -> None:
    assert _instruments(f"Requires-Dist: {line}\n\nRequires-Dist: text; extra == 'instruments'") == ([wanted], [])


def test_it_agrees_with_importlib(tmp_path: Path) -> None:
    from importlib.metadata import entry_points

    assert {(one.name, one.value) for one in found().values()} == {
        (point.name, point.value) for point in entry_points(group="opentelemetry_instrumentor")
    }


def test_odd_paths_are_survived(tmp_path: Path) -> None:
    (tmp_path / "broken-1.dist-info").write_text("a file")
    (tmp_path / "x.dist-info").mkdir()
    (tmp_path / "x.dist-info" / "entry_points.txt").write_bytes(b"[opentelemetry_instrumentor]\n\xff = \xfe\n=\n[")
    install(tmp_path, "fine", entry_points="[opentelemetry_instrumentor]\nfine = a:B\n")
    path = [str(tmp_path), "/nowhere", "\0", "", str(tmp_path / "broken-1.dist-info"), 5]
    assert "fine" in [one.name for one in _instrumentors(_installed(path))]  # type: ignore[arg-type]
    code = "import sys; sys.path[:0] = [5, b'/x', None]; import obsv; obsv.init('x'); assert obsv.status()['enabled']"
    done = run(code, OBSV_TRACES="none", OBSV_LOGS="none")
    assert (done.returncode, done.stderr) == (0, "")


# ---------------------------------------------------------------------- the real ones

REAL = """
    import json, sys
    import obsv
    before = set(sys.modules)
    obsv.init("x")
    assert not [name for name in sys.modules if name.startswith("opentelemetry")], "imported too early"
    waiting = obsv.status()["instrumentors"]
    import flask, jinja2, urllib.request
    app = flask.Flask("x")
    app.get("/")(lambda: jinja2.Template("hi {{ x }}").render(x=1))
    assert app.test_client().get("/").text == "hi 1"
    try:
        urllib.request.urlopen("http://127.0.0.1:9/", timeout=5)
    except OSError:
        pass
    print(json.dumps([waiting, obsv.status()["instrumentors"]]))
    obsv.shutdown()
    print(json.dumps([urllib.request.OpenerDirector.open.__module__, obsv.status()["instrumentors"]]))
"""


def test_the_real_ones(otlp_collector: Collector) -> None:
    done = run(REAL, **to(otlp_collector, OBSV_PATCH="true"))
    assert (done.returncode, done.stderr) == (0, "")
    (waiting, at_work), (_, ended) = [json.loads(line) for line in done.stdout.splitlines()]
    words = {name: [said[name].partition(" (")[0] for said in (waiting, at_work, ended)] for name in waiting}
    assert words == {
        "flask": ["left out: obsv has its own patch flask"] * 3,
        "jinja2": ["waiting for the import of jinja2", "started", "off"],
        "urllib": ["waiting for the import of urllib.request", "started", "off"],
    }
    assert "opentelemetry-instrumentation-jinja2 0." in at_work["jinja2"]
    made = [
        (scope.scope.name, span.name)
        for request in otlp_collector.accepted("traces")
        for resource in request.message.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert sorted(made) == [
        ("obsv.patches.flask", "GET /"),
        ("opentelemetry.instrumentation.jinja2", "jinja2.compile"),
        ("opentelemetry.instrumentation.jinja2", "jinja2.render"),
        ("opentelemetry.instrumentation.urllib", "GET"),
    ]
    spans = {span.name: span for span in otlp_collector.spans()}
    assert spans["jinja2.render"].parent_span_id == spans["GET /"].span_id


@pytest.mark.parametrize(
    ("settings", "off"),
    [
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "jinja2"}, ["jinja2"]),
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"}, ["jinja2", "urllib"]),
        ({"OBSV_PATCH": "flask,jinja2"}, ["urllib"]),
        ({"OBSV_PATCH": "-urllib"}, ["urllib"]),
        ({"OBSV_PATCH": "false"}, ["jinja2", "urllib"]),
    ],
)
def test_the_settings_choose(settings: dict[str, str], off: list[str]) -> None:
    code = "import obsv, json; obsv.init('x'); print(json.dumps(obsv.status()['instrumentors']))"
    done = run(code, **{"OBSV_PATCH": "true", "OBSV_TRACES": "none", "OBSV_LOGS": "none", **settings})
    assert (done.returncode, done.stderr) == (0, "")
    assert [name for name, said in json.loads(done.stdout).items() if said.startswith("off")] == off


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("raise ImportError('no driver')", "ImportError: no driver"),
        ("class Broken: pass", "AttributeError: 'Broken' object has no attribute 'instrument'"),
        ("x = 1", "AttributeError: module 'broken_instrumentor' has no attribute 'Broken'"),
    ],
)
def test_one_that_fails_is_told_once(tmp_path: Path, body: str, told: str) -> None:
    contrib(tmp_path, "broken", "broken_instrumentor:Broken", "jinja2; extra == 'instruments'")
    install(tmp_path, "jinja2", "3")
    (tmp_path / "broken_instrumentor.py").write_text(body)
    code = """
    import obsv
    obsv.init("x")
    import jinja2
    print(obsv.status()["instrumentors"]["broken"])
    """
    done = run(code, PYTHONPATH=str(tmp_path), OBSV_PATCH="true", OBSV_TRACES="none", OBSV_LOGS="none")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"failed, {told} (opentelemetry-instrumentation-broken 0.5)\n"
    assert done.stderr == (
        f"obsv: the instrumentor broken of opentelemetry-instrumentation-broken 0.5 failed: {told} "
        "(your code is fine; you have less telemetry)\n"
    )


def test_one_of_several_whose_library_is_not_there_is_left_out_in_silence(tmp_path: Path) -> None:
    """As those of ADOT's for crewai and others are, and contrib's for aiobotocore and httpx2."""
    contrib(tmp_path, "broken", "broken_instrumentor:Broken")
    (tmp_path / "broken_instrumentor.py").write_text("import no_such_library")
    code = "import obsv; obsv.init('x'); print(obsv.status()['instrumentors']['broken'], obsv.status()['errors'])"
    done = run(code, PYTHONPATH=str(tmp_path), OBSV_PATCH="true", OBSV_TRACES="none", OBSV_LOGS="none")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "left out: No module named 'no_such_library' (opentelemetry-instrumentation-broken 0.5) {}\n"
    )


HOOKS = """
[opentelemetry_pre_instrument]
b = theirs:before
c = theirs:broken
[opentelemetry_post_instrument]
a = theirs:after
"""

THEIRS = """
def before(): print("before", Instrumentor.on)
def after(): print("after", Instrumentor.on)
def broken(): raise ValueError("theirs")
class Instrumentor:
    on = False
    def instrument(self, **_): Instrumentor.on = True
    def uninstrument(self): pass
"""


def test_functions_before_and_after_the_instrumentors(tmp_path: Path) -> None:
    contrib(tmp_path, "theirs", "theirs:Instrumentor", more=HOOKS)
    (tmp_path / "theirs.py").write_text(THEIRS)
    code = "import obsv; obsv.init('x'); obsv.shutdown(); obsv.init('x')"
    done = run(code, PYTHONPATH=str(tmp_path), OBSV_PATCH="true", OBSV_TRACES="none", OBSV_LOGS="none")
    assert (done.returncode, done.stdout) == (0, "before False\nafter True\n")
    assert done.stderr == (
        "obsv: opentelemetry_pre_instrument theirs:broken of opentelemetry-instrumentation-theirs failed: ValueError: "
        "theirs (your code is fine; you have less telemetry)\n"
    )


def test_one_that_the_program_has_started_is_its_own() -> None:
    code = """
    import jinja2
    from opentelemetry.instrumentation.jinja2 import Jinja2Instrumentor
    Jinja2Instrumentor().instrument()
    import obsv
    obsv.init("x")
    print(obsv.status()["instrumentors"]["jinja2"].partition(" (")[0])
    obsv.shutdown()
    assert Jinja2Instrumentor().is_instrumented_by_opentelemetry
    """
    done = run(code, OBSV_PATCH="true", OBSV_TRACES="none", OBSV_LOGS="none")
    assert (done.returncode, done.stdout, done.stderr) == (0, "started by the program\n", "")

"""Other agents: what they have patched is left to them, and it is said once."""

from __future__ import annotations

import functools
import sys
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import obsv
from obsv import patches
from obsv.auto import agents
from obsv.hotpath import faults
from programs import run, to

if TYPE_CHECKING:
    from collectors import Collector


@pytest.fixture(autouse=True)
def _nothing_told() -> None:
    faults.reset()
    agents.found.clear()


def pretend(monkeypatch: pytest.MonkeyPatch, name: str, **attributes: Any) -> None:
    """A module of an agent's that is not installed here, with its parents."""
    parts = name.split(".")
    for count in range(1, len(parts)):
        monkeypatch.setitem(sys.modules, ".".join(parts[:count]), ModuleType(".".join(parts[:count])))
    module = ModuleType(name)
    vars(module).update(attributes)
    monkeypatch.setitem(sys.modules, name, module)


def sentry(monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
    pretend(monkeypatch, "sentry_sdk.integrations", _installed_integrations={"flask", "redis", "logging", "stdlib"})
    client = SimpleNamespace(options=options)
    sys.modules["sentry_sdk"].get_client = lambda: client  # type: ignore[attr-defined]


def test_every_agent_is_looked_for() -> None:
    roots = {agent.state.partition(":")[0].partition(".")[0] for agent in agents.AGENTS}
    assert {*roots, agents._INSTRUMENTORS.rstrip(".")} == set(patches.AGENTS)
    for agent in agents.AGENTS:
        assert set(agent.takes) <= set(patches.REGISTRY)
    assert set(agents._PATCHES.values()) <= set(patches.REGISTRY)


def test_ddtrace(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pretend(monkeypatch, "ddtrace._monkey", _PATCHED_MODULES={"flask", "starlette", "redis", "celery"})
    for _ in range(2):
        obsv.init("x", traces="memory", metrics="none", logs="none", config={"signals": False})
        status = obsv.status()
        obsv.shutdown()
    assert status["agents"] == {"ddtrace": ["asgi", "flask", "redis"]}
    assert (status["patches"]["flask"], status["patches"]["asgi"]) == ("off", "off")
    assert status["patches"]["sqlite3"] != "off"
    assert capsys.readouterr().err == (
        "obsv: ddtrace has patched this program already: asgi, flask, redis are left to it, so that nothing is traced "
        "twice (OBSV_PATCH may name what obsv shall patch all the same)\n"
    )


def test_what_carries_context_and_logs_is_left_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """ddtrace says so of itself: its logging writes its own ids, its futures carry its own context."""
    pretend(monkeypatch, "ddtrace._monkey", _PATCHED_MODULES={"logging", "loguru", "structlog", "futures", "threading"})
    assert agents.leave(list(patches.REGISTRY), ()) == list(patches.REGISTRY)
    assert set(patches.REGISTRY) >= agents.OURS


@pytest.mark.parametrize("sender", ["requests", "botocore"])
def test_who_traces_what_sends_by_urllib3_has_urllib3_too(monkeypatch: pytest.MonkeyPatch, sender: str) -> None:
    """ddtrace leaves urllib3 alone: a span of ours inside of its own would write our headers over its own."""
    pretend(monkeypatch, "ddtrace._monkey", _PATCHED_MODULES={sender})
    assert agents.leave([sender, "urllib3", "httpx"], ()) == ["httpx"]
    assert agents.leave([sender, "urllib3"], ["urllib3"]) == ["urllib3"]


def test_an_agent_that_has_patched_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pretend(monkeypatch, "ddtrace._monkey", _PATCHED_MODULES=set())
    pretend(monkeypatch, "newrelic.config", _configuration_done=False)
    pretend(monkeypatch, "elasticapm.instrumentation.register", _instrumentation_singletons={})
    assert agents.leave(list(patches.REGISTRY), ()) == list(patches.REGISTRY)
    assert capsys.readouterr().err == ""


def test_new_relic_and_elastic(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pretend(monkeypatch, "newrelic.config", _configuration_done=True)
    assert set(agents.leave(list(patches.REGISTRY), ())) == agents.OURS
    pretend(monkeypatch, "newrelic.config")
    singletons = {
        "elasticapm.instrumentation.packages.sqlite.SQLiteInstrumentation": object(),
        "elasticapm.instrumentation.packages.asyncio.redis_asyncio.RedisAsyncioInstrumentation": object(),
        "elasticapm.instrumentation.packages.httpx.sync.httpx.HttpxClientInstrumentation": object(),
    }
    pretend(monkeypatch, "elasticapm.instrumentation.register", _instrumentation_singletons=singletons)
    left = set(patches.REGISTRY) - set(agents.leave(list(patches.REGISTRY), ()))
    assert left == {"sqlite3", "redis", "httpx"}
    assert capsys.readouterr().err.count("\n") == 2


def test_what_is_named_is_left_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "ddtrace._monkey", _PATCHED_MODULES={"flask", "redis"})
    assert agents.leave(["flask", "redis", "httpx"], ["flask"]) == ["flask", "httpx"]


@pytest.mark.parametrize(
    ("options", "traces"),
    [
        ({}, False),
        ({"traces_sample_rate": None}, False),
        ({"traces_sample_rate": 0.1, "enable_tracing": False}, False),
        ({"traces_sample_rate": 0.1}, True),
        ({"traces_sampler": len}, True),
    ],
)
def test_sentry_is_an_agent_only_where_it_traces(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], traces: bool
) -> None:
    sentry(monkeypatch, **options)
    wanted = ["flask", "redis", "httpx"]
    assert agents.leave(wanted, ()) == (["httpx"] if traces else wanted)


def test_one_that_is_built_differently(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("OBSV_RAISE")
    pretend(monkeypatch, "sentry_sdk.integrations", _installed_integrations={"flask"})
    pretend(monkeypatch, "ddtrace._monkey", _PATCHED_MODULES=True)
    assert agents.leave(["flask"], ()) == ["flask"]
    assert capsys.readouterr().err.count("your code is fine") == 2


def test_a_function_that_an_agent_has_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    wrapt = pytest.importorskip("wrapt")
    namespace: dict[str, Any] = {"__name__": "newrelic.hooks.database_sqlite3", "functools": functools}
    exec(
        "def around(function):\n"
        "    @functools.wraps(function)\n"
        "    def inner(*args, **kwargs):\n"
        "        return function(*args, **kwargs)\n"
        "    return inner\n"
        "def wrapper(wrapped, instance, args, kwargs):\n"
        "    return wrapped(*args, **kwargs)\n",
        namespace,
    )

    def plain(x: int) -> int:
        return x

    for function in (namespace["around"](plain), wrapt.FunctionWrapper(plain, namespace["wrapper"])):
        for layer in (function, functools.wraps(function)(lambda x: x)):
            assert any(place.startswith("newrelic.") for place in agents._layers(layer))
            holder = ModuleType("holder")
            holder.f = layer  # type: ignore[attr-defined]
            monkeypatch.setitem(sys.modules, "holder", holder)
            site = SimpleNamespace(module="holder", path="f")
            assert agents.wrapped_by(SimpleNamespace(name="x", sites=[site])) == "New Relic"  # type: ignore[arg-type]
            assert agents.wrapped_by(SimpleNamespace(name="futures", sites=[site])) is None  # type: ignore[arg-type]
    assert not any(place.startswith("newrelic.") for place in agents._layers(plain))
    assert list(agents._layers(None)) == []


def test_a_wrapped_library_is_left(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where the agent keeps no list of it: an instrumentor of OpenTelemetry's that wraps for itself."""
    import requests

    namespace: dict[str, Any] = {"__name__": "opentelemetry.instrumentation.theirs"}
    exec(
        "def around(function):\n"
        "    def send(self, *args, **kwargs):\n"
        "        return function(self, *args, **kwargs)\n"
        "    send.__wrapped__ = function\n"
        "    return send\n",
        namespace,
    )
    adapter = requests.adapters.HTTPAdapter
    with_it = namespace["around"](adapter.send)
    monkeypatch.setattr(adapter, "send", with_it)
    pretend(monkeypatch, "ddtrace")
    obsv.init("x", traces="memory", metrics="none", logs="none", config={"signals": False})
    state = obsv.status()["patches"]["requests"]
    assert adapter.send is with_it
    obsv.shutdown()
    assert state == "left to OpenTelemetry's own instrumentation, which has patched it already"
    assert "requests is left to" in capsys.readouterr().err


def test_opentelemetrys_own_instrumentation(otlp_collector: Collector) -> None:
    code = """
    import flask
    from opentelemetry.instrumentation.flask import FlaskInstrumentor
    from opentelemetry.instrumentation.urllib import URLLibInstrumentor
    FlaskInstrumentor().instrument()
    URLLibInstrumentor().instrument()
    import obsv
    obsv.init("x")
    app = flask.Flask("x")
    app.get("/")(lambda: "hi")
    assert app.test_client().get("/").text == "hi"
    print(obsv.status()["agents"])
    """
    done = run(code, **to(otlp_collector, OBSV_PATCH="true"))
    assert (done.returncode, done.stdout) == (0, "{\"OpenTelemetry's own instrumentation\": ['flask']}\n")
    assert done.stderr == (
        "obsv: OpenTelemetry's own instrumentation has patched this program already: flask is left to it, so that "
        "nothing is traced twice (OBSV_PATCH may name what obsv shall patch all the same)\n"
    )
    assert [span.name for span in otlp_collector.spans()] == ["GET /"]

"""OpenTelemetry's API over obsv: one current span for both, every parameter, and nothing that raises."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace import Span as ApiSpan

import obsv
from obsv.hotpath import faults, headers
from obsv.hotpath.span import OUTLET, SUPPRESSED, Remote, Scope, Span, attach, current, detach, start_span, tokens_lost
from obsv.testing import Capture, capture
from programs import run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

TRACE, PARENT = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
REMOTE = SpanContext(TRACE, PARENT, True, TraceFlags(1))


@pytest.fixture
def seen() -> Iterator[Capture]:
    faults.reset()
    with capture(patch=False) as captured:
        yield captured
    assert current() is None  # nothing was left behind
    faults.reset()


@pytest.fixture
def tracer(seen: Capture) -> Any:
    return trace.get_tracer("a.library", "1.2")


def current_of_theirs() -> Any:
    """The current span as OpenTelemetry's API finds it."""
    return trace.get_current_span()


def remote() -> context.Context:
    return trace.set_span_in_context(NonRecordingSpan(REMOTE))


def test_a_span_without_a_context_is_no_parent(seen: Capture) -> None:
    nothing: Any = None  # mlflow's, where it does not trace
    with trace.use_span(NonRecordingSpan(nothing)), obsv.span("work"):
        pass
    assert seen.span("work").parent64 == 0


# ---------------------------------------------------------------------- one span for both


def test_spans_are_opentelemetrys(seen: Capture, tracer: Any) -> None:
    with obsv.span("ours") as ours, tracer.start_as_current_span("theirs") as theirs:
        assert type(ours) is type(theirs) is Span
        for span in (ours, theirs):
            assert isinstance(span, trace.Span)
    assert isinstance(tracer, trace.Tracer)
    assert isinstance(trace.get_tracer_provider(), trace.TracerProvider)


def test_the_current_span_is_the_same_for_both(seen: Capture, tracer: Any) -> None:
    assert current_of_theirs() is trace.INVALID_SPAN
    with obsv.span("ours") as ours:
        assert current_of_theirs() is ours
        with tracer.start_as_current_span("theirs") as theirs:
            assert obsv.current_span() is theirs
            assert current_of_theirs() is theirs
            with obsv.span("inner") as inner:
                assert current_of_theirs() is inner
            theirs_too: Any = ours
            with trace.use_span(theirs_too):
                assert obsv.current_span() is ours
            assert obsv.current_span() is theirs
        assert obsv.current_span() is ours
    assert (inner.parent_id, theirs.parent_id) == (theirs.span_id, ours.span_id)
    assert [span.name for span in seen.spans] == ["inner", "theirs", "ours"]


def test_the_span_context(seen: Capture, tracer: Any) -> None:
    with tracer.start_as_current_span("work") as span:
        found = trace.get_current_span().get_span_context()
        assert found == span.get_span_context()
    assert isinstance(found, SpanContext)
    assert found.is_valid
    assert not found.is_remote
    assert trace.format_trace_id(found.trace_id) == span.trace_id
    assert trace.format_span_id(found.span_id) == span.span_id
    assert found.trace_flags.sampled


def test_the_scope(seen: Capture) -> None:
    provider = trace.get_tracer_provider()
    tracers = [
        provider.get_tracer("a", "1", "https://schema/1"),
        provider.get_tracer("a", "1", "https://schema/1", {"x": 1, "list": [1, 2]}),
        trace.get_tracer("b"),
    ]
    for tracer in tracers:
        tracer.start_span("work").end()
    scopes = [span.scope for span in seen.spans]
    assert [(s.name, s.version, s.schema_url, s.attributes) for s in scopes] == [
        ("a", "1", "https://schema/1", None),
        ("a", "1", "https://schema/1", {"x": 1, "list": (1, 2)}),
        ("b", None, None, None),
    ]
    assert provider.get_tracer("a", "1", "https://schema/1") is tracers[0]
    assert provider.get_tracer("a", "2", "https://schema/1") is not tracers[0]


def test_tracers_are_remembered_within_bounds(seen: Capture) -> None:
    from obsv.otel.provider import MAX_TRACERS, InitProvider

    provider = InitProvider(lambda seconds: True)
    first = provider.get_tracer("scope 0")
    for number in range(MAX_TRACERS + 50):
        provider.get_tracer(f"scope {number}")
    assert len(provider._tracers) == MAX_TRACERS
    assert provider.get_tracer("scope 0") is first
    late = provider.get_tracer(f"scope {MAX_TRACERS + 1}")
    late.start_span("late").end()
    assert seen.span("late").scope.name == f"scope {MAX_TRACERS + 1}"


def test_flushing_through_the_provider(seen: Capture) -> None:
    from obsv.otel.provider import InitProvider

    given: list[float] = []

    def flush(seconds: float) -> bool:
        given.append(seconds)
        return seconds > 1

    provider = InitProvider(flush)
    assert provider.force_flush() is True
    assert provider.force_flush(500) is False
    provider.shutdown()
    assert provider.force_flush("x") is True  # type: ignore[arg-type]
    assert [round(seconds, 1) for seconds in given] == [30.0, 0.5, 30.0, 30.0]
    installed: Any = trace.get_tracer_provider()
    assert installed.force_flush(5000) is True
    installed.shutdown()
    installed.get_tracer("x").start_span("goes on").end()
    assert seen.span("goes on")


# ---------------------------------------------------------------------- start_span


def test_start_span_is_not_current(seen: Capture, tracer: Any) -> None:
    with obsv.span("outer") as outer:
        span = tracer.start_span("work")
        assert obsv.current_span() is outer
        assert span.is_recording()
        span.end()
        assert not span.is_recording()
        with tracer.start_span("with"):
            assert obsv.current_span() is outer
    assert seen.span("work").parent_id == outer.span_id
    assert seen.span("with").end_ns


def test_start_span_with_everything(seen: Capture, tracer: Any) -> None:
    tracer.start_span(
        "work",
        context=remote(),
        kind=SpanKind.CONSUMER,
        attributes={"a": 1, "b": [1, 2], "c": "x" * 300},
        links=[Link(REMOTE, {"l": 1}), Link(SpanContext(TRACE, 5, False))],
        start_time=1_700_000_000_000_000_000,
        record_exception=True,
        set_status_on_exception=True,
    ).end(1_700_000_000_000_000_500)
    span = seen.span("work")
    assert (span.trace_id, span.parent_id) == (f"{TRACE:032x}", f"{PARENT:016x}")
    assert span.parent_remote
    assert span.kind_value == SpanKind.CONSUMER.value
    assert span.attributes == {"a": 1, "b": (1, 2), "c": "x" * 300}
    assert (span.start_ns, span.end_ns) == (1_700_000_000_000_000_000, 1_700_000_000_000_000_500)
    assert span.link_list is not None
    assert [(link.id64, link.attributes) for link in span.link_list] == [(PARENT, {"l": 1}), (5, {})]


@pytest.mark.parametrize("kind", list(SpanKind))
def test_every_kind(seen: Capture, tracer: Any, kind: SpanKind) -> None:
    tracer.start_span("one", kind=kind).end()
    with tracer.start_as_current_span("two", kind=kind):
        pass
    tracer.start_span("three", kind=kind.value).end()
    assert {span.kind_value for span in seen.spans} == {kind.value}


def test_an_empty_context_begins_a_new_trace(seen: Capture, tracer: Any) -> None:
    with obsv.span("outer") as outer:
        tracer.start_span("root", context=context.Context()).end()
        with tracer.start_as_current_span("current root", context=context.Context()) as root:
            assert obsv.current_span() is root
        assert obsv.current_span() is outer
    assert seen.span("root").parent_id is None
    assert seen.span("root").trace_id != outer.trace_id
    assert seen.span("current root").parent_id is None


def test_an_unsampled_parent(seen: Capture, tracer: Any) -> None:
    parent = trace.set_span_in_context(NonRecordingSpan(SpanContext(TRACE, PARENT, True, TraceFlags(0))))
    with tracer.start_as_current_span("work", context=parent) as span:
        assert not span.is_recording()
        assert span.get_span_context().trace_id == TRACE
        assert current_of_theirs() is span
        with obsv.span("inner") as inner:
            assert inner.trace_id == f"{TRACE:032x}"
    assert seen.spans == []


# ---------------------------------------------------------------------- start_as_current_span

FORMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "attributes": {"attributes": {"a": 1}, "kind": SpanKind.CLIENT},
    "context": {"context": remote()},
    "links": {"links": [Link(REMOTE)]},
    "start_time": {"start_time": 1_700_000_000_000_000_000},
    "record": {"record_exception": False},
    "status": {"set_status_on_exception": False},
    "neither": {"record_exception": False, "set_status_on_exception": False},
    "no end": {"end_on_exit": False},
}


def check(span: Span, form: str) -> None:
    """What each form asked for."""
    assert span.attributes.get("a") == (1 if form == "attributes" else None)
    assert span.kind_value == (SpanKind.CLIENT.value if form == "attributes" else 0)
    assert span.parent_id == (f"{PARENT:016x}" if form == "context" else None)
    assert bool(span.link_list) == (form == "links")
    assert (span.start_ns == 1_700_000_000_000_000_000) == (form == "start_time")


@pytest.mark.parametrize("form", FORMS)
def test_as_a_block(seen: Capture, tracer: Any, form: str) -> None:
    with tracer.start_as_current_span("work", **FORMS[form]) as span:
        assert obsv.current_span() is span
        assert current_of_theirs() is span
        with obsv.span("inner"):
            pass
    assert obsv.current_span() is not span
    assert span.is_recording() == (form == "no end")
    span.end()
    check(seen.span("work"), form)
    assert seen.span("inner").parent_id == span.span_id


@pytest.mark.parametrize("form", FORMS)
def test_exceptions_leave_as_they_are(seen: Capture, tracer: Any, form: str) -> None:
    error = ValueError("bad")
    with pytest.raises(ValueError, match="bad") as raised, tracer.start_as_current_span("work", **FORMS[form]) as span:
        raise error
    assert raised.value is error
    span.end()
    found = seen.span("work")
    assert bool(found.event_list) == (form not in ("record", "neither"))
    expected = (0, None) if form in ("status", "neither") else (2, "ValueError: bad")
    assert (found.status_value, found.status_message) == expected


@pytest.mark.parametrize("form", FORMS)
def test_ends_that_are_no_failures(seen: Capture, tracer: Any, form: str) -> None:
    with pytest.raises(KeyboardInterrupt), tracer.start_as_current_span("work", **FORMS[form]) as span:
        raise KeyboardInterrupt
    span.end()
    assert (seen.span("work").status_value, seen.span("work").event_list) == (0, None)


def test_an_exception_without_a_text(seen: Capture, tracer: Any) -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    with pytest.raises(Odd), tracer.start_as_current_span("work", record_exception=False):
        raise Odd
    assert seen.span("work").status_value == 2


KINDS = ("sync", "async", "generator", "async generator", "method", "static", "class")


def decorated(decorator: Callable[[Any], Any], kind: str, note: Callable[[], None]) -> tuple[Any, Callable[[], Any]]:
    """A decorated function of this kind, and what uses it to the end."""
    if kind == "sync":

        @decorator
        def function(x: int) -> int:
            """Doc."""
            note()
            return x

        return function, lambda: function(1)
    if kind == "async":

        @decorator
        async def coroutine(x: int) -> int:
            note()
            await asyncio.sleep(0)
            note()
            return x

        return coroutine, lambda: asyncio.run(coroutine(1))
    if kind == "generator":

        @decorator
        def generator(n: int) -> Iterator[int]:
            for i in range(n):
                note()
                yield i

        return generator, lambda: list(generator(2))
    if kind == "async generator":

        @decorator
        async def async_generator(n: int) -> AsyncIterator[int]:
            for i in range(n):
                note()
                yield i

        async def collect() -> list[int]:
            return [i async for i in async_generator(2)]

        return async_generator, lambda: asyncio.run(collect())

    class Owner:
        @decorator
        def method(self, x: int) -> int:
            note()
            return x

        @decorator
        @staticmethod
        def static(x: int) -> int:
            note()
            return x

        @decorator
        @classmethod
        def of_class(cls, x: int) -> int:
            note()
            return x

    bound = {"method": Owner().method, "static": Owner.static, "class": Owner.of_class}[kind]
    return bound, lambda: bound(1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", FORMS)
def test_as_a_decorator(seen: Capture, tracer: Any, form: str, kind: str) -> None:
    inside: list[Span] = []

    def note() -> None:
        assert current_of_theirs() is obsv.current_span()
        inside.append(obsv.current_span())

    function, use = decorated(tracer.start_as_current_span("work", **FORMS[form]), kind, note)
    assert inspect.iscoroutinefunction(function) == (kind == "async")
    assert inspect.isgeneratorfunction(function) == (kind == "generator")
    assert inspect.isasyncgenfunction(function) == (kind == "async generator")
    for _ in range(2):
        assert use() == (1 if "generator" not in kind else [0, 1])
        assert current() is None
    assert len({span.span_id for span in inside}) == 2
    for span in inside:
        assert span.is_recording() == (form == "no end")
    for span in inside:
        span.end()
    spans = seen.spans
    assert [span.name for span in spans] == ["work"] * 2
    for span in spans:
        check(span, form)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["sync", "async", "generator", "async generator"])
def test_a_decorated_function_that_fails(seen: Capture, tracer: Any, form: str, kind: str) -> None:
    inside: list[Span] = []

    def note() -> None:
        inside.append(obsv.current_span())
        raise ValueError("bad")

    _, use = decorated(tracer.start_as_current_span("work", **FORMS[form]), kind, note)
    with pytest.raises(ValueError, match="bad"):
        use()
    inside[0].end()
    found = seen.span("work")
    assert bool(found.event_list) == (form not in ("record", "neither"))
    assert found.status_value == (0 if form in ("status", "neither") else 2)


@pytest.mark.parametrize("form", ["plain", "links", "context"])
def test_between_two_steps_of_a_generator_the_context_is_the_callers(seen: Capture, tracer: Any, form: str) -> None:
    @tracer.start_as_current_span("work", **FORMS[form])  # type: ignore[untyped-decorator, unused-ignore]
    def steps() -> Iterator[Span]:
        yield obsv.current_span()
        with obsv.span("inner"):
            yield obsv.current_span()
            yield obsv.current_span()

    with obsv.span("outer") as outer:
        found = []
        for span in steps():
            found.append(span)
            assert obsv.current_span() is outer
            assert current_of_theirs() is outer
    assert [span.name for span in found] == ["work", "inner", "inner"]
    assert found[1].parent_id == found[0].span_id
    generator = steps()
    next(generator)
    generator.close()
    assert seen.spans[-1].status_value == 0


@pytest.mark.parametrize("form", ["plain", "links"])
def test_decorated_before_init(form: str) -> None:
    tracer = trace.get_tracer("early")
    _, use = decorated(tracer.start_as_current_span("work", **FORMS[form]), "sync", lambda: None)
    assert use() == 1
    with capture(patch=False) as seen:
        assert use() == 1
        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            pytest.fail("the provider is not ours")
        assert [span.name for span in seen.spans] == ["work"]
    assert use() == 1


@pytest.mark.parametrize("form", ["plain", "links"])
@pytest.mark.parametrize("value", [int, 5, None])
def test_decorating_what_is_no_function(
    seen: Capture, tracer: Any, form: str, value: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tracer.start_as_current_span("work", **FORMS[form])(value) is value
    assert "functions and methods are traced" in capsys.readouterr().err


# ---------------------------------------------------------------------- use_span


@pytest.mark.parametrize("end", [True, False])
def test_use_span(seen: Capture, tracer: Any, end: bool) -> None:
    span = tracer.start_span("work")
    with trace.use_span(span, end_on_exit=end):
        assert obsv.current_span() is span
        with obsv.span("inner"):
            pass
    assert span.is_recording() != end
    span.end()
    assert seen.span("inner").parent_id == span.span_id


@pytest.mark.parametrize(("record", "status"), [(True, True), (True, False), (False, True), (False, False)])
def test_use_span_and_an_exception(seen: Capture, tracer: Any, record: bool, status: bool) -> None:
    span = tracer.start_span("work")
    with (
        pytest.raises(ValueError, match="bad"),
        trace.use_span(span, True, record_exception=record, set_status_on_exception=status),
    ):
        raise ValueError("bad")
    found = seen.span("work")
    assert bool(found.event_list) == record
    assert (found.status_value, found.status_message) == ((2, "ValueError: bad") if status else (0, None))


def test_somebody_elses_span_is_a_parent(seen: Capture) -> None:
    with trace.use_span(NonRecordingSpan(REMOTE)), obsv.span("work"):
        pass
    assert seen.span("work").parent_id == f"{PARENT:016x}"
    with trace.use_span(trace.INVALID_SPAN), obsv.span("root"):
        pass
    assert seen.span("root").parent_id is None


def test_status_objects(seen: Capture, tracer: Any) -> None:
    with tracer.start_as_current_span("one") as span:
        span.set_status(Status(StatusCode.ERROR, "why"))
    with tracer.start_as_current_span("two") as span:
        span.set_status(StatusCode.OK)
    assert (seen.span("one").status_value, seen.span("one").status_message) == (2, "why")
    assert seen.span("two").status_value == 1


# ---------------------------------------------------------------------- context


def test_attach_and_detach(seen: Capture) -> None:
    before = context.get_current()
    assert before == {}
    token = context.attach(context.set_value("key", "value"))
    assert context.get_value("key") == "value"
    with obsv.span("inner") as inner:
        assert context.get_value("key") == "value"
        assert current_of_theirs() is inner
    context.detach(token)
    assert context.get_value("key") is None
    assert context.get_current() == {}


def test_each_span_has_its_own_context(seen: Capture) -> None:
    with obsv.span("outer") as outer:
        first = context.get_current()
        assert current_of_theirs() is outer
        with obsv.span("inner") as inner:
            assert context.get_current() is not first
            assert trace.get_current_span(context.get_current()) is inner
        assert trace.get_current_span(context.get_current()) is outer
        assert trace.get_current_span(first) is outer
    assert context.get_current() == {}


def test_detaching_in_the_wrong_order(seen: Capture, caplog: pytest.LogCaptureFixture) -> None:
    def in_wrong_order() -> None:
        first = context.attach(context.set_value("n", 1))
        second = context.attach(context.set_value("n", 2))
        context.detach(first)
        assert context.get_value("n") is None
        context.detach(second)
        assert context.get_value("n") == 1
        context.detach(second)  # a second time
        assert context.get_value("n") == 1

    contextvars.copy_context().run(in_wrong_order)
    assert context.get_current() == {}
    assert caplog.records == []


def test_detaching_in_another_context(seen: Capture, caplog: pytest.LogCaptureFixture) -> None:
    token = contextvars.copy_context().run(context.attach, context.set_value("n", 1))
    lost = tokens_lost()
    context.detach(token)
    assert tokens_lost() == lost + 1
    assert context.get_current() == {}
    assert caplog.records == []


@pytest.mark.parametrize("value", ["x", 5, [], {"plain": "dict"}, object()])
def test_attaching_what_is_no_context(seen: Capture, value: Any) -> None:
    token = context.attach(value)
    assert context.get_current() == (value if isinstance(value, dict) else {})
    assert current_of_theirs() is trace.INVALID_SPAN
    assert obsv.current_span().span_id == "0" * 16
    with obsv.span("work"):
        pass
    context.detach(token)
    assert seen.span("work").parent_id is None


def test_a_context_with_nonsense_for_a_span(seen: Capture, tracer: Any) -> None:
    for value in (5, "x", object()):
        tracer.start_span("work", context=context.Context({"current-span": value})).end()
        with tracer.start_as_current_span("work", context=trace.set_span_in_context(value)):  # type: ignore[arg-type]
            pass
    assert {span.parent_id for span in seen.spans} == {None}
    assert len(seen.spans) == 6


def test_asynchronous_tasks_have_their_own_context(seen: Capture, tracer: Any) -> None:
    async def task(number: int) -> None:
        with tracer.start_as_current_span(f"task {number}") as span:
            await asyncio.sleep(0)
            assert obsv.current_span() is span
            with obsv.span(f"inner {number}") as inner:
                await asyncio.sleep(0)
            assert inner.parent_id == span.span_id

    async def both() -> None:
        with obsv.span("outer"):
            await asyncio.gather(task(1), task(2))

    asyncio.run(both())
    outer = seen.span("outer")
    assert seen.span("task 1").parent_id == seen.span("task 2").parent_id == outer.span_id


# ---------------------------------------------------------------------- baggage


def outgoing() -> dict[str, str]:
    """The headers of a call, as a patch of a client writes them."""
    written: dict[str, str] = {}
    with obsv.span("call"):
        headers.inject(written)
    return written


def test_baggage_goes_out(seen: Capture) -> None:
    token = context.attach(baggage.set_baggage("user", "Ä b,c=d"))
    assert headers.parse_baggage(outgoing()["baggage"]) == {"user": "Ä b,c=d"}
    with obsv.span("outer"):
        more = context.attach(baggage.set_baggage("more", 5))
        assert headers.parse_baggage(outgoing()["baggage"]) == {"user": "Ä b,c=d", "more": "5"}
        context.detach(more)
        assert headers.parse_baggage(outgoing()["baggage"]) == {"user": "Ä b,c=d"}
    context.detach(token)
    assert "baggage" not in outgoing()


def test_baggage_comes_in(seen: Capture, tracer: Any) -> None:
    incoming = {"traceparent": f"00-{TRACE:032x}-{PARENT:016x}-01", "baggage": "user=a%20b,n=1;property=x"}
    state = headers.extract(incoming.get)
    span = start_span(Scope("server"), "request", 1, state)
    token = attach(span)
    assert baggage.get_all() == {"user": "a b", "n": "1"}
    with tracer.start_as_current_span("inner"):
        assert baggage.get_baggage("user") == "a b"
        more = context.attach(baggage.set_baggage("n", "2"))
        assert headers.parse_baggage(outgoing()["baggage"]) == {"user": "a b", "n": "2"}
        context.detach(more)
    assert headers.parse_baggage(outgoing()["baggage"]) == {"user": "a b", "n": "1"}
    detach(token)
    token = attach(state)  # no span yet
    assert baggage.get_all() == {"user": "a b", "n": "1"}
    assert trace.get_current_span().get_span_context() == REMOTE
    detach(token)
    span.end()


def test_baggage_stays_current_below_another_parent(seen: Capture, tracer: Any) -> None:
    """``context=`` names the parent only (OpenTelemetry API, ``use_span``)."""
    token = context.attach(baggage.set_baggage("user", "x"))
    with tracer.start_as_current_span("work", context=baggage.set_baggage("other", "y", remote())):
        assert baggage.get_all() == {"user": "x"}
        assert headers.parse_baggage(outgoing()["baggage"]) == {"user": "x"}
    context.detach(token)


@pytest.mark.parametrize(
    ("key", "value"),
    [("a\r\nInjected: 1", "x"), ("a", "x\r\ny: 1"), ("ü", "\ud800"), ("a", object()), ("a,b=c", "d;e")],
)
def test_odd_baggage_makes_a_header_all_the_same(seen: Capture, key: str, value: Any) -> None:
    token = context.attach(baggage.set_baggage(key, value))
    written = outgoing()["baggage"]
    context.detach(token)
    assert headers.may_travel(written, 10_000)
    assert list(headers.parse_baggage(written)) == [key]


def test_baggage_that_is_none(seen: Capture) -> None:
    from opentelemetry.baggage import _BAGGAGE_KEY

    token = context.attach(context.set_value(_BAGGAGE_KEY, 5))
    assert "baggage" not in outgoing()
    context.detach(token)


# ---------------------------------------------------------------------- suppression


@pytest.mark.parametrize("key", ["the api's", "suppress_instrumentation"])
def test_suppression_by_their_key(seen: Capture, tracer: Any, key: str) -> None:
    name = context._SUPPRESS_INSTRUMENTATION_KEY if key == "the api's" else key
    token = context.attach(context.set_value(name, True))
    with obsv.span("ours") as ours, tracer.start_as_current_span("theirs") as theirs:
        assert not ours.is_recording()
        assert not theirs.is_recording()
    with tracer.start_as_current_span("rarer", links=[Link(REMOTE)]) as rarer:
        assert not rarer.is_recording()
        assert context.get_value(name)
    context.detach(token)
    with obsv.span("after"):
        pass
    assert [span.name for span in seen.spans] == ["after"]


def test_suppression_by_ours(seen: Capture) -> None:
    token = attach(SUPPRESSED)
    assert context.get_value(context._SUPPRESS_INSTRUMENTATION_KEY) is True
    assert context.get_value("suppress_instrumentation") is True
    detach(token)
    assert context.get_value("suppress_instrumentation") is None


# ---------------------------------------------------------------------- bad input


class Raising:
    """Whatever is done with it raises."""

    def __bool__(self) -> bool:
        raise RuntimeError

    def __iter__(self) -> Iterator[Any]:
        raise RuntimeError

    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__

    def __int__(self) -> int:
        raise RuntimeError


BAD: dict[str, list[Any]] = {
    "kind": [1, None, "server", 7, -1, True, 2**80, [], StatusCode, Raising()],
    "links": [[1], 5, [None], "ab", [Link(None)], [REMOTE], {}, (), Raising()],  # type: ignore[arg-type]
    "attributes": [[1], 5, "x", {}, {1: 2}, {"a": object()}, {None: 1}, Raising()],
    "start_time": ["x", -1, 2**70, 1.5, [], float("nan"), Raising()],
    "context": [5, "x", {}, [], {"current-span": 1}, object()],
    "name": [None, 5, b"x", "", "\ud800", ["x"], Raising()],
}


@pytest.mark.parametrize(("parameter", "place"), [(key, n) for key, values in BAD.items() for n in range(len(values))])
def test_bad_input_never_raises(seen: Capture, tracer: Any, parameter: str, place: int) -> None:
    arguments = {"name": "work", parameter: BAD[parameter][place]}
    tracer.start_span(**arguments).end()
    with tracer.start_as_current_span(**arguments) as span:
        assert obsv.current_span() is span
    with tracer.start_as_current_span(**{"links": [Link(REMOTE)], **arguments}) as span:
        assert obsv.current_span() is span
    for form in ({}, {"links": [Link(REMOTE)]}):
        for kind in ("sync", "async", "generator", "async generator"):
            _, use = decorated(tracer.start_as_current_span(**{**form, **arguments}), kind, lambda: None)
            use()
    spans = seen.spans
    assert len(spans) == 11
    assert len({span.name for span in spans}) == 1
    assert all(span.status_value == 0 and type(span.name) is str for span in spans)
    assert all(span.start_ns > 0 and 0 <= span.kind_value <= 4 for span in spans)


def test_the_good_part_of_bad_input_is_kept(seen: Capture, tracer: Any) -> None:
    tracer.start_span("one", links=[1, Link(REMOTE), None], kind=None, attributes={"a": 1}, start_time="x").end()
    tracer.start_span("two", links=5, kind=SpanKind.SERVER).end()
    tracer.start_span("three", start_time=5.0).end()
    one, two = seen.span("one"), seen.span("two")
    assert one.link_list is not None
    assert [link.id64 for link in one.link_list] == [PARENT]
    assert one.dropped_links == 2
    assert one.attributes == {"a": 1}
    assert one.start_ns <= one.end_ns
    assert (two.kind_value, two.dropped_links) == (1, 1)
    assert seen.span("three").start_ns == 5


@pytest.mark.parametrize("bad", [None, 5, [], {}, b"x", "", Raising()], ids=lambda bad: type(bad).__name__)
def test_tracers_of_bad_names(seen: Capture, bad: Any) -> None:
    provider = trace.get_tracer_provider()
    for arguments in ((bad,), ("x", bad), ("x", "1", bad), ("x", "1", "u", bad), (bad, bad, bad, bad)):
        provider.get_tracer(*arguments).start_span("work").end()
    spans = seen.spans
    assert len(spans) == 5
    for span in spans:
        assert type(span.scope.name) is str
        assert span.scope.version is None or type(span.scope.version) is str


# ---------------------------------------------------------------------- whose provider


def test_capturing_twice(seen: Capture) -> None:
    provider = trace.get_tracer_provider()
    for _ in range(2):
        with capture(patch=False) as again:
            assert trace.get_tracer_provider() is provider
            trace.get_tracer("x").start_span("work").end()
            assert [span.name for span in again.spans] == ["work"]
    span = trace.get_tracer("x").start_span("off")
    assert not span.is_recording()
    span.end()
    assert not OUTLET.enabled


def test_adopting_twice_changes_nothing(seen: Capture) -> None:
    from obsv.otel import adopt

    provider, runtime = trace.get_tracer_provider(), context._RUNTIME_CONTEXT
    adopt(trace, lambda seconds: False)
    assert trace.get_tracer_provider() is provider
    assert context._RUNTIME_CONTEXT is runtime
    assert provider.force_flush() is True  # type: ignore[attr-defined]


def test_a_provider_that_was_set_before_stays_and_obsv_gets_its_spans() -> None:
    done = run(
        """
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        own = TracerProvider()
        trace.set_tracer_provider(own)
        import obsv
        from obsv import testing
        for _ in range(2):
            with testing.capture(patch=False) as seen:
                assert trace.get_tracer_provider() is own
                with trace.get_tracer("x").start_as_current_span("theirs") as theirs:
                    with obsv.span("ours") as ours:
                        assert trace.get_current_span() is ours
                        assert ours.parent_id == format(theirs.get_span_context().span_id, "016x")
                        with trace.get_tracer("x").start_as_current_span("below") as below:
                            assert below.parent.span_id == ours.id64
                assert sorted(span.name for span in seen.spans) == ["below", "ours", "theirs"]
        """
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == (
        "obsv: the tracer provider opentelemetry.sdk.trace.TracerProvider stays, and obsv gets its spans too "
        "(or alone: OBSV_OTEL_PROVIDER=replace)\n"
    )


@pytest.mark.parametrize("order", ["opentelemetry first", "obsv first"])
def test_the_order_of_imports(order: str) -> None:
    lines = [
        "from opentelemetry import trace; early = trace.get_tracer('early')",
        "seen = testing.capture(patch=False); captured = seen.__enter__()",
    ]
    code = "\n".join(lines if order == "opentelemetry first" else lines[::-1])
    done = run(
        f"from obsv import testing\n{code}\n"
        "early.start_span('one').end()\n"
        "trace.get_tracer('late').start_span('two').end()\n"
        "assert [span.name for span in captured.spans] == ['one', 'two'], captured.spans\n"
        "assert isinstance(captured.spans[0], trace.Span)\n"
        "seen.__exit__(None, None, None)\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_what_reads_a_context_knows_every_state(seen: Capture) -> None:
    from obsv.otel.context import as_context, resolve

    with obsv.span("work") as span:
        assert resolve(as_context(span)) is span
    assert as_context(None) == {}
    assert resolve(as_context(SUPPRESSED)) is SUPPRESSED
    found = resolve(as_context(Remote(TRACE >> 64, TRACE & (2**64 - 1), PARENT, 1, "a=b")))
    assert isinstance(found, Remote)
    assert (found.id64, found.flags, found.tracestate) == (PARENT, 1, "a=b")
    assert resolve(context.Context()) is None
    assert resolve(5) is None
    assert issubclass(Span, ApiSpan)

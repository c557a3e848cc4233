"""Spans and metric points for the tests of AWS's formats: real ones, each field under control, and hypothesis's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from obsv.hotpath.records import Event, Link, MetricPoint
from obsv.hotpath.span import SCOPE, Scope, Span, new_span

T0 = 1_780_000_000_000_000_000
TRACE = (0x6A1867C0_12345678, 0x9ABCDEF0_12345678)
RESOURCE = {"service.name": "shop", "service.version": "1.2.3"}


def schema(name: str) -> Any:
    """One of AWS's schemas."""
    return json.loads((Path(__file__).parent / "schemas" / name).read_text())


def span(
    id64: int = 1,
    parent64: int = 0,
    name: str = "work",
    kind: int = 0,
    *,
    remote: bool = False,
    start_ns: int = T0,
    duration_ns: int = 1_000_000,
    scope: Scope = SCOPE,
    **attributes: Any,
) -> Span:
    """A finished span. ``__`` in a keyword stands for a dot: ``http__route="/"``."""
    made = new_span(scope, name, kind)
    made.trace_hi, made.trace_lo = TRACE
    made.id64, made.parent64, made.parent_remote = id64, parent64, remote
    made.start_ns, made.end_ns = start_ns, start_ns + duration_ns
    for key, value in attributes.items():
        made.set_attribute(key.replace("__", "."), value)
    return made


def flatten(document: dict[str, Any]) -> list[dict[str, Any]]:
    """A document and all that is nested in it, without recursion."""
    found, todo = [], [document]
    while todo:
        item = todo.pop()
        found.append(item)
        todo.extend(item.get("subsegments", ()))
    return found


def point(
    kind: str, name: str = "metric", unit: str = "Count", value: Any = 1, time_ns: int = T0, **dimensions: Any
) -> MetricPoint:
    """A counter or gauge."""
    made = MetricPoint(name, unit, "", kind, dimensions, time_ns - 60_000_000_000, time_ns, SCOPE)
    made.value = value
    return made


def histogram(
    values: list[float], name: str = "latency", unit: str = "Milliseconds", keep: bool = False, **dimensions: Any
) -> MetricPoint:
    """A histogram that recorded ``values``; ``keep``: as they are where the format allows."""
    from obsv.hotpath.metrics import bucket

    made = MetricPoint(name, unit, "", "histogram", dimensions, T0 - 60_000_000_000, T0, SCOPE)
    made.count = len(values)
    made.sum = sum(values)
    made.min, made.max = (min(values), max(values)) if values else (0, 0)
    made.values = list(values) if keep else None
    made.buckets, made.negative, made.zero = {}, {}, 0
    for value in values:
        if value > 0:
            made.buckets[bucket(value)] = made.buckets.get(bucket(value), 0) + 1
        elif value < 0:
            made.negative[bucket(-value)] = made.negative.get(bucket(-value), 0) + 1
        else:
            made.zero += 1
    return made


# ---- hypothesis

text = st.text(st.characters(exclude_categories=()), max_size=40)  # half surrogate pairs too
scalars = st.one_of(text, st.booleans(), st.integers(), st.floats(), st.integers(min_value=-(2**200), max_value=2**200))
values = st.one_of(
    scalars,
    st.none(),
    st.binary(max_size=20),
    st.lists(scalars, max_size=4),
    st.dictionaries(text, scalars, max_size=3),
)
KNOWN = [
    "http.request.method",
    "http.response.status_code",
    "url.full",
    "url.path",
    "url.query",
    "url.scheme",
    "server.address",
    "server.port",
    "client.address",
    "network.peer.address",
    "user_agent.original",
    "http.route",
    "http.response.body.size",
    "rpc.system",
    "rpc.service",
    "rpc.method",
    "aws.region",
    "aws.request_id",
    "aws.sqs.queue.url",
    "aws.dynamodb.table_names",
    "aws.service",
    "aws.operation",
    "db.system.name",
    "db.namespace",
    "db.query.text",
    "db.connection_string",
    "db.user",
    "peer.service",
    "messaging.destination.name",
    "error.type",
    "enduser.id",
    "aws.xray.annotations",
    "AWS.x",
    "a.b",
    "a_b",
]
names = st.one_of(st.sampled_from(KNOWN), text.filter(bool))
likely = st.sampled_from(
    [
        "GET",
        "aws-api",
        "S3",
        "S3/PutObject",
        "sqlite",
        "postgresql",
        200,
        404,
        429,
        503,
        "https://me:pw@example.com/a?b=c",
        "é" * 300,
    ]
)
attributes = st.dictionaries(names, st.one_of(likely, values), max_size=12)
resources = st.dictionaries(
    st.one_of(
        st.sampled_from(
            ["service.name", "service.version", "cloud.platform", "host.id", "k8s.cluster.name", "aws.log.group.names"]
        ),
        text,
    ),
    st.one_of(st.sampled_from(["aws_ecs", "aws_ec2", "aws_lambda", "shop"]), values),
    max_size=6,
)


@st.composite
def spans(draw: st.DrawFn, id64: int = 1, parent64: int = 0) -> Span:
    """Any span, with odd names, attributes, events, links and times."""
    made = span(
        id64,
        parent64,
        draw(text),
        draw(st.integers(0, 4)),
        remote=draw(st.booleans()),
        start_ns=draw(st.integers(0, 2**62)),
        duration_ns=draw(st.integers(-1000, 2**61)),
    )
    for key, value in draw(attributes).items():
        made.set_attribute(key, value)
    made.set_attributes({})
    for name, fields in draw(st.lists(st.tuples(text, st.dictionaries(text, values, max_size=2)), max_size=2)):
        made.add_event(name, fields)
    if draw(st.booleans()):
        made.add_event(
            "exception",
            {"exception.type": draw(text), "exception.message": draw(text), "exception.stacktrace": draw(text)},
        )
    if draw(st.booleans()):
        try:
            try:
                raise ValueError(draw(text))
            except ValueError as error:
                raise KeyError(draw(text)) from error
        except KeyError as error:
            made.record_exception(error)
    if draw(st.booleans()):
        made.set_status("error", draw(st.one_of(st.none(), text)))
    if draw(st.booleans()):
        made.link_list = [Link(1, 2, 3, 1, None, draw(st.dictionaries(text, values, max_size=2)))]
    return made


@st.composite
def trees(draw: st.DrawFn, max_size: int = 30) -> list[Span]:
    """Traces of any shape: several roots, missing parents, parents in a circle, ids twice, ends in any order."""
    count = draw(st.integers(1, max_size))
    shape = draw(st.sampled_from(["random", "chain", "star", "anything"]))
    found = []
    for index in range(count):
        if shape == "chain":
            parent = index
        elif shape == "star":
            parent = min(index, 1)
        elif shape == "random":
            parent = draw(st.integers(0, index))
        else:
            parent = draw(st.integers(0, count + 2))
        made = span(
            index + 1,
            parent,
            draw(st.sampled_from(["a", "work " * 30, "ß" * 150])),
            draw(st.sampled_from([0, 0, 1, 2, 3, 4])),
            remote=shape == "anything" and draw(st.integers(0, 5)) == 0,
            start_ns=T0 + draw(st.integers(0, 1000)),
        )
        size = draw(st.sampled_from([0, 0, 10, 300, 3000]))
        if size:
            made.set_attribute("filler", "x" * min(size, 900))
            made.set_attribute("filler.long", "ü" * size)
        found.append(made)
    return draw(st.permutations(found)) if draw(st.booleans()) else found[::-1]


numbers = st.one_of(
    st.floats(), st.integers(), st.sampled_from([2.0**360, -(2.0**360), 2.0**361, 10**400, -0.0, 1e-300])
)


@st.composite
def points(draw: st.DrawFn) -> MetricPoint:
    """Any metric point."""
    kind = draw(st.sampled_from(["counter", "gauge", "histogram"]))
    name = draw(st.one_of(st.sampled_from(["latency", "requests", "Service", "route", "_aws", "Environment"]), text))
    unit = draw(st.one_of(st.sampled_from(["Count", "Milliseconds", "ms", "None", "furlongs", "{request}"]), text))
    dimensions = draw(
        st.dictionaries(
            st.one_of(st.sampled_from(["route", "Service", "method", "_aws", ":x"]), text),
            scalars,
            max_size=draw(st.sampled_from([2, 40])),
        )
    )
    if kind != "histogram":
        made = point(kind, name, unit, draw(numbers), draw(st.sampled_from([T0, T0 + 1_000_000, T0 + 1])))
        made.attributes = dimensions
        return made
    recorded = draw(st.lists(st.floats(-1e100, 1e100, allow_nan=False), max_size=300))
    made = histogram(recorded, name, unit, keep=len(recorded) <= 100 and draw(st.booleans()))
    made.attributes = dimensions
    if draw(st.integers(0, 9)) == 0 and made.values:
        made.values[0] = draw(numbers)
    return made


__all__ = [
    "RESOURCE",
    "T0",
    "TRACE",
    "Event",
    "attributes",
    "flatten",
    "histogram",
    "point",
    "points",
    "resources",
    "scalars",
    "schema",
    "span",
    "spans",
    "text",
    "trees",
    "values",
]

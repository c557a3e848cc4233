"""Lists and mappings: good members stay when others are wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.settings_lists import (
    ATTRIBUTES,
    DIMENSION_SETS,
    NAMES,
    PATCHES,
    PATTERNS,
    PROPAGATION,
    SINKS,
    InvalidError,
    check_patches,
    merge,
    sinks,
)
from obsv.settings_parse import NOTHING


class MySink:
    name = "mine"
    signals = frozenset({"traces"})

    def send(self, batch: object) -> None: ...


MINE = MySink()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("otlp", ("otlp",)),
        (" OTLP , console,otlp,", ("otlp", "console")),
        (["local", "xray"], ("local", "xray")),
        (("memory",), ("memory",)),
        ("none", ()),
        (["none"], ()),
        (False, ()),
        ([], ()),
        (MINE, (MINE,)),
        ([MINE, "otlp", MINE], (MINE, "otlp")),
        ("otlp_proto_http", ("otlp",)),
        ("logging", ("console",)),
    ],
)
def test_sinks(value: object, expected: tuple[object, ...]) -> None:
    assert sinks("traces").parse(value) == expected


@pytest.mark.parametrize(
    ("signal", "value", "usable", "words"),
    [
        ("traces", "emf", NOTHING, "'emf' does not take traces"),
        ("traces", "emf,otlp", ("otlp",), "'emf' does not take traces"),
        ("metrics", "prometheus,emf", ("emf",), "expected sinks that take metrics"),
        ("metrics", [MINE, "emf"], ("emf",), "expected sinks"),
        ("logs", "json,none", ("json",), "none stands alone"),
        ("logs", "xray", NOTHING, "'xray' does not take logs"),
        ("logs", 5, NOTHING, "sinks that take logs"),
        ("logs", True, NOTHING, "sinks that take logs"),
        ("logs", MySink, NOTHING, "sinks that take logs"),
        ("logs", [MySink, None], NOTHING, "sinks that take logs"),
    ],
)
def test_wrong_sinks(signal: str, value: object, usable: object, words: str) -> None:
    with pytest.raises(InvalidError, match=words) as raised:
        sinks(signal).parse(value)
    assert raised.value.usable == usable


def test_each_sink_takes_what_the_table_says() -> None:
    for name, signals in SINKS.items():
        for signal in ("traces", "metrics", "logs"):
            if signal in signals:
                assert sinks(signal).parse(name) == (name,)
            else:
                with pytest.raises(InvalidError):
                    sinks(signal).parse(name)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        ("all", True),
        ("1", True),
        (False, False),
        ("none", False),
        ("redis, Flask", ("redis", "flask")),
        (["-redis"], ("-redis",)),
        ("concurrent_futures", ("concurrent-futures",)),
        ({"b", "a"}, ("a", "b")),
    ],
)
def test_patch(value: object, expected: object) -> None:
    assert PATCHES.parse(value) == expected


@pytest.mark.parametrize("value", [1, 0, None, 2.5, "re dis", "a;b", ["redis", 1], "-", object()])
def test_wrong_patch(value: object) -> None:
    with pytest.raises(InvalidError, match="names of libraries"):
        PATCHES.parse(value)


def test_check_patches() -> None:
    known = frozenset({"redis", "flask"})
    check_patches(True, known)
    check_patches(("redis", "-flask"), known)
    with pytest.raises(InvalidError, match=r"there is no patch 'rediss', expected flask, redis") as raised:
        check_patches(("rediss", "-flask"), known)
    assert raised.value.usable == ("-flask",)


def test_names() -> None:
    assert NAMES.parse("aiohttp_client,*, redis,redis") == ("aiohttp-client", "*", "redis")


def test_propagators() -> None:
    assert PROPAGATION.parse("xray, Baggage,xray") == ("xray", "baggage")
    assert PROPAGATION.parse("none") == ()
    assert PROPAGATION.parse(False) == ()
    with pytest.raises(InvalidError, match="there is no propagator 'b9'") as raised:
        PROPAGATION.parse("b9,tracecontext")
    assert raised.value.usable == ("tracecontext",)
    with pytest.raises(InvalidError) as raised:
        PROPAGATION.parse("b9")
    assert raised.value.usable is NOTHING
    assert PROPAGATION.parse("b3, tracecontext, b3multi") == ("b3", "tracecontext", "b3multi")  # an entry point
    with pytest.raises(InvalidError, match="none stands alone"):
        PROPAGATION.parse("none,xray")


def test_patterns() -> None:
    assert PATTERNS.parse("health, ^/static/.*") == ("health", "^/static/.*")
    with pytest.raises(InvalidError) as raised:
        PATTERNS.parse("(,ok")
    assert raised.value.usable == ("ok",)


def test_attributes_from_text() -> None:
    text = "service.name=a%20b , team=x=y,,empty=,%6bey=%C3%BC"
    assert ATTRIBUTES.parse(text) == {"service.name": "a b", "team": "x=y", "empty": "", "key": "ü"}
    with pytest.raises(InvalidError) as raised:
        ATTRIBUTES.parse("a=1,b,=c")
    assert raised.value.usable == {"a": "1"}


def test_attributes_from_a_mapping() -> None:
    value = {"a": 1, "b": True, "c": 1.5, "d": ["x", "y"], " e ": "z", "lone": "\ud800"}
    assert ATTRIBUTES.parse(value) == {"a": 1, "b": True, "c": 1.5, "d": ("x", "y"), "e": "z", "lone": "?"}
    with pytest.raises(InvalidError, match="a mapping of texts") as raised:
        ATTRIBUTES.parse({"a": 1, "b": None, 3: "x", "c": [None], "": "x"})
    assert raised.value.usable == {"a": 1}

    class Broken:
        def items(self) -> None:
            raise RuntimeError("no")

    for wrong in (Broken(), dict, 5, None):
        with pytest.raises(InvalidError):
            ATTRIBUTES.parse(wrong)


@given(st.dictionaries(st.text(min_size=1).filter(lambda t: t.strip() == t), st.text()))
def test_quoted_attributes_come_back(attributes: dict[str, str]) -> None:
    from urllib.parse import quote

    text = ",".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in attributes.items())
    assert ATTRIBUTES.parse(text) == attributes


def test_merge() -> None:
    assert merge({"a": 1}, {"a": 2, "b": 3}) == {"a": 1, "b": 3}


@pytest.mark.parametrize(
    "value", ["Service; Service,route;;Service", [["Service"], ["Service", "route"]], ("Service", "Service, route")]
)
def test_dimension_sets(value: object) -> None:
    assert DIMENSION_SETS.parse(value) == (("Service",), ("Service", "route"))
    assert DIMENSION_SETS.show(DIMENSION_SETS.parse(value)) == "Service;Service,route"


@pytest.mark.parametrize("wrong", [5, {"a": 1}, [1], [["a", 1]], None])
def test_wrong_dimension_sets(wrong: object) -> None:
    with pytest.raises(InvalidError):
        DIMENSION_SETS.parse(wrong)

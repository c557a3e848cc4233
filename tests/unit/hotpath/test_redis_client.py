"""What a redis command's span says is put together once; the second time it has to say the same."""

from __future__ import annotations

from collections import OrderedDict
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from obsv.hotpath.redis_client import describe_command, place, say
from obsv.hotpath.span import SCOPE, Span, new_span

WORDS = st.one_of(
    st.sampled_from(["GET", "get", " SET", "CONFIG", "CONFIG GET", "client", "ACL WHOAMI", ""]),
    st.text(max_size=80),
    st.binary(max_size=10),
    st.just(None),
)
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(0, 1), st.just(1.0), st.text(max_size=3), st.binary(max_size=2), st.just([])
)
OPTIONS = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {}, optional={"host": ODD, "port": ODD, "db": ODD, "path": ODD, "password": st.just("secret")}
    ),
)


def described(client: Any, args: tuple[Any, ...]) -> tuple[str, dict[str, Any]]:
    span: Span = new_span(SCOPE, "redis", 2)
    describe_command(span, client, args, {})
    return span.name, span.attributes


@given(WORDS, st.lists(st.text(max_size=3), max_size=20), OPTIONS)
def test_what_is_kept_says_what_is_said_anew(word: Any, rest: list[str], options: dict[str, Any] | None) -> None:
    client = SimpleNamespace(connection_pool=SimpleNamespace(connection_kwargs=options))
    args = () if word is None else (word, *rest)
    name, text = say(args)
    wanted = {**dict(place(client)), "db.operation.name": name, "db.query.text": text}
    wanted = {key: value for key, value in wanted.items() if key}
    for _ in range(2):
        found, attributes = described(client, args)
        assert found == name
        assert {key: (type(value), value) for key, value in attributes.items()} == {
            key: (type(value), value) for key, value in wanted.items()
        }


def test_another_server_or_database_is_another_place() -> None:
    seen = []
    for options in ({"host": "a", "db": 0}, {"host": "b", "db": 0}, {"host": "a", "db": 1}, {"path": "/run/redis"}):
        client = SimpleNamespace(connection_pool=SimpleNamespace(connection_kwargs=options))
        attributes = described(client, ("GET", "key"))[1]
        seen.append((attributes["server.address"], attributes["db.namespace"]))
    assert seen == [("a", "0"), ("b", "0"), ("a", "1"), ("/run/redis", "0")]


def test_equal_options_of_other_types_say_something_else() -> None:
    seen = []
    for db in (1, True, 1.0):
        client = SimpleNamespace(connection_pool=SimpleNamespace(connection_kwargs={"host": "a", "db": db}))
        seen.append(described(client, ("GET", "key"))[1]["db.namespace"])
    assert seen == ["1", "True", "1.0"]


def test_options_of_a_class_of_ones_own_count() -> None:
    options = OrderedDict(host="cache", port=6380)
    client = SimpleNamespace(connection_pool=SimpleNamespace(connection_kwargs=options))
    attributes = described(client, ("GET", "key"))[1]
    assert (attributes["server.address"], attributes["server.port"]) == ("cache", 6380)


def test_a_client_without_a_pool_has_no_place() -> None:
    assert described(object(), (b"GET", "key")) == (
        "GET",
        {"db.system.name": "redis", "db.operation.name": "GET", "db.query.text": "GET ?"},
    )

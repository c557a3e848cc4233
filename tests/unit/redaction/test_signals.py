"""Every signal to every kind of sink, what is not text, and what goes wrong."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import logging
import uuid
from typing import Any

import attrs
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

import obsv
from obsv import testing
from obsv.hotpath import faults
from obsv.hotpath.errors import ErrorInfo
from obsv.hotpath.jsontext import dumps
from obsv.hotpath.records import LogRecord
from obsv.hotpath.span import SCOPE, new_span
from obsv.logs.exceptions import describe
from obsv.pipeline import shortcut
from obsv.redaction.redactor import Redactor
from obsv.runtime import running
from obsv.settings import resolve

SECRET = "hunter2x"
TEXT = f"password={SECRET}"


def redactor(**settings: Any) -> Redactor:
    return Redactor(resolve({"config": settings}, {}))


def everything(value: Any) -> str:
    """All that is held by a span, point or record, as text."""
    if isinstance(value, (str, bytes, int, float, type(None))):
        return repr(value)
    if isinstance(value, dict):
        return " ".join([everything(item) for pair in value.items() for item in pair])
    if isinstance(value, (list, tuple)):
        return " ".join([everything(item) for item in value])
    if isinstance(value, ErrorInfo):
        return value.text() + everything([value.message, value.notes, value.written, value.cause])
    names = ("name", "attributes", "event_list", "link_list", "status_message", "error", "body", "fields", "message")
    return " ".join([everything(getattr(value, name)) for name in names if hasattr(value, name)])


def fail() -> None:
    try:
        raise LookupError(f"inner {TEXT}")
    except LookupError as inner:
        error = ValueError(f"outer {TEXT}")
        error.add_note(f"note {TEXT}")
        raise error from inner


def test_a_span_leaves_without_secrets() -> None:
    with testing.capture() as seen:
        span = obsv.span(f"name {TEXT}", password=SECRET, ok="yes")
        span.set_attribute("nested", {"a": [{"token": SECRET}, TEXT]})
        span.set_attribute("list", (TEXT, "x"))
        span.set_attribute("bytes", TEXT.encode())
        span.event(f"event {TEXT}", api_key=SECRET, text=TEXT, n=1)
        with pytest.raises(ValueError, match="outer"), span:
            fail()
        [made] = seen.spans
        assert SECRET not in everything(made)
        assert made.attributes["nested"] == {"a": ({"token": "REDACTED"}, "password=REDACTED")}
        assert made.attributes["ok"] == "yes"
        assert made.status_message == "ValueError: outer password=REDACTED"


@pytest.mark.parametrize("count", [1, 8, 9, 16, 17, 40])
def test_attributes_keep_their_order_wherever_they_are_kept(count: int) -> None:
    with testing.capture() as seen:
        with obsv.span("s") as span:
            for number in range(count):
                span.set_attribute(f"a{number}", TEXT if number % 2 else number)
        [made] = seen.spans
        assert list(made.attributes) == [f"a{number}" for number in range(count)]
        assert SECRET not in everything(made)


def test_links_of_opentelemetrys_api() -> None:
    from opentelemetry import trace

    with testing.capture() as seen:
        link = trace.Link(trace.SpanContext(1, 2, False), {"secret": SECRET})
        with trace.get_tracer("t").start_as_current_span("s", links=[link], attributes={"password": SECRET}) as span:
            span.add_event("e", {"text": TEXT})
            span.set_status(trace.StatusCode.ERROR, TEXT)
        [made] = seen.spans
        assert SECRET not in everything(made)


def test_metric_dimensions_leave_masked_and_the_instrument_keeps_its_own() -> None:
    with testing.capture() as seen:
        counter = obsv.counter("redaction.orders")
        counter.add(1, token=SECRET, shop="north")
        assert seen.point("redaction.orders").attributes == {"token": "REDACTED", "shop": "north"}
        assert [dict(cell.attributes) for cell in counter.all_cells()] == [{"token": SECRET, "shop": "north"}]


def test_log_records_leave_without_secrets() -> None:
    with testing.capture() as seen:
        log = obsv.get_logger("redaction").bind(token=SECRET)
        given = {"a": [SECRET, {"password": SECRET}]}
        try:
            fail()
        except ValueError as error:
            log.error(f"message {TEXT}", exc_info=error, nested=given, error=error, text=TEXT, ok=1)
        logging.getLogger("redaction").error("stdlib %s", TEXT, extra={"api_key": SECRET})
        ours, theirs = seen.logs
        assert ours.fields is not None
        assert ours.fields["nested"] == {"a": (SECRET, {"password": "REDACTED"})}
        assert given == {"a": [SECRET, {"password": SECRET}]}  # the program's own stays as it is
        assert log.fields == {"token": SECRET}
        ours.fields["nested"] = None
        assert SECRET not in everything(ours) + everything(theirs)
        assert theirs.message == "stdlib password=REDACTED"


class Told(Exception):
    pass


def test_lines_that_are_written_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    obsv.init("shop", traces="none", metrics="none", logs="json", patch=False)
    log = obsv.get_logger("redaction")
    try:
        fail()
    except ValueError as error:
        log.error(
            TEXT, exc_info=error, password=SECRET, nested=[{"token": SECRET}], set={TEXT}, b=TEXT.encode(), err=error
        )
    log.info("card", n=4111111111111111, ok=17, when=datetime.date(2026, 1, 2), id=uuid.UUID(int=4111111111111111))
    obsv.shutdown()
    first, second = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert SECRET not in json.dumps(first)
    assert first["nested"] == [{"token": "REDACTED"}]
    assert first["exception"]["message"] == "outer password=REDACTED"
    assert (second["n"], second["ok"], second["when"]) == ("REDACTED", 17, "2026-01-02")
    assert second["id"] == str(uuid.UUID(int=4111111111111111))


def test_a_group_of_exceptions() -> None:
    with testing.capture() as seen:
        with pytest.raises(ExceptionGroup), obsv.span("s"):
            raise ExceptionGroup(TEXT, [ValueError(TEXT)])
        assert SECRET not in everything(seen.spans[0])


def test_in_lines_of_source_code_only_literals_are_masked() -> None:
    stack = '  File "a.py", line 3, in f\n    connect(user=user, password=self.password)\n'
    literal = '    connect(password="hunter2x")\n'
    mine = redactor()
    assert mine.stack(stack) == stack
    assert mine.stack(literal) == '    connect(password="REDACTED")\n'


def test_the_resource_is_masked() -> None:
    with testing.capture(resource={"db.password": SECRET, "shop": "north"}) as seen:
        with obsv.span("s"):
            pass
        assert seen.spans
        runtime = running()
        assert runtime is not None
        assert runtime.resource["db.password"] == "REDACTED"
        assert runtime.resource["shop"] == "north"


def test_a_flush_the_short_way_is_masked(capfd: pytest.CaptureFixture[str]) -> None:
    obsv.init("shop", traces="none", metrics="emf", logs="none", patch=False)
    for _ in range(4):
        obsv.counter("redaction.short").add(1, token=SECRET)
        assert obsv.flush()
    obsv.shutdown()
    lines = capfd.readouterr().out
    assert SECRET not in lines
    assert lines.count('"token":"REDACTED"') == 4
    assert shortcut.POSSIBLE in (True, False)


def test_off_is_off(capfd: pytest.CaptureFixture[str]) -> None:
    with testing.capture(config={"redact": False, "signals": False}) as seen:
        with obsv.span("s", password=SECRET):
            pass
        assert seen.spans[0].attributes == {"password": SECRET}
    obsv.init("shop", traces="none", metrics="none", logs="json", patch=False, config={"redact": "none"})
    obsv.get_logger("redaction").info(TEXT)
    obsv.shutdown()
    assert SECRET in capfd.readouterr().out


@pytest.mark.parametrize(
    ("groups", "found"),
    [
        ("names", "password=REDACTED 4111111111111111 a@b.example https://a:b@c.example"),
        ("tokens", "password=hunter2 4111111111111111 a@b.example https://REDACTED:REDACTED@c.example"),
        ("cards", "password=hunter2 REDACTED a@b.example https://a:b@c.example"),
        ("emails", "password=hunter2 4111111111111111 REDACTED@b.example https://a:REDACTED@c.example"),
        ("all", "password=REDACTED REDACTED REDACTED@b.example https://REDACTED:REDACTED@c.example"),
        ("true", "password=REDACTED REDACTED a@b.example https://REDACTED:REDACTED@c.example"),
    ],
)
def test_groups_of_rules(groups: str, found: str) -> None:
    text = "password=hunter2 4111111111111111 a@b.example https://a:b@c.example"
    assert redactor(redact=groups).text(None, text) == found


def test_wrong_settings_are_told_and_the_rest_is_used() -> None:
    settings = resolve({"config": {"redact": "names,everything", "redact_mask": "a b", "redact_with": 7}}, {})
    assert settings.redact == ("names",)
    assert settings.redact_mask == "REDACTED"
    assert settings.redact_with is None
    assert len(settings.problems) == 3
    assert resolve({"config": {"redact": "everything"}}, {}).redact == ("names", "tokens", "cards")


# ---------------------------------------------------------------------- a rule of one's own


def test_a_function_of_ones_own_gets_every_text() -> None:
    def rule(name: str, text: str) -> str:
        return "?" if name == "iban" else text.replace("Ann", "A.")

    mine = redactor(redact_with=rule)
    assert mine.value("iban", "DE00 0000") == "?"
    assert mine.value("user", f"Ann {TEXT}") == "A. password=REDACTED"
    assert mine.value("list", ["Ann", 1, {"iban": "x"}]) == ["A.", 1, {"iban": "?"}]


@pytest.mark.parametrize("wrong", [lambda name, text: 1 / 0, lambda name, text: None, lambda text: text, len])
def test_a_function_that_fails_masks_the_text(wrong: Any, capsys: pytest.CaptureFixture[str]) -> None:
    faults.reset()  # each line is told once
    assert redactor(redact_with=wrong).value("a", "text") == "REDACTED"
    assert "redact_with" in capsys.readouterr().err


def test_a_function_that_is_not_there_masks_every_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert redactor(redact_with="nowhere.to:find").value("a", "text") == "REDACTED"
    assert redactor(redact_with="json:nothing").value("a", "text") == "REDACTED"
    assert "nowhere.to:find cannot be loaded" in capsys.readouterr().err
    assert redactor(redact_with="os.path:join").value("a", "text") == "a/text"


# ---------------------------------------------------------------------- values of any type


class Evil:
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Secretive:
    def __str__(self) -> str:
        return TEXT


class OddMapping(dict[Any, Any]):
    def items(self) -> Any:
        raise RuntimeError("no items")


VALUES: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.sampled_from(
        [Evil(), Secretive(), OddMapping(), object(), TEXT, TEXT.encode(), bytearray(b"x"), logging.INFO]
    ),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers() | st.none() | st.binary(), inner)
        | st.frozensets(st.text())
    ),
    max_leaves=20,
)


USED = redactor(redact="names,tokens,cards")
PLAIN = (
    st.sampled_from(["GET", "/orders/{id}", TEXT, "4111 1111 1111 1111", "****", "", "AKIAIOSFODNN7EXAMPLE"])
    | st.text(max_size=80)
    | st.integers(-(2**70), 2**70)
    | st.sampled_from([200, 4111111111111111, True, False, 0.5])
)


@given(st.dictionaries(st.sampled_from(["route", "password", "db.user", "n"]) | st.text(max_size=12), PLAIN), st.text())
def test_what_was_met_before_changes_nothing(attributes: dict[str, Any], name: str) -> None:
    left = []
    for masker in (redactor(redact="names,tokens,cards"), USED, USED):
        span = new_span(SCOPE, name, 0)
        span.recording = True
        span.set_attributes(attributes)
        masker.span(span)
        left.append((span.name, dict(span.attributes)))
    assert left[0] == left[1] == left[2]


@given(st.text() | st.none() | st.integers() | st.binary(), VALUES)
def test_no_value_raises_and_all_stay_json(key: Any, value: Any) -> None:
    mine = redactor(redact="all")
    once = mine.value(key, value)
    text = dumps(once)
    json.loads(text)
    assert SECRET not in text
    assert dumps(mine.value(key, once)) == text


def test_what_holds_itself_or_is_too_large_ends() -> None:
    mine = redactor()
    loop: list[Any] = [TEXT]
    loop.append(loop)
    assert mine.value("a", loop) == ["password=REDACTED", "…"]
    deep: Any = TEXT
    for _ in range(100):
        deep = [deep]
    assert SECRET not in dumps(mine.value("a", deep))
    many: Any = [TEXT]
    for _ in range(40):
        many = [many, many]
    assert SECRET not in dumps(mine.value("a", many))


def test_pairs_and_options_in_lists() -> None:
    mine = redactor()
    headers = [("Authorization", "x"), ("Accept", "y"), (b"cookie", b"a=b")]
    assert mine.value("headers", headers) == [("Authorization", "REDACTED"), ("Accept", "y"), (b"cookie", "REDACTED")]
    assert mine.value("process.command_args", ("tool", "--password", "x", "-v")) == (
        "tool",
        "--password",
        "REDACTED",
        "-v",
    )
    assert mine.value("fields", ["password", "email"]) == ["password", "email"]


def test_a_value_without_secrets_is_the_same_object() -> None:
    mine = redactor()
    for value in (
        "text",
        17,
        1.5,
        None,
        True,
        [1, "a"],
        {"a": {"b": ("c",)}},
        b"abc",
        {"a"},
        datetime.date(2026, 1, 1),
    ):
        assert mine.value("a", value) is value
    assert mine.value("password", None) is None
    assert mine.value("password", True) is True


def test_a_record_that_cannot_be_looked_through_is_not_written(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OBSV_RAISE", "0")
    obsv.init("shop", traces="memory", metrics="none", logs="json", patch=False)
    runtime = running()
    assert runtime is not None
    assert runtime.guard is not None
    guard = runtime.guard.ready()

    class Broken(Redactor):
        def found(self, key: Any, text: str) -> str:
            raise Told

    runtime.guard.made = Broken(runtime.settings)
    obsv.get_logger("redaction").info(TEXT)
    with obsv.span(TEXT):
        pass
    obsv.flush()
    dropped = obsv.status()["sinks"]["memory"]["traces"]["dropped"]
    runtime.guard.made = guard
    obsv.get_logger("redaction").info("fine")
    obsv.shutdown()
    assert dropped == {"error: Told": 1}
    assert [json.loads(line)["message"] for line in capfd.readouterr().out.splitlines()] == ["fine"]


def test_a_record_is_masked_once_for_all_sinks() -> None:
    record = LogRecord(0, 9, "INFO", TEXT, "x", {"password": SECRET, "a": [TEXT]})
    mine = redactor()
    mine.record(record)
    fields = record.fields
    mine.record(record)
    assert record.body == "password=REDACTED"
    assert record.fields is not None
    assert record.fields == fields == {"password": "REDACTED", "a": ["password=REDACTED"]}


def raised(error: BaseException) -> ErrorInfo:
    try:
        raise error
    except BaseException as found:
        return ErrorInfo.capture(found)


def test_the_members_of_a_group_of_exceptions_and_what_led_to_them() -> None:
    inner = ValueError(TEXT)
    inner.__cause__ = LookupError(TEXT)
    inner.add_note(TEXT)
    record = LogRecord(0, 17, "ERROR", "m", "x", None)
    record.error = raised(ExceptionGroup("g", [ExceptionGroup(TEXT, [inner]), OSError(TEXT)]))
    redactor().record(record)
    found = describe(record.error)
    assert SECRET not in found
    assert found.count("password=REDACTED") >= 8


class Login:
    """Its own text hides what its fields have."""

    def __str__(self) -> str:
        return "a login"

    __repr__ = __str__


@dataclasses.dataclass(repr=False)
class DataLogin(Login):
    user: str
    password: str
    note: str = "n"


@attrs.define(repr=False, str=False)
class AttrsLogin(Login):
    user: str
    password: str
    note: str = "n"


class ModelLogin(pydantic.BaseModel):
    user: str
    password: str
    note: str = "n"

    def __repr__(self) -> str:
        return "a login"

    __str__ = __repr__


@pytest.mark.parametrize("kind", [DataLogin, AttrsLogin, ModelLogin])
@pytest.mark.parametrize("queued", [False, True])
def test_fields_of_objects_are_looked_through_and_not_their_text(
    kind: Any, queued: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    config = {"log_queue": queued}
    obsv.init("shop", traces="none", metrics="none", logs="json", patch=False, config=config)
    login = kind(user="ann", password=SECRET)
    obsv.get_logger("redaction").info("m", login=login, several=[login, kind(user="bob", password="", note=TEXT)])
    obsv.shutdown()
    [line] = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    masked = {"user": "ann", "password": "REDACTED", "note": "n"}
    assert line["login"] == masked
    assert line["several"] == [masked, {"user": "bob", "password": "", "note": "password=REDACTED"}]
    assert login.password == SECRET


def test_an_object_that_holds_itself_ends() -> None:
    login = DataLogin("ann", SECRET)
    login.note = [login]  # type: ignore[assignment]
    found = redactor().value("login", login)
    assert json.loads(dumps(found)) == {"user": "ann", "password": "REDACTED", "note": ["…"]}


@pytest.mark.parametrize(
    ("name", "value"),
    [("name", "value"), ("Name", "Value"), ("key", "value"), ("Key", "Value"), ("ParameterKey", "ParameterValue")],
)
def test_an_object_that_is_a_name_with_its_value(name: str, value: str) -> None:
    """Variables of ECS containers, parameters of CloudFormation, tags, headers of archives."""
    mine = redactor()
    given = [{name: "DB_PASSWORD", value: SECRET}, {name: "REGION", value: "eu-west-1"}, {value: 1, name: "token"}]
    assert mine.value("environment", given) == [
        {name: "DB_PASSWORD", value: "REDACTED"},
        {name: "REGION", value: "eu-west-1"},
        {value: "REDACTED", name: "token"},
    ]
    harmless = [{name: "password", value: None}, {name: 7, value: SECRET}, {name: "password"}, {value: 1}]
    assert mine.value("environment", harmless) is harmless


class Column(enum.Enum):
    PASSWORD = 1
    USER = 2


def test_names_that_are_no_texts_are_read_as_they_are_written() -> None:
    row = {Column.PASSWORD: SECRET, Column.USER: "ann", 7: SECRET, None: "x", b"token": SECRET}
    found = json.loads(dumps(redactor().value("row", row)))
    assert found == {
        "Column.PASSWORD": "REDACTED",
        "Column.USER": "ann",
        "7": SECRET,
        "None": "x",
        "b'token'": "REDACTED",
    }


def test_a_text_that_is_in_a_list_many_times_is_looked_at_as_often_as_it_is_written() -> None:
    """All of it would be 100 GB."""
    line = "x" * 1_000_000
    for value in ([line] * 100_000, [line.encode()] * 100_000, [{line: 1}] * 100_000):
        assert len(dumps(redactor().value("list", value))) < 40_000_000


def test_a_name_may_be_of_any_length() -> None:
    mine = redactor()
    assert mine.value("a" * 2_000_000 + "_password" + "1" * 1000, "x") == "REDACTED"
    assert mine.value("password" + "a" * 2_000_000, "x") == "x"


class Classless:
    @property
    def __class__(self) -> Any:
        raise RuntimeError


def test_a_bad_object_in_a_list_loses_only_itself() -> None:
    found = redactor().value("list", [Classless(), {"token": SECRET, "x": Classless()}, 1])
    text = "<Classless: its text cannot be read>"
    assert found == [text, {"token": "REDACTED", "x": text}, 1]


def log_in(password: str) -> None:
    raise LookupError("nobody")


@pytest.mark.parametrize("form", ["cloudwatch", "powertools", "ecs", "otel"])
def test_literals_in_lines_of_source_code_are_masked_in_every_form(
    form: str, capfd: pytest.CaptureFixture[str]
) -> None:
    obsv.init("shop", traces="none", metrics="none", logs="json", patch=False, config={"log_format": form})
    try:
        log_in(password="hunter2x")
    except LookupError:
        obsv.get_logger("redaction").exception("failed")
    obsv.shutdown()
    line = capfd.readouterr().out
    assert SECRET not in line
    assert 'log_in(password=\\"REDACTED\\")' in line

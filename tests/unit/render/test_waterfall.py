"""The waterfall: exact pictures of a few traces, and that no trace breaks it."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv import term
from obsv.render.fold import MAX_CHILDREN, unroll
from obsv.render.look import Look
from obsv.render.tree import grow
from obsv.render.waterfall import waterfall
from obsv.store.rows import EventRow, LogRow, SpanRow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

T0 = 1_780_000_000_000_000_000
MS = 1_000_000
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
STACK = """Traceback (most recent call last):
  File "/srv/shop/orders.py", line 44, in charge
    gateway.pay(card)
  File "/usr/lib/python3.11/site-packages/gateway/client.py", line 7, in pay
    raise Declined()
gateway.Declined: card declined
"""


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


class Story:
    """A trace under construction; times in milliseconds after its start."""

    def __init__(self) -> None:
        self.spans: list[SpanRow] = []
        self.logs: list[LogRow] = []

    def span(
        self, name: str, start: float, end: float, parent: SpanRow | None = None, service: str = "shop", **more: Any
    ) -> SpanRow:
        number = f"{len(self.spans) + 1:016x}"
        above = parent.span_id if parent is not None else None
        row = SpanRow(TRACE, number, above, name, service, T0 + round(start * MS), T0 + round(end * MS))
        for key, value in more.items():
            setattr(row, key, value)
        self.spans.append(row)
        return row

    def log(self, span: SpanRow | None, at: float, level: str, severity: int, body: str, **fields: Any) -> LogRow:
        row = LogRow(T0 + round(at * MS), severity, level, body, "shop", span.service if span else "shop")
        row.trace_id, row.span_id, row.fields = TRACE, span.span_id if span else None, fields
        self.logs.append(row)
        return row

    def fail(self, span: SpanRow, kind: str, message: str, stack: str = "") -> None:
        span.status = 2
        attributes = {"exception.type": kind, "exception.message": message, "exception.stacktrace": stack}
        span.events.append(EventRow("exception", span.end_ns, attributes))

    def draw(self, **look: Any) -> str:
        return "\n".join(line.rstrip() for line in waterfall(self.spans, self.logs, Look(**{"width": 80, **look})))


def checkout() -> Story:
    story = Story()
    root = story.span("POST /checkout", 0, 200, service="front", kind=1)
    story.span("GET cart", 2, 4, root, "front", kind=2)
    call = story.span("POST", 10, 190, root, "front", kind=2)
    order = story.span("POST /orders", 12, 188, call, "orders", kind=1)
    for i in range(40):
        story.span("SELECT items", 20 + 2 * i, 22 + 2 * i, order, "orders", kind=2)
    charge = story.span("charge", 120, 180, order, "orders")
    story.log(order, 15, "WARNING", 13, "stock low", sku="A-1", left=2)
    story.log(charge, 130, "INFO", 9, "charging")
    for span in (charge, order):
        story.fail(span, "gateway.Declined", "card declined", STACK)
    call.status = root.status = 2
    root.status_message = "Declined: card declined"
    story.log(root, 195, "ERROR", 17, "checkout failed")
    story.span("send mail", 210, 250, order, "worker", kind=4)
    return story


def test_a_trace_through_three_services() -> None:
    assert (
        checkout().draw()
        == """\
POST /checkout  200 ms (250 ms in all) · 46 spans · 3 services · 4 errors
trace 4bf92f3577b34da6a3ce929d0e0e4736  2026-05-28 20:26:40.000

POST /checkout                    front   ━━━━━━━━━━━━━━━━━━━━━━          200 ms
├─ GET cart                               ╸                                 2 ms
└─ POST                                    ━━━━━━━━━━━━━━━━━━━━           180 ms
   └─ POST /orders                orders   ━━━━━━━━━━━━━━━━━━━╸           176 ms
      │  WARN  stock low  sku=A-1  left=2                                 +15 ms
      ├─ SELECT items ×40 — N+1?            ━━━━━━━━━                    Σ 80 ms
      ├─ charge                                       ╺━━━━━━╸             60 ms
      │     ✖ gateway.Declined: card declined  shop/orders.py:44 in charge
      │     INFO  charging                                               +130 ms
      └─ send mail                worker                        ╺━━━━      40 ms
   ERROR checkout failed                                                 +195 ms"""
    )


def test_the_same_in_ascii() -> None:
    text = checkout().draw(unicode=False)
    assert text.isascii()
    assert "`- POST /orders" in text
    assert "SELECT items x40 - N+1?" in text
    assert len(text.split("\n")) == len(checkout().draw().split("\n"))


def test_a_narrow_terminal_has_no_bars() -> None:
    assert (
        checkout().draw(width=44)
        == """\
POST /che…  200 ms (250 ms in all) · 4 errors
trace 4bf92f3577b34da6a3ce929d0e0e4736

POST /checkout                        200 ms
├─ GET cart                             2 ms
└─ POST                               180 ms
   └─ POST /orders                    176 ms
      │  WARN  stock low  sku=A-…     +15 ms
      ├─ SELECT items ×40 — N+1?     Σ 80 ms
      ├─ charge                        60 ms
      │     ✖ gateway.Declined: …  shop/ord…
      │     INFO  charging           +130 ms
      └─ send mail                     40 ms
   ERROR checkout failed             +195 ms"""
    )


def test_full_shows_each_span_attributes_events_and_the_stack() -> None:
    story = checkout()
    story.spans[0].attributes = {"http.route": "/checkout", "n": 1}
    story.spans[0].events.append(EventRow("cache miss", T0 + 5 * MS, {"key": "k"}))
    text = story.draw(full=True)
    assert text.count("SELECT items ") == 40
    assert "http.route=/checkout  n=1" in text
    assert "· cache miss  key=k" in text
    assert '  File "/srv/shop/orders.py", line 44, in charge' in text


def test_one_span_alone() -> None:
    story = Story()
    story.span("job", 0, 0.5)
    assert (
        story.draw(width=60)
        == """\
job  500 µs · 1 span · 1 service
trace 4bf92f3577b34da6a3ce929d0e0e4736  20:26:40.000

job                       ━━━━━━━━━━━━━━━━━━━━━━━     500 µs"""
    )


def test_what_has_no_parent_here_comes_under_a_note() -> None:
    story = Story()
    story.span("root", 0, 10)
    lost = story.span("late", 5, 20)
    lost.parent_id = "00000000000000ff"
    story.span("below it", 6, 8, lost)
    story.log(None, 7, "INFO", 9, "whose?")
    assert (
        "\n".join(story.draw(width=70).split("\n")[3:])
        == """\
root                      ━━━━━━━━━━━━━━━━╸                      10 ms
(parent not seen)
late                              ━━━━━━━━━━━━━━━━━━━━━━━━━      15 ms
└─ below it                        ╺━━━╸                          2 ms
(span not seen)
INFO  whose?                                                     +7 ms"""
    )


def test_logs_alone() -> None:
    story = Story()
    story.log(None, 0, "INFO", 9, "hello")
    assert story.draw(width=60).split("\n")[0] == "trace 4bf92f3577b34da6a3ce929d0e0e4736 · 1 log"
    assert "hello" in story.draw(width=60)


def test_nothing_at_all() -> None:
    assert Story().draw() == ""


def test_a_cycle_is_cut_at_its_earliest_span() -> None:
    story = Story()
    a, b = story.span("a", 1, 9), story.span("b", 2, 8)
    a.parent_id, b.parent_id = b.span_id, a.span_id
    itself = story.span("itself", 3, 4)
    itself.parent_id = itself.span_id
    lines = story.draw(width=40).split("\n")[3:]
    assert [line.split("  ")[0] for line in lines] == ["(parent not seen)", "a", "└─ b", "itself"]


def test_ids_that_occur_twice_are_both_shown() -> None:
    story = Story()
    root = story.span("root", 0, 10)
    one, two = story.span("twin", 1, 2, root), story.span("twin", 3, 4, root)
    two.span_id = one.span_id
    story.span("child", 1, 2, one)
    assert story.draw().count("twin") == 2
    assert story.draw().count("child") == 1


def test_alike_children_at_the_same_time_are_no_n_plus_1() -> None:
    story = Story()
    root = story.span("root", 0, 100)
    for _ in range(6):
        story.span("GET", 10, 90, root, kind=2)
    assert "GET ×6  " in story.draw()
    assert "N+1" not in story.draw()


def test_a_child_with_an_error_or_a_warning_stands_alone() -> None:
    story = Story()
    root = story.span("root", 0, 100)
    children = [story.span("work", i, i + 1, root) for i in range(8)]
    story.fail(children[3], "ValueError", "odd one")
    story.log(children[5], 5, "WARNING", 13, "careful")
    story.log(children[6], 6, "INFO", 9, "fine")
    text = story.draw()
    assert "work ×6" in text
    assert text.count("─ work") == 3
    assert "✖ ValueError: odd one" in text
    assert "careful" in text
    assert "fine" not in text


def test_alike_subtrees_are_folded_whole() -> None:
    story = Story()
    root = story.span("root", 0, 100)
    for i in range(7):
        call = story.span("GET", i * 10, i * 10 + 9, root, kind=2)
        story.span("GET /item", i * 10 + 1, i * 10 + 8, call, "items", kind=1)
    assert "GET ×7 — N+1? (+7 inside)" in story.draw()


def test_control_characters_do_not_reach_the_terminal() -> None:
    story = Story()
    nasty = "\x1b[2J\x07\x9b31m\u202egnp\nline\ttab\r\x00"
    root = story.span(nasty, 0, 10, service=nasty)
    root.attributes = {nasty: nasty}
    other = story.span("x", 1, 2, root, "other")
    story.fail(other, nasty, nasty, 'Traceback\n  File "a\x1b.py", line 1, in \x1b\n')
    story.log(root, 1, nasty, 9, nasty, **{nasty: nasty})
    for full in (False, True):
        for line in waterfall(story.spans, story.logs, Look(width=120, full=full)):
            assert line.isprintable(), line


def test_colours_change_nothing_but_colours() -> None:
    painted = [term.strip(line).rstrip() for line in checkout().draw(color=True).split("\n")]
    assert painted == checkout().draw().split("\n")
    assert "\x1b[31m" in checkout().draw(color=True)


def test_thousands_of_children_are_counted() -> None:
    story = Story()
    root = story.span("root", 0, 5000)
    for i in range(3000):
        story.span(f"step {i}", i, i + 1, root)
    lines = story.draw().split("\n")
    assert len(lines) == 3 + 1 + MAX_CHILDREN + 1
    assert "└─ … 2,900 more spans" in lines[-1]


def test_a_chain_thousands_deep_stays_narrow() -> None:
    story = Story()
    above = None
    for i in range(3000):
        above = story.span(f"level {i}", i, 6000 - i, above)
    lines = story.draw(width=80).split("\n")
    assert all(term.width(line) <= 80 for line in lines)
    assert "…9 └─ level 9 " in lines[12]
    assert "…2001 └─ … 999 more" in lines[-1]
    assert len(story.draw(width=80, full=True).split("\n")) == 3003


@st.composite
def traces(draw: st.DrawFn) -> Story:
    """Any trace: parents may be missing, later, the span itself, or in a circle; ids may repeat."""
    story = Story()
    count = draw(st.integers(0, 30))
    ids = [f"{draw(st.integers(0, 40)):016x}" for _ in range(count)]
    for span_id in ids:
        start = draw(st.integers(-1000, 1000))
        name = draw(st.sampled_from(["a", "b", "c\x1b[0m", "", "画像" * 30, "\U0001f469‍\U0001f4bb"]))
        row = story.span(
            name, start, start + draw(st.integers(-10, 500)), service=draw(st.sampled_from(["x", "y" * 40, ""]))
        )
        row.span_id = span_id
        row.parent_id = draw(st.sampled_from([None, "00000000000000ff", *ids]))
        row.kind = draw(st.integers(0, 4))
        if draw(st.integers(0, 9)) == 0:
            story.fail(row, "E", draw(st.text(max_size=5)), draw(st.sampled_from(["", STACK, '  File "x", line'])))
        if draw(st.integers(0, 4)) == 0:
            story.log(
                row, start, "INFO", draw(st.integers(0, 24)), draw(st.text(max_size=80)), k=draw(st.text(max_size=3))
            )
    return story


@given(traces(), st.integers(40, 160), st.booleans(), st.booleans(), st.booleans())
def test_any_trace_is_drawn(story: Story, width: int, color: bool, unicode: bool, full: bool) -> None:
    look = Look(width, color, unicode, full)
    forest = grow(story.spans, story.logs)
    lines = list(unroll(forest, look.glyphs, full=full))
    assert sum(line.spans for line in lines if line.is_branch) == len(story.spans)
    shown = [id(line.node) for line in lines if line.kind == "span"]
    assert len(shown) == len(set(shown))
    for text in list(waterfall(story.spans, story.logs, look))[1:]:
        plain = term.strip(text)
        assert plain.isprintable()
        assert term.width(plain) <= width
        assert unicode or plain.isascii()

"""A reading of CloudWatch Logs Insights' query language, as much of it as docs/logs-insights.md uses.

Source: Amazon CloudWatch Logs user guide, "CloudWatch Logs Insights language query syntax": commands ``fields``,
``filter``, ``stats``, ``sort``, ``limit``, ``dedup``; comparison, ``and``, ``or``, ``not``, ``in``, ``like``;
``ispresent``, ``bin``; aggregations. Fields are discovered in JSON events: members of objects after a dot, items of
arrays by their index.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Row = dict[str, Any]
    Expression = Callable[[Row], Any]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<regex>/(?:[^/\\]|\\.)+/)
      | (?P<number>\d+(?:\.\d+)?(?:ms|s|m|h|d)?\b)
      | (?P<quoted>`[^`]+`)
      | (?P<name>[@A-Za-z_][\w@]*(?:\.\w+)*)
      | (?P<sign>!=|<=|>=|=~|[=<>()\[\],|*+\-])
    )""",
    re.VERBOSE,
)
_WIDTHS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def discovered(line: str) -> Row:
    """The fields of an event."""
    row: Row = {"@message": line}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                walk(f"{prefix}.{key}" if prefix else key, item)
        elif isinstance(value, list):
            for number, item in enumerate(value):
                walk(f"{prefix}.{number}", item)
        elif value is not None:
            row[prefix] = value

    walk("", json.loads(line))
    row["@timestamp"] = row["timestamp"]
    return row


class _Reader:
    def __init__(self, query: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(query.rstrip()):
            match = _TOKEN.match(query, at)
            if match is None:
                raise SyntaxError(f"not understood: {query[at : at + 40]!r}")
            self.tokens.append((match.lastgroup or "", match.group(match.lastgroup or 0)))
            at = match.end()

    def peek(self) -> tuple[str, str]:
        return self.tokens[0] if self.tokens else ("end", "")

    def next(self) -> tuple[str, str]:
        if not self.tokens:
            raise SyntaxError("the query ends too early")
        return self.tokens.pop(0)

    def accept(self, *texts: str) -> str | None:
        kind, text = self.peek()
        if kind in ("name", "sign") and text.lower() in texts:
            self.next()
            return text.lower()
        return None

    def expect(self, text: str) -> None:
        if self.accept(text) is None:
            raise SyntaxError(f"{text!r} expected before {self.peek()[1]!r}")

    def field(self) -> str:
        kind, text = self.next()
        if kind not in ("name", "quoted"):
            raise SyntaxError(f"a field expected, not {text!r}")
        return text.strip("`")

    # ---- expressions

    def condition(self) -> Expression:
        left = self.conjunction()
        while self.accept("or"):
            left = _either(left, self.conjunction())
        return left

    def conjunction(self) -> Expression:
        left = self.negation()
        while self.accept("and"):
            left = _both(left, self.negation())
        return left

    def negation(self) -> Expression:
        if self.accept("not"):
            inner = self.negation()
            return lambda row: not inner(row)
        return self.comparison()

    def comparison(self) -> Expression:
        left = self.value()
        sign = self.accept("=", "!=", "<", "<=", ">", ">=", "like", "=~", "in", "not")
        if sign is None:
            return left
        if sign == "not":
            inner = self.accept("like", "in")
            if inner is None:
                raise SyntaxError("not in, or not like")
            positive = self.operation(left, inner)
            return lambda row: not positive(row)
        return self.operation(left, sign)

    def operation(self, left: Expression, sign: str) -> Expression:
        if sign == "in":
            self.expect("[")
            members = [self.value()]
            while self.accept(","):
                members.append(self.value())
            self.expect("]")
            return lambda row: left(row) in [member(row) for member in members]
        if sign in ("like", "=~"):
            kind, text = self.next()
            pattern = re.compile(text[1:-1] if kind == "regex" else re.escape(json.loads(text)))
            return lambda row: pattern.search(str(left(row) if left(row) is not None else "")) is not None
        right = self.value()
        return lambda row: _compare(left(row), sign, right(row))

    def value(self) -> Expression:
        if self.accept("("):
            inner = self.condition()
            self.expect(")")
            return inner
        kind, text = self.peek()
        if kind == "string":
            self.next()
            constant = json.loads(f'"{text[1:-1]}"')
            return lambda row: constant
        if kind == "number":
            self.next()
            number = float(text)
            return lambda row: number
        name = self.field()
        if self.peek() == ("sign", "("):
            return self.function(name.lower())
        return lambda row: row.get(name)

    def function(self, name: str) -> Expression:
        self.expect("(")
        if name == "ispresent":
            field = self.field()
            self.expect(")")
            return lambda row: field in row
        if name == "bin":
            match = re.fullmatch(r"(\d+)(ms|s|m|h|d)", self.next()[1])
            assert match is not None
            self.expect(")")
            width = int(match[1]) * _WIDTHS[match[2]]
            return lambda row: datetime.fromisoformat(row["@timestamp"]).timestamp() // width * width
        raise SyntaxError(f"function {name}() is not understood")

    def aggregate(self) -> tuple[str, Callable[[list[Row]], Any]]:
        name = self.field().lower()
        self.expect("(")
        star = self.accept("*") is not None
        field = "*" if star else self.field()
        more = float(self.next()[1]) if self.accept(",") else 0.0
        self.expect(")")
        label = f"{name}({field})"
        function = _AGGREGATES[name]

        def of(rows: list[Row]) -> Any:
            if star:
                return len(rows)
            rows = [row for row in rows if field in row]
            return function([row[field] for row in sorted(rows, key=lambda row: row["@timestamp"])], more)

        if self.accept("as"):
            label = self.field()
        return label, of


def _percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * int(share) // 100) - 1)]


_AGGREGATES: dict[str, Callable[[list[Any], float], Any]] = {
    "count": lambda values, _: len(values),
    "count_distinct": lambda values, _: len(set(values)),
    "sum": lambda values, _: sum(values),
    "avg": lambda values, _: sum(values) / len(values),
    "min": lambda values, _: min(values),
    "max": lambda values, _: max(values),
    "pct": _percentile,
    "latest": lambda values, _: values[-1] if values else None,
    "earliest": lambda values, _: values[0] if values else None,
}


def _either(one: Expression, other: Expression) -> Expression:
    return lambda row: bool(one(row) or other(row))


def _both(one: Expression, other: Expression) -> Expression:
    return lambda row: bool(one(row) and other(row))


def _compare(left: Any, sign: str, right: Any) -> bool:
    if sign == "=":
        return bool(left == right)
    if sign == "!=":
        return bool(left != right)
    if left is None or right is None or isinstance(left, str) != isinstance(right, str):
        return False
    return bool({"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[sign])


def run(query: str, lines: Iterable[str]) -> list[Row]:
    """Runs a query over lines; the rows have the columns that the query names, in their order."""
    rows = [discovered(line) for line in lines]
    reader = _Reader(query)
    shown: list[str] | None = None
    while True:
        command = reader.field().lower()
        if command == "fields":
            named = [reader.field()]
            while reader.accept(","):
                named.append(reader.field())
            shown = [*(shown or []), *named]
        elif command == "filter":
            keep = reader.condition()
            rows = [row for row in rows if keep(row)]
        elif command == "stats":
            rows, shown = _stats(reader, rows)
        elif command == "sort":
            rows = _sorted(reader, rows)
        elif command == "limit":
            rows = rows[: int(reader.next()[1])]
        elif command == "dedup":
            field = reader.field()
            rows = list({row.get(field): row for row in reversed(rows)}.values())[::-1]
        else:
            raise SyntaxError(f"command {command} is not understood")
        if reader.peek()[0] == "end":
            columns = shown or ["@timestamp", "@message"]
            return [{name: row[name] for name in columns if name in row} for row in rows]
        reader.expect("|")


def _stats(reader: _Reader, rows: list[Row]) -> tuple[list[Row], list[str]]:
    aggregates = [reader.aggregate()]
    while reader.accept(","):
        aggregates.append(reader.aggregate())
    keys: list[tuple[str, Expression]] = []
    if reader.accept("by"):
        while True:
            start = [text for _, text in reader.tokens[:4]]
            key = reader.value()
            name = "".join(start) if start[0] == "bin" else start[0].strip("`")
            keys.append((reader.field() if reader.accept("as") else name, key))
            if not reader.accept(","):
                break
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple([key(row) for _, key in keys]), []).append(row)
    names = [label for label, _ in aggregates] + [name for name, _ in keys]
    made = []
    for values, members in groups.items():
        row = {label: of(members) for label, of in aggregates}
        row.update({name: value for (name, _), value in zip(keys, values, strict=True)})
        made.append({name: value for name, value in row.items() if value is not None})
    return made, names


def _sorted(reader: _Reader, rows: list[Row]) -> list[Row]:
    keys: list[tuple[str, bool]] = []
    while True:
        field = reader.field()
        keys.append((field, reader.accept("asc", "desc") != "asc"))
        if not reader.accept(","):
            break
    for field, down in reversed(keys):
        present = [row for row in rows if field in row]
        present.sort(key=lambda row: row[field], reverse=down)
        rows = present + [row for row in rows if field not in row]
    return rows

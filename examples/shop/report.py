"""What obsv saw of the demo, read back from the local store."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from obsv.render import tables
from obsv.render.failures import failures
from obsv.render.fold import Line, is_n_plus_1, unroll
from obsv.render.look import Look, clock, level_word
from obsv.render.tree import grow
from obsv.render.waterfall import waterfall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from obsv.store.reader import Reader
    from obsv.store.rows import SpanRow, Trace, TraceSummary

SERVICES = ("storefront", "orders", "worker")


class Report:
    """Prints the sections one by one; what should be there and is not ends up in ``missing``."""

    def __init__(self, folder: Path, reader: Reader, look: Look, write: Callable[[str], None]) -> None:
        self.folder = folder
        self.reader = reader
        self.look = look
        self.write = write
        self.missing: list[str] = []
        self.summaries = [s for s in reader.traces(limit=1_000_000) if s.service == "storefront" and s.complete]

    def print(self) -> None:
        order = self.order()
        self.slowest()
        self.failing()
        self.n_plus_1()
        self.metrics()
        self.logs(order)

    def section(self, title: str) -> None:
        rule = "─" if self.look.unicode else "-"
        self.write("")
        self.write(self.look(f"{rule * 2} {title} ".ljust(self.look.width, rule), "bold"))

    def lack(self, what: str) -> None:
        self.missing.append(what)
        self.write(self.look(f"not seen: {what}", "red"))

    def tell(self, label: str, text: str) -> None:
        self.write(f"{self.look(label.ljust(10), 'dim')}{self.look.clip(text, self.look.width - 10)}")

    def show(self, trace: Trace) -> None:
        for line in waterfall(trace.spans, trace.logs, self.look):
            self.write(line)

    def open(self, summaries: Iterable[TraceSummary]) -> Iterator[Trace]:
        for summary in summaries:
            trace = self.reader.trace(summary.trace_id)
            if trace is not None:
                yield trace

    # -- traces ---------------------------------------------------------------------------------------------------

    def order(self) -> Trace | None:
        """The newest order that went the whole way, with the parcel packed."""
        self.section("One order on its way through three processes")
        whole = [s for s in self.summaries if set(SERVICES) <= set(s.services) and not s.errors]
        for trace in self.open(whole):
            if any(log.service == "worker" for log in trace.logs) and _one_tree(trace):
                self.show(trace)
                return trace
        self.lack(f"a trace that connects {', '.join(SERVICES)}")
        return None

    def slowest(self) -> None:
        """The route that usually takes longest, its slowest request, and the span where the time goes."""
        self.section("The slowest path")
        routes: dict[str, list[TraceSummary]] = {}
        for summary in self.summaries:
            routes.setdefault(summary.name, []).append(summary)
        if not routes:
            return self.lack("any request")
        slow = max(routes.values(), key=lambda group: median(s.duration_ns for s in group))
        slow.sort(key=lambda s: s.duration_ns, reverse=True)
        trace = next(self.open(slow))
        self.show(trace)
        deepest = _where_time_goes(trace)
        root = min(trace.spans, key=lambda span: span.start_ns)
        if deepest is root or deepest.service != "orders":
            return self.lack("what makes the slowest path slow")
        share = 100 * deepest.duration_ns / max(1, root.duration_ns)
        self.write("")
        self.tell("requests", f"{len(slow)}, median {self.look.duration(median(s.duration_ns for s in slow))}")
        self.tell("time goes", f"{share:.0f} % into {deepest.name} in {deepest.service}")
        self.tell("query", " ".join(str(deepest.attributes.get("db.query.text", "?")).split()))
        return None

    def failing(self) -> None:
        """The failing path, and where its exception came from."""
        self.section("The failing path")
        failed = [s for s in self.summaries if s.errors and "orders" in s.services]
        for trace in self.open(failed):
            for span in sorted(trace.spans, key=lambda span: span.end_ns):
                origin = next((f for f in failures(span) if f.place and not f.vague), None)
                if origin is not None and span.service == "orders":
                    place, _, function = origin.place.partition(" in ")
                    self.show(trace)
                    self.write("")
                    alike = sum(summary.error == origin.text for summary in failed)
                    self.tell("requests", f"{alike} of {len(self.summaries)} failed like this")
                    self.tell("exception", origin.text)
                    self.tell("origin", f"service {span.service}, function {function}, {place}")
                    return None
        return self.lack("a failed request with its origin")

    def n_plus_1(self) -> None:
        """A request that asks the database once for each row of another query."""
        self.section("The N+1 query")
        best: tuple[int, Trace, Line] | None = None
        for trace in self.open(s for s in self.summaries if s.spans > 8 and not s.errors):
            for line in unroll(grow(trace.spans, trace.logs), self.look.glyphs):
                if line.kind == "repeat" and is_n_plus_1(line.nodes) and (best is None or len(line.nodes) > best[0]):
                    best = (len(line.nodes), trace, line)
        if best is None:
            return self.lack("a request with an N+1 query")
        count, trace, line = best
        first = line.nodes[0].span
        self.show(trace)
        self.write("")
        self.tell("calls", f"{count} times {first.name} in {first.service}, one after the other")
        self.tell("query", " ".join(str(first.attributes.get("db.query.text", "?")).split()))
        return None

    # -- metrics and logs -----------------------------------------------------------------------------------------

    def metrics(self) -> None:
        """Requests by service and route, from the durations that the server patches record."""
        self.section("Requests by route")
        series = self.reader.series(tables.SERVER_DURATION)
        for line in tables.routes(series, self.look):
            self.write(line)
        seen = {route.service for route in tables.by_route(series) if route.route}
        for service in sorted({"storefront", "orders"} - seen):
            self.lack(f"request metrics of {service}")

    def logs(self, trace: Trace | None) -> None:
        """Lines of the order's trace, as the programs logged them with the standard library."""
        self.section("Log lines of that order")
        if trace is None or not trace.logs:
            return self.lack("log lines with a trace id")
        for log in trace.logs:
            head = f"{clock(log.time_ns)}  {level_word(log.level):5}  {log.service:10}  "
            body = self.look.clip(log.body, 60)
            self.write(f"{head}{body}  {self.look(f'trace_id={log.trace_id}', 'dim')}")
        if len({log.service for log in trace.logs}) < len(SERVICES):
            self.lack("log lines of all three services in one trace")
        return None


def _one_tree(trace: Trace) -> bool:
    forest = grow(trace.spans, trace.logs)
    return len(forest.roots) == 1 and not forest.orphans and not forest.loose


def _where_time_goes(trace: Trace) -> SpanRow:
    """Down from the root, always to the child that took longest, as long as it is most of its parent."""
    forest = grow(trace.spans, trace.logs)
    node = (forest.roots or forest.orphans)[0]
    while node.children:
        child = max(node.children, key=lambda child: child.span.duration_ns)
        if child.span.duration_ns < 0.5 * node.span.duration_ns:
            break
        node = child
    return node.span

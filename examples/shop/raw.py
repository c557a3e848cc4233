"""Where the raw output of the demo lies: EMF and JSON logs on standard output, OTLP requests, X-Ray datagrams."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from report import SERVICES, Report

from obsv import term
from obsv.render.look import plural

if TYPE_CHECKING:
    from pathlib import Path


def raw_output(report: Report) -> None:
    """Where the raw EMF, JSON logs, OTLP and X-Ray documents lie, and how many there are."""
    report.section("Raw output")
    rows: list[tuple[str, str, str]] = []
    for service in SERVICES:
        path = report.folder / f"{service}.stdout.jsonl"
        kinds = _stdout(path)
        rows.append(_row(path, f"{plural(kinds['emf'], 'EMF document')}, {plural(kinds['log'], 'JSON log line')}"))
        if not kinds["emf"] and service != "worker":  # it serves no requests
            report.missing.append(f"EMF of {service} on standard output")
        if not kinds["log"]:
            report.missing.append(f"JSON logs of {service} on standard output")
        if kinds["broken"]:
            report.missing.append(f"JSON in {path}: {plural(kinds['broken'], 'line')} cannot be read")
    for signal in ("traces", "metrics", "logs"):
        files = sorted((report.folder / "otlp").glob(f"{signal}-*.pb"))
        found = _otlp(signal, files)
        rows.append(
            _row(report.folder / "otlp" / f"{signal}-*.pb", f"{plural(len(files), 'OTLP request')}{found}", files)
        )
        if not files:
            report.missing.append(f"OTLP {signal}")
    path = report.folder / "xray" / "datagrams.jsonl"
    documents = [json.loads(line) for line in _lines(path)][1::2]
    rows.append(_row(path, plural(len(documents), "X-Ray segment document")))
    names = {document.get("name") for document in documents}
    if not names >= set(SERVICES):
        report.missing.append(f"X-Ray segments of {', '.join(SERVICES)}")
    for line in term.table(rows, align="<><"):
        report.write(line)


def _row(path: Path, what: str, files: list[Path] | None = None) -> tuple[str, str, str]:
    size = sum(file.stat().st_size for file in (files if files is not None else [path]) if file.exists())
    return (str(path), term.format_bytes(size), what)


def _lines(path: Path) -> list[str]:
    return path.read_text(errors="replace").splitlines() if path.exists() else []


def _stdout(path: Path) -> dict[str, int]:
    """How many EMF documents, log lines and broken lines there are; what the program itself prints is none of them."""
    kinds = {"emf": 0, "log": 0, "broken": 0}
    for line in _lines(path):
        if not line.startswith("{"):
            continue
        try:
            document = json.loads(line)
        except ValueError:
            document = None
        kinds["broken" if not isinstance(document, dict) else "emf" if "_aws" in document else "log"] += 1
    return kinds


def _otlp(signal: str, files: list[Path]) -> str:
    """What is in the requests, where OpenTelemetry's own classes are there to read them."""
    try:
        from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
        from opentelemetry.proto.metrics.v1.metrics_pb2 import MetricsData
        from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
    except ImportError:
        return ""
    bodies = [file.read_bytes() for file in files]
    if signal == "traces":
        spans = [s.spans for b in bodies for r in TracesData.FromString(b).resource_spans for s in r.scope_spans]
        return f", {plural(sum(map(len, spans)), 'span')}"
    if signal == "metrics":
        metrics = [
            s.metrics for b in bodies for r in MetricsData.FromString(b).resource_metrics for s in r.scope_metrics
        ]
        return f", {plural(sum(map(len, metrics)), 'metric')}"
    logs = [s.log_records for b in bodies for r in LogsData.FromString(b).resource_logs for s in r.scope_logs]
    return f", {plural(sum(map(len, logs)), 'log record')}"

"""`obsv doctor`: what is in force here, and does it work?

Run it where the service runs, with the service's environment. Exit status 0 means healthy, 1 that a setting is wrong or
a sink cannot be reached.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .. import patches, term
from ..settings import resolve
from . import version
from .findings import Findings, groups

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from ..settings import Settings
    from .findings import Library


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the options of `obsv doctor`."""
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument(
        "--settings-reference",
        action="store_true",
        help="print the reference of all settings (Markdown), and nothing else",
    )


def run(args: Namespace) -> int:
    """Prints the findings; 0 healthy, 1 not."""
    if args.settings_reference:
        from .reference import reference

        print(reference(), end="")
        return 0
    findings = Findings(resolve(patches=patches.known_names(), raise_strict=False))
    if args.json:
        import json

        print(json.dumps(findings.as_dict(version()), indent=2, ensure_ascii=False))
    else:
        print("\n".join(render(findings, term.Style(sys.stdout))))
    return 0 if findings.healthy else 1


def render(findings: Findings, style: term.Style) -> list[str]:
    """The findings as lines for people."""
    lines = _head(findings, style)
    lines += _settings(findings.settings, style)
    lines += _libraries(findings, style)
    lines += _sinks(findings, style)
    lines += _problems(findings, style)
    return lines


def _title(text: str, style: term.Style) -> list[str]:
    return ["", style(text, "bold")]


def _head(findings: Findings, style: term.Style) -> list[str]:
    settings = findings.settings
    speed = style("compiled", "green") if findings.compiled else style("interpreted", "yellow")
    rows = [
        ("obsv", version()),
        ("python", f"{sys.version.split()[0]}  {style(sys.executable or '', 'gray')}"),
        ("platform", f"{settings.platform}  {style(settings.origin('platform'), 'gray')}"),
        ("hot path", f"{speed}  {style(findings.compiled_detail, 'gray')}"),
    ]
    if not settings.enabled:
        rows.append(("switched off", f"by {settings.origin('enabled')}: init() does nothing"))
    return term.table([(style(name, "cyan"), value) for name, value in rows])


def _settings(settings: Settings, style: term.Style) -> list[str]:
    """All settings, in one table so that the columns of the groups line up."""
    rows: list[tuple[str, ...]] = []
    titles: dict[int, str] = {}
    for title, names in groups():
        shown = [name for name in names if not _is_silent(settings, name)]
        if shown:
            titles[len(rows)] = title
        for name in shown:
            chosen = settings.is_set(name)
            value = term.clip(term.clean(settings.show(name)), 60)
            origin = settings.origin(name)
            rows.append(
                (
                    style(name, "cyan"),
                    style(value, "bold") if chosen else value,
                    origin if chosen else style(origin, "gray"),
                )
            )
    lines = []
    for index, line in enumerate(term.table(rows, indent="  ")):
        if index in titles:
            lines += _title(titles[index], style)
        lines.append(line)
    return lines


def _is_silent(settings: Settings, name: str) -> bool:
    """A setting for one OTLP signal that nobody set: what is set for all is in force, and listed."""
    return name.startswith(("otlp_traces_", "otlp_metrics_", "otlp_logs_")) and not settings.is_set(name)


def _libraries(findings: Findings, style: term.Style) -> list[str]:
    return _title("Libraries to patch", style) + libraries(findings.libraries + findings.instrumentors, style)


def libraries(found: list[Library], style: term.Style) -> list[str]:
    """The libraries, who patches each, and what comes of it, as lines for people."""
    rows = []
    for library in found:
        if not library.wanted:
            state = style(library.state, "gray")
        elif library.supported:
            state = style(library.state, "green")
        else:
            state = style(library.state, "yellow")
        version = library.version or ("standard library" if library.source == "obsv" else "")
        rows.append((style(library.name, "cyan"), version, style(library.source, "gray"), state))
    return term.table(rows, indent="  ") or ["  none is installed"]


def _sinks(findings: Findings, style: term.Style) -> list[str]:
    rows = []
    for sink in findings.sinks:
        state = style("reached", "green") if sink.reached else style("not reached", "red")
        rows.append((style(sink.name, "cyan"), ", ".join(sink.signals), state, term.clean(sink.detail)))
    return _title("Sinks", style) + (term.table(rows, indent="  ") or ["  none"])


def _problems(findings: Findings, style: term.Style) -> list[str]:
    if findings.problems:
        lines = [f"  {term.clean(problem)}" for problem in findings.problems]
        return _title("Problems in the settings", style) + [style(line, "yellow") for line in lines]
    if not findings.healthy:
        return []
    return ["", style("All is well.", "green")]

"""docs/settings.md, written from the table of settings: `obsv doctor --settings-reference > docs/settings.md`."""

from __future__ import annotations

from ..platform import Platform
from ..settings_parse import show_plain
from ..settings_table import SETTINGS, Setting
from .findings import groups

_INTRODUCTION = """\
# Settings

<!-- Written by `obsv doctor --settings-reference > docs/settings.md`; edit src/obsv/settings_table.py instead. -->

A setting comes from the first of these that has it:

1. an argument of `obsv.init()`
2. its `OBSV_*` environment variable
3. the standard `OTEL_*` or `AWS_*` variable
4. the file of settings: `obsv.toml`, or `[tool.obsv]` in `pyproject.toml`, in the working directory or above it, up to
   the folder with `.git`
5. what the platform suggests
6. the default

An empty variable counts as not set. A misspelt name or an impossible value gives one line on stderr, and the next
source in this list is used; with `OBSV_STRICT=1` it stops `init()` with a `SettingsError` instead. `obsv doctor` prints
what is in force and where it came from.

In the file, tables may group settings, `-` and `_` are the same, and lists and mappings are TOML's:

```toml
service = "shop"
traces = ["otlp", "local"]
flush_interval = "500ms"

[resource]
team = "checkout"

[otlp]
endpoint = "http://collector:4318"
```

Times are seconds, or text with a unit: `"500ms"`, `"5s"`, `"1m"`. Sizes are bytes, or text with a unit: `"64MiB"`,
`"10MB"`.
"""


def reference() -> str:
    """The page, as Markdown."""
    parts = [_INTRODUCTION]
    for title, names in groups():
        parts.append(f"\n## {title}\n")
        parts.extend([_entry(SETTINGS[name]) for name in names])
        if "traces" in names:
            parts.append(_suggestions())
    return "".join(parts)


def _entry(setting: Setting[object]) -> str:
    default = setting.default_text or f"`{setting.show(setting.default)}`"
    variables = [f"`{setting.env}`"]
    variables += [f"`{v.name}`" + (f" ({v.note})" if v.note else "") for v in setting.variables]
    lines = [
        f"\n### {setting.name}\n",
        f"\n{setting.meaning}\n",
        f"\n- Allowed: {setting.kind.allowed}",
        f"\n- Default: {default}",
        f"\n- Environment: {', '.join(variables)}",
    ]
    if setting.resource_keys:
        keys = ", ".join([f"`{key}`" for key in setting.resource_keys])
        lines.append(f"\n- Resource attribute: {keys}")
    return "".join(lines) + "\n"


def _suggestions() -> str:
    """The table of what each platform suggests for the sinks."""
    rows = [
        "",
        "### Sinks by platform",
        "",
        "| Platform | Signals | nothing configured | OTLP endpoint | X-Ray daemon |",
    ]
    rows.append("| --- | --- | --- | --- | --- |")
    for label, name, terminal in (
        ("laptop, somebody watches stderr", "laptop", True),
        ("laptop, nobody watches", "laptop", False),
        ("lambda, ecs, eks, app_runner, ec2, kubernetes, container", "container", False),
    ):
        platform = Platform(name, {})
        plain = platform.defaults(terminal=terminal)
        otlp = platform.defaults(terminal=terminal, otlp=True)
        xray = platform.defaults(terminal=terminal, xray=True)
        for signal in ("traces", "metrics", "logs"):
            cells = [show_plain(suggested[signal]) for suggested in (plain, otlp, xray)]
            rows.append(f"| {label} | {signal} | {' | '.join([f'`{cell}`' for cell in cells])} |")
    rows.append("")
    rows.append("An EC2 machine with a terminal is treated as a laptop. Where logs have an OTLP endpoint of their own")
    rows.append("(`OTEL_EXPORTER_OTLP_LOGS_ENDPOINT`), they go to `otlp` as well.")
    return "\n".join(rows) + "\n"

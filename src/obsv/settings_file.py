"""The file of settings: `obsv.toml`, or `[tool.obsv]` in `pyproject.toml`.

    # obsv.toml                         # pyproject.toml
    service = "shop"                    [tool.obsv]
    flush_interval = "500ms"            service = "shop"

    [resource]                          [tool.obsv.otlp]
    team = "checkout"                   endpoint = "http://collector:4318"

Tables may group settings: `endpoint` in the table `otlp` is `otlp_endpoint`.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class FileError(Exception):
    """The file of settings at `path` cannot be read; `reason` says why, in a few words."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


def find(directory: str | None = None) -> tuple[str, dict[str, object]] | None:
    """The nearest file of settings and its content: in `directory` (the working directory), then in its parents.

    The search ends at the folder that holds `.git`, or at the root. An `obsv.toml` goes before a `pyproject.toml`.
    Raises FileError when the nearest file cannot be read.
    """
    try:
        folder = os.path.abspath(os.getcwd() if directory is None else directory)
    except OSError:  # the working directory is gone
        return None
    while True:
        path = os.path.join(folder, "obsv.toml")
        if os.path.isfile(path):
            return path, load(path)
        path = os.path.join(folder, "pyproject.toml")
        if os.path.isfile(path):
            content = _load_pyproject(path)
            if content is not None:
                return path, content
        parent = os.path.dirname(folder)
        if parent == folder or os.path.exists(os.path.join(folder, ".git")):
            return None
        folder = parent


def load(path: str) -> dict[str, object]:
    """The settings in the file at `path`; of a `pyproject.toml`, those in `[tool.obsv]`. Raises FileError."""
    content = _parse(path, _read(path))
    if os.path.basename(path) == "pyproject.toml":
        return _section(path, content) or {}
    return content


def _load_pyproject(path: str) -> dict[str, object] | None:
    try:
        data = _read(path)
    except FileError:
        return None  # somebody else's file, and nobody asked for it
    # Most of these files say nothing about obsv. Seeing that here saves the import of tomllib and the parsing.
    squeezed = data.replace(b" ", b"").replace(b'"', b"").replace(b"'", b"")
    if b"tool.obsv" not in squeezed and not (b"[tool]" in squeezed and b"obsv" in squeezed):
        return None
    return _section(path, _parse(path, data))


def _section(path: str, content: Mapping[str, object]) -> dict[str, object] | None:
    tool = content.get("tool")
    section = tool.get("obsv") if isinstance(tool, dict) else None
    if section is None:
        return None
    if not isinstance(section, dict):
        raise FileError(path, "[tool.obsv] is not a table")
    return section


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise FileError(path, (error.strerror or "cannot be read").lower()) from None
    except ValueError:  # a zero byte in the path
        raise FileError(path, "is no path") from None


def _parse(path: str, data: bytes) -> dict[str, object]:
    import tomllib

    try:
        return tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FileError(path, f"is not TOML: {error}") from None


def flatten(content: Mapping[str, object], known: Collection[str]) -> tuple[dict[str, object], dict[str, object]]:
    """Settings by name, and what is none of the `known`, by its dotted key.

    `{"otlp": {"timeout": 3}, "sampel": 1}` is `({"otlp_timeout": 3}, {"sampel": 1})`. "-" and "_" in keys are the same.
    """
    found: dict[str, object] = {}
    unknown: dict[str, object] = {}

    def walk(table: Mapping[str, object], prefix: str, dotted: str) -> None:
        for key, value in table.items():
            name = prefix + str(key).replace("-", "_")
            path = dotted + str(key)
            if name in known:
                found[name] = value
            elif isinstance(value, dict) and any(other.startswith(name + "_") for other in known):
                walk(value, name + "_", path + ".")
            else:
                unknown[path] = value

    walk(content, "", "")
    return found, unknown

"""Finding and reading the file of settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.settings_file import FileError, find, flatten, load

if TYPE_CHECKING:
    from pathlib import Path


def test_nothing_there(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert find(str(tmp_path)) is None


def test_parents_are_searched_up_to_git(tmp_path: Path) -> None:
    inner = tmp_path / "repo" / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "obsv.toml").write_text('service = "outside"')
    assert find(str(inner)) == (str(tmp_path / "obsv.toml"), {"service": "outside"})
    (tmp_path / "repo" / ".git").write_text("gitdir: elsewhere")  # a worktree has a file
    assert find(str(inner)) is None
    (tmp_path / "repo" / "obsv.toml").write_text('service = "top"')
    assert find(str(inner)) == (str(tmp_path / "repo" / "obsv.toml"), {"service": "top"})
    (inner / "pyproject.toml").write_text('[tool.obsv]\nservice = "near"')
    assert find(str(inner)) == (str(inner / "pyproject.toml"), {"service": "near"})
    (inner / "obsv.toml").write_text('service = "first"')
    assert find(str(inner)) == (str(inner / "obsv.toml"), {"service": "first"})


def test_the_working_directory_is_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "obsv.toml").write_text("sample = 0.5")
    monkeypatch.chdir(tmp_path)
    assert find() == (str(tmp_path / "obsv.toml"), {"sample": 0.5})


def test_the_working_directory_may_be_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert find() is None
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        '[project]\nname="x"',
        '[project]\ndependencies=["obsv"]',
        "[tool.ruff]\n",
        "not TOML at all [",
        '[tool]\nx="obsv"',
    ],
)
def test_other_projects_are_passed_by(tmp_path: Path, text: str) -> None:
    (tmp_path / "obsv.toml").write_text('service = "outer"')
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "pyproject.toml").write_text(text)
    assert find(str(inner)) == (str(tmp_path / "obsv.toml"), {"service": "outer"})


@pytest.mark.parametrize(
    "text",
    [
        '[tool.obsv]\nservice="x"',
        '[ tool . "obsv" ]\nservice="x"',
        'tool.obsv.service="x"',
        '[tool]\nobsv = {service="x"}',
        "[tool.'obsv']\nservice='x'",
    ],
)
def test_spellings_of_the_table(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(text)
    assert find(str(tmp_path)) == (str(path), {"service": "x"})
    assert load(str(path)) == {"service": "x"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"x = ", "is not TOML"),
        (b"\xff\xfe", "is not TOML"),
        (b"x = " + b"[" * 5000, "is not TOML"),
    ],
)
def test_broken_files(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "obsv.toml"
    path.write_bytes(content)
    with pytest.raises(FileError, match=reason) as raised:
        find(str(tmp_path))
    assert raised.value.path == str(path)


def test_tool_obsv_must_be_a_table(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text("[tool]\nobsv = 5\n")
    with pytest.raises(FileError, match="is not a table"):
        load(str(path))


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file or directory"):
        load(str(tmp_path / "missing"))
    with pytest.raises(FileError, match="is a directory"):
        load(str(tmp_path))
    with pytest.raises(FileError, match="is no path"):
        load("a\x00b")


def test_pyproject_without_our_table(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text("[project]\n")
    assert load(str(path)) == {}


KNOWN = ("service", "otlp_timeout", "otlp_traces_timeout", "resource")


def test_flatten() -> None:
    content: dict[str, object] = {
        "service": "shop",
        "otlp": {"timeout": 3, "traces": {"timeout": 4}, "tiemout": 5},
        "resource": {"a": {"b": 1}},
        "sampel": 1,
        "other": {"x": 1},
    }
    assert flatten(content, KNOWN) == (
        {"service": "shop", "otlp_timeout": 3, "otlp_traces_timeout": 4, "resource": {"a": {"b": 1}}},
        {"otlp.tiemout": 5, "sampel": 1, "other": {"x": 1}},
    )
    assert flatten({"otlp-timeout": 3}, KNOWN) == ({"otlp_timeout": 3}, {})


@given(
    st.dictionaries(
        st.text() | st.sampled_from(KNOWN), st.recursive(st.integers(), lambda x: st.dictionaries(st.text(), x))
    )
)
def test_flatten_loses_nothing_at_the_top(content: dict[str, object]) -> None:
    found, unknown = flatten(content, KNOWN)
    assert set(found) <= set(KNOWN)
    assert len(found) + len(unknown) >= len({k.replace("-", "_") for k in content if content[k] != {}}) - 1

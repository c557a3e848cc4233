"""What Python itself would only print becomes a record too, and is still printed."""

from __future__ import annotations

import gc
import json
import sys
import threading
import warnings
from typing import Any

import pytest

import obsv
from obsv.testing import capture
from programs import run

PREAMBLE = """
import sys, obsv
obsv.init("shop", logs="json", traces="none", metrics="none", patch=%r)
"""


def seen(**config: Any) -> capture:
    return capture(patch=False, config={"signals": False, "flush_interval": 0.05, **config})


def program(code: str, patch: Any = False, **settings: str) -> tuple[list[dict[str, Any]], str, int]:
    done = run(PREAMBLE % (patch,) + code, OBSV_PATCH="true", **settings)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")], done.stderr, done.returncode


def test_an_uncaught_exception_of_the_program() -> None:
    lines, err, status = program("raise ValueError('boom')")
    assert [(line["level"], line["message"], line["exception"]["message"]) for line in lines] == [
        ("CRITICAL", "uncaught exception", "boom")
    ]
    assert err.endswith("ValueError: boom\n")
    assert status == 1


def test_ctrl_c_and_exits_are_no_failures() -> None:
    assert program("raise KeyboardInterrupt")[0] == []
    assert program("sys.exit('bye')")[0] == []


def test_a_hook_of_the_programs_own_still_runs() -> None:
    code = "import sys\nsys.excepthook = lambda *a: print('mine', a[0].__name__)\n"
    done = run(code + PREAMBLE % (False,) + "raise ValueError('boom')", OBSV_PATCH="true")
    assert done.stdout.splitlines()[-1] == "mine ValueError"
    assert json.loads(done.stdout.splitlines()[0])["message"] == "uncaught exception"


def test_exceptions_of_threads_carry_the_trace_they_began_in() -> None:
    lines, err, _ = program(
        "import threading\ndef work(): raise ValueError('boom')\n"
        "with obsv.span('root'):\n t = threading.Thread(target=work, name='worker')\n t.start()\n t.join()\n",
        patch="threading",
    )
    assert [(line["message"], line["thread"]) for line in lines] == [("uncaught exception in a thread", "worker")]
    assert len(lines[0]["trace_id"]) == 32
    assert "ValueError: boom" in err


def test_exceptions_of_tasks() -> None:
    """asyncio logs them, and its logger is one of the standard library's."""
    lines, _, _ = program(
        "import asyncio, gc\nasync def work(): raise ValueError('boom')\n"
        "async def main():\n t = asyncio.create_task(work())\n await asyncio.sleep(0)\n del t\n gc.collect()\n"
        "asyncio.run(main())\n",
        patch="logging",
    )
    assert [(line["logger"], line["exception"]["message"]) for line in lines] == [("asyncio", "boom")]


def test_exceptions_that_cannot_be_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", shown.append)

    class Bad:
        def __del__(self) -> None:
            raise ValueError("boom")

    with seen() as found:
        Bad()
        gc.collect()
        logs = found.logs
    assert [(record.level, record.error.message) for record in logs if record.error] == [("ERROR", "boom")]
    assert logs[0].message.endswith("Bad.__del__")
    assert len(shown) == 1


def test_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        shown: list[Any] = []
        monkeypatch.setattr(warnings, "showwarning", lambda *args, **_: shown.append(args))
        with seen() as found:
            warnings.warn("careful", UserWarning, stacklevel=1)
            logs = found.logs
    assert [(record.logger, record.level, record.message) for record in logs] == [("py.warnings", "WARNING", "careful")]
    assert logs[0].fields == {"category": "UserWarning"}
    assert logs[0].code is not None
    assert logs[0].code[0] == __file__
    assert len(shown) == 1


def test_a_warning_that_logging_captures_anyway_comes_once() -> None:
    code = "import logging, warnings\nlogging.captureWarnings(True)\nwarnings.warn('careful')\n"
    lines, _, _ = program(code, patch="logging")
    assert len(lines) == 1
    before = "import logging, warnings\nlogging.captureWarnings(True)\n"
    done = run(before + PREAMBLE % ("logging",) + "warnings.warn('careful')", OBSV_PATCH="true")
    assert len(done.stdout.splitlines()) == 1


def test_shutdown_puts_every_hook_back() -> None:
    before = sys.excepthook, sys.unraisablehook, threading.excepthook, warnings.showwarning
    with seen():
        during = sys.excepthook, sys.unraisablehook, threading.excepthook, warnings.showwarning
        assert all(one is not other for one, other in zip(before, during, strict=True))
    assert (sys.excepthook, sys.unraisablehook, threading.excepthook, warnings.showwarning) == before


@pytest.mark.parametrize("hook", ["exceptions", "threads", "unraisable", "warnings"])
def test_each_can_be_switched_off(hook: str) -> None:
    places = {
        "exceptions": (sys, "excepthook"),
        "threads": (threading, "excepthook"),
        "unraisable": (sys, "unraisablehook"),
        "warnings": (warnings, "showwarning"),
    }
    others = [name for name in places if name != hook]
    before = {name: getattr(*place) for name, place in places.items()}
    with seen(log_hooks=",".join(others)):
        assert [name for name, place in places.items() if getattr(*place) is not before[name]] == others


def test_a_hook_put_over_ours_stays_and_ours_only_stops() -> None:
    before = sys.excepthook
    try:
        with seen():
            ours = sys.excepthook

            def theirs(*args: Any) -> None:
                ours(*args)

            sys.excepthook = theirs
        assert sys.excepthook is theirs
    finally:
        sys.excepthook = before


def test_modules_that_the_program_has_not_imported_are_waited_for() -> None:
    lines, _, _ = program(
        "assert obsv.status()['enabled']\nimport warnings, threading\nwarnings.warn('careful')\n"
        "t = threading.Thread(target=lambda: 1 / 0)\nt.start()\nt.join()\n"
    )
    assert [line["logger"] for line in lines] == ["py.warnings", "threading"]


def test_a_failure_of_ours_keeps_nobody_from_the_hook_that_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OBSV_RAISE")
    shown: list[Any] = []
    monkeypatch.setattr(sys, "excepthook", lambda *args: shown.append(args))

    def broken(*args: Any) -> Any:
        raise RuntimeError("ours")

    with seen():
        monkeypatch.setattr("obsv.logs.uncaught.new_record", broken)
        sys.excepthook(ValueError, ValueError("x"), None)
        assert obsv.status()["errors"]["logging an uncaught exception"] == 1
    assert len(shown) == 1

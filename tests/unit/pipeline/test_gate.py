"""A fork waits while a thread of ours imports, so that the child's own imports find no lock that nobody opens."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from programs import run

if TYPE_CHECKING:
    from pathlib import Path

SLOW = """
import os, time
open(os.environ["MARK"], "w").close()
time.sleep(0.5)
"""

PROGRAM = """
import os, signal, threading, time
from obsv.pipeline import gate

thread = threading.Thread(target=gate.load, args=(("slow_to_import", "not_there_at_all"),))
thread.start()
while not os.path.exists(os.environ["MARK"]):
    time.sleep(0.005)
child = os.fork()
if child == 0:
    signal.alarm(20)  # a child that waits for ever is killed, and seen by its status
    import slow_to_import
    gate.load(("json",))
    os._exit(7)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
thread.join()
gate.load(("json",))
print("child", status)
"""


def test_a_child_forked_during_an_import_can_import(tmp_path: Path) -> None:
    (tmp_path / "slow_to_import.py").write_text(SLOW)
    done = run(
        textwrap.dedent(PROGRAM), PYTHONPATH=str(tmp_path), MARK=str(tmp_path / "begun"), PYTHONWARNINGS="ignore"
    )
    assert done.stdout == "child 7\n", done.stderr

"""The demo's processes: started in groups of their own, waited for, and gone at the end whatever happened."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import FrameType, TracebackType

HERE = Path(__file__).parent
HOST = "127.0.0.1"
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FOREIGN = ("OBSV_", "OTEL_", "AWS_")


class StartError(Exception):
    """A process did not come up; the message says which, and the last thing that it said."""


class Process:
    """A running program with its output in files."""

    def __init__(self, name: str, child: subprocess.Popen[bytes], folder: Path) -> None:
        self.name = name
        self.child = child
        self.stderr = folder / f"{name}.stderr.txt"

    def last_words(self) -> str:
        lines = [line for line in self.stderr.read_text(errors="replace").splitlines() if line.strip()]
        return lines[-1].strip() if lines else "it said nothing"

    def check(self) -> None:
        """Raises StartError when the program has ended."""
        if self.child.poll() is not None:
            raise StartError(f"{self.name} ended with status {self.child.returncode}: {self.last_words()}")

    def signal_group(self, number: int) -> None:
        try:
            os.killpg(self.child.pid, number)
        except (ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
            pass


class Processes:
    """All processes of the demo. A ``with`` block; when it ends for any reason, nothing that it started is left.

    Ctrl-C, SIGTERM and SIGHUP raise KeyboardInterrupt, but never between a start and its bookkeeping.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[Process] = []
        self._handlers: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}
        self._starting = False
        self._interrupted = False

    def __enter__(self) -> Self:
        for number in ENDING:
            self._handlers[number] = signal.signal(number, self._interrupt)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for number in ENDING:  # impatient second Ctrl-Cs must not leave processes behind
            signal.signal(number, signal.SIG_IGN)
        self.stop(self.running, seconds=1)
        for number in ENDING:
            signal.signal(number, self._handlers[number])

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._interrupted = True
        if not self._starting:
            raise KeyboardInterrupt

    def start(self, name: str, command: Sequence[str], env: Mapping[str, str], stdout: str | None = None) -> Process:
        """Runs the command in the demo's folder. Standard output goes to the file ``stdout``, else nowhere."""
        self._starting = True
        try:
            with (
                (self.folder / (stdout or os.devnull)).open("wb") as out,
                (self.folder / f"{name}.stderr.txt").open("wb") as err,
            ):
                child = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    env=dict(env),
                    cwd=self.folder,
                    start_new_session=True,  # a group of its own: servers that fork are stopped as a whole
                )
            process = Process(name, child, self.folder)
            self.running.append(process)
        finally:
            self._starting = False
        if self._interrupted:
            raise KeyboardInterrupt
        return process

    def wait_for(self, process: Process, ready: Callable[[], bool], seconds: float = 25) -> None:
        """Waits until ``ready()``; raises StartError when the program ends before or needs longer."""
        end = time.monotonic() + seconds
        while not ready():
            process.check()
            if time.monotonic() > end:
                raise StartError(f"{process.name} did not start within {seconds:g} s: {process.last_words()}")
            time.sleep(0.05)

    def stop(self, processes: Sequence[Process], seconds: float = 10) -> list[str]:
        """SIGTERM, time to finish, then SIGKILL for each whole group; returns who did not finish in time."""
        leaving = list(processes)
        for process in leaving:
            if process.child.poll() is None:
                process.child.terminate()
        end = time.monotonic() + seconds
        late = []
        for process in leaving:
            try:
                process.child.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                late.append(process.name)
            process.signal_group(signal.SIGKILL)
            process.child.wait()
        self.running = [process for process in self.running if process not in leaving]
        return late


def clean_environment() -> dict[str, str]:
    """This environment without anybody's credentials, proxies and settings of telemetry."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(FOREIGN) and not name.lower().endswith("_proxy")
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


def healthy(port: int) -> bool:
    """Whether the service on that port answers."""
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def start_sink(processes: Processes, kind: str, env: Mapping[str, str]) -> tuple[Process, Callable[[], int]]:
    """Starts one of ``sinks.py``; the second part of the answer waits for its port."""
    folder = processes.folder / kind
    process = processes.start(kind, [sys.executable, str(HERE / "sinks.py"), kind, kind], env)

    def port() -> int:
        processes.wait_for(process, (folder / "port").exists)
        number = int((folder / "port").read_text())
        (folder / "port").unlink()
        return number

    return process, port


def start_redis(processes: Processes, env: Mapping[str, str]) -> str | None:
    """The URL of a Redis of our own; None without redis-server."""
    program = shutil.which("redis-server")
    if program is None:
        return None
    for _attempt in range(3):  # the port may be taken between the look and the start
        port = free_port()
        options = ["--port", str(port), "--bind", HOST, "--save", "", "--appendonly", "no"]
        process = processes.start("redis", [program, *options], env)
        try:
            processes.wait_for(process, partial(listens, port))
        except StartError:
            continue
        return f"redis://{HOST}:{port}/0"
    return None


def orders_command(port: int) -> list[str]:
    """gunicorn where it is installed, else Werkzeug's own threaded server."""
    try:
        from gunicorn.config import KNOWN_SETTINGS  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        return [sys.executable, str(HERE / "orders.py")]
    options = ["--bind", f"{HOST}:{port}", "--workers", "2", "--threads", "4", "--graceful-timeout", "5"]
    if any("--no-control-socket" in (setting.cli or ()) for setting in KNOWN_SETTINGS):
        options.append("--no-control-socket")  # it would lie in the user's home
    return [sys.executable, "-m", "gunicorn", "--pythonpath", str(HERE), *options, "orders:app"]

"""What the operating system says of this process. Everything is read at once, from small files and without waiting."""

from __future__ import annotations

import os
from time import monotonic

from ..hotpath.api_metrics import ApiObservableCounter, ApiObservableGauge, ApiObservableUpDownCounter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..hotpath.api_metrics import ApiObservable
    from ..hotpath.span import Scope

    Value = tuple[str, int | float, dict[str, str | int]]

CPU_TIME = "process.cpu.time"
CPU_UTILIZATION = "process.cpu.utilization"
MEMORY_USAGE = "process.memory.usage"
THREAD_COUNT = "process.thread.count"
FILE_DESCRIPTORS = "process.unix.file_descriptor.count"  # until 1.38: process.open_file_descriptor.count

_THREADS_FIELD = 17  # of /proc/self/stat, counted from behind the name (proc_pid_stat(5): field 20)


def instruments(scope: Scope) -> tuple[ApiObservable, ...]:
    """Make the instruments (semantic conventions, "Process metrics")."""
    return (
        ApiObservableCounter(CPU_TIME, "s", "Total CPU seconds broken down by different CPU modes", scope),
        ApiObservableGauge(CPU_UTILIZATION, "1", "Share of the CPUs available to the process that it has used", scope),
        ApiObservableUpDownCounter(MEMORY_USAGE, "By", "The amount of physical memory in use", scope),
        ApiObservableUpDownCounter(THREAD_COUNT, "{thread}", "Process threads count", scope),
        ApiObservableUpDownCounter(
            FILE_DESCRIPTORS, "{file_descriptor}", "Number of UNIX file descriptors in use by the process", scope
        ),
    )


class Process:
    """Reads the process, and remembers what CPU time it had used the last time."""

    def __init__(self) -> None:
        self._cpu: float | None = None
        self._at = 0.0

    def after_fork(self) -> None:
        """In a forked child, whose CPU time begins at zero."""
        self._cpu = None

    def read(self) -> Iterator[Value]:
        """Give each value with the name of its instrument and its attributes. What cannot be had here is left out."""
        yield from self._usage()
        for name, value in ((MEMORY_USAGE, _memory()), (THREAD_COUNT, _threads()), (FILE_DESCRIPTORS, _descriptors())):
            if value is not None:
                yield name, value, {}

    def _usage(self) -> Iterator[Value]:
        try:
            import resource
        except ImportError:  # not on Unix
            return
        usage = resource.getrusage(resource.RUSAGE_SELF)
        yield CPU_TIME, usage.ru_utime, {"cpu.mode": "user"}
        yield CPU_TIME, usage.ru_stime, {"cpu.mode": "system"}
        now, used = monotonic(), usage.ru_utime + usage.ru_stime
        if self._cpu is not None and now > self._at:
            yield CPU_UTILIZATION, max(0.0, (used - self._cpu) / (now - self._at) / _cpus()), {}
        self._cpu, self._at = used, now


def _cpus() -> int:
    try:
        return len(os.sched_getaffinity(0)) or 1
    except (AttributeError, OSError):  # macOS
        return os.cpu_count() or 1


def _memory() -> int | None:
    try:
        with open("/proc/self/statm", "rb") as file:
            resident = file.read(256).split()[1]
    except OSError:  # macOS tells only the most that was ever used
        return None
    return int(resident) * os.sysconf("SC_PAGE_SIZE")


def _threads() -> int:
    """Return the threads that the kernel knows: those of C libraries too."""
    try:
        with open("/proc/self/stat", "rb") as file:
            text = file.read(1024)
    except OSError:
        import threading

        return threading.active_count()
    return int(text.rpartition(b")")[2].split()[_THREADS_FIELD])  # the name may hold blanks and brackets


def _descriptors() -> int | None:
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return len(os.listdir(folder)) - 1  # one of them is the folder's own
        except OSError:
            continue
    return None

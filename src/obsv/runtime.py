"""What ``init()`` builds and ``shutdown()`` takes down, and the hooks for forks, exits and signals."""

from __future__ import annotations

import _thread
import atexit
import os
import sys

from . import patches, propagation
from .hotpath import faults, headers, metrics
from .hotpath import span as hot
from .hotpath.errors import safe_text
from .hotpath.loglines import Guard
from .pipeline import Pipeline
from .settings import SettingsError, resolve
from .sinks.base import SIGNALS, SinkError, create

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from .hotpath.queue import BoundedQueue
    from .pipeline import Lane
    from .sampling import Sampling
    from .settings import Settings
    from .sinks.base import Sink


class _Change:
    """Held while ``init()`` or ``shutdown()`` is at work; a SIGTERM that comes meanwhile is obeyed right afterwards.

    Attributes:
        terminated: The signal that has come, 0 for none.

    A signal handler may call ``shutdown()`` in the midst of ``init()``, so the lock may be taken twice by one thread.
    """

    def __init__(self) -> None:
        self.lock = _thread.RLock()
        self.depth = 0
        self.terminated = 0

    def __enter__(self) -> None:
        self.lock.acquire()
        self.depth += 1

    def __exit__(self, *_: object) -> None:
        self.depth -= 1
        self.lock.release()
        if self.terminated:
            self.obey()

    def obey(self) -> None:
        """Let the signal do what it was sent for, once nothing is at work any more."""
        if self.terminated and self.depth == 0:
            number, self.terminated = self.terminated, 0
            os.kill(os.getpid(), number)


_change = _Change()
_runtime: Runtime | None = None
_ended: Runtime | None = None
_settings: Settings | None = None


class Runtime:
    """One initialised obsv: its settings, its pipeline and what is patched.

    Attributes:
        arguments: What ``init()`` was called with, to tell a second call with others.
        settings: What is in force.
        resource: The attributes that every record carries.
        pipeline: The sinks and their threads.
        guard: Masks secrets in what leaves, None where none are masked.
        immediate: Sinks that write logs in the caller's thread.
        sampling: What decides on traces, where it is more than a share.
        by_itself: Whether ``obsv run`` started it, and not the program.
    """

    by_itself = False

    def __init__(self, arguments: Mapping[str, Any], settings: Settings) -> None:
        from .platform.resource import resource_attributes

        self.arguments = arguments
        self.settings = settings
        self.resource = dict(resource_attributes(settings))
        self.pipeline = Pipeline(settings, self.resource)
        self.guard: Guard | None = None
        self.immediate: list[Any] = []
        self.sampling: Sampling | None = None
        self._restore_signals: list[Callable[[], None]] = []

    def start(self) -> None:
        """Open the outlets, then patch: from here on telemetry flows."""
        settings = self.settings
        # The variable is read where an error is met, so that a test may set it; a file's word lasts until the shutdown.
        faults.raise_errors(settings.raise_errors and settings.origin("raise_errors") != "OBSV_RAISE")
        self.guard = self.pipeline.guard = _guard(settings)
        self._make_sinks()
        self.pipeline.collector.lost_elsewhere = self.lost_elsewhere
        self.pipeline.collector.runtime_metrics = settings.runtime_metrics
        outlet = hot.OUTLET
        outlet.queues = self.pipeline.queues("traces")
        outlet.measured = self._measured()
        outlet.set_ratio(settings.share())
        outlet.ignore_parent = settings.sampler is not None and settings.sampler.parent_based is False
        length = -1 if settings.attribute_length_limit is None else settings.attribute_length_limit
        outlet.set_attribute_limits(_limit(settings.attribute_count_limit), length)
        outlet.max_event_length = length
        outlet.max_events = _limit(settings.event_count_limit)
        outlet.max_event_attributes = _limit(settings.event_attribute_count_limit)
        outlet.max_links = _limit(settings.link_count_limit)
        outlet.max_link_attributes = _limit(settings.link_attribute_count_limit)
        xray = any(lane.name == "xray" for lane in self.pipeline.lanes)
        outlet.time_ids = settings.id_generator == "xray" or (xray and settings.id_generator is None)
        outlet.ambient = headers.invocation if outlet.time_ids and settings.platform == "lambda" else None
        outlet.resource = self.resource
        hot.set_part(settings.queue_records)
        propagation.start(settings)
        outlet.governor = None
        if settings.keep or settings.centralised():
            from .sampling import Sampling

            self.sampling = Sampling(settings, self.resource, outlet)
        if settings.plugs_in():
            from .otel.setup import use

            use(settings)
        meter = metrics.METER
        meter.max_series = settings.max_series
        meter.boundaries = metrics.BOUNDARIES if settings.otlp_histogram == "explicit_bucket_histogram" else None
        meter.starter = self.pipeline.start_metrics
        meter.enabled = bool(self.pipeline.queues("metrics"))
        if meter.enabled and self.pipeline.collector.counting():
            self.pipeline.start_metrics()  # series that are there already call no starter
        outlet.enabled = True
        if settings.runtime_metrics:
            patches.when_imported("asyncio.base_events", _hear_asyncio)
            patches.when_imported("uvloop", _hear_uvloop)
        self._start_logs()
        patches.start(settings)
        if settings.signals:
            self.flush_on(SIGTERM)

    def _make_sinks(self) -> None:
        wanted: dict[str, tuple[Callable[[], Sink], list[str]]] = {}
        for signal in SIGNALS:
            for chosen in getattr(self.settings, signal):
                if isinstance(chosen, str):
                    if chosen != "none":
                        wanted.setdefault(chosen, (self._maker(chosen), []))[1].append(signal)
                else:
                    wanted.setdefault(f"object {id(chosen)}", (_keep(chosen), []))[1].append(signal)
        for name, (make, signals) in wanted.items():
            try:
                self._add_sink(make, signals)
            except Exception as error:  # noqa: BLE001 - one bad sink must not stop the others
                if isinstance(error, SinkError):
                    faults.tell(f"the sink {name} is left out: {error}")
                else:
                    faults.report(f"sink {name}", error)

    def _maker(self, name: str) -> Callable[[], Sink]:
        return lambda: create(name, self.settings)

    def _add_sink(self, make: Callable[[], Sink], signals: list[str]) -> None:
        sink = make()
        missing = [name for name in ("name", "signals", "open", "send", "close") if not hasattr(sink, name)]
        if missing:
            raise SinkError(f"{type(sink).__name__} has no {', '.join(missing)}; see obsv.sinks.base.Sink")
        at_once: frozenset[str] = getattr(sink, "immediate", frozenset())
        if any(signal not in at_once for signal in signals):
            at_once = frozenset()  # it has a lane anyway, which alone opens it
        if "logs" in signals and "logs" in at_once:
            sink.open(self.resource)
            self.immediate.append(sink)
        queued = [signal for signal in signals if signal not in at_once and signal in sink.signals]
        if queued:
            unused = [] if sink in self.immediate else [sink]
            self.pipeline.add(lambda: unused.pop() if unused else make(), tuple(queued))

    def _measured(self) -> BoundedQueue | None:
        """Make the lane of Application Signals, and return where it takes spans; None where nobody wants them."""
        settings = self.settings
        if settings.application_signals == "off":
            return None
        from .sinks.application_signals import ApplicationSignalsSink

        sink = ApplicationSignalsSink(settings)
        lane = self.pipeline.add(lambda: sink, ("spans", "points"))
        sink.points_queue = lane.queue("points")
        self.pipeline.collector.measured = lane.queue("spans")
        return lane.queue("spans")

    def _start_logs(self) -> None:
        # The logger is loaded now: a signal handler would find it half imported by what it has interrupted.
        from .logs import logger, outlet  # noqa: F401

        queues = self.pipeline.queues("logs")
        outlet.forget_losses()
        loaded: Any = sys.modules.get("obsv.logs.features")
        if loaded is not None:
            loaded.reset()
        if queues or self.immediate:
            outlet.install([sink.write for sink in self.immediate], queues, self.settings.log_level, self.guard)
            if self.settings.shapes_logs():
                from .logs import features

                features.start(self.settings)
            if self.settings.log_hooks:
                from .logs import uncaught

                uncaught.install(self.settings.log_hooks, patches.when_imported)
        names = self.settings.log_correlation_headers if queues or self.immediate else ()
        headers.set_correlation(names, _begin_request, _end_request)

    def lost_elsewhere(self) -> dict[tuple[str, str, str], int]:
        """Return what was lost outside of the lanes, by sink, signal and reason."""
        from .logs import outlet

        lost = {("logger", "logs", reason): count for reason, count in outlet.lost().items()}
        for sink in self.immediate:
            for reason, count in dict(getattr(sink, "lost", {})).items():
                lost[sink.name, "logs", reason] = count
        return lost

    def stop(self, timeout: float, guests_leave: bool = False) -> bool:
        """Take everything down again; what is queued leaves first."""
        patches.stop()
        for hear in (_hear_asyncio, _hear_uvloop):
            patches.forget(hear)
        hot.OUTLET.enabled = False
        if self.sampling is not None:
            self.sampling.stop()
        guests_are_done = _start_guests(timeout, guests_leave)
        everything = self.pipeline.close(timeout)
        everything = guests_are_done() and everything
        metrics.METER.enabled = False
        metrics.METER.starter = None
        hot.OUTLET.queues = ()
        hot.OUTLET.measured = None
        from .logs import outlet

        for name in ("features", "uncaught"):
            feature = sys.modules.get(f"obsv.logs.{name}")
            if feature is not None:
                feature.stop()
        outlet.remove()
        for sink in self.immediate:
            try:
                sink.close()
            except Exception as error:  # noqa: BLE001 - a sink, ours or the user's
                faults.report("closing a log sink", error)
        while self._restore_signals:
            self._restore_signals.pop()()
        faults.raise_errors(False)
        return everything

    def flush_on(self, number: int) -> None:
        """Send what is queued before a signal ends the process, where the program leaves that signal to the system."""
        restore = _flush_on(number)
        if restore is not None:
            self._restore_signals.append(restore)

    def after_fork(self) -> None:
        """In a forked child."""
        from .platform.resource import resource_attributes

        self.resource.update(resource_attributes(self.settings))  # another process, another instance
        metrics.METER.starter = self.pipeline.start_metrics
        if self.sampling is not None:
            self.sampling.after_fork()
        from .logs import outlet

        outlet.forget_losses()
        outlet.forget_threads()
        features = sys.modules.get("obsv.logs.features")
        if features is not None:
            features.forget()
        self.pipeline.after_fork()


def init(arguments: Mapping[str, Any], by_itself: bool = False) -> None:
    """Do what ``obsv.init()`` promises; ``arguments`` are those that were given.

    ``by_itself`` is the start under ``obsv run``: a program that then calls ``init()`` with arguments gets its way.
    """
    global _runtime, _settings
    with _change:
        if _runtime is not None and _runtime.by_itself and not by_itself and not _same(arguments, _runtime.arguments):
            shutdown()
        if _runtime is not None:
            if not _same(arguments, _runtime.arguments):
                faults.tell(
                    "init() was called again with other arguments; the first call stays in force "
                    "(call shutdown() before to change it)"
                )
            return
        try:
            settings = resolve(arguments, patches=patches.known_names())
            for problem in settings.problems:
                faults.tell(str(problem))
            _settings = settings
            patches.stand_in()
            if not settings.enabled:
                return
            runtime = Runtime(dict(arguments), settings)
            runtime.by_itself = by_itself
            try:
                runtime.start()
            except BaseException:
                runtime.stop(0.0)  # half of it would be neither on nor off
                raise
            _runtime = runtime
        except SettingsError:
            raise  # only under OBSV_STRICT=1, which asks for it
        except Exception as error:  # noqa: BLE001 - the program goes on without telemetry
            faults.report("init", error)
            return
        _hook_exits()


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    try:
        return bool(one == other)
    except Exception:  # noqa: BLE001 - arguments of the user's that cannot be compared (arrays)
        return False


def shutdown(timeout: float | None = None, guests_leave: bool = False) -> bool:
    """Do what ``obsv.shutdown()`` promises.

    ``guests_leave`` shuts the processors and readers of the program down too. Without it they are flushed: another
    ``init()`` is to follow, as under ``obsv run`` and in :mod:`obsv.testing`.
    """
    global _runtime, _ended
    with _change:
        runtime, _runtime = _runtime, None
        if runtime is None:
            return True
        _ended = runtime
        try:
            seconds = runtime.settings.shutdown_timeout if timeout is None else _seconds(timeout)
            return runtime.stop(seconds, guests_leave)
        except Exception as error:  # noqa: BLE001 - the program ends, whatever we do
            faults.report("shutdown", error)
            return False


def _start_guests(seconds: float, leave: bool = False) -> Callable[[], bool]:
    """Do what :func:`obsv.guests.start` does, where a program has added anything."""
    guests = sys.modules.get("obsv.guests")
    if guests is None:
        return lambda: True
    waiting: Callable[[], bool] = guests.start(seconds, leave)
    return waiting


def flush(timeout: float) -> bool:
    """Do what ``obsv.flush()`` promises."""
    runtime = _runtime
    if runtime is None:
        return True
    try:
        seconds = timeout if type(timeout) is float and 0.0 <= timeout <= 60.0 else _seconds(timeout)
        if "obsv.guests" not in sys.modules:
            return flush_sinks(seconds)
        guests_are_done = _start_guests(seconds)
        everything = flush_sinks(seconds)
        return guests_are_done() and everything
    except Exception as error:  # noqa: BLE001 - never into user code
        faults.report("flush", error)
        return False


def flush_sinks(seconds: float) -> bool:
    """Send what is queued for the sinks; the providers of OpenTelemetry's API flush their own processors themselves."""
    runtime = _runtime
    if runtime is None:
        return True
    try:
        return runtime.pipeline.flush(seconds)
    finally:
        if _change.terminated:  # a signal came while this thread was sending
            _change.obey()


def running() -> Runtime | None:
    """Return what ``init()`` built, None before it or after ``shutdown()``."""
    return _runtime


def last() -> Runtime | None:
    """Return what the last ``init()`` built, also after ``shutdown()``: what was lost at the end is asked for then."""
    return _runtime or _ended


def settings_in_force() -> Settings:
    """Return the settings of the last ``init()``; without one, those that it would use."""
    global _settings
    if _settings is None:
        _settings = resolve({}, raise_strict=False)
    return _settings


def lanes() -> list[Lane]:
    """Return the lanes that are open."""
    return [] if _runtime is None else _runtime.pipeline.lanes


def _seconds(timeout: object) -> float:
    try:
        return max(0.0, min(float(timeout), 86_400.0))  # type: ignore[arg-type]
    except Exception:  # noqa: BLE001 - whatever was given
        faults.tell(f"timeout {safe_text(timeout)[:40]} is no number of seconds; 5 is used", key="timeout")
        return 5.0


def _begin_request(correlation_id: str | None) -> object:
    """Let the log records of a request carry its id. Called by the first request that has one, so loaded then."""
    from .logs.context import begin_request

    return begin_request(correlation_id)


def _end_request(mark: object) -> None:
    from .logs.context import end_request

    end_request(mark)


def _limit(value: int | None) -> int:
    return sys.maxsize if value is None else value


def _guard(settings: Settings) -> Guard | None:
    """Return what masks secrets; it loads its rules when the first record leaves."""
    if not (settings.redact or settings.redact_patterns or settings.redact_with):
        return None

    def make() -> Guard:
        from .redaction.redactor import Redactor

        return Redactor(settings)

    return Guard(make, ("obsv.hotpath.masking", "obsv.redaction.redactor", "obsv.redaction.rules"))


def _keep(sink: Sink) -> Callable[[], Sink]:
    return lambda: sink


# ---------------------------------------------------------------------- exits, forks, signals

SIGINT, SIGTERM = 2, 15  # the numbers are POSIX's; importing `signal` costs a millisecond

_hooked = False


def _hook_exits() -> None:
    """Register once what lasts longer than one ``init()``: what runs at exits and forks, and OpenTelemetry's API."""
    global _hooked
    if _hooked:
        return
    _hooked = True
    atexit.register(_at_exit)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_in_child)
    patches.when_imported("multiprocessing.util", _hook_multiprocessing)
    patches.when_imported("billiard.pool", _hook_billiard)
    patches.when_imported("gunicorn.workers.base", _hook_gunicorn)
    patches.when_imported("opentelemetry.trace", _adopt_opentelemetry)
    patches.when_imported("opentelemetry.sdk.trace", _adopt_sdk)
    patches.when_imported("opentelemetry.metrics", _adopt_metrics)
    patches.when_imported("opentelemetry.sdk.metrics", _adopt_metrics)
    patches.when_imported("opentelemetry._logs", _adopt_opentelemetry_logs)


def _adopt_opentelemetry(module: Any) -> None:
    from .otel import adopt

    adopt(module, flush_sinks)


def _adopt_sdk(module: Any) -> None:
    from .otel import adopt_sdk

    adopt_sdk(module)


def _adopt_metrics(module: Any) -> None:
    from .otel.metrics import adopt

    adopt(module)


def _adopt_opentelemetry_logs(module: Any) -> None:
    from .otel.logs import install

    install(flush_sinks)


def _hear_asyncio(module: Any) -> None:
    from .runtime_metrics.loops import hook

    hook(module.BaseEventLoop)


def _hear_uvloop(module: Any) -> None:
    from .runtime_metrics.loops import hook

    hook(module.Loop)


def _at_exit() -> None:
    try:
        shutdown(guests_leave=True)
    except KeyboardInterrupt:  # somebody does not want to wait: the program ends at once, without a traceback of ours
        pass


def _in_child() -> None:
    global _change
    _change = _Change()
    runtime = _runtime
    if runtime is not None:
        try:
            runtime.after_fork()
        except Exception as error:  # noqa: BLE001 - the child is the user's
            faults.report("after fork", error)


def _hook_multiprocessing(module: Any) -> None:
    """A worker of ``multiprocessing`` leaves by ``os._exit`` and runs its own finalizers instead of ``atexit``."""
    module.register_after_fork(_lock_owner, _finalize_worker)


def _hook_billiard(module: Any) -> None:
    from .auto import billiard

    billiard.hook(module, _at_exit)


class _Owner:
    """Something that lives as long as the process: multiprocessing remembers callbacks by weak reference to it."""


_lock_owner = _Owner()


def _finalize_worker(_: object) -> None:
    from multiprocessing.util import Finalize

    Finalize(None, _at_exit, exitpriority=-100)


def _hook_gunicorn(module: Any) -> None:
    from .auto import gunicorn

    gunicorn.hook(module, _flush_on_more)


def _flush_on_more() -> None:
    """In a server's worker that has just set its signals: let none of those that end it end it unsent."""
    runtime = _runtime
    if runtime is None or not runtime.settings.signals:
        return
    try:
        for number in (SIGTERM, SIGINT):
            runtime.flush_on(number)
    except Exception as error:  # noqa: BLE001 - the worker is the user's
        faults.report("signals of a worker", error)


def _flush_on(number: int) -> Callable[[], None] | None:
    """Send what is queued before this signal ends the process, as it would have ended without us.

    Only where the program itself leaves the signal to the system, and only in the main thread: a handler of the
    program's stays as it is.
    """
    # The same functions as in `signal`, without the enums, whose import costs a millisecond.
    import _signal as signal  # type: ignore[import-not-found]

    if signal.getsignal(number) != signal.SIG_DFL:
        return None

    def end() -> None:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def handler(_: int, frame: object) -> None:
        if os.getpid() == 1:
            # The kernel does not end process 1 by a signal that it leaves to the system: it lives on, and so does obsv.
            _thread.start_new_thread(flush, (settings_in_force().shutdown_timeout,))
            return
        runtime = _runtime
        flushing = runtime is not None and runtime.pipeline.flushing_here()
        if (_change.depth or flushing) and not _change.terminated:
            # It has interrupted a shutdown, perhaps in this very thread, or a flush in this thread: that goes on, and
            # the process ends after it.
            _change.terminated = number
            return
        if _change.terminated:
            end()  # it was told twice
        done = _thread.allocate_lock()
        done.acquire()
        late = False

        def leave() -> None:
            try:
                shutdown(guests_leave=True)
            finally:
                done.release()
                if late:
                    end()

        try:
            # Not in the handler itself, and not by threading.Thread: it may have interrupted somebody who holds a lock
            # that sending, or threading, needs.
            _thread.start_new_thread(leave, ())
        except RuntimeError:
            end()
        try:
            done.acquire(timeout=settings_in_force().shutdown_timeout + 0.5)
        except Exception:  # noqa: BLE001 - gevent, eventlet: "Impossible to call blocking function in the event loop callback"
            late = True  # `leave` is a greenlet, which begins when this function is over
            return
        end()

    def restore() -> None:
        if signal.getsignal(number) is handler:
            try:
                signal.signal(number, signal.SIG_DFL)
            except ValueError:
                pass  # not the main thread

    try:
        signal.signal(number, handler)
    except ValueError:  # not the main thread, which alone may set a handler
        return None

    return restore

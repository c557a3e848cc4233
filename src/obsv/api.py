"""The public functions. Each says what it means; the work is done elsewhere."""

from __future__ import annotations

from .hotpath import faults, metrics
from .hotpath.errors import safe_text
from .hotpath.span import SCOPE
from .hotpath.wrap import decorate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TypeVar, overload

    from .sinks.base import Sink

    Function = TypeVar("Function", bound=Callable[..., Any])
    Sinks = str | Sink | Sequence[str | Sink] | None


def init(
    service: str | None = None,
    *,
    version: str | None = None,
    environment: str | None = None,
    traces: Sinks = None,
    metrics: Sinks = None,
    logs: Sinks = None,
    patch: bool | str | Sequence[str] = True,
    sample: float | None = None,
    resource: Mapping[str, Any] | None = None,
    config: str | Mapping[str, Any] | None = None,
    enabled: bool | None = None,
) -> None:
    """Start observing this process. Call it once, early; a second call with other arguments warns and changes nothing.

    What is not given comes from ``OBSV_*``, then ``OTEL_*`` and ``AWS_*`` variables, then ``obsv.toml`` or
    ``[tool.obsv]`` in ``pyproject.toml``, then the platform. ``obsv doctor`` shows what is in force and why.

    Args:
        service: Name of the service (``service.name``).
        version: Its version (``service.version``).
        environment: Where it runs: ``"production"``, ``"test"`` (``deployment.environment.name``).
        traces: Sinks for spans: a name, names with commas, a list of names and sink objects, or ``"none"``. Names:
            ``otlp``, ``xray``, ``console``, ``local``, ``memory``.
        metrics: Sinks for metrics: ``emf``, ``otlp``, ``local``, ``memory``.
        logs: Sinks for logs: ``json``, ``otlp``, ``console``, ``local``, ``memory``.
        patch: Libraries to patch: all (True), none (False), or names; ``"-redis"`` means all but redis.
        sample: Share of new traces to keep, from 0 to 1.
        resource: More attributes for every record.
        config: Path of a settings file, or the settings themselves.
        enabled: False turns everything off.

    Raises:
        obsv.settings.SettingsError: A setting is wrong, and ``OBSV_STRICT=1`` is set. Otherwise a wrong setting gives
            one line on stderr and its default is used.

    Example:
        >>> import obsv
        >>> obsv.init("shop", environment="test")
    """
    from . import runtime

    given = {
        "service": service,
        "version": version,
        "environment": environment,
        "traces": traces,
        "metrics": metrics,
        "logs": logs,
        "patch": patch,
        "sample": sample,
        "resource": resource,
        "config": config,
        "enabled": enabled,
    }
    runtime.init({name: value for name, value in given.items() if value is not None})


def shutdown(timeout: float = 5.0) -> bool:
    """Send what is queued, stop all threads and take the patches back. Called by itself at the end of the program.

    Processors and readers that were added to obsv's OpenTelemetry providers are shut down too.

    Args:
        timeout: The longest that this may take, in seconds. What has not left by then is lost and counted.

    Returns:
        True when everything left in time. A second call returns True and does nothing.
    """
    from . import runtime

    return runtime.shutdown(timeout, guests_leave=True)


def flush(timeout: float = 5.0) -> bool:
    """Send what is queued now, metrics of the current interval included.

    Processors and readers that were added to obsv's OpenTelemetry providers are flushed too.

    Args:
        timeout: The longest to wait, in seconds.

    Returns:
        True when everything left in time.
    """
    teller = metrics.METER.teller
    if teller is not None and teller.tell():
        return True
    from . import runtime

    return runtime.flush(timeout)


if TYPE_CHECKING:

    @overload
    def traced(function: Function, /) -> Function: ...

    @overload
    def traced(
        *, name: str | None = None, attributes: Mapping[str, Any] | None = None, args: Sequence[str] = ()
    ) -> Callable[[Function], Function]: ...


def traced(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    attributes: Mapping[str, Any] | None = None,
    args: Sequence[str] = (),
) -> Any:
    """Give each call of a function, coroutine function or generator a span.

    Args:
        name: The span's name; the function's qualified name by default.
        attributes: Set on every span.
        args: Names of parameters whose values become attributes, as passed.

    Example:
        >>> @obsv.traced
        ... def checkout(): ...
        >>> @obsv.traced(name="charge", args=("order_id",))
        ... async def charge(order_id, card): ...
    """

    def decorator(target: Callable[..., Any]) -> Callable[..., Any]:
        label: Any = name
        if name is None:
            try:
                label = getattr(target, "__func__", target).__qualname__
            except Exception:  # noqa: BLE001 - an object that can be called, whatever else it does
                label = None
        label = (None if label is None else safe_text(label)) or type(target).__name__
        try:
            return decorate(target, SCOPE, label.replace("<locals>.", ""), 0, known, names)
        except Exception as error:  # noqa: BLE001 - as above
            faults.report("@traced", error)
            return target

    known: dict[str, Any] = {}
    names: tuple[str, ...] = ()
    try:
        known.update({} if attributes is None else attributes)
        names = (args,) if isinstance(args, str) else tuple(map(str, args))
    except Exception:  # noqa: BLE001 - never into user code
        faults.tell("@traced takes attributes as a mapping and args as names of parameters; others are left out")
    return decorator if function is None else decorator(function)


def counter(name: str, unit: str = "Count", description: str = "", *, resolution: int = 60) -> metrics.Counter:
    """Return the counter of this name: a sum that only grows.

    Args:
        name: Name of the metric.
        unit: One of CloudWatch's words: ``"Count"``, ``"Bytes"``, ``"Seconds"``, … (CloudWatch API, ``MetricDatum``,
            "Unit").
        description: What is counted.
        resolution: 1 for a metric of high resolution: it is collected each second, and CloudWatch keeps its seconds
            apart (EMF specification, "StorageResolution"). One that was made so once stays so.

    Example:
        >>> obsv.counter("orders").add(1, shop="north")
    """
    made: metrics.Counter = metrics.instrument(metrics.Counter, name, unit, description, None, resolution)
    return made


def histogram(
    name: str, unit: str = "Milliseconds", description: str = "", *, resolution: int = 60
) -> metrics.Histogram:
    """Return the histogram of this name: a distribution of values, from which percentiles come.

    ``resolution`` as in :func:`counter`.

    Example:
        >>> obsv.histogram("render").record(12.5, page="home")
        >>> with obsv.histogram("render").time(page="home"): ...
    """
    made: metrics.Histogram = metrics.instrument(metrics.Histogram, name, unit, description, None, resolution)
    return made


def gauge(name: str, unit: str = "None", description: str = "", *, resolution: int = 60) -> metrics.Gauge:
    """Return the gauge of this name: a value that goes up and down, of which the last one counts.

    ``resolution`` as in :func:`counter`.

    Example:
        >>> obsv.gauge("queue_depth").set(17, queue="mail")
    """
    made: metrics.Gauge = metrics.instrument(metrics.Gauge, name, unit, description, None, resolution)
    return made


def patch(*names: str) -> None:
    """Patch these libraries (all, without a name), now or when they are imported. ``init()`` does so by itself.

    Example:
        >>> obsv.patch("redis", "httpx")
    """
    from . import patches

    try:
        patches.switch_on(names or tuple(patches.REGISTRY))
    except Exception as error:  # noqa: BLE001 - never into user code
        faults.report("patch", error)


def unpatch(*names: str) -> None:
    """Take patches back, all of them without a name: functions are as they were before."""
    from . import patches

    try:
        patches.switch_off(names or tuple(patches.REGISTRY))
    except Exception as error:  # noqa: BLE001 - never into user code
        faults.report("unpatch", error)

"""Switches on what the settings of the logs ask for beside writing them; loaded only where they ask for anything."""

from __future__ import annotations

from . import outlet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..settings import Settings
    from .below import Buffer
    from .limiter import Limiter

_limiter: Limiter | None = None
_buffer: Buffer | None = None


def start(settings: Settings) -> None:
    """Begin, after the outlets were installed and before libraries are patched."""
    global _buffer, _limiter
    reset()
    if settings.notes_places():
        from .place import add_place

        outlet.stage(outlet.PLACE, add_place)
    if settings.log_rate_limit:
        from .limiter import Limiter

        _limiter = Limiter(settings.log_rate_limit)
        outlet.stage(outlet.LIMIT, _limiter)
    if settings.log_buffer:
        from ..hotpath.span import OUTLET
        from .below import Buffer

        _buffer = Buffer(settings.log_buffer, settings.log_buffer_records, settings.log_buffer_total)
        OUTLET.watcher = _buffer.ended
        if settings.log_buffer_on_error:
            outlet.stage(outlet.TRIGGER, _buffer.trigger)
    if settings.log_buffer or settings.log_sample:
        from .below import Below

        outlet.set_below(Below(settings.log_sample, _buffer))


def stop() -> None:
    """Take everything back; what waits in the buffer is thrown away. :func:`status` keeps the last counts."""
    from ..hotpath.span import OUTLET

    for rank in (outlet.PLACE, outlet.LIMIT, outlet.TRIGGER):
        outlet.stage(rank, None)
    outlet.set_below(None)
    OUTLET.watcher = None
    if _buffer is not None:
        _buffer.traces.clear()
        _buffer.size = 0


def reset() -> None:
    """Take everything back, and forget the counts: those of :func:`status` are of one ``init()``."""
    global _buffer, _limiter
    stop()
    _buffer = _limiter = None


def forget() -> None:
    """In a forked child: what waits is of the parent's traces."""
    if _buffer is not None:
        _buffer.traces.clear()
        _buffer.size = 0


def status() -> dict[str, int]:
    """Return what was held and left out since the last ``init()``, for what is switched on."""
    told: dict[str, int] = {}
    if _limiter is not None:
        told["suppressed"] = _limiter.suppressed
    if _buffer is not None:
        told.update(buffered=_buffer.waiting(), released=_buffer.released, evicted=_buffer.evicted)
    return told

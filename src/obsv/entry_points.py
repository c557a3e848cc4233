"""Entry points of other packages, such as ``opentelemetry_propagator``: looked up only when somebody names one.

``importlib.metadata`` takes as long to import as all of obsv; nothing here is loaded before it is needed.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


def find(group: str, name: str) -> EntryPoint | None:
    """Return the entry point of this group and name, None where no installed package has it.

    Example:
        >>> find("opentelemetry_propagator", "no such thing") is None
        True
    """
    try:
        from importlib.metadata import entry_points

        for found in entry_points(group=group, name=name):
            return found
    except Exception:  # noqa: BLE001 - metadata of others may be broken in any way
        pass
    return None

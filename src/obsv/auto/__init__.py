"""Starting obsv in a program that does not know of it: what ``obsv run`` puts into the environment.

``obsv run`` puts :data:`SITE` in front of ``PYTHONPATH``. Every Python process that inherits it imports the
``sitecustomize`` that lies there (:mod:`site`, "sitecustomize"), which runs the one that it hides and calls
:func:`obsv.auto.start.start`.
"""

from __future__ import annotations

import os

SITE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_site")
"""The directory that holds nothing but our ``sitecustomize.py``."""

CHILDREN = "OBSV_RUN_CHILDREN"
"""The variable that says, with ``false``, that only the first Python process is observed and its children are not."""


def prepend(path: str | None, directory: str = SITE) -> str:
    """Return a ``PYTHONPATH`` that begins with ``directory`` and holds it once.

    Args:
        path: The variable's value. Empty or None, it holds nothing; an empty entry in it means the working directory
            and stays (Python documentation, "PYTHONPATH").

    Example:
        >>> prepend("/srv/lib", "/obsv")
        '/obsv:/srv/lib'
    """
    rest = remove(path, directory)
    return directory if rest is None else directory + os.pathsep + rest


def remove(path: str | None, directory: str = SITE) -> str | None:
    """Return a ``PYTHONPATH`` without ``directory``, None when nothing is left of it."""
    if not path:
        return None
    entries = path.split(os.pathsep)
    left = [entry for entry in entries if not entry or os.path.normpath(entry) != directory]
    return os.pathsep.join(left) if left and left != [""] else None

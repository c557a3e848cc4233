"""Starts obsv in every Python process under ``obsv run``; Python imports it by itself (module ``site``).

It may meet any interpreter (another version, one without obsv), so it uses nothing that is newer than Python 2.7, and
whatever goes wrong costs one line on stderr: the program runs as if ``obsv run`` were not there.
"""

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
_OLDEST = (3, 11)


def _tell(why):
    # Here and not in obsv, which may be what is missing.
    try:
        sys.stderr.write("obsv: not started: " + " ".join(why.split())[:300] + " (the program runs without it)\n")
    except Exception:  # noqa: BLE001 - stderr may be closed or None
        pass


def _is_here(entry):
    try:
        return os.path.realpath(entry) == os.path.realpath(_HERE)
    except Exception:  # noqa: BLE001 - whatever somebody has put into sys.path
        return False


def _chain():
    """Import the ``sitecustomize`` that this one hides, as Python would have. Returns what it raised, or None.

    It is imported under its own name by the ordinary machinery, while our directory is not on ``sys.path``. Afterwards
    the directory is where it was: programs hand their ``sys.path`` on to children.
    """
    # Another agent's sitecustomize chains in the same way and finds this one again: it must not begin anew.
    running = sys.__dict__.setdefault("_obsv_chained", [])
    if running:
        return None
    running.append(True)
    ours = sys.modules.pop("sitecustomize", None)
    before = list(sys.path)
    sys.path[:] = [entry for entry in before if not _is_here(entry)]
    try:
        __import__("sitecustomize")
    except ImportError as error:
        return None if getattr(error, "name", "sitecustomize") == "sitecustomize" else error
    except Exception as error:  # noqa: BLE001 - theirs; Python says it, as it would have
        return error
    finally:
        for index, entry in enumerate(before):
            if _is_here(entry):
                sys.path.insert(min(index, len(sys.path)), entry)
        if ours is not None:
            sys.modules.setdefault("sitecustomize", ours)
    return None


def _start():
    if sys.version_info[:2] < _OLDEST:
        return _tell("it needs Python %d.%d, this is %d.%d" % (_OLDEST + tuple(sys.version_info[:2])))
    try:
        from obsv.auto.start import start
    except ImportError as error:
        if getattr(error, "name", None) in ("obsv", "obsv.auto", "obsv.auto.start"):
            return _tell("%s has no obsv, or another version of it" % (sys.executable or "this interpreter"))
        return _tell("%s: %s" % (type(error).__name__, error))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a broken installation
        return _tell("%s: %s" % (type(error).__name__, error))
    return start(_tell)


class _OnlyThis:
    """Finds this module in our directory, and knows without asking the disk that nothing else is there.

    Libraries try to import what is not installed, some of them with each request (httpcore): each try asks every
    directory on the path, which costs ten calls and a ``stat``.
    """

    def __init__(self, finder):
        self._finder = finder

    def find_spec(self, name, target=None):
        return self._finder.find_spec(name, target) if name == "sitecustomize" else None


def _step_aside():
    """Let imports pass by our directory, which stays on ``sys.path``."""
    finder = sys.path_importer_cache.get(_HERE)
    if hasattr(finder, "find_spec"):
        sys.path_importer_cache[_HERE] = _OnlyThis(finder)


def _interrupted():
    """End by SIGINT: Python takes a KeyboardInterrupt at this place for an error of its own, and dumps its state."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
    os._exit(130)  # process 1 of a container does not end by it


if not sys.__dict__.get("_obsv_chained"):
    _theirs = _chain()  # first: it may set up what the program, and obsv, find
    try:
        _start()
        _step_aside()
    except KeyboardInterrupt:
        _interrupted()
    if _theirs is not None:
        raise _theirs

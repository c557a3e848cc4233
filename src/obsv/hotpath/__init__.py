"""What runs inside the user's request: spans, ids, clock, context, instruments and encoders.

Nothing here imports anything of obsv outside this package. The modules named in ``COMPILED`` are ordinary Python in
Cython's pure Python mode: where the extension was built it is used, ``OBSV_PURE_PYTHON=1`` ignores it.
"""

from __future__ import annotations

import os
import sys

COMPILED = (
    "readable", "records", "span", "queue", "wire", "otlp", "metrics", "api_metrics", "jsontext", "loglines",
    "stdlines", "http_client", "connection", "exchange", "gateway", "turn", "telling", "aws_client",
    "passing", "around", "urllib3_client", "redis_client", "httpx_client", "masking", "keeping",
)  # fmt: skip
"""Modules that have a compiled twin."""

if os.environ.get("OBSV_PURE_PYTHON", "").strip().lower() in ("1", "true", "yes", "on"):
    from importlib.machinery import ModuleSpec, SourceFileLoader
    from importlib.util import spec_from_file_location

    class _SourceFinder:
        """Finds the ``.py`` of a module that also has an extension beside it."""

        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
            package, _, module = name.rpartition(".")
            if package != __name__ or module not in COMPILED:
                return None
            file = os.path.join(os.path.dirname(__file__), module + ".py")
            return spec_from_file_location(name, file, loader=SourceFileLoader(name, file))

    if not any(type(finder).__name__ == "_SourceFinder" for finder in sys.meta_path):
        sys.meta_path.insert(0, _SourceFinder())


def compiled() -> bool:
    """Tell whether the extension is in use (all of it: a half-built one counts as none)."""
    import importlib

    return all(
        not (importlib.import_module(f"{__name__}.{name}").__file__ or ".py").endswith(".py") for name in COMPILED
    )

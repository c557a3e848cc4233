"""`obsv status`: what would be patched here, and by whom: obsv, or an instrumentor of OpenTelemetry's.

Run it where the service runs, with the service's environment. What is at work in a process, `obsv.status()` says there.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from .. import patches, term
from ..settings import resolve

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace


def add_arguments(parser: ArgumentParser) -> None:
    """Adds the options of `obsv status`."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(args: Namespace) -> int:
    """Prints the libraries; 0 always."""
    from . import doctor, findings

    settings = resolve(patches=patches.known_names(), raise_strict=False)
    found = findings.libraries(settings) + findings.instrumentors(settings)
    if args.json:
        import json

        print(json.dumps([library.as_dict() for library in found], indent=2))
    else:
        print("\n".join(doctor.libraries(found, term.Style(sys.stdout))))
    return 0

"""``patch`` and ``patch_all``: obsv's own patches, and functions of the program's modules as subsegments."""

from __future__ import annotations

import sys
from typing import Any

from obsv.guard import guard
from obsv.hotpath import faults

from . import config

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

SUPPORTED_MODULES = (
    "aiobotocore", "botocore", "pynamodb", "requests", "sqlite3", "mysql", "httplib", "pymongo", "pymysql", "psycopg2",
    "psycopg", "pg8000", "sqlalchemy_core", "httpx",
)  # fmt: skip
NO_DOUBLE_PATCH = tuple([name for name in SUPPORTED_MODULES if name != "httplib"])
_PATCHED_MODULES: set[str] = set()

_OURS = {
    "boto3": "botocore",
    "pynamodb": "botocore",
    "aioboto3": "aiobotocore",
    "httplib": "urllib3",
    "sqlalchemy_core": "sqlalchemy",
}
_IMPORTED_AS = {"mysql": "mysql.connector", "httplib": "http.client", "sqlalchemy_core": "sqlalchemy"}


@guard("patch_all of aws_xray_sdk")
def patch_all(double_patch: bool = False) -> None:
    """Patch what aws-xray-sdk patches, as far as obsv does; ``init()`` has done it, unless it was told not to."""
    _patch(NO_DOUBLE_PATCH, all_of_them=True)


@guard("patch of aws_xray_sdk")
def patch(modules_to_patch: Iterable[str], raise_errors: bool = True, ignore_module_patterns: Any = None) -> None:
    """Patch libraries by obsv's patches, and all functions of other modules as subsegments.

    Args:
        modules_to_patch: Names of libraries or modules.
        raise_errors: Nothing is raised in either case; what obsv does not patch is told in one line.
        ignore_module_patterns: Regular expressions; modules whose names begin so are left alone.
    """
    names = (modules_to_patch,) if isinstance(modules_to_patch, str) else tuple(modules_to_patch)
    _patch([name for name in names if name in SUPPORTED_MODULES or name in _OURS])
    others = [name for name in names if name not in SUPPORTED_MODULES and name not in _OURS]
    if others and config.global_sdk_config.sdk_enabled():
        from .modules import capture_module

        for name in others:
            capture_module(name, ignore_module_patterns or ())


@guard("patch of aws_xray_sdk")
def patch_one(name: str, asked_for: bool) -> None:
    """Patch one library; what obsv does not patch is told where it was asked for by name, or has been imported."""
    _patch((name,), all_of_them=not asked_for)


def _patch(names: Iterable[str], all_of_them: bool = False) -> None:
    if not config.global_sdk_config.sdk_enabled():
        return
    from obsv import patches

    settings = patches.in_force()
    unknown: list[str] = []
    for name in names:
        ours = _OURS.get(name, name)
        if ours not in patches.REGISTRY:
            if not all_of_them or _IMPORTED_AS.get(name, name) in sys.modules:
                unknown.append(name)
        elif settings.patch is False or settings.should_patch(*patches.REGISTRY[ours].names):
            patches.switch_on([ours])
            _PATCHED_MODULES.add(name)
    if unknown:
        faults.tell(f"aws_xray_sdk patch: obsv does not patch {', '.join(sorted(unknown))}; ignored")

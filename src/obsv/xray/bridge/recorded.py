"""What happens around a call that the recorder records for a program's own patch."""

from __future__ import annotations

from typing import Any

from . import segments
from .words import get_stacktrace


class Recorded:
    """The subsegment of ``record_subsegment``: at its end the program's own function says more about it."""

    __slots__ = ("given", "result", "subsegment")

    def __init__(self, subsegment: Any, given: dict[str, Any]) -> None:
        self.subsegment = subsegment
        self.given = given
        self.result: Any = None

    def __enter__(self) -> Recorded:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if not isinstance(error, Exception):
            error = None
        stack = get_stacktrace(self.given["self"].max_trace_back) if error is not None else None
        try:
            if callable(self.given["meta_processor"]):
                said = {key: self.given[key] for key in ("wrapped", "instance", "args", "kwargs")}
                self.given["meta_processor"](
                    **said, return_value=self.result, exception=error, subsegment=self.subsegment, stack=stack
                )
            elif error is not None:
                self.subsegment.add_exception(error, stack)
        finally:
            segments.end(self.subsegment)
            self.given = {}


def patched_by_obsv(meta_processor: Any) -> bool:
    """Tell whether a call comes from a patch of aws-xray-sdk's for a library that obsv has patched as well."""
    module = getattr(meta_processor, "__module__", None) or ""
    if not module.startswith("aws_xray_sdk.ext."):
        return False
    from obsv.patches import REGISTRY

    name = "botocore" if module.endswith("boto_utils") else module.split(".")[2]
    known = REGISTRY.get(name)
    return known is not None and known.patch is not None and known.patch.applied

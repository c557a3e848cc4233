"""The invocation of a Lambda function: the service writes its segment, and the function what lies below."""

from __future__ import annotations

import os

from obsv.hotpath.headers import BASE_XRAY, parse_xray
from obsv.hotpath.span import SAMPLED, Remote

VARIABLE = "_X_AMZN_TRACE_ID"
"""Names the service's segment. Lambda's runtime sets it anew for each invocation and deletes it where there is none to
name; while a function starts it is not there. So it is read each time."""


def invocation() -> Remote | None:
    """Return the segment that the Lambda service writes for this invocation, None without one.

    Where the variable has no ``Parent``, the trace is known and no segment; where it has no ``Sampled``, obsv decides.
    """
    header = os.environ.get(VARIABLE)
    parsed = parse_xray(header) if header else None
    if parsed is None:
        return None
    hi, lo, parent, sampled, others = parsed
    base = {BASE_XRAY: others} if others else None
    return Remote(hi, lo, parent, SAMPLED if sampled else 0, base=base, decided=sampled is not None)

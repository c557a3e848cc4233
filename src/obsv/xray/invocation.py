"""The segment of a Lambda invocation, which the Lambda service writes: what is done in an invocation belongs below it.

awslambdaric sets the variable for each invocation, and deletes it where there is none: while the function starts, say.
"""

from __future__ import annotations

import os

from obsv.hotpath.headers import BASE_XRAY, parse_xray
from obsv.hotpath.span import SAMPLED, Remote

VARIABLE = "_X_AMZN_TRACE_ID"


def invocation() -> Remote | None:
    """Return the parent that the environment names now, None where it names none."""
    header = os.environ.get(VARIABLE)
    parsed = parse_xray(header) if header else None
    if parsed is None:
        return None
    hi, lo, parent, sampled, others = parsed
    base = {BASE_XRAY: others} if others else None
    return Remote(hi, lo, parent, SAMPLED if sampled else 0, base=base, decided=sampled is not None)

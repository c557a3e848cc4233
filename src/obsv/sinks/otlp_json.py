"""OTLP requests as JSON (OpenTelemetry protocol specification, "JSON Protobuf Encoding"), made from their bytes.

A small reader of protobuf's wire format and a table of OTLP's messages: no protobuf package has to be installed (whose
versions clash in many programs), and the JSON cannot say anything else than the bytes do. Runs in the sink's thread.
"""

from __future__ import annotations

import json
from struct import unpack_from

from .otlp_http import varint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# A field's number -> its name and how it is read. The numbers and names are opentelemetry-proto's, version 1; names of
# messages here are short ones of our own. In front of the kind, "*" says that the field is repeated.
# Kinds: a message's name, or
#   str, bytes (base64), hex (ids), bool, int (a JSON number), long and ulong (a text: 64 bits), sint, fix32, fix64,
#   sfix64, double
_MESSAGES: dict[str, dict[int, tuple[str, str]]] = {
    "traces": {1: ("resourceSpans", "*resource_spans")},
    "metrics": {1: ("resourceMetrics", "*resource_metrics")},
    "logs": {1: ("resourceLogs", "*resource_logs")},
    "resource_spans": {1: ("resource", "resource"), 2: ("scopeSpans", "*scope_spans"), 3: ("schemaUrl", "str")},
    "resource_metrics": {1: ("resource", "resource"), 2: ("scopeMetrics", "*scope_metrics"), 3: ("schemaUrl", "str")},
    "resource_logs": {1: ("resource", "resource"), 2: ("scopeLogs", "*scope_logs"), 3: ("schemaUrl", "str")},
    "resource": {1: ("attributes", "*pair"), 2: ("droppedAttributesCount", "int")},
    "scope_spans": {1: ("scope", "scope"), 2: ("spans", "*span"), 3: ("schemaUrl", "str")},
    "scope_metrics": {1: ("scope", "scope"), 2: ("metrics", "*metric"), 3: ("schemaUrl", "str")},
    "scope_logs": {1: ("scope", "scope"), 2: ("logRecords", "*log"), 3: ("schemaUrl", "str")},
    "scope": {
        1: ("name", "str"),
        2: ("version", "str"),
        3: ("attributes", "*pair"),
        4: ("droppedAttributesCount", "int"),
    },
    "pair": {1: ("key", "str"), 2: ("value", "any")},
    "any": {
        1: ("stringValue", "str"),
        2: ("boolValue", "bool"),
        3: ("intValue", "long"),
        4: ("doubleValue", "double"),
        5: ("arrayValue", "array"),
        6: ("kvlistValue", "pairs"),
        7: ("bytesValue", "bytes"),
    },
    "array": {1: ("values", "*any")},
    "pairs": {1: ("values", "*pair")},
    "span": {
        1: ("traceId", "hex"),
        2: ("spanId", "hex"),
        3: ("traceState", "str"),
        4: ("parentSpanId", "hex"),
        5: ("name", "str"),
        6: ("kind", "int"),
        7: ("startTimeUnixNano", "fix64"),
        8: ("endTimeUnixNano", "fix64"),
        9: ("attributes", "*pair"),
        10: ("droppedAttributesCount", "int"),
        11: ("events", "*event"),
        12: ("droppedEventsCount", "int"),
        13: ("links", "*link"),
        14: ("droppedLinksCount", "int"),
        15: ("status", "status"),
        16: ("flags", "fix32"),
    },
    "event": {
        1: ("timeUnixNano", "fix64"),
        2: ("name", "str"),
        3: ("attributes", "*pair"),
        4: ("droppedAttributesCount", "int"),
    },
    "link": {
        1: ("traceId", "hex"),
        2: ("spanId", "hex"),
        3: ("traceState", "str"),
        4: ("attributes", "*pair"),
        5: ("droppedAttributesCount", "int"),
        6: ("flags", "fix32"),
    },
    "status": {2: ("message", "str"), 3: ("code", "int")},
    "log": {
        1: ("timeUnixNano", "fix64"),
        2: ("severityNumber", "int"),
        3: ("severityText", "str"),
        5: ("body", "any"),
        6: ("attributes", "*pair"),
        7: ("droppedAttributesCount", "int"),
        8: ("flags", "fix32"),
        9: ("traceId", "hex"),
        10: ("spanId", "hex"),
        11: ("observedTimeUnixNano", "fix64"),
        12: ("eventName", "str"),
    },
    "metric": {
        1: ("name", "str"),
        2: ("description", "str"),
        3: ("unit", "str"),
        5: ("gauge", "gauge"),
        7: ("sum", "sum"),
        9: ("histogram", "histogram"),
        10: ("exponentialHistogram", "exponential"),
        11: ("summary", "summary"),
        12: ("metadata", "*pair"),
    },
    "gauge": {1: ("dataPoints", "*number")},
    "sum": {1: ("dataPoints", "*number"), 2: ("aggregationTemporality", "int"), 3: ("isMonotonic", "bool")},
    "histogram": {1: ("dataPoints", "*bounds"), 2: ("aggregationTemporality", "int")},
    "exponential": {1: ("dataPoints", "*exponents"), 2: ("aggregationTemporality", "int")},
    "summary": {1: ("dataPoints", "*quantiles")},
    "number": {
        2: ("startTimeUnixNano", "fix64"),
        3: ("timeUnixNano", "fix64"),
        4: ("asDouble", "double"),
        5: ("exemplars", "*exemplar"),
        6: ("asInt", "sfix64"),
        7: ("attributes", "*pair"),
        8: ("flags", "int"),
    },
    "bounds": {
        2: ("startTimeUnixNano", "fix64"),
        3: ("timeUnixNano", "fix64"),
        4: ("count", "fix64"),
        5: ("sum", "double"),
        6: ("bucketCounts", "*fix64"),
        7: ("explicitBounds", "*double"),
        8: ("exemplars", "*exemplar"),
        9: ("attributes", "*pair"),
        10: ("flags", "int"),
        11: ("min", "double"),
        12: ("max", "double"),
    },
    "exponents": {
        1: ("attributes", "*pair"),
        2: ("startTimeUnixNano", "fix64"),
        3: ("timeUnixNano", "fix64"),
        4: ("count", "fix64"),
        5: ("sum", "double"),
        6: ("scale", "sint"),
        7: ("zeroCount", "fix64"),
        8: ("positive", "buckets"),
        9: ("negative", "buckets"),
        10: ("flags", "int"),
        11: ("exemplars", "*exemplar"),
        12: ("min", "double"),
        13: ("max", "double"),
        14: ("zeroThreshold", "double"),
    },
    "buckets": {1: ("offset", "sint"), 2: ("bucketCounts", "*ulong")},
    "quantiles": {
        2: ("startTimeUnixNano", "fix64"),
        3: ("timeUnixNano", "fix64"),
        4: ("count", "fix64"),
        5: ("sum", "double"),
        6: ("quantileValues", "*quantile"),
        7: ("attributes", "*pair"),
        8: ("flags", "int"),
    },
    "quantile": {1: ("quantile", "double"), 2: ("value", "double")},
    "exemplar": {
        2: ("timeUnixNano", "fix64"),
        3: ("asDouble", "double"),
        4: ("spanId", "hex"),
        5: ("traceId", "hex"),
        6: ("asInt", "sfix64"),
        7: ("filteredAttributes", "*pair"),
    },
}

_WIRE = {"double": 1, "fix64": 1, "sfix64": 1, "fix32": 5, "bool": 0, "int": 0, "long": 0, "ulong": 0, "sint": 0}


def request_json(signal: str, body: bytes) -> bytes:
    """Return an ``Export…ServiceRequest`` as JSON.

    Args:
        signal: ``"traces"``, ``"metrics"`` or ``"logs"``.
        body: The request in protobuf's wire format. Fields that the table does not know are left out.

    Raises:
        ValueError, IndexError: The bytes are no such request.
    """
    message = _message(_MESSAGES[signal], body, 0, len(body))
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")


def _message(fields: dict[int, tuple[str, str]], data: bytes, position: int, end: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    while position < end:
        tag, position = varint(data, position)
        wire = tag & 7
        begin = position
        if wire == 0:
            number, position = varint(data, position)
        elif wire == 2:
            length, begin = varint(data, position)
            position = begin + length
            number = 0
        elif wire in (1, 5):
            position += 8 if wire == 1 else 4
            number = 0
        else:
            raise ValueError(f"wire type {wire}")
        if position > end:
            raise ValueError("cut off")
        field = fields.get(tag >> 3)
        if field is None:
            continue
        name, kind = field
        if not kind.startswith("*"):
            found[name] = _value(kind, data, begin, position, number)
            continue
        kind = kind[1:]
        values = found.setdefault(name, [])
        if wire == 2 and kind in _WIRE:  # packed
            values.extend(_packed(kind, data, begin, position))
        else:
            values.append(_value(kind, data, begin, position, number))
    return found


def _packed(kind: str, data: bytes, position: int, end: int) -> list[Any]:
    values = []
    while position < end:
        if _WIRE[kind] == 0:
            number, after = varint(data, position)
        else:
            number, after = 0, position + (8 if _WIRE[kind] == 1 else 4)
        values.append(_value(kind, data, position, after, number))
        position = after
    return values


def _value(kind: str, data: bytes, begin: int, end: int, number: int) -> Any:
    if kind in _MESSAGES:
        return _message(_MESSAGES[kind], data, begin, end)
    if kind == "str":
        return data[begin:end].decode("utf-8", "replace")
    if kind == "hex":
        return data[begin:end].hex()
    if kind == "bytes":
        from base64 import b64encode

        return b64encode(data[begin:end]).decode("ascii")
    if kind == "bool":
        return bool(number)
    if kind == "int":
        return number
    if kind == "long":
        return str(number - (1 << 64) if number >= 1 << 63 else number)
    if kind == "ulong":
        return str(number)
    if kind == "sint":
        return (number >> 1) ^ -(number & 1)
    if kind == "double":
        return _double(unpack_from("<d", data, begin)[0])
    if kind == "fix32":
        return unpack_from("<I", data, begin)[0]
    return str(unpack_from("<q" if kind == "sfix64" else "<Q", data, begin)[0])


def _double(value: float) -> float | str:
    """JSON has no words for these three (Protocol Buffers, "ProtoJSON Format")."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def partial_success(data: bytes) -> tuple[int, str]:
    """Read how much was rejected and why from an ``Export…ServiceResponse``; ``(0, "")`` for garbage."""
    try:
        answer = json.loads(data)["partialSuccess"]
        rejected = 0
        for name in ("rejectedSpans", "rejectedDataPoints", "rejectedLogRecords"):
            rejected += int(answer.get(name) or 0)
        return (rejected if 0 <= rejected < 2**63 else 0), " ".join(str(answer.get("errorMessage") or "").split())
    except Exception:  # noqa: BLE001 - whatever the receiver answers
        return 0, ""

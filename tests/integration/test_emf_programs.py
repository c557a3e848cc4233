"""EMF on stdout, as whole programs write it: by invocation on Lambda, and what obsv itself loses."""

from __future__ import annotations

from typing import Any

from emf_judge import Judge
from programs import run


def documents(text: str) -> list[dict[str, Any]]:
    judge = Judge()
    return [judge.check(line) for line in text.splitlines()]


FUNCTION = """
import obsv
obsv.init(traces="none", logs="none")
orders, seconds = obsv.counter("orders"), obsv.histogram("render")

def handler(event, context):
    for number in range(event["orders"]):
        orders.add(1, shop="north")
        seconds.record(number + 0.5, shop="north")
    obsv.flush()

for count in (3, 150, 1):
    handler({"orders": count}, None)
"""


def test_on_lambda_each_invocation_is_told_by_itself() -> None:
    done = run(FUNCTION, AWS_LAMBDA_FUNCTION_NAME="shop", AWS_REGION="eu-west-1")
    assert (done.returncode, done.stderr) == (0, "")
    first, *second, third = documents(done.stdout)
    assert (first["orders"], first["render"], first["Lambda.Function"]) == (3, [0.5, 1.5, 2.5], "shop")
    assert [line["orders"] for line in second if "orders" in line] == [150]
    parts = [line["render"] for line in second]
    assert (sum(part["Count"] for part in parts), sum(part["Sum"] for part in parts)) == (150, 150 * 75.0)
    assert (third["orders"], third["render"]) == (1, [0.5])


def test_what_obsv_itself_loses_is_a_metric() -> None:
    program = """
    import sys
    import obsv
    obsv.init("shop", traces="otlp", logs="none", metrics="emf", config={"queue_records": 5, "flush_interval": 60})
    for _ in range(2000):
        with obsv.span("x"):
            pass
    lost = obsv.status()["sinks"]["otlp"]["traces"]["dropped"]["queue full"]
    obsv.flush(0.3)
    print("lost", lost, file=sys.stderr)
    """
    done = run(program, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", OBSV_SHUTDOWN_TIMEOUT="0.2")
    assert done.returncode == 0, done.stderr
    [line] = [found for found in documents(done.stdout) if "obsv.dropped" in found]
    [lost] = [int(text.split()[1]) for text in done.stderr.splitlines() if text.startswith("lost ")]
    assert line["obsv.dropped"] == lost > 0
    assert (line["sink"], line["signal"], line["reason"]) == ("otlp", "traces", "queue full")
    [directive] = line["_aws"]["CloudWatchMetrics"]
    assert directive["Metrics"] == [{"Name": "obsv.dropped", "Unit": "Count"}]
    assert directive["Dimensions"] == [["Service", "reason", "signal", "sink"]]

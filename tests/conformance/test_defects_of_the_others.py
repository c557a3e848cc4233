"""What Powertools, aws-embedded-metrics and aws-xray-sdk are known to get wrong, and that obsv does not.

Most of it is tested where the feature is, next to what the original does: `ELSEWHERE` names the test, and a test here
holds that it is there. What has no other place is tested here: first the original, so that a test falls when the
original is mended, then obsv.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from programs import FORKS, run

if TYPE_CHECKING:
    from collectors import XRayDaemon

TESTS = Path(__file__).parent.parent

ELSEWHERE = {
    "Powertools": {
        "set_timestamp survives flushes": "compat/test_powertools_metrics.py::test_a_timestamp_is_of_one_flush",
        "NaN is emitted as a metric": "compat/test_powertools_metrics.py::test_nan_is_left_out_with_a_word",
        "NaN is emitted in a log line": "compat/test_powertools_logger_better.py::test_nan_is_no_invalid_json",
        "single_metric prints null when its body raises": (
            "compat/test_powertools_metrics.py::test_single_metric_prints_no_null_when_its_body_raises"
        ),
        "a new unit rewrites that of the values before": (
            "compat/test_powertools_metrics.py::test_one_name_with_two_units_keeps_both"
        ),
        "a metric named like a dimension destroys its value": (
            "compat/test_powertools_metrics.py::test_a_metric_named_like_a_dimension_leaves_the_dimension_whole"
        ),
        "there is no size cap": "compat/test_powertools_metrics.py::test_a_line_that_would_be_too_large_is_several",
        "buffered records vanish without a trace id": (
            "compat/test_powertools_logger_better.py::test_buffered_records_survive_without_a_trace_id"
        ),
        "append_context_keys loses the outer value": (
            "compat/test_powertools_logger_better.py::test_append_context_keys_restores_the_outer_value"
        ),
        "a child task's thread_safe_remove_keys mutates the parent": (
            "compat/test_powertools_logger_better.py::test_a_childs_removal_of_context_keys_does_not_reach_its_parent"
        ),
        "ColdStart, the metric, is skipped when the first invocation fails": (
            "compat/test_powertools_metrics.py::test_the_cold_start_of_a_first_invocation_that_fails"
        ),
        "cold_start, the key, is that of the first invocation": (
            "compat/test_powertools_logger_better.py::test_a_cold_start_is_one_whatever_becomes_of_the_first_invocation"
        ),
        "ColdStart, the annotation, is reported on the next invocation": (
            "compat/test_powertools_tracer.py::test_a_cold_start_is_that_of_the_first_invocation_although_it_fails"
        ),
    },
    "aws-embedded-metrics": {
        "a property that is no JSON raises into user code": (
            "compat/test_emf.py::test_a_property_of_any_type_never_raises_into_the_callers_code"
        ),
        "the TCP sink has no timeout": "compat/test_emf.py::test_a_flush_never_waits_for_the_agent",
    },
    "aws-xray-sdk": {
        "forked workers share their random numbers: ids": (
            "unit/hotpath/test_ids_and_fork.py::test_forked_children_have_ids_of_their_own"
        ),
        "pollers die in a forked child": "integration/test_xray_sampling.py::test_a_forked_child_asks_for_itself",
        "threads are not begun again after a fork": "safety/test_fork.py::test_os_fork",
        "one broken pair loses the whole trace header": (
            "conformance/test_xray_header_rules.py::test_a_broken_pair_loses_itself_only"
        ),
        "a span that is too large is lost": (
            "conformance/test_xray_segment_rules.py::test_a_span_that_is_too_large_alone_is_trimmed_with_a_count"
        ),
    },
}


@pytest.mark.parametrize(
    "place",
    [pytest.param(place, id=f"{who}: {what}") for who, defects in ELSEWHERE.items() for what, place in defects.items()],
)
def test_each_known_defect_has_its_test(place: str) -> None:
    file, _, name = place.partition("::")
    found = ast.parse((TESTS / file).read_text(encoding="utf-8")).body
    assert name in [item.name for item in found if isinstance(item, ast.FunctionDef)]


# ---------------------------------------------------------------------- aws-xray-sdk: too large a segment is dropped

LARGE = """
from aws_xray_sdk.core import xray_recorder
xray_recorder.configure(service="svc", sampling=False)
with xray_recorder.in_segment("web") as segment:
    segment.put_annotation("order", 7)
    for number in range(100):
        segment.put_metadata(f"page{number}", "x" * 1000)
"""


def test_an_oversized_segment_arrives_trimmed(xray_daemon: XRayDaemon) -> None:
    pytest.importorskip("aws_xray_sdk")
    theirs = run(LARGE, AWS_XRAY_DAEMON_ADDRESS=xray_daemon.address)
    assert "Message too long" in theirs.stderr
    assert xray_daemon.documents() == []
    ours = run(
        'import obsv\nobsv.init("svc", traces="xray", metrics="none", logs="none")\n' + LARGE,
        OBSV_XRAY_DAEMON_ADDRESS=xray_daemon.address,
        OBSV_PATCH="true",
    )
    assert (ours.returncode, ours.stderr) == (0, "")
    [document] = xray_daemon.wait()
    assert (document["name"], document["annotations"]["order"]) == ("web", 7)
    assert len(json.dumps(document)) <= 65_477
    assert document["metadata"]["obsv"]["trimmed"]


# ---------------------------------------------------------------------- aws-xray-sdk: forks

CHILDREN = """
import os, sys
decide()
for _ in range(2):
    child = os.fork()
    if child == 0:
        print("".join("1" if decide() else "0" for _ in range(128)), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


def test_forked_workers_do_not_decide_alike() -> None:
    pytest.importorskip("aws_xray_sdk")
    theirs = run(
        "from aws_xray_sdk.core.sampling.local.sampler import LocalSampler\n"
        "rules = {'version': 2, 'rules': [], 'default': {'fixed_target': 0, 'rate': 0.5}}\n"
        "decide = LocalSampler(rules).should_trace\n" + CHILDREN
    )
    first, second = theirs.stdout.split()
    assert first == second
    ours = run(
        "import obsv\n"
        "obsv.init('svc', traces='memory', metrics='none', logs='none', sample=0.5)\n"
        "def decide():\n"
        "    with obsv.span('x') as span:\n"
        "        return span.flags & 1\n" + CHILDREN,
        **FORKS,
    )
    first, second = ours.stdout.split()
    assert first != second
    assert len(first) == len(second) == 128
    assert "0" in first + second
    assert "1" in first + second


def test_the_librarys_pollers_are_gone_in_a_child_that_believes_in_them() -> None:
    """How `integration/test_xray_sampling.py::test_a_forked_child_asks_for_itself` would fail with the original."""
    pytest.importorskip("aws_xray_sdk")
    theirs = run(
        "import os, threading\n"
        "from aws_xray_sdk.core.sampling.sampler import DefaultSampler\n"
        "sampler = DefaultSampler()\n"
        "sampler.start()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    print(sampler._started, threading.active_count(), flush=True)\n"
        "    os._exit(0)\n"
        "os.waitpid(child, 0)\n",
        AWS_XRAY_DAEMON_ADDRESS="127.0.0.1:9",
        **FORKS,
    )
    assert theirs.stdout == "True 1\n"

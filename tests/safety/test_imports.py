"""What obsv loads: nothing of anybody else's at import, and little at init."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from obsv.hotpath import compiled
from programs import environment, run

SOURCE = Path(__file__).parents[2] / "src"
FORBIDDEN = (
    "boto3",
    "botocore",
    "requests",
    "grpc",
    "google",
    "opentelemetry",
    "asyncio",
    "wrapt",
    "orjson",
    "yaml",
    "urllib3",
)

CODE = """
import sys, {first}
before = set(sys.modules)
import obsv
{then}
after = sorted(set(sys.modules) - before)
import json
print(json.dumps(after))
"""

# A container: no terminal, ECS's metadata address, an OTLP endpoint that nobody needs to answer.
CONTAINER = {
    "ECS_CONTAINER_METADATA_URI_V4": "http://127.0.0.1:9/v4/none",
    "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
    "OBSV_SHUTDOWN_TIMEOUT": "0.1",
    "OBSV_PATCH": "true",
}


def loaded(then: str, first: str = "sys", **settings: str) -> list[str]:
    """The modules that come with obsv and the code after its import, in a program that has loaded ``first``."""
    done = run(CODE.format(then=then, first=first), **settings)
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_import_loads_only_obsv() -> None:
    assert loaded("") in (["obsv"], ["__future__", "obsv"])


def test_the_public_names_load_no_third_party_module() -> None:
    found = loaded("for name in obsv.__all__: getattr(obsv, name)")
    assert not [name for name in found if name.partition(".")[0] in FORBIDDEN]


@pytest.mark.parametrize("settings", [{}, CONTAINER], ids=["laptop", "container"])
def test_init_loads_nothing_heavy(settings: dict[str, str]) -> None:
    found = loaded("obsv.init('x')", **{"OBSV_PATCH": "true", **settings})
    assert not [name for name in found if name.partition(".")[0] in FORBIDDEN]


LAMBDA = {
    "AWS_LAMBDA_FUNCTION_NAME": "x",
    "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9",
    "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
    "LAMBDA_TASK_ROOT": "/var/task",
}


@pytest.mark.parametrize("settings", [{}, CONTAINER, LAMBDA], ids=["laptop", "container", "lambda"])
@pytest.mark.skipif(not compiled(), reason="interpreted twins are modules too")
def test_a_budget_of_modules(settings: dict[str, str]) -> None:
    """In an interpreter that has loaded nothing but its own: ``-S`` leaves out what site-packages' .pth files load."""
    code = f"import sys, os; sys.path.insert(0, {str(SOURCE)!r})\n" + CODE.format(then="obsv.init('x')", first="sys")
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], env=environment(**settings), capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout.splitlines()[-1])
    print(len(found), *found)
    assert len(found) <= 60


def test_a_span_and_a_metric_load_nothing_more_on_the_callers_thread() -> None:
    then = (
        "obsv.init('x', traces='memory', metrics='memory', logs='none')\n"
        "with obsv.span('warm'): obsv.counter('c').add(1)\n"
        "obsv.flush()\nbefore = set(sys.modules)\n"
        "with obsv.span('x', a=1) as s: s.event('e'); obsv.counter('c').add(1)"
    )
    assert loaded(then) == []

"""gevent puts greenlets in the place of threads, before obsv starts or after: obsv must not stop the program by it."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from programs import run, start, to

if TYPE_CHECKING:
    from collectors import Collector

pytest.importorskip("gevent")


def names(collector: Collector) -> list[str]:
    return sorted(span.name for span in collector.spans())


PATCH = "from gevent import monkey; monkey.patch_all()\n"
INIT = "import obsv; obsv.init('x')\n"

PROGRAM = """
import threading, time
from concurrent.futures import ThreadPoolExecutor
import gevent

longest = 0.0
def watch():  # how long does nobody else get a turn?
    global longest
    while True:
        before = time.monotonic()
        gevent.sleep(0.01)
        longest = max(longest, time.monotonic() - before)
gevent.spawn(watch)

def work(number):
    with obsv.span(f"outer {number}"):
        time.sleep(0.05)
        with obsv.span(f"inner {number}") as span:
            time.sleep(0.05)
    obsv.counter("work").add(1)

gevent.joinall([gevent.spawn(work, number) for number in range(5)])
thread = threading.Thread(target=work, args=(5,))
thread.start()
thread.join()
with ThreadPoolExecutor(2) as pool:
    list(pool.map(work, [6, 7]))
time.sleep(1.5)
assert obsv.flush(10)
work(8)
print(longest)
"""


@pytest.mark.parametrize(
    "order", [PATCH + INIT, INIT + PATCH, INIT + "with obsv.span('warm'): pass\nobsv.flush(5)\n" + PATCH, INIT]
)
def test_the_program_never_stands_still(otlp_collector: Collector, order: str) -> None:
    done = run(order + PROGRAM, timeout=60, **to(otlp_collector, OBSV_FLUSH_INTERVAL="1", PYTHONWARNINGS="ignore"))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    if PATCH in order:  # otherwise it is the program itself that sleeps
        assert float(done.stdout) < 0.5
    found = sorted(name for name in names(otlp_collector) if name != "warm")
    assert found == sorted(f"{kind} {number}" for number in range(9) for kind in ("inner", "outer"))
    assert otlp_collector.metrics()


BUSY = """
import obsv.runtime
with obsv.span("first"):
    pass
assert obsv.flush(10)
from obsv.pipeline.lane import Lane
seen = []
send = Lane._send
def looking(lane, pending, *rest):
    seen.append(pending.queue.busy)
    return send(lane, pending, *rest)
Lane._send = looking
with obsv.span("second"):
    pass
assert obsv.flush(10)
print(seen)
"""


@pytest.mark.parametrize(("order", "busy"), [(PATCH + INIT, False), (INIT, True)])
def test_nobody_gives_way_to_a_greenlet_of_his_own_thread(otlp_collector: Collector, order: str, busy: bool) -> None:
    done = run(order + BUSY, timeout=30, **to(otlp_collector, OBSV_METRICS="none", PYTHONWARNINGS="ignore"))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"[{busy}]\n", "")


SLOW = """
import time, gevent
from opentelemetry import metrics
def slow(options):
    time.sleep(0.3)
    yield metrics.Observation(1)
metrics.get_meter("x").create_observable_gauge("slow", [slow])
import gevent
gevent.sleep(0.3)
assert obsv.flush(10)
gevent.joinall([gevent.spawn(obsv.flush, 5) for _ in range(3)])
obsv.shutdown()
"""


@pytest.mark.parametrize("order", [PATCH + INIT, INIT + PATCH])
def test_callbacks_of_metrics_that_wait(otlp_collector: Collector, order: str) -> None:
    settings = to(otlp_collector, OTEL_METRIC_EXPORT_INTERVAL="200", PYTHONWARNINGS="ignore")
    done = run(order + SLOW, timeout=30, **settings)
    assert (done.returncode, done.stderr) == (0, "")
    assert otlp_collector.metrics()


@pytest.mark.parametrize("order", [PATCH + INIT, INIT + PATCH])
@pytest.mark.parametrize("busy", [False, True])
def test_sigterm(otlp_collector: Collector, order: str, busy: bool) -> None:
    code = order + "import time\nwith obsv.span('work'): pass\nprint('ready', flush=True)\n"
    code += "while True: pass" if busy else "time.sleep(60)"
    program: Any = start(code, **to(otlp_collector, PYTHONWARNINGS="ignore"))
    assert program.stdout.readline() == "ready\n"
    program.send_signal(signal.SIGTERM)
    _, err = program.communicate(timeout=30)
    assert (program.returncode, err) == (-signal.SIGTERM, "")
    assert names(otlp_collector) == ["work"]

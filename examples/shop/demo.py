"""`make demo`: runs the shop, sends it traffic, and shows what obsv saw of it.

Needs no network, no account, no container: everything listens on loopback, and everything that is written goes to
 ``.obsv/demo/`` in the current directory.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

from processes import (
    HERE,
    HOST,
    Process,
    Processes,
    StartError,
    clean_environment,
    free_port,
    healthy,
    orders_command,
    start_redis,
    start_sink,
)
from raw import raw_output
from report import Report
from traffic import Tally, send_traffic, warm_up

from obsv import term
from obsv.render.look import Look
from obsv.store.failure import StoreError
from obsv.store.reader import Reader

DUMMY = {
    "AWS_ACCESS_KEY_ID": "demo",
    "AWS_SECRET_ACCESS_KEY": "demo",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}


class Screen:
    """One line a step; on a terminal the line of a step in progress is overwritten."""

    def __init__(self) -> None:
        self.look = Look.of(sys.stdout)
        self.terminal = term.is_terminal(sys.stdout)
        self.started = time.monotonic()

    def write(self, text: str = "") -> None:
        print(text, flush=True)

    def progress(self, text: str) -> None:
        if self.terminal:
            print(f"\r\x1b[K  {self.look('...', 'dim')}   {text}", end="", flush=True)

    def step(self, text: str) -> None:
        seconds = f"{time.monotonic() - self.started:4.1f} s"
        start = "\r\x1b[K" if self.terminal else ""
        self.write(f"{start}  {self.look(seconds, 'dim')}  {text}")


def run_shop(folder: Path, seconds: float, screen: Screen) -> list[str]:
    """Starts everything, sends traffic, stops everything; returns what went differently from what was promised."""
    with Processes(folder) as processes:
        screen.progress("starting moto, Redis, the sinks")
        base = clean_environment() | DUMMY
        _, otlp = start_sink(processes, "otlp", base)
        _, xray = start_sink(processes, "xray", base)
        _, aws = start_sink(processes, "aws", base)
        redis = start_redis(processes, base)
        env = base | {
            "AWS_ENDPOINT_URL": f"http://{HOST}:{aws()}",
            "OBSV_TRACES": "local,otlp,xray",
            "OBSV_METRICS": "emf,local,otlp",
            "OBSV_LOGS": "json,local,otlp",
            "OBSV_LOCAL_PATH": str(folder.absolute() / "obsv.db"),
            "OBSV_METRIC_INTERVAL": "2",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{HOST}:{otlp()}",
            "AWS_XRAY_DAEMON_ADDRESS": f"{HOST}:{xray()}",
        }
        if redis is not None:
            env["REDIS_URL"] = redis
        screen.step(
            "moto for S3 and SQS, an OTLP collector, an X-Ray daemon, " + ("Redis" if redis else "no Redis here")
        )
        storefront, services = start_shop(processes, env, screen)
        tally = traffic(storefront, seconds, processes, screen)
        screen.progress("stopping the shop")
        time.sleep(1.5)  # the worker packs the last orders
        late = processes.stop(services)
        screen.step("shop stopped, all telemetry sent")
        return [f"{name} stopping by itself" for name in late] + [f"the answer to {odd}" for odd in tally.odd[:3]]


def start_shop(processes: Processes, env: dict[str, str], screen: Screen) -> tuple[int, list[Process]]:
    screen.progress("starting the shop")
    orders_port, port = free_port(), free_port()
    env = env | {"ORDERS_URL": f"http://{HOST}:{orders_port}"}
    command = orders_command(orders_port)
    services = [
        processes.start("orders", command, env | {"PORT": str(orders_port)}, "orders.stdout.jsonl"),
        processes.start("worker", [sys.executable, str(HERE / "worker.py")], env, "worker.stdout.jsonl"),
        processes.start(
            "storefront",
            [sys.executable, str(HERE / "storefront.py")],
            env | {"PORT": str(port)},
            "storefront.stdout.jsonl",
        ),
    ]
    processes.wait_for(services[0], lambda: healthy(orders_port))
    processes.wait_for(services[2], lambda: healthy(port))
    warm_up(port)
    services[1].check()
    server = "gunicorn" if "gunicorn" in command else "Werkzeug"
    screen.step(f"storefront (FastAPI on uvicorn), orders (Flask on {server}), worker (a pool of threads)")
    return port, services


def traffic(port: int, seconds: float, processes: Processes, screen: Screen) -> Tally:
    def check() -> None:
        for process in processes.running:
            process.check()

    tally = Tally()
    started = time.monotonic()
    for tally in send_traffic(port, seconds, check):
        left = max(0.0, seconds - (time.monotonic() - started))
        screen.progress(f"sending traffic: {tally.total} requests, {left:.0f} s to go")
    slow, failing, many = tally.sent["related"], tally.sent["coupon"], tally.sent["history"]
    screen.step(f"{tally.total} requests sent, {slow} of them slow, {failing} failing, {many} with an N+1 query")
    return tally


def show(folder: Path, screen: Screen) -> list[str]:
    """Prints the report; returns what should be in it and is not."""
    database = folder / "obsv.db"
    with Reader(str(database)) as reader:
        report = Report(folder, reader, screen.look, screen.write)
        report.print()
        raw_output(report)
    screen.write()
    program = "obsv" if shutil.which("obsv") == str(Path(sys.executable).with_name("obsv")) else _bin("obsv")
    screen.write(f"Look around yourself:  {program} show --db {database}")
    return report.missing


def _bin(name: str) -> str:
    path = Path(sys.executable).with_name(name)
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def demo(folder: Path, seconds: float) -> int:
    screen = Screen()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    screen.write(screen.look("A small shop of three processes, each with the two lines of obsv in it", "bold"))
    try:
        missing = run_shop(folder, seconds, screen)
        missing += show(folder, screen)
    except KeyboardInterrupt:
        screen.write("\ninterrupted; everything is stopped")
        return 130
    except (StartError, StoreError, RuntimeError, OSError) as error:
        screen.write(("\n" if screen.terminal else "") + screen.look(f"the demo failed: {error}", "red"))
        screen.write(f"what each process said: {folder}/*.stderr.txt")
        return 1
    for what in missing:
        screen.write(screen.look(f"missing: {what}", "red"))
    return 1 if missing else 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs the shop, sends it traffic, and shows what obsv saw.")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long traffic is sent (default: 10)")
    parser.add_argument(
        "--folder", type=Path, default=Path(".obsv/demo"), help="where everything is written, made anew"
    )
    arguments = parser.parse_args()
    return demo(arguments.folder, arguments.seconds)


if __name__ == "__main__":
    sys.exit(main())

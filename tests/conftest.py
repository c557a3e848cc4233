"""What every test gets: a clean environment, a directory of its own, no network but loopback, and no obsv left behind.

The fixtures that start real servers stand in ``servers.py``, ``collectors.py`` and ``aws_server.py`` beside this file.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
if (
    str(HERE) not in sys.path
):  # importlib mode adds nothing to sys.path, and tests import `servers` and `collectors` by name
    sys.path.insert(0, str(HERE))

pytest_plugins = ["servers", "collectors", "aws_server"]

# Machines under test are slow and shared: how long an example takes says nothing about the code.
settings.register_profile("obsv", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("obsv")

FOREIGN = ("OBSV_", "OTEL_", "AWS_", "_X_AMZN_", "LAMBDA_", "ECS_", "PYTHONWARNINGS")
KEPT = frozenset({"OBSV_CI", "OBSV_PURE_PYTHON", "OBSV_REQUIRE_EXT"})  # how the tests themselves are run
PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})
OURS = {
    "OBSV_RAISE": "1",  # a swallowed error of ours is a failed test
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


def _clean_environment() -> None:
    for name in list(os.environ):
        if (name.startswith(FOREIGN) and name not in KEPT) or name.lower() in PROXIES:
            del os.environ[name]
    os.environ.update(OURS)


# At import, not in a fixture: test modules may import obsv at their top, and child processes inherit it.
_clean_environment()


def _is_loopback(host: object) -> bool:
    if host is None or host == b"" or host == "":
        return True
    text = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host)
    return text in {"localhost", "::1", "0.0.0.0", "::", "testserver"} or text.startswith(("127.", "::ffff:127."))


def _only_loopback(event: str, args: tuple[object, ...]) -> None:
    """An audit hook: to a test, everything but this machine is an unreachable network."""
    if not event.startswith("socket."):
        return
    if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
        address = args[1]
        if isinstance(address, tuple) and not _is_loopback(address[0]):
            raise OSError(errno.ENETUNREACH, f"tests reach loopback only, not {address[0]}:{address[1]}")
    elif event in {"socket.getaddrinfo", "socket.gethostbyname"} and not _is_loopback(args[0]):
        import socket

        if not _is_numeric(args[0]):
            raise socket.gaierror(socket.EAI_NONAME, f"tests look up loopback names only, not {args[0]!r}")


def _is_numeric(host: object) -> bool:
    import ipaddress

    try:
        ipaddress.ip_address(host.decode("ascii", "replace") if isinstance(host, bytes) else str(host))
    except ValueError:
        return False
    return True


sys.addaudithook(_only_loopback)


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Runs the test in its own directory (``.obsv`` and ``obsv.toml`` are looked for there), then takes obsv down."""
    before = dict(os.environ)
    monkeypatch.chdir(tmp_path)
    yield
    try:
        _shut_down()
        _leave_context()
    finally:
        if os.environ != before:
            os.environ.clear()
            os.environ.update(before)


def _leave_context() -> None:
    """Fails a test that leaves something current in its thread: the tests after it would run inside of that."""
    hot = sys.modules.get("obsv.hotpath.span")
    left = hot.current() if hot is not None else None
    if hot is not None and left is not None:
        hot.attach(None)
        pytest.fail(f"the test left {left!r} current")


def _shut_down() -> None:
    """Takes down what the test's ``obsv.init()`` built; a test that never loaded the runtime pays nothing."""
    if "obsv.runtime" in sys.modules:
        sys.modules["obsv"].shutdown(timeout=2.0)


def pytest_configure(config: pytest.Config) -> None:
    """Under ``OBSV_REQUIRE_EXT=1`` nothing runs with a hot path that was not compiled."""
    if os.environ.get("OBSV_REQUIRE_EXT") == "1" and os.environ.get("OBSV_PURE_PYTHON") != "1":
        from obsv import hotpath

        if not hotpath.compiled():
            pytest.exit("OBSV_REQUIRE_EXT=1, and the extension is not in use", returncode=3)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("server"):
        from servers import need_program

        for program in mark.args:
            need_program(program)

"""Programs that use aws-xray-sdk's API, run in processes of their own, and the daemon that takes what they send.

For tests that run the same program through the library itself and through obsv, and compare the documents.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

OBSV = """
import obsv
obsv.init("svc", traces="xray", metrics="none", logs="none")
"""
COMMON = """
from aws_xray_sdk.core import xray_recorder
xray_recorder.configure(service="svc", sampling=False, streaming_threshold=1000)
"""


class Daemon:
    """A socket that takes what is sent to the X-Ray daemon."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"

    def documents(self) -> list[dict[str, Any]]:
        """What has arrived."""
        found = []
        while True:
            try:
                data = self.socket.recv(70_000)
            except BlockingIOError:
                return found
            header, _, document = data.partition(b"\n")
            assert json.loads(header) == {"format": "json", "version": 1}
            found.append(json.loads(document))


def run(daemon: Daemon, tmp_path: Path, program: str, **environment: str) -> tuple[list[dict[str, Any]], str]:
    """Run a program, and return the documents that arrived and what it said on stderr."""
    file = tmp_path / "program.py"
    file.write_text(textwrap.dedent(program))
    done = subprocess.run(
        [sys.executable, str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env={**os.environ, "AWS_XRAY_DAEMON_ADDRESS": daemon.address, "OBSV_XRAY_DAEMON_ADDRESS": daemon.address}
        | environment,
    )
    assert done.returncode == 0, done.stderr
    return daemon.documents(), done.stderr


def both(daemon: Daemon, tmp_path: Path, scenario: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Run a scenario through the library and through obsv; return what is comparable of the documents of each."""
    theirs, _ = run(daemon, tmp_path, COMMON + textwrap.dedent(scenario))
    ours, errors = run(daemon, tmp_path, OBSV + COMMON + textwrap.dedent(scenario))
    assert "Traceback" not in errors
    check(theirs)
    check(ours)
    return [comparable(each, -1) for each in theirs], [comparable(each, 0) for each in ours]


def check(documents: list[dict[str, Any]]) -> None:
    """What holds for each set of documents: one trace each, parents that exist, times in order."""
    for document in documents:
        for item in flat(document):
            assert item["start_time"] <= item["end_time"]
            assert len(item["id"]) == 16
    assert len({each["id"] for document in documents for each in flat(document)}) == sum(
        len(flat(document)) for document in documents
    )


def flat(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [document, *[item for child in document.get("subsegments", ()) for item in flat(child)]]


def comparable(item: dict[str, Any], innermost: int = 0) -> dict[str, Any]:
    """A segment or subsegment without ids, times and what is known to differ.

    ``innermost`` is where a stack's innermost frame stands: X-Ray shows the first as the top, the library sends it
    last.
    """
    kept: dict[str, Any] = {}
    for key in ("name", "user", "annotations", "http", "sql", "error", "fault", "throttle", "type"):
        if item.get(key) not in (None, {}) and not (key == "type" and "parent_id" in item and "trace_id" not in item):
            kept[key] = item[key]
    if item.get("namespace") in ("aws", "remote"):
        kept["namespace"] = item["namespace"]
        if item.get("aws"):
            kept["aws"] = item["aws"]
    metadata = {
        space: members for space, members in item.get("metadata", {}).items() if space not in ("resource", "span")
    }
    if metadata:
        kept["metadata"] = metadata
    cause = item.get("cause")
    if isinstance(cause, dict):
        kept["exceptions"] = [
            [each["type"].rpartition(".")[2], each.get("message"), each["remote"]]
            + (
                [Path(each["stack"][innermost]["path"]).name, each["stack"][innermost]["label"]]
                if each.get("stack")
                else []
            )
            for each in cause["exceptions"][:1]
        ]
    nested = [comparable(child, innermost) for child in item.get("subsegments", ())]
    for child in nested:
        child.pop("type", None)
    if nested:
        kept["subsegments"] = sorted(nested, key=lambda child: json.dumps(child, sort_keys=True))
    return kept


def text(document: dict[str, Any]) -> str:
    return json.dumps(document, sort_keys=True)


def tree(document: dict[str, Any]) -> Any:
    """Names only: a name, or a name with the trees below it."""
    nested = sorted((tree(child) for child in document.get("subsegments", ())), key=str)
    return {document["name"]: nested} if nested else document["name"]


def ours(daemon: Daemon, tmp_path: Path, program: str, prelude: str = OBSV + COMMON, **settings: str) -> list[Any]:
    """Run a program through obsv only, and return its documents. Nothing of obsv's or the library's complains."""
    documents, errors = run(daemon, tmp_path, prelude + textwrap.dedent(program), **settings)
    assert errors == ""
    check(documents)
    return documents


HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a87bd80c:1|68fd508a:5"
LAMBDA = {
    "LAMBDA_TASK_ROOT": "/var/task",
    "AWS_LAMBDA_FUNCTION_NAME": "function",
    "AWS_EXECUTION_ENV": "AWS_Lambda_python3.12",
    "_X_AMZN_TRACE_ID": HEADER,
}
"""The environment of a function in an invocation."""

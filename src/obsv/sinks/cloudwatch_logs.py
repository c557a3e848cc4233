"""Logs and metrics straight to CloudWatch Logs, where no agent and no log driver reads stdout.

Logs are the JSON lines of the sink ``json``, metrics the EMF objects of the sink ``emf``, each an event of one stream.
"""

from __future__ import annotations

import os

from .aws import IMPORTS, troubles
from .base import SinkError
from .log_stream import LogStream, pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..logs.jsonlines import JsonLines
    from ..settings import Settings
    from .base import Attributes, Batch, Result
    from .emf import Encoder
    from .log_stream import Upload


class CloudWatchLogsSink:
    """Sends to the stream ``settings.log_stream`` of the group ``settings.log_group``."""

    name = "cloudwatch_logs"
    signals = frozenset({"logs", "metrics"})
    imports = (*IMPORTS, "traceback", "linecache", "obsv.logs.jsonlines", "obsv.logs.shorten", "obsv.emf.layout")

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.stream = stream_of(settings)
        self._lines: JsonLines | None = None
        self._emf: Encoder | None = None
        self._resource: Attributes = {}

    def open(self, resource: Attributes) -> None:
        """Take over the resource whose service every line carries."""
        from .json import lines

        self._lines = lines(self._settings, resource)
        self._resource = resource

    def send(self, batch: Batch) -> Result:
        """Send the events of a batch that are not sent yet."""
        if batch.encoded is None:
            batch.encoded = self._metrics(batch) if batch.signal == "metrics" else self._logs(batch)
        return self.stream.send(batch.encoded)

    def _logs(self, batch: Batch) -> Upload:
        assert self._lines is not None
        line = self._lines.line
        return pack([(record.time_ns // 1_000_000, line(record), 1) for record in batch.items])

    def _metrics(self, batch: Batch) -> Upload:
        if self._emf is None:
            from .emf import Encoder, shape_of

            self._emf = Encoder(shape_of(self._settings, self._resource))
        encoded = self._emf.encode(batch.items)
        upload = pack([(milliseconds, line, points) for line, points, milliseconds in encoded.events])
        upload.records = batch.records
        upload.rejected, upload.reason = encoded.rejected, encoded.reason
        return upload

    def close(self) -> None:
        """Close the connections."""
        self.stream.access.close()

    def probe(self) -> str:
        """Find out as whom, and whether the service answers. Nothing is written.

        Raises:
            SinkError: There are no credentials or no region, or CloudWatch Logs does not answer.
        """
        from .aws import failure

        stream, access = self.stream, self.stream.access
        try:
            access.call("logs", "describe_log_streams", logGroupName=stream.group, limit=1)
        except troubles() as error:
            from ..aws_access import code_of

            code = code_of(error)
            if code == "ResourceNotFoundException" and stream.create:
                return f"log group {stream.group!r} is not there yet; it is made with the first event"
            if code.startswith("AccessDenied"):  # reading is another right than writing
                return f"CloudWatch Logs answers in {access.region()}; whether it takes events is not known"
            raise SinkError(failure(error, "logs:DescribeLogStreams", stream.arn()).reason or code) from error
        return f"log group {stream.group!r} in {access.region()}"


def stream_of(settings: Settings) -> LogStream:
    """Return the stream that the settings name, or that goes by the service, the host and the process."""
    return LogStream(
        settings.log_group or _group(settings.service), settings.log_stream or _stream(), settings.log_create
    )


def _group(service: str) -> str:
    from ..settings_wire import LOG_GROUP_CHARACTERS

    text = "".join([c if c in LOG_GROUP_CHARACTERS else "_" for c in service])[:512]
    return f"_{text}"[:512] if text.startswith("aws/") else text or "obsv"  # those are AWS's own


def _stream() -> str:
    stream = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME") or f"{os.uname().nodename}/{os.getpid()}"
    return stream.replace(":", "-").replace("*", "-")[:512]

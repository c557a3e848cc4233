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

SHORTENED = "log lines were shortened to 262,144 bytes"


class CloudWatchLogsSink:
    """Sends to the stream ``settings.log_stream`` of the group ``settings.log_group``."""

    name = "cloudwatch_logs"
    signals = frozenset({"logs", "metrics"})
    imports = (
        *IMPORTS,
        "traceback",
        "linecache",
        "obsv.logs.jsonlines",
        "obsv.logs.shorten",
        "obsv.emf.entity",
        "obsv.emf.layout",
    )

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.stream = stream_of(settings)
        self._lines: JsonLines | None = None
        self._emf: Encoder | None = None
        self._resource: Attributes = {}

    def open(self, resource: Attributes) -> None:
        """Take over the resource whose service every line carries, and which tells what the events belong to."""
        from ..emf.entity import log_entity
        from .json import lines

        self._lines = lines(self._settings, resource)
        self._resource = resource
        self.stream.entity = log_entity(resource)

    def send(self, batch: Batch) -> Result:
        """Send the events of a batch that are not sent yet."""
        if batch.encoded is None:
            batch.encoded = self._metrics(batch) if batch.signal == "metrics" else self._logs(batch)
        return self.stream.send(batch.encoded)

    def _logs(self, batch: Batch) -> Upload:
        lines = self._lines
        assert lines is not None
        before = lines.shortenings
        upload = pack([(record.time_ns // 1_000_000, lines.line(record), 1) for record in batch.items])
        if lines.shortenings > before:
            upload.before = {SHORTENED: lines.shortenings - before}
        return upload

    def _metrics(self, batch: Batch) -> Upload:
        if self._emf is None:
            from .emf import Encoder, shape_of

            self._emf = Encoder(shape_of(self._settings, self._resource))
        encoded = self._emf.encode(batch.items)
        upload = pack([(milliseconds, line, points) for line, points, milliseconds in encoded.events])
        upload.records = batch.records
        upload.rejected, upload.reason = encoded.rejected, encoded.reason
        upload.before = encoded.adapted or {}
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
    from ..settings_wire import as_log_group

    return LogStream(
        settings.log_group or as_log_group(settings.service), settings.log_stream or _stream(), settings.log_create
    )


def _stream() -> str:
    stream = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME") or f"{os.uname().nodename}/{os.getpid()}"
    return stream.replace(":", "-").replace("*", "-")[:512]

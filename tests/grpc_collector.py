"""An OTLP/gRPC collector: a real gRPC server with OpenTelemetry's own services."""

from __future__ import annotations

from concurrent import futures
from typing import Any

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs_pb
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc as logs_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_pb
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as trace_grpc


class GrpcCollector:
    """Keeps what it gets.

    ``requests`` are the decoded messages by signal, ``metadata`` that of the newest call. ``fail`` is called with the
    gRPC context before an answer, and may abort; ``partial`` is ``(rejected, message)``.
    """

    def __init__(self, credentials: grpc.ServerCredentials | None = None) -> None:
        self.requests: dict[str, list[Any]] = {"traces": [], "metrics": [], "logs": []}
        self.metadata: dict[str, Any] = {}
        self.fail: Any = None
        self.partial: tuple[int, str] | None = None
        self.server = grpc.server(futures.ThreadPoolExecutor(2))
        trace_grpc.add_TraceServiceServicer_to_server(
            self._service("traces", trace_pb.ExportTraceServiceResponse, "rejected_spans"), self.server
        )
        metrics_grpc.add_MetricsServiceServicer_to_server(
            self._service("metrics", metrics_pb.ExportMetricsServiceResponse, "rejected_data_points"), self.server
        )
        logs_grpc.add_LogsServiceServicer_to_server(
            self._service("logs", logs_pb.ExportLogsServiceResponse, "rejected_log_records"), self.server
        )
        if credentials is None:
            self.port = self.server.add_insecure_port("127.0.0.1:0")
        else:
            self.port = self.server.add_secure_port("127.0.0.1:0", credentials)
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.server.start()

    def _service(self, signal: str, answer: Any, rejected: str) -> Any:
        collector = self

        class Service:
            def Export(self, request: Any, context: Any) -> Any:
                collector.metadata = dict(context.invocation_metadata())
                if collector.fail is not None:
                    collector.fail(context)
                collector.requests[signal].append(request)
                made = answer()
                if collector.partial is not None:
                    setattr(made.partial_success, rejected, collector.partial[0])
                    made.partial_success.error_message = collector.partial[1]
                return made

        return Service()

    def spans(self) -> list[Any]:
        return [s for m in self.requests["traces"] for r in m.resource_spans for c in r.scope_spans for s in c.spans]

    def stop(self) -> None:
        self.server.stop(None).wait(5)

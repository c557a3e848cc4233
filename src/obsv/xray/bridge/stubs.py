"""Parts of aws-xray-sdk's machinery that programs name and obsv does in its own way: they take what they are given."""

from __future__ import annotations

from typing import Any

PROTOCOL_HEADER = '{"format":"json","version":1}'
PROTOCOL_DELIMITER = "\n"
DEFAULT_DAEMON_ADDRESS = "127.0.0.1:2000"


class UDPEmitter:
    """Sends nothing: obsv's sinks send."""

    def __init__(self, daemon_address: str = DEFAULT_DAEMON_ADDRESS) -> None:
        self.set_daemon_address(daemon_address)

    def set_daemon_address(self, address: str | None) -> None:
        """Keep an address."""
        self.ip, _, port = (address or DEFAULT_DAEMON_ADDRESS).rpartition(":")
        self.port = int(port) if port.isdigit() else 2000

    def send_entity(self, entity: Any) -> None:
        """Do nothing."""

    def _parse_address(self, daemon_address: str) -> tuple[str, int]:
        ip, _, port = daemon_address.rpartition(":")
        return ip, int(port)


class DefaultStreaming:
    """Divides nothing: obsv's segment writer does."""

    def __init__(self, streaming_threshold: int = 30) -> None:
        self.streaming_threshold = streaming_threshold

    def is_eligible(self, segment: Any) -> bool:
        """Nothing has to be divided."""
        return False

    def stream(self, entity: Any, callback: Any) -> None:
        """Do nothing."""


class DaemonConfig:
    """The daemon's addresses."""

    def __init__(self, daemon_address: str | None = DEFAULT_DAEMON_ADDRESS) -> None:
        import os

        text = os.environ.get("AWS_XRAY_DAEMON_ADDRESS", daemon_address or DEFAULT_DAEMON_ADDRESS)
        for part in text.split():
            protocol, _, rest = part.partition(":")
            ip, _, port = (rest if protocol in ("tcp", "udp") else part).rpartition(":")
            number = int(port) if port.isdigit() else 2000
            if protocol != "udp":
                self.tcp_ip, self.tcp_port = ip, number
            if protocol != "tcp":
                self.udp_ip, self.udp_port = ip, number

    udp_ip = tcp_ip = "127.0.0.1"
    udp_port = tcp_port = 2000

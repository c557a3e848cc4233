"""Stand-ins for an OpenTelemetry collector, the X-Ray daemon and AWS; the first two keep what they get, as it came.

``python sinks.py otlp FOLDER`` stores the body of each request in ``FOLDER/traces-0001.pb`` and so on;
``python sinks.py xray FOLDER`` appends each datagram to ``FOLDER/datagrams.jsonl``;
``python sinks.py aws FOLDER`` is moto's server, which stands in for S3 and SQS.
Each writes the port that it listens on to ``FOLDER/port``.
"""

import gzip
import itertools
import os
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOST = "127.0.0.1"


def announce(folder: Path, port: int) -> None:
    part = folder / "port.part"
    part.write_text(str(port))
    part.rename(folder / "port")


def otlp(folder: Path) -> None:
    """Accepts every OTLP/HTTP request; bodies are stored decompressed, so that protobuf tools read them."""
    numbers = {signal: itertools.count(1) for signal in ("traces", "metrics", "logs")}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            signal = self.path.rpartition("/")[2]
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            status = 200 if signal in numbers else 404
            if status == 200:
                (folder / f"{signal}-{next(numbers[signal]):04}.pb").write_bytes(body)
            self.send_response(status)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer((HOST, 0), Handler)
    announce(folder, server.server_address[1])
    server.serve_forever()


def xray(folder: Path) -> None:
    """Each datagram is a header line and a segment document on a line of its own."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener,
        (folder / "datagrams.jsonl").open("ab", 0) as out,
    ):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        listener.bind((HOST, 0))
        announce(folder, listener.getsockname()[1])
        while True:
            out.write(listener.recv(65536).rstrip(b"\n") + b"\n")


def aws(folder: Path) -> None:
    """moto's server; what it says about each request goes to standard error."""
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address=HOST, port=0, verbose=False)
    server.start()
    announce(folder, int(server.get_host_and_port()[1]))
    threading.Event().wait()


if __name__ == "__main__":
    os.umask(0o077)
    target = Path(sys.argv[2])
    target.mkdir(parents=True, exist_ok=True)
    {"otlp": otlp, "xray": xray, "aws": aws}[sys.argv[1]](target)

"""Where one signal goes over OTLP: the settings for all signals and those for one, put together."""

from __future__ import annotations

from .settings_lists import SIGNALS
from .settings_wire import mask_headers, mask_url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .settings import Settings

DEFAULT_ENDPOINT = "http://localhost:4318"
DEFAULT_GRPC_ENDPOINT = "http://localhost:4317"


class OtlpTarget:
    """What the OTLP sink needs to know for one signal. Read-only by convention.

    `protocol` is "http/protobuf", "http/json" or "grpc". `url` is complete (for gRPC only scheme, host and port count),
    `headers` have lower-case names, `compression` is "gzip" or "none", `timeout` is in seconds;
    `certificate`, `client_key` and `client_certificate` are paths or None, `credentials` an entry point's name or
    None.
    """

    __slots__ = (
        "certificate",
        "client_certificate",
        "client_key",
        "compression",
        "credentials",
        "headers",
        "protocol",
        "signal",
        "timeout",
        "url",
    )

    def __init__(
        self,
        signal: str,
        url: str,
        headers: dict[str, str],
        compression: str,
        timeout: float,
        certificate: str | None,
        client_key: str | None,
        client_certificate: str | None,
        protocol: str = "http/protobuf",
        credentials: str | None = None,
    ) -> None:
        self.signal = signal
        self.url = url
        self.headers = headers
        self.compression = compression
        self.timeout = timeout
        self.certificate = certificate
        self.client_key = client_key
        self.client_certificate = client_certificate
        self.protocol = protocol
        self.credentials = credentials

    def __repr__(self) -> str:
        return f"<OtlpTarget {self.signal} {mask_url(self.url)} headers={mask_headers(self.headers)}>"


def target(settings: Settings, signal: str) -> OtlpTarget:
    """The target of "traces", "metrics" or "logs".

    What is set for the signal goes before what is set for all, unless the latter comes from a higher place:
    OBSV_OTLP_ENDPOINT goes before OTEL_EXPORTER_OTLP_TRACES_ENDPOINT. A signal's own endpoint is used as it is; to the
    one for all, `/v1/<signal>` is added. Source: OpenTelemetry protocol exporter, "Endpoint URLs for OTLP/HTTP".
    """
    if signal not in SIGNALS:
        raise ValueError(f"{signal!r} is none of {', '.join(SIGNALS)}")
    values = vars(settings)

    def pick(option: str) -> tuple[bool, object]:
        own, common = f"otlp_{signal}_{option}", f"otlp_{option}"
        if settings.is_set(own) and settings.rank(own) <= settings.rank(common):
            return True, values[own]
        return False, values[common]

    is_own, endpoint = pick("endpoint")
    protocol = str(pick("protocol")[1])
    url = str(endpoint or (DEFAULT_GRPC_ENDPOINT if protocol == "grpc" else DEFAULT_ENDPOINT))
    if "://" not in url:
        insecure = pick("insecure")[1]
        plain = protocol != "grpc" if insecure is None else insecure
        url = f"{'http' if plain else 'https'}://{url}"
    if not is_own and protocol != "grpc":
        base, mark, query = url.partition("?")
        url = f"{base.rstrip('/')}/v1/{signal}{mark}{query}"
    headers = pick("headers")[1]
    timeout = pick("timeout")[1]

    def path(option: str) -> str | None:
        value = pick(option)[1]
        return value if isinstance(value, str) else None

    return OtlpTarget(
        signal=signal,
        url=url,
        headers=dict(headers) if isinstance(headers, dict) else {},
        compression=str(pick("compression")[1]),
        timeout=timeout if isinstance(timeout, (int, float)) else settings.otlp_timeout,
        certificate=path("certificate"),
        client_key=path("client_key"),
        client_certificate=path("client_certificate"),
        protocol=protocol,
        credentials=path("grpc_credentials"),
    )

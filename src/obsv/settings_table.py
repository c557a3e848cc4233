"""Every setting of obsv, declared once: its name, kind, default, environment variables and meaning.

Parsing, the types of `settings.<name>`, the problem lines, `obsv doctor` and docs/settings.md all come from this table.
To add a setting, add one `Setting` to the class that it belongs to, and write the reference page again:
`obsv doctor --settings-reference > docs/settings.md`.
"""

from __future__ import annotations

from .settings_lists import (
    ANNOTATIONS,
    ATTRIBUTES,
    DIMENSION_SETS,
    FIELD_NAMES,
    FUNCTION,
    MASK,
    NAMES,
    PATCHES,
    PATTERNS,
    PROPAGATION,
    PROPAGATORS,
    REDACTION_DEFAULT,
    RULE_GROUPS,
    sinks,
)
from .settings_parse import (
    FLAG,
    LEVEL,
    NOTHING,
    PATH,
    RATIO,
    TEXT,
    InvalidError,
    Kind,
    choice,
    count,
    duration,
    limit,
    number,
    size,
)
from .settings_plugins import (
    CREDENTIALS,
    DETECTORS,
    ID_GENERATOR,
    RETRY_CODES,
    SAMPLER,
    STATUS_CODES,
    ratio_of_variable,
    sampler_of_variable,
)
from .settings_wire import (
    AGENT,
    DAEMON,
    HEADER_NAMES,
    HEADERS,
    HOOK_NAMES,
    HOOKS,
    KEYS,
    LOG_GROUP,
    LOG_STREAM,
    NAMESPACE,
    ORDER,
    TCP,
    URL,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Generic, Self, TypeAlias, TypeVar, overload

    T = TypeVar("T")
    Convert: TypeAlias = "Callable[[str, Mapping[str, str]], object]"
else:
    from .settings_parse import Generic, T


class Variable:
    """A standard environment variable (OTEL_*, AWS_*) that feeds a setting.

    `convert(text, environ)` turns what others write into what the setting reads; it returns NOTHING where the variable
    says nothing about the setting, and raises InvalidError. `note` is for the reference ("in milliseconds").
    """

    __slots__ = ("convert", "name", "note")

    def __init__(self, name: str, convert: Convert | None = None, note: str = "") -> None:
        self.name = name
        self.convert = convert
        self.note = note


class Setting(Generic[T]):
    """One setting. On the class it is the declaration, on a `Settings` object its value, typed.

    `default_text` says what the default is where it is not a constant. `env` is the variable of ours ("OBSV_" + NAME).
    `resource_keys` are resource attributes that mean the same ("service.name").
    """

    __slots__ = ("default", "default_text", "env", "kind", "meaning", "name", "resource_keys", "variables")

    def __init__(
        self,
        kind: Kind[T],
        default: T,
        meaning: str,
        *variables: Variable | str,
        env: str = "",
        default_text: str = "",
        resource_keys: tuple[str, ...] = (),
    ) -> None:
        self.kind = kind
        self.default = default
        self.meaning = meaning
        self.variables = tuple([Variable(v) if isinstance(v, str) else v for v in variables])
        self.env = env
        self.default_text = default_text
        self.resource_keys = resource_keys
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self.env = self.env or f"OBSV_{name.upper()}"

    # Not a data descriptor, so the value in the instance's dictionary wins: reading a setting runs none of our code.
    if TYPE_CHECKING:

        @overload
        def __get__(self, instance: None, owner: type) -> Self: ...

        @overload
        def __get__(self, instance: object, owner: type) -> T: ...

        def __get__(self, instance: object | None, owner: type) -> Self | T: ...

    else:

        def __get__(self, instance, owner):
            return self if instance is None else self.default

    def show(self, value: object) -> str:
        """`value` as people read it, secrets hidden."""
        return self.kind.show(value)

    def __repr__(self) -> str:
        return f"<Setting {self.name}>"


# ---- what others' variables say in our words


def _milliseconds(text: str, environ: Mapping[str, str]) -> object:
    allowed = "a time in milliseconds, from 1 to 86400000"
    milliseconds = number(text, allowed)
    if not 1 <= milliseconds <= 86_400_000:
        raise InvalidError(allowed)
    return milliseconds / 1000


def _disabled(text: str, environ: Mapping[str, str]) -> object:
    """OTEL_SDK_DISABLED: only "true" says something (OpenTelemetry environment variables, "Boolean")."""
    if FLAG.parse(text):
        return False
    return NOTHING


def _emf_environment(text: str, environ: Mapping[str, str]) -> object:
    """AWS_EMF_ENVIRONMENT, in the words of aws-embedded-metrics."""
    word = text.strip().lower()
    if word in ("local", "lambda"):
        return "stdout"
    if word in ("agent", "ec2", "ecs", "default"):
        return "agent"
    raise InvalidError("Local, Lambda, Agent, EC2 or ECS")


def _emf_agent(text: str, environ: Mapping[str, str]) -> object:
    """AWS_EMF_AGENT_ENDPOINT: whoever names an agent wants it to be used."""
    return "agent" if text.strip() else NOTHING


class Service:
    """Who is it"""

    service = Setting(
        TEXT,
        "unknown_service",
        "Name of the service; telemetry of all its processes carries it.",
        "OTEL_SERVICE_NAME",
        "AWS_EMF_SERVICE_NAME",
        default_text="`unknown_service`; on Lambda the function's name",
        resource_keys=("service.name",),
    )
    version = Setting[str | None](TEXT, None, "Version of the service.", resource_keys=("service.version",))
    environment = Setting[str | None](
        TEXT,
        None,
        "Where it runs, such as `production` or `test`.",
        resource_keys=("deployment.environment.name", "deployment.environment"),
    )
    resource = Setting(
        ATTRIBUTES,
        {},
        "More attributes of the resource. Sources are merged, key by key.",
        "OTEL_RESOURCE_ATTRIBUTES",
    )
    resource_detectors = Setting(
        DETECTORS,
        (),
        "OpenTelemetry's resource detectors to ask, `*` for all that are installed. They load the OpenTelemetry SDK.",
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS",
    )
    namespace = Setting(
        NAMESPACE,
        "obsv",
        "CloudWatch namespace of the metrics that EMF carries.",
        "AWS_EMF_NAMESPACE",
        default_text="the service's name",
    )


class General:
    """The whole"""

    enabled = Setting(FLAG, True, "False: `init` does nothing.", Variable("OTEL_SDK_DISABLED", _disabled, "inverted"))
    config = Setting[str | None](
        PATH,
        None,
        "The file of settings; `none` for no file. As an argument of `init` also a mapping.",
        default_text="`obsv.toml`, or `pyproject.toml` with `[tool.obsv]`, in the working directory or above it, "
        "up to the folder with `.git`",
    )
    platform = Setting(
        choice("lambda", "ecs", "eks", "app_runner", "ec2", "kubernetes", "container", "laptop"),
        "laptop",
        "Where it runs, which decides defaults of others.",
        default_text="detected",
    )
    strict = Setting(FLAG, False, "True: a wrong setting stops `init` with an error instead of a line.")
    raise_errors = Setting(
        FLAG, False, "True: errors inside obsv are raised instead of counted; for tests.", env="OBSV_RAISE"
    )
    signals = Setting(FLAG, True, "False: SIGTERM is left alone, instead of sending what is queued first.")


class Destinations:
    """What goes where"""

    traces = Setting(
        sinks("traces"), (), "Sinks for traces.", "OTEL_TRACES_EXPORTER", default_text="by platform, see below"
    )
    metrics = Setting(
        sinks("metrics"), (), "Sinks for metrics.", "OTEL_METRICS_EXPORTER", default_text="by platform, see below"
    )
    logs = Setting(sinks("logs"), (), "Sinks for logs.", "OTEL_LOGS_EXPORTER", default_text="by platform, see below")
    log_level = Setting(LEVEL, "INFO", "Log records below this level are left out.", "AWS_LAMBDA_LOG_LEVEL")
    log_capture = Setting(FLAG, True, "Records of the standard library's logging go to the sinks too.")


class Logs:
    """Log lines, and which are written"""

    log_format = Setting(
        choice("cloudwatch", "powertools", "ecs", "otel"),
        "cloudwatch",
        "What a line of JSON looks like: obsv's own form, that of Powertools for AWS Lambda, the Elastic Common "
        "Schema, or OpenTelemetry's log data model.",
    )
    log_keys = Setting(
        KEYS, {}, "Members of a line under other keys: `level=severity,message=msg`; `logger=` leaves one out."
    )
    log_order = Setting(
        ORDER, (), "Members of a line in this order; the others follow.", default_text="that of `log_format`"
    )
    log_stack = Setting(
        choice("both", "text", "frames"),
        "both",
        "Stacks of exceptions: as Python prints them, as a list of frames, or both.",
    )
    log_location = Setting(
        FLAG, False, "True: obsv's own loggers note the place of the call too, which the others do anyway."
    )
    log_queue = Setting(
        FLAG, False, "True: lines are written by a thread, so a stdout that nobody reads never stops the program."
    )
    log_hooks = Setting(
        HOOK_NAMES,
        HOOKS,
        "What becomes a log record beside what is logged: uncaught `exceptions`, those of `threads`, `unraisable` "
        "ones, `warnings`.",
    )
    log_correlation_headers = Setting(
        HEADER_NAMES,
        ("x-correlation-id", "x-request-id"),
        "Headers of a request; what the first that is there says is `correlation_id` in all its records.",
    )
    log_sample = Setting(RATIO, 0.0, "Share of the traces whose records are written from DEBUG on, from 0 to 1.")
    log_buffer = Setting(
        size(0),
        0,
        "Memory for records below the level, each trace; they are written when it fails. 0: they are not kept.",
        default_text="`0`: off",
    )
    log_buffer_records = Setting(count(1), 1000, "How many of them, each trace.")
    log_buffer_total = Setting(size(1024), 16 * 1024 * 1024, "Memory for those of all traces.")
    log_buffer_on_error = Setting(FLAG, True, "A record of level ERROR brings along what its trace has kept.")
    log_rate_limit = Setting(
        count(0), 0, "Records a second from each line of code; the rest is counted. 0: all.", default_text="`0`: off"
    )


class Tracing:
    """What is traced"""

    patch = Setting(
        PATCHES,
        True,
        "Libraries to patch: all, none, or names; `-redis` means all but redis.",
    )
    otel_provider = Setting(
        choice("attach", "replace"),
        "attach",
        "A tracer provider that the program sets: obsv gets its spans too (attach), or takes its place (replace).",
    )
    patch_exclude = Setting(NAMES, (), "Libraries not to patch; `*` for all.", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS")
    sample = Setting(
        RATIO,
        1.0,
        "Share of the traces that start here to keep, from 0 to 1. Traces from elsewhere keep their caller's decision.",
        Variable("OTEL_TRACES_SAMPLER", ratio_of_variable, "with `OTEL_TRACES_SAMPLER_ARG`"),
    )
    sampler = Setting(
        SAMPLER,
        None,
        "OpenTelemetry's sampler, with its argument behind a colon: `traceidratio:0.1`; or `xray`, which follows "
        "X-Ray's sampling rules. Without one, `sample` decides.",
        Variable("OTEL_TRACES_SAMPLER", sampler_of_variable, "with `OTEL_TRACES_SAMPLER_ARG`"),
        default_text="`parentbased_traceidratio` with `sample`",
    )
    id_generator = Setting[str | None](
        ID_GENERATOR,
        None,
        "How trace ids are made: `xray` begins them with the time, which X-Ray wants.",
        "OTEL_PYTHON_ID_GENERATOR",
        default_text="`xray` where traces go to the sink xray, else `random`",
    )
    propagators = Setting(
        PROPAGATION,
        PROPAGATORS,
        "Headers that carry the trace between processes, read in this order.",
        "OTEL_PROPAGATORS",
    )
    excluded_urls = Setting(
        PATTERNS,
        (),
        "Regular expressions; a request whose path contains one is neither traced nor counted.",
        "OTEL_PYTHON_EXCLUDED_URLS",
    )
    attribute_count_limit = Setting(
        limit(),
        128,
        "Attributes of a span; more are dropped and counted.",
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_ATTRIBUTE_COUNT_LIMIT",
    )
    attribute_length_limit = Setting(
        limit(),
        None,
        "Characters of an attribute's text; the rest is cut off.",
        "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    )
    event_count_limit = Setting(limit(), 128, "Events of a span.", "OTEL_SPAN_EVENT_COUNT_LIMIT")
    link_count_limit = Setting(limit(), 128, "Links of a span.", "OTEL_SPAN_LINK_COUNT_LIMIT")
    event_attribute_count_limit = Setting(
        limit(),
        128,
        "Attributes of an event.",
        "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_ATTRIBUTE_COUNT_LIMIT",
    )
    link_attribute_count_limit = Setting(
        limit(), 128, "Attributes of a link.", "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"
    )
    log_attribute_count_limit = Setting(
        limit(),
        128,
        "Attributes of a log record that is sent over OTLP.",
        "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_ATTRIBUTE_COUNT_LIMIT",
    )
    log_attribute_length_limit = Setting(
        limit(),
        None,
        "Characters of such an attribute's text.",
        "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    )


class Keeping:
    """What is kept although nobody sampled it"""

    keep = Setting(
        FLAG,
        False,
        "Keep traces that failed, were slow or are rare, although they were not sampled. What is not sampled is then "
        "recorded until its local root ends.",
    )
    keep_budget = Setting(count(1, 100_000), 10, "Such traces a second, at most.")
    keep_quantile = Setting(
        RATIO, 0.99, "Share of a route's traces that are not slow; it is learnt how long those take."
    )
    keep_unseen = Setting(
        duration(1.0), 600.0, "Time after which the next trace of a route counts as rare, as the very first does."
    )


class Queueing:
    """Queues and intervals"""

    queue_bytes = Setting(size(1024), 64 * 1024 * 1024, "Memory for what waits to be sent, each sink and signal.")
    queue_records = Setting(
        count(1),
        200_000,
        "Spans, log records or metric points that wait, each sink and signal.",
        "OTEL_BSP_MAX_QUEUE_SIZE",
        "OTEL_BLRP_MAX_QUEUE_SIZE",
    )
    batch_records = Setting(
        count(1, 1_000_000),
        2048,
        "Records sent at a time.",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
        "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE",
    )
    flush_interval = Setting(
        duration(0.001),
        1.0,
        "Longest wait before a span or log record is sent.",
        Variable("OTEL_BSP_SCHEDULE_DELAY", _milliseconds, "in milliseconds"),
        Variable("OTEL_BLRP_SCHEDULE_DELAY", _milliseconds, "in milliseconds"),
    )
    metric_interval = Setting(
        duration(0.01),
        60.0,
        "Time that one metric point covers.",
        Variable("OTEL_METRIC_EXPORT_INTERVAL", _milliseconds, "in milliseconds"),
    )
    shutdown_timeout = Setting(duration(), 5.0, "Longest time that the end of the program waits for sending.")
    max_series = Setting(count(1, 1_000_000), 2000, "Combinations of dimensions that one instrument keeps apart.")
    runtime_metrics = Setting(
        FLAG,
        True,
        "CPU, memory, threads, open files, garbage collection and event loops of the process, as metrics.",
        default_text="`true`; on Lambda `false`",
    )


def _application_signals(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return _APPLICATION_SIGNALS.parse(value)


def _application_signals_enabled(text: str, environ: Mapping[str, str]) -> object:
    return "on" if FLAG.parse(text) else NOTHING


_APPLICATION_SIGNALS = choice(
    "off", "on", "agent", "emf", aliases={"true": "on", "1": "on", "yes": "on", "false": "off", "0": "off", "no": "off"}
)


class ApplicationSignals:
    """CloudWatch Application Signals"""

    application_signals = Setting(
        Kind("choice", _application_signals, _APPLICATION_SIGNALS.allowed),
        "off",
        "Latency, errors and faults of requests, also of those that are not sampled: to the CloudWatch agent, or as "
        "`emf` on stdout; `on` is `emf` on Lambda and else `agent`.",
        Variable("OTEL_AWS_APPLICATION_SIGNALS_ENABLED", _application_signals_enabled),
    )
    application_signals_endpoint = Setting[str | None](
        URL,
        None,
        "Where the agent takes these metrics, over OTLP.",
        "OTEL_AWS_APPLICATION_SIGNALS_EXPORTER_ENDPOINT",
        default_text="`http://localhost:4316/v1/metrics`; over gRPC `localhost:4315`",
    )


class Redaction:
    """Secrets"""

    redact = Setting(
        RULE_GROUPS,
        REDACTION_DEFAULT,
        "Which secrets are masked before anything leaves: by `names`, by the form of `tokens` and `cards`, `emails`.",
    )
    redact_names = Setting(FIELD_NAMES, (), "More names whose values are secret; `-token`: this one is not.")
    redact_patterns = Setting(PATTERNS, (), "Regular expressions for what else is secret; of one with a group, that.")
    redact_mask = Setting(MASK, "REDACTED", "What stands for a secret.")
    redact_with = Setting[object](
        FUNCTION, None, "A function of your own, `(name, text) -> text`, or `package.module:function`."
    )


TIMEOUT = duration(0.001, 3600)
COMPRESSION = choice("gzip", "none")
PROTOCOL = choice("http/protobuf", "grpc", "http/json")


def _otlp(name: str, signal: str = "") -> Variable:
    return Variable(f"OTEL_EXPORTER_OTLP_{signal}{name}")


class Otlp:
    """Sink: otlp"""

    otlp_endpoint = Setting[str | None](
        URL,
        None,
        "URL of the collector; `/v1/traces`, `/v1/metrics` or `/v1/logs` is added.",
        _otlp("ENDPOINT"),
        default_text="`http://localhost:4318`",
    )
    otlp_headers = Setting(HEADERS, {}, "Headers of every request, such as an API key.", _otlp("HEADERS"))
    otlp_compression = Setting(COMPRESSION, "none", "How bodies are compressed.", _otlp("COMPRESSION"))
    otlp_timeout = Setting(
        TIMEOUT,
        10.0,
        "Longest time for one request.",
        # milliseconds in the specification, but opentelemetry-python, which people come from, has always read seconds
        Variable("OTEL_EXPORTER_OTLP_TIMEOUT", None, "in seconds, as opentelemetry-python reads it"),
    )
    otlp_certificate = Setting[str | None](
        PATH, None, "File with the certificates to trust, instead of the system's.", _otlp("CERTIFICATE")
    )
    otlp_client_key = Setting[str | None](PATH, None, "File with the key to sign in with.", _otlp("CLIENT_KEY"))
    otlp_client_certificate = Setting[str | None](
        PATH, None, "File with the certificate to sign in with.", _otlp("CLIENT_CERTIFICATE")
    )
    otlp_insecure = Setting[bool | None](
        FLAG,
        None,
        "Whether an endpoint without a scheme is reached without TLS.",
        _otlp("INSECURE"),
        default_text="`true` for HTTP, `false` for gRPC",
    )
    otlp_protocol = Setting(
        PROTOCOL,
        "http/protobuf",
        "How OTLP is spoken; `grpc` needs `pip install obsv[otlp]`, and its default endpoint is `localhost:4317`.",
        _otlp("PROTOCOL"),
    )
    otlp_sigv4 = Setting(
        choice("auto", "never", "always"),
        "auto",
        "Whether requests are signed with AWS's credentials: where the endpoint is AWS's own (auto), or at any.",
    )
    otlp_grpc_credentials = Setting[str | None](
        CREDENTIALS,
        None,
        "What signs in at a gRPC endpoint: an entry point of the group `opentelemetry_otlp_credential_provider`.",
        "OTEL_PYTHON_EXPORTER_OTLP_GRPC_CREDENTIAL_PROVIDER",
    )
    otlp_grpc_retry_codes = Setting(
        STATUS_CODES,
        RETRY_CODES,
        "gRPC's status codes after which the same request is sent again.",
        "OTEL_PYTHON_EXPORTER_OTLP_GRPC_RETRYABLE_ERROR_CODES",
    )
    otlp_temporality = Setting(
        choice("delta", "cumulative", "lowmemory"),
        "cumulative",
        "Metric points hold their interval (delta) or all since the start (cumulative); `lowmemory` is delta but for "
        "observable counters.",
        "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
    )
    otlp_histogram = Setting[str | None](
        choice("explicit_bucket_histogram", "base2_exponential_bucket_histogram"),
        None,
        "Buckets of histograms that say nothing about them.",
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        default_text="exponential for obsv's own, explicit for those of OpenTelemetry's API",
    )


class OtlpSignals:
    """Sink: otlp, one signal only"""

    otlp_traces_endpoint = Setting[str | None](URL, None, "URL for traces, as it is.", _otlp("ENDPOINT", "TRACES_"))
    otlp_metrics_endpoint = Setting[str | None](URL, None, "URL for metrics, as it is.", _otlp("ENDPOINT", "METRICS_"))
    otlp_logs_endpoint = Setting[str | None](URL, None, "URL for logs, as it is.", _otlp("ENDPOINT", "LOGS_"))
    otlp_traces_headers = Setting[dict[str, str] | None](HEADERS, None, "For traces.", _otlp("HEADERS", "TRACES_"))
    otlp_metrics_headers = Setting[dict[str, str] | None](HEADERS, None, "For metrics.", _otlp("HEADERS", "METRICS_"))
    otlp_logs_headers = Setting[dict[str, str] | None](HEADERS, None, "For logs.", _otlp("HEADERS", "LOGS_"))
    otlp_traces_compression = Setting[str | None](COMPRESSION, None, "For traces.", _otlp("COMPRESSION", "TRACES_"))
    otlp_metrics_compression = Setting[str | None](COMPRESSION, None, "For metrics.", _otlp("COMPRESSION", "METRICS_"))
    otlp_logs_compression = Setting[str | None](COMPRESSION, None, "For logs.", _otlp("COMPRESSION", "LOGS_"))
    otlp_traces_timeout = Setting[float | None](TIMEOUT, None, "For traces.", _otlp("TIMEOUT", "TRACES_"))
    otlp_metrics_timeout = Setting[float | None](TIMEOUT, None, "For metrics.", _otlp("TIMEOUT", "METRICS_"))
    otlp_logs_timeout = Setting[float | None](TIMEOUT, None, "For logs.", _otlp("TIMEOUT", "LOGS_"))
    otlp_traces_certificate = Setting[str | None](PATH, None, "For traces.", _otlp("CERTIFICATE", "TRACES_"))
    otlp_metrics_certificate = Setting[str | None](PATH, None, "For metrics.", _otlp("CERTIFICATE", "METRICS_"))
    otlp_logs_certificate = Setting[str | None](PATH, None, "For logs.", _otlp("CERTIFICATE", "LOGS_"))
    otlp_traces_client_key = Setting[str | None](PATH, None, "For traces.", _otlp("CLIENT_KEY", "TRACES_"))
    otlp_metrics_client_key = Setting[str | None](PATH, None, "For metrics.", _otlp("CLIENT_KEY", "METRICS_"))
    otlp_logs_client_key = Setting[str | None](PATH, None, "For logs.", _otlp("CLIENT_KEY", "LOGS_"))
    otlp_traces_client_certificate = Setting[str | None](
        PATH, None, "For traces.", _otlp("CLIENT_CERTIFICATE", "TRACES_")
    )
    otlp_metrics_client_certificate = Setting[str | None](
        PATH, None, "For metrics.", _otlp("CLIENT_CERTIFICATE", "METRICS_")
    )
    otlp_logs_client_certificate = Setting[str | None](PATH, None, "For logs.", _otlp("CLIENT_CERTIFICATE", "LOGS_"))
    otlp_traces_protocol = Setting[str | None](PROTOCOL, None, "For traces.", _otlp("PROTOCOL", "TRACES_"))
    otlp_metrics_protocol = Setting[str | None](PROTOCOL, None, "For metrics.", _otlp("PROTOCOL", "METRICS_"))
    otlp_logs_protocol = Setting[str | None](PROTOCOL, None, "For logs.", _otlp("PROTOCOL", "LOGS_"))
    otlp_traces_insecure = Setting[bool | None](FLAG, None, "For traces.", _otlp("INSECURE", "TRACES_"))
    otlp_metrics_insecure = Setting[bool | None](FLAG, None, "For metrics.", _otlp("INSECURE", "METRICS_"))
    otlp_logs_insecure = Setting[bool | None](FLAG, None, "For logs.", _otlp("INSECURE", "LOGS_"))
    otlp_traces_grpc_credentials = Setting[str | None](
        CREDENTIALS, None, "For traces.", "OTEL_PYTHON_EXPORTER_OTLP_GRPC_TRACES_CREDENTIAL_PROVIDER"
    )
    otlp_metrics_grpc_credentials = Setting[str | None](
        CREDENTIALS, None, "For metrics.", "OTEL_PYTHON_EXPORTER_OTLP_GRPC_METRICS_CREDENTIAL_PROVIDER"
    )
    otlp_logs_grpc_credentials = Setting[str | None](
        CREDENTIALS, None, "For logs.", "OTEL_PYTHON_EXPORTER_OTLP_GRPC_LOGS_CREDENTIAL_PROVIDER"
    )


class Emf:
    """Sink: emf"""

    emf_destination = Setting(
        choice("stdout", "agent"),
        "stdout",
        "Where EMF goes: to stdout, or over a socket to the CloudWatch agent.",
        Variable("AWS_EMF_ENVIRONMENT", _emf_environment, "`Local`, `Lambda`: stdout; `Agent`, `EC2`, `ECS`: agent"),
        Variable("AWS_EMF_AGENT_ENDPOINT", _emf_agent, "naming an agent chooses it"),
    )
    emf_agent_endpoint = Setting(
        AGENT, "tcp://127.0.0.1:25888", "Where the CloudWatch agent takes EMF.", "AWS_EMF_AGENT_ENDPOINT"
    )
    emf_service_type = Setting[str | None](
        TEXT, None, "Kind of the service; stands beside its metrics as `ServiceType`.", "AWS_EMF_SERVICE_TYPE"
    )
    metric_dimensions = Setting(
        ATTRIBUTES,
        {},
        "Dimensions of every metric beside `Service`; one without a value is left out (`Service=`).",
    )
    metric_dimension_sets = Setting(
        DIMENSION_SETS,
        (),
        "Sets of dimensions under which a metric is stored as well, where it has all of them.",
    )
    emf_histograms = Setting(
        choice("counts", "arrays"),
        "counts",
        "How a histogram of over 100 values is written: values with their counts, as AWS's own exporters do, or plain "
        "arrays of values that stand for it.",
    )
    emf_event_bytes = Setting(
        size(2048, 1 << 20),
        262_118,
        "The longest line; what does not fit goes into further ones. The default is what Docker's `awslogs` driver "
        "leaves in one piece; 4096 keeps the lines of processes that share a pipe apart whatever happens.",
    )
    emf_extraction = Setting(
        FLAG,
        True,
        "False: the lines are plain logs, of which CloudWatch makes no metrics.",
        Variable("AWS_EMF_DISABLE_METRIC_EXTRACTION", _disabled, "inverted"),
    )


class CloudWatchLogs:
    """CloudWatch Logs: sinks cloudwatch_logs, and emf through the agent"""

    log_group = Setting[str | None](
        LOG_GROUP,
        None,
        "The log group that events go to.",
        "AWS_EMF_LOG_GROUP_NAME",
        default_text="the service's name",
    )
    log_stream = Setting[str | None](
        LOG_STREAM,
        None,
        "The stream in it.",
        "AWS_EMF_LOG_STREAM_NAME",
        default_text="host and process; on Lambda the function's own; through the agent its choice",
    )
    log_create = Setting(FLAG, True, "Whether a log group or stream that is not there is made.")


class OtherSinks:
    """Sinks: xray, file and local"""

    xray_transport = Setting(
        choice("daemon", "daemon_otlp", "api"),
        "daemon",
        "How traces get to X-Ray: segment documents or OTLP through the daemon, or documents through AWS's API.",
    )

    xray_daemon_address = Setting(
        DAEMON, "127.0.0.1:2000", "UDP address of the X-Ray daemon.", "AWS_XRAY_DAEMON_ADDRESS"
    )
    log_file = Setting(PATH, "obsv.log", "The file of the sink `file`, a JSON object a line.")
    log_file_max_bytes = Setting(
        size(0), 0, "Size at which the file gets `.1` behind its name and a new one is begun. 0: never."
    )
    log_file_backups = Setting(count(0, 1000), 3, "How many such files are kept.")
    xray_annotations = Setting(
        ANNOTATIONS,
        ("auto",),
        "Attributes that X-Ray indexes as annotations, names or patterns: `order.*`, `*`. `auto` stands for those that "
        "the program sets itself, `http.route`, `error.type`, `messaging.destination.name` and `obsv.sampling.reason`.",
    )
    xray_tcp_address = Setting(
        TCP,
        "127.0.0.1:2000",
        "TCP address of the daemon, agent or collector that is asked for X-Ray's sampling rules.",
        "AWS_XRAY_DAEMON_ADDRESS",
    )
    local_path = Setting(PATH, ".obsv/obsv.db", "The local store, one SQLite file for all processes.")
    local_max_bytes = Setting(size(1 << 20), 100 * 1024 * 1024, "Size of the local store; the oldest traces go first.")


class Table(
    Service,
    General,
    Destinations,
    Logs,
    Tracing,
    Keeping,
    Queueing,
    ApplicationSignals,
    Redaction,
    Otlp,
    OtlpSignals,
    Emf,
    CloudWatchLogs,
    OtherSinks,
):
    """All settings as attributes: declarations on the class, values on an instance."""


GROUPS: tuple[type, ...] = Table.__bases__
"""The groups in the order in which people should read them."""

SETTINGS: dict[str, Setting[object]] = {
    name: setting for group in GROUPS for name, setting in vars(group).items() if isinstance(setting, Setting)
}
"""The declarations by name, in the order in which people should read them."""

_NO_SESSION = "obsv sends OTLP over HTTP by http.client, and has no requests.Session that this could provide"
UNSUPPORTED = {
    "OTEL_CONFIG_FILE": "obsv does not read OpenTelemetry's file of settings; its own is obsv.toml",
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER": _NO_SESSION,
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_TRACES_CREDENTIAL_PROVIDER": _NO_SESSION,
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_METRICS_CREDENTIAL_PROVIDER": _NO_SESSION,
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_LOGS_CREDENTIAL_PROVIDER": _NO_SESSION,
}
"""Standard variables that ask for something that obsv does not do, and what is said about it."""

OTHER_VARIABLES = ("OBSV_PURE_PYTHON", "OBSV_NO_EXT", "OBSV_REQUIRE_EXT", "OBSV_CI", "OBSV_RUN_CHILDREN")
"""Variables that start with OBSV_ and are no settings: read where the package is built, imported, tested or run."""

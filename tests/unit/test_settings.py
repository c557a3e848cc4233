"""Where a setting comes from, and what is said when it is wrong."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obsv.platform import Platform
from obsv.settings import Settings, SettingsError, resolve
from obsv.settings_table import GROUPS, OTHER_VARIABLES, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LAPTOP = Platform("laptop", {})


def settle(
    arguments: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    platform: Platform = LAPTOP,
    patches: tuple[str, ...] | None = None,
    terminal: bool = False,
) -> Settings:
    return resolve(arguments, environ or {}, platform=platform, patches=patches, terminal=terminal)


def lines(settings: Settings) -> list[str]:
    return [str(problem) for problem in settings.problems]


def test_nothing_set() -> None:
    settings = settle()
    assert settings.problems == ()
    assert settings.service == "unknown_service"
    assert settings.namespace == "unknown_service"
    assert settings.traces == ("local",)
    assert settings.origin("traces") == "platform: laptop"
    assert settings.queue_bytes == 64 * 1024 * 1024
    assert settings.queue_records == 200_000
    assert settings.batch_records == 2048
    assert settings.flush_interval == 1.0
    assert settings.metric_interval == 60.0
    assert settings.shutdown_timeout == 5.0
    assert settings.max_series == 2000
    assert settings.sample == 1.0
    assert settings.local_path == ".obsv/obsv.db"
    assert settings.local_max_bytes == 100 * 1024 * 1024
    assert settings.propagators == ("tracecontext", "baggage", "xray")
    assert settings.signals is True
    assert settings.log_level == "INFO"
    assert settings.log_capture is True
    assert settings.attribute_count_limit == 128
    assert settings.attribute_length_limit is None
    assert all(settings.origin(name) for name in SETTINGS)
    assert not any(settings.is_set(name) for name in SETTINGS)


def test_the_order_of_sources(tmp_path: Path) -> None:
    (tmp_path / "obsv.toml").write_text('service = "file"\n')
    environ = {
        "OBSV_SERVICE": "ours",
        "OTEL_SERVICE_NAME": "standard",
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=attribute",
    }
    arguments: dict[str, object] = {"service": "argument"}
    seen = []
    while True:
        settings = settle(arguments, environ, Platform("lambda", {"AWS_LAMBDA_FUNCTION_NAME": "function"}))
        seen.append((settings.service, settings.origin("service"), settings.problems))
        if arguments:
            arguments = {}
        elif environ:
            environ.pop(next(iter(environ)))
        elif (tmp_path / "obsv.toml").exists():
            (tmp_path / "obsv.toml").unlink()
        else:
            break
    assert seen == [
        ("argument", "argument", ()),
        ("ours", "OBSV_SERVICE", ()),
        ("standard", "OTEL_SERVICE_NAME", ()),
        ("attribute", "OTEL_RESOURCE_ATTRIBUTES", ()),
        ("file", str(tmp_path / "obsv.toml"), ()),
        ("function", "platform: lambda", ()),
    ]
    assert (settle().service, settle().origin("service")) == ("unknown_service", "default")


def test_what_says_nothing() -> None:
    settings = settle(
        {"service": None, "version": "", "environment": "  ", "patch": True},
        {"OBSV_SERVICE": "  ", "OTEL_SERVICE_NAME": "", "OBSV_PATCH": "false", "OTEL_SPAN_LINK_COUNT_LIMIT": ""},
    )
    assert settings.service == "unknown_service"
    assert settings.version is None
    assert settings.patch is False
    assert settings.link_count_limit == 128
    assert settings.problems == ()


def test_blanks_around_a_value_do_not_count() -> None:
    settings = settle({}, {"OBSV_SERVICE": "  shop ", "OBSV_SAMPLE": " 0.5 ", "OBSV_TRACES": " otlp , local "})
    assert (settings.service, settings.sample, settings.traces) == ("shop", 0.5, ("otlp", "local"))


@pytest.mark.parametrize("name", sorted(set(SETTINGS) - {"config", "platform"}))
def test_every_setting_has_a_variable_and_a_file_key(name: str, tmp_path: Path) -> None:
    setting = SETTINGS[name]
    assert setting.meaning
    text = {
        "count": "7",
        "limit": "7",
        "duration": "7s",
        "size": "1MiB",
        "flag": "false" if setting.default is True else "true",
        "ratio": "0.5",
        "text": "x",
        "path": "x",
        "url": "http://x:1",
        "headers": "a=b",
        "attributes": "a=b",
        "names": "x",
        "annotations": "x.*",
        "patches": "redis",
        "patterns": "x",
        "propagators": "xray",
        "address": "x:1",
        "namespace": "x",
        "endpoint": "udp://x:1",
        "log group": "x",
        "log stream": "x",
        "dimension sets": "x;x,y",
        "sinks": "memory",
        "sampler": "traceidratio:0.5",
        "id_generator": "xray",
        "detectors": "process",
        "status_codes": "UNAVAILABLE,ABORTED",
        "keys": "level=severity",
        "members": "message,level",
        "hooks": "warnings",
        "header names": "x-id",
        "groups": "cards",
        "field names": "x",
        "mask": "x",
        "function": "json:dumps",
    }.get(setting.kind.name)
    if setting.kind.name == "credentials":
        pytest.skip("no package with an entry point of this kind is at hand")
    if text is None:
        text = setting.kind.allowed.removeprefix("one of ").split(", ")[-1]
    settings = settle({}, {setting.env: text})
    assert settings.problems == ()
    assert settings.origin(name) == setting.env
    expected = setting.kind.parse(text)
    assert getattr(settings, name) == expected
    path = tmp_path / "obsv.toml"
    path.write_text(f'{name} = "{text}"\n')
    settings = settle()
    assert settings.problems == ()
    assert settings.origin(name) == str(path)
    assert getattr(settings, name) == expected


def test_names_and_variables_are_unique() -> None:
    variables = [setting.env for setting in SETTINGS.values()] + list(OTHER_VARIABLES)
    assert len(set(variables)) == len(variables)
    assert sum(len([n for n in vars(group) if n in SETTINGS]) for group in GROUPS) == len(SETTINGS)
    assert all(group.__doc__ for group in GROUPS)


# ---- standard variables


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("OTEL_SERVICE_NAME", "shop", "service", "shop"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a%20b", "service", "a b"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.version=1.2", "version", "1.2"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=prod", "environment", "prod"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment=old,deployment.environment.name=new",
            "environment",
            "new",
        ),
        ("OTEL_RESOURCE_ATTRIBUTES", "team=a%3Db,x=1", "resource", {"team": "a=b", "x": "1"}),
        ("OTEL_SDK_DISABLED", "TRUE", "enabled", False),
        ("OTEL_SDK_DISABLED", "false", "enabled", True),
        ("OTEL_TRACES_EXPORTER", "otlp,console", "traces", ("otlp", "console")),
        ("OTEL_TRACES_EXPORTER", "none", "traces", ()),
        ("OTEL_METRICS_EXPORTER", "emf", "metrics", ("emf",)),
        ("OTEL_LOGS_EXPORTER", "console", "logs", ("console",)),
        ("OTEL_TRACES_SAMPLER", "always_on", "sample", 1.0),
        ("OTEL_TRACES_SAMPLER", "always_off", "sample", 0.0),
        ("OTEL_TRACES_SAMPLER", "ParentBased_Always_Off", "sample", 0.0),
        ("OTEL_TRACES_SAMPLER", "traceidratio", "sample", 1.0),
        ("OTEL_PROPAGATORS", "tracecontext,baggage", "propagators", ("tracecontext", "baggage")),
        ("OTEL_PROPAGATORS", "none", "propagators", ()),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "4096", "queue_records", 4096),
        ("OTEL_BSP_SCHEDULE_DELAY", "5000", "flush_interval", 5.0),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "512", "batch_records", 512),
        ("OTEL_METRIC_EXPORT_INTERVAL", "500", "metric_interval", 0.5),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "10", "attribute_count_limit", 10),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "11", "attribute_count_limit", 11),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "12", "attribute_length_limit", 12),
        ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "0", "attribute_length_limit", 0),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "13", "event_count_limit", 13),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "14", "link_count_limit", 14),
        ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "15", "event_attribute_count_limit", 15),
        ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "16", "link_attribute_count_limit", 16),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "17", "event_attribute_count_limit", 17),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "17", "link_attribute_count_limit", 17),
        ("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "18", "log_attribute_count_limit", 18),
        ("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "19", "log_attribute_length_limit", 19),
        ("OTEL_BLRP_MAX_QUEUE_SIZE", "4097", "queue_records", 4097),
        ("OTEL_BLRP_SCHEDULE_DELAY", "5001", "flush_interval", 5.001),
        ("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", "513", "batch_records", 513),
        ("OTEL_TRACES_EXPORTER", "otlp_proto_grpc", "traces", ("otlp_proto_grpc",)),
        ("OTEL_PROPAGATORS", "b3multi,xray", "propagators", ("b3multi", "xray")),
        ("OTEL_PYTHON_ID_GENERATOR", "random", "id_generator", "random"),
        ("OTEL_EXPERIMENTAL_RESOURCE_DETECTORS", "otel,process,os", "resource_detectors", ("process", "os")),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc", "otlp_traces_protocol", "grpc"),
        ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "http/json", "otlp_logs_protocol", "http/json"),
        ("OTEL_EXPORTER_OTLP_METRICS_INSECURE", "true", "otlp_metrics_insecure", True),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318", "otlp_endpoint", "http://c:4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=b%20c", "otlp_headers", {"a": "b c"}),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", "otlp_compression", "gzip"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2.5", "otlp_timeout", 2.5),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem", "otlp_certificate", "/ca.pem"),
        ("OTEL_EXPORTER_OTLP_INSECURE", "false", "otlp_insecure", False),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", "otlp_protocol", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "CUMULATIVE", "otlp_temporality", "cumulative"),
        (
            "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
            "base2_exponential_bucket_histogram",
            "otlp_histogram",
            "base2_exponential_bucket_histogram",
        ),
        ("OTEL_PYTHON_EXCLUDED_URLS", "health,^/x", "excluded_urls", ("health", "^/x")),
        ("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "redis,aiohttp_client", "patch_exclude", ("redis", "aiohttp-client")),
        ("AWS_LAMBDA_LOG_LEVEL", "warn", "log_level", "WARNING"),
        ("AWS_LAMBDA_LOG_LEVEL", "TRACE", "log_level", "DEBUG"),
        ("AWS_XRAY_DAEMON_ADDRESS", "tcp:h:1 udp:g:2", "xray_daemon_address", "g:2"),
        ("AWS_EMF_NAMESPACE", "Shop", "namespace", "Shop"),
        ("AWS_EMF_LOG_GROUP_NAME", "/shop/metrics", "log_group", "/shop/metrics"),
        ("AWS_EMF_LOG_STREAM_NAME", "host-1", "log_stream", "host-1"),
        ("AWS_EMF_SERVICE_NAME", "shop", "service", "shop"),
        ("AWS_EMF_SERVICE_TYPE", "web", "emf_service_type", "web"),
        ("AWS_EMF_AGENT_ENDPOINT", "udp://agent:9", "emf_agent_endpoint", "udp://agent:9"),
        ("AWS_EMF_AGENT_ENDPOINT", "tcp://agent:9", "emf_destination", "agent"),
        ("AWS_EMF_ENVIRONMENT", "Local", "emf_destination", "stdout"),
        ("AWS_EMF_ENVIRONMENT", "EC2", "emf_destination", "agent"),
        ("AWS_EMF_DISABLE_METRIC_EXTRACTION", "true", "emf_extraction", False),
        ("OBSV_RAISE", "1", "raise_errors", True),
    ],
)
def test_standard_variables(variable: str, text: str, name: str, value: object) -> None:
    settings = settle({}, {variable: text})
    assert settings.problems == ()
    assert getattr(settings, name) == value
    assert settings.origin(name) == ("default" if text == "false" and name == "enabled" else variable)


def test_sampler_with_argument() -> None:
    settings = settle({}, {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": " 0.25 "})
    assert settings.sample == 0.25
    assert settle({}, {"OTEL_TRACES_SAMPLER_ARG": "0.25"}).sample == 1.0


@pytest.mark.parametrize(
    ("name", "argument", "ratio", "parent_based"),
    [
        ("always_on", None, 1.0, False),
        ("always_off", None, 0.0, False),
        ("traceidratio", "0.25", 0.25, False),
        ("parentbased_always_on", None, 1.0, True),
        ("parentbased_always_off", None, 0.0, True),
        ("parentbased_traceidratio", "0.25", 0.25, True),
        ("parentbased_traceidratio", None, 1.0, True),
    ],
)
def test_the_six_samplers(name: str, argument: str | None, ratio: float, parent_based: bool) -> None:
    environ = {"OTEL_TRACES_SAMPLER": name} | ({"OTEL_TRACES_SAMPLER_ARG": argument} if argument else {})
    settings = settle({}, environ)
    assert settings.problems == ()
    chosen = settings.sampler
    assert chosen is not None
    assert (chosen.name, chosen.argument, chosen.ratio, chosen.parent_based) == (name, argument, ratio, parent_based)
    assert settings.sample == ratio
    written = settle({"sampler": settings.show("sampler")})
    assert written.sampler == chosen
    assert settle().sampler is None


def test_the_special_limit_goes_before_the_general() -> None:
    environ = {"OTEL_ATTRIBUTE_COUNT_LIMIT": "10", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "5"}
    assert settle({}, environ).attribute_count_limit == 5


def test_resource_is_merged() -> None:
    settings = settle(
        {"resource": {"team": "argument", "n": 1}, "config": {"resource": {"team": "file", "file": True}}},
        {"OBSV_RESOURCE": "team=ours,ours=1", "OTEL_RESOURCE_ATTRIBUTES": "team=standard,standard=1"},
    )
    assert settings.resource == {"team": "argument", "n": 1, "ours": "1", "standard": "1", "file": True}
    assert settings.origin("resource") == "argument + OBSV_RESOURCE + OTEL_RESOURCE_ATTRIBUTES + config"


def test_service_in_a_resource_counts_at_its_source() -> None:
    settings = settle({"resource": {"service.name": "argument"}}, {"OBSV_SERVICE": "ours"})
    assert (settings.service, settings.origin("service")) == ("argument", "argument")
    settings = settle({"service": "named", "resource": {"service.name": "argument"}})
    assert settings.service == "named"


# ---- what is wrong


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        (
            {"OBSV_SAMPLE": "2"},
            "OBSV_SAMPLE='2' (environment): expected a number from 0 to 1; using 1.0 (default)",
        ),
        (
            {"OBSV_SAMPLE": "2", "OTEL_TRACES_SAMPLER": "always_off"},
            "OBSV_SAMPLE='2' (environment): expected a number from 0 to 1; using 0.0 (OTEL_TRACES_SAMPLER)",
        ),
        (
            {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "x"},
            "OTEL_TRACES_SAMPLER_ARG='x' (environment): expected a number from 0 to 1; using 1.0 (default)",
        ),
        (
            {"OTEL_TRACES_SAMPLER": "jaeger_remote"},
            "OTEL_TRACES_SAMPLER='jaeger_remote' (environment): expected one of always_on, always_off, traceidratio, "
            "parentbased_always_on, parentbased_always_off, parentbased_traceidratio, xray, "
            "or an installed OpenTelemetry sampler; using 1.0 (default)",
        ),
        (
            {"OTEL_TRACES_SAMPLER": "xray", "OTEL_TRACES_SAMPLER_ARG": "endpoint=localhost"},
            "OTEL_TRACES_SAMPLER_ARG='endpoint=localhost' (environment): expected endpoint=URL (or endpoint=aws) and "
            "polling_interval=SECONDS, separated by commas; using 1.0 (default)",
        ),
        (
            {"OBSV_TRACES": "emf"},
            "OBSV_TRACES='emf' (environment): 'emf' does not take traces, expected sinks that take traces "
            "(otlp, xray, console, local, memory), an installed OpenTelemetry exporter, or none; "
            "using local (platform: laptop)",
        ),
        (
            {"OBSV_SERVCE": "shop"},
            "OBSV_SERVCE='shop' (environment): no such setting, did you mean 'OBSV_SERVICE'?; ignored",
        ),
        (
            {"OBSV_ZZZ": "1"},
            "OBSV_ZZZ='1' (environment): no such setting (`obsv doctor` lists them all); ignored",
        ),
        (
            {"OTEL_PROPAGATORS": "b9,xray"},
            "OTEL_PROPAGATORS='b9,xray' (environment): there is no propagator 'b9', expected propagators "
            "(tracecontext, baggage, xray), an installed OpenTelemetry propagator, or none; "
            "using xray (OTEL_PROPAGATORS)",
        ),
        (
            {"OTEL_BSP_SCHEDULE_DELAY": "soon"},
            "OTEL_BSP_SCHEDULE_DELAY='soon' (environment): expected a time in milliseconds, from 1 to 86400000; "
            "using 1s (default)",
        ),
        (
            {"OTEL_METRIC_EXPORT_INTERVAL": "5"},
            "OTEL_METRIC_EXPORT_INTERVAL='5' (environment): expected a time from 10ms to 1d, in seconds or as "
            '"500ms", "5s", "1m"; using 1m (default)',
        ),
        (
            {"OTEL_RESOURCE_ATTRIBUTES": "a=1,b"},
            "OTEL_RESOURCE_ATTRIBUTES='a=1,b' (environment): expected key=value pairs separated by commas, "
            "percent-encoded; using a=1 (OTEL_RESOURCE_ATTRIBUTES)",
        ),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "soap"},
            "OTEL_EXPORTER_OTLP_PROTOCOL='soap' (environment): expected one of http/protobuf, grpc, http/json; "
            "using http/protobuf (default)",
        ),
        (
            {"OTEL_CONFIG_FILE": "/etc/otel.yaml"},
            "OTEL_CONFIG_FILE (environment): obsv does not read OpenTelemetry's file of settings; its own is "
            "obsv.toml; ignored",
        ),
        (
            {"OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "otel,moon"},
            "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS='otel,moon' (environment): there is no resource detector 'moon'; "
            "using none (OTEL_EXPERIMENTAL_RESOURCE_DETECTORS)",
        ),
        (
            {"OTEL_PYTHON_ID_GENERATOR": "dice"},
            "OTEL_PYTHON_ID_GENERATOR='dice' (environment): expected one of random, xray, or an installed "
            "OpenTelemetry id generator; using not set (default)",
        ),
        (
            {"OTEL_TRACES_EXPORTER": "carrier_pigeon"},
            "OTEL_TRACES_EXPORTER='carrier_pigeon' (environment): expected sinks that take traces (otlp, xray, "
            "console, local, memory), an installed OpenTelemetry exporter, or none; using local (platform: laptop)",
        ),
        (
            {"OBSV_PLATFORM": "moon"},
            "OBSV_PLATFORM='moon' (environment): expected one of lambda, ecs, eks, app_runner, ec2, kubernetes, "
            "container, laptop; using laptop (detected)",
        ),
    ],
)
def test_one_line_for_what_is_wrong(environ: dict[str, str], line: str) -> None:
    settings = settle({}, environ)
    assert lines(settings) == [line]


def test_a_wrong_delay_names_what_was_written() -> None:
    (problem,) = settle({}, {"OTEL_BSP_SCHEDULE_DELAY": "-5"}).problems
    assert (problem.key, problem.value, problem.origin) == ("OTEL_BSP_SCHEDULE_DELAY", "'-5'", "environment")


def test_a_wrong_value_behind_a_good_one_is_not_in_force() -> None:
    assert settle({"sample": 0.5}, {"OBSV_SAMPLE": "2"}).problems == ()


def test_wrong_arguments() -> None:
    settings = settle({"sample": "most", "servcie": "x"})
    assert lines(settings) == [
        "servcie='x' (argument): no such setting, did you mean 'service'?; ignored",
        "sample='most' (argument): expected a number from 0 to 1; using 1.0 (default)",
    ]


def test_unknown_patches_are_named_when_the_known_are_given() -> None:
    settings = settle({}, {"OBSV_PATCH": "redis,flsk"}, patches=("redis", "flask"))
    assert settings.patch == ("redis",)
    assert lines(settings) == [
        "OBSV_PATCH='redis,flsk' (environment): there is no patch 'flsk', expected flask, redis; "
        "using redis (OBSV_PATCH)"
    ]
    assert settle({}, {"OBSV_PATCH": "redis,flsk"}).problems == ()


@pytest.mark.parametrize("name", OTHER_VARIABLES)
def test_variables_that_are_no_settings_are_known(name: str) -> None:
    assert settle({}, {name: "1"}).problems == ()


SECRET = "s3cr3t-value"


@pytest.mark.parametrize(
    "environ",
    [
        {"OBSV_OTLP_HEADERS": SECRET},
        {"OTEL_EXPORTER_OTLP_HEADERS": f"good=1,{SECRET}"},
        {"OTEL_EXPORTER_OTLP_HEADERS": f"authorization={SECRET}"},
        {"OTEL_EXPORTER_OTLP_TRACES_HEADERS": f"k={SECRET},x"},
        {"OBSV_OTLP_HEADER": f"authorization={SECRET}"},
        {"OBSV_OLTP_HEADERS": f"authorization={SECRET}"},
        {"OBSV_API_TOKEN": SECRET},
        {"OBSV_OTLP_ENDPOINT": f"http://user:{SECRET}@host:4318"},
        {"OBSV_OTLP_ENDPOINT": f"ftp://user:{SECRET}@host:4318"},
        {"OBSV_OTLP_ENDPOINT": f"http://host?key={SECRET} x"},
        {"OBSV_COLLECTOR": f"http://user:{SECRET}@host"},
    ],
)
def test_secrets_are_never_shown(environ: dict[str, str]) -> None:
    settings = settle({}, environ)
    shown = lines(settings) + [repr(problem) for problem in settings.problems] + [repr(settings)]
    shown += [settings.show(name) for name in SETTINGS] + [repr(settings.otlp(signal)) for signal in ("traces", "logs")]
    assert not [line for line in shown if SECRET in line]


def test_secrets_in_a_table_with_a_misspelt_name_are_not_shown() -> None:
    settings = settle({"config": {"oltp": {"headers": {"authorization": SECRET}}, "otlp_headers": [SECRET]}})
    assert len(settings.problems) == 2
    assert SECRET not in "".join(lines(settings))


# ---- strict


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        ({}, {"OBSV_STRICT": "1", "OBSV_SAMPLE": "2", "OBSV_SERVCE": "x"}),
        ({"config": {"strict": True, "sampel": 1, "flush_interval": "x"}}, {}),
    ],
)
def test_strict_raises(arguments: dict[str, object], environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as raised:
        settle(arguments, environ)
    assert isinstance(raised.value, ValueError)
    assert len(raised.value.problems) == 2
    assert str(raised.value).splitlines() == [str(problem) for problem in raised.value.problems]
    assert len(resolve(arguments, environ, platform=LAPTOP, raise_strict=False).problems) == 2


def test_strict_with_nothing_wrong() -> None:
    assert settle({}, {"OBSV_STRICT": "1"}).strict is True


# ---- platform


def test_platform_suggestions_depend_on_what_is_configured(tmp_path: Path) -> None:
    container = Platform("container", {})

    def sinks(environ: dict[str, str], terminal: bool = False, platform: Platform = container) -> tuple[object, ...]:
        settings = settle({}, environ, platform, terminal=terminal)
        assert settings.problems == ()
        return settings.traces, settings.metrics, settings.logs

    assert sinks({}) == ((), ("emf",), ("json",))
    assert sinks({"AWS_XRAY_DAEMON_ADDRESS": "h:2000"}) == (("xray",), ("emf",), ("json",))
    assert sinks({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}) == (("otlp",), ("emf", "otlp"), ("json",))
    assert sinks({"OBSV_OTLP_ENDPOINT": "http://c", "AWS_XRAY_DAEMON_ADDRESS": "h:1"})[0] == ("otlp",)
    assert sinks({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c"}) == (("otlp",), ("emf",), ("json",))
    assert sinks({"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://c"}) == ((), ("emf",), ("json", "otlp"))
    assert sinks({"OTEL_TRACES_EXPORTER": "console"})[0] == ("console",)
    (tmp_path / "obsv.toml").write_text('[otlp]\nendpoint = "http://c"\n')
    assert sinks({})[0] == ("otlp",)
    assert sinks({}, True, LAPTOP) == (("console", "local", "otlp"), ("local", "otlp"), ("console", "local", "otlp"))


def test_the_platform_can_be_told() -> None:
    settings = settle({}, {"OBSV_PLATFORM": "app_runner"})
    assert settings.platform == "app_runner"
    assert settings.detected.name == "app_runner"
    assert settings.origin("platform") == "OBSV_PLATFORM"
    assert settings.logs == ("json",)
    assert settings.origin("logs") == "platform: app_runner"


# ---- files


def test_config_as_a_mapping() -> None:
    settings = settle({"config": {"service": "shop", "otlp": {"timeout": "3s"}, "sampel": 1}})
    assert (settings.service, settings.otlp_timeout) == ("shop", 3.0)
    assert settings.origin("service") == "config"
    assert lines(settings) == ["sampel=1 (config): no such setting, did you mean 'sample'?; ignored"]


def test_config_as_a_path(tmp_path: Path) -> None:
    path = tmp_path / "other.toml"
    path.write_text('service = "other"\n')
    (tmp_path / "obsv.toml").write_text('service = "near"\n')
    assert settle().service == "near"
    assert settle({"config": path}).service == "other"
    settings = settle({}, {"OBSV_CONFIG": str(path)})
    assert (settings.service, settings.config, settings.origin("config")) == ("other", str(path), "OBSV_CONFIG")
    assert settle({"config": "none"}).service == "unknown_service"
    assert settle({"config": False}).service == "unknown_service"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    settings = settle({}, {"OBSV_CONFIG": str(tmp_path / "missing.toml")})
    assert lines(settings) == [f"{tmp_path}/missing.toml (OBSV_CONFIG): no such file or directory; left out"]
    assert settings.config is None
    (tmp_path / "obsv.toml").write_text("service = ")
    (line,) = lines(settle())
    assert line.startswith(f"{tmp_path}/obsv.toml (settings file): is not TOML: ")
    assert line.endswith("; left out")
    (tmp_path / "obsv.toml").write_text('service = 5\nconfig = "x"\nservcie = "x"\nmax_series = []\n')
    assert lines(settle()) == [
        f"config ({tmp_path}/obsv.toml): settings cannot name another file of settings; ignored",
        f"servcie='x' ({tmp_path}/obsv.toml): no such setting, did you mean 'service'?; ignored",
        f"max_series=[] ({tmp_path}/obsv.toml): expected a whole number from 1 to 1000000; using 2000 (default)",
    ]


def test_odd_config_arguments() -> None:
    class Broken(dict[str, object]):
        def items(self) -> object:  # type: ignore[override]
            raise RuntimeError("no")

    for odd in (Broken(), 5, b"x", object()):
        settings = settle({"config": odd})
        assert len(settings.problems) == 1
        assert settings.service == "unknown_service"


# ---- using them


def test_should_patch() -> None:
    def allowed(*names: str, **environ: str) -> bool:
        return settle({}, environ).should_patch(*names)

    assert allowed("redis")
    assert not allowed("redis", OBSV_PATCH="false")
    assert allowed("redis", OBSV_PATCH="redis,flask")
    assert not allowed("httpx", OBSV_PATCH="redis,flask")
    assert not allowed("redis", OBSV_PATCH="-redis")
    assert allowed("httpx", OBSV_PATCH="-redis")
    assert not allowed("redis", OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="redis")
    assert not allowed("httpx", OBSV_PATCH="httpx", OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="*")
    assert allowed("asgi", "fastapi", OBSV_PATCH="fastapi")
    assert not allowed("asgi", "fastapi", OBSV_PATCH_EXCLUDE="fastapi")
    assert allowed("concurrent_futures", OBSV_PATCH="concurrent-futures")


def test_repr_shows_what_was_chosen() -> None:
    assert repr(settle({"service": "shop"}, {"OBSV_SAMPLE": "0.5"})) == "<Settings service=shop sample=0.5>"


NAMES = st.sampled_from(sorted(SETTINGS)) | st.text()
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text()) | st.builds(object)


@given(
    st.dictionaries(NAMES, VALUES | st.dictionaries(st.text(), VALUES)),
    st.dictionaries(
        st.sampled_from(
            [setting.env for setting in SETTINGS.values()]
            + [variable.name for setting in SETTINGS.values() for variable in setting.variables]
        )
        | st.text().map("OBSV_".__add__),
        st.text(),
    ),
)
def test_nothing_makes_it_raise(arguments: dict[str, object], environ: dict[str, str]) -> None:
    settings = resolve(arguments, environ, platform=LAPTOP, raise_strict=False)
    for name in SETTINGS:
        assert isinstance(settings.show(name), str)
    for line in lines(settings):
        assert "\n" not in line
        assert not line.endswith("; ")
    for signal in ("traces", "metrics", "logs"):
        assert settings.otlp(signal).url


def test_loading_imports_nothing_heavy(tmp_path: Path) -> None:
    """What `init()` pays: no module beyond ours, a file of somebody else's project beside us included."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\ndependencies = ["obsv"]\n')
    code = (
        "import sys; before = set(sys.modules)\n"
        "from obsv.settings import resolve\n"
        "from obsv.platform.resource import resource_attributes\n"
        "settings = resolve({'service': 'shop'}, {'OTEL_EXPORTER_OTLP_ENDPOINT': 'http://c:4318'})\n"
        "settings.otlp('traces'), resource_attributes(settings)\n"
        "print(*sorted(set(sys.modules) - before))\n"
    )
    output = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    loaded = set(output.stdout.split())
    heavy = {
        "re",
        "json",
        "tomllib",
        "difflib",
        "dataclasses",
        "inspect",
        "asyncio",
        "urllib",
        "urllib.parse",
        "logging",
    }
    assert not loaded & heavy
    assert {name for name in loaded if name.startswith("obsv.settings_problems")} == set()


def test_the_samplers_share_counts_where_it_is_set_itself() -> None:
    assert settle({"sampler": "always_off"}).share() == 0.0
    assert settle({"sampler": "traceidratio:0.25", "sample": 0.5}).share() == 0.25
    assert settle({"sample": 0.5}).share() == 0.5
    assert settle({"config": {"sampler": "always_on"}}, {"OBSV_SAMPLE": "0.5"}).share() == 0.5


@pytest.mark.parametrize(
    ("argument", "endpoint", "interval"),
    [
        (None, None, 300.0),
        ("endpoint=http://localhost:2000,polling_interval=60", "http://localhost:2000", 60.0),
        (" polling_interval = 10 , endpoint = aws ", "aws", 10.0),
        ("endpoint=https://xray.eu-west-1.amazonaws.com", "https://xray.eu-west-1.amazonaws.com", 300.0),
    ],
)
def test_x_rays_sampler(argument: str | None, endpoint: str | None, interval: float) -> None:
    """OpenTelemetry SDK environment variables, "General SDK Configuration": `xray`."""
    environ = {"OTEL_TRACES_SAMPLER": "xray"} | ({"OTEL_TRACES_SAMPLER_ARG": argument} if argument else {})
    settings = settle({}, environ)
    assert settings.problems == ()
    chosen = settings.sampler
    assert chosen is not None
    assert (chosen.endpoint, chosen.interval, chosen.parent_based) == (endpoint, interval, True)
    assert settings.centralised()
    assert not settings.plugs_in()
    assert settle({"sampler": settings.show("sampler")}).sampler == chosen
    assert not settle({"sample": 0.5}, environ).centralised()


@pytest.mark.parametrize("argument", ["endpoint=", "endpoint=ftp://x", "polling_interval=0", "polling_interval=x", "x"])
def test_a_wrong_argument_of_x_rays_sampler(argument: str) -> None:
    settings = settle({"sampler": f"xray:{argument}"})
    assert len(settings.problems) == 1
    assert settings.sampler is None


@pytest.mark.parametrize(
    ("argument", "share", "problems"), [(None, 0.5, 0), ("0.25", 0.25, 0), ("much", 0.5, 1), (" ", 0.5, 0)]
)
def test_obsvs_own_sampler_by_name(
    monkeypatch: pytest.MonkeyPatch, argument: str | None, share: float, problems: int
) -> None:
    """Also where the package's metadata are not there to say that there is such an entry point."""
    monkeypatch.setattr("obsv.entry_points.find", lambda group, name: None)
    variables = {"OTEL_TRACES_SAMPLER": "obsv"} | ({} if argument is None else {"OTEL_TRACES_SAMPLER_ARG": argument})
    settings = settle({"config": {"sample": 0.5}}, variables)
    assert settings.share() == share
    assert len(settings.problems) == problems
    assert not settings.plugs_in()
    assert settle({"sampler": "obsv", "sample": 0.5}).share() == 0.5
    assert settle({"sampler": "obsv:0.25"}).share() == 0.25

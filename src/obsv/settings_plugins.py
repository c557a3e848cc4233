"""Settings that name something of ours, or what an installed package offers by an entry point: the sampler, the id
generator, the resource detectors.
"""

from __future__ import annotations

from .settings_lists import installed, words
from .settings_parse import NOTHING, RATIO, InvalidError, Kind, number
from .settings_wire import URL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

SAMPLERS = (
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
)
"""OpenTelemetry SDK environment variables, "General SDK Configuration", `OTEL_TRACES_SAMPLER`."""


OWN = "obsv"
"""obsv's entry point for the SDK's provider. Here it says no more than `sample` does, also where the package's metadata
are not found; with an argument, the share."""


XRAY = "xray"
"""X-Ray's centralised sampling; its argument is `endpoint=http://localhost:2000,polling_interval=300`
(OpenTelemetry SDK environment variables, `xray`)."""

XRAY_ALLOWED = "endpoint=URL (or endpoint=aws) and polling_interval=SECONDS, separated by commas"


class SamplerChoice:
    """A sampler by name, as `OTEL_TRACES_SAMPLER` and its `_ARG` give it.

    `name` is one of SAMPLERS or an entry point's of the group `opentelemetry_traces_sampler`; `argument` is the text
    of the argument, None without one. `ratio` is the share that one of SAMPLERS keeps of new traces, `parent_based`
    whether it leaves the decision to the caller where there is one; both None for an entry point. `endpoint` (None: the
    daemon's) and `interval` are for XRAY.
    """

    __slots__ = ("argument", "endpoint", "interval", "name", "parent_based", "ratio")

    def __init__(self, name: str, argument: str | None = None) -> None:
        self.name = name
        self.argument = argument
        self.ratio: float | None = None
        self.parent_based: bool | None = None
        self.endpoint: str | None = None
        self.interval = 300.0
        if name == XRAY:
            self.parent_based = True
            self._read_argument(argument or "")
        if name in SAMPLERS or name == OWN:
            self.parent_based = name.startswith("parentbased_") or name == OWN
            kind = name.removeprefix("parentbased_")
            self.ratio = {"always_on": 1.0, "always_off": 0.0}.get(kind)
            if self.ratio is None:
                self.ratio = RATIO.parse(argument) if argument else 1.0

    def _read_argument(self, text: str) -> None:
        for word in text.split(","):
            key, _, value = [part.strip() for part in word.partition("=")]
            if key == "endpoint" and (value == "aws" or value.startswith(("http://", "https://"))):
                self.endpoint = value if value == "aws" else URL.parse(value)
            elif key == "polling_interval":
                self.interval = number(value, XRAY_ALLOWED)
                if not 1 <= self.interval <= 86_400:
                    raise InvalidError(XRAY_ALLOWED)
            elif word.strip():
                raise InvalidError(XRAY_ALLOWED)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SamplerChoice) and (self.name, self.argument) == (other.name, other.argument)

    def __hash__(self) -> int:
        return hash((self.name, self.argument))

    def __repr__(self) -> str:
        return f"<SamplerChoice {show_sampler(self)}>"


SAMPLER_ALLOWED = f"one of {', '.join(SAMPLERS)}, {XRAY}, or an installed OpenTelemetry sampler"


def parse_sampler(value: object) -> SamplerChoice | None:
    """A SamplerChoice, or its text: "traceidratio:0.1", "parentbased_always_on". None where `sample` decides."""
    if isinstance(value, SamplerChoice):
        return value
    if not isinstance(value, str):
        raise InvalidError(SAMPLER_ALLOWED)
    name, mark, argument = value.strip().partition(":")
    if name.strip().lower() == OWN and not argument.strip():
        return None
    return sampler_choice(name, argument if mark else None)


def sampler_choice(name: str, argument: str | None) -> SamplerChoice:
    """The sampler of this name. Raises InvalidError when there is none, or when its argument is no number."""
    name, argument = name.strip(), argument.strip() if argument else None
    if name.lower() in (*SAMPLERS, XRAY) or (name.lower() == OWN and argument):
        return SamplerChoice(name.lower(), argument)
    if name and installed("opentelemetry_traces_sampler", name):
        return SamplerChoice(name, argument)
    raise InvalidError(SAMPLER_ALLOWED)


def sampler_of_variable(text: str, environ: Mapping[str, str]) -> object:
    """OTEL_TRACES_SAMPLER with OTEL_TRACES_SAMPLER_ARG. What is wrong with them, the setting `sample` says."""
    argument = environ.get("OTEL_TRACES_SAMPLER_ARG", "").strip()
    if text.strip().lower() == OWN and not argument:
        return NOTHING
    try:
        return sampler_choice(text, argument)
    except InvalidError:
        return NOTHING


def ratio_of_variable(text: str, environ: Mapping[str, str]) -> object:
    """OTEL_TRACES_SAMPLER with OTEL_TRACES_SAMPLER_ARG, as the share of traces that it keeps."""
    argument = environ.get("OTEL_TRACES_SAMPLER_ARG", "").strip()
    if text.strip().lower() == OWN and not argument:
        return NOTHING
    try:
        ratio = sampler_choice(text, argument).ratio
    except InvalidError as error:
        if error.allowed == SAMPLER_ALLOWED:
            raise
        raise InvalidError(error.allowed, key="OTEL_TRACES_SAMPLER_ARG", value=argument) from None
    return NOTHING if ratio is None else ratio


def show_sampler(value: object) -> str:
    """As one would write it: "traceidratio:0.1"."""
    if not isinstance(value, SamplerChoice):
        return "by `sample`"
    return value.name if value.argument is None else f"{value.name}:{value.argument}"


# ---- id generator

ID_GENERATORS = ("random", "xray")
ID_ALLOWED = f"one of {', '.join(ID_GENERATORS)}, or an installed OpenTelemetry id generator"


def parse_id_generator(value: object) -> str:
    """A name of ID_GENERATORS or of an entry point of the group `opentelemetry_id_generator`."""
    name = value.strip() if isinstance(value, str) else ""
    if name.lower() in ID_GENERATORS:
        return name.lower()
    if name and installed("opentelemetry_id_generator", name):
        return name
    raise InvalidError(ID_ALLOWED)


# ---- resource detectors

DETECTORS_ALLOWED = "installed OpenTelemetry resource detectors, separated by commas"


def parse_detectors(value: object) -> tuple[str, ...]:
    """Names of entry points of the group `opentelemetry_resource_detector`, each once; "*" for all. Unknown ones are
    left out, and so is "otel", which reads what obsv's own settings read."""
    found: list[str] = []
    wrong: list[str] = []
    for name in words(value, DETECTORS_ALLOWED):
        if name == "otel" or name in found:
            continue
        if name == "*" or installed("opentelemetry_resource_detector", name):
            found.append(name)
        else:
            wrong.append(name)
    if wrong:
        names = ", ".join([repr(name[:40]) for name in wrong[:3]])
        raise InvalidError(f"there is no resource detector {names}", usable=tuple(found), plain=True)
    return tuple(found)


# ---- gRPC

CREDENTIALS_ALLOWED = "an installed OpenTelemetry credential provider"


def parse_credentials(value: object) -> str:
    """The name of an entry point of the group `opentelemetry_otlp_credential_provider`."""
    name = value.strip() if isinstance(value, str) else ""
    if not name or not installed("opentelemetry_otlp_credential_provider", name):
        raise InvalidError(CREDENTIALS_ALLOWED)
    return name


_CODES = (
    "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
RETRY_CODES = ("CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS")
"""OTLP/gRPC, "Failures"; RESOURCE_EXHAUSTED too, where the server says when to come again."""


def parse_status_codes(value: object) -> tuple[str, ...]:
    """Names of gRPC's status codes, each once."""
    allowed = "names of gRPC status codes such as UNAVAILABLE, separated by commas"
    names = list(dict.fromkeys([word.upper() for word in words(value, allowed)]))
    good = tuple([name for name in names if name in _CODES])
    if len(good) < len(names):
        raise InvalidError(allowed, usable=good if good else NOTHING)
    return good


SAMPLER: Kind[SamplerChoice | None] = Kind("sampler", parse_sampler, SAMPLER_ALLOWED, show=show_sampler)
ID_GENERATOR: Kind[str] = Kind("id_generator", parse_id_generator, ID_ALLOWED)
DETECTORS: Kind[tuple[str, ...]] = Kind("detectors", parse_detectors, DETECTORS_ALLOWED)
CREDENTIALS: Kind[str] = Kind("credentials", parse_credentials, CREDENTIALS_ALLOWED)
STATUS_CODES: Kind[tuple[str, ...]] = Kind("status_codes", parse_status_codes, "names of gRPC status codes")

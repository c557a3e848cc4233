"""Settings: from where each comes, and what it is.

    settings = resolve({"service": "shop"})       # what `init("shop")` does
    settings.service                              # "shop", typed
    settings.origin("service")                    # "argument"
    settings.problems                             # what is wrong, for the caller to print

The order, highest first: arguments of `init`, OBSV_* variables, the standard OTEL_* and AWS_* variables, the file of
settings, what the platform suggests, the default. The declarations are in `settings_table`.
"""

from __future__ import annotations

import os
import sys

from . import settings_file
from .platform import Platform, detect
from .settings_lists import check_patches, merge
from .settings_parse import NOTHING, InvalidError
from .settings_table import OTHER_VARIABLES, SETTINGS, UNSUPPORTED, Setting, Table
from .settings_wire import as_namespace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .settings_lists import AttributeValue
    from .settings_otlp import OtlpTarget
    from .settings_problems import Problem

ARGUMENT, OBSV, STANDARD, FILE, PLATFORM, DEFAULT = range(6)
"""Ranks of origins; the smallest that has a valid value wins."""


class SettingsError(ValueError):
    """A setting is wrong, and `strict` is on. `problems` has each; the message has a line for each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join([str(problem) for problem in self.problems]))


class Settings(Table):
    """Every setting as a typed attribute. Made by `resolve`; not to be changed afterwards.

    `problems` are lines for the caller to print. `detected` is the Platform, with `settings.platform` as its name.
    """

    def __init__(
        self,
        values: dict[str, object],
        sources: dict[str, tuple[int, str]],
        problems: tuple[Problem, ...],
        detected: Platform,
    ) -> None:
        self.__dict__.update(values)
        self._sources = sources
        self.problems = problems
        self.detected = detected

    def origin(self, name: str) -> str:
        """Where the value comes from: "argument", a variable's name, a file's path, "platform: ecs" or "default"."""
        return self._sources[name][1]

    def rank(self, name: str) -> int:
        """How high the origin is: ARGUMENT is 0, DEFAULT is 5."""
        return self._sources[name][0]

    def is_set(self, name: str) -> bool:
        """Somebody chose the value: it comes neither from the platform nor from the default."""
        return self.rank(name) < PLATFORM

    def show(self, name: str) -> str:
        """The value as people read it, without secrets."""
        return SETTINGS[name].show(self.__dict__[name])

    def otlp(self, signal: str) -> OtlpTarget:
        """URL, headers and the like for "traces", "metrics" or "logs"."""
        from .settings_otlp import target

        return target(self, signal)

    def share(self) -> float:
        """The share of new traces to keep: of `sampler` and `sample` the one from the higher place has the word."""
        chosen = self.sampler
        if chosen is None or chosen.ratio is None or self.rank("sample") < self.rank("sampler"):
            return self.sample
        return chosen.ratio

    def centralised(self) -> bool:
        """Whether X-Ray's sampling rules decide: `sampler` says so, and `sample` does not come from a higher place."""
        chosen = self.sampler
        return chosen is not None and chosen.name == "xray" and self.rank("sampler") <= self.rank("sample")

    def plugs_in(self) -> bool:
        """Whether the sampler or the id generator is one of another package's, by its entry point."""
        foreign = self.sampler is not None and self.sampler.parent_based is None
        return foreign or self.id_generator not in (None, "random", "xray")

    def xray_ids(self) -> bool:
        """Whether trace ids are X-Ray's, beginning with the time."""
        xray = any([getattr(sink, "name", sink) == "xray" for sink in self.traces])
        return self.id_generator == "xray" or (xray and self.id_generator is None)

    def shapes_logs(self) -> bool:
        """Whether log records are held, limited or looked after beside being written."""
        return bool(self.log_buffer or self.log_sample or self.log_rate_limit or self.notes_places())

    def notes_places(self) -> bool:
        """Whether obsv's own loggers look for the place of the call: Powertools' form is not complete without."""
        return self.log_location or self.log_format == "powertools"

    def should_patch(self, *names: str) -> bool:
        """Do `patch` and `patch_exclude` allow the patch that goes by these names ("asgi", "fastapi")?"""
        called = {name.replace("_", "-") for name in names}
        called.add("*")
        if not called.isdisjoint(self.patch_exclude):
            return False
        if isinstance(self.patch, bool):
            return self.patch
        if not called.isdisjoint([chosen[1:] for chosen in self.patch if chosen.startswith("-")]):
            return False
        wanted = [chosen for chosen in self.patch if not chosen.startswith("-")]
        return not wanted or not called.isdisjoint(wanted)

    def __repr__(self) -> str:
        chosen = [f"{name}={self.show(name)}" for name in SETTINGS if self.is_set(name)]
        return f"<Settings {' '.join(chosen)}>"


def resolve(
    arguments: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    directory: str | None = None,
    platform: Platform | None = None,
    terminal: bool | None = None,
    patches: Iterable[str] | None = None,
    raise_strict: bool = True,
) -> Settings:
    """Settings from all sources.

    `arguments` are those of `init`; None, an empty text and `patch=True` (the signature's default) say nothing. The
    others default to what is there: `environ` to os.environ, `directory` (where the search for a file starts) to the
    working directory, `platform` to the detected one, `terminal` (somebody watches) to whether stderr is one. With
    `patches`, names in the setting `patch` are checked against these.

    Wrong values and unknown keys become `problems`, and the next source is used. Raises SettingsError instead when the
    setting `strict` is on, unless `raise_strict` is false.
    """
    environ = os.environ if environ is None else environ
    settings = _Resolver(arguments or {}, environ, directory, platform, terminal, patches).settings()
    if settings.problems and settings.strict and raise_strict:
        raise SettingsError(settings.problems)
    return settings


class _Resolver:
    """One run of `resolve`: the sources, and what was found so far."""

    def __init__(
        self,
        arguments: Mapping[str, object],
        environ: Mapping[str, str],
        directory: str | None,
        platform: Platform | None,
        terminal: bool | None,
        patches: Iterable[str] | None,
    ) -> None:
        # Most of the environment is of no interest, and each look-up in os.environ encodes and decodes.
        self.environ = {
            key: value.strip()
            for key, value in environ.items()
            if key.startswith(("OBSV_", "OTEL_", "AWS_")) and value and not value.isspace()
        }
        self.arguments: dict[str, object] = {}
        self.file: dict[str, object] = {}
        self.file_origin = ""
        self.values: dict[str, object] = {}
        self.sources: dict[str, tuple[int, str]] = {}
        self.problems: list[tuple[Problem, str | None]] = []
        self.resources: dict[int, tuple[str, Mapping[str, AttributeValue]]] = {}
        self.directory = directory
        self.terminal = terminal
        self.patches = None if patches is None else frozenset([name.replace("_", "-") for name in patches])
        self.detected = detect(environ) if platform is None else platform
        for name, value in arguments.items():
            if name not in SETTINGS:
                self._unknown(name, value, "argument")
            elif not (_is_empty(value) or (name == "patch" and value is True)):
                self.arguments[name] = value

    def settings(self) -> Settings:
        self._find_file()
        self._find_unknown_variables()
        self._resolve_resource()
        for name, setting in SETTINGS.items():
            if name not in self.values:
                self._resolve(setting)
        self._use_platform()
        if self.sources["namespace"][0] == DEFAULT:
            self.values["namespace"] = as_namespace(str(self.values["service"]))
            self.sources["namespace"] = (DEFAULT, "default: the service")
        return Settings(self.values, self.sources, self._finished_problems(), self.detected)

    # ---- sources

    def _candidates(self, setting: Setting[object]) -> list[tuple[int, str, str, object, object]]:
        """(rank, origin, key, raw value, conversion) of every source that says something, highest first."""
        found: list[tuple[int, str, str, object, object]] = []
        name = setting.name
        keys = setting.resource_keys
        if name in self.arguments:
            found.append((ARGUMENT, "argument", name, self.arguments[name], None))
        if keys:
            self._add_resource(found, ARGUMENT, keys)
        if setting.env in self.environ:
            found.append((OBSV, setting.env, setting.env, self.environ[setting.env], None))
        if keys:
            self._add_resource(found, OBSV, keys)
        for variable in setting.variables:
            if variable.name in self.environ:
                text = self.environ[variable.name]
                found.append((STANDARD, variable.name, variable.name, text, variable.convert))
        if keys:
            self._add_resource(found, STANDARD, keys)
        if name in self.file:
            found.append((FILE, self.file_origin, name, self.file[name], None))
        if keys:
            self._add_resource(found, FILE, keys)
        return found

    def _add_resource(
        self, found: list[tuple[int, str, str, object, object]], rank: int, keys: tuple[str, ...]
    ) -> None:
        origin, attributes = self.resources.get(rank, ("", {}))
        found.extend([(rank, origin, key, attributes[key], None) for key in keys if attributes.get(key)])

    def _find_file(self) -> None:
        """Reads the file of settings, or takes the mapping given instead; `config` becomes the path in use."""
        given: object = None
        origin = "default"
        rank = DEFAULT
        if "config" in self.arguments:
            given, rank, origin = self.arguments["config"], ARGUMENT, "argument"
        elif "OBSV_CONFIG" in self.environ:
            given, rank, origin = self.environ["OBSV_CONFIG"], OBSV, "OBSV_CONFIG"
        content: Mapping[str, object] = {}
        path: str | None = None
        if given is False or (isinstance(given, str) and given.lower() in ("none", "false")):
            pass
        else:
            try:
                if hasattr(given, "items"):
                    self.file_origin = "config"
                    content = _mapping(given)
                elif given is not None:
                    path = str(SETTINGS["config"].kind.parse(given))
                    content = settings_file.load(path)
                else:
                    found = settings_file.find(self.directory)
                    if found is not None:
                        path, content = found
            except InvalidError as error:
                self._wrong(SETTINGS["config"], "config", given, origin, error)
            except settings_file.FileError as error:
                path = None
                self._add(error.path, "", "settings file" if rank == DEFAULT else origin, error.reason, "left out")
            self.file_origin = path or self.file_origin
        self.values["config"] = path
        self.sources["config"] = (rank, origin)
        known, unknown = settings_file.flatten(content, SETTINGS)
        self.file = {name: value for name, value in known.items() if not _is_empty(value)}
        if self.file.pop("config", None) is not None:
            self._add("config", "", self.file_origin, "settings cannot name another file of settings", "ignored")
        for key, value in unknown.items():
            self._unknown(key, value, self.file_origin)

    def _find_unknown_variables(self) -> None:
        for key, value in self.environ.items():
            if key.startswith("OBSV_") and key not in _VARIABLES:
                from .settings_problems import unknown_variable

                self.problems.append((unknown_variable(key, value), None))
            elif key in UNSUPPORTED:
                self._add(key, "", "environment", UNSUPPORTED[key], "ignored")

    # ---- values

    def _resolve(self, setting: Setting[object]) -> None:
        """The first candidate that its setting allows."""
        for rank, origin, key, raw, convert in self._candidates(setting):
            value = self._parse(setting, key, raw, origin, rank, convert)
            if value is not NOTHING:
                self.values[setting.name] = value
                self.sources[setting.name] = (rank, origin)
                return
        self.values[setting.name] = setting.default
        self.sources[setting.name] = (DEFAULT, "default")

    def _parse(
        self, setting: Setting[object], key: str, raw: object, origin: str, rank: int, convert: object
    ) -> object:
        value = raw
        try:
            if convert is not None:
                assert callable(convert)
                value = convert(raw, self.environ)
                if value is NOTHING:
                    return NOTHING
            value = setting.kind.parse(value)
            if setting.name == "patch" and self.patches is not None:
                check_patches(value, self.patches)
            return value
        except InvalidError as error:
            self._wrong(setting, key, raw, "environment" if rank in (OBSV, STANDARD) else origin, error)
            return error.usable

    def _resolve_resource(self) -> None:
        """`resource` is merged from all its sources; service, version and environment look into each."""
        setting = SETTINGS["resource"]
        merged: dict[str, AttributeValue] = {}
        origins: list[str] = []
        highest = DEFAULT
        for rank, origin, key, raw, convert in self._candidates(setting):
            value = self._parse(setting, key, raw, origin, rank, convert)
            if isinstance(value, dict):
                self.resources[rank] = (origin, value)
                merged = merge(merged, value)
                origins.append(origin)
                highest = min(highest, rank)
        self.values["resource"] = merged
        self.sources["resource"] = (highest, " + ".join(origins) or "default")

    def _use_platform(self) -> None:
        """What the platform suggests, where nobody chose. It depends on whether there is a collector or a daemon."""
        if self.sources["platform"][0] == DEFAULT:
            self.values["platform"] = self.detected.name
            self.sources["platform"] = (PLATFORM, "detected")
        elif self.values["platform"] != self.detected.name:
            self.detected = Platform(str(self.values["platform"]), self.detected.environ, self.detected.root)
        chosen = {name for name, (rank, _) in self.sources.items() if rank < PLATFORM}
        if self.terminal is None and self.detected.name in ("laptop", "ec2"):  # only there may people watch
            from .term import is_terminal

            self.terminal = is_terminal(sys.stderr)
        suggested = self.detected.defaults(
            otlp="otlp_endpoint" in chosen,
            otlp_signals=[s for s in ("traces", "metrics", "logs") if f"otlp_{s}_endpoint" in chosen],
            xray="xray_daemon_address" in chosen,
            terminal=bool(self.terminal),
        )
        for name, value in suggested.items():
            if name not in chosen:
                self.values[name] = value
                self.sources[name] = (PLATFORM, f"platform: {self.detected.name}")

    # ---- problems

    def _wrong(self, setting: Setting[object], key: str, raw: object, origin: str, error: InvalidError) -> None:
        from .settings_problems import wrong_value

        self.problems.append((wrong_value(setting, key, raw, origin, error), setting.name))

    def _unknown(self, key: str, value: object, origin: str) -> None:
        from .settings_problems import unknown_key

        self.problems.append((unknown_key(key, value, origin), None))

    def _add(self, key: str, value: str, origin: str, reason: str, outcome: str) -> None:
        from .settings_problems import Problem

        self.problems.append((Problem(key, value, origin, reason, outcome), None))

    def _finished_problems(self) -> tuple[Problem, ...]:
        """The problems, each with what happens now: that is known only when every setting is."""
        for problem, name in self.problems:
            if name is not None:
                from .settings_problems import shorten

                used = shorten(SETTINGS[name].show(self.values[name]))
                problem.outcome = f"using {used} ({self.sources[name][1]})"
        return tuple([problem for problem, _ in self.problems])


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _mapping(value: object) -> dict[str, object]:
    try:
        return dict(value.items())  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - a foreign mapping may do anything
        raise InvalidError("a mapping of settings, or the path of a file") from None


_VARIABLES = frozenset([setting.env for setting in SETTINGS.values()] + list(OTHER_VARIABLES))

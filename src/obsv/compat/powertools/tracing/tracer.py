"""The Tracer of Powertools.

tracer = Tracer(service="payment")

@tracer.capture_method
def charge(order): ...

@tracer.capture_lambda_handler
def handler(event, context):
    tracer.put_annotation("order", event["order"])
    return charge(event["order"])
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, overload

from obsv.guard import guard
from obsv.hotpath import faults
from obsv.hotpath.errors import safe_text
from obsv.hotpath.wrap import wraps

from ...kinds import is_coroutine
from .. import environment
from ..cold_start import ColdStart
from .capture import Capture, capture
from .provider import PROVIDER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Function = TypeVar("Function", bound=Callable[..., Any])

cold_start = ColdStart()

_NOT_IN_NAMES = str.maketrans("", "", "?;*()!$~^<>")


class Tracer:
    """Makes spans, and says about them what Powertools says.

    Where obsv runs, its sinks get them. In a Lambda function that starts nothing itself, the first Tracer starts obsv
    with the sinks that suit the function: X-Ray's daemon, or the collector that is configured. Elsewhere, without
    ``obsv.init()``, spans cost next to nothing and go nowhere.

    Args:
        service: What is annotated as ``Service``, and the namespace of the metadata (``POWERTOOLS_SERVICE_NAME``).
        disabled: Make no spans (``POWERTOOLS_TRACE_DISABLED``).
        auto_patch: Patch libraries.
        patch_modules: Patch these, and no others.
        provider: Something else that makes subsegments.

    A Tracer made later has what an earlier one was given and it was not.
    """

    _default_config: ClassVar[dict[str, Any]] = {
        "service": "", "disabled": False, "auto_patch": True, "patch_modules": None, "provider": None,
    }  # fmt: skip
    _config: ClassVar[dict[str, Any]] = dict(_default_config)

    def __init__(
        self,
        service: str | None = None,
        disabled: bool | None = None,
        auto_patch: bool | None = None,
        patch_modules: Sequence[str] | None = None,
        provider: Any = None,
    ) -> None:
        config = self._config
        if disabled is None:
            disabled = environment.truthy("POWERTOOLS_TRACE_DISABLED") or _emulated()
        config["provider"] = provider or config["provider"] or PROVIDER
        config["auto_patch"] = config["auto_patch"] if auto_patch is None else auto_patch
        config["service"] = (service if service is not None else os.environ.get(environment.SERVICE_NAME)) or config[
            "service"
        ]
        config["disabled"] = disabled or config["disabled"]
        config["patch_modules"] = patch_modules or config["patch_modules"]
        self.provider: Any = config["provider"]
        self.disabled: bool = config["disabled"]
        self.service: str = config["service"]
        self.auto_patch: bool = config["auto_patch"]
        if not self.disabled:
            with guard("Tracer"):
                self._start(patch_modules)

    @classmethod
    def _reset_config(cls) -> None:
        cls._config = dict(cls._default_config)

    def _start(self, modules: Sequence[str] | None) -> None:
        """Start obsv where Lambda expects a function to trace itself, and patch."""
        if self.provider is not PROVIDER:
            if self.auto_patch:
                self.patch(modules)
            return
        from obsv import runtime

        if runtime.running() is None and _in_lambda():
            arguments: dict[str, Any] = {"patch": bool(self.auto_patch and modules is None)}
            for signal in ("metrics", "logs"):
                if f"OBSV_{signal.upper()}" not in os.environ:
                    arguments[signal] = "none"  # they leave by Powertools' own calls
            runtime.init(arguments, by_itself=True)
        if self.auto_patch and modules is not None:
            self.provider.patch(modules)

    def patch(self, modules: Sequence[str] | None = None) -> None:
        """Patch libraries: these, or all."""
        if self.disabled:
            return
        if modules is None:
            self.provider.patch_all()
        else:
            self.provider.patch(modules)

    def put_annotation(self, key: str, value: Any) -> None:
        """Say something about the current span that traces are searched by: text, a number or a bool.

        Example:
            >>> tracer.put_annotation("PaymentStatus", "CONFIRMED")
        """
        if not self.disabled:
            with guard("Tracer"):
                self.provider.put_annotation(key=key, value=value)

    def put_metadata(self, key: str, value: Any, namespace: str | None = None) -> None:
        """Say something about the current span that is kept and not searched; any value.

        Example:
            >>> tracer.put_metadata("collected", response)
        """
        if not self.disabled:
            with guard("Tracer"):
                self.provider.put_metadata(key=key, value=value, namespace=namespace or self.service or "default")

    def ignore_endpoint(self, hostname: str | None = None, urls: list[str] | None = None) -> None:
        """Say once that obsv has nothing of the kind: its spans of calls cannot be left out by URL."""
        faults.tell(
            f"Tracer.ignore_endpoint(hostname={safe_text(hostname)[:80]}) has no effect: obsv makes spans of all calls "
            "of a patched library; OBSV_PATCH leaves whole libraries out"
        )

    def capture_lambda_handler(
        self,
        lambda_handler: Callable[..., Any] | None = None,
        capture_response: bool | None = None,
        capture_error: bool | None = None,
    ) -> Any:
        """Decorate a Lambda handler, sync or async: each invocation has a span, with ``ColdStart`` and ``Service``.

        Args:
            capture_response: Keep what it returns as metadata (``POWERTOOLS_TRACER_CAPTURE_RESPONSE``).
            capture_error: Keep what it raises as metadata (``POWERTOOLS_TRACER_CAPTURE_ERROR``).
        """
        if lambda_handler is None:
            return lambda handler: self.capture_lambda_handler(handler, capture_response, capture_error)
        handler = lambda_handler
        seen = self._seen(
            safe_text(getattr(handler, "__name__", type(handler).__name__)), capture_response, capture_error
        )

        def annotate(subsegment: Any) -> None:
            with guard("Tracer"):
                subsegment.put_annotation(key="ColdStart", value=cold_start.take())
                if self.service:
                    subsegment.put_annotation(key="Service", value=self.service)

        if is_coroutine(handler):

            @wraps(handler)
            async def async_handler(event: Any, context: Any, *args: Any, **kwargs: Any) -> Any:
                if self.disabled:
                    return await handler(event, context, *args, **kwargs)
                try:
                    async with seen.async_block() as subsegment:
                        annotate(subsegment)
                        try:
                            result = await handler(event, context, *args, **kwargs)
                        except Exception as error:
                            seen.raised(subsegment, error)
                            raise
                        seen.returned(subsegment, result)
                    return result
                finally:
                    _send()

            return async_handler

        @wraps(handler)
        def sync_handler(event: Any, context: Any, *args: Any, **kwargs: Any) -> Any:
            if self.disabled:
                return handler(event, context, *args, **kwargs)
            try:
                with seen.block() as subsegment:
                    annotate(subsegment)
                    try:
                        result = handler(event, context, *args, **kwargs)
                    except Exception as error:
                        seen.raised(subsegment, error)
                        raise
                    seen.returned(subsegment, result)
                return result
            finally:
                _send()

        return sync_handler

    @overload
    def capture_method(
        self, method: Function, capture_response: bool | None = None, capture_error: bool | None = None
    ) -> Function: ...

    @overload
    def capture_method(
        self, method: None = None, capture_response: bool | None = None, capture_error: bool | None = None
    ) -> Callable[[Function], Function]: ...

    def capture_method(
        self,
        method: Any = None,
        capture_response: bool | None = None,
        capture_error: bool | None = None,
    ) -> Any:
        """Decorate a function, coroutine function, generator or context manager: each call has a span.

        Its name is ``## module.qualified_name``. Arguments as for `capture_lambda_handler`.
        """
        if method is None:
            return lambda function: self.capture_method(function, capture_response, capture_error)
        if isinstance(method, (staticmethod, classmethod)):
            return type(method)(self.capture_method(method.__func__, capture_response, capture_error))
        module = getattr(method, "__module__", "")
        label = getattr(method, "__qualname__", type(method).__name__)
        name = safe_text(f"{module}.{label}").translate(_NOT_IN_NAMES)
        return capture(method, self._seen(name, capture_response, capture_error))

    def _seen(self, name: str, response: bool | None, error: bool | None) -> Capture:
        if response is None:
            response = environment.truthy("POWERTOOLS_TRACER_CAPTURE_RESPONSE", default=True)
        if error is None:
            error = environment.truthy("POWERTOOLS_TRACER_CAPTURE_ERROR", default=True)
        return Capture(self, name, response, error)


def _in_lambda() -> bool:
    return bool(os.environ.get("LAMBDA_TASK_ROOT"))


def _emulated() -> bool:
    """Tell whether this is an emulator of Lambda, beside which nobody takes traces (SAM, Chalice)."""
    return bool(os.environ.get("AWS_SAM_LOCAL") or os.environ.get("AWS_CHALICE_CLI_MODE"))


def _send() -> None:
    """Let spans leave before Lambda freezes the process."""
    if not _in_lambda():
        return
    with guard("Tracer"):
        from obsv import runtime

        if runtime.running() is not None:
            runtime.flush(_PATIENCE)


_PATIENCE = 1.0  # seconds that an invocation waits for its spans to leave

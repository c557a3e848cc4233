"""aws-xray-sdk: its recorder begins obsv's spans.

Where the program imports the library after ``init()``, it gets :mod:`obsv.xray.bridge` in its place, and there is
nothing to patch. Where it has been imported before, its recorder, contexts and patcher are the program's already:
their methods become those of the bridge, so no sampler, emitter or poller of the library starts any more.
"""

from __future__ import annotations

import sys

from ._api import Patch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

patch = Patch("aws_xray_sdk", requires="aws-xray-sdk >= 2.8")

_replaced: list[tuple[Any, str, Any]] = []
_MISSING = object()


@patch.setup
def adopt() -> None:
    """Put the bridge's methods in the place of the library's."""
    from ..xray.bridge import config, context, patcher, recorder

    module = sys.modules.get("aws_xray_sdk.core.recorder")  # ours is loaded when it is named
    if module is None or module.AWSXRayRecorder is recorder.AWSXRayRecorder:
        return
    for ours, name in (
        (recorder.AWSXRayRecorder, "recorder"),
        (recorder.AsyncAWSXRayRecorder, "async_recorder"),
        (context.Context, "context"),
        (context.Context, "lambda_launcher"),
    ):
        theirs = sys.modules.get(f"aws_xray_sdk.core.{name}")
        owner = getattr(theirs, "LambdaContext" if name == "lambda_launcher" else ours.__name__, None)
        for member, function in vars(ours).items() if owner is not None else ():
            # `configure` sets what the library's own properties hold, and starts nothing but what is replaced here.
            if callable(function) and not member.startswith("__") and member != "configure":
                _replace(owner, member, function)
    library = sys.modules.get("aws_xray_sdk.core.patcher")
    if library is not None:
        _replace(library, "_patch_module", lambda name, raise_errors=True: patcher.patch_one(name, raise_errors))
    sampler = getattr(sys.modules.get("aws_xray_sdk.core.sampling.sampler"), "DefaultSampler", None)
    if sampler is not None:
        _replace(sampler, "start", lambda self: None)
        _replace(sampler, "load_settings", lambda self, *args, **kwargs: None)
    _replace(config, "global_sdk_config", sys.modules["aws_xray_sdk"].global_sdk_config)


def _replace(owner: Any, name: str, value: Any) -> None:
    _replaced.append((owner, name, vars(owner).get(name, _MISSING)))
    setattr(owner, name, value)


@patch.teardown
def give_back() -> None:
    """Put the library's methods back."""
    while _replaced:
        owner, name, value = _replaced.pop()
        if value is _MISSING:
            delattr(owner, name)
        else:
            setattr(owner, name, value)

"""``aws_xray_sdk.global_sdk_config``: the switch that turns the recorder off."""

from __future__ import annotations

import os

from obsv.hotpath import faults

VERSION = "2.15.0"
"""The version of aws-xray-sdk whose API this is."""

__version__ = VERSION  # for the patch, which would have to load importlib.metadata to find it

_ON = frozenset(("y", "yes", "t", "true", "on", "1"))
_OFF = frozenset(("n", "no", "f", "false", "off", "0"))


class SDKConfig:
    """Whether segments and subsegments are made; ``AWS_XRAY_SDK_ENABLED`` wins over what the program says."""

    XRAY_ENABLED_KEY = "AWS_XRAY_SDK_ENABLED"
    DISABLED_ENTITY_NAME = "dummy"

    _enabled: bool | None = None

    @classmethod
    def sdk_enabled(cls) -> bool:
        """Tell whether the recorder is on."""
        if cls._enabled is None:
            cls._enabled = _of_variable()
        return cls._enabled

    @classmethod
    def set_sdk_enabled(cls, value: object) -> None:
        """Turn the recorder on or off, where the variable says nothing. Anything but a bool means on."""
        said = cls.XRAY_ENABLED_KEY in os.environ
        cls._enabled = _of_variable() if said else value is not False


def _of_variable() -> bool:
    text = os.environ.get(SDKConfig.XRAY_ENABLED_KEY, "true").strip().lower()
    if text not in _ON | _OFF:
        faults.tell(f"{SDKConfig.XRAY_ENABLED_KEY}={text[:40]!r} is neither true nor false; true is used")
    return text not in _OFF


global_sdk_config = SDKConfig()
SDKConfig.__module__ = "aws_xray_sdk.sdk_config"

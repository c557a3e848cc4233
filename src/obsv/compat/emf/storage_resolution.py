"""How fine CloudWatch stores a metric (EMF specification, "StorageResolution")."""

from __future__ import annotations

from enum import Enum


class StorageResolution(Enum):
    """Seconds."""

    STANDARD = 60
    HIGH = 1

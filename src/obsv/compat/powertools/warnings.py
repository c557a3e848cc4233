"""The warnings of Powertools, as classes of ours."""

from __future__ import annotations


class PowertoolsUserWarning(UserWarning):
    """Something was asked for that cannot be done as it was."""

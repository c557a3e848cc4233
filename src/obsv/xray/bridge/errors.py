"""The exceptions of aws-xray-sdk, for programs that catch them. obsv raises none of them."""

from __future__ import annotations


class InvalidSamplingManifestError(Exception):
    """Sampling rules that cannot be read."""


class SegmentNotFoundException(Exception):  # noqa: N818 - these names are the library's
    """No segment is open."""


class InvalidDaemonAddressException(Exception):  # noqa: N818
    """An address that cannot be read."""


class SegmentNameMissingException(Exception):  # noqa: N818
    """A segment without a name."""


class SubsegmentNameMissingException(Exception):  # noqa: N818
    """A subsegment without a name."""


class FacadeSegmentMutationException(Exception):  # noqa: N818
    """Lambda's own segment cannot be changed."""


class MissingPluginNames(Exception):  # noqa: N818
    """Plugins without names."""


class AlreadyEndedException(Exception):  # noqa: N818
    """A change of something that has ended."""


for _error in list(vars().values()):
    if isinstance(_error, type):
        _error.__module__ = "aws_xray_sdk.core.exceptions.exceptions"

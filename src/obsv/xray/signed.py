"""Requests to an AWS API, signed with Signature Version 4 by botocore's signer and credential chain.

botocore is imported when the first request is signed, in the thread that sends it.
"""

from __future__ import annotations

import os
from typing import Any


class SigningError(Exception):
    """A request cannot be signed: botocore is missing, or it finds no region or no credentials."""


class Signer:
    """Signs requests to one service; credentials are looked up once, and refreshed by botocore when they run out.

    Args:
        service: The service's name for signatures, such as ``xray``.
        region: Such as ``eu-west-1``; None for that of botocore's chain.
    """

    def __init__(self, service: str, region: str | None = None) -> None:
        self.service = service
        self._region = region
        self._session: Any = None
        self._credentials: Any = None

    def endpoint(self) -> str:
        """Return the service's URL, without a path.

        Raises:
            SigningError: There is no region.
        """
        for name in (f"AWS_ENDPOINT_URL_{self.service.upper()}", "AWS_ENDPOINT_URL"):
            if os.environ.get(name):
                return os.environ[name].rstrip("/")
        region = self.region()
        suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        return f"https://{self.service}.{region}.{suffix}"

    def region(self) -> str:
        """Return the region.

        Raises:
            SigningError: Nothing says which.
        """
        region = self._region or os.environ.get("AWS_REGION") or self._open().get_config_variable("region")
        if not region:
            raise SigningError("no region: set AWS_REGION")
        return str(region)

    def sign(self, method: str, url: str, body: bytes, headers: dict[str, str]) -> dict[str, str]:
        """Return ``headers`` with those of the signature.

        Raises:
            SigningError: It cannot be signed.
        """
        session = self._open()
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        try:
            if self._credentials is None:
                self._credentials = session.get_credentials()
            if self._credentials is None:
                raise SigningError("no AWS credentials")
            request = AWSRequest(method=method, url=url, data=body, headers=headers)
            SigV4Auth(self._credentials.get_frozen_credentials(), self.service, self.region()).add_auth(request)
        except SigningError:
            raise
        except Exception as error:  # expired, no such profile, a broken provider: whatever botocore says
            self._credentials = None
            raise SigningError(f"{type(error).__name__}: {error}") from error
        return dict(request.headers.items())

    def _open(self) -> Any:
        if self._session is None:
            try:
                from botocore.session import get_session
            except ImportError:
                raise SigningError("botocore is not installed") from None
            self._session = get_session()
        return self._session

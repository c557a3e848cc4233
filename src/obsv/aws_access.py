"""botocore's session, for whoever speaks to AWS himself: where, as whom, clients, and signatures.

botocore is imported when the first request is made, in the thread that sends it. Its own retries are off: who sends
waits and tries again, so that one hanging call takes seconds and not minutes.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

CONNECT_TIMEOUT = 3.0
"""Seconds that a connection to AWS may take."""

READ_TIMEOUT = 10.0
"""Seconds that an answer may take."""

MODULES = (
    "encodings.idna",
    "botocore.session",
    "botocore.config",
    "botocore.exceptions",
    "botocore.auth",
    "botocore.awsrequest",
)
"""What is imported here, for threads that load all they need at one moment (:mod:`obsv.pipeline.gate`)."""

# Codes are those of the services' API references and of "Common errors" there.
STALE = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidToken",
        "UnrecognizedClientException",
    }
)
"""Codes after which credentials are looked up anew: they have expired, or were replaced."""


class NotInstalledError(Exception):
    """botocore is not there."""

    def __init__(self) -> None:
        super().__init__("botocore is not installed (pip install obsv[aws])")


class Access:
    """A session of botocore's: where, as whom, and the clients. Each is made when it is first needed, and kept.

    botocore refreshes credentials of roles, containers and instances by itself, before they expire. What it cannot see
    (a file that was written anew, a clock that was set back) is found out when AWS refuses: see `renew`.
    """

    __slots__ = ("_clients", "_credentials", "_session")

    def __init__(self) -> None:
        self._session: Any = None
        self._credentials: Any = None
        self._clients: dict[str, Any] = {}

    def session(self) -> Any:
        """Return botocore's session.

        Raises:
            NotInstalledError: botocore is not there.
        """
        if self._session is None:
            try:
                from botocore.session import Session
            except ImportError:
                raise NotInstalledError from None
            self._session = Session()
            _ask_nobody(self._session)
        return self._session

    def region(self) -> str:
        """Return the region: ``AWS_REGION``, which ECS and Lambda set, or what botocore finds.

        Raises:
            NoRegionError: There is none.
        """
        region = os.environ.get("AWS_REGION") or self.session().get_config_variable("region")
        if not region:
            from botocore.exceptions import NoRegionError

            raise NoRegionError
        return str(region)

    def credentials(self) -> Any:
        """Return access key, secret and token, as of now.

        Raises:
            NoCredentialsError: There are none. Others of botocore's: they could not be fetched.
        """
        if self._credentials is None:
            self._credentials = self.session().get_credentials()
        if self._credentials is None:
            from botocore.exceptions import NoCredentialsError

            raise NoCredentialsError
        return self._credentials.get_frozen_credentials()

    def signed(
        self, service: str, region: str, method: str, url: str, body: bytes, headers: Mapping[str, str]
    ) -> dict[str, str]:
        """Return the headers of a request, with those of its signature (IAM user guide, "Signature Version 4").

        Raises:
            NotInstalledError: botocore is not there. Errors of botocore's: there are no credentials.
        """
        credentials = self.credentials()
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        request = AWSRequest(method=method, url=url, data=body, headers=headers)
        SigV4Auth(credentials, service, region).add_auth(request)
        return dict(request.headers.items())

    def client(self, service: str) -> Any:
        """Return the client of a service."""
        client = self._clients.get(service)
        if client is None:
            session = self.session()
            from botocore.config import Config

            from . import __version__

            config = Config(
                retries={"total_max_attempts": 1},
                connect_timeout=CONNECT_TIMEOUT,
                read_timeout=READ_TIMEOUT,
                user_agent_extra=f"obsv/{__version__}",
            )
            client = session.create_client(service, region_name=self.region(), config=config)
            self._clients[service] = client
        return client

    def call(self, service: str, operation: str, **arguments: Any) -> dict[str, Any]:
        """Call an operation; where AWS does not take the credentials, once more with those found anew."""
        self.session()
        from botocore.exceptions import ClientError, NoCredentialsError

        try:
            answer: dict[str, Any] = getattr(self.client(service), operation)(**arguments)
        except NoCredentialsError:
            self.renew()  # a client remembers that there were none
            raise
        except ClientError as error:
            if code_of(error) not in STALE:
                raise
        else:
            return answer
        self.renew()
        again: dict[str, Any] = getattr(self.client(service), operation)(**arguments)
        return again

    def renew(self) -> None:
        """Forget credentials: the next call looks for them in the environment, files and services again."""
        self.close()
        self._session = self._credentials = None

    def close(self) -> None:
        """Close the clients' connections."""
        for client in self._clients.values():
            close = getattr(client, "close", None)  # botocore has it since 1.22.8
            if close is not None:
                close()
        self._clients.clear()


def _ask_nobody(session: Any) -> None:
    """Keep botocore from asking at the program's terminal for the code of a device (MFA), which a profile may want."""
    try:
        provider = session.get_component("credential_provider").get_provider("assume-role")
        provider._prompter = _no_answer
    except Exception:  # noqa: BLE001 - another version of botocore, or a profile that is not there: its use will say so
        return


def _no_answer(prompt: str = "") -> str:
    from botocore.exceptions import RefreshWithMFAUnsupportedError

    raise RefreshWithMFAUnsupportedError


def code_of(error: Exception) -> str:
    """Return AWS's code of a ``ClientError``, ``""`` for anything else."""
    response = getattr(error, "response", None)
    details = response.get("Error") if isinstance(response, dict) else None
    code = str(details.get("Code") or "") if isinstance(details, dict) else ""
    return "" if code.isdigit() else code  # botocore puts HTTP's status there where AWS gave none

"""What the sinks that reach AWS have in common: botocore's session, and what AWS's answers mean for a batch.

botocore is imported when the first batch is sent, in the sink's thread. Its own retries are off: the pipeline waits and
tries again, so that one hanging call holds up a sink for seconds and not for minutes.
"""

from __future__ import annotations

import os

from .base import Refused, Retry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .base import Result

IMPORTS = (
    "obsv.sinks.otlp_http",
    "encodings.idna",
    "botocore.session",
    "botocore.config",
    "botocore.exceptions",
    "botocore.auth",
    "botocore.awsrequest",
)
"""Modules that a sink of AWS's loads before its first batch."""

CONNECT_TIMEOUT = 3.0
"""Seconds that a connection to AWS may take."""

READ_TIMEOUT = 10.0
"""Seconds that an answer may take."""

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

_THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "AuthFailure", "NotAuthorized", "UnauthorizedOperation"})
_CLOCK = frozenset({"RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed"})
_PASSES = frozenset({"InternalFailure", "InternalServerError", "OperationAbortedException", "ServiceUnavailable"})
_MAX_MESSAGE = 300  # characters of AWS's own words


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

    def client(self, service: str) -> Any:
        """Return the client of a service."""
        client = self._clients.get(service)
        if client is None:
            session = self.session()
            from botocore.config import Config

            from .. import __version__

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


def troubles() -> tuple[type[Exception], ...]:
    """Return what a call may raise because of AWS, the network or the configuration. Anything else is a bug."""
    try:
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError
    except ImportError:
        return (NotInstalledError,)
    # The last one: an answer that is no text, of whoever stands between here and AWS.
    return (BotoCoreError, ClientError, ResponseParserError, OSError, NotInstalledError, UnicodeDecodeError)


def code_of(error: Exception) -> str:
    """Return AWS's code of a ``ClientError``, ``""`` for anything else."""
    response = getattr(error, "response", None)
    details = response.get("Error") if isinstance(response, dict) else None
    code = str(details.get("Code") or "") if isinstance(details, dict) else ""
    return "" if code.isdigit() else code  # botocore puts HTTP's status there where AWS gave none


def failure(error: Exception, action: str, resource: str) -> Result:
    """Say what an exception means for the batch whose call raised it.

    Args:
        error: One of `troubles`.
        action: What was tried, as IAM calls it: ``"logs:PutLogEvents"``.
        resource: On what: an ARN, or ``"*"``.
    """
    if isinstance(error, NotInstalledError):
        return Refused(str(error))
    code = code_of(error)
    response = getattr(error, "response", None)
    if isinstance(response, dict) and "Error" in response:
        answer = response.get("ResponseMetadata") or {}
        headers = answer.get("HTTPHeaders") or {}
        message = str(response["Error"].get("Message") or "")
        return verdict(answer.get("HTTPStatusCode") or 0, code, message, action, resource, headers.get("retry-after"))
    return _unanswered(error, action, resource)


def _unanswered(error: Exception, action: str, resource: str) -> Result:
    from botocore.exceptions import BotoCoreError, ConnectionError, HTTPClientError, ParamValidationError

    from .otlp_http import describe

    if isinstance(error, ParamValidationError):
        return Refused(f"{action}: {_words(error)}")
    if isinstance(error, (ConnectionError, HTTPClientError)) or not isinstance(error, BotoCoreError):
        inner = (getattr(error, "kwargs", None) or {}).get("error")
        return Retry(f"{action}: {describe(inner if isinstance(inner, BaseException) else error)}")
    kind = type(error).__name__
    if kind == "NoRegionError":
        return Retry(f"no AWS region for {action} (set AWS_REGION)", tell=True)
    if kind == "NoCredentialsError":
        return Retry(f"no AWS credentials for {action} on {resource}", tell=True)
    return Retry(f"AWS is not configured for {action} on {resource} ({kind}: {_words(error)})", tell=True)


def verdict(status: int, code: str, message: str, action: str, resource: str, after: str | None = None) -> Result:
    """Say what an answer of AWS's that is no success means for the batch.

    Args:
        status: HTTP's.
        code: AWS's: ``"AccessDeniedException"``; may be empty.
        message: AWS's words.
        action: What was tried, as IAM calls it.
        resource: On what.
        after: The header ``Retry-After``, if there was one.
    """
    from .otlp_http import retry_after

    message = " ".join(message.split())[:_MAX_MESSAGE]
    name = code or f"http {status}"
    if code in _THROTTLED or status == 429:
        return Retry(f"throttled: {action} ({name})", retry_after(after))
    if status >= 500 or code in _PASSES:
        return Retry(f"{action}: http {status}{f' {code}' if code else ''}", retry_after(after))
    if code in _CLOCK or message.startswith("Signature expired") or "Signature not yet current" in message:
        return Retry(f"AWS says that this machine's clock is wrong: {action} ({name})", tell=True)
    if code in STALE:
        return Retry(f"AWS does not take the credentials for {action} on {resource} ({name}: {message})", tell=True)
    if status in (401, 403) or code in _DENIED:
        said = f": {message}" if message else ""
        return Retry(f"no right to {action} on {resource} ({name}{said})", tell=True)
    return Refused(f"{action}: {name}{f': {message}' if message else ''}")


def partition(region: str) -> str:
    """Return the partition of a region, as ARNs name it.

    Example:
        >>> partition("cn-north-1")
        'aws-cn'
    """
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:_MAX_MESSAGE]

"""Single functions and classes of aws-xray-sdk that fit nowhere else."""

from __future__ import annotations

from typing import Any

from obsv.hotpath import faults

from .said import plain


def metadata_to_dict(obj: Any) -> Any:
    """Return an object as what JSON has."""
    return plain(obj)


def add_ignored(subclass: Any = None, hostname: Any = None, urls: Any = None) -> None:
    """Say that obsv traces these requests all the same."""
    faults.tell("aws_xray_sdk.ext.httplib.add_ignored() has no counterpart in obsv: these requests are traced")


def reset_ignored() -> None:
    """Do nothing."""


def XRayTracedConn(conn: Any, meta: Any = None) -> Any:  # noqa: N802 - the library's name
    """Return the connection as it is: obsv's patches see what it does."""
    return conn


def __getattr__(name: str) -> Any:
    if name == "XRaySessionMaker":
        from sqlalchemy.orm import sessionmaker  # type: ignore[import-not-found]

        return sessionmaker
    if name == "XRayFlaskSqlAlchemy":
        from flask_sqlalchemy import SQLAlchemy  # type: ignore[import-not-found]

        return SQLAlchemy
    raise AttributeError(name)

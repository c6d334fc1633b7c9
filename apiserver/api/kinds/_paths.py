"""Validation of paths that must stay below the directory they are resolved in."""

from __future__ import annotations

from apiserver.api.fielderrors import invalid_value
from apiserver.api.kinds._checks import Errors


def check_no_backsteps(value: str, path: str, errors: Errors) -> None:
    if ".." in value and ".." in value.split("/"):
        errors.append(invalid_value(path, value, "must not contain '..'"))


def check_descending_path(value: str, path: str, errors: Errors) -> None:
    """Relative, and never upwards."""
    if value.startswith("/"):
        errors.append(invalid_value(path, value, "must be a relative path"))
    check_no_backsteps(value, path, errors)


def check_local_path(value: str, path: str, errors: Errors) -> None:
    """Relative, never upwards, and out of the names that volumes keep for themselves (`..data`)."""
    check_descending_path(value, path, errors)
    if value.startswith("..") and not value.startswith("../") and value != "..":
        errors.append(invalid_value(path, value, "must not start with '..'"))

"""CertificateSigningRequest: somebody asks for a certificate. What was asked for, and by whom, never changes.

The requester is written at admission, from who the request's sender really is.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from apiserver.api import names
from apiserver.api.fielderrors import FieldError, duplicate, invalid_value, not_supported, required
from apiserver.api.kinds._ages import age_of, short_duration
from apiserver.api.kinds._checks import Errors, check_name, dns_label, dns_subdomain
from apiserver.api.kinds._columns import AGE_COLUMN, NAME_COLUMN, NONE
from apiserver.api.kinds.base import Cell, Column, KindRules, register

Request = dict[str, Any]

REQUESTER = ("username", "uid", "groups", "extra")
_PEM = re.compile(rb"-----BEGIN CERTIFICATE REQUEST-----\s.*-----END CERTIFICATE REQUEST-----", re.DOTALL)
_MIN_SECONDS = 600
_USAGES = (
    "any", "client auth", "code signing", "content commitment", "crl sign", "data encipherment", "decipher only",
    "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel", "ipsec user",
    "cert sign", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime",
    "server auth", "signing", "timestamping",
)  # fmt: skip
_FORM = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
_MAX_SIGNER_PATH = 253 + 1 + 63


def prepare_create(obj: Request) -> None:
    """The signer, and nobody else, says what becomes of it."""
    obj["status"] = {}


def prepare_update(obj: Request, old: Request) -> None:
    obj["spec"] = old.get("spec") or {}


def _check_signer(name: str, path: str, errors: Errors) -> None:
    """A domain of at least two segments, and a path whose steps are labels."""
    if not name:
        errors.append(required(path))
        return
    domain, slash, rest = name.partition("/")
    if not slash or "/" in rest:
        errors.append(invalid_value(path, name, _FORM))
        return
    check_name(domain, path, errors, rule=dns_subdomain)
    if "." not in domain:
        errors.append(invalid_value(path, domain, "should be a domain with at least two segments separated by dots"))
    if len(rest) > _MAX_SIGNER_PATH:
        errors.append(invalid_value(path, rest, f"must be no more than {_MAX_SIGNER_PATH} characters"))
    for step in rest.split("."):
        check_name(step, path, errors, rule=dns_label)


def validate(obj: Request) -> list[FieldError]:
    errors: Errors = []
    spec = obj.get("spec") or {}
    request, usages = spec.get("request") or "", spec.get("usages") or []
    if not _PEM.search(base64.b64decode(request)):
        errors.append(invalid_value("spec.request", request, "PEM block type must be CERTIFICATE REQUEST"))
    if not usages:
        errors.append(required("spec.usages"))
    for i, usage in enumerate(usages):
        if usage not in _USAGES:
            errors.append(not_supported(f"spec.usages[{i}]", usage, sorted(_USAGES)))
        if usage in usages[:i]:
            errors.append(duplicate(f"spec.usages[{i}]", usage))
    _check_signer(spec.get("signerName") or "", "spec.signerName", errors)
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < _MIN_SECONDS:
        told = f"may not specify a duration less than {_MIN_SECONDS} seconds (10 minutes)"
        errors.append(invalid_value("spec.expirationSeconds", seconds, told))
    return errors


def _condition(status: Request) -> str:
    kinds = {condition.get("type") for condition in status.get("conditions") or ()}
    words = ["Denied" if "Denied" in kinds else "Approved" if "Approved" in kinds else "Pending"]
    if "Failed" in kinds:
        words.append("Failed")
    if status.get("certificate"):
        words.append("Issued")
    return ",".join(words)


def row(obj: Request, now: datetime) -> Sequence[Cell]:
    spec = obj.get("spec") or {}
    seconds = spec.get("expirationSeconds")
    return (
        obj["metadata"]["name"],
        age_of(obj, now),
        spec.get("signerName") or NONE,
        spec.get("username") or "",
        NONE if seconds is None else short_duration(timedelta(seconds=seconds)),
        _condition(obj.get("status") or {}),
    )


RULES = register(
    KindRules(
        group="certificates.k8s.io",
        kind="CertificateSigningRequest",
        prepare_create=prepare_create,
        prepare_update=prepare_update,
        validate=validate,
        validate_name=names.path_segment,
        selectable_fields=lambda obj: {"spec.signerName": (obj.get("spec") or {}).get("signerName") or ""},
        field_names=frozenset(("spec.signerName",)),
        columns=(
            NAME_COLUMN,
            AGE_COLUMN,
            Column("SignerName", description="Who shall sign it."),
            Column("Requestor", description="Who asked for it."),
            Column("RequestedDuration", description="How long it shall be good for."),
            Column("Condition", description="What has become of it."),
        ),
        row=row,
        counts_generation=False,
    )
)

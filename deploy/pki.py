"""The certificates of one control plane, made on this machine and renewed at a start when they are about to expire.

    ca.crt, ca.key                 signs the server's certificate; kubeconfigs carry ca.crt
    serving.crt, serving.key       the API server's
    client-ca.crt, client-ca.key   signs certificates that users may authenticate with
    admin.crt, admin.key           one of these: CN admin, O system:masters

What is good stays as it is. A certificate is made again when it ends within RENEW_BEFORE, when its authority was, when
its key is another one, or when the names that it must carry have changed. A new authority makes all of its
certificates new, and clients need the new ca.crt: an authority lives ten years.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.errors import UserError
from deploy.files import write_private

RENEW_BEFORE = timedelta(days=30)
AUTHORITY_LIFE = timedelta(days=3650)
CERTIFICATE_LIFE = timedelta(days=365)
CLOCK_SKEW = timedelta(minutes=5)
"""Valid from a little before now: a client's clock may be behind."""

SERVICE_NAMES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")


@dataclass(frozen=True, slots=True)
class Pki:
    """Paths of what a control plane uses."""

    directory: Path

    @property
    def ca(self) -> Path:
        return self.directory / "ca.crt"

    @property
    def serving(self) -> Path:
        return self.directory / "serving.crt"

    @property
    def serving_key(self) -> Path:
        return self.directory / "serving.key"

    @property
    def client_ca(self) -> Path:
        return self.directory / "client-ca.crt"


@dataclass(frozen=True, slots=True)
class _Pair:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a certificate must say. `names`: subject alternative names; none for a client."""

    subject: x509.Name
    names: tuple[x509.GeneralName, ...] = ()

    @property
    def purpose(self) -> x509.ObjectIdentifier:
        return ExtendedKeyUsageOID.SERVER_AUTH if self.names else ExtendedKeyUsageOID.CLIENT_AUTH


def ensure(directory: Path, *, now: datetime | None = None, hosts: Sequence[str] | None = None) -> Pki:
    """Make what is missing or about to expire. Raises UserError for a file that is no certificate or key."""
    moment = now or datetime.now(UTC)
    names = tuple(_general_name(host) for host in (serving_hosts() if hosts is None else hosts))
    authority = _authority(directory / "ca", "backbeat-ca", moment)
    _certificate(directory / "serving", authority, _Wanted(_name("backbeat-apiserver"), names), moment)
    clients = _authority(directory / "client-ca", "backbeat-client-ca", moment)
    _certificate(directory / "admin", clients, _Wanted(_name("admin", "system:masters")), moment)
    return Pki(directory)


def serving_hosts() -> list[str]:
    """Under which names clients may call the API server."""
    own = socket.gethostname()
    names = ["localhost", *([own] if own.isascii() and own not in ("", "localhost") else []), *SERVICE_NAMES]
    return [*names, "127.0.0.1", "::1", "10.96.0.1"]


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _name(common: str, organization: str = "") -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _authority(stem: Path, common: str, now: datetime) -> _Pair:
    known = _read(stem)
    if known is not None and _lives(known, now):
        return known
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(common)
    builder = _builder(name, name, key, now, AUTHORITY_LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(authority=True), critical=True)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
    )
    return _write(stem, _Pair(builder.sign(key, hashes.SHA256()), key))


def _certificate(stem: Path, authority: _Pair, wanted: _Wanted, now: datetime) -> None:
    known = _read(stem)
    if known is not None and _lives(known, now) and _is_wanted(known.certificate, authority, wanted):
        return
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(wanted.subject, authority.certificate.subject, key, now, CERTIFICATE_LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(authority=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([wanted.purpose]), critical=False)
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = builder.add_extension(issuer_key, critical=False)
    if wanted.names:
        builder = builder.add_extension(x509.SubjectAlternativeName(wanted.names), critical=False)
    _write(stem, _Pair(builder.sign(authority.key, hashes.SHA256()), key))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - CLOCK_SKEW).not_valid_after(now + life)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _lives(pair: _Pair, now: datetime) -> bool:
    certificate = pair.certificate
    in_time = certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - RENEW_BEFORE
    return in_time and certificate.public_key() == pair.key.public_key()


def _is_wanted(certificate: x509.Certificate, authority: _Pair, wanted: _Wanted) -> bool:
    try:
        certificate.verify_directly_issued_by(authority.certificate)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return certificate.subject == wanted.subject and _names_of(certificate) == set(wanted.names)


def _names_of(certificate: x509.Certificate) -> set[x509.GeneralName]:
    try:
        return set(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return set()


def _read(stem: Path) -> _Pair | None:
    """None where one of the two files is missing: without its key a certificate is of no use."""
    certificate, key = stem.with_suffix(".crt"), stem.with_suffix(".key")
    if not certificate.exists() or not key.exists():
        return None
    try:
        loaded = serialization.load_pem_private_key(key.read_bytes(), None)
        pair = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (ValueError, TypeError) as err:
        raise UserError(f"{certificate} or {key} cannot be read ({err}); remove both to have new ones made") from err
    if not isinstance(loaded, ec.EllipticCurvePrivateKey):
        raise UserError(f"{key} is not an elliptic curve key; remove it and {certificate} to have new ones made")
    return _Pair(pair, loaded)


def _write(stem: Path, pair: _Pair) -> _Pair:
    private = pair.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(stem.with_suffix(".key"), private)
    write_private(stem.with_suffix(".crt"), pair.certificate.public_bytes(serialization.Encoding.PEM))
    return pair

from __future__ import annotations

import datetime
import ssl
import stat
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy import pki
from deploy.errors import UserError

NOW = datetime.datetime(2026, 1, 1, tzinfo=UTC)
HOSTS = ["localhost", "127.0.0.1", "::1"]


def _ensure(folder: Path, *, days: float = 0, hosts: list[str] | None = None) -> dict[str, bytes]:
    pki.ensure(folder, now=NOW + timedelta(days=days), hosts=hosts or HOSTS)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _changed(before: dict[str, bytes], after: dict[str, bytes]) -> set[str]:
    return {name for name in after if before.get(name) != after[name]}


def _load(folder: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / name).read_bytes())


def test_a_second_start_changes_nothing(tmp_path: Path) -> None:
    assert _changed(_ensure(tmp_path), _ensure(tmp_path, days=100)) == set()


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    _ensure(tmp_path)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_a_certificate_that_ends_soon_is_renewed_and_its_authority_stays(tmp_path: Path) -> None:
    before = _ensure(tmp_path)
    after = _ensure(tmp_path, days=340)
    assert _changed(before, after) == {"serving.crt", "serving.key", "admin.crt", "admin.key"}
    assert _load(tmp_path, "serving.crt").not_valid_after_utc > NOW + timedelta(days=700)


def test_an_authority_that_ends_soon_takes_its_certificates_with_it(tmp_path: Path) -> None:
    before = _ensure(tmp_path)
    assert _changed(before, _ensure(tmp_path, days=3640)) == set(before)


def test_other_names_make_another_serving_certificate(tmp_path: Path) -> None:
    before = _ensure(tmp_path)
    assert _changed(before, _ensure(tmp_path, hosts=["localhost", "10.0.0.1"])) == {"serving.crt", "serving.key"}


def test_a_lost_authority_makes_everything_of_it_new(tmp_path: Path) -> None:
    before = _ensure(tmp_path)
    (tmp_path / "ca.key").unlink()
    assert _changed(before, _ensure(tmp_path)) == {"ca.crt", "ca.key", "serving.crt", "serving.key"}


def test_a_certificate_with_somebody_elses_key_is_made_again(tmp_path: Path) -> None:
    _ensure(tmp_path)
    (tmp_path / "serving.key").write_bytes((tmp_path / "admin.key").read_bytes())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert _changed(before, _ensure(tmp_path)) == {"serving.crt", "serving.key"}


def test_a_file_that_is_no_certificate_is_named(tmp_path: Path) -> None:
    _ensure(tmp_path)
    (tmp_path / "serving.crt").write_text("nonsense")
    with pytest.raises(UserError, match=r"serving\.crt.* remove both"):
        _ensure(tmp_path)


def test_the_server_answers_to_every_name_that_clients_use(tmp_path: Path) -> None:
    pki.ensure(tmp_path)
    names = _load(tmp_path, "serving.crt").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"localhost", "kubernetes", "kubernetes.default.svc"} <= set(names.get_values_for_type(x509.DNSName))
    assert {"127.0.0.1", "::1"} <= {str(ip) for ip in names.get_values_for_type(x509.IPAddress)}


def test_the_admin_certificate_is_a_client_of_system_masters(tmp_path: Path) -> None:
    _ensure(tmp_path)
    admin = _load(tmp_path, "admin.crt")
    admin.verify_directly_issued_by(_load(tmp_path, "client-ca.crt"))
    assert admin.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "system:masters"
    assert list(admin.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]


def test_a_strict_client_accepts_the_serving_certificate(tmp_path: Path) -> None:
    made = pki.ensure(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made.serving, made.serving_key)
    client = ssl.create_default_context(cafile=str(made.ca))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    assert _handshake(server, client, "127.0.0.1") == "backbeat-apiserver"


def _handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> str:
    """Between two ends in memory; the common name that the client saw."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(5):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    seen = ends[0].getpeercert()
    assert seen is not None
    subject: Any = seen["subject"]
    return str({key: value for part in subject for key, value in part}["commonName"])

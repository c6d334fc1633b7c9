"""Who is let in as whom, what they may, and in which words they are refused."""

from __future__ import annotations

import http.client
import ssl
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy import identities
from deploy.identities import Identity
from tests.integration.rest.client import Answer, Client, config_map, path_of, pod, status
from tests.integration.rest.server import NOBODY, NODE, TestServer

Clients = Callable[[Identity | None], Client]
UNAUTHORIZED = status(401, "Unauthorized", "Unauthorized")


def forbidden(message: str, **details: str) -> dict[str, object]:
    return status(403, "Forbidden", message, **(details or {"kind": ""}))


@pytest.mark.parametrize("path", ["/api/v1/nodes", "/version", "/readyz", "/nothing", "/api/v1/foos"])
def test_wrong_credentials_are_refused_wherever_they_knock(server: TestServer, path: str) -> None:
    client = Client(server.port, server.tls, "not-a-token")
    answer = client.get(path)
    assert (answer.status, answer.json) == (401, UNAUTHORIZED)
    client.close()


@pytest.mark.parametrize("header", ["", "Basic YWRtaW46YWRtaW4=", "Bearer", "Bearer  ", "bearer", "Token x"])
def test_what_are_no_credentials_makes_one_anonymous(client_of: Clients, header: str) -> None:
    answer = client_of(None).get("/api/v1/nodes", headers={"Authorization": header})
    told = (
        'nodes is forbidden: User "system:anonymous" cannot list resource "nodes" in API group "" at the cluster scope'
    )
    assert (answer.status, answer.json) == (403, forbidden(told, kind="nodes"))


def test_the_scheme_is_read_in_any_case(server: TestServer, client_of: Clients) -> None:
    headers = {"Authorization": f"bEaReR   {server.token()}"}
    assert client_of(None).get("/api/v1/nodes", headers=headers).status == 200


@pytest.mark.parametrize(
    ("method", "path", "told", "details"),
    [
        ("GET", "/metrics", 'forbidden: User "nobody" cannot get path "/metrics"', {}),
        ("GET", "/nothing?a=b", 'forbidden: User "nobody" cannot get path "/nothing"', {}),
        ("GET", "/a%3Cb%3E%26", 'forbidden: User "nobody" cannot get path "/a&lt;b&gt;&amp;"', {}),
        ("GET", "/livez/ping", 'forbidden: User "nobody" cannot get path "/livez/ping"', {}),
        (
            "GET",
            "/api/v1/namespaces/default/pods/web/log",
            (
                'pods "web" is forbidden: User "nobody" cannot get resource "pods/log" in API group "" '
                'in the namespace "default"'
            ),
            {"name": "web", "kind": "pods"},
        ),
        (
            "DELETE",
            "/apis/apps/v1/namespaces/x/deployments",
            (
                'deployments.apps is forbidden: User "nobody" cannot deletecollection resource "deployments" in API '
                'group "apps" in the namespace "x"'
            ),
            {"group": "apps", "kind": "deployments"},
        ),
        (
            "GET",
            "/api/v1/namespaces/x",
            (
                'namespaces "x" is forbidden: User "nobody" cannot get resource "namespaces" in API group "" '
                'in the namespace "x"'
            ),
            {"name": "x", "kind": "namespaces"},
        ),
        (
            "GET",
            "/api/v1/secrets?watch=1",
            'secrets is forbidden: User "nobody" cannot watch resource "secrets" in API group "" at the cluster scope',
            {"kind": "secrets"},
        ),
        (
            "GET",
            "/api/v1/namespaces/x/pods?fieldSelector=metadata.name%3Dweb",
            'pods "web" is forbidden: User "nobody" cannot list resource "pods" in API group "" in the namespace "x"',
            {"name": "web", "kind": "pods"},
        ),
        (
            "PATCH",
            "/apis/made.up/v1/things/x",
            (
                'things.made.up "x" is forbidden: User "nobody" cannot patch resource "things" in API group "made.up" '
                "at the cluster scope"
            ),
            {"name": "x", "group": "made.up", "kind": "things"},
        ),
    ],
)
def test_a_refusal_says_who_may_not_do_what_where(
    client_of: Clients, method: str, path: str, told: str, details: dict[str, str]
) -> None:
    answer = client_of(NOBODY).request(method, path)
    assert (answer.status, answer.json) == (403, forbidden(told, **details))


def test_who_is_known_may_see_what_there_is_and_ask_about_themselves(client_of: Clients) -> None:
    nobody = client_of(NOBODY)
    for path in ("/api", "/apis", "/api/v1", "/apis/apps/v1", "/openapi/v3", "/version"):
        assert nobody.get(path).status == 200
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = nobody.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    assert answer.json["status"]["userInfo"] == {
        "username": "nobody",
        "uid": "nobody",
        "groups": ["system:authenticated"],
    }


def test_nothing_is_stored_for_those_who_may_not(api: Client, client_of: Clients) -> None:
    with api.unchanged():
        for who in (NOBODY, None):
            assert client_of(who).post(path_of("default", "configmaps"), config_map("a")).status == 403
        wrong = client_of(None).post(
            path_of("default", "configmaps"), config_map("a"), headers={"Authorization": "Bearer x"}
        )
        assert wrong.status == 401


# Certificates


def test_a_certificate_of_the_client_authority_is_a_user_and_groups(server: TestServer, tmp_path: Path) -> None:
    me = _whoami(server, _client_tls(server, tmp_path, "jane", ["system:masters", "dev"]))
    assert me.json["status"]["userInfo"] == {
        "username": "jane",
        "groups": ["system:masters", "dev", "system:authenticated"],
    }


def test_a_certificate_counts_before_a_token(server: TestServer, tmp_path: Path) -> None:
    tls = _client_tls(server, tmp_path, "jane", [])
    assert _whoami(server, tls, "not-a-token").json["status"]["userInfo"]["username"] == "jane"


def test_a_certificate_of_another_authority_gets_no_answer(server: TestServer, tmp_path: Path) -> None:
    """TLS ends the connection: the library can't verify later, as kube-apiserver does to answer 401."""
    tls = _client_tls(server, tmp_path, "mallory", ["system:masters"], forged=True)
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
        _whoami(server, tls)


def _whoami(server: TestServer, tls: ssl.SSLContext, token: str | None = None) -> Answer:
    client = Client(server.port, tls, token)
    try:
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        return client.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    finally:
        client.close()


def _client_tls(
    server: TestServer, directory: Path, user: str, groups: list[str], *, forged: bool = False
) -> ssl.SSLContext:
    authority_key = serialization.load_pem_private_key(
        (server.pki.directory / "client-ca.key").read_bytes(), password=None
    )
    authority = x509.load_pem_x509_certificate(server.pki.client_ca.read_bytes())
    key = ec.generate_private_key(ec.SECP256R1())
    organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, user)]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key if forged else authority_key, hashes.SHA256())  # type: ignore[arg-type]
    )
    pem = directory / f"{user}.pem"
    pem.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    tls = ssl.create_default_context(cafile=str(server.pki.ca))
    tls.load_cert_chain(pem)
    return tls


# Acting as somebody else


def test_who_may_everything_may_act_as_anybody(api: Client) -> None:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = api.post(
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        review,
        headers={"Impersonate-User": "jane", "Impersonate-Group": "dev", "Impersonate-Extra-Scopes": "view"},
    )
    assert answer.json["status"]["userInfo"] == {
        "username": "jane",
        "groups": ["dev", "system:authenticated"],
        "extra": {"scopes": ["view"]},
    }
    refused = api.get("/api/v1/nodes", headers={"Impersonate-User": "jane"})
    assert 'User "jane" cannot list resource "nodes"' in refused.message


def test_a_service_account_comes_with_its_groups(api: Client) -> None:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    headers = {"Impersonate-User": "system:serviceaccount:default:builder"}
    answer = api.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", review, headers=headers)
    assert answer.json["status"]["userInfo"]["groups"] == [
        "system:serviceaccounts",
        "system:serviceaccounts:default",
        "system:authenticated",
    ]


def test_who_may_not_impersonate_is_refused_and_does_not_act_as_themselves(client_of: Clients) -> None:
    answer = client_of(NOBODY).get("/api", headers={"Impersonate-User": "admin", "Impersonate-Group": "system:masters"})
    told = (
        'users "admin" is forbidden: User "nobody" cannot impersonate resource "users" in API group "" '
        "at the cluster scope"
    )
    assert (answer.status, answer.json) == (403, forbidden(told, name="admin", kind="users"))


def test_groups_without_a_user_are_an_error(api: Client) -> None:
    assert api.get("/api", headers={"Impersonate-Group": "dev"}).status == 500


# Agents


def test_a_node_writes_to_its_own_objects_only(api: Client, client_of: Clients, ns: str) -> None:
    node = client_of(NODE)
    own = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}}
    assert node.post("/api/v1/nodes", own).status in (201, 409)
    other = node.post("/api/v1/nodes", {**own, "metadata": {"name": "node-2"}})
    told = 'nodes "node-2" is forbidden: node "node-1" is not allowed to modify node "node-2"'
    assert (other.status, other.message) == (403, told)
    api.make(path_of(ns, "pods"), pod("elsewhere", nodeName="node-2"))
    api.make(path_of(ns, "pods"), pod("here", nodeName="node-1"))
    running = {"status": {"phase": "Running"}}
    assert node.patch(path_of(ns, "pods", "here") + "/status", running).status == 200
    refused = node.patch(path_of(ns, "pods", "elsewhere") + "/status", running)
    assert (refused.status, refused.json["reason"]) == (403, "Forbidden")
    assert node.delete(path_of(ns, "pods", "elsewhere"), gracePeriodSeconds=0).status == 403
    assert node.delete(path_of(ns, "pods", "here"), gracePeriodSeconds=0).status == 200
    for namespace, name, code in (
        ("kube-node-lease", "node-1", 201),
        ("kube-node-lease", "node-2", 403),
        (ns, "a", 403),
    ):
        lease = {"metadata": {"name": name}, "spec": {"holderIdentity": "node-1"}}
        assert node.post(path_of(namespace, "leases", group="coordination.k8s.io"), lease).status == code
    api.delete("/api/v1/nodes/node-1")


@pytest.mark.parametrize(
    ("who", "method", "path"),
    [
        (identities.SCHEDULER, "DELETE", "/api/v1/nodes/x"),
        (identities.SCHEDULER, "GET", "/api/v1/namespaces/default/secrets/x"),
        (identities.CONTROLLERS, "POST", "/api/v1/nodes"),
        (NODE, "GET", "/apis/apps/v1/deployments"),
        (NODE, "POST", "/api/v1/namespaces/default/configmaps"),
    ],
)
def test_an_agent_may_just_what_it_needs(client_of: Clients, who: Identity, method: str, path: str) -> None:
    answer = client_of(who).request(method, path, b"{}" if method == "POST" else None)
    assert (answer.status, answer.json["reason"]) == (403, "Forbidden")


def test_the_server_speaks_tls_only(server: TestServer) -> None:
    plain = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    plain.request("GET", "/livez")
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        plain.getresponse()
    plain.close()


def test_old_tls_is_refused(server: TestServer) -> None:
    ran = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-tls1_1"],
        input=b"",
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert b"Cipher is (NONE)" in ran.stdout or ran.returncode != 0

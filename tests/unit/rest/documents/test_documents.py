"""How discovery and OpenAPI are served: which form, with which headers, and what a client may keep."""

from collections.abc import Mapping, MutableMapping
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest

from apiserver.api.openapi import operations
from apiserver.api.resources import builtin
from apiserver.api.status import NotAcceptable
from apiserver.rest import patch
from apiserver.rest.documents import Documents
from apiserver.rest.http import Response, send_response
from apiserver.rest.request import Query
from apiserver.rest.subresources import SERVED

V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
V2BETA1 = V2.replace("v=v2", "v=v2beta1")
KUBECTL = f"{V2},{V2BETA1},application/json"


@pytest.fixture
def documents() -> Documents:
    return Documents(builtin(SERVED), version="0.1.0", server_address=lambda: "127.0.0.1:6443")


async def get(documents: Documents, address: str, headers: Mapping[str, str] | None = None) -> Response:
    parts = urlsplit(address)
    answer = await documents.serve(parts.path, headers or {}, Query(parts.query.encode()))
    assert answer is not None
    return answer


def header(response: Response, name: str) -> str:
    return dict(response.headers).get(name.encode(), b"").decode()


async def address_of(documents: Documents, name: str) -> str:
    index = orjson.loads((await get(documents, "/openapi/v3")).body)
    address: str = index["paths"][name]["serverRelativeURL"]
    return address


async def test_a_document_asked_for_by_its_hash_may_be_kept_for_ever(documents: Documents) -> None:
    address = await address_of(documents, "apis/apps/v1")
    response = await get(documents, address)
    assert response.status == 200
    assert header(response, "cache-control") == "public, immutable"
    assert header(response, "expires").endswith("GMT")
    assert header(response, "vary") == "Accept"
    assert header(response, "etag") == f'"{address.partition("hash=")[2]}"'


async def test_a_document_asked_for_by_another_hash_is_to_be_found_at_its_own(documents: Documents) -> None:
    response = await get(documents, "/openapi/v3/apis/apps/v1?hash=ABC")
    assert response.status == 301
    assert header(response, "location") == await address_of(documents, "apis/apps/v1")


async def test_without_a_hash_a_client_must_ask_again_and_is_told_that_nothing_changed(documents: Documents) -> None:
    for path in ("/openapi/v3", "/openapi/v3/api/v1", "/apis", "/api/v1"):
        first = await get(documents, path)
        assert header(first, "cache-control") == ""
        again = await get(documents, path, {"if-none-match": header(first, "etag")})
        assert (again.status, again.body) == (304, b"")


async def test_openapi_is_json_or_not_acceptable(documents: Documents) -> None:
    protobuf = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf"
    with pytest.raises(NotAcceptable):
        await get(documents, "/openapi/v3/api/v1", {"accept": protobuf})
    assert (await get(documents, "/openapi/v3/api/v1", {"accept": f"{protobuf},application/json"})).status == 200
    with pytest.raises(NotAcceptable):
        await get(documents, "/openapi/v2")


@pytest.mark.parametrize(
    ("accept", "version"),
    [
        (KUBECTL, "v2"),
        (f"{V2BETA1},application/json", "v2beta1"),
        (V2.replace("v=v2", "v=v3") + f",{V2BETA1}", "v2beta1"),
        ("application/vnd.kubernetes.protobuf," + V2, "v2"),
    ],
)
async def test_the_first_aggregated_form_that_there_is_is_answered(
    documents: Documents, accept: str, version: str
) -> None:
    for path in ("/api", "/apis"):
        response = await get(documents, path, {"accept": accept})
        assert orjson.loads(response.body)["apiVersion"] == f"apidiscovery.k8s.io/{version}"
        assert f"v={version};" in response.content_type.decode()
        assert header(response, "cache-control") == "public"


@pytest.mark.parametrize("accept", ["", "*/*", "application/json, */*", f"application/json,{V2}"])
async def test_who_does_not_ask_for_the_aggregated_form_gets_the_old_one(documents: Documents, accept: str) -> None:
    response = await get(documents, "/apis", {"accept": accept})
    assert orjson.loads(response.body)["kind"] == "APIGroupList"
    assert response.content_type == b"application/json"


async def test_both_forms_of_one_path_have_their_own_etags(documents: Documents) -> None:
    old = await get(documents, "/apis")
    new = await get(documents, "/apis", {"accept": KUBECTL})
    assert header(old, "etag") != header(new, "etag")
    assert (await get(documents, "/apis", {"accept": KUBECTL, "if-none-match": header(old, "etag")})).status == 200


async def test_documents_follow_the_registry() -> None:
    registry = builtin(SERVED)
    documents = Documents(registry, version="0.1.0", server_address=lambda: "127.0.0.1:6443")
    before = {path: header(await get(documents, path), "etag") for path in ("/api/v1", "/openapi/v3/api/v1")}
    registry.remove("", "v1", "podtemplates")
    for path, etag in before.items():
        after = await get(documents, path, {"if-none-match": etag})
        assert after.status == 200
        assert b"podtemplates" not in after.body


async def test_a_path_that_is_not_there_has_no_document(documents: Documents) -> None:
    for path in ("/apis/nothing.example", "/apis/apps/v2", "/api/v2", "/openapi/v3/api/v2", "/openapi/v3x", "/x"):
        assert await documents.serve(path, {}, Query(b"")) is None


async def test_what_says_nothing_of_caching_is_not_cached() -> None:
    assert await cache_control(Response(b"{}")) == [b"no-cache, private"]
    assert await cache_control(Response(b"{}", headers=[(b"cache-control", b"public")])) == [b"public"]


async def cache_control(response: Response) -> list[bytes]:
    sent: list[MutableMapping[str, Any]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await send_response(send, response, {}, head=False)
    return [value for key, value in sent[0]["headers"] if key == b"cache-control"]


def test_openapi_names_the_patches_that_are_applied() -> None:
    assert operations.PATCH_TYPES == (patch.JSON_PATCH, patch.MERGE_PATCH, patch.STRATEGIC_PATCH)

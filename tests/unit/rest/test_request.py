"""What a URL asks for."""

import pytest

from apiserver.api.status import BadRequest
from apiserver.rest.request import Query, RequestInfo, parse, selected_name


def _info(method: str, path: str, query: bytes = b"") -> RequestInfo:
    return parse(method, path, Query(query))


@pytest.mark.parametrize(
    ("method", "path", "query", "verb", "place"),
    [
        ("GET", "/api/v1/pods", b"", "list", ("", "v1", "pods", "", "", "")),
        ("HEAD", "/api/v1/pods", b"", "list", ("", "v1", "pods", "", "", "")),
        ("GET", "/api/v1/pods", b"watch=1", "watch", ("", "v1", "pods", "", "", "")),
        ("GET", "/api/v1/pods", b"watch", "watch", ("", "v1", "pods", "", "", "")),
        ("GET", "/api/v1/pods", b"watch=false", "list", ("", "v1", "pods", "", "", "")),
        ("GET", "/api/v1/namespaces/a/pods/b", b"watch=1", "get", ("", "v1", "pods", "", "a", "b")),
        ("GET", "/api/v1/namespaces/a/pods/b/log", b"", "get", ("", "v1", "pods", "log", "a", "b")),
        ("DELETE", "/apis/apps/v1/namespaces/a/deployments", b"", "deletecollection",
         ("apps", "v1", "deployments", "", "a", "")),
        ("PATCH", "/apis/apps/v1/namespaces/a/deployments/b/scale", b"", "patch",
         ("apps", "v1", "deployments", "scale", "a", "b")),
        ("PUT", "/api/v1/namespaces/a/finalize", b"", "update", ("", "v1", "namespaces", "finalize", "a", "a")),
        ("GET", "/api/v1/namespaces/a", b"", "get", ("", "v1", "namespaces", "", "a", "a")),
        ("POST", "/api/v1/nodes/n/proxy/a/b", b"", "create", ("", "v1", "nodes", "proxy/a/b", "", "n")),
        ("GET", "/api/v1/watch/namespaces/a/pods/b", b"", "watch", ("", "v1", "pods", "", "a", "b")),
        ("GET", "/api/v1/namespaces/a/configmaps/b%2Fc", b"", "get", ("", "v1", "configmaps", "", "a", "b/c")),
        ("OPTIONS", "/api/v1/pods", b"", "", ("", "v1", "pods", "", "", "")),
    ],
)  # fmt: skip
def test_paths_of_resources(
    method: str, path: str, query: bytes, verb: str, place: tuple[str, str, str, str, str, str]
) -> None:
    info = _info(method, path, query)
    assert info.verb == verb
    assert (info.group, info.version, info.resource, info.subresource, info.namespace, info.name) == place


@pytest.mark.parametrize("path", ["/", "/api", "/api/v1", "/apis/apps", "/apis/apps/v1", "/livez/ping", "/a%20b"])
def test_paths_of_no_resource_have_the_method_as_their_verb(path: str) -> None:
    info = _info("GET", path)
    assert (info.resource, info.verb) == ("", "get")
    assert info.path == path.replace("%20", " ")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        (b"fieldSelector=metadata.name%3Dweb", "web"),
        (b"fieldSelector=metadata.name%3Dweb,spec.nodeName%3Da", "web"),
        (b"fieldSelector=metadata.name!%3Dweb", ""),
        (b"fieldSelector=nonsense", ""),
        (b"", ""),
    ],
)
def test_a_selector_may_pin_the_name_that_is_asked_for(query: bytes, name: str) -> None:
    assert selected_name(_info("GET", "/api/v1/pods", query), Query(query)) == name


@pytest.mark.parametrize(
    ("raw", "flag"),
    [(b"", None), (b"a", True), (b"a=", True), (b"a=1", True), (b"a=no", True), (b"a=0", False), (b"a=False", False)],
)
def test_flags_are_true_but_for_two_words(raw: bytes, flag: bool | None) -> None:
    assert Query(raw).flag("a") is flag


def test_numbers_are_read_as_go_reads_them() -> None:
    assert [Query(raw).integer("a") for raw in (b"", b"a=7", b"a=-7", b"a=%2B7")] == [None, 7, -7, 7]
    for raw, told in (
        (b"a=", 'strconv.ParseInt: parsing "": invalid syntax'),
        (b"a=1_0", 'strconv.ParseInt: parsing "1_0": invalid syntax'),
        (b"a=9223372036854775808", 'strconv.ParseInt: parsing "9223372036854775808": value out of range'),
    ):
        with pytest.raises(BadRequest) as refused:
            Query(raw).integer("a")
        assert refused.value.message == told


def test_more_parameters_than_anybody_needs_are_refused() -> None:
    with pytest.raises(BadRequest):
        Query.parse(b"&".join(b"a=1" for _ in range(1000)))

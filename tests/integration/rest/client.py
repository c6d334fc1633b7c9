"""A client that hides nothing: exact requests, exact answers."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

Obj = dict[str, Any]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        return str(self.json["message"])

    @property
    def rv(self) -> str:
        return str(self.json["metadata"]["resourceVersion"])

    @property
    def names(self) -> list[str]:
        return [item["metadata"]["name"] for item in self.json["items"]]

    def warnings(self) -> list[str]:
        told = self.headers.get("warning", "")
        return [part.removeprefix('299 - "').removesuffix('"') for part in told.split(", 299")] if told else []


class Client:
    """One connection, kept alive. Answers of every status are returned, none raises."""

    def __init__(self, port: int, tls: ssl.SSLContext, token: str | None) -> None:
        self._connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=tls)
        self._tls = tls
        self._token = token

    def like(self) -> Client:
        """Another one for another thread: a connection serves one request at a time."""
        return Client(self._connection.port, self._tls, self._token)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        **query: Any,
    ) -> Answer:
        """`body` is sent as it is when it is bytes, else as JSON; `query` takes lists for repeated parameters."""
        if query:
            path += ("&" if "?" in path else "?") + urlencode(query, doseq=True)
        sent = {"Authorization": f"Bearer {self._token}"} if self._token is not None else {}
        if body is not None:
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        try:
            self._connection.request(method, path, body=data, headers=sent)
            answer = self._connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise

    def get(self, path: str, **options: Any) -> Answer:
        return self.request("GET", path, **options)

    def post(self, path: str, body: Any, **options: Any) -> Answer:
        return self.request("POST", path, body, **options)

    def put(self, path: str, body: Any, **options: Any) -> Answer:
        return self.request("PUT", path, body, **options)

    def patch(self, path: str, body: Any, kind: str = MERGE_PATCH, **options: Any) -> Answer:
        return self.request(
            "PATCH", path, body, headers={"Content-Type": kind, **options.pop("headers", {})}, **options
        )

    def delete(self, path: str, body: Any = None, **options: Any) -> Answer:
        return self.request("DELETE", path, body, **options)

    def make(self, path: str, obj: Obj) -> Obj:
        """Create, and have the object."""
        answer = self.post(path, obj)
        assert answer.status == 201, answer.body
        made: Obj = answer.json
        return made

    def current_rv(self) -> int:
        return int(self.get("/api/v1/namespaces", limit=1).rv)

    @contextlib.contextmanager
    def unchanged(self) -> Iterator[None]:
        """Nothing may be stored meanwhile."""
        before = self.current_rv()
        yield
        assert self.current_rv() == before, "something was stored"

    def watch(self, path: str, *, headers: Mapping[str, str] | None = None, **query: Any) -> WatchLines:
        """A watch on a connection of its own."""
        own = http.client.HTTPSConnection(self._connection.host, self._connection.port, timeout=60, context=self._tls)
        sent = {"Authorization": f"Bearer {self._token}", **(headers or {})}
        own.request("GET", f"{path}?{urlencode(query)}", headers=sent)
        return WatchLines(own, own.getresponse())

    def close(self) -> None:
        self._connection.close()


class WatchLines:
    """Reads a watch frame by frame."""

    def __init__(self, connection: http.client.HTTPSConnection, answer: http.client.HTTPResponse) -> None:
        self._connection = connection
        self._answer = answer
        self.status = answer.status

    def next(self) -> Obj | None:
        """The next frame; None at the end."""
        line = self._answer.readline()
        return json.loads(line) if line else None

    def take(self, count: int) -> list[Obj]:
        frames = [self.next() for _ in range(count)]
        return [frame for frame in frames if frame is not None]

    def rest(self) -> list[Obj]:
        frames = []
        while (frame := self.next()) is not None:
            frames.append(frame)
        return frames

    def body(self) -> bytes:
        return self._answer.read()

    def close(self) -> None:
        self._answer.close()
        self._connection.close()

    def __enter__(self) -> WatchLines:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def short(frame: Obj | None) -> tuple[str, str]:
    """(type, name)."""
    assert frame is not None, "the watch ended"
    return frame["type"], frame["object"]["metadata"].get("name", "")


def status(code: int, reason: str, message: str, **details: Any) -> Obj:
    """The Status that kube-apiserver answers. `details` None leaves them out."""
    made: Obj = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
    if details:
        made["details"] = {k: v for k, v in details.items() if v not in ("", None)}
    return made


def path_of(namespace: str, resource: str, name: str = "", *, group: str = "", version: str = "v1") -> str:
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    within = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}{within}/{resource}" + (f"/{quote(name)}" if name else "")


def config_map(name: str, namespace: str = "", **data: str) -> Obj:
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def pod(name: str, **spec: Any) -> Obj:
    containers = [{"name": "main", "image": "web"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": containers, **spec},
    }


def deployment(name: str, replicas: int = 1) -> Obj:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "main", "image": "web"}]},
            },
        },
    }

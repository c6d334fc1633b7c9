"""Continue tokens: where the next page of a list goes on, in upstream's form.

Base64 of `{"v":"meta.k8s.io/v1","rv":…,"start":…}`. A resourceVersion of -1 says: go on after this key in the state of
now. Such a token comes with the answer to one that is too old.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import orjson

from apiserver.api.status import BadRequest, Expired
from apiserver.cache import ContinueToken

NOW = -1
_VERSION = "meta.k8s.io/v1"
_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


def encode(token: ContinueToken) -> str:
    raw = orjson.dumps({"v": _VERSION, "rv": token.rv, "start": token.key})
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def decode(text: str) -> ContinueToken:
    """Raises BadRequest."""
    try:
        raw: Any = orjson.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, UnicodeEncodeError, ValueError) as err:
        raise _unusable(f": {err}") from err
    rv, start = (raw.get("rv"), raw.get("start")) if isinstance(raw, dict) else (None, None)
    if not isinstance(rv, int) or not isinstance(start, str):
        raise _unusable("")
    if raw.get("v") != _VERSION:
        raise _unusable(f": server does not recognize this encoded version {raw.get('v')}")
    if not rv:
        raise _unusable(f": incorrect encoded start resourceVersion (version {_VERSION})")
    if not start:
        raise _unusable(f": encoded start key empty (version {_VERSION})")
    return ContinueToken(rv, start)


def _unusable(why: str) -> BadRequest:
    return BadRequest(f"invalid continue token: continue key is not valid{why}")


def too_old(token: ContinueToken) -> Expired:
    error = Expired(_TOO_OLD)
    error.continue_token = encode(ContinueToken(NOW, token.key))
    return error

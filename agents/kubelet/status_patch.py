"""What to send so that the API's status of a pod becomes the wanted one: a strategic merge patch. Pure.

It names only what differs and only conditions that are the kubelet's, so what others write meanwhile stays.
"""

from __future__ import annotations

from typing import Any

from agents.kubelet.conditions import OWN

Obj = dict[str, Any]

_KEYED_BY_IP = ("hostIPs", "podIPs")
_TAKEN_BACK = ("reason", "message")
"""What is said no longer once it does not hold."""


def status_patch(known: Obj, wanted: Obj) -> Obj:
    """Empty when nothing differs."""
    patch: Obj = {key: value for key, value in wanted.items() if key != "conditions" and known.get(key) != value}
    patch.update({key: None for key in _TAKEN_BACK if key in known and key not in wanted})
    for key in _KEYED_BY_IP:
        if patch.get(key):
            patch[key] = [{"$patch": "replace"}, *patch[key]]
    conditions = _conditions(known.get("conditions") or [], wanted.get("conditions") or [])
    if conditions:
        patch["conditions"] = conditions
    return patch


def _conditions(known: list[Obj], wanted: list[Obj]) -> list[Obj]:
    """Elements are merged by type, so what a condition no longer says is taken back by a null."""
    before = {c["type"]: c for c in known}
    changed = [c for c in wanted if c["type"] in OWN and _differs(before.get(c["type"]), c)]
    return [{**dict.fromkeys(before.get(c["type"], {}), None), **c} for c in changed]


def _differs(before: Obj | None, wanted: Obj) -> bool:
    return before is None or _stated(before) != _stated(wanted)


def _stated(condition: Obj) -> Obj:
    return {k: v for k, v in condition.items() if v is not None}

"""A Subscription may select only what its author may watch, and what there is; its cursor begins at a number.

`Now` begins behind the last resourceVersion of the moment before the Subscription is stored, so that no change after it
is missed. `Everything` begins one earlier: the list that its subscriber takes first is never as old as that, so whoever
finds the cursor there knows that this was not done yet.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from apiserver.admission.base import Attributes, Operation
from apiserver.api import fielderrors
from apiserver.api.kinds.subscription import is_version
from apiserver.api.resources import Registry
from apiserver.rest.endpoint import Endpoint
from apiserver.subscriptions.access import Access
from apiserver.subscriptions.spec import SUBSCRIPTIONS, selection_of
from broker.selection import ANY, Selection


class SubscriptionAdmission:
    def __init__(self, access: Access, registry: Registry, current_rv: Callable[[], Awaitable[int]]) -> None:
        self._access = access
        self._registry = registry
        self._current_rv = current_rv

    def handles(self, endpoint: Endpoint, subresource: str, operation: Operation) -> bool:
        return endpoint.stored == SUBSCRIPTIONS and not subresource and operation in ("CREATE", "UPDATE")

    async def admit(self, attributes: Attributes) -> None:
        obj = attributes.obj
        if obj is None:
            return
        selection = selection_of(obj.get("spec") or {})
        if attributes.old is None or selection_of(attributes.old.get("spec") or {}) != selection:
            self._check_known(attributes.name, selection)
            self._access.check(attributes.user, selection)
        if attributes.operation == "CREATE":
            obj["status"] = {"startResourceVersion": str(await self._start(attributes))}

    def _check_known(self, name: str, selection: Selection) -> None:
        served = [r for r in self._registry.all() if "watch" in r.verbs]
        known = {(r.group, r.plural) for r in served} | {(r.group, ANY) for r in served} | {(ANY, ANY)}
        clusterwide = {(r.group, r.plural) for r in served if not r.namespaced}
        elsewhere = {(r.group, r.plural): r.storage for r in served if r.storage.group != r.group}
        errors: list[fielderrors.FieldError] = []
        for i, one in enumerate(selection.resources):
            place = (one.group, one.resource)
            if one.resource and place not in known:
                named = {"group": one.group, "resource": one.resource}
                errors.append(fielderrors.not_found_value(f"spec.resources[{i}]", named))
            elif place in elsewhere:
                told = f'the changes of {one.resource} are those of the group "{elsewhere[place].group}"'
                errors.append(fielderrors.invalid_value(f"spec.resources[{i}].group", one.group, told))
            elif selection.namespace and place in clusterwide:
                told = f"{one.resource} have no namespace"
                errors.append(fielderrors.invalid_value("spec.namespace", selection.namespace, told))
        if errors:
            raise fielderrors.invalid("Subscription", SUBSCRIPTIONS.group, name, errors)

    async def _start(self, attributes: Attributes) -> int:
        now = await self._current_rv()
        start = ((attributes.obj or {}).get("spec") or {}).get("start") or {}
        if start.get("from") == "Everything":
            return max(now - 1, 0)
        asked = start.get("resourceVersion") or ""
        if not is_version(asked):
            return now
        if int(asked) > now:
            told = f"is beyond the current resourceVersion {now}"
            error = fielderrors.invalid_value("spec.start.resourceVersion", asked, told)
            raise fielderrors.invalid("Subscription", SUBSCRIPTIONS.group, attributes.name, [error])
        return int(asked)

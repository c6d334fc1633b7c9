"""From a container of the pod's spec to what the runtime is asked to make."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.kubelet.downward import PodFacts
from agents.kubelet.environment import EnvironmentRefused, environment
from agents.kubelet.expand import expand
from agents.kubelet.runtime import ConfigRefused, ContainerConfig, Mount, RunAs
from agents.kubelet.sources import Sources

Obj = dict[str, Any]

NO_COMMAND = "the process runtime ignores images: give the container a command"


@dataclass(frozen=True, slots=True)
class Making:
    """What one kubelet and one pod bring along for all their containers."""

    facts: PodFacts
    sources: Sources
    volumes: Mapping[str, str]  # volume → its directory or file on this machine
    path: str
    needs_command: bool  # False where the runtime does not run anything
    may_switch_user: bool


async def container_config(spec: Obj, *, attempt: int, making: Making) -> ContainerConfig:
    """Raises ConfigRefused."""
    pod = making.facts.pod
    mounts = tuple(_mounts(spec, making))
    try:
        env = await environment(
            spec,
            facts=making.facts,
            sources=making.sources,
            mounts=mounts,
            hostname=hostname(pod),
            path=making.path,
        )
    except EnvironmentRefused as err:
        raise ConfigRefused(str(err)) from err
    return ContainerConfig(
        name=spec["name"],
        attempt=attempt,
        image=spec.get("image") or "",
        command=_command(spec, env.declared, making),
        env=env.all,
        working_dir=spec.get("workingDir") or "",
        mounts=mounts,
        run_as=_run_as(spec, pod, making),
        stop_signal=(spec.get("lifecycle") or {}).get("stopSignal") or "SIGTERM",
        annotations=tuple((pod["metadata"].get("annotations") or {}).items()),
    )


def hostname(pod: Obj) -> str:
    return str(pod["spec"].get("hostname") or pod["metadata"]["name"])[:63]


def _command(spec: Obj, declared: Mapping[str, str], making: Making) -> tuple[str, ...]:
    command = [expand(word, declared) for word in spec.get("command") or ()]
    args = [expand(word, declared) for word in spec.get("args") or ()]
    if making.needs_command and not command:
        # `args` alone would be arguments of the image's entrypoint, which nobody knows here.
        raise ConfigRefused(NO_COMMAND)
    return (*command, *args)


def _mounts(spec: Obj, making: Making) -> Sequence[Mount]:
    found = []
    for mount in spec.get("volumeMounts") or ():
        host = making.volumes.get(mount["name"])
        if host is None:
            raise ConfigRefused(f'cannot find volume "{mount["name"]}" to mount into container "{spec["name"]}"')
        below = mount.get("subPath") or ""
        path = os.path.join(host, below) if below else host  # noqa: PTH118  an empty part would add a slash
        found.append(Mount(mount["name"], mount["mountPath"], path, bool(mount.get("readOnly"))))
    return found


def _run_as(spec: Obj, pod: Obj, making: Making) -> RunAs:
    """The container's own security context wins over the pod's."""
    shared = pod["spec"].get("securityContext") or {}
    own = spec.get("securityContext") or {}
    uid, gid = (own.get(key, shared.get(key)) for key in ("runAsUser", "runAsGroup"))
    runs_as = uid if uid is not None else os.geteuid()
    if own.get("runAsNonRoot", shared.get("runAsNonRoot")) and runs_as == 0 and making.needs_command:
        raise ConfigRefused(f"container has runAsNonRoot and would run as root (container: {spec['name']})")
    if not making.needs_command:
        return RunAs()
    if not making.may_switch_user:
        if uid not in (None, os.geteuid()) or gid not in (None, os.getegid()):
            raise ConfigRefused(f"only a kubelet that runs as root can run a container as user {uid}, group {gid}")
        return RunAs()
    groups = [*(shared.get("supplementalGroups") or ()), *([shared["fsGroup"]] if "fsGroup" in shared else ())]
    return RunAs(uid, gid if gid is not None else (0 if uid is not None else None), tuple(groups))

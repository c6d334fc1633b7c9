"""Decide where one pod goes: `(snapshot, pod) -> Decision`, without waiting, clock or chance.

Every plugin may rule nodes out; what is left is rated, and the best rated node wins, the one in the lowest row among
equals. A node that the pod was promised wins without that, if it will do. Other pods that were promised a node
(nominated, because victims are being removed for them) count as if they were there when they are as important, and the
pod must also fit without them: they may go elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from agents.scheduler.decision import Chosen, Decision, Refused
from agents.scheduler.framework import ANYTHING, NOTHING, Check, Plugin, Refusal
from agents.scheduler.plugins.registry import PLUGINS
from agents.scheduler.podinfo import PodInfo
from agents.scheduler.rows import Mask
from agents.scheduler.snapshot import Snapshot

Nominated = Sequence[tuple[PodInfo, str]]


def decide(
    snapshot: Snapshot, pod: PodInfo, *, nominated: Nominated = (), plugins: Sequence[Plugin] = PLUGINS
) -> Decision:
    outcome = judge(snapshot, pod, nominated=nominated, plugins=plugins)
    rows = np.flatnonzero(outcome.feasible)
    if not len(rows):
        return _refused(snapshot, outcome)
    promised = snapshot.rows.row_of(pod.nominated)
    if promised is not None and outcome.feasible[promised]:
        return Chosen(pod.nominated)
    row = int(rows[0]) if len(rows) == 1 else _best(outcome)
    return Chosen(snapshot.rows.names[row])


@dataclass(slots=True)
class Outcome:
    """The nodes that will do, and who ruled out the others. Of no use once the snapshot changes."""

    feasible: Mask
    checks: list[tuple[Plugin, Check]] = field(default_factory=list)
    refusals: list[tuple[Plugin, Sequence[Refusal]]] = field(default_factory=list)


def judge(
    snapshot: Snapshot, pod: PodInfo, *, nominated: Nominated = (), plugins: Sequence[Plugin] = PLUGINS
) -> Outcome:
    """Ask for refusals only."""
    others = [(p, node) for p, node in nominated if p.priority >= pod.priority and p.uid != pod.uid]
    if not others:
        return _judge(snapshot, pod, plugins)
    with snapshot.with_pods(others):
        outcome = _judge(snapshot, pod, plugins)
    alone = _judge(snapshot, pod, plugins)
    return Outcome(outcome.feasible & alone.feasible, alone.checks, outcome.refusals + alone.refusals)


def reasons_at(snapshot: Snapshot, outcome: Outcome, node: str) -> Sequence[str] | None:
    """Why this node will not do, by the first plugin that says so; None when it will do."""
    row = snapshot.rows.row_of(node)
    if row is None or outcome.feasible[row]:
        return None
    for _, refusals in outcome.refusals:
        if found := [refusal.reason for refusal in refusals if refusal.mask[row]]:
            return found
    return ()


def _judge(snapshot: Snapshot, pod: PodInfo, plugins: Sequence[Plugin]) -> Outcome:
    outcome = Outcome(snapshot.rows.valid.copy())
    for plugin in plugins:
        check = _remembered(plugin, pod, snapshot) if plugin.static else plugin.prepare(pod, snapshot)
        if check is None:
            continue
        outcome.checks.append((plugin, check))
        refusals = check.refuse()
        if not refusals:
            continue
        outcome.refusals.append((plugin, refusals))
        for refusal in refusals:
            outcome.feasible &= ~refusal.mask
        if not outcome.feasible.any():
            break
    return outcome


def _remembered(plugin: Plugin, pod: PodInfo, snapshot: Snapshot) -> Check | None:
    key = (plugin, pod.template.node_key)
    return snapshot.remembered(key, lambda: plugin.prepare(pod, snapshot))


def _best(outcome: Outcome) -> int:
    total = np.zeros(len(outcome.feasible))
    for plugin, check in outcome.checks:
        scores = check.score(outcome.feasible) if plugin.weight else None
        if scores is not None:
            total += scores * plugin.weight
    return int(np.where(outcome.feasible, total, -1.0).argmax())


def _refused(snapshot: Snapshot, outcome: Outcome) -> Refused:
    """Count each node for the first plugin that refused it."""
    unjudged = snapshot.rows.valid.copy()
    final = snapshot.rows.mask()
    reasons: Counter[str] = Counter()
    names: set[str] = set()
    helped_by = NOTHING if len(snapshot) else ANYTHING
    for plugin, refusals in outcome.refusals:
        refused = snapshot.rows.mask()
        for refusal in refusals:
            hit = refusal.mask & unjudged
            refused |= hit
            final |= hit & refusal.final
            reasons[refusal.reason] += int(hit.sum())
        if refused.any():
            names.add(plugin.name)
            helped_by |= plugin.helped_by
        unjudged &= ~refused
    resolvable = np.flatnonzero(snapshot.rows.valid & ~final)
    return Refused(
        nodes=len(snapshot),
        reasons=+reasons,
        plugins=frozenset(names),
        helped_by=helped_by,
        resolvable=tuple(snapshot.rows.names[row] for row in resolvable),
    )

"""Counts and conditions as upstream's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from agents.controllers import deployment_status as progress
from agents.controllers.deployment_status import News
from tests.unit.agents.controllers.objects import NOW, at, deployment, replica_set

Obj = dict[str, Any]


def deployed(replicas: int = 2, *, deadline: int | None = 600, before: Obj | None = None, **spec: Any) -> Obj:
    d = deployment(replicas, progressDeadlineSeconds=deadline, **spec)
    return {**d, "status": before or {}}


def told(status: Obj, kind: str = "Progressing") -> tuple[str, str, str] | None:
    found = next((c for c in status["conditions"] if c["type"] == kind), None)
    return (found["status"], found["reason"], found["message"]) if found else None


def progressing(reason: str, *, value: str = "True", updated: float = 0, since: float = -500, said: str = "m") -> Obj:
    return {
        "type": "Progressing",
        "status": value,
        "reason": reason,
        "message": said,
        "lastUpdateTime": at(updated),
        "lastTransitionTime": at(since),
    }


def judge(
    d: Obj, sets: list[Obj], *, news: News | None = None, rolls: bool = True, later: float = 0
) -> tuple[Obj, float | None]:
    new = next((rs for rs in sets if rs["metadata"]["name"] == "new"), None)
    return progress.status(d, sets, new, NOW + timedelta(seconds=later), news=news, rolls=rolls)


def new(size: int, available: int | None = None, **status: Any) -> Obj:
    return replica_set("new", size, available=available, image="a", age=5, **status)


def test_counts_are_the_sums_of_the_sets() -> None:
    status, _ = judge(deployed(3), [new(2, 1, terminatingReplicas=1), replica_set("old", 2, terminatingReplicas=0)])
    counts = {k: v for k, v in status.items() if k != "conditions"}
    assert counts == {
        "observedGeneration": 1, "replicas": 4, "updatedReplicas": 2, "readyReplicas": 3, "availableReplicas": 3,
        "unavailableReplicas": 1, "terminatingReplicas": 1,
    }  # fmt: skip


def test_terminating_pods_are_not_counted_before_every_set_tells_of_them() -> None:
    status, _ = judge(deployed(), [new(1, terminatingReplicas=1), replica_set("old", 1)])
    assert "terminatingReplicas" not in status


def test_available_means_that_no_more_are_missing_than_may() -> None:
    assert told(judge(deployed(4), [new(4, 3)])[0], "Available") == (
        "True", "MinimumReplicasAvailable", "Deployment has minimum availability.",
    )  # fmt: skip
    assert told(judge(deployed(4), [new(4, 2)])[0], "Available") == (
        "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.",
    )  # fmt: skip


def test_a_new_set_is_told_of_and_starts_the_deadline() -> None:
    news = News(progress.SET_CREATED, 'Created new replica set "new"')
    status, left = judge(deployed(), [new(2, 0, replicas=0)], news=news)
    assert told(status) == ("True", "NewReplicaSetCreated", 'Created new replica set "new"')
    assert left == 600


def test_progress_is_told_and_starts_the_deadline_anew() -> None:
    d = deployed(before={"conditions": [progressing(progress.SET_CREATED, updated=-590)]})
    status, left = judge(d, [new(2, 1)])
    assert told(status) == ("True", "ReplicaSetUpdated", 'ReplicaSet "new" is progressing.')
    assert left == 600
    [condition] = [c for c in status["conditions"] if c["type"] == "Progressing"]
    assert (condition["lastUpdateTime"], condition["lastTransitionTime"]) == (at(0), at(-500))


def test_a_finished_rollout_says_so_and_stays_so() -> None:
    d = deployed(before={"conditions": [progressing(progress.SET_UPDATED)]})
    status, left = judge(d, [new(2)])
    assert told(status) == ("True", "NewReplicaSetAvailable", 'ReplicaSet "new" has successfully progressed.')
    assert left is None
    later = {**d, "status": status}
    lost_a_pod, left = judge(later, [new(2, 1)], later=5000)
    assert told(lost_a_pod) == told(status)
    assert left is None


def test_a_rollout_that_does_not_move_times_out_at_its_deadline_and_not_before() -> None:
    before = {"replicas": 2, "updatedReplicas": 2, "conditions": [progressing(progress.SET_UPDATED, updated=-590)]}
    d = deployed(before=before)
    status, left = judge(d, [new(2, 0)])
    assert told(status) == ("True", "ReplicaSetUpdated", "m")
    assert left == 10
    status, left = judge(d, [new(2, 0)], later=11)
    assert told(status) == ("False", "ProgressDeadlineExceeded", 'ReplicaSet "new" has timed out progressing.')
    assert left is None
    again, _ = judge({**d, "status": status}, [new(2, 0)], later=5000)
    assert again["conditions"] == status["conditions"]


def test_progress_after_the_deadline_counts() -> None:
    timed_out = progressing(progress.TIMED_OUT, value="False")
    d = deployed(before={"replicas": 2, "updatedReplicas": 2, "conditions": [timed_out]})
    status, _ = judge(d, [new(2, 1)])
    assert told(status) == ("True", "ReplicaSetUpdated", 'ReplicaSet "new" is progressing.')
    assert next(c for c in status["conditions"] if c["type"] == "Progressing")["lastTransitionTime"] == at(0)


def test_a_pause_stops_the_deadline_and_resuming_starts_it() -> None:
    d = deployed(paused=True, before={"conditions": [progressing(progress.SET_UPDATED, updated=-590)]})
    status, left = judge(d, [new(2, 0)], rolls=False)
    assert told(status) == ("Unknown", "DeploymentPaused", "Deployment is paused")
    assert left is None
    still, _ = judge({**d, "status": status}, [new(2, 0)], rolls=False, later=5000)
    assert still["conditions"] == status["conditions"]
    resumed = {**deployed(), "status": still}
    status, left = judge(resumed, [new(2, 0)], later=5000)
    assert told(status) == ("Unknown", "DeploymentResumed", "Deployment is resumed")
    assert left == 600


def test_a_pause_does_not_cover_a_deadline_that_was_missed() -> None:
    timed_out = progressing(progress.TIMED_OUT, value="False")
    d = deployed(paused=True, before={"conditions": [timed_out]})
    assert told(judge(d, [new(2, 0)], rolls=False)[0]) == ("False", "ProgressDeadlineExceeded", "m")


def test_a_change_of_size_says_nothing_about_progress() -> None:
    d = deployed(before={"conditions": [progressing(progress.SET_AVAILABLE)]})
    status, left = judge(d, [new(5, 2)], rolls=False)
    assert told(status) == ("True", "NewReplicaSetAvailable", "m")
    assert left is None


def test_without_a_deadline_there_is_no_such_condition() -> None:
    for deadline in (None, 2**31 - 1):
        d = deployed(deadline=deadline, before={"conditions": [progressing(progress.SET_UPDATED)]})
        status, left = judge(d, [new(2)], news=News(progress.SET_CREATED, "m"))
        assert (told(status), left) == (None, None)


def test_a_set_that_was_found_is_told_of_only_where_nothing_else_was() -> None:
    found = News(progress.SET_FOUND, 'Found new replica set "new"')
    assert told(judge(deployed(), [new(2, 0, replicas=0)], news=found)[0]) == (
        "True", "FoundNewReplicaSet", 'Found new replica set "new"',
    )  # fmt: skip
    d = deployed(before={"conditions": [progressing(progress.SET_AVAILABLE)]})
    assert told(judge(d, [new(2, 0, replicas=0)], news=found)[0]) == ("True", "NewReplicaSetAvailable", "m")


def test_a_set_that_cannot_be_made_is_told_of() -> None:
    status, left = judge(deployed(), [], news=News(progress.SET_FAILED, 'Failed to create new replica set "x": no'))
    assert told(status) == ("False", "ReplicaSetCreateError", 'Failed to create new replica set "x": no')
    assert left == 600


def test_what_keeps_a_set_from_making_pods_is_told_and_the_new_sets_trouble_goes_first() -> None:
    def failing(rs: Obj, message: str) -> Obj:
        cause = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message,
                 "lastTransitionTime": at(-3)}  # fmt: skip
        return {**rs, "status": {**rs["status"], "conditions": [cause]}}

    sets = [failing(replica_set("old", 1), "old"), failing(new(2, 0), "new")]
    status, _ = judge(deployed(), sets)
    assert told(status, "ReplicaFailure") == ("True", "FailedCreate", "new")
    well, _ = judge({**deployed(), "status": status}, [new(2)])
    assert told(well, "ReplicaFailure") is None


def test_the_same_again_changes_nothing() -> None:
    d = deployed()
    first, _ = judge(d, [new(2, 1)], news=News(progress.SET_CREATED, "m"))
    again, _ = judge({**d, "status": first}, [new(2, 1)], later=100)
    assert again == first


def test_the_collision_count_is_kept() -> None:
    assert judge(deployed(before={"collisionCount": 2}), [])[0]["collisionCount"] == 2

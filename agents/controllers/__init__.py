"""The controllers: one module each, one `reconcile(key)` each, all in one process behind one durable subscription.

    deployment       ReplicaSets of a Deployment: rollouts, scaling, rollback, history
    replicaset       Pods of a ReplicaSet
    garbage          dependents whose owners are gone; foreground and orphan deletion
    namespace        empties namespaces that are being deleted
    node_lifecycle   node health → conditions and taints
    taint_eviction   pods that do not tolerate their node's taints
    pod_garbage      pods whose node is gone, and finished ones beyond a number
    serviceaccount   the account `default` and the root certificate of every namespace

A controller is added by one file with a class that implements `agents.client.runtime.Controller`, and one line in
`agents.controllers.registry`. What to do is decided by pure functions: the `*_decide` modules, `deployment_status`,
`revisions`, `ownership`, `garbage_graph`, `pods`.
"""

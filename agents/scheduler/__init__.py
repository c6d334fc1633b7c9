"""The scheduler: which node each pod goes to.

    changes → placements → snapshot        the cluster as arrays, kept up by differences
              queue                        pods that wait, by priority and age
    (snapshot, pod) → decide → Decision    plugins rule nodes out and rate the rest; pure
    scheduler                              the loop around it
    commands → bindings, conditions, Events

A plugin is added by one file in `plugins/` with a class that implements `framework.Plugin`, and one line in
`plugins/registry.py`.
"""

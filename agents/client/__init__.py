"""What every agent is built of: REST for commands, a durable subscription for changes, and the machinery between.

resources   which resources agents speak of            outcome    what a reconcile came to
config      a kubeconfig                               ledger     which changes wait for which keys
transport   one HTTP exchange, and its retries         runtime    changes → keys → reconcile → acknowledge
rest        commands and reads                         election   one of several works at a time
informer    a local copy of a resource                 events     Kubernetes Events
queue       keys to reconcile, never twice at once     correlator which Events are counted up or left out
                                                       process    one agent as a process
"""

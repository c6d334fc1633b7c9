"""What every agent is built of: REST for commands, a durable subscription for changes, and the machinery between.

resources   which resources agents speak of            watching   what an agent keeps copies of
config      a kubeconfig                               outcome    what a reconcile came to
transport   one HTTP exchange, and its retries         ledger     which changes wait for which keys
rest        commands and reads                         runtime    changes → keys → reconcile → acknowledge
informer    a local copy of a resource                 election   one of several works at a time
login       a Subscription and its credentials         events     Kubernetes Events
process     one agent as a process                     correlator which Events are counted up or left out
"""

"""The bus: subjects and changes, the relay that publishes them, and the ways to listen.

subjects      where a change is published
change        what a change carries
connection    one connection to NATS, kept alive
stream        the stream whose sequences are the resourceVersions
relay         outbox → stream
tail          follow without a trace: caches, watches, replays
subscriber    a durable cursor: agents
watermark     acknowledge only what is done
node_rpc      requests to a node's kubelet
crashpoints   where tests may have a process die
"""

"""The bus: subjects and changes, the relay that publishes them, and the ways to listen.

For whoever listens, `listen` is what to import; docs/subscribing.md tells the same for other languages.

listen        subscribe, listen, by_key, follow, replay: the library
cursor        a place in the stream that outlives its process, and what of it is in hand
by_key        a handler per object, acknowledged when it is done
api           the few questions that a subscriber has for an API server; kubeconfig reads where that is
snapshot      what exists of a selection at one resourceVersion
grant         credentials for one Subscription, as the API server answers them
labels        a label selector, applied by the subscriber
logs          where the library's log goes

subjects      where a change is published
change        what a change carries
selection     what is selected, as filters
connection    one connection to NATS, kept alive; login tells where it is and who asks
stream        the stream whose sequences are the resourceVersions
relay         outbox → stream
tail          follow without a trace: caches, watches
replay        read a stretch again; lookup: one object at an earlier time. For those who may read the stream
subscriber    a durable cursor in the broker; consumer: how it is made, moved and removed
watermark     acknowledge only what is done; workqueue: keys, never the same one twice at once
credentials   who may do what on the bus; nkeys: NATS' keys and JWTs
node_rpc      requests to a node's kubelet
crashpoints   where tests may have a process die
"""

"""Commands that look at a control plane from outside, through its API server, with the caller's own rights.

plane        finds the control plane, and runs a command against it
discovery    resources by the names that people give them
changes      what was and what comes, read line by line across lost connections
output       rows and documents on standard output
replay       the stream, again
history      each version of one object, as differences
state        objects as they were
trace        one object's life as a timeline (`timeline` decides what is told)
lag          who listens, and how far each is
subscribe    tails a Subscription (`snapshot` tells what there was before)
"""

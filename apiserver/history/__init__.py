"""What was: the changes of the past, read back from the stream for whoever may watch what they are about.

asked        what a request for changes selects
state        a resource as it was at a resourceVersion
changes      GET /backbeat/changes: one line of JSON for each change, with who made it and when
"""

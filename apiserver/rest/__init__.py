"""The request path: authenticate → authorize → decode → default → admit → validate → commit → encode.

`app.App` is the whole path on one screen; `request` reads the URL, `negotiation` the media types, `reads` and `writes`
hold the verbs, `subresources` what hangs below an object, `virtual` the kinds that are only asked and never stored.
"""

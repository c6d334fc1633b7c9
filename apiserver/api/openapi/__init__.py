"""OpenAPI v3, one document for each group and version, made from the registry and upstream's definitions.

kubectl reads it for `explain`, for the merge keys of `apply` and for whether a PATCH knows `fieldValidation`; code
generators and editors read the rest. A document names only operations that the registry's resources have.

Equal registries give equal bytes, in every process, so the hash in the index may be taken before, and without keeping,
the document that it speaks of.
"""

from apiserver.api.openapi.documents import PREFIX, digest, document

__all__ = ["PREFIX", "digest", "document"]

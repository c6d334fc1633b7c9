"""YAML bodies as JSON documents: plain data only, read as upstream's YAML library reads it. Raises NotYAML.

Of a stream the first document counts. Tags of programming languages mean nothing here, mappings and lists are what
they look like. Anchors may be used: every alias becomes a copy of its own, and a document may not grow by them beyond
bounds. Where a mapping has a key twice the last one counts, and the complaint about it is returned.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from apiserver.api.jsondecode import DEEPEST
from apiserver.api.yamlscalars import NotAScalar, key_text, resolve

MOST_COPIED = 200_000
"""How many values may come from aliases."""

_MERGE = "tag:yaml.org,2002:merge"
_ALIAS = re.compile(r"\*([0-9A-Za-z_-]*)")


class NotYAML(ValueError):
    """The body can't be read as YAML, or holds what JSON has no form for. The message is upstream's."""


class _Loader(yaml.CSafeLoader):
    """Composes nodes only; what a scalar means is decided by `yamlscalars`, by its style and tag."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        """The tag of a node that the document gives none: we have none either."""
        return ""


def decode(body: bytes) -> tuple[Any, list[str]]:
    """The document and the complaints about repeated keys."""
    loader = _Loader(body)
    reader = _Reader()
    try:
        root = loader.get_node() if loader.check_node() else None
        document = None if root is None else reader.value(root, 0)
    except yaml.YAMLError as err:
        raise NotYAML(_told(err, body)) from err
    except NotAScalar as err:
        raise NotYAML(str(err)) from err
    except RecursionError as err:
        raise NotYAML("exceeded max depth") from err
    finally:
        loader.dispose()
    return document, list(reader.repeated)


class _Reader:
    """Turns nodes into JSON values."""

    def __init__(self) -> None:
        self.repeated: dict[str, None] = {}
        self._seen: set[int] = set()
        self._open: set[int] = set()
        self._aliases = 0  # how many aliases we are inside of
        self._copied = 0

    def value(self, node: yaml.Node, depth: int) -> Any:
        if self._aliases:
            self._count()
        if isinstance(node, yaml.ScalarNode):
            return resolve(node.tag, node.value, plain=not node.style)
        return self._collection(node, depth)

    def _count(self) -> None:
        self._copied += 1
        if self._copied > MOST_COPIED:
            raise NotYAML("yaml: document contains excessive aliasing")

    def _collection(self, node: yaml.Node, depth: int) -> Any:
        if depth >= DEEPEST:
            raise NotYAML("exceeded max depth")
        this = id(node)
        if this in self._open:
            raise NotYAML("yaml: anchor value contains itself")
        alias = this in self._seen
        self._seen.add(this)
        self._open.add(this)
        self._aliases += alias
        if isinstance(node, yaml.MappingNode):
            made: Any = self._mapping(node, depth + 1)
        else:
            made = [self.value(item, depth + 1) for item in node.value]
        self._aliases -= alias
        self._open.discard(this)
        return made

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if _is_merge(key_node):
                merged = self._merged(value_node, depth) | merged
                continue
            key = self._key(key_node)
            if key in out:
                self.repeated[f'line {key_node.start_mark.line + 1}: key "{key}" already set in map'] = None
            out[key] = self.value(value_node, depth)
        return merged | out if merged else out

    def _key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise NotYAML("yaml: invalid map key")
        return key_text(resolve(node.tag, node.value, plain=not node.style))

    def _merged(self, node: yaml.Node, depth: int) -> dict[str, Any]:
        """What `<<` brings; of several mappings the earlier ones win."""
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        out: dict[str, Any] = {}
        for source in sources:
            if not isinstance(source, yaml.MappingNode):
                raise NotYAML("yaml: map merge requires map or sequence of maps as the value")
            out = self.value(source, depth) | out
        return out


def _is_merge(node: yaml.Node) -> bool:
    if not isinstance(node, yaml.ScalarNode):
        return False
    return node.tag == _MERGE or (node.value == "<<" and not node.tag and not node.style)


def _told(err: yaml.YAMLError, body: bytes) -> str:
    """The error in the words of upstream's library, which counts lines in its own way."""
    if isinstance(err, yaml.reader.ReaderError):
        return f"yaml: {err.reason}"
    if not isinstance(err, yaml.MarkedYAMLError):
        return f"yaml: {err}"
    problem, context = err.problem_mark, err.context_mark
    if err.problem == "found undefined alias" and problem is not None:
        return f"yaml: unknown anchor '{_alias_at(body, problem.line, problem.column)}' referenced"
    line = 0
    if problem is not None and problem.line:
        line = problem.line + isinstance(err, yaml.scanner.ScannerError)
    elif context is not None:
        line = context.line
    where = f"line {line}: " if line else ""
    return f"yaml: {where}{err.problem}"


def _alias_at(body: bytes, line: int, column: int) -> str:
    lines = body.decode("utf-8", "replace").split("\n")
    found = _ALIAS.match(lines[line], column) if line < len(lines) else None
    return found[1] if found else ""

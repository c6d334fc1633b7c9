"""`backbeat state`: objects as they were at a resourceVersion.

A LIST with `resourceVersionMatch=Exact`, which any client may send. Ages in a table are those of now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deploy.commands.discovery import Catalogue, Known
from deploy.commands.objects import as_yaml
from deploy.commands.output import Output, columns, note
from deploy.commands.plane import Plane
from deploy.errors import UserError

TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1,application/json"
FORMS = ("table", "wide", "yaml", "json", "name")

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class StateOptions:
    at: int
    resource: str
    """`pods`, `pods,deploy`, `pod/web-1`, `all`."""
    namespace: str = ""
    everywhere: bool = False
    selector: str = ""
    form: str = "table"


@dataclass(frozen=True, slots=True)
class Listed:
    """One resource as it was: a Table, or a list of objects."""

    known: Known
    document: Obj

    @property
    def items(self) -> list[Obj]:
        head = {"apiVersion": self.known.api_version, "kind": self.known.kind}
        return [{**head, **item} for item in self.document["items"]]


async def state(plane: Plane, options: StateOptions) -> None:
    kinds, _, name = options.resource.partition("/")
    catalogue = await Catalogue.ask(plane.transport)
    wanted = catalogue.find_all(kinds)
    if name and options.everywhere:
        raise UserError("a resource cannot be retrieved by name across all namespaces")
    as_table = options.form in ("table", "wide")
    found = [await _list(plane, options, known, name, as_table=as_table) for known in wanted]
    output = Output()
    if as_table:
        _show_tables(output, plane, options, found, name)
        return
    items = [item for listed in found for item in listed.items]
    _check_found(options, wanted, name, len(items))
    if options.form == "name":
        for listed in found:
            for item in listed.items:
                output.text(listed.known.shown(item["metadata"]["name"]))
        return
    document = items[0] if name else _list_of(items, options.at)
    if options.form == "json":
        output.json(document)
    else:
        output.text(as_yaml(document))


async def _list(plane: Plane, options: StateOptions, known: Known, name: str, *, as_table: bool) -> Listed:
    namespace = "" if options.everywhere else plane.namespace(options.namespace)
    query = {"resourceVersion": str(options.at), "resourceVersionMatch": "Exact"}
    if options.selector:
        query["labelSelector"] = options.selector
    if name:
        query["fieldSelector"] = f"metadata.name={name}"
    headers = {"Accept": TABLE} if as_table else None
    return Listed(known, await plane.transport.read(known.path(namespace), query=query, headers=headers))


def _check_found(options: StateOptions, wanted: Sequence[Known], name: str, count: int) -> None:
    if name and not count:
        resource = wanted[0]
        named = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
        raise UserError(f'{named} "{name}" not found at resourceVersion {options.at}')


def _list_of(items: Sequence[Obj], at: int) -> Obj:
    return {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": str(at)}, "items": list(items)}


def _show_tables(output: Output, plane: Plane, options: StateOptions, found: Sequence[Listed], name: str) -> None:
    full = [listed for listed in found if listed.document.get("rows")]
    _check_found(options, [listed.known for listed in found], name, len(full))
    if not full:
        where = "" if options.everywhere else f" in {plane.namespace(options.namespace)} namespace"
        note(f"No resources found{where}.")
        return
    for number, listed in enumerate(full):
        if number:
            output.text("")
        for line in columns(table_rows(listed, options, several=len(found) > 1)):
            output.text(line)


def table_rows(listed: Listed, options: StateOptions, *, several: bool) -> list[list[str]]:
    """Header and rows of a Table, as kubectl shows them."""
    definitions = listed.document["columnDefinitions"]
    shown = [i for i, column in enumerate(definitions) if options.form == "wide" or not column.get("priority")]
    spaced = options.everywhere and listed.known.namespaced
    rows = [[*(["NAMESPACE"] if spaced else []), *(definitions[i]["name"].upper() for i in shown)]]
    for row in listed.document["rows"]:
        cells = ["<none>" if row["cells"][i] is None else str(row["cells"][i]) for i in shown]
        if several:
            cells[0] = listed.known.shown(cells[0])
        rows.append([*([row["object"]["metadata"].get("namespace", "")] if spaced else []), *cells])
    return rows

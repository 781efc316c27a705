"""A slice is a house of the same rooms, and others enter it by three doors."""

from collections.abc import Iterator, Mapping

from tools.house.modules import imports_of, module_name
from tools.house.tree import Finding, Tree

LAYERS = ("control", "knowledge", "learning")
ROOMS = frozenset(
    {
        "__init__.py",
        "errors.py",
        "models.py",
        "queries.sql",
        "store.py",
        "service.py",
        "schemas.py",
        "routes.py",
        "jobs.py",
        "providers",
        "parsers",
        "evaluators",
    }
)
DOORS = frozenset({"service", "models", "errors"})
# Further doors, each with the reason; whoever adds one has asked whether `service` or `models` could hand it on.
DECLARED_DOORS: Mapping[str, str] = {
    "mainstay.control.limits.admission": "what every request passes at the edge, and the door once its key is proved",
    "mainstay.control.access.door": "what every route depends on: the key of a request, and that it may do this",
    "mainstay.control.access.operations": "the declared table: roles, permissions, and what each operation needs",
    "mainstay.control.audit.door": "what the server lets every route depend on: an operator's reads are audited",
    "mainstay.control.gateway.completion": "plain model calls, to which the routes of answers delegate",
    "mainstay.knowledge.documents.versions": "the half of the service that has the life of a version",
    "mainstay.knowledge.documents.parsed": "models that the child processes of parsing import without the others",
    "mainstay.knowledge.documents.parsing": "the parsers as a port, which the flow of ingestion calls",
    "mainstay.knowledge.documents.chunking": "how a document is cut, which the flow of ingestion calls",
}
# What a process mounts: routes in the server, jobs in the worker, schemas in the page of the API.
MOUNTS = frozenset({"routes", "jobs", "schemas"})


def slice_room(tree: Tree) -> Iterator[Finding]:
    """A slice has only the rooms that every slice may have; each other one is declared with a reason."""
    for source in tree.under(*(f"src/mainstay/{layer}/" for layer in LAYERS)):
        _, _, layer, *rest = source.path.split("/")
        if len(rest) >= 2 and rest[1] not in ROOMS:
            sentence = f"'{rest[1]}' is no room of a slice: use one of them, or declare it with a reason"
            yield Finding(source.path, 1, "slice_room", sentence)
        elif len(rest) == 1 and rest[0] != "__init__.py":
            yield Finding(source.path, 1, "slice_room", f"stands in {layer} beside the slices: put it into one")


def slice_door(tree: Tree) -> Iterator[Finding]:
    """Other slices import `service`, `models` and `errors` alone; processes may mount routes, jobs and schemas too."""
    for source in tree.python("src/mainstay/"):
        importer = module_name(source.path)
        home = _slice_of(importer)
        if importer == "mainstay.bootstrap":
            continue
        for line, target in imports_of(source):
            other = _slice_of(target)
            if other is None or other == home:
                continue
            room = target.removeprefix(other).lstrip(".").split(".")[0]
            doors = DOORS if home else DOORS | MOUNTS
            if room not in doors and f"{other}.{room}" not in DECLARED_DOORS:
                sentence = f"imports {target}; of another slice only {', '.join(sorted(doors))} may be imported"
                yield Finding(source.path, line, "slice_door", sentence)


def _slice_of(module: str) -> str | None:
    parts = module.split(".")
    return ".".join(parts[:3]) if len(parts) >= 3 and parts[0] == "mainstay" and parts[1] in LAYERS else None

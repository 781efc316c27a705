"""The description of the API: FastAPI's, with the key that every operation needs and the one shape of all errors."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict

from mainstay.edge.server.authentication import is_public

Json = dict[str, Any]


class ErrorDetail(BaseModel):
    """What was wrong, in a sentence; which kind of error it is; the field at fault; the stable code of the rule."""

    model_config = ConfigDict(extra="forbid")

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorObject(BaseModel):
    """Every error, as OpenAI's clients read it."""

    model_config = ConfigDict(extra="forbid")

    error: ErrorDetail


SCHEMES: Final[Json] = {
    "key": {"type": "http", "scheme": "bearer", "description": "A key of a principal: `Authorization: Bearer ms_…`."}
}
# What may be answered to whom: everyone, who may send a body with any method, and those who need a key.
_ALWAYS: Final = (400, 405, 408, 413, 414, 415, 431, 500, 503)
_WITH_KEY: Final = (401, 403, 404, 409, 429)
_RETRY_LATER: Final = (429, 503)
_METHODS: Final = frozenset({"get", "put", "post", "delete", "patch"})
# FastAPI's own answer to what cannot be validated, which here is 400 in the shape of every other error.
_UNUSED: Final = ("HTTPValidationError", "ValidationError")


def install_openapi(app: FastAPI) -> None:
    """Have the app describe itself so, when first asked: the routes are there only once it has started."""

    def described() -> Json:
        if app.openapi_schema is None:
            made = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
            app.openapi_schema = _complete(made)
        return app.openapi_schema

    app.openapi = described


def _complete(made: Json) -> Json:
    components = made.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in _UNUSED:
        schemas.pop(name, None)
    schema = ErrorObject.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    schemas.update(schema.pop("$defs"), ErrorObject=schema)
    components["securitySchemes"] = SCHEMES
    components["responses"] = {f"Error{status}": _error(status) for status in (*_ALWAYS, *_WITH_KEY)}
    for path, operation in _operations(made["paths"]):
        public = is_public(path)
        statuses = (*_ALWAYS, *(() if public else _WITH_KEY))
        operation["responses"].pop("422", None)
        for status in statuses:
            operation["responses"].setdefault(str(status), {"$ref": f"#/components/responses/Error{status}"})
        operation["security"] = [] if public else [{name: []} for name in SCHEMES]
    return made


def _operations(paths: Mapping[str, Json]) -> Iterator[tuple[str, Json]]:
    for path, item in paths.items():
        for method, operation in item.items():
            if method in _METHODS:
                yield path, operation


def _error(status: int) -> Json:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorObject"}}}
    made: Json = {"description": HTTPStatus(status).phrase, "content": content}
    if status in _RETRY_LATER:
        made["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "string"}}}
    return made

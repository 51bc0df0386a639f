"""/openapi.json: made of what the routes say of themselves (docs.py), and of the types."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from jobctl import __version__
from jobctl.web import problems
from jobctl.web.docs import Doc
from jobctl.web.problems import Problem

_REF = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"\{(\w+):\w+\}")

_EVERYBODY = {
    421: "The Host is not this server's.",
    503: "The store cannot be used.",
}
_WITH_TOKEN = {
    401: "The token is missing or wrong.",
    429: "Too many requests with a wrong token.",
}
_WRITING = {
    400: "The body is not JSON.",
    403: "The request comes from a page of another origin.",
    408: "The body did not come in time.",
    413: "The body is too large.",
    415: "The body is of another kind than application/json.",
}
_CHECKED = {422: "A field does not fit; the detail says which, and what to do."}
_OTHER_HEADERS = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}
_PARAMETERS = {"job_id": "k3v9x0q2m4n6p8r1", "name": "nightly"}

Json = dict[str, Any]


def document(app: Litestar) -> Json:
    """Return the document that describes all routes of an application."""
    found = list(_operations(app))
    types = _types([doc for _, _, doc in found])
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    schema_of = {str(kind): schema for kind, schema in zip(types, schemas, strict=True)}
    paths: dict[str, Json] = {}
    for path, method, doc in found:
        paths.setdefault(path, {})[method] = _operation(
            path, method, doc, schema_of, components
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "jobctl",
            "version": __version__,
            "description": "Background jobs and schedules. Errors are problem documents "
            "(RFC 9457). Times are ISO 8601 in UTC, durations are seconds.",
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operations(app: Litestar) -> Iterator[tuple[str, str, Doc]]:
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            doc = handler.opt.get("doc")
            if isinstance(handler, HTTPRouteHandler) and isinstance(doc, Doc):
                for method in sorted(handler.http_methods):
                    yield _PARAMETER.sub(r"{\1}", route.path), str(method).lower(), doc


def _types(docs: list[Doc]) -> list[Any]:
    wanted: list[Any] = [Problem]
    for doc in docs:
        wanted += [kind for kind in (*doc.gives, doc.query, doc.body) if kind is not None]
    return list({str(kind): kind for kind in wanted}.values())


def _operation(path: str, method: str, doc: Doc, schemas: Json, components: Json) -> Json:
    operation: Json = {
        "summary": doc.summary,
        "operationId": re.sub(r"\W+", "_", f"{method}{path}").strip("_"),
        "responses": _responses(method, doc, schemas),
    }
    parameters = [*_path_parameters(path), *_query_parameters(doc, components)]
    if parameters:
        operation["parameters"] = parameters
    if doc.body is not None:
        content = {"schema": schemas[str(doc.body)], "example": doc.example}
        operation["requestBody"] = {"content": {"application/json": content}}
    if doc.public:
        operation["security"] = []
    return operation


def _path_parameters(path: str) -> Iterator[Json]:
    for name in re.findall(r"\{(\w+)\}", path):
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string"},
            "example": _PARAMETERS[name],
        }


def _query_parameters(doc: Doc, components: Json) -> Iterator[Json]:
    if doc.query is None:
        return
    for name, schema in components[doc.query.__name__]["properties"].items():
        # What is left out is null; in a query there is no null.
        kinds = [kind for kind in schema.get("anyOf", [schema]) if kind != {"type": "null"}]
        [kind] = kinds
        about = {"description": kind["description"]} if "description" in kind else {}
        yield {"name": name, "in": "query", "schema": kind, **about}


def _responses(method: str, doc: Doc, schemas: Json) -> Json:
    good = {doc.status: HTTPStatus(doc.status).phrase, **doc.also}
    found: Json = {}
    for status, words in sorted(good.items()):
        answer: Json = {"description": words}
        if doc.gives:
            kinds = [schemas[str(kind)] for kind in doc.gives]
            content: Json = {"schema": kinds[0] if len(kinds) == 1 else {"anyOf": kinds}}
            if doc.answer is not None:
                content["example"] = doc.answer
            answer["content"] = {doc.media: content}
        if doc.headers:
            answer["headers"] = {
                name: {"description": about, "schema": {"type": "string"}}
                for name, about in doc.headers.items()
            }
        found[str(status)] = answer
    for status, words in sorted(_refusals(method, doc).items()):
        found[str(status)] = _problem(status, words)
    return found


def _refusals(method: str, doc: Doc) -> dict[int, str]:
    refusals = dict(_EVERYBODY)
    if not doc.public:
        refusals |= _WITH_TOKEN
    if method not in ("get", "head"):
        refusals |= _WRITING
    if doc.query or doc.body:
        refusals |= _CHECKED
    for status, words in doc.errors.items():
        refusals[status] = f"{refusals[status]} {words}" if status in refusals else words
    return refusals


def _problem(status: int, words: str) -> Json:
    example = Problem(title=HTTPStatus(status).phrase, status=status, detail=words)
    content = {
        "schema": {"$ref": _REF.format(name="Problem")},
        "example": msgspec.to_builtins(example),
    }
    answer: Json = {"description": words, "content": {problems.MEDIA_TYPE: content}}
    if status in _OTHER_HEADERS:
        answer["headers"] = {_OTHER_HEADERS[status]: {"schema": {"type": "string"}}}
    return answer

"""The content of the documentation page, taken from the OpenAPI document."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from markupsafe import Markup

from blog.text.highlighting import code_block
from blog.text.markdown import render_comment

Json = Mapping[str, Any]

_BOUNDS = (("minimum", "maximum", ""), ("minLength", "maxLength", " characters"), ("minItems", "maxItems", " items"))
_STREAM = "text/event-stream"


@dataclass(frozen=True, slots=True)
class TypePart:
    """A part of the description of a type; `schema` is the name of a schema to link to, or empty."""

    text: str
    schema: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """A parameter (`place`: path, query or header) or a member of an object (`place` is empty)."""

    name: str
    type: Sequence[TypePart]
    rules: str
    is_required: bool
    description: Markup
    place: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """A body: its media type, its type, and an example as text and as highlighted HTML."""

    media_type: str
    type: Sequence[TypePart]
    members: Sequence[Member]
    example: str
    example_html: Markup


@dataclass(frozen=True, slots=True)
class ResponseView:
    """A response: status, meaning, names of header fields, body."""

    status: str
    description: str
    headers: Sequence[str]
    content: Content | None


@dataclass(frozen=True, slots=True)
class OperationView:
    """A method of a path. `is_sendable`: the page can send a request and show the response."""

    id: str
    method: str
    path: str
    summary: str
    description: Markup
    access: str
    parameters: Sequence[Member]
    body: Content | None
    responses: Sequence[ResponseView]
    command: Markup
    is_sendable: bool


@dataclass(frozen=True, slots=True)
class SchemaView:
    """A named type: an object with members, or a choice of values."""

    name: str
    description: Markup
    type: Sequence[TypePart]
    members: Sequence[Member]


class DocsPageContent:
    """The parts of the page. `base_url` is the URL of the blog, for the examples of commands."""

    def __init__(self, document: Json, base_url: str) -> None:
        self._components, self._base_url = document["components"], base_url
        self.title: str = document["info"]["title"]
        self.introduction = _markdown(document["info"]["description"])
        self.authentication = _markdown(self._components["securitySchemes"]["bearer"]["description"])
        operations = [
            (operation["tags"][0], self._operation(path, method, operation))
            for path, item in document["paths"].items()
            for method, operation in item.items()
        ]
        operations.sort(key=lambda pair: pair[0])  # stable: keeps the order of the routes within a tag
        by_tag = groupby(operations, key=lambda pair: pair[0])
        self.groups = [(tag, [operation for _, operation in group]) for tag, group in by_tag]
        self.schemas = [_schema(name, schema) for name, schema in self._components["schemas"].items()]

    def _operation(self, path: str, method: str, operation: Json) -> OperationView:
        body = self._content(operation.get("requestBody", {}))
        responses = [self._response(status, self._resolve(response)) for status, response in operation["responses"].items()]
        return OperationView(
            operation["operationId"],
            method.upper(),
            path,
            operation["summary"],
            _markdown(operation["description"]),
            _access(operation["security"]),
            [self._parameter(self._resolve(parameter)) for parameter in operation.get("parameters", ())],
            body,
            responses,
            self._command(path, method, operation, body),
            all(response.content is None or response.content.media_type != _STREAM for response in responses),
        )

    def _resolve(self, part: Json) -> Json:
        if reference := part.get("$ref"):
            _, _, kind, name = reference.split("/")
            resolved: Json = self._components[kind][name]
            return resolved
        return part

    def _parameter(self, parameter: Json) -> Member:
        described = {"description": parameter.get("description", "")} | parameter["schema"]
        return _member(parameter["name"], described, parameter.get("required", False), parameter["in"])

    def _response(self, status: str, response: Json) -> ResponseView:
        return ResponseView(status, response["description"], list(response.get("headers", ())), self._content(response))

    def _content(self, part: Json) -> Content | None:
        for media_type, content in part.get("content", {}).items():
            example, schema = content.get("example"), self._resolve(content["schema"])
            text = example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)
            language = "" if isinstance(example, str) else "json"
            html = Markup(code_block(text, language)) if example is not None else Markup()  # noqa: S704 (escaped)
            return Content(media_type, _type(content["schema"]), _members(schema), text if example is not None else "", html)
        return None

    def _command(self, path: str, method: str, operation: Json, body: Content | None) -> Markup:
        """Return an example with `curl`, highlighted."""
        options = [f"-X {method.upper()}"] if method != "get" else []
        options += ["-H 'Authorization: Bearer TOKEN'"] if {} not in operation["security"] else []
        if body is not None and body.media_type == "multipart/form-data":
            options.append("-F file=@photo.jpg")
        elif body is not None:
            compact = json.dumps(json.loads(body.example or "{}"), ensure_ascii=False).replace("'", "'\\''")
            options += [f"-H 'Content-Type: {body.media_type}'", f"-d '{compact}'"]
        parts = [f"curl {self._base_url}{path}", *options]
        return Markup(code_block(" \\\n  ".join(parts), "shell"))  # noqa: S704 (escaped)


def _markdown(text: str) -> Markup:
    return Markup(render_comment(text))  # noqa: S704 (sanitised)


def _access(security: Sequence[Json]) -> str:
    if {} in security:
        return "Public: no token is needed."
    scopes = [scope for requirement in security for scope in requirement.get("bearer", ())]
    return f"Needs a token with the scope {scopes[0]}, or a session." if scopes else "Needs a token or a session."


def _schema(name: str, schema: Json) -> SchemaView:
    return SchemaView(name, _markdown(schema.get("description", "")), _type(schema), _members(schema))


def _members(schema: Json) -> Sequence[Member]:
    required = schema.get("required", ())
    return [_member(name, member, name in required) for name, member in schema.get("properties", {}).items()]


def _member(name: str, schema: Json, is_required: bool, place: str = "") -> Member:
    return Member(name, _type(schema), ", ".join(_rules(schema)), is_required, _markdown(schema.get("description", "")), place)


def _type(schema: Json) -> Sequence[TypePart]:
    return list(_type_parts(schema))


def _type_parts(schema: Json) -> Iterator[TypePart]:
    options = schema.get("anyOf") or schema.get("oneOf") or ()
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        yield TypePart(name, name)
    elif options:
        for number, option in enumerate(options):
            yield from [TypePart(" or ")] if number else []
            yield from _type_parts(option)
    elif "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        yield TypePart(" or ".join(json.dumps(value) for value in values))
    elif schema.get("type") == "array":
        yield TypePart("array of ")
        yield from _type_parts(schema["items"])
    else:
        yield TypePart(f"{schema.get('type', 'any')}{' (' + schema['format'] + ')' if 'format' in schema else ''}")


def _rules(schema: Json) -> Iterator[str]:
    options = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
    rules = {**(options[0] if len(options) == 1 else {}), **schema}
    for least, most, unit in _BOUNDS:
        if least in rules and most in rules:
            yield f"{rules[least]} to {rules[most]}{unit}"
        elif least in rules or most in rules:
            yield f"at least {rules[least]}{unit}" if least in rules else f"at most {rules[most]}{unit}"
    if rules.get("default") is not None:
        yield f"default {json.dumps(rules['default'])}"

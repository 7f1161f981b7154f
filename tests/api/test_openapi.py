"""The OpenAPI document is valid and covers the route table. `tests/api/conftest.py` checks the responses against it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount

from blog.api.openapi import HTTP_METHODS, declared_operations, document
from blog.api.routes import routes
from blog.app import routes as all_routes
from blog.framework.endpoints.endpoint import Endpoint
from blog.framework.endpoints.openapi_operations import get_operation
from blog.schemas.accounts import Scope
from blog.schemas.examples import EXAMPLES
from blog.schemas.fields import Input
from tests.support.agreement import Agreement
from tests.support.serving import blog


@pytest.fixture(scope="module")
def api() -> dict[str, Any]:
    return document("Blog", "/api/v1", "session")


@pytest.fixture(scope="module")
def operations(api: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for item in api["paths"].values() for operation in item.values()]


def test_document_is_valid_openapi_3_1(api: dict[str, Any]) -> None:
    assert api["openapi"] == "3.1.0"
    assert list(OpenAPIV31SpecValidator(api).iter_errors()) == []
    assert "jsonSchemaDialect" not in api


def test_every_verb_of_every_route_is_an_operation(api: dict[str, Any]) -> None:
    mounted = next(route for route in all_routes if isinstance(route, Mount) and route.name == "api")
    wanted = {
        (mounted.path + re.sub(r":\w+}", "}", route.path), verb)
        for route in routes
        for verb in HTTP_METHODS
        if hasattr(route.endpoint, verb)
    }
    assert wanted == {(path, verb) for path, item in api["paths"].items() for verb in item}
    assert len(wanted) == len(list(declared_operations(routes)))


def test_undeclared_method_is_named_in_the_error() -> None:
    class Silent(Endpoint):
        async def get(self, request: Request) -> Response:
            return Response()

    from starlette.routing import Route

    with pytest.raises(LookupError, match=r"Silent\.get"):
        list(declared_operations([Route("/silent", Silent)]))


def test_declaring_changes_no_behaviour() -> None:
    for item in declared_operations(routes):
        method = getattr(item.route.endpoint, item.method)
        assert get_operation(method) is item.operation
        assert not hasattr(method, "__wrapped__")


def test_operations_have_unique_ids_and_descriptions(operations: list[dict[str, Any]]) -> None:
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    for operation in operations:
        assert operation["summary"], operation["operationId"]
        assert operation["description"], operation["operationId"]


def test_every_model_is_reached_from_an_operation(api: dict[str, Any]) -> None:
    reached: set[str] = set()
    waiting = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps([api["paths"], api["components"]["responses"]])))
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(api["components"]["schemas"][name]))) - reached
    assert reached == set(api["components"]["schemas"])


def test_every_shared_part_is_used(api: dict[str, Any]) -> None:
    text = json.dumps(api)
    for kind in ("responses", "headers", "parameters"):
        for name in api["components"][kind]:
            assert f'"#/components/{kind}/{name}"' in text, name


def test_every_body_and_response_has_a_valid_example(api: dict[str, Any], agreement: Agreement) -> None:
    shown = 0
    for path, item in api["paths"].items():
        for verb, operation in item.items():
            bodies: dict[tuple[str, ...], Any] = {("requestBody",): operation.get("requestBody", {})}
            bodies |= {("responses", status): answer for status, answer in operation["responses"].items() if "$ref" not in answer}
            for place, body in bodies.items():
                for media_type, content in body.get("content", {}).items():
                    if media_type != "application/json":
                        continue
                    pointer = ["paths", path, verb, *place, "content", media_type]
                    assert "example" in content, pointer
                    agreement.validate(content["example"], [*pointer, "schema"], str(pointer))
                    shown += 1
    for name, answer in api["components"]["responses"].items():
        pointer = ["components", "responses", name, "content", "application/problem+json"]
        agreement.validate(answer["content"][pointer[-1]]["example"], [*pointer, "schema"], name)
    assert shown > 20
    for model, example in EXAMPLES.items():
        model.model_validate_json(json.dumps(example))


@pytest.mark.parametrize("model", [model for model in EXAMPLES if issubclass(model, Input)])
def test_integers_of_bodies_may_have_a_zero_fraction(model: type[Input]) -> None:
    """JSON has one type of number: 7.0 is the integer 7, and some clients write it."""
    for name, schema in model.model_json_schema()["properties"].items():
        kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") == "integer"]
        for kind in kinds:
            body = EXAMPLES[model] | {name: float(kind["minimum"])}
            model.model_validate_json(json.dumps(body), strict=True)


def test_absent_is_not_null_in_queries_and_no_default_in_changes(api: dict[str, Any]) -> None:
    for item in api["paths"].values():
        for operation in item.values():
            for parameter in operation.get("parameters", ()):
                assert "null" not in json.dumps(parameter.get("schema", {})), parameter
    for name in ("PostChanges", "CommentChanges", "AccountChanges"):
        assert all("default" not in member for member in api["components"]["schemas"][name]["properties"].values()), name


def test_authentication_is_declared_as_required(api: dict[str, Any]) -> None:
    assert set(api["components"]["securitySchemes"]) == {"bearer", "session"}
    for scope in Scope:
        assert f"`{scope.value}`" in api["components"]["securitySchemes"]["bearer"]["description"]
    write = api["paths"]["/api/v1/posts"]["post"]
    assert write["security"] == [{"bearer": ["posts:write"]}, {"session": []}]
    assert {} in api["paths"]["/api/v1/posts"]["get"]["security"]


def test_command_prints_the_document(tmp_path: Path) -> None:
    printed = blog(tmp_path, "openapi", PROJECT_NAME="Notes", PUBLIC_URL="https://notes.example.org")
    assert printed.returncode == 0
    shown = json.loads(printed.stdout)
    assert shown["info"]["title"] == "Notes: API"
    assert shown["components"]["securitySchemes"]["session"]["name"] == "__Host-session"

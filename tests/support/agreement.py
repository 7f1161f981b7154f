"""Check responses against the OpenAPI document: status, media type, header fields, and every member of the body."""

import copy
import re
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

_PARAMETER = re.compile(r"{(\w+)}")


class Agreement:
    """A validator of responses. A member that the document does not declare is an error."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        strict = copy.deepcopy(document)
        for schema in strict["components"]["schemas"].values():
            if "properties" in schema:
                schema["additionalProperties"] = False
        self._registry: Registry = Registry().with_resource("urn:api", DRAFT202012.create_resource(strict))
        self._paths = [(re.compile(self._pattern(path, item)), path) for path, item in document["paths"].items()]

    def check(self, method: str, path: str, status: int, headers: Any, content: bytes, json: Any) -> None:
        """Raise AssertionError for a response that the document does not declare."""
        templates = [template for pattern, template in self._paths if pattern.fullmatch(path)]
        if not templates or method == "OPTIONS":
            return
        verb = "get" if method == "HEAD" else method.lower()
        operation = self.document["paths"][templates[0]].get(verb)
        if operation is None:
            assert status == 405, f"{method} {templates[0]} is not declared, but the status is {status}"
            return
        where = f"{method} {templates[0]} → {status}"
        assert str(status) in operation["responses"], f"{where} is not declared"
        pointer = ["paths", templates[0], verb, "responses", str(status)]
        response = operation["responses"][str(status)]
        if "$ref" in response:
            pointer = response["$ref"].split("/")[1:]
            response = self.document["components"]["responses"][pointer[-1]]
        for name in response["headers"]:
            required = self.document["components"]["headers"][name].get("required")
            assert not required or name in headers, f"{where} lacks {name}"
        if method == "HEAD":
            return
        if "content" not in response:
            assert content == b"", f"{where} has content"
            return
        (media_type,) = response["content"]
        assert headers["content-type"].partition(";")[0] == media_type, where
        if media_type.endswith("json"):
            self.validate(json, [*pointer, "content", media_type, "schema"], where)

    def validate(self, value: Any, pointer: list[str], where: str = "") -> None:
        """Raise AssertionError if `value` does not match the schema at `pointer` in the document; `where` is for the message."""
        path = "/".join(part.replace("~", "~0").replace("/", "~1") for part in pointer)
        validator = Draft202012Validator(
            {"$ref": f"urn:api#/{path}"}, registry=self._registry, format_checker=FormatChecker(["date-time", "email"])
        )
        errors = [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in validator.iter_errors(value)]
        assert not errors, f"{where}: {errors}"

    @staticmethod
    def _pattern(path: str, item: dict[str, Any]) -> str:
        parameters = [parameter for operation in item.values() for parameter in operation.get("parameters", ())]
        integers = {parameter.get("name") for parameter in parameters if parameter.get("schema", {}).get("type") == "integer"}
        return _PARAMETER.sub(lambda match: "[0-9]+" if match[1] in integers else "[^/]+", path)

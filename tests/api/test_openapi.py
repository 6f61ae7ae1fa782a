"""The document of the API is sound, says who may do what, and what it says is so."""

import re

import pytest

from api.given import NOBODY, check_problem

@pytest.fixture(scope="module")
def openapi(campus):
    with campus.client() as client:
        return client.get("/openapi.json").expect(200).json()


def operations(document):
    return [(method, path, operation) for path, item in document["paths"].items() for method, operation in item.items()]


def resolve(document, node):
    while "$ref" in node:
        assert node["$ref"].startswith("#/"), node
        found = document
        for part in node["$ref"][2:].split("/"):
            found = found[part]
        node = found
    return node


SCHEMA_WORDS = {"type", "format", "properties", "required", "items", "enum", "const", "pattern", "minLength", "maxLength",
                "minimum", "maximum", "minItems", "maxItems", "anyOf", "oneOf", "description", "additionalProperties", "$ref",
                "readOnly", "writeOnly", "title", "default", "examples", "x-personal", "deprecated"}


def check_schema(document, schema):
    assert set(schema) <= SCHEMA_WORDS, set(schema) - SCHEMA_WORDS
    if "$ref" in schema:
        resolve(document, schema)
    if "type" in schema:
        types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        assert set(types) <= {"object", "array", "string", "integer", "number", "boolean", "null"}, schema
    if "pattern" in schema:
        re.compile(schema["pattern"])
    assert set(schema.get("required", [])) <= set(schema.get("properties", {})), schema
    assert ("items" in schema) == (schema.get("type") == "array"), schema
    for inner in [*schema.get("properties", {}).values(), *schema.get("anyOf", []), *schema.get("oneOf", [])]:
        check_schema(document, inner)
    if "items" in schema:
        check_schema(document, schema["items"])


def test_openapi_is_sound(openapi):
    """The shape that OpenAPI 3.1 asks for, where a reader would stumble."""
    assert openapi["openapi"].startswith("3.1.") and openapi["info"]["title"] and openapi["info"]["version"]
    assert set(openapi) <= {"openapi", "info", "servers", "paths", "components", "tags", "security", "externalDocs"}
    tags = [tag["name"] for tag in openapi["tags"]]
    names = [operation["operationId"] for _, _, operation in operations(openapi)]
    assert len(names) == len(set(names)) and len(tags) == len(set(tags))
    shapes = [re.sub(r"\{\w+\}", "{}", path) for path in openapi["paths"]]
    assert len(shapes) == len(set(shapes))
    for schema in openapi["components"]["schemas"].values():
        check_schema(openapi, schema)
    for method, path, operation in operations(openapi):
        assert method in ("get", "put", "post", "delete", "patch") and path.startswith("/v1/")
        assert set(operation) <= {"operationId", "summary", "description", "tags", "parameters", "requestBody", "responses",
                                  "security", "x-permission", "x-access", "deprecated"}, operation
        assert operation["summary"] and set(operation["tags"]) <= set(tags)
        for requirement in operation["security"]:
            assert set(requirement) <= set(openapi["components"]["securitySchemes"])
        parameters = [resolve(openapi, parameter) for parameter in operation.get("parameters", [])]
        places = [(parameter["in"], parameter["name"]) for parameter in parameters]
        assert len(places) == len(set(places))
        assert {name for place, name in places if place == "path"} == set(re.findall(r"\{(\w+)\}", path)), path
        for parameter in parameters:
            assert parameter["in"] != "path" or parameter["required"] is True
            check_schema(openapi, parameter["schema"])
        contents = [operation["requestBody"]["content"]] if "requestBody" in operation else []
        assert not contents or method != "get"
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"[1-5]\d\d|default", status)
            response = resolve(openapi, response)
            assert response["description"]
            contents.append(response.get("content", {}))
            for header in response.get("headers", {}).values():
                check_schema(openapi, resolve(openapi, header)["schema"])
        for content in contents:
            for media_type, media in content.items():
                assert re.fullmatch(r"[\w.+-]+/[\w.+-]+", media_type)
                check_schema(openapi, media["schema"])
        assert "default" in operation["responses"] and {"200", "201"} & set(operation["responses"])


def test_openapi_says_who_may(openapi):
    for _, path, operation in operations(openapi):
        if operation["x-access"] in ("granted", "owner"):
            assert re.fullmatch(r"[a-z]+\.[a-z_]+\.[a-z]+", operation["x-permission"]), path
        # Readers see the words only.
        assert operation.get("x-permission", "") in operation["description"], path
        assert ("Needs no key." in operation["description"]) == (operation["x-access"] == "public"), path


def test_openapi_says_which_bodies_are_needed(openapi):
    """A body of which nothing is needed may be absent; a list that must have items is needed."""
    needed = {operation["operationId"]: operation["requestBody"].get("required", False)
              for _, _, operation in operations(openapi) if "requestBody" in operation}
    assert not needed["InvitePerson"] and not needed["RotateKey"]
    assert needed["EndMembership"] and needed["CreateKey"] and needed["ImportPeople"] and needed["PatchRole"]
    assert {"name", "permissions"} <= set(openapi["components"]["schemas"]["CreateKeyRequest"]["required"])
    assert "fields" in openapi["components"]["schemas"]["ReadSensitiveRequest"]["required"]


def test_every_route_asks_nobody_for_a_key(openapi, anonymous):
    assert len(operations(openapi)) >= 20
    for method, path, operation in operations(openapi):
        target = re.sub(r"\{(\w+)\}", NOBODY, path)
        for json_body in ([None] if method in ("get", "delete") else [None, {}]):
            answer = anonymous.request(method.upper(), target, json=json_body)
            if operation["security"]:
                check_problem(answer, 401, "unauthenticated")
            else:
                # What it finds is its own affair: single sign-on may be off, a certificate unknown.
                assert answer.status not in (401, 405), answer

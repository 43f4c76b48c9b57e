"""TypeScript of the contract, out of its two documents: what the dashboard is built with is what is sent."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

HEAD = """/**
 * Generated from the OpenAPI and AsyncAPI documents; not to be changed by hand.
 *
 * `UPDATE_CONTRACT=1 pytest tests/services/api/test_typescript.py` writes it anew.
 */
"""
_PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}

Schema = Mapping[str, Any]


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]


def _literal(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else json.dumps(value)


def _array(schema: Schema) -> str:
    if "prefixItems" in schema:
        return "[" + ", ".join(type_of(item) for item in schema["prefixItems"]) + "]"
    inner = type_of(schema.get("items", {}))
    return f"({inner})[]" if " " in inner else f"{inner}[]"


def type_of(schema: Schema) -> str:
    """The type that a schema describes."""
    kind = schema.get("type")
    if "$ref" in schema:
        told = _name(schema["$ref"])
    elif "enum" in schema:
        told = " | ".join(_literal(value) for value in schema["enum"])
    elif "anyOf" in schema:
        told = " | ".join(dict.fromkeys(type_of(each) for each in schema["anyOf"]))
    elif isinstance(kind, list):
        told = " | ".join(_PLAIN[each] for each in kind)
    elif kind == "array":
        told = _array(schema)
    elif kind == "object":
        told = f"Record<string, {type_of(schema.get('additionalProperties') or {})}>"
    else:
        told = _PLAIN.get(str(kind), "unknown")
    return told


def _words(text: str, indent: str = "") -> list[str]:
    first = text.strip().partition("\n")[0].replace("``", "`")
    return [f"{indent}/** {first} */"] if first else []


def interface(name: str, schema: Schema) -> str:
    """One interface, or an alias where the schema is not an object of fields."""
    fields = schema.get("properties")
    words = _words(schema.get("description", ""))
    if fields is None:
        return "\n".join([*words, f"export type {name} = {type_of(schema)};"])
    required = set(schema.get("required", ()))
    lines = [*words, f"export interface {name} {{"]
    for field, described in fields.items():
        optional = "" if field in required else "?"
        lines.append(f"\t{field}{optional}: {type_of(described)};")
    return "\n".join([*lines, "}"])


def _union(name: str, members: Iterable[str], words: str) -> str:
    listed = "\n".join(f"\t| {member}" for member in members)
    return "\n".join([*_words(words), f"export type {name} =\n{listed};"])


def _topics(schemas: Mapping[str, Schema], messages: Iterable[str]) -> str:
    lines = [*_words("The rows of each topic of the stream."), "export interface TopicRows {"]
    for message in messages:
        fields = schemas[message]["properties"]
        if "data" in fields:
            topic = fields["topic"]["enum"][0]
            lines.append(f"\t{topic}: {type_of(fields['data']['additionalProperties'])};")
    return "\n".join([*lines, "}"])


def declarations(openapi: Mapping[str, Any], asyncapi: Mapping[str, Any]) -> str:
    """The whole file.

    Raises:
        ValueError: the two documents mean different things by one name.
    """
    schemas = dict(openapi["components"]["schemas"])
    for name, schema in asyncapi["components"]["schemas"].items():
        if schemas.setdefault(name, schema) != schema:
            raise ValueError(f"{name} is described in two ways")
    said = {
        operation: [_name(each["$ref"]) for each in asyncapi["operations"][operation]["messages"]]
        for operation in ("tell", "heed")
    }
    parts = [
        *(interface(name, schema) for name, schema in sorted(schemas.items())),
        _topics(schemas, said["tell"]),
        _union("ServerMessage", said["tell"], "What the server says on the stream."),
        _union("ClientMessage", said["heed"], "What a client may say on the stream."),
    ]
    return HEAD + "\n" + "\n\n".join(parts) + "\n"

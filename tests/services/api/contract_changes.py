"""What a new OpenAPI document takes away from those who keep to the old one."""

from collections.abc import Iterator
from typing import Any, Literal

Schema = dict[str, Any]
Side = Literal["request", "response"]

_LIMITS = (
    ("maximum", 1),
    ("maxLength", 1),
    ("maxItems", 1),
    ("exclusiveMaximum", 1),
    ("minimum", -1),
    ("minLength", -1),
    ("minItems", -1),
    ("exclusiveMinimum", -1),
)


class Comparison:
    """Both documents. Each ``Iterator`` tells what breaks, as sentences with their place first."""

    def __init__(self, old: Schema, new: Schema) -> None:
        self.old, self.new = old, new
        self._compared: set[tuple[str, str, Side]] = set()

    def run(self) -> Iterator[str]:
        for path, methods in self.old["paths"].items():
            if path not in self.new["paths"]:
                yield f"{path}: path removed"
                continue
            for method, described in methods.items():
                place = f"{method.upper()} {path}"
                if method not in self.new["paths"][path]:
                    yield f"{place}: method removed"
                    continue
                yield from self._operation(place, described, self.new["paths"][path][method])

    def _operation(self, place: str, old: Schema, new: Schema) -> Iterator[str]:
        yield from self._parameters(place, old.get("parameters", []), new.get("parameters", []))
        yield from self._body(place, old.get("requestBody"), new.get("requestBody"))
        for status, answer in old["responses"].items():
            told = new["responses"].get(status)
            if told is None:
                if status.startswith("2"):
                    yield f"{place}: response {status} removed"
                continue
            for media, content in answer.get("content", {}).items():
                if media not in told.get("content", {}):
                    yield f"{place}: response {status} is no longer {media}"
                else:
                    yield from self.schemas(
                        f"{place} {status}",
                        content.get("schema", {}),
                        told["content"][media].get("schema", {}),
                        "response",
                    )

    def _parameters(self, place: str, old: list[Schema], new: list[Schema]) -> Iterator[str]:
        before = {(one["in"], one["name"]): one for one in old}
        after = {(one["in"], one["name"]): one for one in new}
        for key, one in before.items():
            where = f"{place} {key[0]}.{key[1]}"
            if key not in after:
                yield f"{where}: parameter removed"
                continue
            if after[key].get("required") and not one.get("required"):
                yield f"{where}: is required now"
            yield from self.schemas(where, one.get("schema", {}), after[key].get("schema", {}), "request")
        for key, one in after.items():
            if key not in before and one.get("required"):
                yield f"{place} {key[0]}.{key[1]}: new required parameter"

    def _body(self, place: str, old: Schema | None, new: Schema | None) -> Iterator[str]:
        if old is None:
            if new is not None and new.get("required"):
                yield f"{place}: a body is required now"
            return
        if new is None:
            yield f"{place}: takes no body any more"
            return
        if new.get("required") and not old.get("required"):
            yield f"{place}: the body is required now"
        for media, content in old["content"].items():
            if media not in new["content"]:
                yield f"{place}: takes no {media} any more"
            else:
                yield from self.schemas(
                    f"{place} body",
                    content.get("schema", {}),
                    new["content"][media].get("schema", {}),
                    "request",
                )

    def schemas(self, place: str, old: Schema, new: Schema, side: Side) -> Iterator[str]:
        """What breaks where ``old`` becomes ``new``."""
        references = (old.get("$ref", ""), new.get("$ref", ""), side)
        if references[0] and references[1]:
            if references in self._compared:
                return
            self._compared.add(references)
            place = references[0].rpartition("/")[2]
        before, after = self._kinds(self.old, old), self._kinds(self.new, new)
        if "any" in (after if side == "request" else before):
            return
        for kind in sorted(set(before) - set(after)) if side == "request" else ():
            yield f"{place}: takes no {kind} any more"
        for kind in sorted(set(after) - set(before)) if side == "response" else ():
            yield f"{place}: can be {kind} now"
        for kind in sorted(set(before) & set(after)):
            yield from self._alike(place, before[kind], after[kind], side)

    def _kinds(self, document: Schema, schema: Schema) -> dict[str, Schema]:
        """The types that a value can have, each with what is said of it."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return self._kinds(document, document["components"]["schemas"][name])
        found: dict[str, Schema] = {}
        for one in schema.get("anyOf", schema.get("oneOf", [])):
            found |= self._kinds(document, one)
        if found:
            return found
        if "enum" in schema and "type" not in schema:
            return {"string" if isinstance(schema["enum"][0], str) else "number": schema}
        return {schema.get("type", "any"): schema}

    def _alike(self, place: str, old: Schema, new: Schema, side: Side) -> Iterator[str]:
        yield from self._values(place, old, new, side)
        yield from self._properties(place, old, new, side)
        for part in ("items", "additionalProperties"):
            if isinstance(old.get(part), dict) and isinstance(new.get(part), dict):
                yield from self.schemas(f"{place}[]", old[part], new[part], side)

    def _values(self, place: str, old: Schema, new: Schema, side: Side) -> Iterator[str]:
        if old.get("format") != new.get("format"):
            yield f"{place}: its format is {new.get('format')} and was {old.get('format')}"
        if side == "response":
            return
        if "enum" in new:
            if "enum" not in old:
                yield f"{place}: takes only some values now"
            for value in old.get("enum", ()):
                if value not in new["enum"]:
                    yield f"{place}: value {value} removed"
        for name, direction in _LIMITS:
            limit, before = new.get(name), old.get(name)
            if limit is not None and (before is None or (before - limit) * direction > 0):
                yield f"{place}: {name} is {limit} and was {before}"

    def _properties(self, place: str, old: Schema, new: Schema, side: Side) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        was, needed = set(old.get("required", ())), set(new.get("required", ()))
        for name, schema in before.items():
            if name not in after:
                yield f"{place}.{name}: property removed"
                continue
            if side == "response" and name in was - needed:
                yield f"{place}.{name}: can be missing now"
            yield from self.schemas(f"{place}.{name}", schema, after[name], side)
        if side == "request":
            for name in sorted(needed - was):
                yield f"{place}.{name}: is required now"


def breaking_changes(old: Schema, new: Schema) -> list[str]:
    """What breaks, each once."""
    return list(dict.fromkeys(Comparison(old, new).run()))

"""``docs/reference.md``: every key of a project file, made from its JSON Schema."""

import json
from typing import Any

from mlcycle.domain.durations import PATTERN
from mlcycle.project.schema import models, project_schema

HEAD = """# Reference of the project file

Every key of `project.yaml`, made from its JSON Schema by `mlcycle schema reference`; a test holds the two
together. What the parts mean together: [projects](projects.md), [sources](sources.md).

Editors show these sentences and complete keys with

```
.venv/bin/mlcycle schema project > project.schema.json
```

and, as the first line of `projects/NAME/project.yaml`,

```yaml
# yaml-language-server: $schema=../../project.schema.json
```

A key in **bold** must be there. A name is a small letter, then up to 29 small letters, digits or
underscores. A duration is written like `7 days`, `1 hour` or `90 minutes`.
"""


def reference() -> str:
    """The page as Markdown."""
    schema = project_schema()
    parts = models(schema)
    places = _places(parts)
    pages = [HEAD]
    for name in sorted(parts, key=lambda each: list(places).index(each) if each in places else len(places)):
        pages.append(_part(name, parts[name], places.get(name, []), schema))
    return "\n".join(pages)


def _part(name: str, model: dict[str, Any], places: list[str], schema: dict[str, Any]) -> str:
    title = "The whole" if name == "Project" else ", ".join(f"`{place}`" for place in places) or name
    about = " ".join(str(model.get("description", "")).split("\n\n")[0].split()).replace("``", "`")
    lines = [f"## {title}", "", about, "", "| key | what it is | values | default |", "|---|---|---|---|"]
    required = set(model.get("required", []))
    for key, node in model["properties"].items():
        shown = f"**`{key}`**" if key in required else f"`{key}`"
        said = str(node.get("description", "")).replace("|", "\\|")
        lines.append(f"| {shown} | {said} | {_values(node, schema)} | {_default(node, key in required)} |")
    return "\n".join([*lines, ""])


def _places(parts: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """Where in the file each part stands, in the order of the file; ``NAME`` is a name of one's own."""
    found: dict[str, list[str]] = {"Project": []}

    def visit(name: str, at: str) -> None:
        for key, node in parts[name]["properties"].items():
            for part, beneath in _parts_in(node, f"{at}.{key}" if at else key):
                if part not in parts:
                    continue
                known = found.setdefault(part, [])
                if beneath not in known:
                    known.append(beneath)
                    visit(part, beneath)

    visit("Project", "")
    return found


def _parts_in(node: Any, at: str) -> list[tuple[str, str]]:
    if not isinstance(node, dict):
        return []
    if "$ref" in node:
        return [(node["$ref"].rpartition("/")[2], at)]
    found = []
    for member in [*node.get("anyOf", []), *node.get("oneOf", []), *node.get("allOf", [])]:
        found += _parts_in(member, at)
    found += _parts_in(node.get("items"), at)
    for inner in [*node.get("patternProperties", {}).values(), node.get("additionalProperties")]:
        found += _parts_in(inner, f"{at}.NAME")
    return found


def _values(node: dict[str, Any], schema: dict[str, Any]) -> str:
    """What may stand there, in words."""
    if "$ref" in node:
        target = schema["$defs"][node["$ref"].rpartition("/")[2]]
        return "keys" if "properties" in target else _values(target, schema)
    members = node.get("anyOf") or node.get("oneOf") or node.get("allOf")
    if members:
        said = [_values(each, schema) for each in members if each.get("type") != "null"]
        return " or ".join(dict.fromkeys(each for each in said if each)) or "anything"
    if "enum" in node or "const" in node:
        return ", ".join(
            f"`{each}`" if each != "" else "nothing" for each in node.get("enum", [node.get("const")])
        )
    kind = node.get("type")
    if kind == "array":
        return f"list of {_values(node.get('items', {}), schema)}"
    if kind == "object":
        inner = [*node.get("patternProperties", {}).values(), node.get("additionalProperties")]
        nodes = [each for each in inner if isinstance(each, dict)]
        return f"by name: {_values(nodes[0], schema)}" if nodes else "by name: anything"
    words = {"string": "text", "integer": "integer", "number": "number", "boolean": "true or false"}
    if kind == "string" and node.get("pattern") == PATTERN:
        return "duration"
    return words.get(str(kind), "anything") + _bounds(node)


def _bounds(node: dict[str, Any]) -> str:
    low, above = node.get("minimum"), node.get("exclusiveMinimum")
    high, below = node.get("maximum"), node.get("exclusiveMaximum")
    said = [f"{low:g} or more"] if low is not None else [f"above {above:g}"] if above is not None else []
    said += [f"{high:g} or less"] if high is not None else [f"below {below:g}"] if below is not None else []
    return f", {', '.join(said)}" if said else ""


def _default(node: dict[str, Any], required: bool) -> str:
    if required:
        return ""
    given = node.get("default")
    if "default" not in node:
        return "by its keys"
    if given in (None, "", []):
        return "none"
    text = json.dumps(given, ensure_ascii=False)
    return f"`{text if len(text) <= 60 else f'{text[:57]}...'}`".replace("|", "\\|")

"""The JSON Schema of a project file with a sentence on every key, for editors and for the reference."""

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import TypeAdapter

from mlcycle.domain.durations import PATTERN, format_duration
from mlcycle.project.project import Project

FILE: Final = Path(__file__).with_name("sentences.yaml")
_SPAN: Final = TypeAdapter(timedelta)


def project_schema() -> dict[str, Any]:
    """The schema; each key's ``description`` is its own, else its sentence in ``sentences.yaml``."""
    sentences: dict[str, dict[str, str]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    schema = Project.model_json_schema()
    for name, model in models(schema).items():
        for key, node in model["properties"].items():
            if sentence := sentences.get(name, {}).get(key):
                node.setdefault("description", sentence)
            _as_written(node)
    return schema


def _as_written(node: dict[str, Any]) -> None:
    """Defaults as a project file has them: ``1 day`` where pydantic writes ``P1D``; none of whole parts."""
    if isinstance(node.get("default"), dict):
        del node["default"]  # each key of the part has its own
    elif node.get("pattern") == PATTERN and "default" in node:
        node["default"] = format_duration(_SPAN.validate_python(node["default"]))


def models(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The parts of a project that have keys, the whole first."""
    parts = {name: node for name, node in schema.get("$defs", {}).items() if "properties" in node}
    return {"Project": schema, **parts}

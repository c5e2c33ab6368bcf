"""The bill of materials of an image, CycloneDX 1.6: Python packages of its environment, Debian's of its base.

Run where the image is built: ``sbom.py NAME FILE``.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ENVIRONMENT = "/opt/mlcycle"
FIELDS = ("Package", "Version", "Architecture")


def python_packages() -> dict[str, Any]:
    """The document of the environment alone, with licences and who needs whom."""
    options = ["--output-format", "JSON", "--spec-version", "1.6", "--output-reproducible"]
    command = [sys.executable, "-m", "cyclonedx_py", "environment", *options, ENVIRONMENT]
    document: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return document


def debian_packages() -> list[dict[str, Any]]:
    """The base image's packages, as components."""
    layout = "\\t".join(f"${{{field}}}" for field in FIELDS) + "\\n"
    done = subprocess.run(["dpkg-query", "-W", "-f", layout], check=True, stdout=subprocess.PIPE, text=True)
    components = []
    for line in done.stdout.splitlines():
        name, version, architecture = line.split("\t")
        purl = f"pkg:deb/debian/{name}@{version.replace('+', '%2B')}?arch={architecture}"
        components.append(
            {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
        )
    return components


def main(name: str, file: Path) -> None:
    """Write the document; one that the standard's schema refuses ends the build."""
    document = python_packages()
    document["components"] += debian_packages()
    document["metadata"]["component"] = {"type": "container", "bom-ref": name, "name": name}
    text = json.dumps(document, indent=1)
    if problem := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise SystemExit(f"{name}: the bill of materials is not CycloneDX 1.6: {problem}")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))

"""The step contract is published: its schemas change only on purpose.

``python -m tests.contract.test_contract_schema`` writes them anew after a deliberate change.
"""

import json
from pathlib import Path

import pytest

from mlcycle.contract import Request, Result

GOLDEN = Path(__file__).parent / "golden"
DOCUMENTS = {"request": Request, "result": Result}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_schema_is_the_published_one(name: str) -> None:
    published = json.loads((GOLDEN / f"{name}.json").read_text())
    assert DOCUMENTS[name].model_json_schema() == published


if __name__ == "__main__":
    for key, document in DOCUMENTS.items():
        (GOLDEN / f"{key}.json").write_text(json.dumps(document.model_json_schema(), indent=1) + "\n")

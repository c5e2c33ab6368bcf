"""Values on their way into the ledger's jsonb columns."""

import json
from typing import Any

from mlcycle.contract import not_finite
from mlcycle.errors import IntegrityError


def as_json(value: Any, **options: Any) -> str:
    """The value as JSON. Raises IntegrityError that names the key of a NaN or an infinity.

    PostgreSQL refuses them in jsonb, and a step that ran into that would die with all it has found.
    """
    try:
        return json.dumps(value, allow_nan=False, **options)
    except ValueError:
        problem = not_finite(value)
        if not problem:
            raise
        raise IntegrityError(f"the ledger keeps no such number: {problem}") from None

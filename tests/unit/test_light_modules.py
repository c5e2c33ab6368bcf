"""What the light step server loads ahead: all of mlcycle but the models, and no library of theirs."""

import subprocess
import sys

CODE = """
import sys
from mlcycle.own_code import LIGHT_PACKAGES, OwnCode
print(OwnCode(LIGHT_PACKAGES).load())
heavy = ("torch", "sklearn", "scipy", "pandas", "pyarrow", "mlflow", "feast", "great_expectations", "evidently")
print([name for name in (*heavy, "sqlalchemy", "airflow") if name in sys.modules])
"""


def test_no_module_of_a_step_loads_a_library_before_it_is_used() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "[]"]

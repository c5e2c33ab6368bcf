"""The drift page: small, its script shared by all pages and found from where the page lies."""

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.adapters.monitoring import reports


def test_a_page_holds_its_data_and_shares_the_rest(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    reference, current = (
        pd.DataFrame(
            {"distance": random.normal(at, 1, 500), "carrier": random.choice(["AA", "B</script>6"], 500)}
        )
        for at in (0.0, 1.0)
    )
    kinds = {"numeric": ["distance"], "categorical": ["carrier"]}
    moment = datetime(2013, 6, 1, tzinfo=UTC)
    judged = {"distance": (0.987, 0.2), "carrier": (0.012, 0.2)}
    snapshot = reports.build(reference, current, **kinds, judged=judged, name="flights", moment=moment)
    tests = [(test.status.value, test.description) for test in snapshot.tests_results]
    assert [status for status, _ in tests[:2]] == ["FAIL", "SUCCESS"]  # the monitor's verdicts, not others
    assert "Drift score is 0.99" in tests[0][1]
    page = reports.page(snapshot, "flights: inputs <of June>")
    assert len(page) < 200_000  # 4 MB with Evidently's interface in it
    text = page.decode()
    assert "flights: inputs &lt;of June&gt;" in text
    assert "distance" in text
    linked = re.findall(r'src="([^"]+)"', text)
    assert len(linked) == 1

    store = ArtifactStore(f"file://{tmp_path}")
    written = store.put("reports/flights/drift/2013-06-01-aa.html", page)
    reports.store_shared_script(store)
    script = PurePosixPath(written.uri.removeprefix("file://")).parent / linked[0]
    data = Path(script).read_bytes()
    assert hashlib.sha256(data).hexdigest() == script.stem
    assert b"drawDashboard" in data
    before = Path(script).stat().st_mtime_ns
    reports.store_shared_script(store)
    assert Path(script).stat().st_mtime_ns == before

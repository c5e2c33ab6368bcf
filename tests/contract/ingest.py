"""Running the ingest steps in tests: requests made and handed over as a DAG would."""

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlcycle.contract import Output, PartitionRange, Request, Result
from mlcycle.demo.world_data import day_file
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.project import Project
from mlcycle.project.file import load
from mlcycle.steps.runtime import run_step
from tests.conftest import ROOT, Platform

FLIGHTS = load(ROOT / "projects" / "flights" / "project.yaml")


@dataclass
class Ingest:
    """One project's ingest of one table; deliveries lie in the platform's source folder."""

    platform: Platform
    project: Project = FLIGHTS
    table: str = "flights"

    def deliver(self, partition: str, data: bytes | None = None) -> Path:
        """Lay a delivery in the source; the world's own where none is given."""
        if data is None:
            data = day_file(self.project.name, self.table, partition)
            assert data is not None
        file = self.platform.folder / "source" / self.project.name / self.table / f"{partition}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        return file

    def step(
        self,
        name: str,
        first: str,
        last: str = "",
        *,
        before: dict[str, Result] | None = None,
        work: str = "",
        **settings: object,
    ) -> Result:
        """Run one step; ``work`` names a retry of earlier work."""
        request = self.request(name, first, last, before=before, work=work)
        return run_step(request, self.platform.settings("ingest", **settings))

    def request(
        self,
        name: str,
        first: str,
        last: str = "",
        *,
        before: dict[str, Result] | None = None,
        work: str = "",
    ) -> Request:
        """The request of one step."""
        return Request(
            step=name,
            work=work or f"{name}-{uuid.uuid4().hex}",
            project=self.project.document(),
            partitions=PartitionRange(first=first, last=last or first),
            params={"table": self.table},
            inputs={step: [result.handover] for step, result in (before or {}).items()},
        )

    def run(self, first: str, last: str = "", **settings: Any) -> dict[str, Result]:
        """Extract, validate and publish; ends at the first step that is not ok."""
        results: dict[str, Result] = {}
        for name in ("extract", "validate", "publish"):
            results[name] = self.step(name, first, last, before=results, **settings)
            if results[name].status != "ok":
                break
        return results

    def rows(self, columns: str = "*", where: str = "true") -> list[tuple[Any, ...]]:
        """Rows of the raw table, read as the owner."""
        name = f"{self.project.name}__{self.table}"
        return self.platform.owner().query(f'select {columns} from raw."{name}" where {where}')

    def batches(self, columns: str = "partition, status, current") -> list[tuple[Any, ...]]:
        """The ledger's batches of the table, in order."""
        return self.platform.owner().query(
            f"select {columns} from ledger.batch where table_name = %s order by batch_id", (self.table,)
        )

    def quarantine(self) -> list[tuple[int, list[str], dict[str, Any]]]:
        """Quarantined rows: number, reasons, data."""
        return self.platform.owner().query(  # type: ignore[return-value]
            "select row_number, reasons, data from raw.quarantine where table_name = %s order by 1",
            (self.table,),
        )

    def manifest(self, result: Result) -> list[dict[str, Any]]:
        """The manifest a step handed over."""
        import json

        from mlcycle.adapters.artifacts.store import ArtifactStore

        output: Output = result.outputs["manifest"]
        return json.loads(ArtifactStore(self.platform.settings().artifacts_url).get(output))  # type: ignore[no-any-return]


def days(first: str, last: str) -> list[str]:
    """Partition keys of a range of days."""
    return [p.key for p in Partition.parse(first, Unit.DAY).to(Partition.parse(last, Unit.DAY))]


def edit(data: bytes, row: int, column: str, value: str) -> bytes:
    """A delivery with one cell replaced; row 1 is the first under the header."""
    lines = data.decode().splitlines()
    at = lines[0].split(",").index(column)
    cells = lines[row].split(",")
    cells[at] = value
    lines[row] = ",".join(cells)
    return ("\n".join(lines) + "\n").encode()

"""The step server of the fault tests: the real one, whose steps may be arranged to stop or to lack a guard.

``python -m tests.faults.arranged --socket PATH``. What is arranged is named in the step's environment and
done in its forked process alone: every other step of the same server is as it always is. With a guard
off, a test sees that its checker would notice.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from psycopg2.extensions import cursor as Cursor

from mlcycle.local import step_server
from mlcycle.local.step_child import Order

VARIABLE = "MLCYCLE_TEST_ARRANGED"  # taken away before the step reads its settings


def stop_before_publication() -> None:
    """Stand still, as under SIGSTOP from outside, once the work is staged; no transaction is open."""
    from mlcycle.steps.context import Publication, StepContext

    real = StepContext.publication
    stopped: list[str] = []

    @contextmanager
    def publication(self: StepContext, *key: str, **options: Any) -> Iterator[Publication]:
        if not stopped:
            stopped.append("once")
            os.kill(os.getpid(), signal.SIGSTOP)
        with real(self, *key, **options) as found:
            yield found

    StepContext.publication = publication  # type: ignore[method-assign]


def die_before_record() -> None:
    """Die when everything is written but the record of the publication."""
    from mlcycle.ledger import attempts

    attempts.record_publication = lambda *_: os.kill(os.getpid(), signal.SIGKILL)


def without_fencing() -> None:
    """An older attempt may publish."""
    from mlcycle.ledger import attempts

    attempts.guard = lambda *_: None


def without_replay() -> None:
    """A retry does not look at what an earlier attempt has published."""
    from mlcycle.ledger import attempts, batches, features
    from mlcycle.steps import labels, score

    attempts.published = lambda *_: None
    batches.published_keys = score.published_keys = labels.published_keys = lambda *_: {}  # type: ignore[attr-defined]
    batches.Current.same = lambda *_: False  # type: ignore[method-assign]
    features.recorded = lambda *_: {}


def without_transaction() -> None:
    """Every statement commits for itself."""
    from mlcycle.adapters.warehouse.connection import Warehouse

    @contextmanager
    def transaction(self: Warehouse) -> Iterator[Cursor]:
        self.connection.autocommit = True
        with self.connection.cursor() as cursor:
            yield cursor

    Warehouse.transaction = transaction  # type: ignore[method-assign]


def without_batch_lock() -> None:
    """Several may publish a partition side by side."""
    from mlcycle.ledger import batches

    def lock(cursor: Cursor, delivery: batches.Delivery, **_: Any) -> batches.Current | None:
        found = batches.current(cursor, delivery.project, delivery.table, [delivery.partition])
        return found.get(delivery.partition)

    batches.lock = lock


def without_comparing_deliveries() -> None:
    """A delivery is published whatever the partition holds."""
    from mlcycle.ledger import batches

    batches.Current.same = lambda *_: False  # type: ignore[method-assign]


ARRANGEMENTS: dict[str, Callable[[], None]] = {
    arrangement.__name__: arrangement
    for arrangement in (
        stop_before_publication,
        die_before_record,
        without_fencing,
        without_replay,
        without_transaction,
        without_batch_lock,
        without_comparing_deliveries,
    )
}


def main() -> NoReturn:
    """The step server's own, with orders that arrange before they run."""
    real = Order.run

    def run(self: Order) -> int:
        for name in filter(None, os.environ.pop(VARIABLE, "").split(",")):
            ARRANGEMENTS[name]()
        return real(self)

    Order.run = run  # type: ignore[method-assign]
    step_server.main()


if __name__ == "__main__":
    main()

"""Why production is worse than the test: a page of hypotheses wherever performance or inputs are wrong."""

import hashlib
from collections.abc import Iterable

from mlcycle.adapters.monitoring import why_evidence, why_page
from mlcycle.adapters.monitoring.base import Monitor
from mlcycle.adapters.monitoring.window import Reference, State, Window
from mlcycle.domain.monitors import Measurement
from mlcycle.domain.why_worse.walk import QUOTING, line, walked


class Why(Monitor):
    """Tells nobody by itself: alerts of what is wrong quote its line, and lead to its page."""

    title = "the page of reasons could not be made"
    order = 95  # after everything that it reads
    failure = "info"
    pages = False

    def measure(  # noqa: D102
        self, window: Window, reference: Reference, state: State
    ) -> Iterable[Measurement] | str:
        wrong = any(item.monitor in QUOTING and item.status in ("warn", "page") for item in window.found)
        if not wrong and not window.asked:
            return []
        evidence = why_evidence.gathered(window)
        found = walked(evidence)
        page = why_page.render(window, evidence, found)
        digest = hashlib.sha256(page).hexdigest()[:12]
        path = f"reports/{window.project.name}/why/{window.last.key}-{digest}.html"
        output = window.artifacts.put(path, page)
        window.artifacts.put(f"{path}.png", why_page.picture(found))
        details = {
            "link": path,
            "picture": f"{path}.png",
            "output": output.model_dump(mode="json"),
            "hypotheses": [
                {
                    **{"name": each.name, "title": each.title, "figure": each.figure},
                    **{"verdict": each.verdict, "where": list(each.where)},
                }
                for each in found
            ],
        }
        return [Measurement("why", "ok", line(found), details=details)]

"""The model card: what the model is for, how good it is, where it fails. Markdown.

After M. Mitchell et al., "Model cards for model reporting", 2019.
"""

from mlcycle.adapters.pages.evaluation.model_page import broken, summary
from mlcycle.adapters.pages.evaluation.words import figure, known, named, number
from mlcycle.domain.evaluation.document import Document
from mlcycle.project import Project


def render(project: Project, document: Document) -> str:
    """One document; every text out of project and data is kept from being markup."""
    scope, inputs = project.scope, project.inputs
    lines = [
        f"# {project.name}: {document.candidate}",
        "",
        f"{_text(scope.goal)}",
        "",
        "## Model",
        f"- Family `{document.family}`, candidate `{document.candidate}`, run `{document.run_id}`",
        f"- Predicts `{project.label.name}` ({document.task}) from {len(inputs.all)} inputs: "
        + ", ".join(f"`{name}`" for name in inputs.all),
        f"- Owner: {_text(scope.owner)}",
        "",
        "## Intended use",
        *(f"- For {_text(who)}" for who in scope.stakeholders),
        *(f"- {_text(words)}" for words in scope.constraints),
        "",
        "## Good enough when",
        *(f"- {_text(words)}" for words in scope.success),
        "",
        "## Data",
        f"- Dataset `{document.dataset_digest[:12]}`, judged on {document.rows:,} rows from "
        f"{document.start:%Y-%m-%d %H:%M} to {document.end:%Y-%m-%d %H:%M} UTC, "
        "later than all it learnt from",
        "",
        "## Figures, with 95 % intervals over blocks of time",
        "| figure | value |",
        "|---|---|",
        *(
            f"| {named(name, document.k)} | {figure(each)} |"
            for name, each in document.found("figures").items()
        ),
        "",
        "## What to know",
        *(f"- {_text(words)}" for words in summary(document)),
        "",
        *_limits(document),
        *_cost(document),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _limits(document: Document) -> list[str]:
    worse = [each for each in document.found("slices").get("slices", []) if each["least"] > 0]
    lines = [
        f"- `{_code(each['name'])}` ({number(each['rows'])} rows): {number(each['loss'])} of "
        f"{document.found('slices')['loss']}, {number(document.found('slices')['mean'])} on all rows"
        for each in worse[:10]
    ]
    lines += [f"- {_text(words)}" for words in broken(document)]
    untold = [name for name, part in document.parts.items() if part.status in ("left out", "not measured")]
    if untold:
        lines.append(f"- Not looked at: {', '.join(name.replace('_', ' ') for name in untold)}")
    return ["## Where it is weak, and what is not known", *lines, ""] if lines else []


def _cost(document: Document) -> list[str]:
    found = document.found("cost")
    return (
        [
            "## Cost",
            *(f"- {key.replace('_', ' ')}: {_text(known(value))}" for key, value in found.items()),
            "",
        ]
        if found
        else []
    )


def _text(words: str) -> str:
    """Plain text in Markdown: no markup, one line."""
    found = " ".join(words.split())
    for sign in "\\`*_[]<>|#":
        found = found.replace(sign, f"\\{sign}")
    return found


def _code(words: str) -> str:
    """Inside backticks nothing but a backtick ends it."""
    return " ".join(words.replace("`", "'").split())

"""The console's page on which people label rows: one row at a time, in the name of Airflow's user."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from mlcycle.adapters.pages.templating import template
from mlcycle.console.acting import User, check_origin, check_permission, form, may_act
from mlcycle.console.overview import acting, reading
from mlcycle.console.page import problem_page
from mlcycle.domain.labelling.answers import checked
from mlcycle.errors import InputError, MlcycleError
from mlcycle.ledger import labelling
from mlcycle.project import Project
from mlcycle.project.file import load_named, projects_folder

router = APIRouter()
FIELDS = ("task", "answer", "number", "comment", "judges")


async def _fields(request: Request) -> dict[str, str]:
    return await form(request, FIELDS)


@router.get("/projects/{name}/labels", response_class=HTMLResponse)
def labels(name: str, request: Request, user: User, judge: str = "") -> HTMLResponse:
    """How labelling stands, and the next row for who looks."""
    return _page(name, request, user, judge=bool(judge))


@router.post("/projects/{name}/labels", dependencies=[Depends(check_origin)], response_class=HTMLResponse)
def label(
    name: str, request: Request, user: User, given: Annotated[dict[str, str], Depends(_fields)]
) -> HTMLResponse:
    """Keep an answer, and show the next row."""
    check_permission(request, user, name)
    judge = given.get("judges") == "yes"
    try:
        project = _project(name)
        if not given.get("task", "").isdecimal():
            raise InputError("the form names no row: open the page again")
        kind = project.source.tables[project.label.table].columns[project.label.column]
        choices = project.label.choices(kind)
        text = given.get("answer") or given.get("number", "")
        said = checked("" if text == "cannot tell" else text, choices, project.label.task, kind)
        if said is None and text != "cannot tell":
            raise InputError("nothing was answered: choose, or say that it cannot be told")
        with acting() as cursor:
            labelling.answer(
                cursor,
                name,
                int(given["task"]),
                user.get_name(),
                said,
                judges=judge,
                comment=given.get("comment", ""),
            )
    except InputError as error:
        return _page(name, request, user, judge=judge, error=error.message)
    except MlcycleError as error:
        return HTMLResponse(problem_page(name, error.message), 503 if error.retryable else 500)
    return _page(name, request, user, judge=judge)


def _project(name: str) -> Project:
    project = load_named(projects_folder(), name)
    if project.label.source != "people":
        raise InputError(f"labels of {name} are delivered: say label.source: people to have them made here")
    return project


def _agreement(answers: Sequence[tuple[int, str, str]], choices: Sequence[str]) -> Any:
    """How far labellers agree; None in an Airflow without numpy, where ``mlcycle labels status`` tells it."""
    try:
        from mlcycle.domain.labelling.summary import agreement
    except ImportError:
        return None
    return agreement(answers, choices)


def _page(name: str, request: Request, user: Any, *, judge: bool, error: str = "") -> HTMLResponse:
    try:
        project = _project(name)
        may = may_act(request, user, name)
        kind = project.source.tables[project.label.table].columns[project.label.column]
        choices = project.label.choices(kind)
        with reading() as cursor:
            standing = labelling.standing(cursor, name)
            task = None
            if may:
                find = labelling.disputed if judge else None
                task = find(cursor, name) if find else labelling.next_for(cursor, name, user.get_name())
        page = template("console_labels.html.j2").render(
            name=name,
            place=quote(name),
            label=project.label.name.replace("_", " "),
            choices=choices,
            states=standing.states,
            reasons=standing.reasons,
            found=_agreement(standing.answers, choices),
            answered=Counter(who for _, who, _ in standing.answers),
            task=task,
            may=may,
            judge=judge,
            error=error,
        )
        return HTMLResponse(page, 400 if error else 200)
    except InputError as problem:
        return HTMLResponse(problem_page(name, problem.message), 404)
    except MlcycleError as problem:
        return HTMLResponse(problem_page(name, problem.message), 503 if problem.retryable else 500)

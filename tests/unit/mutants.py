"""What the last ``make mutate`` found, as docs/mutation.md: how many mutants the unit tests noticed, and the others.

Read from mutmut's folder. A survivor without a reason below is a hole in the tests, or a reason still to be found.
"""

import ast
import difflib
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MUTANTS = Path("mutants/src/mlcycle")
GOAL = 0.9
KILLED, SURVIVED, UNSEEN = (
    (1, 3, 24, -24, 36, 152, 255),
    (0,),
    (5, 33),
)  # mutmut's exit codes; the long ones hang

#: Mutants that change nothing anybody could see: function, what the line becomes, why. Both are patterns.
EQUIVALENT: list[tuple[str, str, str]] = [
    (
        r".*",
        r"strict=(None|False)|significant, \)|(before, after|sampled_new), \)",
        "both sides have one length by construction",
    ),
    (r".*", r"(predictions|\[rows\]|, old|, new|predictions\[rows\]), \)", "no weights is the default"),
    (r".*", r"labels?(\[order\])? >= 0\.5", "a label of a classification is 0 or 1"),
    (
        r".*",
        r"astype\(None\)|dtype=None|asarray\([^,]*, ?\)|full\(len\(moments\), -1, \)",
        "numpy's default is this type, or one with the same numbers in it",
    ),
    (r".*", r'kind="STABLE"', "numpy takes the name in capitals too"),
    (r".*", r'float\("NAN"\)|decode\("UTF-8"', "the name in capitals is the same"),
    (
        r"domain\.as_of\..*",
        r"-2|\+1, -1\)|fill_null\(.*None\)",
        "any negative number, NaN's cast included, stands for none",
    ),
    (r"domain\.as_of\._codes", r'= ""$|is None and owned', "both are set together in the first round"),
    (r"domain\.as_of\._codes", r"skip_nulls=(None|False)|value_set=names, \)", "the names hold no null"),
    (
        r"domain\.as_of\._codes",
        r"zero_copy_only=(None|True)",
        "an array without nulls is handed over without a copy either way",
    ),
    (r"domain\.delivery\.inspect", r"header: .* = None", "an empty header and none read alike"),
    (
        r"domain\.delivery\.inspect",
        r'count\(b"\\n", (None|0, None|0, )',
        "no newline stands behind the cut, which is the last one",
    ),
    (r"domain\.delivery\._refuse_long", r"or True else 0|else 1\)", "only a length above the limit matters"),
    (
        r"domain\.delivery\._refuse_long",
        r"row = ",
        "a chunk is shorter than a line may be: no newline stands before a line that is too long",
    ),
    (
        r"domain\.delivery\._header",
        r"strip\(|XX\\0XX|, None\)$|True\), \)",
        "the reader drops the line's end, finds the row, and the look that follows finds the NUL byte in the same words",
    ),
    (
        r"domain\.leakage\.check_column",
        r'name, None, present|"XXranksXX"|"RANKS"',
        "only 'is absent' is told apart",
    ),
    (
        r"domain\.leakage\.check_replay",
        r"column = next",
        "nothing is nothing under any name, and a row has a column",
    ),
    (
        r"domain\.sql_guard\._comment_end",
        r"depth (-= 1|\+= 1 if mark\[0\] !=)",
        "a depth that counts down to zero from below is the same depth",
    ),
    (
        r"domain\.value\.earned",
        r"full_like\(None|\(labels, None\)",
        "one constant for all rows, or NaN, which acts on none",
    ),
    (r"domain\.freshness\._mark", r"16\], \)|:17\]", "any digest does, in every process the same"),
    (r"domain\.slices\.measure_slices", r"asarray\(values", "slice columns are text"),
    (
        r"domain\.as_of\._codes",
        r"owned = np\.where\(None, -1, owned\)",
        "null has a number of its own that nobody asks for",
    ),
    (r"domain\.metrics\.ranked_auc", r"argsort", "the order within a tie is not looked at"),
    (
        r"domain\.freshness\.Reach.*",
        r"\[1, \*|total -=",
        "any digest does that is the same for the same batches",
    ),
    (r"domain\.partitions\.Partition\.parse", r"example", "an example's zone is not written"),
    (r"domain\.row_checks\._microseconds", r"fill_null", "the time of a bad row is never used"),
    (r"domain\.row_checks\._inside", r"partitions\], \)", "whole numbers are of this type by default"),
    (r"domain\.row_checks\._one_row_per_key", r"= None", "None is no"),
    (
        r"domain\.leakage\.check_column",
        r"strength > ",
        "a statistic that is the threshold to the last digit",
    ),
]


@dataclass(frozen=True)
class Mutant:
    """One change of one function, and whether the tests noticed it."""

    function: str
    code: int
    before: str
    after: str

    @property
    def reason(self) -> str:
        """Why it changes nothing; empty where it does."""
        for function, after, reason in EQUIVALENT:
            if re.fullmatch(function, self.function) and re.search(after, self.after):
                return reason
        return ""


def mutants() -> Iterator[Mutant]:
    """Every mutant that was tried. The ledger's that no unit test reaches need a database: not counted here."""
    for meta in sorted(MUTANTS.rglob("*.meta")):
        source = meta.with_suffix("").read_text()
        bodies = _bodies(source)
        module = ".".join(meta.relative_to(MUTANTS).with_suffix("").with_suffix("").parts)
        for key, code in json.loads(meta.read_text())["exit_code_by_key"].items():
            if code in UNSEEN and "ledger" in module:
                continue
            name = key.rpartition(".")[2]
            original = name.rpartition("__mutmut_")[0]
            before, after = _changed(bodies[f"{original}__mutmut_orig"], bodies[name])
            function = re.sub(r"^x_|^xǁ", "", original).replace("ǁ", ".")
            yield Mutant(f"{module}.{function}", code, before, after)


def _bodies(source: str) -> dict[str, list[str]]:
    """The lines of every function; its own name, which mutmut numbers, is the same in all."""
    lines = source.splitlines()
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    return {
        node.name: [
            line.strip().replace(f"def {node.name}(", "def (")
            for line in lines[node.lineno - 1 : node.end_lineno]
        ]
        for node in functions
    }


def _changed(before: list[str], after: list[str]) -> tuple[str, str]:
    found = list(difflib.unified_diff(before, after, n=0, lineterm=""))[2:]
    return tuple(" ".join(line[1:] for line in found if line[0] == sign) for sign in "-+")  # type: ignore[return-value]


def report(found: list[Mutant]) -> tuple[str, float]:
    """The page, and the share of mutants noticed among those that change anything."""
    modules: dict[str, Counter[str]] = defaultdict(Counter)
    left: dict[str, list[Mutant]] = defaultdict(list)
    for mutant in found:
        state = "killed" if mutant.code in KILLED else "same" if mutant.reason else "survived"
        modules[mutant.function.split(".")[1] if "." in mutant.function else mutant.function][state] += 1
        if state != "killed":
            left[mutant.reason].append(mutant)
    total = sum(modules.values(), Counter())
    share = total["killed"] / (total["killed"] + total["survived"])
    lines = [
        "# Do the tests see?",
        "",
        f"`make mutate` changes one thing at a time in `domain/` and the ledger's pure parts and runs the unit tests: "
        f"of {total.total()} mutants {total['same']} change nothing anybody could see; of the others the tests notice "
        f"{total['killed']}, which is **{share:.1%}** (goal: {GOAL:.0%}).",
        "",
        "Written by `tests/unit/mutants.py`, where the reasons are; the notes at the end are a person's. mutmut does not change constants of a module, nor "
        "functions with a decorator, such as the contract's properties; those have tests of their own.",
        "",
        "| module | mutants | noticed | change nothing | not noticed |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {count.total()} | {count['killed']} | {count['same']} | {count['survived']} |"
            for name, count in sorted(modules.items())
        ),
        "",
    ]
    for reason in sorted(left, key=lambda text: (text != "", text)):
        lines += [f"## {reason[:1].upper() + reason[1:] or 'Not noticed'}", ""]
        lines += [
            f"- {m.function}: `{_shown(m.before, m.after)}` becomes `{_shown(m.after, m.before)}`"
            for m in left[reason]
        ]
        lines.append("")
    return "\n".join(lines), share


def _shown(text: str, other: str, around: int = 24) -> str:
    """The part of a line in which it differs from the other, with a little around it."""
    start = next(
        (i for i, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), min(len(text), len(other))
    )
    tail = next(
        (i for i, (a, b) in enumerate(zip(text[::-1], other[::-1], strict=False)) if a != b),
        min(len(text), len(other)),
    )
    low, high = max(0, start - around), max(start, len(text) - tail) + around
    return ("..." if low else "") + text[low:high].replace("`", "'") + ("..." if high < len(text) else "")


if __name__ == "__main__":
    page, noticed = report(list(mutants()))
    written = Path("docs/mutation.md")
    _, heading, notes = written.read_text().partition("## Notes\n") if written.exists() else ("", "", "")
    written.write_text(f"{page}\n{heading}{notes}" if heading else page)
    print(f"{noticed:.1%} of the mutants that change anything are noticed: docs/mutation.md")
    sys.exit(noticed < GOAL)

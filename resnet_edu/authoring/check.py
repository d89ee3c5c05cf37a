"""The rules that every lesson follows, checked on its file without running it.

    03_vanishing_gradients.ipynb cell [5] (norms.record()): it ends in an error. Fix it, or tag it raises-exception ...

A rule is a function of a notebook and its path that yields its problems. To add one, write it and put it into RULES,
or into WARNINGS if not every lesson follows it yet. That the lessons also run, and that their claims hold, is checked
by pytest: an unexecuted notebook passes nbval.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePath
from urllib.parse import unquote

import nbformat
from nbformat import NotebookNode

from resnet_edu.authoring.address import setup_address
from resnet_edu.authoring.claims import wide_claims
from resnet_edu.authoring.lessons import CONTENTS, ROOT, Refusal, cell_name, minutes, read, readme_row, records
from resnet_edu.authoring.normalize import KERNELSPEC, asks, is_claim, only_tells, statements

Rule = Callable[[NotebookNode, Path], Iterable[str]]

MAX_BYTES = 1_050_000
RENDER = "Run `python -m resnet_edu authoring render`."

# Calls with a useless return value: as the last line of a cell they print an object and its address.
BARE = {"annotate", "axhline", "axvline", "bar", "barh", "fill_between", "hist", "imshow", "legend", "loglog",
        "manual_seed", "plot", "scatter", "semilogx", "semilogy", "set_title", "set_xlabel", "set_ylabel"}  # fmt: skip

LOCAL_PATH = re.compile(
    r"(?<![\w./:~-])/(?:root|home|tmp|Users)/[^\s'\"<>)]*|\b[A-Z]:\\+Users\\[^\s'\"<>)]*|\S*/site-packages/\S*"
)


def below(folder: PurePath) -> re.Pattern[str]:
    """A pattern for paths into the folder, with any system's separators, possibly escaped."""
    return re.compile(r"[\\/]+".join(re.escape(part.rstrip("\\/")) for part in (*folder.parts, "")))


OWN_PATH = below(ROOT)
ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,}")
INSTALL = re.compile(r"^\s*[%!]+\s*(?:\S*python\S*\s+-m\s+)?(?:pip|conda|mamba|uv)\b", re.MULTILINE)

# What has been replaced throughout the course, in text and in code, and what to write instead: standard English of the
# field. Words match in any case, and at their boundaries.
PHRASES = {
    r"(gradients?|slopes?|derivatives?) by (the|each|every|its|\*)": "... with respect to ...",
    r"as a part|a part of (the|all)|which part of": "as a fraction; a fraction of; what fraction of",
    r"(a|one) (row|number|value|line) an? (step|channel|layer|epoch|net|network)": "one ... per ...",
    r"the draws?": "the initialization",
    r"trouble": "problem",
    r"mend(s|ed|ing)?": "fix",
    r"hand(s|ed|ing)? on": "pass on",
    r"behind (it|an?|the|each|every) (\w+ )?(layer|convolution|BatchNorm|ReLU|activation|addition)s?": "after",
    r"in front of": "before",
    r"any ?more": "no longer",
    r"anew": "again; from scratch",
    r"whoever": "anyone who",
    r"one should think": "you would expect",
    r"how many times the work": "how much more work",
    r"stands? (in|beside)": "is in; is next to",
    r"(go|goes|going) by": "bases its answer on",
    r"(has|have) for (itself|themselves)": "what is specific to",
    r"wires?": "identity path; skip connection",
    r"thought out by": "designed by",
    r"by and by": "gradually",
    r"(are|is) to be had": "is available",
    r"\w*(colour|neighbour|favour|behaviour|normalis|initialis|optimis(?!tic|m)|generalis)\w*": "American spelling",
}


def check(path: Path) -> list[str]:
    """Every problem of the lesson, as sentences that start with its file name; empty if it follows the rules."""
    try:
        read(path)
    except Refusal as refusal:
        return [str(refusal)]
    notebook = nbformat.reader.reads(path.read_text(encoding="utf-8"))  # as stored: `read` repairs it
    if notebook.get("nbformat") != 4:
        return [f"{path.name} has the notebook format {notebook.get('nbformat')}. Open and save it in JupyterLab."]
    return [f"{path.name} {problem}" for rule in RULES for problem in rule(notebook, path)]


def warnings(path: Path) -> list[str]:
    """What should be improved though no rule forbids it, in the same form."""
    notebook = read(path)
    return [f"{path.name} {warning}" for rule in WARNINGS for warning in rule(notebook, path)]


# ---- The pieces of a notebook, each with the name of its cell --------------------------------------------------------


def cells(notebook: NotebookNode) -> Iterator[tuple[NotebookNode, str]]:
    for index, cell in enumerate(notebook.cells):
        yield cell, cell_name(notebook, index)


def code_cells(notebook: NotebookNode) -> Iterator[tuple[NotebookNode, str]]:
    """The non-empty code cells: Jupyter does not run empty ones."""
    return ((cell, where) for cell, where in cells(notebook) if cell.cell_type == "code" and cell.source.strip())


def outputs(notebook: NotebookNode) -> Iterator[tuple[NotebookNode, str]]:
    return ((output, where) for cell, where in code_cells(notebook) for output in cell.outputs)


def prose(notebook: NotebookNode) -> Iterator[tuple[str, str]]:
    """The text cells without their code, where a `#` is a comment and a `[0](x)` is not a link."""
    for cell, where in cells(notebook):
        if cell.cell_type == "markdown":
            text = re.sub(r"^(```+|~~~+).*?^\1", "", cell.source, flags=re.MULTILINE | re.DOTALL)
            yield re.sub(r"(`+)[^`].*?\1", "", text), where


def headings(notebook: NotebookNode) -> Iterator[tuple[int, str, str]]:
    """Level, text and cell of each heading."""
    for text, where in prose(notebook):
        for marks, title in re.findall(r"^ {0,3}(#{1,6})[ \t]+(.+)$", text, re.MULTILINE):
            yield len(marks), title.strip(), where


def output_texts(notebook: NotebookNode) -> Iterator[tuple[str, str]]:
    for output, where in outputs(notebook):
        yield output.get("text", ""), where
        yield re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(output.get("traceback", []))), where
        for kind, data in output.get("data", {}).items():
            if isinstance(data, str) and not kind.startswith("image/"):
                yield data, where


def tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


# ---- The file -------------------------------------------------------------------------------------------------------


def has_the_form_of_a_lesson(notebook: NotebookNode, path: Path) -> Iterator[str]:
    if not re.fullmatch(r"\d\d_[a-z0-9_]+\.ipynb", path.name):
        yield "is not named like a lesson. Name it by number and topic, such as 03_vanishing_gradients.ipynb."
    if (size := path.stat().st_size) > MAX_BYTES:
        yield f"has {size:,} bytes, more than {MAX_BYTES:,}. Draw smaller figures or fewer."
    if notebook.metadata.get("kernelspec", {}).get("name") != KERNELSPEC["name"]:
        yield f"does not use the kernel python3, which every Jupyter has. {RENDER}"
    if "widgets" in notebook.metadata:
        yield f"stores widget state, which is never displayed. {RENDER}"
    if setup_address(notebook) is None:
        yield "has no cell with the id setup, or a different one. Copy it from resnet_edu.authoring.address.SETUP."


def has_cell_ids(notebook: NotebookNode, path: Path) -> Iterator[str]:
    seen = set()
    for cell, where in cells(notebook):
        if not cell.get("id"):
            yield f"{where}: it has no id. {RENDER}"
        elif cell.id in seen:
            yield f"{where}: its id {cell.id} is also another cell's. Give it a unique one."
        seen.add(cell.get("id"))


# ---- The run --------------------------------------------------------------------------------------------------------


def is_executed_in_order(notebook: NotebookNode, path: Path) -> Iterator[str]:
    for number, (cell, where) in enumerate(code_cells(notebook), start=1):
        if cell.execution_count != number:
            was = f"was run as [{cell.execution_count}]" if cell.execution_count else "was not run"
            yield f"{where}: it {was}, not as [{number}]. Cells must be run from top to bottom. {RENDER}"
            return


def ends_in_no_error(notebook: NotebookNode, path: Path) -> Iterator[str]:
    for cell, where in code_cells(notebook):
        failed = any(output.output_type == "error" for output in cell.outputs)
        meant = "raises-exception" in tags(cell)
        if failed and not meant:
            yield f"{where}: it ends in an error. Fix it, or tag it raises-exception if the error is intended."
        if meant and not failed:
            yield f"{where}: it is tagged raises-exception but stores no error. Remove the tag, or render it."


def tells_the_time_that_it_took(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """The README's last column must be the time that `render` measured, at the budget that readers have."""
    root = path.resolve().parents[1]
    try:
        run = records(root, "lessons")[path.stem]
        seconds, budget = run["seconds"], run["budget"]
    except (OSError, ValueError, KeyError, TypeError):
        yield f"has no time in data/runs/lessons.json. {RENDER}"
        return
    row = readme_row(path.stem).search((root / "README.md").read_text(encoding="utf-8"))
    if budget == "smoke":
        yield f"has the outputs of the budget smoke, which is only for tests. {RENDER}"
    elif row and row[2] != f"{seconds} s":
        yield f"takes {row[2]} according to the README, but {seconds} s according to data/runs/lessons.json. {RENDER}"


def is_known_to_the_course(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """What a new lesson needs outside its own file."""
    if path.stem == CONTENTS:
        return
    root, lesson = path.resolve().parents[1], "\n".join(cell.source for cell in notebook.cells)
    if not minutes(lesson):
        yield "does not say how long it takes. Add **Time:** about 30 minutes, or as long as it is, to its objectives."
    named = minutes(lesson) or r"\d+"
    rows = {
        "README.md": readme_row(path.stem).pattern,
        "notebooks/FOR_INSTRUCTORS.md": rf"\({path.name}\) \| {named} \|",
        f"notebooks/{CONTENTS}.ipynb": rf"\({path.name}\) \|.*\| {named} min \|",
    }
    for page, row in rows.items():
        if not (root / page).exists() or not re.search(row, (root / page).read_text(encoding="utf-8"), re.MULTILINE):
            yield f"has no row in the table of {page}, or one with other minutes. Write it like the others."
    if not (root / "tests" / "premises" / f"lesson{path.name[:2]}.py").exists():
        yield f"has no premises: write tests/premises/lesson{path.name[:2]}.py like those of the other lessons."


def says_where_time_is_measured(notebook: NotebookNode, path: Path) -> Iterator[str]:
    """All other outputs are byte-identical each time the lesson is rendered."""
    for cell, where in code_cells(notebook):
        printed = "\n".join(output.get("text", "") for output in cell.outputs)
        if "timing" not in tags(cell) and re.search(r"^\d+ epochs?, [\d.]+ s: ", printed, re.MULTILINE):
            yield f'{where}: its output says how long training took, which varies. Give the cell the tag "timing".'


def prints_nothing_to_stderr(notebook: NotebookNode, path: Path) -> Iterator[str]:
    for output, where in outputs(notebook):
        if output.output_type == "stream" and output.name == "stderr":
            first = next(iter(output.text.strip().splitlines()), "")
            yield f"{where}: it prints to stderr ({first}). Fix the cause."


def stores_what_nbval_compares(notebook: NotebookNode, path: Path) -> Iterator[str]:
    for cell, where in code_cells(notebook):
        if "nbval-check-output" in tags(cell) and not cell.outputs:
            yield f"{where}: it is tagged nbval-check-output but stores no output to compare. Remove it, or render it."


# ---- What a reader sees ---------------------------------------------------------------------------------------------


def has_one_title_and_skips_no_level(notebook: NotebookNode, path: Path) -> Iterator[str]:
    titles = [text for level, text, _ in headings(notebook) if level == 1]
    if len(titles) != 1:
        yield f"has {len(titles)} headings of level 1. Give it exactly one, its title."
    before = 1
    for level, text, where in headings(notebook):
        if level > before + 1:
            yield f"{where}: heading '{text}' has level {level} below one of level {before}. Do not skip a level."
        before = level


def has_its_sections(notebook: NotebookNode, path: Path) -> Iterator[str]:
    if path.stem == CONTENTS:
        return
    found = [text.lower() for _, text, _ in headings(notebook)]
    for section in ("Objectives", "Recap", "Papers"):
        if not any(text.startswith(section.lower()) for text in found):
            yield f"has no section '{section}'. Add a heading that starts with this word."


def describes_pictures(notebook: NotebookNode, path: Path) -> Iterator[str]:
    for text, where in prose(notebook):
        for link in re.findall(r"!\[\s*\]\(([^)\s]+)", text):
            yield f"{where}: image {link} has no alt text. Write ![what it shows]({link})."
        for image in re.findall(r"<img\b[^>]*>", text):
            if not re.search(r"\balt=[\"'][^\"']", image):
                yield f'{where}: {image} has no alt text. Add alt="what it shows".'
    for output, where in outputs(notebook):
        for kind in output.get("data", {}):
            if kind.startswith("image/") and not output.metadata.get(kind, {}).get("alt", "").strip():
                yield f"{where}: its figure has no alt text. Show it with resnet_edu.lesson.show(figure, alt=...)."


def links_to_what_is_there(notebook: NotebookNode, path: Path) -> Iterator[str]:
    for text, where in prose(notebook):
        for link in re.findall(r"\]\(\s*<?([^)\s>]+)", text) + re.findall(r"\b(?:href|src)=[\"']([^\"']+)", text):
            target = unquote(link.partition("#")[0])
            if not target or re.match(r"[a-z][a-z0-9+.-]*:", target, re.IGNORECASE):  # an anchor on this page, or a URL
                continue
            file = (path.parent / target).resolve()
            if not file.exists() or not file.is_relative_to(path.resolve().parents[1]):
                yield f"{where}: the link to {link} points to nothing in the repository. Correct it."


def asks_with_a_right_and_a_wrong_answer(notebook: NotebookNode, path: Path) -> Iterator[str]:
    for cell, where in cells(notebook):
        options = cell.source.split("<details>")[1:]
        if cell.source.startswith("**Quiz.**"):
            verdicts = [re.search(r"</summary>\n\n\*\*(Right|No)\.\*\* \S", option) for option in options]
            if not all(verdicts) or {verdict and verdict[1] for verdict in verdicts} != {"Right", "No"}:
                yield f"{where}: each option of a quiz unfolds to **Right.** or **No.** and its reason; it needs both."


def folds_what_only_checks(notebook: NotebookNode, path: Path) -> Iterator[str]:
    for cell, where in code_cells(notebook):
        if any(map(is_claim, statements(cell.source)[-1:])) and not only_tells(cell.source):
            yield f'{where}: it ends in claims. Move them to a cell with the id "{cell.id}-checked", which is folded.'


def folds_what_answers(notebook: NotebookNode, path: Path) -> Iterator[str]:
    asked = False
    for cell, where in cells(notebook):
        if cell.cell_type == "markdown":
            asked = asks(cell.source)
        elif asked and re.search(r"^ *(show|claim)\(", cell.source, re.MULTILINE) and not only_tells(cell.source):
            yield (
                f"{where}: a caption or bound in its source may answer the question above. Assign the figure to a "
                f'variable; show and check in a cell with the id "{cell.id}-checked", which is folded.'
            )
        elif only_tells(cell.source) and not re.match(r"#|(show|claim)\(\n", cell.source):
            yield f"{where}: its first line, which is visible when it is folded, says too much. Begin with a comment."


# ---- What must not be in it -----------------------------------------------------------------------------------------


def names_no_local_path(notebook: NotebookNode, path: Path) -> Iterator[str]:
    sources = ((cell.source, where) for cell, where in cells(notebook))
    for text, where in (*sources, *output_texts(notebook)):
        for found in dict.fromkeys(LOCAL_PATH.findall(text) + OWN_PATH.findall(text)):
            yield f"{where}: {found} is a path on one machine. Use a relative path, or keep it out of the output."


def prints_no_address(notebook: NotebookNode, path: Path) -> Iterator[str]:
    for text, where in output_texts(notebook):
        for found in ADDRESS.findall(text):
            yield f"{where}: its output has an object's address ({found}), new in each run. Print what you need."


def ends_in_no_bare_call(notebook: NotebookNode, path: Path) -> Iterator[str]:
    for cell, where in code_cells(notebook):
        if name := bare_call(cell.source):
            yield f"{where}: its last line displays what {name}() returns. End it with a semicolon, or a result."


def bare_call(source: str) -> str | None:
    """The name of the call in BARE whose value the cell would show, as in `ax.plot(x)` or `torch.manual_seed(0)`."""
    match statements(source)[-1:]:
        case [ast.Expr(ast.Call(func=ast.Attribute(value=ast.Name(id="plots"))))]:  # ours return a Figure
            return None
        case [ast.Expr(ast.Call(func=ast.Attribute(attr=name)))] if name in BARE and not source.rstrip().endswith(";"):
            return name
    return None


def installs_nothing_by_magic(notebook: NotebookNode, path: Path) -> Iterator[str]:
    for cell, where in code_cells(notebook):
        for found in INSTALL.findall(cell.source):
            yield f"{where}: it installs with `{found}`. Put what a lesson needs into requirements.txt."


def brings_back_no_old_phrase(notebook: NotebookNode, path: Path) -> Iterator[str]:
    for cell in notebook.cells:
        text = " ".join(cell.source.split())
        for phrase, instead in PHRASES.items():
            for found in re.finditer(rf"\b({phrase})\b", text, re.IGNORECASE):
                yield f"says '{found[0]}' in \"{text[:40]}\". Write: {instead}."


RULES: tuple[Rule, ...] = (
    has_the_form_of_a_lesson,
    has_cell_ids,
    is_executed_in_order,
    ends_in_no_error,
    tells_the_time_that_it_took,
    is_known_to_the_course,
    says_where_time_is_measured,
    prints_nothing_to_stderr,
    stores_what_nbval_compares,
    has_one_title_and_skips_no_level,
    has_its_sections,
    describes_pictures,
    links_to_what_is_there,
    asks_with_a_right_and_a_wrong_answer,
    folds_what_only_checks,
    folds_what_answers,
    names_no_local_path,
    prints_no_address,
    ends_in_no_bare_call,
    installs_nothing_by_magic,
)
WARNINGS: tuple[Rule, ...] = (wide_claims, brings_back_no_old_phrase)

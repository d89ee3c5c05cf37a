"""The contents page knows every lesson, the lessons lead to it and to each other, and no link leads nowhere."""

import importlib
import json
import re
import shutil

import pytest

from resnet_edu.authoring.lessons import CONTENTS, NOTEBOOKS, find_lesson, lessons
from resnet_edu.authoring.render import write_minutes

PAGE = NOTEBOOKS / f"{CONTENTS}.ipynb"
LESSONS = [path for path in lessons() if path != PAGE]
ROW = re.compile(r"^\| (\d\d) \| \[(.+)\]\((.+)\) \| .+ \| (\d+) min \|$", re.MULTILINE)


def texts(path):
    """{id: source} of the notebook's text cells, in order."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return {cell["id"]: "".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"}


def titles():
    """{lesson: the title in its first line}"""
    return {path: next(iter(texts(path).values())).splitlines()[0].removeprefix("# ") for path in LESSONS}


def headings(level):
    return re.findall(rf"^{'#' * level} (.+)$", "\n".join(texts(PAGE).values()), re.MULTILINE)


def test_the_page_comes_before_the_lessons_and_has_the_number_0():
    assert lessons()[0] == find_lesson("0") == find_lesson("start_here") == PAGE


def test_every_lesson_has_a_row_with_its_title_and_its_minutes():
    rows = ROW.findall(texts(PAGE)["lessons"])
    assert [(f"{number} · {title}", name) for number, title, name, _ in rows] == [
        (title, path.name) for path, title in titles().items()
    ]
    for (*_, minutes), path in zip(rows, LESSONS, strict=True):
        assert f"**Time:** about {minutes} minutes" in path.read_text(encoding="utf-8"), path.name
    hours = sum(int(minutes) for *_, minutes in rows) / 60
    assert f"about {hours:.0f} hours in all" in texts(PAGE)["lessons"]


def test_render_writes_the_minutes_that_a_lesson_names_into_its_row_alone(tmp_path):
    page = tmp_path / PAGE.name
    shutil.copy(PAGE, page)
    lesson = tmp_path / LESSONS[2].name
    text = LESSONS[2].read_text(encoding="utf-8")
    lesson.write_text(re.sub(r"(\*\*Time:\*\* about )\d+", r"\g<1>987", text), encoding="utf-8")
    write_minutes(page, lesson)
    before, after = (ROW.findall(texts(path)["lessons"]) for path in (PAGE, page))
    assert [new for old, new in zip(before, after, strict=True) if old != new] == [(*before[2][:3], "987")]
    write_minutes(page, LESSONS[2])
    assert page.read_bytes() == PAGE.read_bytes()


@pytest.mark.parametrize("number", range(len(LESSONS)), ids=[path.stem for path in LESSONS])
def test_a_lesson_leads_back_to_the_page_and_the_lesson_before_and_on_to_the_next(number):
    path, names = LESSONS[number], titles()
    first, *_, last = texts(path).values()
    before = f" · Previous: [{names[LESSONS[number - 1]]}]({LESSONS[number - 1].name})" if number else ""
    assert f"\n\n[Contents]({PAGE.name}){before}\n\n" in first
    following = LESSONS[number + 1 :][:1]
    assert re.findall(r"^Next: \[(.+)\]\((.+?)\)", last, re.MULTILINE) == [(names[p], p.name) for p in following]


def test_links_to_the_page_name_headings_that_it_has():
    """JupyterLab and nbconvert keep a heading's letters as they are, and put hyphens between its words."""
    there = [heading.replace(" ", "-") for level in (1, 2, 3) for heading in headings(level)]
    assert len(there) == len(set(there))
    for path in lessons():
        own = r"\]\(#([^)]+)\)" if path == PAGE else rf"\]\({PAGE.name}#([^)]+)\)"
        found = re.findall(own, "\n".join(texts(path).values()))
        assert found and set(found) <= set(there), path.name


def test_the_glossary_is_sorted_and_explains_each_term():
    terms = re.findall(r"^### (.+)\n\n[^#\n].+\.$", texts(PAGE)["glossary"], re.MULTILINE)
    assert terms == sorted(terms, key=str.lower)
    assert len(terms) == texts(PAGE)["glossary"].count("###")


def test_there_are_the_ten_calls_of_the_cheat_sheet():
    calls = re.findall(r"^\| `(\w+)\.(\w+)\(", texts(PAGE)["calls"], re.MULTILINE)
    assert len(calls) == 10
    for room, name in calls:
        module = importlib.import_module(f"resnet_edu.{'models.weights' if room == 'weights' else room}")
        assert callable(getattr(module, name))

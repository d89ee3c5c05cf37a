"""The page for instructors knows which lessons there are, and links to nothing else."""

import re

from resnet_edu.authoring.lessons import CONTENTS, NOTEBOOKS, ROOT, lessons

PAGE = (NOTEBOOKS / "FOR_INSTRUCTORS.md").read_text(encoding="utf-8")

LESSONS = [path for path in lessons() if path.stem != CONTENTS]


def rows():
    """{number: its row of the table}"""
    return {row[2:4]: row for row in PAGE.splitlines() if re.match(r"\| \d\d \|", row)}


def test_all_fourteen_lessons_have_a_row_and_those_that_are_there_a_link():
    assert {f"{number:02d}" for number in range(1, 15)} <= rows().keys()
    there = {path.stem[:2]: path.name for path in LESSONS}
    linked = {number: re.findall(r"\]\(([^)]+)\)", row) for number, row in rows().items()}
    assert {number: names for number, names in linked.items() if names} == {n: [name] for n, name in there.items()}


def test_the_minutes_are_those_that_the_lesson_names():
    for path in LESSONS:
        named = re.search(r"\*\*Time:\*\* about (\d+) minutes", path.read_text(encoding="utf-8"))
        assert named and f"| {named[1]} |" in rows()[path.stem[:2]], path.stem


def test_every_link_leads_somewhere():
    for link in re.findall(r"\]\(([^)]+)\)", PAGE):
        assert link.startswith("https://") or (NOTEBOOKS / link).resolve().is_relative_to(ROOT)
        assert link.startswith("https://") or (NOTEBOOKS / link).exists()

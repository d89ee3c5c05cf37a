"""`authoring address` and `authoring new`: what a fork's instructor does first."""

import shutil

import nbformat
import pytest
from premises import core

from resnet_edu.authoring import lessons as course
from resnet_edu.authoring.address import SETUP, setup_address, stamp
from resnet_edu.authoring.check import check
from resnet_edu.authoring.lessons import Refusal
from resnet_edu.authoring.new import new
from resnet_edu.authoring.normalize import to_text
from resnet_edu.authoring.render import render

GITHUB, LOCAL = "https://github.com/ada/course", "file:///srv/git/my course"


@pytest.fixture
def fork(tmp_path):
    """The contents page, three lessons and the README."""
    (tmp_path / "notebooks").mkdir()
    for path in course.NOTEBOOKS.glob("0[0-3]_*.ipynb"):
        shutil.copy(path, tmp_path / "notebooks")
    shutil.copy(course.ROOT / "README.md", tmp_path)
    return tmp_path


def files(fork):
    return {path.name: path.read_bytes() for path in sorted(fork.rglob("*")) if path.is_file()}


def test_the_course_as_it_is_written_has_no_address_and_no_badge():
    for path in course.lessons():
        notebook, text = nbformat.read(path, 4), path.read_text(encoding="utf-8")
        assert setup_address(notebook) == "" and "colab-badge" not in text, path.name
        assert to_text(notebook) == text, path.name  # so that stamping and unstamping leaves no trace


@pytest.mark.parametrize("address", [GITHUB, "https://example.org/course.git", "file:///srv/course"])
def test_an_address_is_taken_out_without_a_trace(fork, address):
    before = files(fork)
    assert len(stamp(address, fork)) >= 3
    assert stamp(address, fork) == []  # it is there already
    for path in course.lessons(fork / "notebooks"):
        assert setup_address(nbformat.read(path, 4)) == address
    stamp("https://example.org/other.git", fork)
    stamp("", fork)
    assert files(fork) == before


def test_an_address_at_github_gives_each_lesson_a_badge_of_its_own(fork):
    stamp(GITHUB, fork, branch="autumn")
    page = "https://colab.research.google.com/github/ada/course/blob/autumn/notebooks"
    for path in course.lessons(fork / "notebooks"):
        title = nbformat.read(path, 4).cells[0].source.splitlines()
        assert title[0].startswith("# ") and title[2].endswith(f"({page}/{path.name})") and title[1] == title[3] == ""
    assert f"({page}/00_start_here.ipynb)" in (fork / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("pasted", "branch", "written"),
    [
        (f"{GITHUB}.git", None, GITHUB),
        (f"{GITHUB}/", None, GITHUB),
        (f"{GITHUB}?tab=readme-ov-file", None, GITHUB),
        (f"{GITHUB}/tree/autumn?tab=readme-ov-file#lessons", None, f"{GITHUB}@autumn"),
        (f"{GITHUB}/tree/autumn/", "week/3", f"{GITHUB}@week/3"),
        ("https://example.org/course.git", "autumn", "https://example.org/course.git@autumn"),
    ],
)
def test_a_pasted_page_becomes_what_pip_installs_from_with_the_branch(fork, pasted, branch, written):
    before = files(fork)
    stamp(pasted, fork, branch)
    for path in course.lessons(fork / "notebooks"):
        assert setup_address(nbformat.read(path, 4)) == written
        assert (f"/blob/{written.rpartition('@')[2]}/" in path.read_text(encoding="utf-8")) == (f"{GITHUB}@" in written)
    stamp("", fork, branch)
    assert files(fork) == before


def test_elsewhere_there_is_no_badge(fork):
    stamp("https://example.org/course.git", fork)
    assert all(b"colab-badge" not in text for text in files(fork).values())


@pytest.mark.parametrize(
    ("address", "branch"),
    [
        ("github.com/ada/course", None),
        (LOCAL, None),
        ('https://x.org/"', None),
        ("ftp://x.org/c", None),
        ("course", None),
        (f"{GITHUB}/blob/main/README.md", None),
        (f"{GITHUB}/tree/main/notebooks", None),
        ("https://x.org/c/-/tree/main", None),
        (GITHUB, 'a"b'),
    ],
)
def test_what_is_no_address_is_refused_and_nothing_is_written(fork, address, branch):
    before = files(fork)
    with pytest.raises(Refusal, match="is not the address of a git repository"):
        stamp(address, fork, branch)
    assert files(fork) == before


def test_a_lesson_with_a_setup_cell_of_its_own_stops_the_stamp(fork):
    path = course.lessons(fork / "notebooks")[1]
    path.write_text(path.read_text(encoding="utf-8").replace("--no-deps", "--upgrade"), encoding="utf-8")
    before = files(fork)
    with pytest.raises(Refusal, match=f"{path.name}: its setup cell is missing or differs"):
        stamp(GITHUB, fork)
    assert files(fork) == before


def test_a_new_lesson_runs_keeps_every_rule_and_its_claim_can_fail(fork, monkeypatch):
    (fork / "README.md").write_text("| 20 | [My topic](notebooks/20_my_topic.ipynb) | what I see | 0 s |\n")
    (fork / "notebooks" / "FOR_INSTRUCTORS.md").write_text("| 20 | [my topic](20_my_topic.ipynb) | 30 | ... |\n")
    contents = fork / "notebooks" / "00_start_here.ipynb"
    contents.write_text(
        contents.read_text().replace("](03_vanishing", "](20_my_topic.ipynb) | ? | 30 min | ](03_vanishing")
    )
    path = new("20", "my_topic", fork / "notebooks")
    assert path.name == "20_my_topic.ipynb" and check(path)  # not run yet
    render(path, budget="laptop", root=fork)
    assert check(path) == []
    cells = {cell.id: cell for cell in nbformat.read(path, 4).cells}
    assert cells["title"].source.startswith("# 20 · My topic") and "(03_vanishing_" in cells["title"].source
    assert cells["setup"].source == SETUP
    assert any("✓" in output.get("text", "") for output in cells["measure-checked"].outputs)

    monkeypatch.setattr(core, "NOTEBOOKS", path.parent)
    premises = {}
    exec((fork / "tests" / "premises" / "lesson20.py").read_text(), premises)
    (premise,) = premises["PREMISES"]
    assert core.failed_claims(path.stem, premise, monkeypatch) == dict.fromkeys(core.claimed(path.stem), True)


@pytest.mark.parametrize(("number", "name"), [("x", "topic"), ("14", "My topic"), ("100", "topic"), ("14", "../up")])
def test_a_lesson_needs_a_number_and_a_name(fork, number, name):
    with pytest.raises(Refusal, match="such as 15 my_topic"):
        new(number, name, fork / "notebooks")


def test_a_number_that_is_taken_is_refused(fork):
    with pytest.raises(Refusal, match="There is already a lesson 03: 03_vanishing_gradients"):
        new("3", "other", fork / "notebooks")

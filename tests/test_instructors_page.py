"""The page for instructors links to nothing that is not there. (`authoring check` looks for each lesson's row.)"""

import re

from resnet_edu.authoring.lessons import NOTEBOOKS, ROOT


def test_every_link_leads_somewhere():
    for link in re.findall(r"\]\(([^)]+)\)", (NOTEBOOKS / "FOR_INSTRUCTORS.md").read_text(encoding="utf-8")):
        file = (NOTEBOOKS / link).resolve()
        assert link.startswith("https://") or (file.is_relative_to(ROOT) and file.exists()), link

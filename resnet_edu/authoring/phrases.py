"""Phrases that have been replaced throughout the course and must not come back, each with what to write instead."""

from __future__ import annotations

import re
from pathlib import Path

from nbformat import NotebookNode

#: {regular expression: standard English of the field}. Words match in any case, and at their boundaries.
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
    r"\w*(colour|neighbour|favour|behaviour|normalis|initialis|optimis|generalis)\w*": "American spelling",
}


def old_phrases(notebook: NotebookNode, path: Path) -> list[str]:
    """The phrases that have reappeared, in text and in code."""
    return [
        f"says '{found[0]}' in \"{' '.join(cell.source.split())[:40]}\". Write: {instead}."
        for cell in notebook.cells
        for phrase, instead in PHRASES.items()
        for found in re.finditer(rf"\b({phrase})\b", " ".join(cell.source.split()), re.IGNORECASE)
    ]

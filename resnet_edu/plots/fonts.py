"""Names in any script: in a font of this machine that has their letters, else as numbers."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Iterable
from functools import cache

import matplotlib as mpl
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font


def writable(names: Iterable[str], kind: str = "class") -> list[str]:
    """The names, those for whose letters the machine has no font as "class 0", "class 1", ...; a warning says it once.

    Call it in a function with the course's look, before the texts are made: they get the fonts that it adds.
    """
    names = list(names)
    lost = add_fonts(names)
    shown = [f"{kind} {i}" if lost & set(name) else name for i, name in enumerate(names)]
    if changed := {new: name for new, name in zip(shown, names, strict=True) if new != name}:
        told = ", ".join(f"{new} is {name}" for new, name in changed.items())
        warn_once(f"No font on this machine has all letters of these names: {told}.")
    return shown


@cache
def warn_once(sentence: str) -> None:
    warnings.warn(sentence, stacklevel=1)


def add_fonts(texts: Iterable[str]) -> set[str]:
    """Adds fonts to those that texts are set in from now on, until all letters are there; returns what no font has."""
    lost = {c for text in texts for c in text if unicodedata.category(c)[0] not in "CZ"} - letters(usual_font())
    lost -= {"\N{VARIATION SELECTOR-15}", "\N{VARIATION SELECTOR-16}"}
    for family, path in other_fonts() if lost else ():
        if found := lost & letters(path):
            mpl.rcParams["font.family"] = list(dict.fromkeys([*mpl.rcParams["font.family"], family]))
            lost -= found
        if not lost:
            break
    return lost


def usual_font() -> str:
    return str(findfont(FontProperties()))


def other_fonts() -> list[tuple[str, str]]:
    """(family, path) of every font of the machine, upright and of usual weight, in which a letter is that letter."""
    not_letters = ("Last Resort", "STIXNon", "STIXSize", "cm")  # signs of TeX, and boxes for what is missing
    return [
        (font.name, font.fname)
        for font in fontManager.ttflist
        if font.style == "normal" and font.weight in range(300, 501) and not font.name.startswith(not_letters)
    ]


@cache
def letters(path: str) -> frozenset[str]:
    """What can be set in this font: nothing in one of pictures, such as emoji, which matplotlib cannot draw."""
    try:
        font = get_font(path)
        font.set_size(10, 100)
        codes = list(font.get_charmap())
        font.load_char(codes[0])
    except (RuntimeError, OSError):
        return frozenset()
    return frozenset(map(chr, codes))

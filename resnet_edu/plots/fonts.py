"""Labels in any script: set in a font on this machine that has their letters, else replaced by numbers."""

import unicodedata
import warnings
from collections.abc import Iterable
from functools import cache

import matplotlib as mpl
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font


def writable(names: Iterable[str], kind: str = "class") -> list[str]:
    """Return the names; those with letters in no font here become "class 0", "class 1", ..., with one warning.

    Call it inside a `@course_look` function, before creating texts: they use the fonts that it adds.
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
    """Add fonts for later texts until every letter is covered; return the letters that no font has."""
    usual = letters(findfont(FontProperties()))
    lost = {c for text in texts for c in text if unicodedata.category(c)[0] not in "CZ"} - usual
    lost -= {"\N{VARIATION SELECTOR-15}", "\N{VARIATION SELECTOR-16}"}
    for family, path in other_fonts() if lost else ():
        if found := lost & letters(path):
            mpl.rcParams["font.family"] = list(dict.fromkeys([*mpl.rcParams["font.family"], family]))
            lost -= found
        if not lost:
            break
    return lost


def other_fonts() -> list[tuple[str, str]]:
    """(family, path) of every upright, normal-weight text font on the machine."""
    not_letters = ("Last Resort", "STIXNon", "STIXSize", "cm")  # TeX symbols, and placeholder boxes
    return [
        (font.name, font.fname)
        for font in fontManager.ttflist
        if font.style == "normal" and font.weight in range(300, 501) and not font.name.startswith(not_letters)
    ]


@cache
def letters(path: str) -> frozenset[str]:
    """The characters of this font; none for a color emoji font, which matplotlib cannot draw."""
    try:
        font = get_font(path)
        font.set_size(10, 100)
        codes = list(font.get_charmap())
        font.load_char(codes[0])
    except (RuntimeError, OSError):
        return frozenset()
    return frozenset(map(chr, codes))

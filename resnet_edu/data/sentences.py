"""Sentences whose verb agrees with its subject, or does not: a letter-level task about word order.

    >>> sentences = data.agreement_sentences(4, data.NOUNS[:40], seed=0)
    >>> sentences.texts[0], bool(sentences.labels[0]), bool(sentences.misleading[0])

"the dogs near the old house run" is right, "the dogs near the old house runs" is wrong: its subject is "dogs", and
"house" is only closer to the verb. Linzen et al. 2016 (arXiv 1611.01368) test LSTMs this way; they call a noun between
subject and verb whose number differs an *attractor*. The caller chooses the nouns, so that a test can use nouns
that never occurred in training.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from resnet_edu import checks

#: Each forms its plural with an s, and none ends in one.
NOUNS = (
    "dog", "cat", "horse", "bird", "car", "ship", "truck", "plane", "tree", "house", "river", "king", "queen", "parent",
    "farmer", "doctor", "teacher", "singer", "painter", "driver", "tiger", "rabbit", "spider", "monkey", "garden",
    "window", "table", "letter", "picture", "engine", "robot", "guitar", "village", "mountain", "island", "student",
    "sailor", "baker", "hunter", "lawyer", "eagle", "turtle", "camel", "snake", "bridge", "tower", "castle", "road",
    "train", "boat", "pilot", "actor", "uncle", "neighbor", "cousin", "friend", "donkey", "pigeon", "lizard", "beetle",
)  # fmt: skip
VERBS = ("run", "sleep", "sing", "fall", "move", "shine", "wait", "turn", "jump", "grow", "work", "look")
PREPOSITIONS = ("near", "behind", "under", "with", "above", "from")
ADJECTIVES = ("old", "red", "tall", "quiet", "young", "green")
LETTERS = " abcdefghijklmnopqrstuvwxyz"
LONGEST = 72  # letters; every sentence is padded with spaces at its end


@dataclass(frozen=True, eq=False)
class Sentences:
    """texts: N sentences. letters: int64 [N, 72], indices into LETTERS. labels: int64 [N], 1 where the verb agrees.

    misleading: bool [N], True where the noun next to the verb differs in number from the subject.
    """

    texts: list[str]
    letters: Tensor
    labels: Tensor
    misleading: Tensor


def agreement_sentences(count: int, nouns: Sequence[str] = NOUNS, *, seed: int = 0) -> Sentences:
    """`count` sentences, half of them correct on average: a subject, up to two more nouns, a verb.

    Number, order and words are sampled independently of each other; a sentence of more than 72 letters is sampled
    again. The same arguments give the same sentences. Raises ValueError for invalid arguments.
    """
    count = checks.whole("count", count, at_least=1)
    if not set(nouns) <= set(NOUNS):  # other nouns may have a different plural
        raise ValueError(f"nouns={nouns!r:.60}: choose from data.NOUNS.")
    rng = np.random.default_rng(seed)
    texts: list[str] = []
    labels, misleading = [], []
    while len(texts) < count:
        plurals = rng.integers(0, 2, 1 + rng.integers(0, 3))
        phrases = []
        for plural in plurals:
            adjective = [str(rng.choice(ADJECTIVES))] if rng.random() < 0.3 else []
            phrases.append(" ".join(["the", *adjective, str(rng.choice(nouns)) + "s" * int(plural)]))
        text = phrases[0]
        for phrase in phrases[1:]:
            text += f" {rng.choice(PREPOSITIONS)} {phrase}"
        right = int(rng.integers(0, 2))
        plural_verb = int(plurals[0]) == right  # a correct sentence's verb agrees, a wrong one's does not
        text += f" {rng.choice(VERBS)}{'' if plural_verb else 's'}"
        if len(text) > LONGEST:
            continue
        texts.append(text)
        labels.append(right)
        misleading.append(bool(plurals[-1] != plurals[0]))
    codes = [[LETTERS.index(letter) for letter in text.ljust(LONGEST)] for text in texts]
    return Sentences(texts, *(torch.tensor(values, device="cpu") for values in (codes, labels, misleading)))

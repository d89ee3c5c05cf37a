"""What lesson 13 learns from is made here: scenes, sounds and sentences are as true as they say."""

import numpy as np
import pytest
import torch
from torchvision import ops

from resnet_edu import data


@pytest.fixture(scope="module")
def pictures():
    """40 pictures of two kinds, each of one color that nothing else has: its label is its red."""
    pixels = torch.randint(0, 100, (40, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    labels = torch.arange(40) % 2
    pixels[:, 0] = 150 + 100 * labels[:, None, None].to(torch.uint8)
    return data.Images(pixels, labels, ("one", "other"))


@pytest.fixture(scope="module")
def scenes(pictures):
    return data.compose_scenes(pictures, 30, seed=3)


def test_a_mask_is_its_box_and_nothing_else(scenes):
    for mask, boxes, labels in zip(scenes.masks, scenes.boxes, scenes.labels, strict=True):
        y, x = torch.meshgrid(torch.arange(64) + 0.5, torch.arange(64) + 0.5, indexing="ij")
        expected = torch.zeros(64, 64, dtype=torch.int64)
        for (x1, y1, x2, y2), label in zip(boxes, labels, strict=True):
            expected[(x > x1) & (x < x2) & (y > y1) & (y < y2)] = label + 1
        assert torch.equal(mask, expected)


def test_what_stands_in_a_box_is_a_picture_of_its_label(scenes):
    for image, boxes, labels in zip(scenes.images, scenes.boxes, scenes.labels, strict=True):
        for (x1, y1, x2, y2), label in zip(boxes.int().tolist(), labels.tolist(), strict=True):
            assert (image[0, y1:y2, x1:x2].float() - (150 + 100 * label)).abs().max() <= 1


def test_objects_do_not_overlap_are_squares_of_the_asked_sides_and_one_to_three(scenes):
    assert {len(boxes) for boxes in scenes.boxes} == {1, 2, 3}
    for boxes in scenes.boxes:
        assert torch.equal(ops.box_iou(boxes, boxes), torch.eye(len(boxes)))
        width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
        assert torch.equal(width, height) and width.min() >= 14 and width.max() <= 30
        assert boxes.min() >= 0 and boxes.max() <= 64


def test_a_decoy_is_a_picture_in_another_order_and_is_nowhere_in_the_truth(pictures):
    plain = data.compose_scenes(pictures, 20, objects=1, decoys=0, sides=(16, 16), seed=1)
    with_decoy = data.compose_scenes(pictures, 20, objects=1, decoys=1, sides=(16, 16), seed=1)
    sharp = (with_decoy.images[:, 0].float() >= 149).sum((1, 2))  # the red of a picture is at least 150, beside blur
    assert (plain.masks > 0).sum((1, 2)).eq(256).all() and (with_decoy.masks > 0).sum((1, 2)).eq(256).all()
    assert (sharp >= 500).all()


def test_the_shuffled_tiles_are_the_same_pixels():
    picture = torch.arange(3 * 32 * 32).reshape(3, 32, 32)
    shuffled = data.scenes._shuffled(picture, torch.Generator().manual_seed(0))
    assert not torch.equal(shuffled, picture) and torch.equal(shuffled.flatten().sort()[0], picture.flatten())
    corners = shuffled[0, ::8, ::8].flatten()
    assert torch.equal(corners.sort()[0], picture[0, ::8, ::8].flatten())  # whole tiles of 8 x 8 have moved


@pytest.mark.parametrize("make", [
    lambda pictures, seed: data.compose_scenes(pictures, 4, seed=seed).images,
    lambda pictures, seed: data.tone_words(4, seed=seed)[0],
    lambda pictures, seed: data.agreement_sentences(8, seed=seed).letters,
])  # fmt: skip
def test_the_same_seed_gives_the_same_and_another_one_not(make, pictures):
    state = torch.get_rng_state()
    assert torch.equal(make(pictures, 5), make(pictures, 5)) and not torch.equal(make(pictures, 5), make(pictures, 6))
    assert torch.equal(torch.get_rng_state(), state)


def test_the_pitch_moves_as_the_label_says():
    """The first harmonic, found by autocorrelation in the first, middle and last part of the voice."""
    sounds, labels = data.tone_words(60, noise=0.0, seed=2)
    right = 0
    for sound, label in zip(sounds[:, 0].numpy(), labels.tolist(), strict=True):
        inside = np.flatnonzero(np.abs(sound) > 1e-6)
        voice = sound[inside[0] : inside[-1] + 1]
        n = len(voice)
        pitches = []
        for middle in (0.15, 0.5, 0.85):
            part = voice[int((middle - 0.08) * n) : int((middle + 0.08) * n)]
            same = np.correlate(part, part, "full")[len(part) - 1 :]
            same /= np.arange(len(part), 0, -1)
            lags = np.arange(6, 29)  # 71 to 333 Hz
            pitches.append(np.log2(2000 / lags[same[6:29].argmax()]))
        first, middle, last = pitches
        found = {
            "level": abs(first - last) < 0.2 and abs(middle - (first + last) / 2) < 0.2,
            "rising": last - first > 0.2,
            "falling": first - last > 0.2,
            "dipping": (first + last) / 2 - middle > 0.2,
        }
        right += found[data.TONES[label]]
    assert right >= 50


def test_noise_has_the_deviation_that_is_asked_for():
    clean, _ = data.tone_words(20, noise=0.0, seed=0)
    noisy, _ = data.tone_words(20, noise=0.5, seed=0)
    assert abs(float((noisy - clean).std()) - 0.5) < 0.01
    voiced = clean[clean.abs() > 1e-6]
    assert abs(float(voiced.square().mean()) - 1) < 0.05 and bool(torch.isfinite(noisy).all())


def test_a_sentence_is_right_exactly_where_its_verb_agrees_with_its_first_noun():
    sentences = data.agreement_sentences(400, seed=1)
    for text, label, misleading in zip(sentences.texts, sentences.labels, sentences.misleading, strict=True):
        words = text.split()
        nouns = [word for word in words if word.removesuffix("s") in data.NOUNS]
        plural, verb_plural = nouns[0].endswith("s"), not words[-1].endswith("s")
        assert bool(label) == (plural == verb_plural)
        assert bool(misleading) == (nouns[-1].endswith("s") != plural)
    assert 0.4 < sentences.labels.double().mean() < 0.6
    spelled = ["".join(data.LETTERS[i] for i in row).rstrip() for row in sentences.letters.tolist()]
    assert spelled == sentences.texts


def test_every_sentence_fits_into_its_row_however_many_are_drawn():
    for nouns in (data.NOUNS, data.NOUNS[45:]):
        sentences = data.agreement_sentences(20000, nouns, seed=1)
        assert len(sentences.texts) == len(sentences.labels) == len(sentences.misleading) == 20000
        assert sentences.letters.shape == (20000, 72) and max(map(len, sentences.texts)) > 70


def test_nouns_are_those_of_the_caller():
    words = set(" ".join(data.agreement_sentences(200, ["dog", "cat"], seed=0).texts).split())
    assert words & {"dog", "dogs"} and not words & (set(data.NOUNS) - {"dog", "cat"})


def test_every_noun_makes_its_plural_by_an_s_and_is_there_once():
    assert len(set(data.NOUNS)) == len(data.NOUNS) and not any(noun.endswith("s") for noun in data.NOUNS)


@pytest.mark.parametrize(("make", "words"), [
    (lambda p: data.compose_scenes(p, 2, sides=(14, 80)), "scene's 64"),
    (lambda p: data.compose_scenes(p, 2, sides=(3, 14)), "sides="),
    (lambda p: data.compose_scenes(p, 2, decoys=-1), "decoys=-1"),
    (lambda p: data.compose_scenes(data.Images(p.images[..., :30], p.labels), 2), "multiples of 4"),
    (lambda p: data.tone_words(2, noise=-0.1), "noise=-0.1"),
    (lambda p: data.agreement_sentences(2.5), "count=2.5"),
    (lambda p: data.agreement_sentences(2, ["unicorn"]), "unicorn"),
])  # fmt: skip
def test_what_cannot_be_is_refused(make, words, pictures):
    with pytest.raises((TypeError, ValueError), match=words):
        make(pictures)

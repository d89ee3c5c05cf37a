"""Images keep their order, are never lost or doubled, and are cropped, split and drawn as the slow formulas say."""

import hashlib
import json
import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given as hypothesis_given
from hypothesis import settings
from hypothesis import strategies as st
from PIL import Image
from samples import pictures
from torch import Tensor

from resnet_edu import data, files
from resnet_edu.data import Images
from resnet_edu.data import images as images_room


def given(*strategies):
    """hypothesis.given without its deadline: on a busy machine a slow example is no failure."""
    return lambda test: settings(deadline=None, max_examples=60)(hypothesis_given(*strategies)(test))


BUNDLED = Path(__file__).parents[1] / "data" / "cifar10_sample"


def numbered(n: int, size: int = 32, classes: int = 10) -> Images:
    """n images that can be told apart: all pixels of image i are i, its label is i modulo the number of classes."""
    pixels = torch.arange(n).remainder(256).to(torch.uint8).view(n, 1, 1, 1).expand(n, 3, size, size).contiguous()
    return Images(pixels, torch.arange(n) % classes, data.CLASSES[:classes])


def numbers(images: Images) -> list[int]:
    """The inverse: which of the numbered images these are."""
    return images.images[:, 0, 0, 0].tolist()


@pytest.fixture(scope="module")
def bundled() -> tuple[Images, Images]:
    return data.load("sample", device="cpu")


# ---- The bundled sample ---------------------------------------------------------------------------------------------


def test_the_sample_has_500_training_and_100_test_images_of_each_class_on_the_device_asked_for(bundled):
    train, test = bundled
    assert train.device == torch.device("cpu")
    assert train.to(None).device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert train.images.shape == (5000, 3, 32, 32) and test.images.shape == (1000, 3, 32, 32)
    assert train.images.dtype == torch.uint8 and train.labels.dtype == torch.int64
    assert set(train.labels.bincount().tolist()) == {500} and set(test.labels.bincount().tolist()) == {100}


def test_the_sample_begins_with_the_first_images_of_cifar10(bundled):
    train, test = bundled
    named = [[images.classes[label] for label in images.labels[:5]] for images in (train, test)]
    assert named == [["frog", "truck", "truck", "deer", "automobile"], ["cat", "ship", "ship", "airplane", "frog"]]


def test_no_test_image_is_among_the_training_images(bundled):
    train, test = ({row.numpy().tobytes() for row in images.images} for images in bundled)
    assert not train & test


def test_the_manifest_states_order_origin_terms_and_checksums(bundled):
    manifest = json.loads((BUNDLED / "manifest.json").read_text())
    for words in ("without a license", "80 Million Tiny Images", "withdrew", "MIT license", "does not cover"):
        assert words in manifest["terms"]
    assert manifest["origin"]["sha256"] == data.cifar10.SHA256
    assert "2009" in manifest["citation"] and "toronto" in manifest["origin"]["home"]
    assert {sheet["file"] for sheet in manifest["sheets"]} == {path.name for path in BUNDLED.glob("*.png")}
    assert all(sheet["official_index"] == sorted(set(sheet["official_index"])) for sheet in manifest["sheets"])
    for images, part in zip(bundled, ("train", "test"), strict=True):
        pixels = images.images.permute(0, 2, 3, 1).contiguous().numpy()
        assert hashlib.sha256(pixels.tobytes()).hexdigest() == manifest["parts"][part]["sha256"]


def test_the_files_are_small_enough_for_a_clone_and_those_in_sha256sums():
    assert sum(path.stat().st_size for path in BUNDLED.iterdir()) <= 14e6
    for line in (BUNDLED / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((BUNDLED / name).read_bytes()).hexdigest() == digest


def test_an_installed_wheel_finds_its_own_copy(bundled, monkeypatch, tmp_path):
    shutil.copytree(BUNDLED, tmp_path / "resnet_edu" / "_data" / "cifar10_sample")
    monkeypatch.setattr(files, "PACKAGE", tmp_path / "resnet_edu")
    assert torch.equal(data.load("sample")[0].images.cpu(), bundled[0].images)


def change_a_pixel(path: Path) -> None:
    pixels = np.array(Image.open(path))
    pixels[100, 100, 0] ^= 1
    Image.fromarray(pixels).save(path)


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("train_3_cat.png", change_a_pixel),
        ("test_8_ship.png", lambda path: path.write_bytes(path.read_bytes()[:50_000])),
        ("test_0_airplane.png", lambda path: Image.open(path).resize((80, 13)).save(path)),
        ("train_9_truck.png", Path.unlink),
        ("manifest.json", lambda path: path.write_text('{"sheets": [')),
        ("manifest.json", Path.unlink),
    ],
)
def test_a_damaged_sample_is_named_and_not_used(tmp_path, file, damage):
    shutil.copytree(BUNDLED, tmp_path / "cifar10_sample")
    damage(tmp_path / "cifar10_sample" / file)
    with pytest.raises(OSError, match=f"{file}(.|\n)*git checkout"):
        data.load("sample", root=tmp_path)


# ---- Building the sample --------------------------------------------------------------------------------------------


def flat_cifar10(per_class: int) -> data.Arrays:
    """Images of one color each (PNG makes short work of them), labels in a shuffled order."""
    n = 10 * per_class
    order = np.random.default_rng(0).permutation(n)
    colors = np.stack([order % 251, order // 251, order % 7], axis=1).astype(np.uint8)
    images = np.broadcast_to(colors[:, None, None, :], (n, 32, 32, 3))
    labels = (order % 10).astype(np.uint8)
    return {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels}


def test_a_built_sample_holds_the_first_images_of_each_class_in_official_order(tmp_path):
    full = flat_cifar10(per_class=520)
    data.write_sample(full, tmp_path / "cifar10_sample")
    built = data.read_sample(tmp_path)
    for part, count in (("train", 500), ("test", 100)):
        labels, seen, first = full[f"y_{part}"], Counter(), []
        for i, label in enumerate(labels.tolist()):  # the slow formula
            seen[label] += 1
            if seen[label] <= count:
                first.append(i)
        assert np.array_equal(built[f"x_{part}"], full[f"x_{part}"][first])
        assert np.array_equal(built[f"y_{part}"], labels[first])


def test_two_builds_are_the_same_byte_by_byte_and_name_neither_date_nor_machine(tmp_path):
    full = flat_cifar10(per_class=500)
    one, two = (data.write_sample(full, tmp_path / name) for name in ("one", "two"))
    assert all(path.read_bytes() == (two / path.name).read_bytes() for path in one.iterdir())
    assert str(tmp_path) not in (one / "manifest.json").read_text()
    with pytest.raises(ValueError, match="airplane, but there are 499"):
        data.write_sample(flat_cifar10(per_class=499), tmp_path)


@pytest.mark.skipif(
    "RESNET_EDU_CIFAR10" not in os.environ, reason="set RESNET_EDU_CIFAR10 to a folder that holds cifar10.npz"
)
def test_the_bundled_sample_is_rebuilt_from_the_full_set_pixel_for_pixel(tmp_path):
    out = data.build_sample(root=os.environ["RESNET_EDU_CIFAR10"], out=tmp_path / "cifar10_sample")
    assert (out / "manifest.json").read_bytes() == (BUNDLED / "manifest.json").read_bytes()
    for path in BUNDLED.glob("*.png"):
        assert np.array_equal(np.array(Image.open(path)), np.array(Image.open(out / path.name)))


# ---- load -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [16, 8])
def test_smaller_images_are_the_rounded_means_of_squares(bundled, size):
    small = data.load("sample", device="cpu", size=size)[0].images[:50]
    factor = 32 // size
    squares = bundled[0].images[:50].numpy().astype(int).reshape(50, 3, size, factor, size, factor)
    assert np.array_equal(small.numpy(), np.round(squares.sum((3, 5)) / factor**2))


@pytest.mark.parametrize("size", [12, 64, 0, -8, 16.0, True, None])
def test_images_are_not_shrunk_to_another_size_than_the_one_asked_for(size):
    images = pictures(2, 32).images
    with pytest.raises((TypeError, ValueError), match="size"):
        data.shrink(images, size)
    assert [data.shrink(images, n).shape[2:] for n in (1, 2, np.int64(4), 32)] == [(n, n) for n in (1, 2, 4, 32)]


@pytest.mark.parametrize(("name", "values"), {
    "name": ["cifar100", "CIFAR-10", None, 3], "size": [24, 0, 16.0, True, "16"],
    "device": ["gpu", "cuda:99", "meta", 1.5], "root": ["/no/such/folder", 3, True],
}.items())  # fmt: skip
def test_what_cannot_be_loaded_is_refused(name, values):
    for value in values:
        with pytest.raises((TypeError, ValueError), match=name):
            data.load(**{name: value})


# ---- from_folder ----------------------------------------------------------------------------------------------------


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    """Two classes of three pictures: 6 x 4 pixels, the middle square white, black left and right of it."""
    white = np.zeros((4, 6, 3), np.uint8)
    white[:, 1:5] = 255
    for kind, forms in {"rose": ["png", "jpg", "gif"], "daisy": ["bmp", "tiff", "webp"]}.items():
        (tmp_path / kind).mkdir()
        for form in forms:
            Image.fromarray(white).save(tmp_path / kind / f"1.{form}", **({"lossless": True} if form == "webp" else {}))
    return tmp_path


def test_a_folder_of_pictures_is_cropped_to_the_middle_scaled_and_split(flowers):
    (flowers / ".cache").mkdir()  # hidden, as what follows
    (flowers / "rose" / ".ipynb_checkpoints").mkdir()
    (flowers / "rose" / ".ipynb_checkpoints" / "notes.txt").write_text("no picture")
    (flowers / "README.txt").write_text("beside the classes")
    train, val = data.from_folder(flowers, size=8, split=0.34, seed=0, device="cpu")
    assert train.classes == val.classes == ("daisy", "rose")
    assert train.images.shape == (4, 3, 8, 8) and val.labels.tolist() == [0, 1]
    assert torch.cat([train.images, val.images]).min() > 128  # black was left and right of it
    again = data.from_folder(str(flowers), size=8, split=0.34, device="cpu")[1]
    assert torch.equal(again.images, val.images)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16", "I", "F"])
def test_pictures_of_any_mode_become_colors_of_the_same_brightness(tmp_path, mode):
    gray = 255 if mode == "1" else 100
    picture = Image.new("L", (5, 7), gray).convert("L" if mode.startswith("I") else mode)
    if mode.startswith("I"):
        picture = Image.fromarray(np.full((7, 5), 257 * gray, np.uint16 if mode == "I;16" else np.int32))
    for kind in "ab":
        (tmp_path / kind).mkdir()
        picture.save(tmp_path / kind / "0.tiff")
    train, val = data.from_folder(tmp_path, size=3, split=0.5, device="cpu")
    assert train.images.shape == (1, 3, 3, 3) and (val.images.int() - gray).abs().max() <= 2


@pytest.mark.parametrize(("wrong", "words"), [
    (lambda folder: (folder / "rose" / "notes.txt").write_text("no picture"), "notes.txt cannot be read as a picture"),
    (lambda folder: (folder / "rose" / "2.png").write_bytes((folder / "rose" / "1.png").read_bytes()[:60]), "2.png"),
    (lambda folder: (folder / "tulip").mkdir(), "tulip contains no pictures"),
    (lambda folder: shutil.rmtree(folder / "rose"), "two classes"),
])  # fmt: skip
def test_a_folder_that_holds_something_else_is_refused_in_a_sentence(flowers, wrong, words):
    wrong(flowers)
    with pytest.raises(ValueError, match=words):
        data.from_folder(flowers)


# ---- Images ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "expected"), [
    (slice(2, 5), [2, 3, 4]), (slice(None, None, -4), [9, 5, 1]), (slice(7, 100), [7, 8, 9]), (range(4), [0, 1, 2, 3]),
    ([3, 1, -1, 3], [3, 1, 9, 3]), (np.array([5, 2], dtype=np.uint8)[::-1], [2, 5]), (torch.tensor([8, 0]), [8, 0]),
    (torch.arange(10) > 7, [8, 9]), (np.arange(10) < 1, [0]), ([i == 6 for i in range(10)], [6]), ([], []),
    (4, [4]), (-1, [9]), (np.int64(3), [3]), (torch.tensor(2), [2]),
])  # fmt: skip
def test_images_are_picked_in_the_order_asked_for(key, expected):
    picked = numbered(10)[key]
    assert isinstance(picked, Images)
    assert numbers(picked) == expected and picked.labels.tolist() == expected


@given(st.integers(0, 12), st.slices(12))
def test_slices_pick_as_those_of_a_list_do(n, key):
    assert numbers(numbered(n)[key]) == list(range(n))[key]


@pytest.mark.parametrize(
    "key", [None, True, 1.0, "1", b"a", (1, 2), 10, -11, [0.0], ["a"], [True] * 9, [[1]], [None], [1j], len, {1},
            torch.zeros(3), torch.zeros(2, 2).long(), torch.tensor(True)]
)  # fmt: skip
def test_what_picks_no_image_is_refused(key):
    with pytest.raises(IndexError):
        numbered(10)[key]


def test_images_can_be_looped_over_and_say_what_they_are():
    assert [numbers(image) for image in numbered(3)] == [[0], [1], [2]]
    assert repr(numbered(1200)) == "Images(1,200 of 32 x 32, 10 classes, on cpu)"


pixels, labels = torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64)


@pytest.mark.parametrize(("wrong", "values"), {
    "images": [pixels.float(), pixels.numpy(), pixels[0], pixels.permute(0, 2, 3, 1), pixels[:, :2]],
    "labels": [labels.int(), [0, 0, 0, 0], labels[:3], labels + 10, labels - 1],
    "pixel_mean": [torch.zeros(3), torch.zeros(3, 8, 4)],
}.items())  # fmt: skip
def test_images_that_do_not_fit_their_labels_are_refused(wrong, values):
    for value in values:
        with pytest.raises((TypeError, ValueError), match=wrong):
            Images(**{"images": pixels, "labels": labels, wrong: value})


@pytest.mark.parametrize("augment", [False, True])
def test_gray_images_are_normalized_moved_and_mirrored_as_colors_are(augment):
    color = pictures(12, 16)
    gray = Images(color.images[:, :1], color.labels)
    options = {"shuffle": True, "augment": augment, "seed": 3}
    for (x, y), (one, labels) in zip(color.batches(5, **options), gray.batches(5, **options), strict=True):
        assert one.shape == (len(y), 1, 16, 16) and torch.equal(y, labels)
        inside = x[:, :1] != 0  # what is padded is 0 in both
        expected = ((x[:, :1] * data.STD[0] + data.MEAN[0]) - 0.4809) / 0.2392
        torch.testing.assert_close(one, torch.where(inside, expected, 0.0), atol=1e-5, rtol=0)
    rest, held_out = gray.split(0.25)
    assert rest.images.shape[1:] == held_out.only("bird").images.shape[1:] == (1, 16, 16)


@pytest.mark.parametrize("make", [
    lambda images: data.load("sample", size=8, device="cpu")[0].images,
    lambda images: images.split(0.3, seed=1)[1].images,
    lambda images: images.only("dog", "cat")[::-2].images,
    lambda images: torch.cat([x for x, _ in images.batches(7, shuffle=True, augment=True)]),
    lambda images: data.compose_scenes(images, 2).images,
    lambda images: data.tone_words(3)[0],
    lambda images: data.agreement_sentences(3).letters,
])  # fmt: skip
def test_the_default_device_of_torch_changes_nothing(make):
    images = pictures(30, 32)
    expected = make(images)
    data.images._statistics.cache_clear()
    torch.set_default_device("meta")
    try:
        assert torch.equal(make(images), expected)
    finally:
        torch.set_default_device(None)


# ---- split ----------------------------------------------------------------------------------------------------------


def test_only_keeps_the_images_of_the_named_classes_and_counts_them_anew(bundled):
    train, _ = bundled
    some = train.only("dog", "airplane")
    assert some.classes == ("dog", "airplane") and len(some) == 1000
    for label, name in enumerate(some.classes):
        assert torch.equal(some.images[some.labels == label], train.images[train.labels == train.classes.index(name)])
    both = (train.labels == 0) | (train.labels == 5)
    assert torch.equal(some.images, train.images[both])  # the official order stays


@pytest.mark.parametrize("given", [(), ("dgo",), ("dog", "dog"), (5,), (["dog"],)])
def test_only_refuses_what_is_no_set_of_classes(bundled, given):
    with pytest.raises(ValueError, match=r"airplane, .*; it was given"):
        bundled[0].only(*given)


@given(st.integers(2, 200), st.floats(0.01, 0.99), st.integers(0, 5), st.integers(1, 10))
def test_a_split_is_complete_disjoint_in_order_and_fair(n, fraction, seed, classes):
    images = numbered(n, size=1, classes=classes)
    count = round(fraction * n)
    if count in (0, n):
        with pytest.raises(ValueError, match="one part would be empty"):
            images.split(fraction, seed)
        return
    rest, held_out = images.split(fraction, seed)
    assert len(held_out) == count
    assert sorted(numbers(rest) + numbers(held_out)) == list(range(n))
    assert numbers(rest) == sorted(numbers(rest)) and numbers(held_out) == sorted(numbers(held_out))
    shares = images.labels.bincount(minlength=classes) * count / n
    assert (held_out.labels.bincount(minlength=classes) - shares).abs().max() < 1


def test_the_seed_decides_the_split():
    images = numbered(100)
    one, again, other = (numbers(images.split(0.2, seed=seed)[1]) for seed in (1, 1, 2))
    assert one == again != other


def test_over_many_seeds_each_image_is_held_out_equally_often():
    images = numbered(40)
    counts = torch.zeros(40)
    for seed in range(200):
        counts[numbers(images.split(0.25, seed=seed)[1])] += 1
    assert counts.min() > 25 and counts.max() < 75  # 50, with a deviation of 6


@pytest.mark.parametrize(("name", "values"), {
    "fraction": [0.0, 1.0, float("nan"), -0.1, True, "0.1", None, 0.01], "seed": [-1, True, 1.0, None, 2**63],
}.items())  # fmt: skip
def test_split_refuses_what_leaves_one_part_empty_or_is_no_seed(name, values):
    for value in values:
        with pytest.raises((TypeError, ValueError), match=name):
            numbered(10).split(**{"fraction": 0.5, name: value})


# ---- normalize ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gray", [False, True])
def test_normalized_training_images_have_mean_0_and_deviation_1(bundled, gray):
    images = bundled[0].images
    if gray:
        weights = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
        images = (images * weights).sum(1, keepdim=True).round().to(torch.uint8)
    x = data.normalize(images)
    assert x.dtype == torch.float32
    assert x.mean((0, 2, 3)).abs().max() < 0.05
    assert (x.std((0, 2, 3)) - 1).abs().max() < 0.05


def test_normalize_follows_the_formula():
    images = pictures(3).images
    slow = np.stack([(images[:, c].numpy() / 255 - data.MEAN[c]) / data.STD[c] for c in range(3)], axis=1)
    np.testing.assert_allclose(data.normalize(images).numpy(), slow, atol=1e-5)


@pytest.mark.parametrize("value", [torch.zeros(2, 3, 8, 8), pixels[:, :2], pixels[0, 0], pixels.permute(0, 2, 3, 1)])
def test_normalize_refuses_what_are_no_images(value):
    with pytest.raises(ValueError, match="normalize takes"):
        data.normalize(value)


# ---- crop_and_flip --------------------------------------------------------------------------------------------------


def slow_crop_and_flip(x: Tensor, offsets: Tensor, flips: Tensor, padding: int) -> Tensor:
    """Image by image, as one would write it down."""
    out = []
    for image, (top, left), flip in zip(x.numpy(), offsets.tolist(), flips.tolist(), strict=True):
        _, height, width = image.shape
        padded = np.pad(image, ((0, 0), (padding, padding), (padding, padding)))
        window = padded[:, top : top + height, left : left + width]
        out.append(window[:, :, ::-1] if flip else window)
    return torch.from_numpy(np.stack(out))


@given(
    st.integers(1, 9), st.integers(1, 4), st.integers(1, 12), st.integers(1, 12), st.integers(0, 5), st.integers(0, 99)
)
def test_crop_and_flip_equals_the_slow_formula(n, channels, height, width, padding, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, channels, height, width, generator=generator)
    offsets = torch.randint(2 * padding + 1, (n, 2), generator=generator)
    flips = torch.randint(2, (n,), generator=generator).bool()
    expected = slow_crop_and_flip(x, offsets, flips, padding)
    for layout in (torch.contiguous_format, torch.channels_last):
        result = data.crop_and_flip(x.contiguous(memory_format=layout), offsets, flips, padding)
        assert torch.equal(result, expected) and result.is_contiguous()


def test_the_frame_has_the_mean_color_and_not_black():
    white = Images(torch.full((64, 3, 32, 32), 255, dtype=torch.uint8), torch.zeros(64, dtype=torch.int64))
    x, _ = next(white.batches(64, augment=True))
    assert x.min() == 0  # black would be about -2


@pytest.mark.parametrize("off", [-1, 3])
def test_crop_and_flip_refuses_a_window_beside_the_image(off):
    with pytest.raises(ValueError, match=f"not 0 to {off}|not {off} to 0"):
        data.crop_and_flip(torch.zeros(2, 3, 8, 8), torch.tensor([[0, 0], [0, off]]), torch.zeros(2).bool(), 1)


# ---- batches --------------------------------------------------------------------------------------------------------


def test_batches_are_normalized_images_in_order_and_the_last_one_is_shorter():
    images = pictures(10)
    batches = list(images.batches(4))
    assert [tuple(x.shape) for x, _ in batches] == [(4, 3, 8, 8), (4, 3, 8, 8), (2, 3, 8, 8)]
    assert torch.equal(torch.cat([x for x, _ in batches]), data.normalize(images.images))
    assert torch.equal(torch.cat([y for _, y in batches]), images.labels)


@given(st.integers(0, 40), st.integers(1, 50), st.booleans(), st.integers(0, 9))
def test_every_image_comes_exactly_once_with_its_label(n, batch_size, augment, seed):
    images = numbered(n, size=4)  # at 4 x 4 nothing is padded, so that an augmented image is still recognized
    expected = {float(data.normalize(images[i].images)[0, 0, 0, 0]): i for i in range(n)}
    seen = []
    for x, y in images.batches(batch_size, shuffle=True, augment=augment, seed=seed):
        found = [expected[value] for value in x[:, 0, 0, 0].tolist()]
        assert [i % 10 for i in found] == y.tolist()
        seen += found
    assert sorted(seen) == list(range(n))


@pytest.mark.parametrize(("shuffle", "augment"), [(True, False), (False, True), (True, True)])
def test_the_seed_decides_the_batches(shuffle, augment):
    images = pictures(30)
    one, again, other = (
        torch.cat([x for x, _ in images.batches(8, shuffle=shuffle, augment=augment, seed=seed)]) for seed in (1, 1, 2)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_the_batch_size_changes_neither_order_nor_crops():
    images = pictures(30)
    by_7, by_30 = (
        torch.cat([x for x, _ in images.batches(size, shuffle=True, augment=True, seed=3)]) for size in (7, 30)
    )
    assert torch.equal(by_7, by_30)


def test_augmented_batches_are_moved_and_mirrored_in_every_way():
    """A single bright pixel in the middle of 64 x 64 images tells how each was moved: -8 to 8, both ways."""
    pixels = torch.zeros(3000, 3, 64, 64, dtype=torch.uint8)
    pixels[:, :, 32, 40] = 255
    x, _ = next(Images(pixels, torch.zeros(3000, dtype=torch.int64)).batches(3000, augment=True))
    rows, columns = x[:, 0].flatten(1).argmax(1) // 64, x[:, 0].flatten(1).argmax(1) % 64
    assert Counter(rows.tolist()).keys() == set(range(24, 41))
    mirrored = columns < 32
    assert set(columns[~mirrored].tolist()) == set(range(32, 49)) and 1350 < mirrored.sum() < 1650


def test_neither_the_images_nor_the_global_random_state_change():
    images = pictures(20)
    before, state = images.images.clone(), torch.get_rng_state()
    numpy_state = np.random.get_state()[1].copy()
    images.split(0.5, seed=1)
    for x, _ in images.batches(7, shuffle=True, augment=True):
        x.zero_()
    assert torch.equal(images.images, before)
    assert torch.equal(torch.get_rng_state(), state) and np.array_equal(np.random.get_state()[1], numpy_state)


def test_batches_can_be_trained_on_after_inference_mode():
    images = pictures(4)
    data.images._statistics.cache_clear()
    with torch.inference_mode():
        next(images.batches(2))
    x, _ = next(images.batches(2, augment=True))
    weight = torch.ones(3, requires_grad=True)
    (x.mean((0, 2, 3)) * weight).sum().backward()
    assert weight.grad is not None


@pytest.mark.parametrize(("name", "values"), {
    "batch_size": [0, -1, True, 2.0, None], "shuffle": [0, None, "yes"], "augment": [1, None, "no"],
    "seed": [-1, True, 1.0, None, 2**63],
}.items())  # fmt: skip
def test_batches_refuse_what_would_draw_others(name, values):
    for value in values:
        with pytest.raises((TypeError, ValueError), match=name):
            numbered(10).batches(**{"batch_size": 5, name: value})


def test_a_gpu_that_this_pytorch_has_no_code_for_is_left_alone(monkeypatch):
    def no_kernel(*shape, **options):
        raise RuntimeError("CUDA error: no kernel image is available for execution on the device")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch, "ones", no_kernel)
    images_room._cuda_computes.cache_clear()
    try:
        with pytest.warns(UserWarning, match="no kernel image"):
            assert data.pick_device(None).type == "cpu"
    finally:
        images_room._cuda_computes.cache_clear()

"""Images keep their order, are never lost or doubled, and are cropped, split and drawn as the slow formulas say."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, settings
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from resnet_edu import data, files
from resnet_edu.data import Images, sample


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


def noise(n: int, size: int = 32, seed: int = 0) -> Images:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(256, (n, 3, size, size), generator=generator, dtype=torch.uint8)
    return Images(pixels, torch.randint(10, (n,), generator=generator))


@pytest.fixture(scope="module")
def bundled() -> tuple[Images, Images]:
    return data.load("sample", device="cpu")


# ---- The bundled sample ---------------------------------------------------------------------------------------------


def test_the_sample_has_500_training_and_100_test_images_of_each_class(bundled):
    train, test = bundled
    assert train.images.shape == (5000, 3, 32, 32) and test.images.shape == (1000, 3, 32, 32)
    assert train.images.dtype == torch.uint8 and train.labels.dtype == torch.int64
    assert set(train.labels.bincount().tolist()) == {500} and set(test.labels.bincount().tolist()) == {100}


def test_the_sample_begins_with_the_first_images_of_cifar10(bundled):
    train, test = bundled
    named = [[images.classes[label] for label in images.labels[:5]] for images in (train, test)]
    assert named == [["frog", "truck", "truck", "deer", "automobile"], ["cat", "ship", "ship", "airplane", "frog"]]


def test_the_sample_looks_like_cifar10(bundled):
    pixels = bundled[0].images.double() / 255
    assert torch.allclose(pixels.mean((0, 2, 3)), torch.tensor(data.MEAN).double(), atol=0.01)
    assert torch.allclose(pixels.std((0, 2, 3)), torch.tensor(data.STD).double(), atol=0.01)


def test_no_test_image_is_among_the_training_images(bundled):
    train, test = ({row.numpy().tobytes() for row in images.images} for images in bundled)
    assert not train & test


def test_the_sample_is_small_enough_for_a_clone():
    assert sum(path.stat().st_size for path in BUNDLED.iterdir()) <= 14e6


def test_the_manifest_states_order_origin_terms_and_checksums(bundled):
    manifest = json.loads((BUNDLED / "manifest.json").read_text())
    for words in ("without a license", "80 Million Tiny Images", "withdrew", "MIT license", "does not cover"):
        assert words in manifest["terms"]
    assert "2009" in manifest["citation"] and "toronto" in manifest["origin"]["home"]
    assert {sheet["file"] for sheet in manifest["sheets"]} == {path.name for path in BUNDLED.glob("*.png")}
    assert all(sheet["official_index"] == sorted(set(sheet["official_index"])) for sheet in manifest["sheets"])
    for images, part in zip(bundled, ("train", "test"), strict=True):
        pixels = images.images.permute(0, 2, 3, 1).contiguous().numpy()
        assert hashlib.sha256(pixels.tobytes()).hexdigest() == manifest["parts"][part]["sha256"]


def test_the_checksums_of_the_files_are_those_in_sha256sums():
    for line in (BUNDLED / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((BUNDLED / name).read_bytes()).hexdigest() == digest


def test_an_installed_wheel_finds_its_own_copy(bundled, monkeypatch, tmp_path):
    shutil.copytree(BUNDLED, tmp_path / "resnet_edu" / "_data" / "cifar10_sample")
    monkeypatch.setattr(files, "PACKAGE", tmp_path / "resnet_edu")
    assert torch.equal(data.load("sample")[0].images.cpu(), bundled[0].images)


def damage_a_pixel(folder: Path) -> str:
    pixels = np.array(Image.open(folder / "train_3_cat.png"))
    pixels[100, 100, 0] ^= 1
    Image.fromarray(pixels).save(folder / "train_3_cat.png")
    return "train_3_cat.png: its pixels"


def cut_a_sheet(folder: Path) -> str:
    (folder / "test_8_ship.png").write_bytes((folder / "test_8_ship.png").read_bytes()[:50_000])
    return "test_8_ship.png"


def shrink_a_sheet(folder: Path) -> str:
    Image.open(folder / "test_0_airplane.png").resize((80, 13)).save(folder / "test_0_airplane.png")
    return "test_0_airplane.png"


def lose_a_sheet(folder: Path) -> str:
    (folder / "train_9_truck.png").unlink()
    return "train_9_truck.png"


def break_the_manifest(folder: Path) -> str:
    (folder / "manifest.json").write_text('{"sheets": [')
    return "manifest.json"


def lose_the_manifest(folder: Path) -> str:
    (folder / "manifest.json").unlink()
    return "manifest.json"


@pytest.mark.parametrize(
    "damage", [damage_a_pixel, cut_a_sheet, shrink_a_sheet, lose_a_sheet, break_the_manifest, lose_the_manifest]
)
def test_a_damaged_sample_is_named_and_not_used(tmp_path, damage):
    shutil.copytree(BUNDLED, tmp_path / "cifar10_sample")
    expected = damage(tmp_path / "cifar10_sample")
    with pytest.raises(OSError, match=f"{expected}(.|\n)*git checkout"):
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
    for path in one.iterdir():
        assert path.read_bytes() == (two / path.name).read_bytes()
    assert str(tmp_path) not in (one / "manifest.json").read_text()


def test_too_few_images_of_a_class_make_no_sample(tmp_path):
    with pytest.raises(ValueError, match="500 train images of class airplane, but there are 499"):
        data.write_sample(flat_cifar10(per_class=499), tmp_path)


def test_tiles_come_back_as_they_were():
    images = noise(50).images.permute(0, 2, 3, 1).numpy()
    sheet = sample.tile(images)
    assert sheet.shape == (2 * 32, 25 * 32, 3)
    assert np.array_equal(sheet[32:, 32:64], images[26])  # second row, second column
    assert np.array_equal(sample.untile(sheet), images)


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


@pytest.mark.parametrize("size", [12, 20, 64, 0, -8, 16.0, True, "16", None])
def test_images_are_not_shrunk_to_another_size_than_the_one_asked_for(bundled, size):
    images = bundled[0].images[:2]
    with pytest.raises(ValueError, match=rf"size {size!r} is not possible: .* 32 x 32 .* 1, 2, 4, 8, 16, 32"):
        data.shrink(images, size)
    assert [data.shrink(images, n).shape[2:] for n in (1, 2, np.int64(4), 32)] == [(n, n) for n in (1, 2, 4, 32)]


def test_images_go_to_the_device_asked_for(bundled):
    assert bundled[0].device == torch.device("cpu")
    best = "cuda" if torch.cuda.is_available() else "cpu"
    assert data.load("sample")[0].device.type == best
    assert bundled[1].to(None).device.type == best


def test_loading_imports_neither_torchvision_nor_notebook_code():
    code = (
        "import sys; from resnet_edu import data; data.load('sample'); "
        "print([name for name in ('torchvision', 'IPython', 'matplotlib', 'pandas') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"name": "cifar100"}, 'it is "sample" or "cifar10"; did you mean "cifar10"'),
        ({"name": "CIFAR-10"}, 'did you mean "cifar10"'),
        ({"name": "mnist"}, 'it is "sample" or "cifar10"$'),
        ({"size": 24}, "size 24 is not possible"),
        ({"device": "gpu"}, 'device "gpu" cannot be used here .*possible: cpu'),
        ({"device": "cuda:99"}, "possible: cpu"),
        ({"device": "meta"}, "possible: cpu"),
        ({"root": "/no/such/folder"}, 'root "/no/such/folder" is not a folder'),
    ],
)
def test_what_cannot_be_loaded_is_refused_with_a_sentence(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        data.load(**arguments)


anything = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), st.binary(max_size=9),
    st.complex_numbers(), st.lists(st.integers(), max_size=3), st.dictionaries(st.text(max_size=2), st.integers()),
    st.just(object()), st.just(torch.zeros(2)), st.just(np.zeros((2, 2))), st.just(len),
)  # fmt: skip


@given(anything)
def test_load_refuses_any_other_name(value):
    with pytest.raises((TypeError, ValueError), match="sample"):
        data.load(value)


@example(True)
@example(32.0)
@given(anything.filter(lambda value: not (type(value) is int and value in (8, 16, 32))))
def test_load_refuses_any_other_size(value):
    with pytest.raises((TypeError, ValueError), match="size"):
        data.load("sample", size=value)


@given(anything.filter(lambda value: value is not None))
def test_load_refuses_any_other_device(value):
    with pytest.raises((TypeError, ValueError), match="device"):
        data.load("sample", device=value)


@given(anything.filter(lambda value: value is not None and not isinstance(value, str)))
def test_load_refuses_a_root_that_is_no_path(value):
    with pytest.raises(TypeError, match="root must be the path of a folder"):
        data.load("sample", root=value)


# ---- Images ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (slice(2, 5), [2, 3, 4]),
        (slice(None, None, -4), [9, 5, 1]),
        (slice(7, 100), [7, 8, 9]),
        ([3, 1, -1, 3], [3, 1, 9, 3]),
        (range(4), [0, 1, 2, 3]),
        (np.array([5, 2], dtype=np.uint8)[::-1], [2, 5]),
        (torch.tensor([8, 0]), [8, 0]),
        (torch.arange(10) > 7, [8, 9]),
        (np.arange(10) < 1, [0]),
        ([i == 6 for i in range(10)], [6]),
        ([], []),
        (4, [4]),
        (-1, [9]),
        (np.int64(3), [3]),
        (torch.tensor(2), [2]),
    ],
)
def test_images_are_picked_in_the_order_asked_for(key, expected):
    picked = numbered(10)[key]
    assert isinstance(picked, Images)
    assert numbers(picked) == expected and picked.labels.tolist() == expected


@given(st.integers(0, 12), st.slices(12))
def test_slices_pick_as_those_of_a_list_do(n, key):
    assert numbers(numbered(n)[key]) == list(range(n))[key]


@given(st.lists(st.integers(-15, 15), max_size=6))
def test_positions_pick_as_those_of_a_list_do(key):
    images, plain = numbered(10), list(range(10))
    if all(-10 <= i < 10 for i in key):
        assert numbers(images[key]) == [plain[i] for i in key]
    else:
        with pytest.raises(IndexError, match="there are 10, numbered 0 to 9"):
            images[key]


@example((1, 2))
@example(True)
@example([0.0])
@example([[1]])
@example("1")
@given(st.one_of(
    st.none(), st.booleans(), st.floats(), st.text(), st.binary(), st.tuples(st.integers(0, 9), st.integers(0, 9)),
    st.integers(10), st.integers(max_value=-11), st.lists(st.floats(), min_size=1), st.lists(st.text(), min_size=1),
    st.lists(st.booleans(), min_size=1, max_size=9), st.lists(st.lists(st.integers(0, 9), min_size=1), min_size=1),
    st.lists(st.none(), min_size=1), st.sampled_from([torch.zeros(3), torch.zeros(2, 2).long(), len, {1}, {1: 2}]),
    st.sampled_from([np.array([2**64 - 1], dtype=np.uint64), torch.tensor([2 + 0j]), torch.tensor(True)]),
))  # fmt: skip
def test_what_picks_no_image_is_refused(key):
    with pytest.raises((TypeError, IndexError), match=r"images are picked by|there (is|are)"):
        numbered(10)[key]


def test_images_can_be_looped_over_one_by_one():
    assert [numbers(image) for image in numbered(3)] == [[0], [1], [2]]


def test_images_say_what_they_are():
    assert repr(numbered(1200)) == "Images(1,200 of 32 x 32, 10 classes, on cpu)"


pixels, labels = torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64)


@pytest.mark.parametrize(
    ("images", "labels", "error", "sentence"),
    [
        (pixels.float(), labels, TypeError, "uint8"),
        (pixels.numpy(), labels, TypeError, "uint8"),
        (pixels, labels.int(), TypeError, "int64"),
        (pixels, [0, 0, 0, 0], TypeError, "int64"),
        (pixels[0], labels, ValueError, r"\[N, 3, H, W\]"),
        (pixels.permute(0, 2, 3, 1), labels, ValueError, r"\[N, 3, H, W\]"),
        (pixels[..., :0], labels, ValueError, r"\[N, 3, H, W\]"),
        (pixels, labels[:3], ValueError, "4 images need labels"),
        (pixels, labels + 10, ValueError, "labels must be 0 to 9, not 10 to 10"),
        (pixels, labels - 1, ValueError, "labels must be 0 to 9, not -1 to -1"),
        (pixels, labels.to("meta"), ValueError, "one device"),
    ],
)
def test_images_that_do_not_fit_their_labels_are_refused(images, labels, error, sentence):
    with pytest.raises(error, match=sentence):
        Images(images, labels)


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
    with pytest.raises(ValueError, match=r"only takes classes, each once, out of airplane, .*; it was given"):
        bundled[0].only(*given)


def test_a_split_of_the_sample_holds_out_50_of_each_class(bundled):
    rest, held_out = bundled[0].split(0.1, seed=0)
    assert rest.labels.bincount().tolist() == [450] * 10 and held_out.labels.bincount().tolist() == [50] * 10


@given(st.integers(2, 200), st.floats(0.01, 0.99), st.integers(0, 5), st.integers(1, 10))
def test_a_split_is_complete_disjoint_in_order_and_fair(n, fraction, seed, classes):
    images = numbered(n, size=1, classes=classes)
    count = round(fraction * n)
    if count in (0, n):
        with pytest.raises(ValueError, match="leaves one part empty"):
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


@example(0.0)
@example(1.0)
@example(float("nan"))
@example(True)
@given(anything.filter(lambda value: not (isinstance(value, float) and 0 < value < 1)))
def test_split_refuses_what_is_no_fraction(value):
    with pytest.raises((TypeError, ValueError), match="fraction"):
        numbered(10).split(value)


not_a_seed = anything.filter(lambda value: not (type(value) is int and 0 <= value < 2**63))


@example(-1)
@example(True)
@example(2**63)
@given(not_a_seed)
def test_split_and_batches_refuse_what_is_no_seed(value):
    with pytest.raises((TypeError, ValueError), match="seed must be"):
        numbered(10).split(0.5, seed=value)
    with pytest.raises((TypeError, ValueError), match="seed must be"):
        numbered(10).batches(5, seed=value)


# ---- normalize ------------------------------------------------------------------------------------------------------


def test_normalized_training_images_have_mean_0_and_deviation_1(bundled):
    x = data.normalize(bundled[0].images)
    assert x.dtype == torch.float32
    assert x.mean((0, 2, 3)).abs().max() < 0.05
    assert (x.std((0, 2, 3)) - 1).abs().max() < 0.05


def test_normalize_follows_the_formula():
    images = noise(3).images
    slow = np.stack([(images[:, c].numpy() / 255 - data.MEAN[c]) / data.STD[c] for c in range(3)], axis=1)
    np.testing.assert_allclose(data.normalize(images).numpy(), slow, atol=1e-5)


@pytest.mark.parametrize(
    "value", [torch.zeros(2, 3, 8, 8), np.zeros((2, 3, 8, 8), np.uint8), pixels[:, :2], pixels[0, 0]]
)
def test_normalize_refuses_what_are_no_images(value):
    with pytest.raises((TypeError, ValueError), match="normalize takes"):
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


def test_an_image_that_is_neither_moved_nor_mirrored_is_unchanged():
    x = torch.randn(2, 3, 32, 32)
    still = torch.full((2, 2), 4)
    assert torch.equal(data.crop_and_flip(x, still, torch.tensor([False, False]), 4), x)
    assert torch.equal(data.crop_and_flip(x, still, torch.tensor([True, True]), 4), x.flip(-1))


def test_the_frame_has_the_mean_color_and_not_black():
    white = Images(torch.full((64, 3, 32, 32), 255, dtype=torch.uint8), torch.zeros(64, dtype=torch.int64))
    x, _ = next(white.batches(64, augment=True))
    assert x.min() == 0  # black would be about -2


x4, off4, flip4 = torch.zeros(4, 3, 8, 8), torch.zeros(4, 2, dtype=torch.int64), torch.zeros(4, dtype=torch.bool)


@pytest.mark.parametrize(
    "arguments",
    [
        (x4[0], off4, flip4, 1), (x4, off4[:3], flip4, 1), (x4, off4.float(), flip4, 1), (x4, off4, flip4[:3], 1),
        (x4, off4, flip4.long(), 1), (x4, off4 + 3, flip4, 1), (x4, off4 - 1, flip4, 1), (x4, off4, flip4, -1),
        (x4, off4, flip4, 1.0), (x4.numpy(), off4, flip4, 1), (x4, [[0, 0]] * 4, flip4, 1), (x4, off4, None, 1),
        (x4.to("meta"), off4, flip4, 1), (x4, off4, flip4.to("meta"), 1),
    ],
)  # fmt: skip
def test_crop_and_flip_refuses_what_does_not_fit(arguments):
    with pytest.raises(ValueError, match="must be"):
        data.crop_and_flip(*arguments)


# ---- batches --------------------------------------------------------------------------------------------------------


def test_batches_are_normalized_images_in_order_and_the_last_one_is_shorter():
    images = noise(10)
    batches = list(images.batches(4))
    assert [tuple(x.shape) for x, _ in batches] == [(4, 3, 32, 32), (4, 3, 32, 32), (2, 3, 32, 32)]
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
    images = noise(30)
    one, again, other = (
        torch.cat([x for x, _ in images.batches(8, shuffle=shuffle, augment=augment, seed=seed)]) for seed in (1, 1, 2)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_the_batch_size_changes_neither_order_nor_crops():
    images = noise(30)
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
    images = noise(20)
    before, state = images.images.clone(), torch.get_rng_state()
    numpy_state = np.random.get_state()[1].copy()
    images.split(0.5, seed=1)
    for x, _ in images.batches(7, shuffle=True, augment=True):
        x.zero_()
    assert torch.equal(images.images, before)
    assert torch.equal(torch.get_rng_state(), state) and np.array_equal(np.random.get_state()[1], numpy_state)


def test_batches_can_be_trained_on_after_inference_mode():
    images = noise(4)
    data.images._statistics.cache_clear()
    with torch.inference_mode():
        next(images.batches(2))
    x, _ = next(images.batches(2, augment=True))
    weight = torch.ones(3, requires_grad=True)
    (x.mean((0, 2, 3)) * weight).sum().backward()
    assert weight.grad is not None


@example(0)
@example(-1)
@example(True)
@given(anything.filter(lambda value: not (type(value) is int and value >= 1)))
def test_batches_refuse_what_is_no_batch_size(value):
    with pytest.raises((TypeError, ValueError), match="batch_size must be"):
        numbered(10).batches(value)


@given(anything.filter(lambda value: not isinstance(value, bool)), st.sampled_from(["shuffle", "augment"]))
def test_batches_refuse_switches_that_are_neither_true_nor_false(value, name):
    with pytest.raises(TypeError, match=f"{name} must be True or False"):
        numbered(10).batches(5, **{name: value})


@given(st.integers(2**63, 2**70))
def test_batches_of_any_size_are_possible(size):
    assert len(list(numbered(3).batches(size))) == 1


# ---- On a GPU -------------------------------------------------------------------------------------------------------

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@needs_cuda
def test_batches_and_splits_on_a_gpu_equal_those_on_the_cpu(bundled):
    cpu = bundled[0]
    gpu = cpu.to("cuda")
    for a, b in zip(
        cpu.batches(128, shuffle=True, augment=True), gpu.batches(128, shuffle=True, augment=True), strict=True
    ):
        assert torch.equal(a[0], b[0].cpu()) and torch.equal(a[1], b[1].cpu())
    assert torch.equal(cpu.split(0.1)[1].images, gpu.split(0.1)[1].images.cpu())


@needs_cuda
def test_a_batch_on_a_gpu_waits_for_nothing(bundled):
    batches = bundled[0].to("cuda").batches(128, shuffle=True, augment=True)
    next(batches)  # the random numbers of the epoch are moved here
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in batches:
            pass
    finally:
        torch.cuda.set_sync_debug_mode("default")

"""The full CIFAR-10 arrives whole and verified, or not at all: against a local server that does all that servers do.

The archive here is tiny, but has the form of the official one: a tar.gz of pickles as Python 2 wrote them.
"""

import contextlib
import errno
import hashlib
import io
import os
import pickle
import socket
import struct
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch

from resnet_edu import data, files
from resnet_edu.data import cifar10, download

PER_BATCH = 4
BATCHES = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]


# ---- A tiny CIFAR-10 ------------------------------------------------------------------------------------------------


def python2_pickle(images: np.ndarray, labels: list[int]) -> bytes:
    """{"batch_label": ..., "labels": ..., "data": ...} as Python 2's cPickle wrote it: strings are bytes there."""

    def text(value: bytes) -> bytes:
        return b"T" + struct.pack("<i", len(value)) + value

    dtype = b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R"
    dtype += b"(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    shape = b"M" + struct.pack("<H", images.shape[0]) + b"M" + struct.pack("<H", images.shape[1]) + b"\x86"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R"
    array += b"(K\x01" + shape + dtype + b"\x89" + text(images.tobytes()) + b"tb"
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    items = text(b"batch_label") + text(b"a batch") + text(b"labels") + numbers + text(b"data") + array
    return b"\x80\x02}(" + items + b"u."


def tar_gz(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


class Tiny:
    """The images of a tiny CIFAR-10, and its archive."""

    def __init__(self) -> None:
        numbers = np.random.default_rng(0)
        self.rows = [numbers.integers(0, 256, (PER_BATCH, 3072), dtype=np.uint8) for _ in BATCHES]
        self.labels = [numbers.integers(0, 10, PER_BATCH).tolist() for _ in BATCHES]
        self.members = {
            f"cifar-10-batches-py/{name}": python2_pickle(rows, labels)
            for name, rows, labels in zip(BATCHES, self.rows, self.labels, strict=True)
        }
        self.archive = tar_gz(self.members)
        images = np.concatenate(self.rows).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        labels = np.concatenate(self.labels).astype(np.uint8)
        train = 5 * PER_BATCH
        self.arrays = {
            "x_train": images[:train], "y_train": labels[:train], "x_test": images[train:], "y_test": labels[train:]
        }  # fmt: skip

    def promise(self, monkeypatch: pytest.MonkeyPatch, archive: bytes) -> None:
        """Let the package take this archive for the official one."""
        monkeypatch.setattr(cifar10, "ARCHIVE_MD5", hashlib.md5(archive).hexdigest())


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tiny:
    """A machine without CIFAR-10, on which the tiny one passes for the real one."""
    tiny = Tiny()
    tiny.promise(monkeypatch, tiny.archive)
    sums = {name: hashlib.sha256(np.ascontiguousarray(array).data).hexdigest() for name, array in tiny.arrays.items()}
    monkeypatch.setattr(cifar10, "SHA256", sums)
    monkeypatch.setattr(files, "PACKAGE", tmp_path / "course" / "resnet_edu")
    monkeypatch.setattr(cifar10, "SOURCES", ())
    monkeypatch.setattr(download, "MOST", 1_000_000)
    monkeypatch.setenv("RESNET_EDU_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    return tiny


def cached(tmp_path: Path) -> list[str]:
    """Every file in the cache folder, hidden ones too."""
    return sorted(path.name for path in (tmp_path / "cache").rglob("*"))


def assert_is(tiny: Tiny, train: data.Images, test: data.Images) -> None:
    for part, images in (("train", train), ("test", test)):
        expected = torch.from_numpy(np.ascontiguousarray(tiny.arrays[f"x_{part}"])).permute(0, 3, 1, 2)
        assert torch.equal(images.images, expected)
        assert images.labels.tolist() == tiny.arrays[f"y_{part}"].tolist()


# ---- A server that does all that servers do -------------------------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    archive = b""
    asked: list[str]  # every path that was asked for, in order
    release: threading.Event  # ends the stalls when the test is over

    def do_GET(self) -> None:
        self.asked.append(self.path)
        getattr(self, self.path.strip("/"))()

    def answer(self, status: int, body: bytes, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def good(self) -> None:
        self.answer(200, self.archive)

    def truncates(self) -> None:
        self.answer(200, self.archive[: len(self.archive) // 2], length=len(self.archive))

    def corrupts(self) -> None:
        self.answer(200, self.archive[:-1] + bytes([self.archive[-1] ^ 1]))

    def stalls(self) -> None:
        self.truncates()
        self.wfile.flush()
        self.release.wait(20)

    def trickles(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.archive)))
        self.end_headers()
        for start in range(0, len(self.archive), 4096):
            self.wfile.write(self.archive[start : start + 4096])
            self.release.wait(0.1)

    def says_nothing(self) -> None:
        self.release.wait(20)

    def hangs_up(self) -> None:
        self.close_connection = True

    def is_gone(self) -> None:
        self.answer(404, b"not here")

    def redirects(self) -> None:
        self.answer(302, b"", Location="/good")

    def sends_a_web_page(self) -> None:
        self.answer(200, b"<html>Please log in to the hotel's network.</html>")

    def never_ends(self) -> None:
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            while not self.release.is_set():
                self.wfile.write(bytes(100_000))

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def sources(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[str]]]:
    """sources("fails", "good") makes these the places to download from; returns the list of paths asked for."""
    here = type("Here", (Handler,), {"archive": tiny.archive, "asked": [], "release": threading.Event()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), here)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    with socket.socket() as reserved:  # bound but not listening: whoever connects is refused
        reserved.bind(("127.0.0.1", 0))
        refuses = f"http://127.0.0.1:{reserved.getsockname()[1]}/refuses"

        def serve(*names: str) -> list[str]:
            base = f"http://127.0.0.1:{server.server_address[1]}"
            urls = tuple(refuses if name == "refuses" else f"{base}/{name}" for name in names)
            monkeypatch.setattr(cifar10, "SOURCES", urls)
            return here.asked

        yield serve
    here.release.set()
    server.shutdown()
    thread.join()
    server.server_close()


# ---- Downloading ----------------------------------------------------------------------------------------------------


def test_a_good_source_gives_the_images_in_official_order_and_is_asked_once(tiny, sources, tmp_path):
    asked = sources("redirects", "good")
    assert_is(tiny, *data.load("cifar10", device="cpu"))
    assert cached(tmp_path) == ["cifar10.npz"]
    assert_is(tiny, *data.load("cifar10", device="cpu"))
    assert asked == ["/redirects", "/good"]


FAILURES = {
    "truncates": "bytes too early",
    "corrupts": "its md5 is",
    "hangs_up": "closed connection",
    "is_gone": "HTTP Error 404",
    "refuses": "refused",
    "sends_a_web_page": "its md5 is",
    "never_ends": "it sent more than",
}


@pytest.mark.parametrize("failure", FAILURES)
def test_when_a_source_fails_the_next_one_is_tried_and_when_all_fail_nothing_is_left(tiny, sources, tmp_path, failure):
    sources(failure)
    with pytest.raises(ConnectionError, match=FAILURES[failure]):
        data.load("cifar10")
    assert cached(tmp_path) == []
    asked = sources(failure, "good")
    assert_is(tiny, *data.load("cifar10"))
    assert asked[-1] == "/good" and cached(tmp_path) == ["cifar10.npz"]


@pytest.mark.parametrize("failure", ["stalls", "says_nothing"])
def test_a_source_that_stalls_is_given_up(tiny, sources, tmp_path, monkeypatch, failure):
    monkeypatch.setattr(cifar10, "PATIENCE", 0.3)
    sources(failure)
    with pytest.raises(ConnectionError, match=r"in 0\.3 seconds|timed out"):
        data.load("cifar10")
    assert cached(tmp_path) == []


def test_a_source_that_trickles_is_left_for_the_next_but_the_last_may_be_slow(tiny, sources, monkeypatch, tmp_path):
    monkeypatch.setattr(cifar10, "PATIENCE", 1.0)
    monkeypatch.setattr(cifar10, "SLOWEST", 1e6)
    asked = sources("trickles", "good")
    assert_is(tiny, *data.load("cifar10"))
    assert asked == ["/trickles", "/good"]
    (tmp_path / "cache" / "cifar10.npz").unlink()
    sources("is_gone", "trickles")
    assert_is(tiny, *data.load("cifar10"))


def test_a_name_that_nobody_resolves_is_given_up(monkeypatch):
    looking_up = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: looking_up.wait(20) and [])
    with pytest.raises(TimeoutError, match=r"0 kB in 0\.3 seconds"):
        download.fetch("http://nowhere.invalid/file", patience=0.3)
    looking_up.set()


def test_offline_the_error_lists_each_source_with_its_reason_and_names_the_sample(tiny, sources, tmp_path):
    sources("refuses", "is_gone")
    with pytest.raises(ConnectionError) as caught:
        data.load("cifar10")
    message = str(caught.value)
    for expected in ("/refuses\n", "refused", "/is_gone\n", "404", 'data.load("sample")', "cifar-10-python.tar.gz",
                     cifar10.ARCHIVE_MD5, str(tmp_path / "cache"), "root="):  # fmt: skip
        assert expected in message


def test_the_sample_needs_no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "socket", refuse)
    train, test = data.load("sample")
    assert len(train) == 5000 and len(test) == 1000


# ---- Keeping --------------------------------------------------------------------------------------------------------


def test_ctrl_c_during_a_download_leaves_nothing_and_tries_no_other_source(tiny, sources, tmp_path, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("tqdm.tqdm.update", interrupt)
    asked = sources("stalls", "good")
    with pytest.raises(KeyboardInterrupt):
        data.load("cifar10")
    assert asked == ["/stalls"]
    assert cached(tmp_path) == []


@pytest.mark.parametrize("failure", ["full disk", "no folder", "ctrl-c"])
def test_what_cannot_be_kept_leaves_nothing_and_the_images_are_there(tiny, sources, tmp_path, monkeypatch, failure):
    def savez(file, **arrays):
        file.write(b"some bytes")
        raise KeyboardInterrupt if failure == "ctrl-c" else OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    sources("good")
    if failure == "no folder":
        (tmp_path / "cache").write_text("in the way")
    else:
        monkeypatch.setattr(np, "savez", savez)
    expected = (
        pytest.raises(KeyboardInterrupt)
        if failure == "ctrl-c"
        else pytest.warns(UserWarning, match=r"could not be saved .*RESNET_EDU_CACHE")
    )
    with expected:
        assert_is(tiny, *data.load("cifar10"))
    assert cached(tmp_path) == []


def test_a_download_is_kept_in_root_where_one_is_named(tiny, sources, tmp_path):
    sources("good")
    (tmp_path / "mine").mkdir()
    data.load("cifar10", root=tmp_path / "mine")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["cifar10.npz"]
    assert cached(tmp_path) == []


# ---- Finding --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["root", "course/data", "course/resnet_edu/_data", "cache"])
@pytest.mark.parametrize("form", ["cifar10.npz", "cifar-10-python.tar.gz"])
def test_the_full_set_is_found_in_either_form(tiny, tmp_path, place, form):
    folder = tmp_path / place
    folder.mkdir(parents=True)
    if form.endswith("npz"):
        np.savez(folder / form, **tiny.arrays)
    else:
        (folder / form).write_bytes(tiny.archive)
    assert_is(tiny, *data.load("cifar10", root=str(folder) if place == "root" else None))


def test_labels_in_a_column_and_images_in_rows_are_put_into_shape(tiny, tmp_path):
    (tmp_path / "cache").mkdir()
    rows = {name: np.ascontiguousarray(array).reshape(len(array), -1) for name, array in tiny.arrays.items()}
    np.savez(tmp_path / "cache" / "cifar10.npz", **rows)
    assert_is(tiny, *data.load("cifar10"))


DAMAGES = {
    "swapped": lambda arrays: {**arrays, "x_train": arrays["x_train"][::-1]},
    "wide": lambda arrays: {**arrays, "x_train": arrays["x_train"].astype(np.int32)},
    "signed": lambda arrays: {**arrays, "x_train": arrays["x_train"].view(np.int8)},
    "short": lambda arrays: {"x_train": arrays["x_train"]},
    "objects": lambda arrays: {**arrays, "y_test": np.array([print, None], dtype=object)},
    "half": lambda arrays: arrays,
    "empty": lambda arrays: {},
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_passed_over_with_a_warning_and_replaced(tiny, sources, tmp_path, damage):
    path = tmp_path / "cache" / "cifar10.npz"
    path.parent.mkdir()
    np.savez(path, **DAMAGES[damage](tiny.arrays))
    if damage in ("half", "empty"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    sources("good")
    with pytest.warns(UserWarning, match=r"cifar10\.npz is damaged and was skipped"):
        train, test = data.load("cifar10")
    assert_is(tiny, train, test)
    assert_is(tiny, *data.load("cifar10"))  # without a warning now


# ---- Files that mean harm -------------------------------------------------------------------------------------------


class Call:
    """Pickled, this makes a file when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return open, (str(self.mark), "w")


@pytest.mark.parametrize("form", ["cifar10.npz", "cifar-10-python.tar.gz"])
def test_a_pickle_of_somebody_else_is_not_loaded(tiny, tmp_path, form):
    folder, mark = tmp_path / "cache", tmp_path / "mark"
    folder.mkdir()
    if form == "cifar10.npz":
        np.savez(folder / form, **{**tiny.arrays, "y_test": np.array([Call(mark)], dtype=object)})
    else:
        harm = {"cifar-10-batches-py/data_batch_1": pickle.dumps(Call(mark))}
        (folder / form).write_bytes(tar_gz({**tiny.members, **harm}))
    with pytest.warns(UserWarning, match="was skipped"), pytest.raises(ConnectionError):
        data.load("cifar10")
    assert not mark.exists()


def test_pixels_that_differ_are_refused_even_under_the_right_md5(tiny, sources, tmp_path, monkeypatch):
    members = {**tiny.members, "cifar-10-batches-py/test_batch": python2_pickle(tiny.rows[0], tiny.labels[0])}
    archive = tar_gz(members)
    tiny.promise(monkeypatch, archive)
    monkeypatch.setattr(cifar10, "fetch", lambda url, **_: archive)
    sources("good")
    with pytest.raises(ConnectionError, match="x_test"):
        data.load("cifar10")
    assert cached(tmp_path) == []

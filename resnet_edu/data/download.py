"""One download into memory: complete within the time limit, or an error. Nothing is left behind.

`torch.hub.download_url_to_file` has no timeout: a stalled server, or a host name that never resolves, would block a
lesson forever.
"""

import threading
import time
from urllib.parse import urlsplit

MOST = 300_000_000  # bytes: no file of the course is larger, so a longer response is wrong


def fetch(url: str, *, patience: float, slowest: float = 0.0) -> bytes:
    """Return the body of the response; show a progress bar. Raises OSError with a one-line reason.

    Gives up when no byte comes for `patience` seconds, or if fewer than `slowest` bytes per second arrive in that time.
    """
    import urllib.request

    from tqdm import tqdm

    body, failures = bytearray(), list[Exception]()
    ended, given_up = threading.Event(), threading.Event()

    def read() -> None:
        request = urllib.request.Request(url, headers={"User-Agent": "resnet_edu"})
        try:
            with urllib.request.urlopen(request, timeout=patience) as answer:
                bar.total = answer.length
                while not given_up.is_set() and (part := answer.read1(1 << 20)):
                    body.extend(part)
                    if len(body) > MOST:
                        raise ConnectionError(f"it sent more than {MOST:,} bytes")
                if answer.length:
                    raise ConnectionError(f"it ended {answer.length:,} bytes too early")
        except Exception as error:
            failures.append(error)
        ended.set()

    with tqdm(unit="B", unit_scale=True, desc=f"From {urlsplit(url).hostname}", leave=False, disable=None) as bar:
        # In its own thread, because a connection's timeout does not cover the DNS lookup.
        threading.Thread(target=read, daemon=True).start()
        seen, since = 0, time.monotonic()
        try:
            while not ended.wait(0.1):
                bar.update(len(body) - bar.n)
                if time.monotonic() - since > patience:
                    if len(body) - seen < max(1, slowest * patience):
                        raise TimeoutError(f"it sent {(len(body) - seen) / 1000:.0f} kB in {patience:g} seconds")
                    seen, since = len(body), time.monotonic()
        finally:
            given_up.set()
    if failures:
        raise ConnectionError(in_one_line(failures[0])) from failures[0]
    return bytes(body)


def in_one_line(error: Exception) -> str:
    """The error's message on one line, or its type if it has no message."""
    return " ".join(str(error).split()) or type(error).__name__

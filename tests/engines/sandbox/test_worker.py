"""What the worker keeps of what steps say."""

from __future__ import annotations

from imagefab.engines.sandbox.worker import Log


def test_no_space_is_heard_wherever_it_is_said() -> None:
    """dpkg says it once, tidies up, and goes on to other packages for a hundred lines."""
    log = Log()
    for chunk in (b"unpacking\n", b"error: No space left on ", b"device\n", *[b"unpacking\n" * 1000] * 100):
        log.add(chunk)
    assert log.has_no_space
    assert len(log.tail) < 100_000
    assert log.text.count("\n") < 50
    assert "No space" not in log.text


def test_other_words() -> None:
    log = Log()
    log.add(b"No space left on the")
    log.add(b" device")
    assert not log.has_no_space
    assert log.text == "No space left on the device"

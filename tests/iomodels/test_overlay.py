"""Overlays nest, end in any order, and leave the object as it was."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import pytest

from fivefold.iomodels.overlay import Around, Overlay


class Speaker:
    def __init__(self) -> None:
        self.own = self.plain

    def say(self) -> str:
        return "said"

    def plain(self) -> str:
        return "plain"


def within(mark: str) -> Around:
    return lambda inner: lambda: f"{mark}({inner()})"


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_they_end_in_any_order(order: tuple[int, ...]) -> None:
    speaker = Speaker()
    before = dict(vars(speaker))
    marks = "abc"
    overlays = [Overlay(speaker, say=within(m), own=within(m)) for m in marks]
    assert (speaker.say(), speaker.own()) == ("c(b(a(said)))", "c(b(a(plain)))")
    left = dict(enumerate(marks))
    for number in order:
        overlays[number].lift()
        del left[number]
        said = "said"
        for mark in left.values():
            said = f"{mark}({said})"
        assert speaker.say() == said
    assert vars(speaker) == before


def test_one_that_came_later_stays_below_nobody_else() -> None:
    speaker = Speaker()
    first, second = Overlay(speaker, say=within("a")), Overlay(speaker, own=within("b"))
    first.lift()
    third = Overlay(speaker, say=within("c"), own=within("c"))
    assert (speaker.say(), speaker.own()) == ("c(said)", "c(b(plain))")
    third.lift()
    second.lift()
    assert set(vars(speaker)) == {"own"}


def test_one_is_lifted_once() -> None:
    overlay = Overlay(Speaker(), say=within("a"))
    overlay.lift()
    with pytest.raises(ValueError, match="not in list"):
        overlay.lift()


def test_other_objects_of_the_class_keep_their_methods() -> None:
    watched, other = Speaker(), Speaker()
    overlay = Overlay(watched, say=within("a"))
    assert (watched.say(), other.say()) == ("a(said)", "said")
    overlay.lift()


@pytest.mark.parametrize("step", range(3))
def test_a_signal_handler_may_put_one_on_in_the_middle(step: int) -> None:
    """It comes while the object's dictionary is read, and written."""
    added: list[Overlay] = []

    class Interrupted(dict[str, Any]):
        steps = 0

        def _interrupt(self) -> None:
            Interrupted.steps += 1
            if Interrupted.steps == step + 1:
                added.append(Overlay(speaker, say=within("handler")))

        def get(self, name: str, default: Any = None) -> Any:
            self._interrupt()
            return super().get(name, default)

        def pop(self, name: str, default: Any = None) -> Any:
            self._interrupt()
            return super().pop(name, default)

    speaker = Speaker()
    vars(speaker).pop("own")
    speaker.__dict__ = Interrupted()
    Overlay(speaker, say=within("a")).lift()
    assert speaker.say() == "handler(said)"
    added[0].lift()
    assert dict(vars(speaker)) == {}
    assert speaker.say() == "said"


def test_threads_put_them_on_one_object_at_once() -> None:
    speaker = Speaker()
    before = dict(vars(speaker))

    def again_and_again(mark: str) -> None:
        for _ in range(300):
            Overlay(speaker, say=within(mark)).lift()

    held = Overlay(speaker, say=within("held"))
    threads = [threading.Thread(target=again_and_again, args=(mark,)) for mark in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert speaker.say() == "held(said)"
    held.lift()
    assert vars(speaker) == before

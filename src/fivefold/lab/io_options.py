"""What can be chosen as an I/O model: each model, and each engine of those that have several; those
of packages that are installed, too."""

from __future__ import annotations

from dataclasses import dataclass

from ..iomodels import OFFERS, models, why_not


@dataclass(frozen=True)
class IoOption:
    """`word`: as `--io` takes it."""

    word: str
    reason: str | None
    """Why it cannot run here; None if it can."""


def options() -> list[IoOption]:
    """Models first, then engines."""
    named = [offer.words for offer in OFFERS if offer.name != offer.engine]
    return [IoOption(word, reason_against(word)) for word in (*models(), *named)]


def reason_against(word: str) -> str | None:
    """None if one of the engines that the word stands for can run here."""
    reasons = [why_not(offer) for offer in OFFERS if offer.answers(word)]
    return None if None in reasons else "; ".join(filter(None, reasons))


def option_of(word: str) -> str:
    """Under which option stands what a user has written: `epoll` is `multiplexing:epoll`."""
    if word in models():
        return word
    return next((offer.words for offer in OFFERS if offer.answers(word)), word)

"""The picture of a card: whether every text keeps to its box, and how long a card takes.

    python benchmarks/cards.py layout      # 2,000 cards of the shipped models, in each language
    python benchmarks/cards.py speed       # the parts of a card: models, picture, PNG; and 100 whole cards, written

Both end with status 1 where a limit is missed: no text outside its box or on another, and 12 s for 100 cards on two
idle cores.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pokegen.cards.files import write_cards
from pokegen.cards.generator import Generator
from pokegen.cards.render import layout, render
from pokegen.cards.request import Request
from pokegen.images import png
from pokegen.schema import LANGUAGES

CARDS, TIMED = 2000, 100
LIMIT = 12.0  # seconds for 100 cards


def check_layout(generator: Generator, count: int) -> bool:
    """Print how many texts leave their box or touch another, and how many are cut short or small."""
    texts = wrong = cut = 0
    for card in generator.cards(Request(count=count)):
        for lang in LANGUAGES:
            boxes = layout(card, lang)
            texts += len(boxes)
            for i, text in enumerate(boxes):
                (left, top, right, bottom), ink = text.box, text.ink
                outside = ink[0] < left or ink[1] < top or ink[2] > right or ink[3] > bottom
                touching = any(
                    ink[0] < b.ink[2] and b.ink[0] < ink[2] and ink[1] < b.ink[3] and b.ink[1] < ink[3]
                    for b in boxes[:i]
                )
                cut += "…" in text.text
                if outside or touching:
                    wrong += 1
                    print(f"seed {card.seed}, {lang}: {text}")
    print(f"{count:,} cards, {len(LANGUAGES)} languages, {texts:,} texts: {wrong} misplaced, {cut} cut short")
    return wrong == 0


def check_speed(generator: Generator) -> bool:
    """Print the time of each part, by the clock and of the processor, and that of 100 cards."""
    next(generator.cards(Request(seed=1)))  # what is loaded at first use does not count
    parts = ("models", "picture", "PNG")
    clock, processor = dict.fromkeys(parts, 0.0), dict.fromkeys(parts, 0.0)
    cards = generator.cards(Request(count=TIMED, seed=1000))

    def timed(part: str, step: Callable[[], Any]) -> Any:
        start, busy = time.perf_counter(), time.process_time()
        result = step()
        clock[part] += time.perf_counter() - start
        processor[part] += time.process_time() - busy
        return result

    for _ in range(TIMED):
        card = timed("models", lambda: next(cards))
        image = timed("picture", partial(render, card))
        timed("PNG", partial(png, image))
    for part in parts:
        by_clock, busy = (1000 * times[part] / TIMED for times in (clock, processor))
        print(f"{part}: {by_clock:.0f} ms per card, {busy:.0f} ms of processor time")
    with tempfile.TemporaryDirectory() as folder:
        start, busy = time.perf_counter(), time.process_time()
        for _ in write_cards(generator.cards(Request(count=TIMED, seed=2000)), Path(folder), TIMED):
            pass
        total, busy = time.perf_counter() - start, time.process_time() - busy
    print(f"{TIMED} cards written: {total:.1f} s, {busy:.1f} s of processor time; limit {LIMIT:.0f} s")
    return total <= LIMIT


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("layout", "speed"))
    parser.add_argument("--cards", type=int, default=CARDS, help=f"of `layout`; default {CARDS}")
    arguments = parser.parse_args()
    generator = Generator.from_zoo()
    passed = check_layout(generator, arguments.cards) if arguments.what == "layout" else check_speed(generator)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())

"""The card's picture: what is extreme stays inside its box, white vanishes, and bytes repeat."""

import random

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pokegen.cards import render as render_module
from pokegen.cards.moves import choose_moves, resistances, weaknesses
from pokegen.cards.render import (
    FRAME,
    HEIGHT,
    LEFT,
    PANEL,
    PAPER,
    RIGHT,
    WIDTH,
    badge_rows,
    contact_sheet,
    disc_mask,
    drawable,
    fit,
    mix,
    render,
    rgb,
)
from pokegen.images import png
from pokegen.schema import STATS, TYPES, Card


def make(types=("Fire",), **changes):
    types = list(types)
    stats = dict.fromkeys(STATS, 80) | {"total": 480}
    values = {
        "name": "Brumble", "types": types, "stats": stats, "height_m": 1.2, "weight_kg": 30.0, "color": "Red",
        "legendary": False, "stage": 1, "evolves_from": None, "evolves_to": [],
        "moves": choose_moves(types, stats, 1, random.Random(0)), "weaknesses": weaknesses(types),
        "resistances": resistances(types), "seed": 7,
        "models": {"sprites": "cgan 1.0", "stats": "stats 1.0", "names": "names 1.0"},
        "image": np.full((128, 128, 3), 255, np.uint8),
    }  # fmt: skip
    return Card(**values | changes)


EXTREME = {
    "long name": make(name="W" * 24, stage=3, evolves_from="M" * 24, legendary=True),
    "accents": make(name="Éçñüłāžßøœ ẾÅÑÚ ’", stage=2, evolves_from="Ğőşî"),
    "largest numbers": make(
        ("Fighting", "Electric"),
        stats=dict.fromkeys(STATS, 255) | {"total": 1530},
        height_m=100.0,
        weight_kg=10000.0,
        seed=2**48 - 1,
    ),
    "most badges": make(
        ("Steel", "Fairy"),
        weaknesses=dict.fromkeys(TYPES[:12], 2.0),
        resistances=dict.fromkeys(TYPES, 0.25),
    ),
    "long models": make(
        models=dict.fromkeys(("sprites", "stats", "names"), "a folder of a very long name 1.0.0+local")
    ),
    "long moves": make(
        moves=[
            {
                "name": "Clangorous Soulblaze Forever",
                "type": "Dragon",
                "category": "Physical",
                "power": 250,
                "accuracy": 100,
                "pp": 5,
            }
        ]
        * 4
    ),
    "nothing weak": make(weaknesses={}, resistances={}),
}


@pytest.mark.parametrize("card", EXTREME.values(), ids=list(EXTREME))
def test_every_text_stays_inside_the_frame_and_off_other_texts(card, monkeypatch):
    boxes = []
    text = ImageDraw.ImageDraw.text

    def listen(self, xy, string, fill=None, font=None, anchor=None):
        boxes.append((self.textbbox(xy, string, font, anchor), string))
        text(self, xy, string, fill, font, anchor)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", listen)
    assert render(card).size == (WIDTH, HEIGHT)
    assert len(boxes) > 20
    for i, ((left, top, right, bottom), string) in enumerate(boxes):
        assert left >= LEFT - 4 and right <= RIGHT + 4, string
        assert top >= FRAME + 10 and bottom <= HEIGHT - FRAME - 10, string
        for (left2, top2, right2, bottom2), other in boxes[:i]:
            apart = left >= right2 or left2 >= right or top >= bottom2 or top2 >= bottom
            assert apart, (string, other)


def test_the_legendary_mark_does_not_meet_the_hp(monkeypatch):
    card = EXTREME["long name"]
    pills = []
    monkeypatch.setattr(render_module, "rounded", lambda image, box, *rest: pills.append(box))
    render(card)
    mark = next(box for box in pills if box[2] - box[0] == 122)
    assert mark[2] < RIGHT - 70


def test_badges_fill_two_lines_at_most_and_keep_to_the_width():
    for factors in (dict.fromkeys(TYPES[:n], 0.25) for n in range(19)):
        size, lines = badge_rows(factors, 560)
        assert [kind for line in lines for kind, *_ in line] == list(factors)
        assert len(lines) <= 2
        assert all(sum(width + 6 for *_, width in line) - 6 <= 560 for line in lines)
    assert badge_rows({"Fire": 2.0}, 560)[0] > size >= 10  # 18 badges are small, and still legible


def test_fit_shrinks_then_cuts():
    whole, large = fit("Brumble", "bold", 52, 400)
    assert (whole, large.size) == ("Brumble", 52)
    whole, smaller = fit("Brumble" * 3, "bold", 52, 300)
    assert whole == "Brumble" * 3 and smaller.size < 52 and smaller.getlength(whole) <= 300
    cut, least = fit("Brumble" * 9, "bold", 52, 100)
    assert cut.endswith("…") and least.getlength(cut) <= 100


def test_what_the_font_lacks_is_replaced():
    assert drawable("Flabébé ×½·–") == "Flabébé ×½·–"
    assert drawable("Łếđ") == "Led"  # neither Polish nor Vietnamese is in the font
    assert drawable("a\u3042") == "a"


def test_white_of_the_sprite_vanishes_and_black_stays():
    blank = np.asarray(render(make()).convert("RGB")).astype(int)
    image = np.full((128, 128, 3), 255, np.uint8)
    image[40:60, 40:60] = 0
    drawn = np.asarray(render(make(image=image)).convert("RGB")).astype(int)
    changed = np.abs(drawn - blank).max(axis=2) > 2
    y, x = np.nonzero(changed)
    scale, left, top = 3, (WIDTH - 384) // 2, (PANEL[1] + PANEL[3] - 384) // 2
    assert abs(x.min() - (left + 40 * scale)) < 9 and abs(x.max() - (left + 60 * scale)) < 9
    assert abs(y.min() - (top + 40 * scale)) < 9 and abs(y.max() - (top + 60 * scale)) < 9
    assert drawn[top + 50 * scale, left + 50 * scale].max() < 8


def test_two_types_show_both_colours_and_legendary_shows_gold():
    one, two = (np.asarray(render(make(types)).convert("RGB")) for types in (("Fire",), ("Fire", "Water")))
    assert np.array_equal(one[200, 5], two[200, 5])  # upper left: the first type
    assert one[900, WIDTH - 5, 0] > 200 > two[900, WIDTH - 5, 0]  # lower right: the second
    plain, gold = (np.asarray(render(make(legendary=mark)).convert("RGB")) for mark in (False, True))
    assert not np.array_equal(plain[500, FRAME - 4], gold[500, FRAME - 4])


def test_a_longer_bar_is_a_higher_stat():
    def bar(value):
        stats = dict.fromkeys(STATS, value) | {"total": 6 * value}
        row = np.asarray(render(make(stats=stats)).convert("RGB"))[574, 180:344].astype(int)
        return int((row.max(axis=1) - row.min(axis=1) > 60).sum())  # coloured pixels of the first bar

    lengths = [bar(value) for value in (1, 40, 80, 120, 160)]
    assert lengths == sorted(set(lengths))
    assert abs(lengths[2] - 82) < 4  # 80 of 160 is half of the 164 pixels


def test_same_card_same_bytes():
    assert png(render(make(("Ice", "Ghost")))) == png(render(make(("Ice", "Ghost"))))
    assert png(render(make(seed=1))) != png(render(make(seed=2)))


def test_corners_are_round_and_transparent():
    alpha = np.asarray(render(make()))[:, :, 3]
    assert alpha[0, 0] == alpha[-1, -1] == 0
    assert alpha[HEIGHT // 2, 0] == alpha[0, WIDTH // 2] == 255
    mask = np.asarray(disc_mask(40, 30, 10))
    assert np.array_equal(mask, mask[::-1]) and np.array_equal(mask, mask[:, ::-1])


def test_texts_on_types_have_contrast():
    """At least 2.3 : 1 for the bold type names, on every type's colour (WCAG's measure)."""

    def luminance(color):
        value = rgb(color) / 255
        return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722)

    for kind in TYPES:
        color = render_module.TYPE_COLORS[kind]
        light, dark = sorted([luminance(color), luminance(render_module.text_on(color))])[::-1]
        assert (light + 0.05) / (dark + 0.05) > 2.3, kind


def test_mix():
    assert mix("#FF0000", "#0000FF", 0) == "#FF0000"
    assert mix("#000000", "#FFFFFF", 0.5) == "#808080"


def test_contact_sheet_shows_every_card_in_order():
    red, blue = (Image.new("RGBA", (WIDTH, HEIGHT), color) for color in ("red", "blue"))
    sheet = contact_sheet([red, blue, red], 2)
    assert sheet.size == (2 * 316 + 16, 2 * 436 + 16)
    centres = [sheet.getpixel((16 + 150 + 316 * x, 16 + 210 + 436 * y)) for y in (0, 1) for x in (0, 1)]
    assert centres[:3] == [(255, 0, 0), (0, 0, 255), (255, 0, 0)]
    assert centres[3] == sheet.getpixel((0, 0)) != tuple(rgb(PAPER))

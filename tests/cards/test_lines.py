"""Evolution lines on one picture."""

import numpy as np
from made_cards import made

from pokegen.cards.lines import ZOOM, lines_sheet


def line(*names):
    """Cards with a sprite in a colour that no scene has."""
    image = np.full((128, 128, 3), 255, np.uint8)
    image[8:120, 24:104] = (255, 0, 255)
    return [made(name=name, image=image) for name in names]


def creatures(sheet):
    """The columns of the creatures on a sheet: first and last of each."""
    pixels = np.asarray(sheet).astype(int)
    columns = np.flatnonzero((np.abs(pixels - (255, 0, 255)).max(axis=2) < 40).any(axis=0))
    ends = np.flatnonzero(np.diff(columns) > 20)
    return list(zip(columns[[0, *(ends + 1)]], columns[[*ends, -1]], strict=True))


def test_the_forms_of_a_line_grow_from_left_to_right():
    found = creatures(lines_sheet(line("Pyri", "Pyrid", "Pyridrake"), 3))
    widths = [last - first + 1 for first, last in found]
    assert len(widths) == 3
    assert widths == sorted(widths) and widths[0] < 0.8 * widths[2]
    assert abs(widths[2] - 80 * ZOOM) <= 2


def test_lines_fill_columns_and_rows():
    one, two, three = (lines_sheet(line(*["Pyri"] * 2 * count), 2) for count in (1, 2, 3))
    assert two.width > 1.9 * one.width and two.height == one.height
    assert three.width == two.width and three.height > 1.9 * one.height


def test_the_language_changes_the_types():
    english, french = (np.asarray(lines_sheet(line("Pyri", "Pyrid"), 2, lang=lang)) for lang in ("en", "fr"))
    assert english.shape == french.shape and (english != french).any()


def test_a_blank_sprite_leaves_the_scene():
    cards = [made(image=np.full((128, 128, 3), 255, np.uint8)) for _ in range(2)]
    assert lines_sheet(cards, 2).width > 500

"""Draws a card as a picture of 750×1050 pixels: 2.5 by 3.5 inches at 300 dots an inch, the size of a playing card.

A design of our own, in the colours of the creature's types. Fonts: Cabin (SIL Open Font License, in `fonts/`), so that
a card looks the same on every machine. Sprites have a white background; they are multiplied onto the panel, where
white vanishes. Left out: PDF sheets, languages other than English.

All lengths are pixels. (x, y) is from the top left corner; `anchor` is Pillow's.
"""

import unicodedata
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFont

from pokegen.schema import STAT_LABELS, STATS, TYPE_COLORS, Card

WIDTH, HEIGHT = 750, 1050
FRAME, CORNER = 20, 34  # the coloured border, and the outer radius
LEFT, RIGHT = 48, WIDTH - 48  # the text's margins
PANEL = (34, 130, WIDTH - 34, 534)  # where the sprite stands
SPRITE = 384  # three times its size
THUMBNAIL = (300, 420)  # a card on a contact sheet
INK, SOFT, LINE, PAPER = "#23242B", "#6B6E7B", "#DFDDD5", "#FBFAF5"
GOLD = "#C8941B"
_FONTS = Path(__file__).with_name("fonts")
_WEIGHTS = {"regular": "Cabin-Regular.otf", "medium": "Cabin-SemiBold.otf", "bold": "Cabin-Bold.otf"}
# Up to and including this value a stat's bar has this colour.
_BAR_COLORS = ((49, "#E5533D"), (69, "#EE9336"), (89, "#E9BF2E"), (109, "#8CBF3F"), (129, "#3FA66B"), (255, "#2C93A8"))
_BAR_FULL = 160  # the value at which a bar is full; only one species in thirty has a stat above it


@cache
def font(weight: str, size: int) -> ImageFont.FreeTypeFont:
    """Cabin in `regular`, `medium` or `bold`. The basic layout is the same on every build of Pillow."""
    return ImageFont.truetype(_FONTS / _WEIGHTS[weight], size, layout_engine=ImageFont.Layout.BASIC)


def fit(text: str, weight: str, size: int, width: float, least: int = 11) -> tuple[str, ImageFont.FreeTypeFont]:
    """The text and the largest font, from `size` down to `least`, that keep to `width`; cut short if none does."""
    text = drawable(text)
    for points in range(size, least - 1, -1):
        if font(weight, points).getlength(text) <= width:
            return text, font(weight, points)
    smallest = font(weight, least)
    while text and smallest.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…", smallest


@cache
def drawable(text: str) -> str:
    """The text with each letter that the font lacks replaced by the one without its accents, others left away."""
    face = font("bold", 20)
    missing = bytes(face.getmask("\uffff"))

    def has(sign: str) -> bool:
        return sign == " " or bytes(face.getmask(sign)) != missing

    def bare(sign: str) -> str:
        """`ł` is LATIN SMALL LETTER L WITH STROKE."""
        letter = unicodedata.name(sign, "").split(" WITH ")[0]
        return unicodedata.lookup(letter) if letter else ""

    return "".join(sign if has(sign) else bare(sign) if bare(sign) != sign else "" for sign in text)


@cache
def disc_mask(width: int, height: int, radius: int) -> Image.Image:
    """A rounded rectangle as an "L" mask with smooth corners, which ImageDraw does not give."""
    radius = min(radius, width // 2, height // 2)
    disc = Image.new("L", (8 * radius, 8 * radius))
    ImageDraw.Draw(disc).ellipse((0, 0, 8 * radius - 1, 8 * radius - 1), fill=255)
    disc = disc.reduce(4) if radius else disc
    mask = Image.new("L", (width, height), 255)
    for right, bottom in ((0, 0), (0, 1), (1, 0), (1, 1)):
        quarter = disc.crop((right * radius, bottom * radius, (right + 1) * radius, (bottom + 1) * radius))
        mask.paste(quarter, (right * (width - radius), bottom * (height - radius)))
    return mask


def rounded(image: Image.Image, box: tuple[int, int, int, int], radius: int, fill: str | Image.Image) -> None:
    """Fill the rounded rectangle (left, top, right, bottom) with a colour, or with a picture of its size."""
    width, height = box[2] - box[0], box[3] - box[1]
    if width > 0 and height > 0:
        image.paste(fill, box if isinstance(fill, str) else box[:2], disc_mask(width, height, radius))


def rgb(color: str) -> np.ndarray:
    """`#RRGGBB` → float (3,), 0 to 255."""
    return np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)], dtype=float)


def mix(color: str, other: str, share: float) -> str:
    """`color` with `share` (0 to 1) of `other` in it."""
    return "#" + "".join(f"{round(v):02X}" for v in rgb(color) * (1 - share) + rgb(other) * share)


def sweep(width: int, height: int, first: str, second: str) -> np.ndarray:
    """A diagonal gradient, float32 (H, W, 3), 0 to 255."""
    start, step = rgb(first).astype(np.float32), (rgb(second) - rgb(first)).astype(np.float32)
    if not step.any():
        return np.broadcast_to(start, (height, width, 3))
    x, y = np.linspace(0, 1, width, dtype=np.float32), np.linspace(0, 1, height, dtype=np.float32)
    place = np.clip(((x + y[:, None]) / 2 - 0.3) / 0.4, 0, 1)
    place = place * place * (3 - 2 * place)  # (H, W), without a visible beginning or end
    return start + place[:, :, None] * step


def picture(pixels: np.ndarray) -> Image.Image:
    """Float (H, W, 3), 0 to 255 → RGB."""
    return Image.fromarray((pixels + 0.5).astype(np.uint8))


def render(card: Card) -> Image.Image:
    """The card's picture, RGBA with transparent corners. `card.image` must hold the sprite."""
    first, second = TYPE_COLORS[card.types[0]], TYPE_COLORS[card.types[-1]]
    image = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    _draw_frame(image, card, first, second)
    _draw_panel(image, card, first, second)
    draw = ImageDraw.Draw(image)
    _draw_header(image, draw, card, first)
    _draw_panel_labels(image, draw, card)
    _draw_stats(image, draw, card, (LEFT, 560, 344))
    _draw_moves(image, draw, card, (384, 560, RIGHT))
    draw.line((LEFT, 803, RIGHT, 803), fill=LINE, width=2)
    _draw_matchups(image, draw, card, (LEFT, 804, RIGHT, 972))
    _draw_footer(draw, card)
    image.putalpha(disc_mask(WIDTH, HEIGHT, CORNER))
    return image


def _draw_frame(image: Image.Image, card: Card, first: str, second: str) -> None:
    image.paste(picture(sweep(WIDTH, HEIGHT, mix(first, "#000000", 0.05), mix(second, "#000000", 0.05))))
    if card.legendary:  # a thin golden line inside the coloured frame
        rounded(image, (FRAME - 7, FRAME - 7, WIDTH - FRAME + 7, HEIGHT - FRAME + 7), CORNER - 8, "#F6D981")
    rounded(image, (FRAME, FRAME, WIDTH - FRAME, HEIGHT - FRAME), CORNER - 14, PAPER)


def _draw_panel(image: Image.Image, card: Card, first: str, second: str) -> None:
    """The sprite on a light that fades into the colours of the types."""
    width, height = PANEL[2] - PANEL[0], PANEL[3] - PANEL[1]
    tint = sweep(width, height, first, second)
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    distance = np.hypot(x - width / 2, y[:, None] - height / 2)  # (H, W)
    # Nearly white behind the sprite, so that its own colours stay true; half the types' colours at the far corners.
    share = 0.07 + 0.50 * np.clip((distance - 90) / 300, 0, 1) ** 1.15
    for radius in (212, 270, 328):  # faint rings around the light
        share += 0.05 * np.clip(2 - np.abs(distance - radius), 0, 1)
    panel = picture(255 - share[:, :, None] * (255 - tint))
    sprite = Image.fromarray(card.image).resize((SPRITE, SPRITE), Image.Resampling.LANCZOS)
    place = ((width - SPRITE) // 2, (height - SPRITE) // 2)
    under = panel.crop((*place, place[0] + SPRITE, place[1] + SPRITE))
    panel.paste(ImageChops.multiply(under, sprite), place)
    rounded(image, (PANEL[0] - 2, PANEL[1] - 2, PANEL[2] + 2, PANEL[3] + 2), 20, mix(first, second, 0.5))
    rounded(image, PANEL, 18, panel)


def _draw_header(image: Image.Image, draw: ImageDraw.ImageDraw, card: Card, first: str) -> None:
    hp = str(card.stats["hp"])
    draw.text((RIGHT, 109), hp, INK, font("bold", 48), "rs")
    hp_left = RIGHT - font("bold", 48).getlength(hp)
    draw.text((hp_left - 7, 109), "HP", mix(first, INK, 0.35), font("bold", 22), "rs")
    above = f"Stage {card.stage}"
    if card.evolves_from:
        above += f"  ·  evolves from {card.evolves_from}"
    text, face = fit(above, "medium", 19, 440)
    draw.text((LEFT, 53), text, SOFT, face, "ls")
    if card.legendary:
        left = LEFT + int(face.getlength(text)) + 14
        rounded(image, (left, 34, left + 122, 59), 13, GOLD)
        _star(draw, left + 17, 46, 8, "#FFFFFF")
        draw.text((left + 31, 53), "Legendary", "#FFFFFF", font("bold", 17), "ls")
    text, face = fit(card.name, "bold", 48, hp_left - 42 - LEFT)
    draw.text((LEFT - 2, 109), text, INK, face, "ls")


def _star(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, fill: str) -> None:
    turns = np.arange(10) * np.pi / 5 - np.pi / 2
    lengths = np.where(np.arange(10) % 2 == 0, radius, 0.45 * radius)
    corners = zip(x + lengths * np.cos(turns), y + lengths * np.sin(turns), strict=True)
    draw.polygon([(float(a), float(b)) for a, b in corners], fill=fill)


def _draw_panel_labels(image: Image.Image, draw: ImageDraw.ImageDraw, card: Card) -> None:
    """Types at the panel's lower left, height and weight at its lower right."""
    left, top = PANEL[0] + 14, PANEL[3] - 48
    for kind in card.types:
        width = int(font("bold", 20).getlength(kind)) + 36
        rounded(image, (left - 2, top - 2, left + width + 2, top + 36), 19, "#FFFFFF")
        rounded(image, (left, top, left + width, top + 34), 17, TYPE_COLORS[kind])
        draw.text((left + width / 2, top + 24), kind, text_on(TYPE_COLORS[kind]), font("bold", 20), "ms")
        left += width + 10
    size = f"{card.height_m:.1f} m   {card.weight_kg:.1f} kg"
    width = int(font("medium", 19).getlength(size)) + 32
    right = PANEL[2] - 14
    rounded(image, (right - width, top, right, top + 34), 17, "#FFFFFF")
    draw.text((right - width / 2, top + 24), size, INK, font("medium", 19), "ms")


def text_on(color: str) -> str:
    """White, or ink on the types' light colours."""
    return "#FFFFFF" if rgb(color) @ (0.299, 0.587, 0.114) < 170 else INK


def _draw_stats(image: Image.Image, draw: ImageDraw.ImageDraw, card: Card, place: tuple[int, int, int]) -> None:
    """Six rows with a bar each, and the total. `place`: left, top, right."""
    left, top, right = place
    bar = left + 132
    for i, (key, label) in enumerate(zip(STATS, STAT_LABELS, strict=True)):
        line = top + 22 + 32 * i
        value = card.stats[key]
        draw.text((left, line), label, SOFT, font("medium", 19), "ls")
        draw.text((bar - 12, line), str(value), INK, font("bold", 20), "rs")
        rounded(image, (bar, line - 13, right, line - 2), 6, "#E9E7DF")
        color = next(color for most, color in _BAR_COLORS if value <= most)
        length = max(11, round((right - bar) * min(1, value / _BAR_FULL)))
        rounded(image, (bar, line - 13, bar + length, line - 2), 6, color)
    line = top + 22 + 32 * 6 + 6
    draw.text((left, line), "Total", INK, font("bold", 20), "ls")
    draw.text((bar - 12, line), str(card.stats["total"]), INK, font("bold", 20), "rs")


def _draw_moves(image: Image.Image, draw: ImageDraw.ImageDraw, card: Card, place: tuple[int, int, int]) -> None:
    """Four rows: a stripe in the move's colour, its name, type and category, power and accuracy."""
    left, top, right = place
    for i, move in enumerate(card.moves):
        y = top + 58 * i
        color = TYPE_COLORS[move["type"]]
        rounded(image, (left, y, right, y + 50), 10, mix(color, PAPER, 0.86))
        stripe = Image.new("RGB", (right - left, 50), color)
        mask = disc_mask(right - left, 50, 10).copy()
        mask.paste(0, (8, 0, right - left, 50))
        image.paste(stripe, (left, y), mask)
        text, face = fit(move["name"], "bold", 20, right - left - 22 - 96)
        draw.text((left + 20, y + 23), text, INK, face, "ls")
        draw.text((left + 20, y + 42), f"{move['type']} · {move['category']}", SOFT, font("medium", 15), "ls")
        power = "–" if move["power"] is None else str(move["power"])
        accuracy = "always" if move["accuracy"] is None else f"{move['accuracy']} %"
        if move["power"] is None and move["accuracy"] is None:
            accuracy = ""
        draw.text((right - 14, y + 24), power, INK, font("bold", 23), "rs")
        draw.text((right - 14, y + 42), accuracy, SOFT, font("medium", 15), "rs")


def factor_label(factor: float) -> str:
    return {0.0: "×0", 0.25: "×¼", 0.5: "×½"}.get(factor, f"×{factor:g}")


def badge_rows(factors: dict[str, float], width: int, rows: int = 2) -> tuple[int, list[list[tuple[str, str, int]]]]:
    """Badges set into at most `rows` lines of `width`: the font's size, and (type, text, width) for each line's badges.

    Size 17 where that fits, smaller where there are many.
    """
    for size in range(17, 7, -1):
        lines: list[list[tuple[str, str, int]]] = [[]]
        for kind, factor in factors.items():
            text = f"{kind} {factor_label(factor)}"
            badge = round(font("bold", size).getlength(text)) + size + 5
            if lines[-1] and sum(b[2] + 6 for b in lines[-1]) + badge > width:
                lines.append([])
            lines[-1].append((kind, text, badge))
        if len(lines) <= rows:
            break
    return size, lines


def _draw_matchups(image: Image.Image, draw: ImageDraw.ImageDraw, card: Card, box: tuple[int, int, int, int]) -> None:
    """Weaknesses and resistances, a label and one or two lines of badges each, in the middle of the box's height."""
    left, top, right, bottom = box
    start, step, gap = left + 94, 35, 16
    groups = [
        (label, *badge_rows(factors, right - start))
        for label, factors in (("Weak to", card.weaknesses), ("Resists", card.resistances))
    ]
    height = step * sum(len(lines) for _, _, lines in groups) + gap - 6
    y = top + (bottom - top - height) // 2
    for label, size, lines in groups:
        draw.text((left, y + 21), label, INK, font("bold", 19), "ls")
        if not lines[0]:
            draw.text((start, y + 21), "nothing", SOFT, font("medium", 19), "ls")
        for line in lines:
            x = start
            for kind, text, width in line:
                rounded(image, (x, y, x + width, y + 29), 14, TYPE_COLORS[kind])
                draw.text((x + width / 2, y + 20), text, text_on(TYPE_COLORS[kind]), font("bold", size), "ms")
                x += width + 6
            y += step
        y += gap


def _draw_footer(draw: ImageDraw.ImageDraw, card: Card) -> None:
    draw.line((LEFT, 973, RIGHT, 973), fill=LINE, width=2)
    models = "  ·  ".join(f"{role}: {label}" for role, label in card.models.items())
    mark = "made with pokegen"
    draw.text((RIGHT, 1003), mark, SOFT, font("bold", 15), "rs")
    width = RIGHT - LEFT - font("bold", 15).getlength(mark) - 24
    text, face = fit(f"seed {card.seed}  ·  {models}", "regular", 15, width)
    draw.text((LEFT, 1003), text, SOFT, face, "ls")


def contact_sheet(images: Sequence[Image.Image], columns: int, gap: int = 16) -> Image.Image:
    """Cards side by side, scaled to `THUMBNAIL`, RGB on light grey."""
    width, height = THUMBNAIL
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * (width + gap) + gap, rows * (height + gap) + gap), "#E4E4E8")
    for i, image in enumerate(images):
        small = image.convert("RGBA").resize(THUMBNAIL, Image.Resampling.LANCZOS)
        place = (gap + i % columns * (width + gap), gap + i // columns * (height + gap))
        sheet.paste(small, place, small.getchannel("A"))
    return sheet


def lines_sheet(cards: Sequence[Card], forms: int, columns: int = 2) -> Image.Image:
    """Evolution lines, each `forms` cards one after another: sprites with name, types and total, the earlier ones
    smaller, RGB on white."""
    cell, gap, text = 148, 30, 58
    width, height = forms * cell + gap, cell + text
    rows = -(-len(cards) // (forms * columns))
    sheet = Image.new("RGB", (columns * width + gap, rows * height + gap), "#FFFFFF")
    draw = ImageDraw.Draw(sheet)
    for i, card in enumerate(cards):
        line, form = divmod(i, forms)
        left, top = gap + line % columns * width + form * cell, gap // 2 + line // columns * height
        side = round(cell * (1 - 0.17 * (forms - 1 - form)))
        sprite = Image.fromarray(card.image).resize((side, side), Image.Resampling.LANCZOS)
        sheet.paste(sprite, (left + (cell - side) // 2, top + cell - side))  # all stand on one ground
        name, face = fit(card.name, "bold", 18, cell - 12)
        draw.text((left + cell / 2, top + cell + 18), name, INK, face, "ms")
        told, face = fit(f"{' / '.join(card.types)} · {card.stats['total']}", "medium", 14, cell - 8)
        draw.text((left + cell / 2, top + cell + 38), told, SOFT, face, "ms")
        if form:
            x, y = left - 4, top + cell // 2
            draw.polygon([(x, y - 7), (x, y + 7), (x + 9, y)], fill=LINE)
    return sheet

"""Draws a card as a picture of 744×1039 pixels: 63 by 88 mm at 300 dots an inch, the size of a trading card.

From top to bottom: the name on a dark plate, the creature on a scene of its type, type and size, ability and attacks,
stats and the Pokédex line, what hurts it, and where the card comes from. The frame's material shows the rarity. The
parts are in `face/`; the labels, in English and French, in `strings/`. A field that is empty, as in cards written by an
earlier version, leaves its block out. For paper see `print_sheet.py`.

All lengths are pixels. (x, y) is from the top left corner of the trimmed card.
"""

from collections.abc import Callable, Sequence
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from pokegen.cards.face.frame import frame, metal
from pokegen.cards.face.icons import mask, type_icon
from pokegen.cards.face.page import Box, Page, TextBox, disc_mask, font
from pokegen.cards.face.scenes import scene
from pokegen.cards.face.sprite import cutout, place
from pokegen.cards.face.theme import INK, SMALL_TEXT, WHITE, Theme, contrast, mix, readable, rgb, theme_of
from pokegen.cards.labels import labels
from pokegen.cards.words import translated
from pokegen.schema import STATS, Card

LAYOUT = 2  # the version of this layout, written on each card
WIDTH, HEIGHT = 744, 1039  # 63 × 88 mm at 300 dots an inch
BLEED = 35  # 3 mm, what printers cut away on each side
CORNER, FRAME = 36, 21  # the outer radius, and the width of the border
INNER = (FRAME, FRAME, WIDTH - FRAME, HEIGHT - FRAME)
ZOOM = 3  # card pixels for a pixel of the sprite and of its scene
HEADER = 87
GRAND = ("ultra rare", "legendary")  # rarities whose scene reaches up through the name's plate
SCENE = (INNER[0], INNER[1] + HEADER, INNER[2], INNER[1] + HEADER + 140 * ZOOM)  # 234 × 140 pixels of the sprite
CAPTION = (INNER[0], SCENE[3], INNER[2], SCENE[3] + 34)
LEFT, RIGHT = INNER[0] + 21, INNER[2] - 21  # the margins of the text
FOOT = 56  # height of the last two lines
THUMBNAIL = (300, 419)  # a card on a contact sheet
MEDALLION = "#F7F4EA"  # the ground of the earlier form's picture
_BAR_FULL = 160  # the value at which a bar is full; one species in thirty has a stat above it


def render(card: Card, lang: str = "en", bleed: int = 0) -> Image.Image:
    """The card's picture in a language, RGBA with transparent round corners; `card.image` must hold the sprite. With
    `bleed`, for print, RGB with the frame continued by so many pixels on each side, and square corners."""
    theme = theme_of(tuple(card.types))
    whole = frame(WIDTH, HEIGHT, bleed, INNER, CORNER - FRAME, theme, card.rarity).copy()
    page = Page(whole.crop((bleed, bleed, bleed + WIDTH, bleed + HEIGHT)) if bleed else whole)
    page.rounded(INNER, CORNER - FRAME, _inside(card, theme))
    _write(page, card, theme, lang)
    if bleed:
        whole.paste(page.image, (bleed, bleed))
    else:
        whole.putalpha(disc_mask(WIDTH, HEIGHT, CORNER))
    return whole


def layout(card: Card, lang: str = "en") -> list[TextBox]:
    """The card's texts with their boxes, as `render` draws them; the scene is left out, which takes longest."""
    page = Page(Image.new("RGB", (WIDTH, HEIGHT)))
    _write(page, card, theme_of(tuple(card.types)), lang)
    return page.boxes


def _write(page: Page, card: Card, theme: Theme, lang: str) -> None:
    """All texts and icons."""
    words = labels(lang)
    _header(page, card, theme, words)
    _caption(page, card, theme, words, lang)
    _body(page, card, theme, words, lang)
    _foot(page, card, theme, words)


# ---------------------------------------------------------------- the ground


def _plate(width: int, height: int, theme: Theme) -> Image.Image:
    """A dark plate in the deep colours of the types, from left to right, with a light upper edge."""
    plate = _blend(width, height, theme.deep, theme.deep_end)
    ImageDraw.Draw(plate).line((0, 0, width, 0), fill=mix(theme.deep, WHITE, 0.2))
    return plate


@lru_cache(maxsize=64)
def _blend(width: int, height: int, first: str, second: str) -> Image.Image:
    """One colour passing into another from left to right, RGB (width, height)."""
    along = np.linspace(0, 1, width)[None, :, None]
    row = rgb(first) * (1 - along) + rgb(second) * along
    return Image.fromarray(np.repeat(row, height, axis=0).astype(np.uint8))


def _inside(card: Card, theme: Theme) -> Image.Image:
    """What the frame holds: plates, scene with the creature, and paper. On the two highest rarities the scene reaches
    up through the name's plate."""
    left, top = INNER[:2]
    tones = metal(card.rarity, theme)
    inside = Image.new("RGB", (INNER[2] - left, INNER[3] - top), theme.paper)
    plate = _plate(inside.width, HEADER, theme)
    picture = _picture(card)
    inside.paste(picture, (0, SCENE[3] - top - picture.height))
    if card.rarity in GRAND:
        inside.paste(plate, (0, 0), Image.new("L", plate.size, round(255 * veil(theme))))
    else:
        inside.paste(plate, (0, 0))
        glyph = mask(card.types[-1], 150).crop((0, 32, 150, 32 + HEADER))
        inside.paste(mix(theme.deep_end, theme.second, 0.12), (inside.width - 268, 0), glyph)
    inside.paste(_plate(inside.width, CAPTION[3] - CAPTION[1], theme), (0, CAPTION[1] - top))
    inside.paste(_watermarked(theme), (inside.width - 270, inside.height - 350), mask(card.types[0], 290))
    inside.paste(_plate(inside.width, FOOT, theme), (0, inside.height - FOOT))
    draw = ImageDraw.Draw(inside)
    for y in (SCENE[1], SCENE[3], CAPTION[3], INNER[3] - FOOT)[card.rarity in GRAND :]:
        for i, tone in enumerate((tones[0], tones[1], tones[2], tones[1], tones[0])):
            draw.line((0, y - top - 2 + i, inside.width, y - top - 2 + i), fill=tone)
    return inside


@cache
def veil(theme: Theme) -> float:
    """How much of a dark plate must cover the brightest scene for white to be readable on it, 0 to 1."""
    ground = _lightest(theme.deep, theme.deep_end)
    shares = (share / 50 for share in range(30, 51))
    return next(share for share in shares if contrast(WHITE, mix(WHITE, ground, share)) >= SMALL_TEXT + 0.2)


def _watermarked(theme: Theme) -> str:
    return mix(theme.paper, theme.first, 0.08)


def _picture(card: Card) -> Image.Image:
    """The scene with the creature, at the whole-number zoom, with the rows above it that a grand card shows."""
    grand = card.rarity in GRAND
    above = HEADER // ZOOM if grand else 0
    width, height = (SCENE[2] - SCENE[0]) // ZOOM, (SCENE[3] - SCENE[1]) // ZOOM
    picture = scene(card.types, card.seed, width, height, above, grand)
    place(picture, cutout(card.image), flies="Flying" in card.types)
    return picture.resize((width * ZOOM, (above + height) * ZOOM), Image.Resampling.NEAREST)


# ---------------------------------------------------------------- the plates


def _header(page: Page, card: Card, theme: Theme, words: dict[str, Any]) -> None:
    """The earlier form's picture, stage and name; HP and type icons at the right."""
    top, ground = INNER[1], _lightest(theme.deep, theme.deep_end)
    if card.rarity in GRAND:
        ground = mix(WHITE, ground, veil(theme))
    soft = readable(mix(WHITE, theme.first, 0.25), ground)
    x = RIGHT + 7
    for kind in card.types[::-1]:
        x -= 46
        page.stamp(type_icon(kind, 46), x, top + 20)
        x -= 6
    hp = page.text(
        "hit points", (x - 100, top + 12, x - 8, top + 78), str(card.stats["hp"]), "display", 46, WHITE, ground, "r"
    )
    label = page.text(
        "hit points label", (hp[0] - 40, top + 40, hp[0] - 7, top + 66), words["hp"], "display", 19, soft, ground, "r"
    )
    left = LEFT - 4
    if card.earlier is not None:
        _medallion(page, card.earlier, left - 5, top + 8, 70, metal(card.rarity, theme))
        left += 78
    above = words["stage"].format(stage=card.stage)
    if card.evolves_from:
        above += f"  ·  {words['evolves_from'].format(name=card.evolves_from)}"
    page.text("stage", (left, top + 8, label[0] - 14, top + 31), above, "medium", 18, soft, ground)
    page.text("name", (left, top + 31, label[0] - 14, top + 84), card.name, "display", 44, WHITE, ground)


def _lightest(*colors: str) -> str:
    return max(colors, key=lambda color: rgb(color).sum())


def _medallion(page: Page, earlier: np.ndarray, x: int, y: int, size: int, tones: tuple[str, str, str]) -> None:
    """The earlier form, reduced, in a round window with a metal rim."""
    for rim, tone in ((0, tones[0]), (1, tones[2]), (2, tones[1]), (4, MEDALLION)):
        page.rounded((x + rim, y + rim, x + size - rim, y + size - rim), size, tone)
    small = cutout(earlier)
    scale = (size - 20) / max(small.size, default=1)
    small = small.resize([max(1, round(scale * side)) for side in small.size], Image.Resampling.LANCZOS)
    page.stamp(small, x + (size - small.width) // 2, y + (size - small.height) // 2)


def _caption(page: Page, card: Card, theme: Theme, words: dict[str, Any], lang: str) -> None:
    """Types at the left, height and weight at the right, on the plate under the scene."""
    ground = _lightest(theme.deep, theme.deep_end)
    box = (LEFT, CAPTION[1] + 3, (LEFT + RIGHT) // 2, CAPTION[3])
    page.text(
        "types", box, "  ·  ".join(translated("type", kind, lang) for kind in card.types), "bold", 20, WHITE, ground
    )
    size = "    ".join(
        words[key].format(value=f"{value:.1f}".replace(".", words["decimal"]))
        for key, value in (("height", card.height_m), ("weight", card.weight_kg))
    )
    page.text("size", (box[2] + 8, box[1], RIGHT, box[3]), size, "medium", 20, WHITE, ground, "r")


# ---------------------------------------------------------------- the paper


def _body(page: Page, card: Card, theme: Theme, words: dict[str, Any], lang: str) -> None:
    """The blocks that the card has, one below the other, with equal space between them."""
    attacks = card.attacks or [
        {"name": move["name"], "cost": [move["type"]], "damage": move["power"]} for move in card.moves[:3]
    ]
    cost = max((len(attack["cost"]) for attack in attacks), default=0)
    blocks: list[tuple[int, Callable[[int], None]]] = []
    if card.ability:
        blocks.append((38, lambda y: _ability(page, card, theme, words, lang, y)))
    for number, attack in enumerate(attacks, start=1):
        blocks.append((46, partial(_attack, page, attack, number, cost, theme, lang)))
    blocks.append((144, lambda y: _stats(page, card, theme, words, lang, y)))
    blocks.append((66, lambda y: _matchups(page, card, theme, words, y)))
    top, bottom = CAPTION[3], INNER[3] - FOOT - 2
    gap = (bottom - top - sum(height for height, _ in blocks)) / (len(blocks) + 0.6)
    y = top + gap
    for height, draw in blocks:
        draw(round(y))
        y += height + gap


def _ability(page: Page, card: Card, theme: Theme, words: dict[str, Any], lang: str, y: int) -> None:
    fill = readable(theme.first, WHITE)
    width = int(font("bold", 18).getlength(words["ability"])) + 30
    page.rounded((LEFT, y + 4, LEFT + width, y + 34), 15, fill)
    page.text(
        "ability label", (LEFT + 12, y + 4, LEFT + width - 12, y + 34), words["ability"], "bold", 18, WHITE, fill, "m"
    )
    name = translated("ability", card.ability, lang)
    page.text("ability", (LEFT + width + 14, y, RIGHT, y + 38), name, "bold", 25, theme.accent, theme.paper)


def _attack(page: Page, attack: dict[str, Any], number: int, cost: int, theme: Theme, lang: str, y: int) -> None:
    """Cost, name, and damage at the right, over a hairline."""
    page.draw.line((LEFT, y - 3, RIGHT, y - 3), fill=theme.line, width=1)
    for i, kind in enumerate(attack["cost"]):
        page.stamp(type_icon(kind, 34), LEFT + 38 * i, y + 6)
    damage = "–" if attack["damage"] is None else str(attack["damage"])
    ink = page.text(
        f"attack {number} damage", (RIGHT - 90, y, RIGHT, y + 46), damage, "display", 36, INK, theme.paper, "r"
    )
    box = (LEFT + 38 * cost + 10, y, min(ink[0], RIGHT - 70) - 12, y + 46)
    page.text(f"attack {number}", box, translated("move", attack["name"], lang), "bold", 27, INK, theme.paper)


def _stats(page: Page, card: Card, theme: Theme, words: dict[str, Any], lang: str, y: int) -> None:
    """Six bars and their sum at the left, the Pokédex line at the right."""
    entry = card.entry.get(lang) or card.entry.get("en", "")
    right, step = (LEFT + 312 if entry else RIGHT), 20
    bar = LEFT + 148
    fill = _blend(right - bar, 10, theme.first, theme.second)
    page.draw.line((LEFT, y - 3, RIGHT, y - 3), fill=theme.line, width=1)
    for i, key in enumerate((*STATS, "total")):
        row = y + 4 + step * i
        label = words["total"] if key == "total" else words["stats"][key]
        weight, tone = ("bold", INK) if key == "total" else ("medium", theme.soft)
        page.text(f"{key} label", (LEFT, row - 2, LEFT + 92, row + step + 2), label, weight, 18, tone, theme.paper)
        value = (LEFT + 94, row - 2, LEFT + 136, row + step + 2)
        page.text(f"{key} value", value, str(card.stats[key]), "bold", 18, INK, theme.paper, "r")
        if key != "total":
            length = max(10, round((right - bar) * min(1, card.stats[key] / _BAR_FULL)))
            page.rounded((bar, row + 5, right, row + 15), 5, theme.line)
            page.rounded((bar, row + 5, bar + length, row + 15), 5, fill.crop((0, 0, length, 10)))
    if entry:
        page.rounded(
            (LEFT + 336, y + 9, LEFT + 340, y + 140), 2, fill.resize((131, 4)).transpose(Image.Transpose.ROTATE_270)
        )
        page.text(
            "entry", (LEFT + 356, y + 4, RIGHT, y + 146), entry, "italic", 22, INK, _watermarked(theme), lines=True
        )


def _factor(factor: float) -> str:
    return {0.0: "×0", 0.25: "×¼", 0.5: "×½"}.get(factor, f"×{factor:g}")


def _matchups(page: Page, card: Card, theme: Theme, words: dict[str, Any], y: int) -> None:
    """Weaknesses and what retreating costs; below, resistances. Icons in groups of one factor."""
    tint = mix(theme.paper, theme.first, 0.1)
    soft = readable(theme.soft, tint)
    page.rounded((LEFT - 9, y, RIGHT + 9, y + 66), 14, tint)
    side = 26
    x = RIGHT - (side + 3) * 4
    for i in range(4):
        if i < card.retreat:
            page.stamp(type_icon("Normal", side), x + (side + 3) * i + 3, y + 5)
        else:
            page.rounded(
                (x + (side + 3) * i + 11, y + 13, x + (side + 3) * i + 21, y + 23), 5, mix(tint, theme.first, 0.16)
            )
    box = (x - 106, y + 3, x - 8, y + 33)
    retreat = page.text("retreat label", box, words["retreat"], "medium", 18, soft, tint, "r")
    for row, key, factors, end in (
        (0, "weak", card.weaknesses, retreat[0] - 14),
        (1, "resists", card.resistances, RIGHT),
    ):
        top = y + 3 + 30 * row
        page.text(f"{key} label", (LEFT, top, LEFT + 100, top + 30), words[key], "medium", 18, soft, tint)
        _factors(page, key, factors, (LEFT + 108, top, end, top + 30), tint, words)


def _factors(page: Page, key: str, factors: dict[str, float], box: Box, tint: str, words: dict[str, Any]) -> None:
    left, top, right, bottom = box
    if not factors:
        page.text(f"{key} none", box, words["nothing"], "medium", 18, readable("#6B6E7B", tint), tint)
        return
    groups = {
        factor: [kind for kind in factors if factors[kind] == factor] for factor in dict.fromkeys(factors.values())
    }
    room = right - left - 46 * len(groups)
    side = max(10, min(26, room // len(factors) - 3))
    for factor, kinds in groups.items():
        ink = page.text(
            f"{key} {_factor(factor)}", (left, top, left + 32, bottom), _factor(factor), "bold", 18, INK, tint
        )
        left = max(ink[2], left + 24) + 5
        for kind in kinds:
            page.stamp(type_icon(kind, side), left, (top + bottom - side) // 2)
            left += side + 3
        left += 9


def _foot(page: Page, card: Card, theme: Theme, words: dict[str, Any]) -> None:
    """On a dark plate, rarity and number; below, where the card comes from."""
    top, ground = INNER[3] - FOOT + 6, _lightest(theme.deep, theme.deep_end)
    mark, soft = readable(metal(card.rarity, theme)[2], ground), readable(mix(WHITE, theme.first, 0.25), ground)
    page.image.paste(mark, (LEFT, top + 1), mask(card.rarity, 20))
    rarity = (LEFT + 28, top, LEFT + 240, top + 23)
    page.text("rarity", rarity, words["rarities"][card.rarity], "bold", 18, mark, ground)
    if card.number:
        number = words["number"].format(number=card.number)
        page.text("number", (RIGHT - 240, top, RIGHT, top + 23), number, "bold", 18, WHITE, ground, "r")
    box = (RIGHT - 250, top + 24, RIGHT, top + 44)
    made = page.text("made with", box, words["made_with"].format(layout=LAYOUT), "medium", 14, soft, ground, "r")
    text = "  ·  ".join([words["seed"].format(seed=card.seed), *card.models.values()])
    page.text("models", (LEFT, top + 24, made[0] - 16, top + 44), text, "regular", 14, soft, ground)


# ---------------------------------------------------------------- sheets


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

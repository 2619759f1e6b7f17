"""Evolution lines on one picture: the forms of each line side by side on the scene of its last form, as large as they
grow, with their names under them."""

from collections.abc import Sequence

from PIL import Image

from pokegen.cards.face.page import Page
from pokegen.cards.face.scenes import scene
from pokegen.cards.face.sprite import cutout, place
from pokegen.cards.face.theme import WHITE, mix, theme_of
from pokegen.cards.words import translated
from pokegen.schema import Card

ZOOM = 2  # pixels of the picture for one of a sprite
_CELL, _HEIGHT = 136, 142  # sprite pixels of a form, and of a scene
_AROUND = 24  # sprite pixels of its neighbours' cells that a form's shadow may reach
_SMALLER = 0.14  # how much smaller each earlier form is shown, as share of the last
_PLATE, _GAP = 74, 24  # pixels: the height of the names' plate; between lines
_PAPER = "#F1F0EC"


def lines_sheet(cards: Sequence[Card], forms: int, columns: int = 2, lang: str = "en") -> Image.Image:
    """Evolution lines, each `forms` cards in turn, `columns` lines side by side: RGB."""
    lines = [_line(cards[start : start + forms], lang) for start in range(0, len(cards), forms)]
    width, height = lines[0].size
    columns = min(columns, len(lines))
    rows = -(-len(lines) // columns)
    sheet = Image.new("RGB", (columns * (width + _GAP) + _GAP, rows * (height + _GAP) + _GAP), _PAPER)
    for i, line in enumerate(lines):
        sheet.paste(line, (_GAP + i % columns * (width + _GAP), _GAP + i // columns * (height + _GAP)))
    return sheet


def _line(forms: Sequence[Card], lang: str) -> Image.Image:
    """One line, RGB: its scene, and the plate with the names."""
    last = forms[-1]
    theme = theme_of(tuple(last.types))
    width = _CELL * len(forms)
    picture = scene(last.types, last.seed, width, _HEIGHT)
    for i, card in enumerate(forms):
        left = _CELL * i - _AROUND
        part = picture.crop((left, 0, left + _CELL + 2 * _AROUND, _HEIGHT))
        place(part, _sprite(card, 1 - _SMALLER * (len(forms) - 1 - i)))
        picture.paste(part, (left, 0))
    picture = picture.resize((width * ZOOM, _HEIGHT * ZOOM), Image.Resampling.NEAREST)

    whole = Image.new("RGB", (picture.width, picture.height + _PLATE), theme.deep)
    whole.paste(picture)
    page = Page(whole)
    soft, cell = mix(WHITE, theme.first, 0.25), _CELL * ZOOM
    for i, card in enumerate(forms):
        left, top = i * cell + 12, picture.height
        box = (left, top + 6, left + cell - 24, top + 46)
        page.text("name", box, card.name, "display", 28, WHITE, theme.deep, "m")
        about = f"{' · '.join(translated('type', kind, lang) for kind in card.types)}  ·  {card.stats['total']}"
        page.text("about", (left, top + 43, left + cell - 24, top + 67), about, "medium", 17, soft, theme.deep, "m")
        if i:
            x, y = i * cell, top + _PLATE // 2
            page.draw.polygon([(x - 5, y - 10), (x - 5, y + 10), (x + 7, y)], fill=soft)
    return whole


def _sprite(card: Card, scale: float) -> Image.Image:
    """The creature, RGBA, cut out and reduced."""
    sprite = cutout(card.image)
    width, height = (max(1, round(side * scale)) for side in sprite.size)
    return sprite.resize((width, height), Image.Resampling.BOX)

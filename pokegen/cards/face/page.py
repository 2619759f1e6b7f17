"""Text that keeps to its box, and the smooth shapes of a card.

Every text is written through `Page.text`, which fits it into a rectangle, draws it and records both: what a test reads
to show that no text leaves its box is what was drawn. Fonts: Cabin, and of Baloo 2 the Latin letters
(SIL Open Font License, in `cards/fonts/`), so that a card looks the same on every machine.
"""

import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

Box = tuple[int, int, int, int]  # left, top, right, bottom; right and bottom are the first pixels outside

_FONTS = Path(__file__).parent.with_name("fonts")
_WEIGHTS = {
    "regular": "Cabin-Regular.otf",
    "italic": "Cabin-Italic.otf",
    "medium": "Cabin-SemiBold.otf",
    "bold": "Cabin-Bold.otf",
    "display": "Baloo2-ExtraBold.ttf",
}
_LEAST = 10  # points; text that does not fit at this size is cut short


@dataclass(frozen=True)
class TextBox:
    """One text on a card.

    Attributes:
        name: what it is, such as "name" or "attack 1 damage".
        box: the rectangle that it may fill.
        text: what was drawn, lines separated by a line feed.
        ink: the rectangle that its letters cover.
        size: of the font, in pixels.
        color, ground: of the letters, and the colour under them that contrasts least.
    """

    name: str
    box: Box
    text: str
    ink: Box
    size: int
    color: str
    ground: str


@cache
def font(weight: str, size: int) -> ImageFont.FreeTypeFont:
    """A weight of `_WEIGHTS`. The basic layout is the same on every build of Pillow."""
    return ImageFont.truetype(_FONTS / _WEIGHTS[weight], size, layout_engine=ImageFont.Layout.BASIC)


@cache
def drawable(text: str, weight: str = "bold") -> str:
    """The text with each letter that the font lacks replaced by the one without its accents, others left away."""
    face = font(weight, 20)
    missing = bytes(face.getmask("\uffff"))

    def has(sign: str) -> bool:
        return sign == " " or bytes(face.getmask(sign)) != missing

    def bare(sign: str) -> str:
        """`ł` is LATIN SMALL LETTER L WITH STROKE."""
        letter = unicodedata.name(sign, "").split(" WITH ")[0]
        return unicodedata.lookup(letter) if letter else ""

    return "".join(sign if has(sign) else bare(sign) if bare(sign) != sign else "" for sign in text)


def fit(text: str, weight: str, size: int, width: float, least: int = _LEAST) -> tuple[str, ImageFont.FreeTypeFont]:
    """The text and the largest font, from `size` down to `least`, that keep to `width`; cut short if none does."""
    text = drawable(text, weight)
    for points in range(size, least - 1, -1):
        if _width(text, font(weight, points)) <= width:
            return text, font(weight, points)
    return _cut(text, font(weight, least), width), font(weight, least)


def _width(text: str, face: ImageFont.FreeTypeFont) -> float:
    """Pixels that a text takes, with what its last letter reaches beyond its place, as italics do."""
    return max(face.getlength(text), face.getbbox(text)[2])


def _cut(text: str, face: ImageFont.FreeTypeFont, width: float) -> str:
    """The text shortened until it and an ellipsis keep to `width`."""
    text = text.rstrip("…")
    while text and _width(f"{text}…", face) > width:
        text = text[:-1].rstrip()
    return f"{text}…"


def wrap(text: str, weight: str, size: int, width: int, height: int, spacing: float) -> tuple[list[str], int]:
    """The text in lines of at most `width`, as few pixels high as `height`, and its size, the largest that fits."""
    text = drawable(text, weight)
    for points in range(size, _LEAST - 1, -1):
        face, most = font(weight, points), int(height // (spacing * points))
        lines = [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".lstrip()
            if _width(longer, face) <= width or not lines[-1]:
                lines[-1] = longer
            else:
                lines.append(word)
        if len(lines) <= most and all(_width(line, face) <= width for line in lines):
            return lines, points
    kept = [line if _width(line, face) <= width else _cut(line, face, width) for line in lines[: max(1, most)]]
    return [*kept[:-1], _cut(kept[-1], face, width)], points


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


class Page:
    """A card under way: its picture, and the record of its texts.

    Attributes:
        image: RGB.
        boxes: the texts drawn so far.
    """

    def __init__(self, image: Image.Image):
        self.image = image
        self.draw = ImageDraw.Draw(image)
        self.boxes: list[TextBox] = []

    def text(
        self,
        name: str,
        box: Box,
        text: str,
        weight: str,
        size: int,
        color: str,
        ground: str,
        align: str = "l",
        lines: bool = False,
        spacing: float = 1.24,
    ) -> Box:
        """Write a text into `box`, as large as `size` if it fits; returns the ink's rectangle.

        Args:
            name: what the record calls it.
            ground: the colour under it, for the record.
            align: "l", "m" or "r". Its capitals are in the middle of the box.
            lines: break it into lines.
        """
        left, top, right, bottom = box
        if lines:
            written, points = wrap(text, weight, size, right - left - 2, bottom - top, spacing)
            face = font(weight, points)
        else:
            one, face = fit(text, weight, size, right - left - 2)
            while face.size > _LEAST and not _fits_height(face, one, bottom - top):
                face = font(weight, int(face.size) - 1)
            written, points = [one], int(face.size)
        capital = -face.getbbox("H", anchor="ls")[1]
        middle = (top + bottom + capital) / 2
        first = round(middle - (len(written) - 1) * spacing * points / 2)
        if not lines:  # accents and descenders too stay inside
            box_ = face.getbbox(written[0], anchor="ls")
            first = round(min(max(first, top - box_[1]), bottom - box_[3]))
        x = {"l": left, "m": (left + right) / 2, "r": right}[align]
        inks = []
        for i, line in enumerate(written):
            anchor, at = f"{align}s", (x, first + round(i * spacing * points))
            ink = self.draw.textbbox(at, line, face, anchor)
            shift = max(0, left - ink[0]) - max(0, ink[2] - right)
            at = (at[0] + shift, at[1])
            self.draw.text(at, line, color, face, anchor)
            inks.append(self.draw.textbbox(at, line, face, anchor))
        ink_box = (
            int(min(i[0] for i in inks)), int(min(i[1] for i in inks)),
            -int(-max(i[2] for i in inks) // 1), -int(-max(i[3] for i in inks) // 1),
        )  # fmt: skip
        self.boxes.append(TextBox(name, box, "\n".join(written), ink_box, points, color, ground))
        return ink_box

    def rounded(self, box: Box, radius: int, fill: str | Image.Image) -> None:
        """Fill a rounded rectangle with a colour, or with a picture of its size."""
        width, height = box[2] - box[0], box[3] - box[1]
        if width > 0 and height > 0:
            self.image.paste(fill, box if isinstance(fill, str) else box[:2], disc_mask(width, height, radius))

    def stamp(self, picture: Image.Image, x: int, y: int) -> None:
        """Paste an RGBA picture, its left top corner at (x, y)."""
        self.image.paste(picture, (x, y), picture)


def _fits_height(face: ImageFont.FreeTypeFont, text: str, height: int) -> bool:
    box = face.getbbox(text, anchor="ls")
    return box[3] - box[1] <= height

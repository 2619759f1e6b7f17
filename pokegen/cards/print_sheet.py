"""Cards as PDF for a printer: as many as fit on a page, with cut marks (`write_sheet`), or one on a page with bleed and
crop marks (`write_pages`).

A card is a picture of 300 dots an inch. Its text is there too, invisible, so that a PDF reader finds and copies it. The
footer is set in Cabin, of which the letters in use are embedded. Left out: CMYK colours, and the backs of cards.

Lengths are millimetres from the top left corner of the page, but where a name says pixels or points (1/72 inch).
"""

import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from pokegen.cards.face.page import disc_mask, drawable
from pokegen.cards.render import CORNER, HEIGHT, WIDTH, render
from pokegen.cards.render import layout as texts
from pokegen.errors import UserError
from pokegen.files import write
from pokegen.schema import Card

PAGES = {"A4": (210.0, 297.0), "Letter": (215.9, 279.4)}
CARD = (63.0, 88.0)  # of most trading cards
BLEED = 3.0  # of `write_pages`: how far the frame reaches beyond the cut
MARGIN = 5.0  # of a page, which most printers leave white
MOST = 1000  # cards in one file
_SIDES = (20.0, 400.0)  # the shortest and the longest side that a card may have
_MARGINS = (4.0, 50.0)  # below 4 mm there is no room for marks and footer
_MARK, _GAP = 3.0, 0.8  # the length of a mark, and its distance from the card
_SLUG = 8.0  # around the bleed of `write_pages`, for marks and footer
_FOOTER = 6  # points
_FONT = Path(__file__).with_name("fonts") / "Cabin-Regular.ttf"


@dataclass(frozen=True)
class Layout:
    """Where cards lie on a page: side by side without a gap, or with twice the bleed between them.

    Args:
        page: width and height.
        card: width and height after the cut.
        bleed: how far the frame reaches beyond the cut; 0 for cards with rounded corners.
        margin: white on each side of the page, at least.

    Raises UserError where not even one card fits.
    """

    page: tuple[float, float] = PAGES["A4"]
    card: tuple[float, float] = CARD
    bleed: float = 0.0
    margin: float = MARGIN

    def __post_init__(self) -> None:
        checked("margin", self.margin, *_MARGINS)
        checked("bleed", self.bleed, 0, 10)
        for side in self.card:
            checked("a card's side", side, *_SIDES)
        if self.columns < 1 or self.rows < 1:
            room = " by ".join(f"{side - 2 * self.margin:g}" for side in self.page)
            needs = " by ".join(f"{side + 2 * self.bleed:g}" for side in self.card)
            raise UserError(
                f"A card of {needs} mm with its bleed does not fit on the page: {room} mm within its margins. "
                "Choose a smaller card, bleed or margin."
            )

    @property
    def columns(self) -> int:
        return self._fit(0)

    @property
    def rows(self) -> int:
        return self._fit(1)

    def _fit(self, axis: int) -> int:
        room = self.page[axis] - 2 * self.margin
        return int((room + 1e-6) / (self.card[axis] + 2 * self.bleed))

    @property
    def cards(self) -> int:
        """Cards on a full page."""
        return self.columns * self.rows

    def place(self, index: int) -> tuple[float, float]:
        """The top left corner of the cut of card `index` on its page; the block of a full page is in the middle."""
        row, column = divmod(index, self.columns)
        width, height = (side + 2 * self.bleed for side in self.card)
        left = (self.page[0] - self.columns * width) / 2 + self.bleed
        top = (self.page[1] - self.rows * height) / 2 + self.bleed
        return left + column * width, top + row * height


def checked(what: str, value: float, least: float, most: float) -> float:
    """The value, or a UserError where it is no length within the bounds."""
    if not least <= value <= most:  # nan is not either
        raise UserError(f"{what} must be from {least:g} to {most:g} mm, got {value:g}.")
    return value


def write_sheet(
    cards: Sequence[Card],
    path: Path,
    page: str = "A4",
    card_size: tuple[float, float] = CARD,
    bleed: float = 0.0,
    margin: float = MARGIN,
    lang: str = "en",
    title: str = "pokegen",
) -> Path:
    """Write cards side by side with cut marks, nine of 63×88 mm on a page. Returns `path`.

    Args:
        cards: 1 to 1,000 with their image.
        page: one of PAGES, in any case.
        card_size: width and height in mm.
        bleed: mm that the frame reaches beyond the cut; with 0 the corners are round, and neighbours share a cut.
        margin: mm of white on each side of the page, at least.
        lang: language of the cards, one of schema.LANGUAGES.
        title: of the document; part of the footer.

    Raises UserError for what does not fit, and for a file that cannot be written.
    """
    layout = sheet_layout(page, card_size, bleed, margin)
    pdf = _Document(layout.page, title, cards, lang)
    for start in range(0, len(cards), layout.cards):
        on_page = cards[start : start + layout.cards]
        for index, card in enumerate(on_page):
            pdf.card(card, layout.place(index), layout.card, layout.bleed, lang)
        pdf.marks([layout.place(index) for index in range(len(on_page))], layout.card, layout.bleed)
        left, right = layout.place(0)[0], layout.place(min(layout.columns, len(on_page)) - 1)[0] + layout.card[0]
        pages = math.ceil(len(cards) / layout.cards)
        number = f"page {start // layout.cards + 1} of {pages}" if pages > 1 else ""
        below = layout.page[1] - 4.0
        pdf.footer((left, right), card_size[0], below, [title, seeds(on_page)], [number, "made with pokegen"])
        pdf.end_page()
    return write(path, pdf.content())


def write_pages(
    cards: Sequence[Card],
    path: Path,
    card_size: tuple[float, float] = CARD,
    bleed: float = BLEED,
    lang: str = "en",
    title: str = "pokegen",
) -> Path:
    """Write one card on a page, with bleed and crop marks, as print shops want it: the page's TrimBox is the cut, its
    BleedBox the bleed. Arguments as of `write_sheet`. Returns `path`."""
    layout, around = page_layout(card_size, bleed), bleed + _SLUG
    pdf = _Document(layout.page, title, cards, lang)
    for card in cards:
        pdf.card(card, (around, around), card_size, bleed, lang)
        pdf.marks([(around, around)], card_size, bleed)
        pdf.boxes((around, around), card_size, bleed)
        span, below = (around, around + card_size[0]), layout.page[1] - 2.0
        pdf.footer(span, card_size[0], below, [title, seeds([card])], ["made with pokegen"])
        pdf.end_page()
    return write(path, pdf.content())


def sheet_layout(
    page: str = "A4", card_size: tuple[float, float] = CARD, bleed: float = 0.0, margin: float = MARGIN
) -> Layout:
    """The layout of `write_sheet` with these arguments, or UserError for what does not fit."""
    for known, size in PAGES.items():
        if known.lower() == page.strip().lower():
            return Layout(size, card_size, bleed, margin)
    raise UserError(f"Unknown page {page!r}. Known pages: {', '.join(PAGES)} ({len(PAGES)}).")


def page_layout(card_size: tuple[float, float] = CARD, bleed: float = BLEED) -> Layout:
    """The layout of `write_pages` with these arguments: a page that is as large as card, bleed and marks."""
    width, height = (side + 2 * (checked("bleed", bleed, 0, 10) + _SLUG) for side in card_size)
    return Layout((width, height), card_size, bleed, _SLUG)


def parse_size(text: str) -> tuple[float, float]:
    """`63x88` → width and height in mm, or UserError."""
    sides = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*[x×]\s*(\d+(?:\.\d+)?)\s*", text.lower())
    if not sides:
        raise UserError(f"A card's size is its width and height in mm, such as 63x88, got {text!r}.")
    return float(sides[1]), float(sides[2])


def seeds(cards: Iterable[Card]) -> str:
    """The cards' seeds, for the footer: `seed 7`, `seeds 7–15`, `seeds 3, 9, 12`."""
    found = sorted({card.seed for card in cards})
    if len(found) == 1:
        return f"seed {found[0]}"
    in_turn = found[-1] - found[0] == len(found) - 1
    return f"seeds {found[0]}–{found[-1]}" if in_turn else f"seeds {', '.join(map(str, found))}"


class _Document:
    """A PDF in the making, in memory. Same calls, same bytes: it bears no date."""

    def __init__(self, page: tuple[float, float], title: str, cards: Sequence[Card], lang: str):
        if not 1 <= len(cards) <= MOST:
            raise UserError(f"A PDF holds 1 to {MOST} cards, got {len(cards)}. Print more in several runs.")
        from reportlab.pdfbase import pdfmetrics
        from reportlab.pdfbase.ttfonts import TTFont
        from reportlab.pdfgen.canvas import Canvas

        pdfmetrics.registerFont(TTFont("Cabin", _FONT))
        self.page, self.buffer = page, io.BytesIO()
        size = tuple(map(_points, page))
        self.canvas: Any = Canvas(
            self.buffer,
            size,
            pageCompression=1,
            invariant=1,
            pdfVersion=(1, 6),  # 1.6: PrintScaling
            lang=lang,
            initialFontName="Cabin",
            initialFontSize=_FOOTER,
        )
        self.canvas.setTitle(title)
        self.canvas.setSubject(f"{len(cards)} Pokémon cards, {seeds(cards)}")
        self.canvas.setAuthor("pokegen")
        self.canvas.setCreator("pokegen")
        self.canvas.setViewerPreference("PrintScaling", "None")  # in its own size, or the cards fit no sleeve

    def card(self, card: Card, corner: tuple[float, float], size: tuple[float, float], bleed: float, lang: str) -> None:
        from reportlab.lib.utils import ImageReader

        width, height = (_points(side + 2 * bleed) for side in size)
        left, top = corner[0] - bleed, corner[1] - bleed
        picture = ImageReader(printed(card, size, bleed, lang))
        self.canvas.drawImage(picture, _points(left), self._up(top) - height, width, height)
        self._text(card, corner, size, lang)

    def _text(self, card: Card, corner: tuple[float, float], size: tuple[float, float], lang: str) -> None:
        """What stands on the card, in the same places, invisible."""
        scale = _scale(size)
        left = corner[0] + (size[0] - WIDTH * scale) / 2
        top = corner[1] + (size[1] - HEIGHT * scale) / 2
        self.canvas.saveState()
        for box in texts(card, lang):
            points = _points(box.size * scale)
            above, below = box.box[1], box.box[3]
            line = above + box.size if "\n" in box.text else (above + below) / 2 + 0.35 * box.size  # where it stands
            text = self.canvas.beginText(_points(left + box.ink[0] * scale), self._up(top + line * scale))
            text.setTextRenderMode(3)
            text.setFont("Cabin", points, leading=1.24 * points)
            for words in box.text.split("\n"):
                text.textLine(drawable(words))
            self.canvas.drawText(text)
        self.canvas.restoreState()  # or all text after it would be invisible too

    def marks(self, corners: Sequence[tuple[float, float]], size: tuple[float, float], bleed: float) -> None:
        """Lines outside all cards, where they are to be cut."""
        start = bleed + _GAP
        across, down = ({corner[i] + side for corner in corners for side in (0, size[i])} for i in (0, 1))
        self.canvas.setLineWidth(0.25)
        self.canvas.setStrokeGray(0)
        for x in sorted(across):
            for y, way in ((min(down), -1), (max(down), 1)):
                self._line((x, y + way * start), (x, y + way * (start + _MARK)))
        for y in sorted(down):
            for x, way in ((min(across), -1), (max(across), 1)):
                self._line((x + way * start, y), (x + way * (start + _MARK), y))

    def boxes(self, corner: tuple[float, float], size: tuple[float, float], bleed: float) -> None:
        """Say where the cut and the bleed are."""
        for name, more in (("Trim", 0.0), ("Bleed", bleed)):
            left, right = corner[0] - more, corner[0] + size[0] + more
            top, bottom = corner[1] - more, corner[1] + size[1] + more
            box = (_points(left), self._up(bottom), _points(right), self._up(top))
            getattr(self.canvas, f"set{name}Box")(box)

    def footer(
        self, span: tuple[float, float], card: float, y: float, left: Sequence[str], right: Sequence[str]
    ) -> None:
        """Small text below the cards, between two places: `left` from the first, no wider than a `card` and cut short
        where it is longer, `right` up to the second."""
        self.canvas.setFont("Cabin", _FOOTER)
        self.canvas.setFillGray(0.35)
        said = [drawable("  ·  ".join(filter(None, words))) for words in (left, right)]
        first, last = (self.canvas.stringWidth(text, "Cabin", _FOOTER) for text in said)
        room = min(_points(card - 4), _points(span[1] - span[0] - 4) - last - 6)  # and no text runs into a mark
        while said[0] and first > room:
            said[0] = f"{said[0][:-2]}…" if len(said[0]) > 1 else ""
            first = self.canvas.stringWidth(said[0], "Cabin", _FOOTER)
        self.canvas.drawString(_points(span[0] + 2), self._up(y), said[0])
        self.canvas.drawRightString(_points(span[1] - 2), self._up(y), said[1])

    def end_page(self) -> None:
        self.canvas.showPage()

    def content(self) -> bytes:
        self.canvas.save()
        return self.buffer.getvalue()

    def _line(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.canvas.line(_points(start[0]), self._up(start[1]), _points(end[0]), self._up(end[1]))

    def _up(self, y: float) -> float:
        """From the top in mm to PDF's points from the bottom."""
        return _points(self.page[1] - y)


def _points(mm: float) -> float:
    return mm * 72 / 25.4


def _scale(size: tuple[float, float]) -> float:
    """Millimetres a pixel of a card that is printed in a size."""
    return min(size[0] / WIDTH, size[1] / HEIGHT)


def printed(card: Card, size: tuple[float, float], bleed: float, lang: str = "en") -> Image.Image:
    """The card as it is printed, RGB: `size` and the bleed around it, in mm, at about 300 dots an inch.

    A card of other proportions than 63 to 88 gets a wider frame on two sides. Without bleed the corners are round, on
    white.
    """
    scale = _scale(size)
    width, height = (round((side + 2 * bleed) / scale) for side in size)
    more = max(0, math.ceil(max(width - WIDTH, height - HEIGHT) / 2))
    picture = render(card, lang=lang, bleed=more).convert("RGBA")
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    picture = picture.crop((left, top, left + width, top + height))
    if not bleed:
        picture.putalpha(disc_mask(width, height, CORNER))
    paper = Image.new("RGB", picture.size, "#FFFFFF")
    paper.paste(picture, mask=picture.getchannel("A"))
    return paper

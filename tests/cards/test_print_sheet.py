"""PDFs, read back by pypdf: sizes, cards, cut marks, text and fonts."""

import re

import numpy as np
import pytest
from made_cards import made
from pypdf import PdfReader

from pokegen.cards.print_sheet import (
    PAGES,
    Layout,
    page_layout,
    parse_size,
    printed,
    seeds,
    sheet_layout,
    write_pages,
    write_sheet,
)
from pokegen.errors import UserError

MM = 72 / 25.4  # points


@pytest.fixture(scope="module")
def ten(tmp_path_factory):
    """Ten cards on A4, which take two pages."""
    cards = [made(name=f"Pyro{letter}", seed=7 + i) for i, letter in enumerate("abcdefghij")]
    return PdfReader(write_sheet(cards, tmp_path_factory.mktemp("pdf") / "sheet.pdf", title="fire"))


def placed(page):
    """Left, bottom, width and height in mm of each picture on a page."""
    found = []

    def visit(operator, operands, matrix, _):
        if operator == b"Do":
            found.append(tuple(round(matrix[i] / MM, 2) for i in (4, 5, 0, 3)))

    page.extract_text(visitor_operand_before=visit)
    return found


def strokes(page):
    """The lines of a page, ((x, y), (x, y)) in mm from the bottom left."""
    number = r"(-?[\d.]+)"
    found = re.findall(rf"{number} {number} m {number} {number} l S", page.get_contents().get_data().decode("latin-1"))
    return [((a / MM, b / MM), (c / MM, d / MM)) for a, b, c, d in (map(float, line) for line in found)]


def test_nine_cards_of_the_right_size_on_a4(ten):
    assert len(ten.pages) == 2
    first, second = ten.pages
    assert [float(side) for side in first.mediabox[2:]] == pytest.approx([210 * MM, 297 * MM], abs=0.01)
    places = placed(first)
    assert len(places) == 9 and len(placed(second)) == 1
    assert all(size[2:] == (63.0, 88.0) for size in places)
    assert {round(p[0], 1) for p in places} == {10.5, 73.5, 136.5}  # in the middle, side by side
    assert {round(p[1], 1) for p in places} == {16.5, 104.5, 192.5}
    for image in first.images:
        assert image.image.width / (63 / 25.4) == pytest.approx(300, abs=1)  # dots an inch


def test_cut_marks_lie_outside_the_cards_and_on_their_edges(ten):
    page = ten.pages[0]
    lines = strokes(page)
    assert len(lines) == 16  # both ends of four cuts down and four across
    upright = {round(a[0], 1) for a, b in lines if abs(a[0] - b[0]) < 0.01}
    level = {round(a[1], 1) for a, b in lines if abs(a[1] - b[1]) < 0.01}
    assert upright == {10.5, 73.5, 136.5, 199.5}
    assert level == {16.5, 104.5, 192.5, 280.5}
    for line in lines:
        for x, y in line:
            assert not (10.5 < x < 199.5 and 16.5 < y < 280.5)
            assert 4 < x < 206 and 4 < y < 293  # on paper that printers reach


def test_fonts_are_embedded_and_only_in_part(ten):
    fonts = [font.get_object() for page in ten.pages for font in page["/Resources"]["/Font"].get_object().values()]
    assert fonts
    for font in fonts:
        assert re.match(r"/[A-Z]{6}\+Cabin", font["/BaseFont"])  # six letters mark a subset
        assert len(font["/FontDescriptor"]["/FontFile2"].get_object().get_data()) > 1000


def test_the_text_of_each_card_and_the_footer_can_be_found(ten):
    first, second = (page.extract_text() for page in ten.pages)
    for letter in "abcdefghi":
        assert f"Pyro{letter}" in first
    assert first.count("made with pokegen") == 9 + 1
    assert "fire  ·  seeds 7–15" in first and "page 1 of 2" in first
    assert "Pyroj" in second and "fire  ·  seed 16" in second
    assert (ten.metadata.title, ten.metadata.author) == ("fire", "pokegen")
    assert ten.trailer["/Root"]["/ViewerPreferences"]["/PrintScaling"] == "/None"


def test_only_the_footer_is_visible_text(ten):
    """Text render mode 3 is invisible; it is part of the graphics state, which `q` keeps and `Q` brings back."""
    content = ten.pages[0].get_contents().get_data().decode("latin-1")
    modes, shown = [0], []
    for token in re.findall(r"(?<!\S)(?:q|Q|\d Tr|Tj)(?!\S)", content):
        if token == "q":
            modes.append(modes[-1])
        elif token == "Q":
            modes.pop()
        elif token == "Tj":
            shown.append(modes[-1])
        else:
            modes[-1] = int(token[0])
    assert shown[-2:] == [0, 0]  # the footer's left and right
    assert len(shown) > 9 * 10 and set(shown[:-2]) == {3}


def test_the_same_cards_give_the_same_bytes(tmp_path):
    one, other = (write_sheet([made()], tmp_path / f"{i}.pdf").read_bytes() for i in range(2))
    assert one == other


def test_letter_paper_and_bleed(tmp_path):
    cards = [made(seed=i) for i in range(7)]
    reader = PdfReader(write_sheet(cards, tmp_path / "s.pdf", page="letter", bleed=1.5))
    page = reader.pages[0]
    assert [float(side) for side in page.mediabox[2:]] == pytest.approx([612, 792], abs=0.01)
    assert len(reader.pages) == 2
    assert all(size[2:] == (66.0, 91.0) for size in placed(page))
    upright = sorted({round(a[0], 2) for a, b in strokes(page) if abs(a[0] - b[0]) < 0.01})
    assert np.diff(upright) == pytest.approx([63, 3, 63, 3, 63], abs=0.03)  # two cuts between neighbours


def test_one_card_a_page_with_trim_and_bleed(tmp_path):
    reader = PdfReader(write_pages([made(seed=1), made(seed=2)], tmp_path / "c.pdf"))
    assert len(reader.pages) == 2
    for page in reader.pages:
        trim, bleed = ([float(v) / MM for v in box] for box in (page.trimbox, page.bleedbox))
        assert (trim[2] - trim[0], trim[3] - trim[1]) == pytest.approx((63, 88), abs=0.01)
        assert (bleed[2] - bleed[0], bleed[3] - bleed[1]) == pytest.approx((69, 94), abs=0.01)
        assert len(strokes(page)) == 8
        ((left, bottom, width, height),) = placed(page)
        assert (left, bottom, left + width, bottom + height) == pytest.approx(bleed, abs=0.02)


def test_corners_are_round_without_bleed_and_coloured_with_it():
    plain, bled = (np.asarray(printed(made(), (63.0, 88.0), bleed)) for bleed in (0.0, 3.0))
    assert plain[0, 0].tolist() == [255, 255, 255]
    assert plain[0, plain.shape[1] // 2].min() < 250
    assert min(bled[y, x].min() for y in (0, -1) for x in (0, -1)) < 250
    assert (bled.shape[1] - plain.shape[1], bled.shape[0] - plain.shape[0]) == (71, 71)  # 6 mm


def test_a_long_card_gets_a_wider_frame_and_is_not_stretched():
    tall = printed(made(), (70.0, 120.0), 0.0)
    assert tall.width / tall.height == pytest.approx(70 / 120, abs=0.002)
    edge = np.asarray(tall)[5, tall.width // 2]
    assert edge.min() < 250  # frame, not paper


@pytest.mark.parametrize(
    ("page", "card", "bleed", "cards"),
    [
        ("A4", (63, 88), 0, 9),
        ("Letter", (63, 88), 0, 9),
        ("A4", (63, 88), 3, 6),
        ("A4", (44, 63), 0, 16),
        ("A4", (100, 140), 0, 4),
        ("A4", (200, 287), 0, 1),
    ],
)
def test_as_many_cards_as_fit(page, card, bleed, cards):
    layout = sheet_layout(page, card, bleed)
    assert layout.cards == cards
    for index in range(cards):
        left, top = layout.place(index)
        assert left - bleed >= layout.margin - 1e-6
        assert top + card[1] + bleed <= PAGES[page][1] - layout.margin + 1e-6


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: sheet_layout("A5"), "Unknown page 'A5'. Known pages: A4, Letter"),
        (lambda: sheet_layout(card_size=(201, 90)), "A card of 201 by 90 mm with its bleed does not fit"),
        (lambda: sheet_layout(card_size=(198, 90), bleed=3), "A card of 204 by 96 mm"),
        (lambda: sheet_layout(card_size=(5, 90)), "a card's side must be from 20 to 400 mm, got 5"),
        (lambda: sheet_layout(margin=1), "margin must be from 4 to 50 mm, got 1"),
        (lambda: sheet_layout(margin=float("nan")), "margin must be from 4 to 50 mm, got nan"),
        (lambda: page_layout(bleed=-1), "bleed must be from 0 to 10 mm, got -1"),
        (lambda: page_layout(bleed=float("inf")), "bleed must be"),
        (lambda: parse_size("63"), "such as 63x88, got '63'"),
        (lambda: parse_size("-63x88"), "such as 63x88"),
        (lambda: Layout((50, 50)), "does not fit on the page: 40 by 40 mm"),
    ],
)
def test_wrong_sizes_are_one_line(call, says):
    with pytest.raises(UserError, match=re.escape(says)) as error:
        call()
    assert "\n" not in str(error.value)


def test_sizes_are_read_with_either_sign():
    assert parse_size("63x88") == parse_size(" 63 × 88.0 ") == (63.0, 88.0)
    assert parse_size("2.5X3.5") == (2.5, 3.5)


def test_no_cards_or_too_many_are_refused(tmp_path):
    for count in (0, 1001):
        with pytest.raises(UserError, match=f"1 to 1000 cards, got {count}"):
            write_sheet([made()] * count, tmp_path / "s.pdf")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="Cannot write"):
        write_sheet([made()], tmp_path / "file" / "s.pdf")


def test_a_long_title_is_cut_short_and_runs_into_no_mark(tmp_path):
    reader = PdfReader(write_sheet([made()] * 3, tmp_path / "s.pdf", title="long " * 60))
    footer = next(line for line in reader.pages[0].extract_text().splitlines() if line.startswith("long"))
    assert footer.endswith("…") and len(footer) < 100


def test_seeds_in_few_words():
    assert seeds([made(seed=7)]) == "seed 7"
    assert seeds([made(seed=s) for s in (9, 7, 8, 7)]) == "seeds 7–9"
    assert seeds([made(seed=s) for s in (3, 12)]) == "seeds 3, 12"

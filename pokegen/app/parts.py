"""Results of the studio as HTML. Every text of a model or of a user is escaped here."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from pokegen.app.shelf import ARCHIVE
from pokegen.cards.render import HEIGHT, WIDTH
from pokegen.schema import TYPE_COLORS

Result = Mapping[str, Any]
SIZE = f'width="{WIDTH}" height="{HEIGHT}"'  # of a card's picture


def cards(result: Result) -> str:
    """The cards of an order, each with its downloads, under a line that says how to have them again."""
    shown = result["cards"]
    every = _link(result["zip"], "Download all (zip)")
    sheet = _link(result["contact_sheet"], "Contact sheet") if len(shown) > 1 else ""
    sheet += _link(result["print_sheet"], "Print sheet (PDF)")
    count = "1 card" if len(shown) == 1 else f"{len(shown)} cards"
    line = f'<p class="pk-bar"><span>{count}, seed {int(result["seed"])}</span>{sheet}{every}</p>'
    kind = "pk-one" if len(shown) == 1 else "pk-many"
    figures = "".join(map(card, shown))
    return f'{line}{notes(result["notes"])}<div class="pk-cards {kind}">{figures}</div>'


def card(record: Result) -> str:
    """One card as a figure: the picture, which opens in full, and links to its files."""
    name, files = escape(record["name"]), record["files"]
    downloads = "".join(
        f'<a href="{escape(files[key])}" download aria-label="Download {word} of {name}">{word}</a>'
        for key, word in (("card", "PNG"), ("sprite", "Sprite"), ("json", "JSON"))
    )
    rarity = str(record["rarity"])
    return (
        f'<figure class="pk-card" data-rarity="{escape(rarity)}">'
        f'<a class="pk-face" href="{escape(files["card"])}" target="_blank" rel="noopener">'
        f'<img src="{escape(files["card"])}" {SIZE} alt="{escape(described(record))}"></a>'
        f'<figcaption><b>{name}</b><span class="pk-rarity">{escape(rarity)}</span>'
        f'<span class="pk-files">{downloads}</span></figcaption></figure>'
    )


def described(record: Result) -> str:
    """What is on a card, for those who do not see it."""
    kinds = " and ".join(record["types"])
    moves = ", ".join(move["name"] for move in record["moves"])
    grown = f", evolves from {record['evolves_from']}" if record["evolves_from"] else ""
    return (
        f"Card of {record['name']}: {kinds} type, stage {record['stage']}{grown}, {record['stats']['hp']} HP, "
        f"stats {record['stats']['total']} in total. Moves: {moves}."
    )


def gallery(results: Sequence[Result]) -> str:
    """All cards of this visit, newest first, small, each a link to the card."""
    made = [(record, result) for result in results for record in result["cards"]]
    if not made:
        return '<p class="pk-empty">The cards that you create gather here until you leave the page.</p>'
    small = "".join(
        f'<li><a href="{escape(record["files"]["card"])}" target="_blank" rel="noopener">'
        f'<img src="{escape(record["files"]["card"])}" {SIZE} loading="lazy" '
        f'alt="{escape(described(record))}"></a></li>'
        for record, _ in made
    )
    keys = "-".join(result["key"] for result in results)
    every = _link(f"files/{keys}/{ARCHIVE}", "Download the gallery (zip)")
    line = f'<p class="pk-bar"><span>{len(made)} created on this visit</span>{every}</p>'
    return f'{line}<ul class="pk-gallery">{small}</ul>'


def notes(lines: Iterable[str]) -> str:
    return "".join(f'<p class="pk-note">{escape(line)}</p>' for line in lines)


def picture(address: str, caption: str, pixels: bool = True) -> str:
    """A picture under its caption, that opens in full."""
    kind = "pk-sprite" if pixels else "pk-wide"
    return (
        f'<figure class="{kind}"><a href="{escape(address)}" target="_blank" rel="noopener">'
        f'<img src="{escape(address)}" alt="{escape(caption)}"></a><figcaption>{escape(caption)}</figcaption></figure>'
    )


def walk(result: Result) -> str:
    shown = picture(result["gif"], f"A walk of {int(result['frames'])} pictures")
    return f'<div class="pk-walk">{shown}</div><p class="pk-bar">{_link(result["gif"], "Download the GIF")}</p>'


def types(result: Result) -> str:
    """One creature as each type, a tile each in the type's colour."""
    tiles = "".join(
        f'<figure class="pk-sprite" style="--type:{TYPE_COLORS[each["type"]]}">'
        f'<img src="{escape(each["sprite"])}" alt="The creature as {escape(each["type"])} type">'
        f"<figcaption>{escape(each['type'])}</figcaption></figure>"
        for each in result["types"]
    )
    links = _link(result["grid"], "Grid") + _link(result["zip"], "Download all (zip)")
    return f'<div class="pk-tiles pk-types">{tiles}</div><p class="pk-bar">{links}</p>'


def reimagined(result: Result) -> str:
    first = picture(result["seen"], "Your picture, as the model sees it") + picture(result["redrawn"], "Drawn again")
    varied = "".join(picture(url, f"Variation {i}") for i, url in enumerate(result["variations"], start=1))
    links = _link(result["grid"], "Grid") + _link(result["zip"], "Download all (zip)")
    return (
        f'<div class="pk-tiles pk-seen">{first}</div><div class="pk-tiles">{varied}</div><p class="pk-bar">{links}</p>'
    )


def grids(result: Result) -> str:
    """The grids of a model card."""
    shown = "".join(picture(g["picture"], g["title"], pixels=False) for g in result["grids"])
    return f'<div class="pk-grids">{shown}</div>' if shown else ""


def comparison(result: Result) -> str:
    """Tables, curves and samples of runs."""
    head = "".join(f'<th scope="col">{escape(run)}</th>' for run in result["runs"])
    tables = "".join(
        f'<h3>{escape(section["title"].capitalize())}</h3><div class="pk-scroll" tabindex="0" role="region" '
        f'aria-label="{escape(section["title"])}"><table><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{''.join(map(_row, section['rows']))}</tbody></table></div>"
        for section in result["sections"]
    )
    pictures = "".join(
        picture(result[key], title, pixels=False)
        for key, title in (("curves", "Curves of the metrics"), ("samples", "Last samples of each run"))
        if result[key]
    )
    texts = "".join(
        f"<figure><figcaption>Last samples of {escape(t['run'])}</figcaption><pre>{escape(t['text'])}</pre></figure>"
        for t in result["texts"]
    )
    link = _link(result["page"], "Download as one page (HTML)")
    return f'<p class="pk-verdict">{escape(result["verdict"])}</p>{tables}{pictures}{texts}<p class="pk-bar">{link}</p>'


def _row(row: Result) -> str:
    cells = "".join(
        f'<td class="pk-best">{escape(cell)} ★</td>' if i in row["best"] else f"<td>{escape(cell)}</td>"
        for i, cell in enumerate(row["cells"])
    )
    return f'<tr><th scope="row">{escape(row["label"])}</th>{cells}</tr>'


def _link(address: str, text: str) -> str:
    return f'<a class="pk-button" href="{escape(address)}" download>{escape(text)}</a>'

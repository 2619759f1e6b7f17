"""A folder of cards as a page to look at: index.html with all of them, which needs no server, no script and nothing
from another place. What comes from a card is escaped."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from pokegen.cards.files import stem
from pokegen.cards.render import HEIGHT, WIDTH
from pokegen.cards.words import translated
from pokegen.files import write
from pokegen.schema import Card

_PAGE = """\
<!DOCTYPE html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 0 auto; max-width: 1400px; padding: 1.5rem; font: 16px/1.5 system-ui, sans-serif;
  background: light-dark(#f1f1f4, #17181c); color: light-dark(#23242b, #e9e9ee); }}
h1 {{ font-size: 1.5rem; margin: 0; }}
header p, footer, small {{ color: light-dark(#6b6e7b, #a0a3ad); margin: 0 0 1.5rem; }}
main {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(220px, 1fr)); gap: 1.5rem; }}
figure {{ margin: 0; }}
img {{ display: block; width: 100%; height: auto; filter: drop-shadow(0 2px 6px #0004); transition: transform .15s; }}
a:hover img, a:focus-visible img {{ transform: translateY(-4px) scale(1.02); }}
figcaption {{ margin-top: .5rem; text-align: center; }}
footer {{ margin: 2rem 0 0; }}
a {{ color: inherit; }}
</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p>{count}</p>
</header>
<main>
{cards}
</main>
<footer><a href="cards.json">cards.json</a> · made with pokegen</footer>
</body>
</html>
"""
_CARD = """\
<figure>
<a href="{stem}.png"><img src="{stem}.png" alt="{alt}" width="{width}" height="{height}" loading="lazy"></a>
<figcaption><strong>{name}</strong> <small>{about}</small></figcaption>
</figure>"""
_COUNTS = {"en": ("1 card", "{} cards"), "fr": ("1 carte", "{} cartes")}


def write_deck(cards: Sequence[Card], folder: Path, title: str, lang: str = "en") -> Path:
    """Write `index.html`, a gallery of the cards that `files.write_cards` wrote into `folder`. Returns its path.

    Args:
        cards: all of them, in their order.
        folder: of the cards.
        title: of the page.
        lang: language of the cards, one of schema.LANGUAGES.
    """
    figures = []
    for number, card in enumerate(cards, start=1):
        about = f"{' / '.join(translated('type', kind, lang) for kind in card.types)} · {card.stats['total']}"
        alt = f"{card.name}. {card.entry.get(lang, about)}"
        figures.append(
            _CARD.format(
                stem=stem(number, card, len(cards)),
                alt=escape(alt),
                name=escape(card.name),
                about=escape(about),
                width=WIDTH,
                height=HEIGHT,
            )
        )
    one, many = _COUNTS[lang]
    count = one if len(cards) == 1 else many.format(len(cards))
    return write(
        folder / "index.html", _PAGE.format(lang=lang, title=escape(title), count=count, cards="\n".join(figures))
    )

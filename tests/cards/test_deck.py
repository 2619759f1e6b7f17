"""The page of a deck: read by Python's own HTML parser."""

from html.parser import HTMLParser

from made_cards import made

from pokegen.cards.deck import write_deck


class Page(HTMLParser):
    """The tags and attributes of a page, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def all(self, name):
        return [attrs for tag, attrs in self.tags if tag == name]


def test_every_card_has_its_picture_and_text(tmp_path):
    cards = [made(name="Pyrodrake"), made(name="Flabébé")]
    cards[1].entry = {"en": "It floats.", "fr": "Elle flotte."}
    path = write_deck(cards, tmp_path, "birds", lang="fr")
    page = Page(path.read_text(encoding="utf-8"))
    assert path.name == "index.html"
    assert [image["src"] for image in page.all("img")] == ["001-pyrodrake.png", "002-flabebe.png"]
    assert page.all("img")[1]["alt"] == "Flabébé. Elle flotte."
    assert [link["href"] for link in page.all("a")] == ["001-pyrodrake.png", "002-flabebe.png", "cards.json"]
    assert page.all("html") == [{"lang": "fr"}]
    assert "birds" in page.text and "2 cartes" in page.text and "Pyrodrake" in page.text
    assert "Feu / Vol" in page.text


def test_nothing_of_a_card_or_a_title_becomes_markup(tmp_path):
    bad = '"><script>alert(1)</script>{x}'
    card = made(name=bad)
    card.entry = {"en": bad}
    text = write_deck([card], tmp_path, bad).read_text(encoding="utf-8")
    page = Page(text)
    assert page.all("script") == []
    assert page.all("img")[0]["alt"] == f"{bad}. {bad}"
    assert page.text.count(bad) == 3  # title, heading, caption


def test_a_page_loads_nothing_from_elsewhere(tmp_path):
    text = write_deck([made()], tmp_path, "deck").read_text(encoding="utf-8")
    assert "//" not in text and "url(" not in text and "@import" not in text
    assert not any(tag in ("script", "link", "iframe") for tag, _ in Page(text).tags)

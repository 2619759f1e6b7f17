"""The page of a battle: every turn of it, and nothing that runs."""

from html.parser import HTMLParser

import pytest
from battles import play

from pokegen.errors import UserError
from pokegen.game.battle.bridge import Bridge
from pokegen.game.battle.replay import replay_page, write_replay

PNG = b"\x89PNG\r\n\x1a\n" + b"rest"
LOG = """
|player|p1|Ann||
|player|p2|Bob||
|tier|[Gen 9] PokeGen Cards
|poke|p2|Thurem, L50|
|start
|switch|p1a: Katton|Katton, L50|170/170
|switch|p2a: Delutte|Delutte, L50|100/100
|turn|1
|-terastallize|p2a: Delutte|Bug
|move|p1a: Katton|Fire Fang|p2a: Delutte
|-supereffective|p2a: Delutte
|-damage|p2a: Delutte|45/100
|-status|p2a: Delutte|brn
|-damage|p2a: Delutte|39/100 brn|[from] brn
|-weather|RainDance
|-weather|RainDance|[upkeep]
|-fieldstart|move: Grassy Terrain|[from] ability: Grassy Surge|[of] p2a: Delutte
|turn|2
|move|p2a: Delutte|Bulk Up|p2a: Delutte
|-boost|p2a: Delutte|atk|1
|move|p1a: Katton|Tackle|p2a: Delutte
|-damage|p2a: Delutte|0 fnt
|-heal|p1a: Katton|85/170|[from] item: Leftovers
|faint|p2a: Delutte
|-damage|
|win|Ann
"""
LINES = LOG.strip().split("\n")


class Page(HTMLParser):
    """The tags and the text of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


def test_a_battle_is_shown_turn_by_turn():
    page = Page(replay_page(LINES))
    text = "\n".join(page.text)
    for sentence in (
        "Ann against Bob",
        "[Gen 9] PokeGen Cards",
        "Ann sends out Katton.",
        "Delutte terastallizes: Bug.",
        "Katton uses Fire Fang on Delutte.",
        "It is super effective.",
        "Delutte loses 55% of its HP.",
        "Delutte is burned.",
        "Delutte loses 6% of its HP (burned).",
        "Weather: RainDance.",
        "Grassy Terrain begins.",
        "Delutte uses Bulk Up.",
        "Delutte's Attack rises by 1.",
        "Katton regains 50% of its HP (Leftovers).",
        "Delutte faints.",
        "Ann wins.",
    ):
        assert sentence in text, sentence
    assert text.count("Weather") == 1
    assert text.index("Turn 1") < text.index("Fire Fang") < text.index("Turn 2") < text.index("Bulk Up")
    widths = [attrs["style"] for tag, attrs in page.tags if tag == "i"]
    assert widths == ["width:100%", "width:100%", "width:100%", "width:39%", "width:50%", "width:0%"]
    assert [attrs["id"] for tag, attrs in page.tags if tag == "article"] == ["turn-0", "turn-1", "turn-2"]
    assert [attrs["href"] for tag, attrs in page.tags if tag == "a"] == ["#turn-1", "#turn-2"]


HOSTILE = ["</title><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</style><style>*{}", "{style}"]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_inert_wherever_they_come(name, tmp_path):
    lines = [line.replace("Ann", name).replace("Katton", name).replace("PokeGen", name) for line in LINES]
    plain = Page(replay_page(LINES, {"Katton": PNG}, title="x"))
    hostile = replay_page(lines, {name: PNG}, title=name)
    page = Page(hostile)
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert {key for _, attrs in page.tags for key in attrs} == {key for _, attrs in plain.tags for key in attrs}
    assert not {"script", "img"} & {tag for tag, _ in page.tags}
    assert f"{name} uses Fire Fang on Delutte." in "".join(page.text)
    assert write_replay(tmp_path / "replay.html", lines, {name: PNG}, name).read_text(encoding="utf-8") == hostile


def test_nothing_comes_from_elsewhere_and_a_picture_is_there_once():
    text = replay_page(LINES, {"Katton": PNG, "Delutte": PNG + b"2"})
    assert "http" not in text.replace("http-equiv", "") and "//" not in text.replace("image/png;base64,", "")
    assert "default-src 'none'" in text
    assert text.count("data:image/png;base64,") == 2
    page = Page(text)
    labels = [attrs["aria-label"] for _, attrs in page.tags if attrs.get("role") == "img"]
    assert labels.count("Katton") == labels.count("Delutte") == 4  # in the team, and after each of three turns


def test_a_creature_with_a_nickname_is_one_creature():
    lines = [line.replace("p2a: Delutte", "p2a: Lotte") for line in LINES]
    page = Page(replay_page([*lines[:3], "|poke|p2|Delutte, L50|", *lines[3:]]))
    assert page.text.count("Delutte") == 0 and "Lotte faints." in page.text


def test_a_sprite_that_is_none_is_one_line(tmp_path):
    with pytest.raises(UserError, match="Expected a PNG as the sprite of Katton, got b'GIF89a'"):
        replay_page(LINES, {"Katton": b"GIF89a"})
    with pytest.raises(UserError, match="Cannot read the sprite of Katton"):
        replay_page(LINES, {"Katton": tmp_path / "none.png"})


def test_real_battles_are_shown_to_their_ends(package):
    with Bridge() as bridge:
        for battle in range(3):
            bridge.start(battle, "gen9randombattle", (5, 6, 7, battle))
        found = play(bridge)
    for updates in found.values():
        lines = [line for update in updates for line in update.lines]
        turns = [line for line in lines if line.startswith("|turn|")]
        page = Page(replay_page(lines))
        text = "\n".join(page.text)
        assert f"Turn {len(turns)}" in text and f"Player {updates[-1].winner + 1} wins." in text
        # Each move, and each creature that faints.
        assert text.count(" faints.") == sum(line.startswith("|faint|") for line in lines)
        assert text.count(" uses ") >= sum(line.startswith("|move|") for line in lines)

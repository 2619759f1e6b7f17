"""What makers of games get, each file read by another program: Pillow, the wave module, poke-env, the JSON module."""

import dataclasses
import io
import json
import re
import wave

import numpy as np
import pytest
from made_cards import MOVES, made, sprite
from PIL import Image

from pokegen.cards import showdown
from pokegen.cards.export import README, export, export_cards
from pokegen.cards.pixel_art import gimp, icon, jasc, pixel_art, shiny
from pokegen.errors import UserError


def colors(picture):
    """The visible colours of a picture, (r, g, b) each."""
    pixels = np.asarray(picture.convert("RGBA")).reshape(-1, 4)
    return {tuple(map(int, pixel[:3])) for pixel in pixels if pixel[3]}


def read_jasc(content):
    head, version, count, *lines, end = content.decode("ascii").split("\r\n")
    assert (head, version, end) == ("JASC-PAL", "0100", "")
    assert len(lines) == int(count)
    return [tuple(map(int, line.split())) for line in lines]


def read_gimp(content):
    head, name, columns, mark, *lines, end = content.decode().split("\n")
    assert (head, mark, end) == ("GIMP Palette", "#", "")
    assert re.fullmatch(r"Name: \S.*", name) and re.fullmatch(r"Columns: \d+", columns)
    return [tuple(map(int, re.fullmatch(r" *(\d+) +(\d+) +(\d+)\t.+", line).groups())) for line in lines]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("export") / "pyrodrake"
    paths = export(made(), out)
    assert sorted(paths) == sorted(out.iterdir())
    return out


@pytest.mark.parametrize("word", ["sprite", "shiny"])
def test_sprites_have_few_colours_and_a_clear_background(folder, word):
    plain = Image.open(folder / f"{word}.png")
    assert (plain.mode, plain.size, plain.info["transparency"]) == ("P", (128, 128), 0)
    assert len(colors(plain)) <= 15
    assert plain.convert("RGBA").getpixel((0, 0))[3] == 0
    small = np.asarray(plain.convert("RGBA"))
    assert set(np.unique(small[..., 3])) == {0, 255}  # a hard edge
    for scale in (2, 4):
        large = np.asarray(Image.open(folder / f"{word}-{scale}x.png").convert("RGBA"))
        assert np.array_equal(large, small.repeat(scale, axis=0).repeat(scale, axis=1))
    white = Image.open(folder / f"{word}-white.png")
    assert "transparency" not in white.info
    assert white.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    assert len(white.convert("RGB").getcolors(16)) <= 16  # Pillow gives none where there are more


def test_a_shiny_is_the_same_drawing_in_other_colours(folder):
    usual, other = (Image.open(folder / f"{word}.png") for word in ("sprite", "shiny"))
    assert np.array_equal(np.asarray(usual), np.asarray(other))
    difference = np.abs(np.subtract(*(np.asarray(p.convert("RGB"), int) for p in (usual, other))))
    assert difference.max() > 60


def test_white_inside_the_creature_stays(folder):
    picture = Image.open(folder / "sprite.png").convert("RGBA")
    assert picture.getpixel((54, 54))[3] == 255
    assert min(picture.getpixel((54, 54))[:3]) > 235


@pytest.mark.parametrize("word", ["sprite", "shiny"])
def test_an_icon_has_32_pixels_and_no_new_colour(folder, word):
    picture = Image.open(folder / ("icon.png" if word == "sprite" else "icon-shiny.png"))
    assert picture.size == (32, 32)
    assert colors(picture) <= colors(Image.open(folder / f"{word}.png"))
    drawn = np.asarray(picture.convert("RGBA"))[..., 3] > 0
    assert drawn.any(axis=0).all() or drawn.any(axis=1).all()  # it fills the icon one way
    assert drawn[-1].any()  # and stands on its ground


def test_palettes_hold_the_colours_of_the_sprite(folder):
    for word, picture in (("palette", "sprite"), ("shiny", "shiny")):
        image = Image.open(folder / f"{picture}.png")
        listed = read_gimp((folder / f"{word}.gpl").read_bytes())
        full = read_jasc((folder / f"{word}.pal").read_bytes())
        assert len(full) == 16 and len(listed) <= 16
        assert full[: len(listed)] == listed
        assert colors(image) <= set(listed[1:])
        assert listed[0] == (255, 255, 255)
        assert [tuple(image.getpalette()[3 * i : 3 * i + 3]) for i in range(len(listed))] == listed


def test_the_cry_and_the_card(folder):
    with wave.open(io.BytesIO((folder / "cry.wav").read_bytes())) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 44_100)
        assert 0.3 <= file.getnframes() / 44_100 <= 1.2
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    assert (card["name"], card["sprite"]) == ("Pyrodrake", "sprite.png")


def test_the_team_is_read_by_poke_env(folder):
    from poke_env.teambuilder import Teambuilder

    (member,) = Teambuilder.parse_showdown_team((folder / "team.txt").read_text())
    assert (member.nickname or member.species, member.ability, member.level) == ("Pyrodrake", "Blaze", 100)
    assert (member.nature, member.tera_type, tuple(member.moves)) == ("Adamant", "Fire", MOVES)
    assert member.evs == [4, 252, 0, 0, 0, 252]  # attack above special attack, and fast


def test_the_entry_of_a_mod_has_all_that_showdown_needs(folder):
    entry = json.loads((folder / "pokedex.json").read_text())
    assert list(entry) == ["pyrodrake"]
    required = {"num", "name", "types", "genderRatio", "baseStats", "abilities", "heightm", "weightkg", "color"}
    assert required | {"eggGroups", "gen", "tier"} == entry["pyrodrake"].keys()
    assert list(entry["pyrodrake"]["baseStats"]) == ["hp", "atk", "def", "spa", "spd", "spe"]
    assert entry["pyrodrake"]["baseStats"]["spa"] == 75


def test_the_same_card_gives_the_same_bytes(folder, tmp_path):
    for path in export(made(), tmp_path):
        assert path.read_bytes() == (folder / path.name).read_bytes(), path.name


def test_a_line_shares_a_sheet_whose_frames_are_its_sprites(tmp_path):
    line = [made(name=name, image=sprite(seed=i)) for i, name in enumerate(("Pyri", "Pyrid", "Pyridrake"))]
    paths = list(export_cards(line, tmp_path, forms=3))
    assert sorted(paths) == sorted(p for p in tmp_path.rglob("*") if p.is_file())
    record = json.loads((tmp_path / "line-001-pyri.json").read_text())
    sheet = Image.open(tmp_path / record["meta"]["image"])
    assert sheet.size == (record["meta"]["size"]["w"], record["meta"]["size"]["h"]) == (384, 256)
    assert len(record["frames"]) == 6
    for i, card in enumerate(line, start=1):
        for word in ("sprite", "shiny"):
            at = record["frames"][f"{i}-{card.name.lower()}-{word}.png"]["frame"]
            part = sheet.crop((at["x"], at["y"], at["x"] + at["w"], at["y"] + at["h"]))
            alone = Image.open(tmp_path / f"{i:03d}-{card.name.lower()}" / f"{word}.png").convert("RGBA")
            assert np.array_equal(np.asarray(part), np.asarray(alone)), (i, word)


def test_a_folder_for_each_creature_and_a_mod_for_all(tmp_path):
    cards = [made(name=f"Pyro{letter}", seed=i) for i, letter in enumerate("abcdefgh")]
    list(export_cards(cards, tmp_path))
    assert (tmp_path / "001-pyroa" / "sprite.png").is_file() and (tmp_path / "008-pyroh" / "cry.wav").is_file()
    assert not list(tmp_path.glob("line-*"))
    mod = {path.name: json.loads(path.read_text()) for path in (tmp_path / "showdown").glob("*.json")}
    ids = mod["pokedex.json"]["Pokedex"].keys()
    assert len(ids) == 8
    assert ids == mod["formats-data.json"]["FormatsData"].keys() == mod["learnsets.json"]["Learnsets"].keys()
    assert len({entry["num"] for entry in mod["pokedex.json"]["Pokedex"].values()}) == 8
    learned = mod["learnsets.json"]["Learnsets"]["pyroa"]["learnset"]
    assert learned == {"ember": ["9M"], "wingattack": ["9M"], "willowisp": ["9M"], "uturn": ["9M"]}
    from poke_env.teambuilder import Teambuilder

    assert len(Teambuilder.parse_showdown_team((tmp_path / "showdown" / "team.txt").read_text())) == 6
    written = {path.name for path in (tmp_path / "001-pyroa").iterdir()}
    assert written <= set(re.findall(r"[\w-]+\.\w+", README))  # each file is explained


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["Flabébé"], ["Flabebe 2"]),  # a real one
        (["Pikachu", "Pikachu"], ["Pikachu 2", "Pikachu 3"]),
        (["Ragnar Ørn|,œ"], ["Ragnar rnoe"]),
        (["constructor"], ["constructor 2"]),
        (["Abcdefghijklmnopqrstuvwx"], ["Abcdefghijklmnopqr"]),
        (["Abcdefghijklmnopqrstuvwx", "Abcdefghijklmnopqryz"], ["Abcdefghijklmnopqr", "Abcdefghijklmnop 2"]),
        (["Mr. Zyx’o-2"], ["Mr. Zyx'o-2"]),
        (["</script>"], ["script"]),
        (["日本"], ["Creature"]),
    ],
)
def test_names_on_showdown(given, expected):
    found = showdown.names([made(name=name) for name in given])
    assert found == expected
    assert all(re.fullmatch(r"[A-Za-z0-9 .'-]{1,18}", name) for name in found)


def test_a_slow_special_creature_gets_bulk():
    text = showdown.member(made(attack=40, sp_atk=130, speed=20), "Pyro")
    assert "EVs: 252 HP / 252 SpA / 4 SpD" in text and "Modest Nature" in text
    legendary = dataclasses.replace(made(), legendary=True)
    assert showdown.pokedex_entry(legendary, "Pyro")["gender"] == "N"


def test_pixel_art_of_few_colours_keeps_each_of_them():
    picture = sprite(colors=5)
    art = pixel_art(picture)
    drawn = art.indices > 0
    assert np.array_equal(art.palette[art.indices][drawn], picture[drawn])


def test_pixel_art_keeps_its_own_grid():
    doubled = sprite(colors=5)[::2, ::2].repeat(2, axis=0).repeat(2, axis=1)
    assert pixel_art(doubled).indices.shape == (64, 64)


def test_an_empty_sprite_and_a_grey_one():
    empty = pixel_art(np.full((128, 128, 3), 255, np.uint8))
    assert not empty.indices.any() and not icon(empty).indices.any()
    assert read_jasc(jasc(empty.palette))[0] == (255, 255, 255)
    grey = pixel_art(sprite().mean(axis=2, keepdims=True).repeat(3, axis=2).astype(np.uint8))
    assert np.ptp(shiny(grey, 1).palette.astype(int), axis=1).max() > 60  # tinted, or nobody would see it


def test_an_icon_shows_the_larger_of_two_clusters():
    """A tile of 16 pixels has 6 of one red, and 10 of blues in five shades: the blues are more, if each is less."""
    blues = [(20, 20, 180 + 10 * i) for i in range(5)]
    tile = np.array([(220, 30, 30)] * 6 + [blue for blue in blues for _ in range(2)], np.uint8).reshape(4, 4, 3)
    picture = np.full((128, 128, 3), 255, np.uint8)
    picture[1:125, 1:125] = np.tile(tile, (31, 31, 1))
    art = pixel_art(picture)
    small = icon(art, 31)
    assert colors(small.picture()) <= set(blues)
    assert np.array_equal(np.unique(art.palette, axis=0), np.unique([(255, 255, 255), (220, 30, 30), *blues], axis=0))


def test_a_name_cannot_break_a_palette_file():
    assert read_gimp(gimp(np.zeros((2, 3), np.uint8), "a\nb  c")) == [(0, 0, 0), (0, 0, 0)]


def test_an_export_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="Cannot write"):
        export(made(), tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"

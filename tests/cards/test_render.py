"""The card's picture: texts keep to their boxes and are readable, scenes and themes differ, and pixels repeat."""

import json
import random
import string
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pokegen.cards.face.icons import GLYPHS, MARKS, glyph_color, mask, type_icon
from pokegen.cards.face.page import TextBox, drawable, fit, wrap
from pokegen.cards.face.scenes import AIR, PLACES, scene
from pokegen.cards.face.sprite import cutout
from pokegen.cards.face.theme import INK, PAPER, WHITE, contrast, mix, readable, theme_of
from pokegen.cards.labels import labels
from pokegen.cards.moves import choose_moves, resistances, weaknesses
from pokegen.cards.render import (
    BLEED,
    GRAND,
    HEIGHT,
    INNER,
    SCENE,
    WIDTH,
    ZOOM,
    contact_sheet,
    layout,
    render,
)
from pokegen.errors import UserError
from pokegen.images import png
from pokegen.schema import LANGUAGES, RARITIES, STATS, TYPE_COLORS, TYPES, Card

GOLDEN = Path(__file__).with_name("golden_card.json")


def creature(color=(200, 60, 40)):
    """A round sprite with a dark outline, a white eye inside, on white."""
    y, x = np.mgrid[:128, :128]
    away = np.hypot(x - 64, y - 68)
    image = np.full((128, 128, 3), 255, np.uint8)
    image[away < 46] = 20
    image[away < 42] = color
    image[np.hypot(x - 54, y - 54) < 8] = 255
    return image


def make(types=("Fire",), **changes):
    types = list(types)
    stats = dict.fromkeys(STATS, 80) | {"total": 480}
    values = {
        "name": "Brumble", "types": types, "stats": stats, "height_m": 1.2, "weight_kg": 30.0, "color": "Red",
        "legendary": False, "stage": 1, "evolves_from": None, "evolves_to": [],
        "moves": choose_moves(types, stats, 1, random.Random(0)), "weaknesses": weaknesses(types),
        "resistances": resistances(types), "seed": 7,
        "models": {"sprites": "cgan 1.0", "stats": "stats 1.0", "names": "names 1.0"},
        "number": "0007", "ability": "Sturdy", "retreat": 2,
        "attacks": [
            {"name": "Ember", "type": types[0], "cost": [types[0]], "damage": 40},
            {"name": "Body Slam", "type": "Normal", "cost": ["Normal"] * 3, "damage": 90},
        ],
        "entry": {"en": "It hums when the first snow falls.", "fr": "Il fredonne quand tombe la première neige."},
        "image": creature(),
    }  # fmt: skip
    return Card(**values | changes)


def pixels(card, *options):
    return np.asarray(render(card, *options).convert("RGB")).astype(int)


def wide(letters, rng):
    return "".join(rng.choice("WMmwŒÉÂgjyq ") for _ in range(letters)).strip() or "W"


def anything(seed):
    """A card of random fields, often at their limits."""
    rng = random.Random(seed)
    types = rng.sample(TYPES, rng.choice((1, 2)))
    stats = {stat: rng.choice((1, 255, rng.randint(20, 180))) for stat in STATS}
    sentence = " ".join("".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 12))) for _ in range(40))
    attacks = [
        {
            "name": wide(rng.randint(3, 25), rng),
            "cost": [rng.choice(TYPES) for _ in range(rng.randint(1, 4))],
            "damage": rng.choice((None, 10, 200)),
        }
        for _ in range(rng.choice((0, 2, 2)))
    ]
    return make(
        types,
        name=wide(rng.randint(1, 24), rng),
        stats=stats | {"total": sum(stats.values())},
        height_m=rng.choice((0.1, 100.0)),
        weight_kg=rng.choice((0.1, 10000.0)),
        stage=rng.randint(1, 3),
        evolves_from=rng.choice((None, wide(24, rng))),
        earlier=rng.choice((None, creature())),
        rarity=rng.choice(RARITIES),
        number=rng.choice(("", "0042", f"{2**48 - 1}-3")),
        seed=rng.choice((0, rng.randrange(2**48))),
        ability=rng.choice(("", wide(20, rng))),
        attacks=attacks,
        moves=[] if rng.random() < 0.2 else make(types).moves,
        retreat=rng.randint(0, 4),
        entry=rng.choice(({}, {"en": sentence[:180], "fr": sentence[:180]})),
        models=dict.fromkeys(("sprites", "stats", "names"), "a folder of a very long name 1.0.0+local"),
    )


def misplaced(boxes):
    """Texts that leave their box, boxes that leave the frame, pairs of texts that touch."""
    found = []
    for i, text in enumerate(boxes):
        box, ink = text.box, text.ink
        for inner, outer in ((ink, box), (box, INNER)):
            if inner[0] < outer[0] or inner[1] < outer[1] or inner[2] > outer[2] or inner[3] > outer[3]:
                found.append(text)
        for other in boxes[:i]:
            a, b = ink, other.ink
            if not (a[0] >= b[2] or b[0] >= a[2] or a[1] >= b[3] or b[1] >= a[3]):
                found.append((text, other))
    return found


def check_layout(card, lang):
    boxes = layout(card, lang)
    assert misplaced(boxes) == []
    assert all(text.text and text.size >= 10 for text in boxes)
    assert len({text.name for text in boxes}) == len(boxes)
    return boxes


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_text_keeps_to_its_box_and_off_the_others(lang):
    for seed in range(100):
        check_layout(anything(seed), lang)


def test_a_misplaced_text_is_found():
    box = TextBox("a", (100, 100, 200, 140), "a", (110, 110, 190, 130), 20, INK, PAPER)
    assert misplaced([box]) == []
    assert misplaced([replace(box, ink=(110, 110, 201, 130))])
    assert misplaced([replace(box, box=(0, 100, 200, 140))])
    assert misplaced([box, replace(box, name="b")])


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_most_badges_find_room(lang):
    card = make(
        ("Steel", "Fairy"), weaknesses=dict.fromkeys(TYPES[:12], 2.0), resistances=dict.fromkeys(TYPES, 0.25), retreat=4
    )
    names = [text.name for text in check_layout(card, lang)]
    assert {"weak ×2", "resists ×¼", "retreat label"} <= set(names)


def test_all_that_the_card_holds_is_written():
    card = make(("Fire", "Rock"), stage=2, evolves_from="Bram", earlier=creature(), rarity="rare")
    said = {text.name: text.text for text in layout(card)}
    assert said["name"] == "Brumble" and said["hit points"] == "80"
    assert said["stage"] == "Stage 2  ·  evolves from Bram"
    assert said["types"] == "Fire  ·  Rock" and said["size"] == "1.2 m    30.0 kg"
    assert said["ability"] == "Sturdy" and said["attack 1"] == "Ember" and said["attack 2 damage"] == "90"
    assert said["entry"].replace("\n", " ") == card.entry["en"]
    assert said["total value"] == "480" and said["rarity"] == "Rare" and said["number"] == "No. 0007"
    assert "weak ×2" in said and said["models"].startswith("seed 7  ·  cgan 1.0")
    french = {text.name: text.text for text in layout(card, "fr")}
    assert (
        french["hit points label"] == "PV"
        and french["types"] == "Feu  ·  Roche"
        and french["size"] == "1,2 m    30,0 kg"
    )
    assert french["entry"].replace("\n", " ") == card.entry["fr"]


def test_an_earlier_versions_card_leaves_blocks_out():
    new = {"ability", "ability label", "number", "entry"}
    bare = make(ability="", number="", entry={}, attacks=[], retreat=0)
    said = {text.name: text.text for text in check_layout(bare, "en")}
    assert not new & set(said)
    assert said["attack 1"] == bare.moves[0]["name"]  # its moves take the attacks' place
    without = {text.name for text in check_layout(make(ability="", attacks=[], moves=[], entry={}), "en")}
    assert not any(name.startswith("attack ") and name[7].isdigit() for name in without)


@pytest.mark.parametrize("rarity", RARITIES)
def test_small_text_has_a_contrast_of_4_5_and_large_of_3(rarity):
    pairs = [(kind,) for kind in TYPES] + list(zip(TYPES, TYPES[1:] + TYPES[:1], strict=True))
    for types in pairs:
        for text in layout(make(types, rarity=rarity)):
            assert contrast(text.color, text.ground) >= (4.5 if text.size < 24 else 3.0), (types, text)


@pytest.mark.parametrize("rarity", ("common", "legendary"))
def test_the_recorded_ground_is_no_better_than_the_drawn_one(rarity):
    """Each text's worst case, as the record has it, against the pixels around the letters."""
    for types in (("Ice",), ("Flying", "Fairy"), ("Electric",), ("Dark",)):
        card = make(types, rarity=rarity)
        image = np.asarray(render(card).convert("RGB"))
        for text in layout(card):
            left, top, right, bottom = text.ink
            rim = np.concatenate([image[top - 1, left:right], image[bottom, left:right]])
            colors = {"#{:02X}{:02X}{:02X}".format(*pixel) for pixel in rim[::5]}
            assert min(contrast(text.color, color) for color in colors) >= 4.4, (types, text)


def test_readable_moves_a_colour_only_as_far_as_needed():
    assert readable(INK, PAPER) == INK
    dim = readable("#F2B400", PAPER)
    assert contrast(dim, PAPER) >= 4.5 > contrast("#F2B400", PAPER)
    assert contrast(readable("#333355", "#111122"), "#111122") >= 4.5
    assert contrast(WHITE, "#000000") == pytest.approx(21)
    assert mix("#FF0000", "#0000FF", 0) == "#FF0000" and mix("#000000", "#FFFFFF", 0.5) == "#808080"


def test_fit_shrinks_then_cuts():
    whole, large = fit("Brumble", "bold", 52, 400)
    assert (whole, large.size) == ("Brumble", 52)
    whole, smaller = fit("Brumble" * 3, "bold", 52, 300)
    assert whole == "Brumble" * 3 and smaller.size < 52 and smaller.getlength(whole) <= 300
    cut, least = fit("Brumble" * 9, "bold", 52, 100)
    assert cut.endswith("…") and least.getlength(cut) <= 100


def test_wrap_breaks_shrinks_then_cuts():
    lines, size = wrap("one two three four", "italic", 20, 90, 200, 1.2)
    assert " ".join(lines) == "one two three four" and len(lines) > 1 and size == 20
    lines, size = wrap("word " * 60, "italic", 20, 200, 100, 1.2)
    assert size < 20 and len(lines) * size * 1.2 <= 100 + 1e-6
    lines, size = wrap("word " * 900, "italic", 20, 100, 60, 1.2)
    assert lines[-1].endswith("…") and len(lines) * size * 1.2 <= 60


def test_what_the_font_lacks_is_replaced():
    assert drawable("Flabébé ×½·–") == "Flabébé ×½·–"
    assert drawable("Łếđ") == "Led"  # neither Polish nor Vietnamese is in the text font
    assert drawable("Łđ", "display") == "Łđ"  # the name's font has them
    assert drawable("a\u3042") == "a"


def test_labels_have_the_same_keys_in_each_language():
    def keys(node, path=""):
        return {p for k, v in node.items() for p in (keys(v, f"{path}{k}.") if isinstance(v, dict) else {path + k})}

    english, french = labels("en"), labels("fr")
    assert keys(english) == keys(french)
    assert set(english["rarities"]) == set(RARITIES)
    assert set(english["stats"]) == set(STATS)
    assert english != french
    with pytest.raises(UserError, match="Unknown language 'de'"):
        labels("de")


def test_every_type_has_its_own_scene_theme_and_icon():
    assert set(PLACES) == set(AIR) == set(GLYPHS) == set(TYPES)
    scenes = {kind: np.asarray(scene([kind], 3, 234, 140)).astype(int) for kind in TYPES}
    icons = {kind: np.asarray(mask(kind, 24)).astype(int) for kind in TYPES}
    for i, one in enumerate(TYPES):
        for other in TYPES[:i]:
            assert np.abs(scenes[one] - scenes[other]).mean() > 10, (one, other)
            assert np.abs(icons[one] - icons[other]).mean() > 18, (one, other)
            assert theme_of((one,)) != theme_of((other,))
        assert 0.15 < icons[one].mean() / 255 < 0.75, one  # legible: neither a speck nor a full square
        assert contrast(glyph_color(one), TYPE_COLORS[one]) >= 2.2
    assert set(RARITIES) <= set(MARKS)


def test_a_scene_repeats_with_its_seed_and_varies_with_another():
    for kind in TYPES:
        one, again, other = (np.asarray(scene([kind], seed, 234, 140)) for seed in (5, 5, 2**40 + 5))
        assert np.array_equal(one, again)
        assert (one != other).mean() > 0.05, kind


def test_two_types_blend():
    alone, both, turned = (
        np.asarray(scene(t, 1, 234, 140)).astype(int) for t in (["Fire"], ["Fire", "Ice"], ["Ice", "Fire"])
    )
    assert np.abs(alone - both).mean() > 4 and np.abs(both - turned).mean() > 20
    one, two = pixels(make(("Fire",))), pixels(make(("Fire", "Water")))
    assert np.abs(one[120, 4] - two[120, 4]).max() < 24  # upper left: the first type
    right, second = two[900, WIDTH - 5], one[900, WIDTH - 5]
    assert right[2] > right[0] and second[0] > second[2]  # lower right: the second
    bar = two[:, 200:330]
    assert np.abs(two - one)[SCENE[3] + 200 :].max() > 60 and bar.size


def test_the_rarity_shows():
    frames = [pixels(make(rarity=rarity))[:, :20] for rarity in RARITIES]
    for i, one in enumerate(frames):
        for other in frames[:i]:
            assert np.abs(one - other).max() > 20
    plate = (slice(INNER[1] + 2, SCENE[1] - 4), slice(INNER[0] + 2, INNER[2] - 2))
    for rarity in RARITIES:  # the scene, which varies with the seed, shines through the name's plate
        one, other = (pixels(make(rarity=rarity, seed=seed))[plate] for seed in (1, 2))
        assert np.abs(one - other).any() == (rarity in GRAND), rarity


def test_white_outside_the_creature_vanishes_and_white_inside_stays():
    image = cutout(creature())
    assert image.size == (91, 91)  # cropped
    alpha, color = np.asarray(image)[..., 3], np.asarray(image)[..., :3]
    assert alpha[0, 0] == 0 and set(np.unique(alpha)) == {0, 255}
    assert alpha[32, 36] == 255 and color[32, 36].min() == 255  # the eye
    assert cutout(np.full((128, 128, 3), 255, np.uint8)).size == (1, 1)


def test_a_pale_edge_leaves_no_halo():
    image = creature()
    y, x = np.mgrid[:128, :128]
    away = np.hypot(x - 64, y - 68)
    image[(away >= 46) & (away < 47.5)] = 200  # what antialiasing leaves
    cut = np.asarray(cutout(image))
    assert cut.shape[:2] == (91, 91)
    rim = cut[cut[..., 3] > 0][:, :3]
    assert not ((rim > 180) & (rim < 230)).all(axis=1).any()


def test_the_sprites_pixels_are_squares_of_a_whole_number():
    rng = np.random.default_rng(0)
    image = np.full((128, 128, 3), 255, np.uint8)
    image[20:110, 20:110] = rng.integers(0, 160, (90, 90, 3))
    drawn = pixels(make(image=image))[SCENE[1] + 3 : SCENE[3] - 3, SCENE[0] : SCENE[2]]
    drawn = drawn[: len(drawn) // ZOOM * ZOOM]
    blocks = drawn.reshape(len(drawn) // ZOOM, ZOOM, -1, ZOOM, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()
    first = image[60, 60].astype(int)
    assert (np.abs(drawn - first).sum(axis=2) == 0).sum() >= ZOOM * ZOOM


def test_a_creature_casts_a_shadow_and_a_flying_one_hovers():
    window = (slice(SCENE[1], SCENE[3]), slice(SCENE[0], SCENE[2]))
    magenta = creature((255, 0, 255))

    def lowest(types):
        drawn = pixels(make(types, image=magenta))[window]
        return np.flatnonzero((np.abs(drawn - (255, 0, 255)).max(axis=2) < 3).any(axis=1)).max()

    assert lowest(("Normal",)) - lowest(("Normal", "Flying")) == 7 * ZOOM
    blank = np.full((128, 128, 3), 255, np.uint8)
    empty, drawn = (pixels(make(("Normal",), image=image))[window] for image in (blank, magenta))
    darker = (empty - drawn).min(axis=2) > 20
    floor = slice(len(drawn) - 8 * ZOOM, len(drawn) - 4 * ZOOM)
    assert darker[floor, 200:500].mean() > 0.2 > darker[floor, :60].mean()


def test_the_earlier_form_is_shown():
    card = make(stage=2, evolves_from="Bram")
    with_picture = pixels(make(stage=2, evolves_from="Bram", earlier=creature((30, 60, 220))))
    corner = (slice(INNER[1], SCENE[1] - 4), slice(INNER[0], INNER[0] + 100))
    blue = lambda image: ((image[..., 2] > 180) & (image[..., 0] < 80)).sum()  # noqa: E731
    assert blue(with_picture[corner]) > 300 > blue(pixels(card)[corner])


def test_a_longer_bar_is_a_higher_stat():
    columns = slice(INNER[0] + 169, INNER[0] + 333)
    lengths = []
    for value in (1, 40, 80, 120, 160):
        card = make(stats=dict.fromkeys(STATS, value) | {"total": 6 * value})
        box = next(text.box for text in layout(card) if text.name == "attack label")
        row = pixels(card)[(box[1] + box[3]) // 2, columns]
        lengths.append(int((row.max(axis=1) - row.min(axis=1) > 90).sum()))
    assert lengths == sorted(set(lengths))
    assert abs(lengths[2] - lengths[4] / 2) < 4


@pytest.mark.parametrize("rarity", RARITIES)
def test_bleed_continues_the_card(rarity):
    card = make(("Ice", "Ghost"), rarity=rarity)
    cut, whole = render(card), render(card, "en", BLEED)
    assert cut.mode == "RGBA" and cut.size == (WIDTH, HEIGHT) == (744, 1039)
    assert whole.mode == "RGB" and whole.size == (WIDTH + 70, HEIGHT + 70)
    inside = np.asarray(whole).astype(int)[BLEED:-BLEED, BLEED:-BLEED]
    both = np.abs(inside - np.asarray(cut.convert("RGB")))[INNER[1] : INNER[3], INNER[0] : INNER[2]]
    assert both.mean() < 0.01 and both[30:-30].max() <= 4  # what counts is the same
    edge = np.asarray(whole).astype(int)
    assert np.abs(np.diff(edge[:, :BLEED].mean(axis=2), axis=1)).max() < 12  # no seam at the cut
    assert edge[0, 0].max() > 0


def test_corners_are_round_and_transparent():
    alpha = np.asarray(render(make()))[:, :, 3]
    assert alpha[0, 0] == alpha[-1, -1] == 0
    assert alpha[HEIGHT // 2, 0] == alpha[0, WIDTH // 2] == 255


def test_same_card_same_bytes():
    assert png(render(make(("Ice", "Ghost")))) == png(render(make(("Ice", "Ghost"))))
    assert png(render(make(seed=1))) != png(render(make(seed=2)))
    assert png(render(make(), "fr")) != png(render(make()))


def test_type_icons_are_discs_of_any_size():
    for size in (16, 24, 47):
        icon = np.asarray(type_icon("Water", size))
        assert icon.shape == (size, size, 4)
        assert icon[0, 0, 3] == 0 and icon[size // 2, size // 2, 3] == 255


def means(image):
    """A picture's colour in 12 × 17 fields, the nearest to a look from afar."""
    return np.asarray(image.convert("RGB").resize((12, 17), Image.Resampling.BOX)).astype(int)


GOLDEN_CARDS = {
    "fire": make(("Fire",), stage=2, evolves_from="Bram", earlier=creature(), rarity="uncommon"),
    "water-flying": make(("Water", "Flying"), rarity="rare", seed=11),
    "psychic": make(("Psychic",), rarity="legendary", legendary=True, seed=12),
}


@pytest.mark.parametrize("name", GOLDEN_CARDS)
def test_the_card_looks_as_it_did(name):
    """After a wanted change: `python tests/cards/test_render.py` writes the means again."""
    golden = np.array(json.loads(GOLDEN.read_text())[name])
    assert np.abs(means(render(GOLDEN_CARDS[name])) - golden).max() <= 6


def test_contact_sheet_shows_every_card_in_order():
    red, blue = (Image.new("RGBA", (WIDTH, HEIGHT), color) for color in ("red", "blue"))
    sheet = contact_sheet([red, blue, red], 2)
    assert sheet.size == (2 * 316 + 16, 2 * 435 + 16)
    centres = [sheet.getpixel((16 + 150 + 316 * x, 16 + 210 + 435 * y)) for y in (0, 1) for x in (0, 1)]
    assert centres[:3] == [(255, 0, 0), (0, 0, 255), (255, 0, 0)]
    assert centres[3] == sheet.getpixel((0, 0))


if __name__ == "__main__":
    found = {name: means(render(card)).tolist() for name, card in GOLDEN_CARDS.items()}
    GOLDEN.write_text(json.dumps(found) + "\n")

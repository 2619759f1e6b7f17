"""The sprite panel on drawn creatures: it orders sets as a person would, and sees what each metric is meant to see."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from pokegen import zoo
from pokegen.errors import UserError
from pokegen.evaluation import names_panel, references, stats_panel
from pokegen.evaluation import sprites_panel as panel_
from pokegen.evaluation.sprites_panel import DISTANCES, REAL, UNSEEN, SpritePanel, Sprites
from pokegen.schema import NO_TYPE


@pytest.fixture(scope="module")
def panel(drawn) -> SpritePanel:
    return SpritePanel(*drawn, zoo.load("judge").model, zoo.load("type_judge").model, seed=0)


@pytest.fixture(scope="module")
def rows(panel) -> dict:
    dcgan = panel_.draw(zoo.load("dcgan").model, panel.trained.conditions, 250)
    floors = {name: panel.score(s, made_of_real=True) for name, s in panel.references().items()}
    return floors | {"dcgan": panel.score(dcgan)}


def test_the_distances_order_the_references_as_a_person_would(rows):
    assert panel_.disorder(rows) == []
    assert rows[REAL]["kernel_distance"] == pytest.approx(0, abs=0.02)
    assert rows["blended"]["kernel_distance"] == pytest.approx(1, abs=0.3)
    assert rows[REAL]["kernel_distance"] < rows[UNSEEN]["kernel_distance"] < rows["dcgan"]["kernel_distance"]


def test_a_distance_that_is_out_of_order_is_named(rows):
    swapped = rows | {"glued": rows["noise"], "noise": rows["glued"]}
    said = panel_.disorder(swapped)
    assert {line.split()[0] for line in said} == set(DISTANCES)
    assert any("puts blended" in line and "before glued" in line for line in said)


@pytest.mark.parametrize("name", ["cgan", "dcgan", "vae"])
def test_the_distances_order_the_real_sprites_references_too(name):
    """By the numbers in the model cards, which were measured on real sprites."""
    text = (zoo.folder_of(name) / zoo.CARD).read_text(encoding="utf-8")
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if "|" in line]
    head = next(line for line in lines if REAL in line)
    measured: dict = {row: {} for row in head[1:]}
    for line in lines:
        if line[0] in DISTANCES:
            for row, cell in zip(head[1:], line[1:], strict=True):
                measured[row][line[0]] = float(re.match(r"[-\d.,]+", cell)[0].replace(",", ""))
    assert all(len(row) == len(DISTANCES) for row in measured.values()), "a card lacks a distance"
    assert {REAL, UNSEEN, "glued", "blended", "blurred", "noise", name} <= measured.keys()
    assert panel_.disorder(measured) == []


def test_copies_of_training_sprites_are_told_from_new_ones(panel):
    found = panel.score(Sprites(panel.trained.pictures[:60, :, ::-1]))
    assert found["copies"] == 1
    assert found["copy_ratio"] < 0.1


def test_a_collapsed_set_covers_little(panel):
    row = panel.score(Sprites(np.repeat(panel.same.pictures[:5], 25, axis=0)))
    assert row["coverage"] < 0.3
    assert row["kernel_distance"] > 0.03


def test_too_few_pictures_are_refused_and_what_depends_on_numbers_is_left_out(panel):
    with pytest.raises(UserError, match="60 pictures or more, got 59"):
        panel.score(panel.same.take(np.arange(59)))
    row = panel.score(Sprites(panel.same.pictures[:60]), made_of_real=True)
    assert row["type_accuracy"] is None  # nobody says which types were requested
    assert row["frechet_distance"] is None
    assert row["species_coverage"] is None
    assert row["kernel_distance"] is not None
    with pytest.raises(UserError, match="120 real training sprites, there are 100"):
        SpritePanel(panel.trained.take(np.arange(100)), panel.unseen, None, None)


def test_the_same_seed_scores_the_same(drawn):
    trained, unseen = (sprites.take(np.arange(120)[: len(sprites)]) for sprites in drawn)
    judges = zoo.load("judge").model, zoo.load("type_judge").model
    one, again, other = (SpritePanel(trained, unseen, *judges, seed=seed).score(trained) for seed in (0, 0, 1))
    assert one == again
    assert one != other


def test_halves_hold_half_of_each_species():
    species = np.array([1] * 4 + [2] * 5 + [3])
    first, second = panel_.halves(species, 0)
    assert sorted([*first, *second]) == list(range(10))
    assert [(species[half] == 1).sum() for half in (first, second)] == [2, 2]
    assert {int((species[half] == 2).sum()) for half in (first, second)} == {2, 3}


def test_type_scores_take_as_many_types_as_were_asked():
    asked = np.zeros((3, 18))
    asked[0, [1, 2]] = asked[1, 3] = asked[2, 4] = 1
    scores = np.full((3, 18), -1.0)
    scores[0, [1, 2]] = 2, 1
    scores[1, [3, 4]] = 2, 1  # one type was asked: 4 is not told
    scores[2, 5] = 1
    accuracy, f1 = panel_.type_scores(scores, asked)
    assert accuracy == pytest.approx(2 / 3)
    assert f1 == pytest.approx(3 / 18)  # types 1, 2 and 3 whole, 4 missed, 5 false, the others absent


def test_plain_checks():
    picture = np.full((128, 128, 3), 255, np.uint8)
    assert (panel_.palette(picture), panel_.components(picture)) == (0, 0)
    picture[20:40, 20:40] = 0
    picture[60:90, 60:90] = [200, 0, 0]
    picture[100:102, 100:102] = 0  # a speck
    assert (panel_.palette(picture), panel_.components(picture)) == (2, 2)
    assert panel_.white_border(picture[None]) == 1
    picture[0] = 0
    assert panel_.white_border(picture[None]) == pytest.approx(1 - 128 / (4 * 2 * 126))


def test_references_are_made_of_the_pictures(drawn):
    real = drawn[0].pictures[:40]
    glued = references.glued(real)
    upper = (glued[:, :64] == real[:, :64]).all(axis=(1, 2, 3))
    left = (glued[:, :, :64] == real[:, :, :64]).all(axis=(1, 2, 3))
    assert (upper | left).all()
    assert 0 < upper.sum() < 40
    assert not (glued == real).all(axis=(1, 2, 3)).any()
    assert references.blended(real).mean() == pytest.approx(real.mean(), abs=1)
    noise = references.noise(real)
    assert sorted(map(tuple, noise[0].reshape(-1, 3))) == sorted(map(tuple, real[0].reshape(-1, 3)))
    assert references.blurred(real).std() < real.std()


class Asked:
    """Draws a colour that says what was asked."""

    def sample(self, n, condition, generator):
        shade = condition["type1"].float() / 18 + 0 * torch.rand(n, generator=generator)
        return shade.view(n, 1, 1, 1).expand(n, 3, 128, 128) - 0.9


def test_draw_asks_for_rows_of_the_conditions():
    rows = np.array([[0, NO_TYPE, 1, 0, 1, 0, 5], [9, 3, 2, 1, 3, 1, 0]])
    sprites = panel_.draw(Asked(), rows, 130, seed=1)
    assert len(sprites) == 130
    assert {tuple(row) for row in sprites.conditions} == {tuple(row) for row in rows}
    dark = sprites.pictures[:, 64, 64, 0] < 50
    assert (dark == (sprites.conditions[:, 0] == 0)).all()
    again = panel_.draw(Asked(), rows, 130, seed=1)
    assert np.array_equal(again.conditions, sprites.conditions)


def test_the_page_about_the_panel_knows_every_metric():
    page = (Path(__file__).parents[2] / "docs" / "panel.md").read_text(encoding="utf-8")
    for metrics in (panel_.METRICS, stats_panel.METRICS, names_panel.METRICS):
        assert [line for line in (f"| `{k}` | {v} |" for k, v in metrics.items()) if line not in page] == []

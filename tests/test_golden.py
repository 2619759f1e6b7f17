"""Golden samples: what each shipped model makes of one seed, so that no change of the order of random draws, and no
renaming, goes unseen. Names and cards are compared exactly, sprites by the means of tiles, logits closely, agents by
their first actions.

python tests/test_golden.py        writes golden.json again: only where a change of the samples is meant
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pokegen import Generator, zoo
from pokegen.data.pokedex import load_pokedex
from pokegen.data.sample import draw_creature
from pokegen.game.agents.base import AgentNetwork
from pokegen.game.agents.seat import seat
from pokegen.models.classifier import Classifier
from pokegen.models.image import ImageModel
from pokegen.models.reader import Reader
from pokegen.schema import SPRITE_SIZE

GOLDEN = Path(__file__).with_name("golden.json")
SEED = 7
TILES = 8  # a side
COLOR = 4  # of 255: what the mean of a tile may differ by, since other processors round otherwise
STEPS = 60  # of an episode


def sprites(name: str) -> list[Any]:
    """Means of the tiles of two sprites, channels together, of 255."""
    drawn = Generator.from_zoo(name, roles=("sprites",)).sprites(2, seed=SEED)  # uint8 (N, S, S, 3)
    tile = drawn.shape[1] // TILES
    tiles = drawn.reshape(len(drawn), TILES, tile, TILES, tile, 3).mean(axis=(2, 4, 5))
    return tiles.round().astype(int).tolist()


def names(name: str) -> list[str]:
    return Generator.from_zoo(roles=("names",)).names(8, seed=SEED)


def stats(name: str) -> list[Any]:
    rows = Generator.from_zoo(roles=("stats",)).stats(4, seed=SEED)
    return json.loads(rows.to_json(orient="values"))


def reader(name: str) -> list[float]:
    """What it reads in one name: of each column the likeliest value, and the numbers."""
    likely, numbers = zoo.load(name).model.read("embervulp")
    return [*(int(values.argmax()) for values in likely.values()), *numbers.tolist()]


def classifier(name: str) -> list[float]:
    """Logits of the 18 types of a picture of our own."""
    shown = draw_creature(load_pokedex()[SEED]).convert("RGB").resize((SPRITE_SIZE, SPRITE_SIZE))
    picture = torch.from_numpy(np.array(shown)).permute(2, 0, 1)[None] / 127.5 - 1
    with torch.inference_mode():
        return zoo.load(name).model(picture)[0].tolist()


def agent(name: str) -> list[Any]:
    """Its first actions."""
    env, player = seat(name, None, {}, render_mode=None)
    observation, _ = env.reset(seed=SEED)
    player.begin(SEED)
    actions, over = [], False
    while not over and len(actions) < STEPS:
        action = player(env, observation)
        actions.append(np.asarray(action).tolist())
        observation, _, terminated, truncated, _ = env.step(action)
        over = terminated or truncated
    env.close()
    return actions


def cards() -> list[Any]:
    """A line of three, of the default models, but for the sprites."""
    return [card.to_dict() for card in Generator.from_zoo().line(3, seed=SEED)]


@cache
def sample(name: str) -> Any:
    """What a model of the zoo makes, by its kind."""
    model = zoo.load(name).model
    for kind, make in ((ImageModel, sprites), (Classifier, classifier), (Reader, reader), (AgentNetwork, agent)):
        if isinstance(model, kind):
            return make(name)
    return {"names": names, "stats": stats}[name](name)


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    return json.loads(GOLDEN.read_text())


def test_every_shipped_model_has_a_golden_sample(golden) -> None:
    assert sorted(golden) == sorted([*zoo.available(), "a line"])


@pytest.mark.parametrize("name", zoo.available())
def test_samples_are_what_they_were(name: str, golden) -> None:
    found, expected = sample(name), golden[name]
    if name in ("names", "stats"):
        assert found == expected
    else:
        color = isinstance(zoo.load(name).model, ImageModel)
        np.testing.assert_allclose(found, expected, atol=COLOR if color else 1e-3, rtol=0 if color else 1e-3)


def test_a_line_of_cards_is_what_it_was(golden) -> None:
    assert cards() == golden["a line"]


if __name__ == "__main__":
    made = {name: sample(name) for name in zoo.available()} | {"a line": cards()}
    GOLDEN.write_text("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in made.items()) + "\n}\n")

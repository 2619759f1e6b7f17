"""Drawn creatures as the panel's real sprites: 90 species, four pictures each, split by family."""

import pytest

from pokegen.data.modules import SampleSpriteDataModule
from pokegen.evaluation.sprites_panel import Sprites


@pytest.fixture(scope="session")
def drawn(tmp_path_factory) -> tuple[Sprites, Sprites]:
    """Trained and unseen."""
    data = SampleSpriteDataModule(str(tmp_path_factory.mktemp("drawn") / "sample"), species=90, rotation=0, flip=0)
    data.prepare_data()
    data.setup("test")
    return tuple(
        Sprites(d.pixels[d.rows], d.conditions.numpy(), d.species.numpy())
        for d in (data.datasets["train"], data.datasets["test"])
    )

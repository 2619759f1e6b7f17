"""The reader's scores, against distributions whose scores are known."""

import numpy as np
import pytest
import torch

from pokegen.evaluation.reader_panel import evaluate_reader, scores


def test_a_certain_reader_scores_one_and_an_even_one_the_entropy():
    right = np.array([0, 1, 2, 3])
    certain = scores(np.eye(4), right)
    assert (certain["top1"], certain["top3"], certain["top1_se"]) == (1, 1, 0)
    assert certain["nats"] == pytest.approx(0, abs=1e-6)
    even = scores(np.full((4, 4), 0.25), right)
    assert (even["top1"], even["top3"], even["nats"]) == (0.25, 0.75, pytest.approx(np.log(4)))
    assert even["top1_se"] == pytest.approx(np.sqrt(0.25 * 0.75 / 4))


def test_the_model_stands_beside_what_is_usual_and_training_names_are_not_scored():
    class Knows:
        def read(self, name):
            return {"color": torch.tensor([0.8, 0.2] if name == "red" else [0.2, 0.8])}, None

        def usual(self, key):
            return torch.tensor([0.5, 0.5])

    columns = {"name": ["red", "blue", "red"], "color": torch.tensor([[1.0, 0], [0, 1], [0, 1]])}
    rows = evaluate_reader(Knows(), {"train": columns, "test": columns})["rows"]
    assert set(rows) == {"model, test", "usual, test"}
    assert rows["model, test"]["color_top1"] == pytest.approx(2 / 3)
    assert rows["usual, test"]["color_nats"] == pytest.approx(np.log(2), abs=1e-5)

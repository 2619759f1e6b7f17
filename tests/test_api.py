"""What `import pokegen` offers to a program or a notebook."""

import importlib
import subprocess
import sys

import pytest
import torch

import pokegen
from pokegen import models
from pokegen.errors import CheckpointError


def test_a_model_is_loaded_by_the_name_that_the_list_has() -> None:
    assert "cvae" in pokegen.list_models()
    model = pokegen.load_model("cvae")
    assert isinstance(model, models.CVAE)
    assert not model.training
    assert model.sample(2, generator=torch.Generator().manual_seed(0)).shape == (2, 3, 128, 128)


def test_an_unknown_model_is_named_with_those_that_are_known() -> None:
    with pytest.raises(CheckpointError, match=r"Unknown model 'nobody'\. Known models: bc_lander, "):
        pokegen.load_model("nobody")


@pytest.mark.parametrize("name", models.__all__)
def test_every_model_is_offered_under_its_class_name(name: str) -> None:
    assert getattr(models, name).__name__ == name
    assert getattr(models, name).__module__.startswith("pokegen.models.")


def test_an_unknown_class_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nobody'"):
        importlib.import_module("pokegen.models").Nobody  # noqa: B018


def test_a_class_loads_its_own_file_alone() -> None:
    code = "import sys; from pokegen.models import VAE; print(sorted(m for m in sys.modules if 'pokegen.models.' in m))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert "pokegen.models.vae" in done.stdout, done.stderr
    assert "gan" not in done.stdout


def test_importing_pokegen_loads_no_torch() -> None:
    code = "import sys, pokegen; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "False", done.stderr

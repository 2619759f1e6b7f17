"""Every shipped config is valid: the real command line reads it, and its nets can be built without any data."""

import pytest
import torch
import yaml
from lightning.pytorch.cli import LightningCLI

from pokegen.cli import fit
from pokegen.cli.main import main
from pokegen.game.agents.base import EnvStepBudget
from pokegen.resources import shipped
from pokegen.trainers.base import TrainingModule

MODELS = sorted(p.stem for p in shipped("configs").glob("*.yaml"))
GAME = sorted(p.stem for p in shipped("configs/game").glob("*.yaml"))
EXPERIMENTS = sorted(p.stem for p in shipped("configs/experiment").glob("*.yaml"))
EVERY = [*MODELS, *(f"game/{name}" for name in GAME), *(f"experiment/{name}" for name in EXPERIMENTS)]


BASES = {
    **{"idm": "game/idm", "keys": "game/idm", "dqn": "game/dqn", "gail": "game/gail", "evolution": "game/evolution"},
    **{"fighter": "game/ppo", "phases": "game/ppo", "pixel": "pixel_gan"},
}  # of experiments, by the first word of their names


def argv(name):
    """An experiment changes a model's config, so it stands behind one."""
    experiment = name.removeprefix("experiment/")
    base = "game/bc" if experiment.endswith("_study") else BASES.get(experiment.partition("_")[0], "dcgan")
    before = ["--config", f"configs/{base}.yaml"] if experiment != name else []
    return [*before, "--config", f"configs/{name}.yaml"]


def test_no_config_is_missed():
    assert {"cgan", "dcgan", "judge", "names", "stats", "type_judge", "vae"} <= set(MODELS)
    assert "smoke" in EXPERIMENTS
    assert {"cloning", "idm"} <= set(GAME)
    assert {f"configs/{name}.yaml" for name in EVERY} == {
        p.relative_to(shipped()).as_posix()
        for p in shipped("configs").rglob("*.y*ml")
        # W&B's own format: tests/tracking/test_sweeps.py; plans: tests/game/test_phases.py
        if p.parent.name not in ("sweep", "phases")
    }


@pytest.mark.parametrize("name", EVERY)
def test_the_command_line_accepts_it_and_takes_its_settings(name, capsys):
    assert main(["fit", *argv(name), "--print_config"]) == 0
    printed = yaml.safe_load(capsys.readouterr().out)

    def holds(whole, part):
        for key, value in part.items():
            if isinstance(value, dict):
                holds(whole[key], value)
            elif key != "callbacks":  # which come back with their defaults
                assert whole[key] == value

    holds(printed, yaml.safe_load(shipped(f"configs/{name}.yaml").read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", EVERY)
def test_its_nets_are_built_without_data(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    built = []

    class Built(fit.CLI):
        """Stops where the run would get its folder, with the model and the DataModule in hand."""

        def instantiate_classes(self):
            self.config_init = self.parser.instantiate_classes(self.config)
            built.append(self.config_init[self.subcommand])

        def before_instantiate_classes(self):
            pass

        def _run_subcommand(self, subcommand):
            pass

    assert issubclass(fit.CLI, LightningCLI)
    monkeypatch.setattr(fit, "CLI", Built)
    fit.run_training(["fit", *argv(name)])
    (config,) = built
    assert isinstance(config.model, TrainingModule)
    trained = sum(p.numel() for p in config.model.parameters() if p.requires_grad)
    agent = isinstance(config.data, EnvStepBudget)
    assert (100 if agent else 10_000) < trained < 100_000_000
    assert all(p.isfinite().all() for p in config.model.parameters())
    ema = dict(config.model.ema.named_parameters())
    assert all(torch.equal(p, ema[key]) for key, p in config.model.network.named_parameters())
    assert (config.data.steps if agent else config.data.batch_size) > 0
    assert list(tmp_path.iterdir()) == []

"""Each shipped sweep gives `pokegen fit` a command that it accepts, for every value that it may draw."""

import pytest
import yaml

from pokegen.cli.main import main
from pokegen.resources import shipped
from pokegen.tracking.compare import PREFERRED, direction

SWEEPS = sorted(path.stem for path in shipped("configs/sweep").glob("*.yaml"))


def read(name):
    return yaml.safe_load(shipped(f"configs/sweep/{name}.yaml").read_text(encoding="utf-8"))


def extremes(parameter):
    """The first and the last value that W&B may draw."""
    return (
        (parameter["values"][0], parameter["values"][-1])
        if "values" in parameter
        else (parameter["min"], parameter["max"])
    )


def command(sweep, at):
    """What W&B's agent runs, without the environment: `${args}` is --KEY=VALUE of each parameter, by Python's str."""
    arguments = [f"--{key}={extremes(parameter)[at]}" for key, parameter in sweep["parameters"].items()]
    words = []
    for word in sweep["command"]:
        words += arguments if word == "${args}" else [word.replace("${program}", sweep["program"])]
    return words


def test_there_is_one_for_the_conditional_gan():
    assert "cgan" in SWEEPS


@pytest.mark.parametrize("at", [0, -1])
@pytest.mark.parametrize("name", SWEEPS)
def test_the_command_line_takes_its_parameters(name, at, capsys):
    sweep = read(name)
    environment, program, *words = command(sweep, at)
    assert (environment, program, words[0]) == ("${env}", "pokegen", "fit")
    assert not [word for word in words if "$" in word]
    assert main([*words, "--print_config"]) == 0
    config = yaml.safe_load(capsys.readouterr().out)
    for key, parameter in sweep["parameters"].items():
        value = config
        for part in key.split("."):
            value = value[part]
        assert value == extremes(parameter)[at]


@pytest.mark.parametrize("name", SWEEPS)
def test_it_seeks_a_metric_in_the_direction_that_is_better(name):
    metric = read(name)["metric"]
    assert metric["name"] in PREFERRED
    assert metric["goal"] == {-1: "minimize", 1: "maximize"}[direction(metric["name"])]


def test_a_key_that_the_model_lacks_is_refused():
    sweep = read("cgan")
    sweep["parameters"]["model.init_args.generator_rate"] = {"values": [1.0]}
    assert main([*command(sweep, 0)[2:], "--print_config"]) == 2


@pytest.mark.parametrize("name", SWEEPS)
def test_its_head_tells_how_to_start_it(name):
    head = shipped(f"configs/sweep/{name}.yaml").read_text(encoding="utf-8").split("program:")[0]
    assert f"wandb sweep --project pokegen configs/sweep/{name}.yaml" in head
    assert "wandb agent ENTITY/pokegen/ID" in head

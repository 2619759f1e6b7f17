"""What an expert shows, what is learned from it, and PPO that begins with a clone."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml
from gymnasium.envs.box2d.lunar_lander import heuristic

from pokegen import zoo
from pokegen.cli.main import main
from pokegen.errors import UserError
from pokegen.game.agents.base import network_returns
from pokegen.game.agents.demonstrations import BCActorCritic, Demonstrations, demonstrate
from pokegen.game.agents.ppo import ActorCritic
from pokegen.game.play import returns
from pokegen.game.players import Expert
from pokegen.trainers.likelihood import LikelihoodModule

LANDER = "LunarLander-v3"


class Trained:
    """What a DataModule asks of its trainer."""

    def __init__(self, network):
        self.lightning_module = type("Module", (), {"network": network})


def data(network, **settings) -> Demonstrations:
    found = Demonstrations(**settings)
    found.trainer = Trained(network)
    found.setup("fit")
    return found


@pytest.mark.parametrize("continuous", [False, True])
def test_episodes_are_the_experts(continuous: bool):
    network = ActorCritic(LANDER, {"continuous": continuous})
    found = demonstrate(network, 3, seed=7)
    env = network.single()
    assert found.returns.tolist() == [total for total, _ in returns(env, Expert(), 3, 7)]
    for seen, action in list(zip(found.observations, found.actions, strict=True))[::50]:
        np.testing.assert_allclose(np.atleast_1d(heuristic(env, seen.numpy())), action.numpy(), atol=1e-5)
    assert found.actions.dtype == (torch.float32 if continuous else torch.int64)
    starts = [found.observations[found.episodes == e][0] for e in range(3)]
    assert not torch.equal(starts[0], starts[1])
    again = demonstrate(network, 1, seed=8)
    assert torch.equal(again.observations, found.observations[found.episodes == 1])


def test_actions_of_three_parts_are_kept_apart():
    network = ActorCritic("pokegen/Fighter-v0")
    found = demonstrate(network, 1)
    assert found.actions.shape[1] == 3
    assert network.likelihood(network.policy(found.observations), found.actions)[0].shape == (len(found.actions),)


def test_an_agent_can_be_the_expert(tmp_path):
    teacher = ActorCritic(LANDER, hidden=[8])
    zoo.save(
        teacher,
        tmp_path / "teacher",
        "pokegen.game.agents.ppo.ActorCritic",
        {"env": LANDER, "hidden": [8]},
        version="1",
    )
    found = demonstrate(ActorCritic(LANDER), 1, player=str(tmp_path / "teacher"))
    assert torch.equal(teacher.act(found.observations), found.actions[:, 0])
    with pytest.raises(UserError, match="Choose one that plays it"):
        demonstrate(ActorCritic("CartPole-v1"), 1, player=str(tmp_path / "teacher"))


def test_validation_has_episodes_of_its_own_and_a_pass_has_each_row_once():
    found = data(ActorCritic(LANDER), episodes=4, val_episodes=1, batch_size=50, passes=2)
    val = next(iter(found.val_dataloader()))
    assert torch.equal(val["observation"], found.played.observations[found.played.episodes == 3])
    batches = [batch["observation"] for batch in found.train_dataloader()]
    assert len(batches) == len(found.train_dataloader())
    rows = torch.cat(batches)
    whole = found.observations()
    assert len(rows) == 2 * len(whole)
    assert torch.equal(rows[: len(whole)].unique(dim=0), whole.unique(dim=0))
    assert not torch.equal(rows[: len(whole)], whole)
    with pytest.raises(UserError, match="val_episodes"):
        Demonstrations(episodes=3, val_episodes=3)


def test_the_loss_of_parts_is_their_cross_entropy():
    clone = BCActorCritic("pokegen/Fighter-v0", normalise=False).eval()
    x, action = torch.randn(20, 24), torch.stack([torch.randint(n, (20,)) for n in (3, 3, 4)], dim=1)
    dist_params = clone.policy(x)
    each = [F.cross_entropy(part, action[:, k]) for k, part in enumerate(dist_params.split([3, 3, 4], dim=1))]
    found = clone.loss({"observation": x, "action": action})
    torch.testing.assert_close(found["loss"], sum(each))
    assert found["accuracy"] == (clone.act(x) == action).all(dim=1).float().mean()


def test_beyond_an_end_of_the_space_there_is_no_error():
    clone = BCActorCritic(LANDER, {"continuous": True}, normalise=False).eval()
    clone.actor = torch.nn.Identity()
    dist_params = torch.tensor([[3.0, -2.0], [0.5, 0.5], [-3.0, 2.0]])
    action = torch.tensor([[1.0, -1.0], [1.0, 0.0], [1.0, 1.0]])
    found = clone.loss({"observation": dist_params, "action": action})
    assert found["loss"].item() == pytest.approx((0 + 0.25 + 0.25 + 16 + 0) / 3)


def test_noise_is_for_training_alone():
    clone = BCActorCritic(LANDER, noise=0.5)
    batch = {"observation": torch.randn(10, 8), "action": torch.zeros(10, 1, dtype=torch.long)}
    torch.nn.init.normal_(clone.actor[-1].weight)
    assert clone.train().loss(batch)["loss"] != clone.loss(batch)["loss"]
    assert clone.eval().loss(batch)["loss"] == clone.loss(batch)["loss"]
    with pytest.raises(UserError, match="normalise"):
        BCActorCritic(LANDER, noise=0.1, normalise=False)


def test_a_clone_lands_after_1000_batches():
    """The expert scores 280, random play −200."""
    torch.manual_seed(0)
    module = LikelihoodModule(BCActorCritic(LANDER, {"continuous": True}), warmup_steps=0, ema_images=5000)
    found = data(module.net, episodes=5, val_episodes=0, passes=64)
    module.net.prepare(found)
    optimizer = module.configure_optimizers()["optimizer"]
    for batch in list(found.train_dataloader())[:1000]:
        optimizer.zero_grad()
        module.net.loss(batch)["loss"].backward()
        optimizer.step()
        module.count(64)
    assert np.mean([total for total, _ in network_returns(module.ema, 6)]) > 200


def test_a_clone_walks_to_a_creature_after_400_episodes():
    """Random play scores -3.9: it takes 443 of the 600 steps there are."""
    torch.manual_seed(0)
    clone = BCActorCritic("pokegen/Overworld-v0", {"state": True, "creatures": 1}, hidden=[256, 256], sample=True)
    shown = demonstrate(clone, 400)
    clone.update_running_stats(shown.observations)
    optimizer = torch.optim.Adam(clone.parameters(), 1e-3)
    for _ in range(800):
        rows = torch.randint(len(shown.actions), (256,))
        optimizer.zero_grad()
        clone.loss({"observation": shown.observations[rows], "action": shown.actions[rows]})["loss"].backward()
        optimizer.step()
    assert np.mean([total for total, _ in network_returns(clone.eval(), 64)]) > -2.5


def test_ppo_begins_with_a_clone(tmp_path):
    quiet = ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false", "--log=off"]
    small = ["--data.episodes=2", "--data.val_episodes=1", "--data.passes=1", "--trainer.max_epochs=1"]
    runs = [f"--runs={tmp_path}", *quiet]
    assert main(["fit", "--config", "configs/game/bc.yaml", *small, *runs]) == 0
    assert main(["zoo", "export", str(tmp_path / "bc"), str(tmp_path / "zoo" / "clone")]) == 0
    clone = zoo.load(tmp_path / "zoo" / "clone").model
    assert isinstance(clone, ActorCritic)
    assert clone.seen > 50
    network = {"env": LANDER, "hidden": [128, 128], "normalise": True}
    settings = {
        "model": {"init_args": {"network": {"init_args": network}, "num_envs": 1, "num_steps": 8, "val_episodes": 1}},
        "data": {"init_args": {"steps": 8, "epoch_steps": 8}},
    }
    settings["model"]["init_args"]["learning_rate"] = 0.0
    (tmp_path / "more.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    argv = ["fit", "--config", "configs/game/ppo.yaml", "--config", str(tmp_path / "more.yaml"), "--run", "ppo", *runs]
    assert main([*argv, "--init_from", str(tmp_path / "zoo" / "clone")]) == 0
    weights = torch.load(tmp_path / "ppo" / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    for key, value in clone.state_dict().items():
        if key.startswith("actor."):
            assert torch.equal(weights[f"net.{key}"], value)
    assert weights["net.seen"] == clone.seen + 8

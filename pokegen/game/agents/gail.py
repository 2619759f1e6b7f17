"""GAIL: PPO on a reward that measures how much the policy's actions look like an expert's.

Ho & Ermon, Generative Adversarial Imitation Learning, NeurIPS 2016: algorithm 1, with PPO's clipped step in place of
TRPO's. A discriminator learns to distinguish pairs of observation and action (eq. 17; here a positive logit means
expert), on noisy inputs, with a penalty on its gradient between both (Gulrajani et al., NeurIPS 2017, eq. 3, as
Kostrikov et al., ICLR 2019, use it). Left out: a replay buffer of the policy's pairs.

Which reward suits depends on how an episode ends. `log D` is never positive: ending early pays, as where a goal ends
the game. `−log(1 − D)` is never negative: living on pays, as where an end is a failure. Their sum, the logit, can be
either, depending on the discriminator's bias. `endless` removes that bias: a termination does not end the rewards, and
the value of the last observation replaces the rewards that would follow, as after a time limit (the effect of the
absorbing states of Kostrikov et al., section 4.2, by the critic instead of the discriminator). The discriminator is
also trained on last observations, and its score there is added `end_weight` times, so that a crash at the right place
does not pay like a landing.

Letters: B rows, D numbers of a pair; the others as in ppo.py.

Metrics in addition to those of ppo.py, whose returns are the environment's; the agent does not learn from them:

    train/discriminator     cross-entropy of expert and policy, mean of both; ln 2 where they look alike
    train/expert_score      mean probability that the discriminator gives the expert's pairs of being the expert's
    train/policy_score      the same for the policy's pairs
    train/reward            mean reward of a step

At the end both scores are plotted to discriminator.png in the run's folder.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, nn

from pokegen.errors import UserError
from pokegen.files import atomic_file
from pokegen.game.agents.base import AgentNetwork
from pokegen.game.agents.demonstrations import Demonstrated, demonstrate
from pokegen.game.agents.ppo import PPO, ActorCritic, Rollout

REWARDS = ("log_d", "log_1_d", "logit")


class Discriminator(nn.Module):
    """Pairs → logits, above 0 for an expert's. Vectors alone.

    Args:
        policy: whose observations and actions they are.
        hidden: units of the layers, with ReLU between.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, policy: ActorCritic, hidden: Sequence[int] = (64,)):
        super().__init__()
        if policy.body is not None:
            raise UserError(f"GAIL compares vectors; {policy.env} shows screens.")
        self.parts = policy.parts
        size = int(np.prod(policy.observation_space.shape))
        self.actions = sum(policy.parts) or int(np.prod(policy.action_space.shape))  # numbers of one
        sizes = [size + self.actions, *hidden]
        layers: list[nn.Module] = []
        for i, width in enumerate(hidden):
            layers += [nn.Linear(sizes[i], width), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], 1))
        self.register_buffer("mean", torch.zeros(size))  # of the expert's observations
        self.register_buffer("deviation", torch.ones(size))

    def pairs(self, observations: Tensor, actions: Tensor | None) -> Tensor:
        """Observations (B, …) and actions (B, K) → pairs (B, D), normalised by the expert's deviations, within ±10.
        Without actions their numbers are 0: the episode has ended."""
        x = ((observations.flatten(1).float() - self.mean) / self.deviation).clamp(-10, 10)
        if actions is None:
            return F.pad(x, (0, self.actions))
        if not self.parts:
            return torch.cat([x, actions.float()], dim=1)
        each = [F.one_hot(actions[:, k], n).float() for k, n in enumerate(self.parts)]
        return torch.cat([x, *each], dim=1)

    def forward(self, pairs: Tensor) -> Tensor:
        return self.layers(pairs)[:, 0]  # (B,)


class GAIL(PPO):
    """Trains a ppo.ActorCritic on the rewards of a discriminator.

    Args:
        network: what is trained.
        episodes: of the expert.
        expert: who plays them, see demonstrations.demonstrate.
        expert_seed: of the first.
        discriminator: units of its layers.
        discriminator_lr: step size of its Adam.
        discriminator_updates: its updates in a training step.
        discriminator_batch: rows of the expert in one update, and as many of the policy.
        noise: standard deviation of the noise that is added to pairs when the discriminator learns.
        penalty: weight of its gradient's distance from 1, squared; 0 for none.
        reward: log_d for log D, log_1_d for −log(1 − D), or logit for their sum.
        reward_low: smaller rewards are clipped to this, before any scaling.
        reward_high: larger rewards are clipped to this, before any scaling.
        endless: see above.
        end_weight: weight of the discriminator's score of a last observation; 0 does not train on them.
        end_share: share of the discriminator's rows that are last observations.
        kwargs: see ppo.PPO, without clip_rewards and terminal_on_life_loss.
    """

    expert: Demonstrated

    def __init__(
        self,
        network: AgentNetwork,
        episodes: int = 5,
        expert: str = "expert",
        expert_seed: int = 0,
        discriminator: Sequence[int] = (64,),
        discriminator_lr: float = 3e-4,
        discriminator_updates: int = 16,
        discriminator_batch: int = 256,
        noise: float = 0.01,
        penalty: float = 0.0,
        reward: str = "logit",
        reward_low: float = -100.0,
        reward_high: float = 100.0,
        endless: bool = True,
        end_weight: float = 10.0,
        end_share: float = 0.125,
        **kwargs: Any,
    ):
        super().__init__(network, **kwargs)
        if self.clip_rewards or self.terminal_on_life_loss:
            raise UserError(
                "clip_rewards and terminal_on_life_loss change the game's reward, which GAIL does not learn from."
            )
        if reward not in REWARDS:
            raise UserError(f"reward: expected one of {', '.join(REWARDS)}, got {reward!r}.")
        if reward_low >= reward_high or min(episodes, discriminator_updates, discriminator_batch) < 1:
            raise UserError(
                "reward_low must be below reward_high, and episodes, discriminator_updates and discriminator_batch at "
                "least 1."
            )
        if end_weight < 0 or not 0 < end_share < 1:
            raise UserError(f"end_weight must not be below 0, and end_share in (0, 1), got {end_weight}, {end_share}.")
        self.discriminator = Discriminator(network, discriminator)  # type: ignore[arg-type]  # as PPO has checked
        self.episodes, self.expert_player, self.expert_seed = episodes, expert, expert_seed
        self.discriminator_lr, self.discriminator_updates = discriminator_lr, discriminator_updates
        self.discriminator_batch, self.noise, self.penalty = discriminator_batch, noise, penalty
        self.reward, self.bounds, self.endless = reward, (reward_low, reward_high), endless
        self.end_weight, self.end_rows = end_weight, max(1, round(end_share * discriminator_batch))
        self.scores: list[list[float]] = []  # environment steps, expert's, policy's

    def configure_optimizers(self) -> Any:
        return [
            super().configure_optimizers(),
            torch.optim.Adam(self.discriminator.parameters(), self.discriminator_lr, fused=True),
        ]

    def state(self) -> dict[str, Any]:
        return super().state() | {"scores": self.scores}

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        self.scores = [list(row) for row in state["scores"]]

    def on_fit_start(self) -> None:
        super().on_fit_start()
        self.expert = demonstrate(self.net, self.episodes, self.expert_seed, self.expert_player)
        rank_zero_info(
            f"The expert's {len(self.expert.actions):,} steps earn {self.expert.returns.mean():.1f} an episode."
        )
        obs = self.expert.observations.flatten(1).float()
        self.discriminator.mean.copy_(obs.mean(dim=0))
        self.discriminator.deviation.copy_(obs.std(dim=0).clamp(min=1e-3))

    def rewards(self, rollout: Rollout) -> tuple[np.ndarray, dict[str, Any]]:
        """Trains the discriminator on a rollout, then scores each of its steps."""
        live = torch.from_numpy(~rollout.autoreset)
        action = rollout.actions.cpu() if self.net.parts else self._clipped(rollout.actions.cpu())
        every = [x.flatten(0, 1).to(self.device) for x in (rollout.observations[:-1], action)]
        mine = self.discriminator.pairs(*every)
        expert = self.discriminator.pairs(self.expert.observations.to(self.device), self.expert.actions.to(self.device))
        last = self.expert.ends, rollout.observations[1:][torch.from_numpy(rollout.terminated)]
        ends = [self.discriminator.pairs(x.to(self.device), None) for x in last]
        values = self.discriminate(expert, mine[live.flatten().to(self.device)], ends)
        found = np.where(rollout.autoreset, np.float32(0), self.earned(mine).reshape(rollout.autoreset.shape))
        values["reward"] = float(found[~rollout.autoreset].mean())
        if self.end_weight and len(self.expert.ends):
            found[rollout.terminated] += self.end_weight * self.earned(ends[1])
        self.scores.append([float(self.env_steps), values["expert_score"], values["policy_score"]])
        return self.scale(found, rollout.done, rollout.autoreset) if self.scale else found, values

    def improve(self, rollout: Rollout, rewards: np.ndarray) -> dict[str, Any]:
        if self.endless:
            rollout = rollout._replace(terminated=np.zeros_like(rollout.terminated))
        return super().improve(rollout, rewards)

    @torch.no_grad()
    def earned(self, pairs: Tensor) -> np.ndarray:
        """Pairs (M, D) → rewards, float32 (M,)."""
        logit = self.discriminator(pairs)
        gain = {"log_d": F.logsigmoid(logit), "log_1_d": F.softplus(logit), "logit": logit}[self.reward]
        return gain.clamp(*self.bounds).cpu().numpy()

    def _clipped(self, action: Tensor) -> Tensor:
        """What of continuous actions, (T, N, K), reached the environment."""
        return action.clamp(self.net.low.flatten().cpu(), self.net.high.flatten().cpu())

    def discriminate(self, expert: Tensor, policy: Tensor, ends: Sequence[Tensor]) -> dict[str, Any]:
        """Updates of the discriminator on pairs (M, D) of both, and on the ends of both. Returns values for the log."""
        some = self.end_weight > 0 and min(map(len, ends)) > 0
        optimizer: Any = self.optimizers()[1].optimizer  # type: ignore[index]  # raw: no global step of its own
        log = []
        for _ in range(self.discriminator_updates):
            count = self.discriminator_batch - (self.end_rows if some else 0)
            real, fake = self._draw(expert, count), self._draw(policy, count)
            if some:
                last = [self._draw(pairs, self.end_rows) for pairs in ends]
                real, fake = (torch.cat(both) for both in zip((real, fake), last, strict=True))
            loss, values = self.discriminator_loss(real, fake)
            self._descend(optimizer, loss, self.discriminator)
            log.append(values)
        names = "discriminator", "expert_score", "policy_score"
        return dict(zip(names, torch.stack(log).mean(dim=0).tolist(), strict=True))

    def _draw(self, pairs: Tensor, count: int) -> Tensor:
        rows = torch.randint(len(pairs), (count,), generator=self.rng).to(pairs.device)
        drawn = pairs.index_select(0, rows)
        return drawn + self.noise * torch.randn(drawn.shape, generator=self.rng).to(pairs.device)

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """Of pairs (B, D) of the expert and of the policy. Returns it and values for the log."""
        one, other = self.discriminator(torch.cat([real, fake])).chunk(2)
        entropy = 0.5 * (F.softplus(-one).mean() + F.softplus(other).mean())
        loss = entropy
        if self.penalty:
            share = torch.rand(len(real), 1, generator=self.rng).to(real.device)
            between = (share * real + (1 - share) * fake).requires_grad_()
            (slope,) = torch.autograd.grad(self.discriminator(between).sum(), between, create_graph=True)
            loss = loss + self.penalty * (slope.norm(dim=1) - 1).square().mean()
        with torch.no_grad():
            return loss, torch.stack([entropy, one.sigmoid().mean(), other.sigmoid().mean()])

    def on_train_end(self) -> None:
        if self.trainer.is_global_zero and self.scores:
            draw_scores(self.scores, Path(self.trainer.default_root_dir) / "discriminator.png")


def draw_scores(scores: Sequence[Sequence[float]], path: Path) -> None:
    """Draw rows of environment steps, expert's and policy's score."""
    from matplotlib.figure import Figure

    figure = Figure((6, 3.5), layout="constrained")
    axes = figure.subplots()
    steps, expert, policy = np.array(scores).T
    late = -(-len(steps) // 4)
    sides = (expert, "expert", expert[-late:].max(), "bottom"), (policy, "policy", policy[-late:].min(), "top")
    for values, name, height, place in sides:
        (line,) = axes.plot(steps, values)
        axes.annotate(name, (steps[-1], height), color=line.get_color(), ha="right", va=place)
    axes.axhline(0.5, color="gray", linewidth=0.8, linestyle=":")
    axes.set(xlabel="environment steps", ylabel="score of the discriminator", ylim=(0, 1))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.spines[["top", "right"]].set_visible(False)
    with atomic_file(path) as file:
        figure.savefig(file, dpi=120, format="png")

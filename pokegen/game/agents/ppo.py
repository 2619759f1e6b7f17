"""PPO: a policy that is improved in small steps on its own latest rollout.

Schulman et al., Proximal Policy Optimization Algorithms, arXiv 1707.06347 (the clipped surrogate, eq. 7; the loss,
eq. 9), with generalised advantage estimation (Schulman et al., ICLR 2016, eq. 16), and those of the 37 details (Huang
et al., The 37 Implementation Details of PPO, ICLR blog track 2022) that apply: orthogonal weights, Adam's ε 1e-5,
annealed step size, shuffled minibatches whose advantages are normalised, clipped values, entropy, a largest norm of the
gradient, apart nets for vectors and one body for screens, normalised and clipped observations and rewards, factored
actions, state-independent deviations. Left out: recurrent policies, masks of invalid actions.

Letters: T steps of a rollout, N environments, B rows of a minibatch, K numbers of an action, P of a distribution.

Metrics in addition to those of base.py, means over a training step's minibatches:

    train/policy_loss           minus the clipped surrogate
    train/value_loss            half the squared error of the values; lower is better
    train/entropy               mean entropy of the policy, nats; it falls as actions become certain
    train/approx_kl             KL of the policy that played from the one that learns, nats: ratio − 1 − log ratio
    train/clip_fraction         share of the rows whose ratio was clipped
    train/explained_variance    share of the returns' variance that the values explained before the update; 1 is best
    train/lr                    Adam's step size
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from pokegen.errors import UserError
from pokegen.game.agents.base import AgentModule, AgentNetwork, FeatureExtractor

ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU}
CLIP = 10.0  # of normalised observations and rewards, in standard deviations
_LOG_2PI = math.log(2 * math.pi)


class ActorCritic(AgentNetwork):
    """Observations → a distribution over actions, and the value: the expected discounted return.

    A distribution is a row of P numbers: of a Discrete or MultiDiscrete space the logits of its parts, concatenated;
    of a Box the means, whose deviations do not depend on the observation.

    Args:
        env, options, plain_spaces: see base.AgentNetwork; actions are Discrete, MultiDiscrete or Box.
        hidden: units of the actor's layers; with screens, of the layers after the convolutions, which are
            shared with the critic.
        critic_hidden: units of the critic's own layers; null for as many as the actor's. Not for screens.
        activation: tanh or relu, between the layers of vectors.
        widths: channels of the convolutions.
        normalise: vectors are given as deviations from the mean of those seen, within ±10; mean and variance belong
            to the weights.
        log_std: logarithm of a Box's deviations at the start.
        sample: draw its actions when it plays, instead of the likeliest.
    """

    actor: nn.Module
    critic: nn.Module
    low: Tensor
    high: Tensor
    mean: Tensor
    variance: Tensor
    seen: Tensor

    def __init__(
        self,
        env: str,
        options: Mapping[str, Any] | None = None,
        hidden: Sequence[int] = (64, 64),
        critic_hidden: Sequence[int] | None = None,
        activation: str = "tanh",
        widths: Sequence[int] = (32, 64, 64),
        normalise: bool = False,
        log_std: float = 0.0,
        sample: bool = False,
        plain_spaces: Mapping[str, Any] | None = None,
    ):
        super().__init__(env, options, plain_spaces)
        space, actions = self.observation_space, self.action_space
        if activation not in ACTIVATIONS:
            raise UserError(f"activation: expected one of {', '.join(ACTIVATIONS)}, got {activation!r}.")
        if not isinstance(space, spaces.Box):
            raise UserError(f"PPO sees screens or vectors; {env} shows {space}.")
        if isinstance(actions, spaces.Discrete):
            self.parts, self.start = [int(actions.n)], [int(actions.start)]
        elif isinstance(actions, spaces.MultiDiscrete) and actions.nvec.ndim == 1:
            self.parts, self.start = actions.nvec.tolist(), actions.start.tolist()
        elif isinstance(actions, spaces.Box):
            self.parts, self.start = [], []
        else:
            raise UserError(f"PPO's actions are Discrete, MultiDiscrete or Box; {env} has {actions}.")
        screens = len(space.shape) == 3
        if screens and (normalise or critic_hidden is not None):
            raise UserError("normalise and critic_hidden are for vectors: leave them out with screens.")
        self.sample_actions, self.normalise = sample, normalise
        kind = ACTIVATIONS[activation]
        size = sum(self.parts) or math.prod(actions.shape)
        self.body = FeatureExtractor(space, hidden, widths=widths) if screens else None
        if self.body is not None:
            self.actor, self.critic = nn.Linear(self.body.size, size), nn.Linear(self.body.size, 1)
        else:
            self.actor = _layers(space, hidden, kind, size)
            self.critic = _layers(space, hidden if critic_hidden is None else critic_hidden, kind, 1)
        for net, gain in ((self.body, 0.0), (self.actor, 0.01), (self.critic, 1.0)):
            found = [m for m in net.modules() if isinstance(m, nn.Linear | nn.Conv2d)] if net is not None else []
            for i, layer in enumerate(found):
                last = gain and i + 1 == len(found)
                nn.init.orthogonal_(layer.weight, gain if last else math.sqrt(2))
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        if self.body is not None:
            self.body.to(memory_format=torch.channels_last)
        if not self.parts:
            self.log_std = nn.Parameter(torch.full((size,), float(log_std)))
            self.register_buffer("low", torch.from_numpy(actions.low), persistent=False)
            self.register_buffer("high", torch.from_numpy(actions.high), persistent=False)
        if normalise:  # in float64, which an export does not halve
            self.register_buffer("mean", torch.zeros(space.shape, dtype=torch.float64))
            self.register_buffer("variance", torch.ones(space.shape, dtype=torch.float64))
            self.register_buffer("seen", torch.zeros((), dtype=torch.float64))

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Observations → distributions (N, P), values (N,)."""
        x = self.features(observation)
        return self.actor(x).float(), self.critic(x)[:, 0].float()

    def features(self, observation: Tensor) -> Tensor:
        """Input of actor and critic, (N, features)."""
        if self.body is not None:
            return self.body(observation)
        x = observation.flatten(1)
        if not self.normalise:
            return x.float()
        scale = (self.variance + 1e-8).rsqrt()
        return ((x - self.mean.flatten()) * scale.flatten()).clamp(-CLIP, CLIP).float()

    def policy(self, observation: Tensor) -> Tensor:
        """Observations → distributions (N, P)."""
        return self.actor(self.features(observation)).float()

    @torch.no_grad()
    def update_running_stats(self, observations: Tensor) -> None:
        """Update mean and variance with observations (M, …) (Chan et al., 1979)."""
        if not self.normalise or not len(observations):
            return
        new = observations.double()
        total = self.seen + len(new)
        apart = new.mean(dim=0) - self.mean
        squares = self.variance * self.seen + new.var(dim=0, unbiased=False) * len(new)
        self.variance.copy_((squares + apart**2 * self.seen * len(new) / total) / total)
        self.mean.add_(apart * len(new) / total)
        self.seen.copy_(total)

    def noise(self, *shape: int, generator: torch.Generator | None = None) -> Tensor:
        """Noise for `draw`, for distributions of this shape, (*shape, …)."""
        size = (*shape, sum(self.parts)) if self.parts else (*shape, len(self.log_std))
        if not self.parts:
            return torch.randn(size, generator=generator)
        return -torch.empty(size).exponential_(generator=generator).clamp_(min=1e-30).log_()  # Gumbel

    def draw(self, dist_params: Tensor, noise: Tensor | None) -> Tensor:
        """Samples actions of distributions (N, P): int64 or float32, (N, K); without noise the most likely."""
        if not self.parts:
            return dist_params if noise is None else dist_params + self.log_std.exp() * noise
        scores = (dist_params if noise is None else dist_params + noise).split(self.parts, dim=1)
        return torch.stack([part.argmax(dim=1) for part in scores], dim=1)

    def playable(self, action: Tensor) -> Tensor:
        """Actions (N, K) → actions of the environment's space."""
        if not self.parts:
            return action.view(-1, *self.action_space.shape).clamp(self.low, self.high)
        if isinstance(self.action_space, spaces.Discrete):
            return action[:, 0] + self.start[0]
        return action + torch.tensor(self.start, device=action.device)

    def likelihood(self, dist_params: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities (B,) of actions (B, K) under distributions (B, P), and those distributions' entropies (B,)
        or, where all have the same, ()."""
        if not self.parts:
            errors = (action - dist_params) * torch.exp(-self.log_std)
            constant = self.log_std.sum() + 0.5 * _LOG_2PI * len(self.log_std)
            return -0.5 * errors.square().sum(dim=1) - constant, constant + 0.5 * len(self.log_std)
        logs = [part.log_softmax(dim=1) for part in dist_params.split(self.parts, dim=1)]
        chosen = [log.gather(1, action[:, k : k + 1]) for k, log in enumerate(logs)]
        log = torch.cat(logs, dim=1)
        return torch.cat(chosen, dim=1).sum(dim=1), -(log.exp() * log).sum(dim=1)

    def act(self, observation: Tensor, generator: torch.Generator | None = None) -> Tensor:
        noise = None
        if self.sample_actions:
            noise = self.noise(len(observation), generator=generator).to(observation.device)
        return self.playable(self.draw(self.policy(observation), noise))


def _layers(space: spaces.Box, hidden: Sequence[int], activation: type[nn.Module], out: int) -> nn.Sequential:
    sizes = [math.prod(space.shape), *hidden]
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(sizes):
        layers += [nn.Linear(before, after), activation()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], out))


def advantages(
    rewards: np.ndarray, values: np.ndarray, terminated: np.ndarray, done: np.ndarray, autoreset: np.ndarray,
    gamma: float, gae_lambda: float,
) -> np.ndarray:  # fmt: skip
    """Generalised advantages, float32 (T, N).

    After a termination the value is 0. After a truncation, and at the end of the rollout, it is the critic's value of
    the last observation. An autoreset step has advantage 0, and no advantage passes through it.

    Args:
        rewards: (T, N).
        values: (T + 1, N), of the observation before each step, and of the last one.
        terminated, done, autoreset: (T, N), see base.AgentModule.step.
        gamma: γ.
        gae_lambda: λ.
    """
    found = np.zeros_like(rewards)
    live = ~autoreset
    errors = rewards + gamma * values[1:] * ~terminated - values[:-1]
    keep = (gamma * gae_lambda * (~done & live)).astype(rewards.dtype)
    ahead = np.zeros_like(rewards[0])
    for t in range(len(rewards) - 1, -1, -1):
        ahead = (errors[t] + keep[t] * ahead) * live[t]
        found[t] = ahead
    return found


class Rollout(NamedTuple):
    """A rollout. `dist_params` are the distributions that its actions were drawn from."""

    observations: Tensor  # (T + 1, N, …)
    dist_params: Tensor  # (T, N, P)
    actions: Tensor  # (T, N, K)
    values: np.ndarray  # (T + 1, N)
    rewards: np.ndarray  # float32 (T, N)
    terminated: np.ndarray  # bool (T, N), lost lives included with terminal_on_life_loss
    done: np.ndarray  # bool (T, N)
    autoreset: np.ndarray  # bool (T, N)


class RewardNormalizer:
    """Divides rewards by the running standard deviation of their discounted sums."""

    def __init__(self, gamma: float):
        self.gamma = gamma
        self.count, self.mean, self.squares = 0.0, 0.0, 0.0
        self.sums: np.ndarray | None = None  # of each environment

    def __call__(self, rewards: np.ndarray, done: np.ndarray, autoreset: np.ndarray) -> np.ndarray:
        """Update the deviation with rewards (T, N), and return them scaled, clipped to ±10."""
        sums = np.zeros(rewards.shape[1]) if self.sums is None else self.sums
        found = np.empty(rewards.shape)
        for t in range(len(rewards)):
            sums = sums * self.gamma + rewards[t]
            found[t] = sums
            sums = np.where(done[t], 0.0, sums)
        self.sums = sums
        new = found[~autoreset]
        if len(new):
            total, apart = self.count + len(new), float(new.mean()) - self.mean
            self.squares += float(new.var()) * len(new) + apart**2 * self.count * len(new) / total
            self.mean += apart * len(new) / total
            self.count = total
        deviation = math.sqrt(self.squares / max(1.0, self.count) + 1e-8)
        return np.clip(rewards / deviation, -CLIP, CLIP).astype(np.float32)


class PPO(AgentModule):
    """Trains an ActorCritic.

    Args:
        network, num_envs, num_steps: see base.AgentModule.
        learning_rate: Adam's step size.
        lr_end: share of learning_rate left at the end of the budget; it falls linearly. 0 is CleanRL's `anneal_lr`.
        gamma: discount factor of one step, γ.
        gae_lambda: λ of the advantages, in [0, 1]: 0 looks one step ahead, 1 to the end of the episode.
        update_epochs: passes over a rollout.
        batch_size: rows of a minibatch, as in Stable-Baselines3 (CleanRL: minibatch_size). A rollout is split evenly
            into minibatches of about this size.
        clip_coef: ε of the clipped surrogate: the ratio of the policies is clipped to [1 − ε, 1 + ε].
        clip_range_vf: values are clipped to those of the rollout ± clip_range_vf; 0 does not clip.
        ent_coef: weight of the policy's entropy in the loss.
        vf_coef: weight of the value loss, which is half the mean squared error.
        max_grad_norm: largest norm of the gradient; 0 does not clip.
        norm_adv: normalise the advantages of each minibatch to mean 0 and deviation 1.
        normalise_rewards: divide rewards by the standard deviation of their discounted sums, and clip them to ±10.
        clip_rewards: replace rewards by their signs.
        terminal_on_life_loss: a lost life ends the episode for the advantages; the game goes on.
        target_kl: stop the passes over a rollout after one whose mean approx_kl is above this; 0 makes all passes.
        critic_steps: environment steps at the start in which only the critic's own layers are trained, so that an
            untrained critic does not spoil a cloned policy.
        kwargs: see base.AgentModule.
    """

    def __init__(
        self,
        network: AgentNetwork,
        num_envs: int = 16,
        num_steps: int = 1024,
        learning_rate: float = 3e-4,
        lr_end: float = 1.0,
        gamma: float = 0.99,
        gae_lambda: float = 0.95,
        update_epochs: int = 10,
        batch_size: int = 64,
        clip_coef: float = 0.2,
        clip_range_vf: float = 0.0,
        ent_coef: float = 0.0,
        vf_coef: float = 0.5,
        max_grad_norm: float = 0.5,
        norm_adv: bool = True,
        normalise_rewards: bool = False,
        clip_rewards: bool = False,
        terminal_on_life_loss: bool = False,
        target_kl: float = 0.0,
        critic_steps: int = 0,
        **kwargs: Any,
    ):
        super().__init__(network, num_envs, num_steps, **kwargs)
        if not isinstance(network, ActorCritic):
            raise UserError(
                f"PPO trains pokegen.game.agents.ppo.ActorCritic or a kind of it, got {type(network).__name__}."
            )
        if batch_size < 2 or update_epochs < 1:
            raise UserError(
                f"batch_size must be at least 2 and update_epochs at least 1, got {batch_size} and {update_epochs}."
            )
        if clip_rewards and normalise_rewards:
            raise UserError("clip_rewards and normalise_rewards exclude each other: set one.")
        self.learning_rate, self.lr_end, self.gamma, self.gae_lambda = learning_rate, lr_end, gamma, gae_lambda
        self.update_epochs, self.batch_size = update_epochs, batch_size
        self.clip_coef, self.clip_range_vf, self.ent_coef, self.vf_coef = clip_coef, clip_range_vf, ent_coef, vf_coef
        self.max_grad_norm, self.norm_adv = max_grad_norm, norm_adv
        self.clip_rewards, self.terminal_on_life_loss, self.target_kl = clip_rewards, terminal_on_life_loss, target_kl
        self.critic_steps = critic_steps
        self.scale = RewardNormalizer(gamma) if normalise_rewards else None

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.net.parameters(), self.learning_rate, eps=1e-5, fused=True)

    def state(self) -> dict[str, Any]:
        return {"scale": [self.scale.count, self.scale.mean, self.scale.squares]} if self.scale else {}

    def load_state(self, state: dict[str, Any]) -> None:
        if self.scale and "scale" in state:
            self.scale.count, self.scale.mean, self.scale.squares = state["scale"]

    def reset(self) -> None:
        super().reset()
        if self.scale:
            self.scale.sums = None

    def learn(self) -> dict[str, Any]:
        rollout = self.collect()
        rewards, values = self.rewards(rollout)
        if self.env_steps >= self.critic_steps:
            self.net.update_running_stats(rollout.observations[:-1][torch.from_numpy(~rollout.autoreset)])
        return values | self.improve(rollout, rewards)

    @torch.no_grad()
    def collect(self) -> Rollout:
        """Play `num_steps` steps of all environments."""
        steps, count = self.num_steps, self.num_envs
        noise = self.net.noise(steps, count, generator=self.rng).to(self.device)
        obs = np.empty((steps + 1, *self.obs.shape), self.obs.dtype)
        dist_params: list[Tensor] = []
        actions: list[Tensor] = []
        values: list[Tensor] = []
        rewards = np.empty((steps, count), np.float32)
        terminated, done, autoreset = (np.empty((steps, count), bool) for _ in range(3))
        for t in range(steps):
            obs[t] = self.obs
            found, value = self.net(torch.from_numpy(obs[t]).to(self.device))
            action = self.net.draw(found, noise[t])
            dist_params.append(found)
            values.append(value)
            actions.append(action)
            reward, ended, last, autoreset[t], life_lost = self.step(self.net.playable(action).cpu().numpy())
            if self.terminal_on_life_loss:
                ended, last = ended | life_lost, last | life_lost
            rewards[t], terminated[t], done[t] = reward, ended, last
        obs[-1] = self.obs
        values.append(self.net(torch.from_numpy(obs[-1]).to(self.device))[1])
        return Rollout(
            torch.from_numpy(obs), torch.stack(dist_params), torch.stack(actions), torch.stack(values).cpu().numpy(),
            rewards, terminated, done, autoreset,
        )  # fmt: skip

    def rewards(self, rollout: Rollout) -> tuple[np.ndarray, dict[str, Any]]:
        """Rewards to learn from, float32 (T, N), and values for the log."""
        if self.clip_rewards:
            return np.sign(rollout.rewards), {}
        return self.scale(rollout.rewards, rollout.done, rollout.autoreset) if self.scale else rollout.rewards, {}

    def improve(self, rollout: Rollout, rewards: np.ndarray) -> dict[str, Any]:
        """All passes over a rollout."""
        p, alone = rollout, self.env_steps < self.critic_steps
        for name, parameter in self.net.named_parameters():
            parameter.requires_grad_(not alone or name.startswith("critic."))
        advantage = advantages(rewards, p.values, p.terminated, p.done, p.autoreset, self.gamma, self.gae_lambda)
        live = np.flatnonzero(~p.autoreset)
        rows = torch.from_numpy(live).to(self.device)

        def flat(x: Tensor) -> Tensor:
            return x.to(self.device).flatten(0, 1).index_select(0, rows)

        obs, action = flat(p.observations[:-1]), flat(p.actions)
        with torch.no_grad():
            before = self.net.likelihood(flat(p.dist_params), action)[0]
        old, returns = p.values[:-1].flat[live], (advantage + p.values[:-1]).flat[live]
        columns = torch.from_numpy(np.stack([advantage.flat[live], returns, old])).to(self.device)
        facts = torch.cat([columns, before[None]]).T.contiguous()  # (rows, 4)
        rate = self.learning_rate * (1 + (self.lr_end - 1) * self.progress)
        lightning: Any = self.optimizers()
        lightning = lightning[0] if isinstance(lightning, list) else lightning
        lightning.optimizer.param_groups[0]["lr"] = rate
        optimizer: Any = lightning  # for the first update alone: a training step is to be one global step
        parts = max(1, round(len(live) / self.batch_size))
        log: list[Tensor] = []
        for _ in range(self.update_epochs):
            order = torch.randperm(len(live), generator=self.rng).to(self.device)
            shuffled = (x.index_select(0, order).tensor_split(parts) for x in (obs, action, facts))
            for batch in zip(*shuffled, strict=True):
                loss, values = self.loss(*batch)
                self._descend(optimizer, loss, self.net, self.max_grad_norm)
                optimizer = lightning.optimizer
                log.append(values)
            self.updates += parts
            if self.target_kl and float(torch.stack(log[-parts:])[:, 3].mean()) > self.target_kl:
                break
        names = "policy_loss", "value_loss", "entropy", "approx_kl", "clip_fraction"
        spread = float(returns.var())
        explained = 1 - float((returns - old).var()) / spread if spread else 0.0
        means = torch.stack(log).mean(dim=0).tolist()
        return dict(zip(names, means, strict=True)) | {"explained_variance": explained, "lr": rate}

    def loss(self, obs: Tensor, action: Tensor, facts: Tensor) -> tuple[Tensor, Tensor]:
        """Of a minibatch whose `facts` are advantage, return, value and log-probability before, (B, 4). Returns it and
        values for the log."""
        advantage, returns, old, before = facts.unbind(dim=1)
        if self.norm_adv and len(advantage) > 1:
            advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        dist_params, value = self.net(obs)
        log, entropy = self.net.likelihood(dist_params, action)
        change = log - before
        ratio = change.exp()
        policy = -torch.min(advantage * ratio, advantage * ratio.clamp(1 - self.clip_coef, 1 + self.clip_coef)).mean()
        error = (value - returns).square()
        if self.clip_range_vf:
            near = old + (value - old).clamp(-self.clip_range_vf, self.clip_range_vf)
            error = torch.max(error, (near - returns).square())
        error, entropy = 0.5 * error.mean(), entropy.mean()
        loss = policy + self.vf_coef * error - self.ent_coef * entropy
        with torch.no_grad():
            kl = (ratio - 1 - change).mean()
            clipped = ((ratio - 1).abs() > self.clip_coef).float().mean()
            return loss, torch.stack([policy, error, entropy, kl, clipped])

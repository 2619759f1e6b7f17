"""MADDPG: several agents, whose critics see everything and whose actors see what is theirs.

Lowe et al., Multi-Agent Actor-Critic for Mixed Cooperative-Competitive Environments, NeurIPS 2017: critics of all
observations and actions (eq. 6), actors improved through their own action alone (eq. 5), discrete actions by the
Gumbel-softmax estimate (Jang et al., ICLR 2017), here its straight-through form. With, each by choice, the twin critics
and delayed actors of TD3 (Fujimoto et al., ICML 2018; for several agents Ackermann et al., arXiv 1910.01465), weights
shared by agents of one kind, step sizes that fall. Left out: guessed policies of the others (section 4.2), ensembles
(section 4.3), messages between agents.

Agents of a kind share a name but for its number, as agent_0 and agent_1 do. The time limit of these games is a
truncation: values are taken from the observation after it.

Letters: N environments, B rows of a batch, A agents, D numbers seen, M numbers of an action (one-hot, or forces), K
nets, T critics of an agent.

Metrics in addition to those of base.py, whose `return` is the mean over the agents:

    train/critic_loss           squared error of the values, in the units of the scaled reward; lower is better
    train/value                 mean value of the actions that were played
    train/entropy               of the actors, nats, falls as actions become certain; 0 for forces
    val/return_KIND             mean return of the agents of a kind, such as val/return_agent; higher: better for them
"""

import copy
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
import torch
import torch.nn.functional as F
from gymnasium import spaces
from lightning.pytorch.utilities import rank_zero_info
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from pokegen.errors import UserError
from pokegen.game.agents.base import AgentModule, AgentNetwork, annealed
from pokegen.game.envs import particles


class BatchedMLPs(nn.Module):
    """K nets of equal shape, in one product of matrices for each layer.

    Args:
        count: K.
        sizes: of input, hidden layers and output.
        norm: normalise the layers' outputs (Ba et al., arXiv 1607.06450), without weights of their own.
    """

    def __init__(self, count: int, sizes: Sequence[int], norm: bool = False):
        super().__init__()
        self.norm = norm
        bounds = [size**-0.5 for size in sizes[:-1]]
        pairs = list(itertools.pairwise(sizes))
        self.weights = nn.ParameterList(
            torch.empty(count, i, o).uniform_(-b, b) for (i, o), b in zip(pairs, bounds, strict=True)
        )
        self.biases = nn.ParameterList(
            torch.empty(count, 1, o).uniform_(-b, b) for (_, o), b in zip(pairs, bounds, strict=True)
        )

    def forward(self, x: Tensor, which: Tensor) -> Tensor:
        """Inputs (A, B, size), and the index of the net of each of the A → outputs (A, B, size)."""
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias[which], x, weight[which])
            if i + 1 < len(self.weights):
                x = F.relu(F.layer_norm(x, x.shape[-1:]) if self.norm else x)
        return x


class MADDPGActors(AgentNetwork):
    """The actors: each agent's observation → its action.

    Args:
        env, options, plain_spaces: see base.AgentNetwork; the environment is one of mpe/…. `trail: true`
            lets agents remember, see particles.Trail.
        hidden: units of the layers.
        share: agents of a kind share one net, which distinguishes them by their observations.
        norm: normalise the layers' outputs.
        sample: when it plays, draw actions by their probabilities instead of the likeliest.
    """

    which: Tensor
    absent: Tensor

    def __init__(
        self,
        env: str,
        options: Mapping[str, Any] | None = None,
        hidden: Sequence[int] = (128, 128),
        share: bool = True,
        norm: bool = False,
        sample: bool = False,
        plain_spaces: Mapping[str, Any] | None = None,
    ):
        super().__init__(env, options, plain_spaces)
        self.sample_actions = sample
        self.kinds = [re.sub(r"_?\d+$", "", agent) for agent in self.agents]
        names = list(dict.fromkeys(self.kinds))
        which = [names.index(kind) for kind in self.kinds] if share else list(range(len(self.agents)))
        self.register_buffer("which", torch.tensor(which), persistent=False)
        self.discrete = isinstance(self.action_space, spaces.MultiDiscrete)
        counts = self.action_space.nvec if self.discrete else [self.action_space.shape[1]] * len(which)
        self.moves = int(max(counts))
        absent = torch.arange(self.moves) >= torch.as_tensor(np.array(counts))[:, None]
        self.register_buffer("absent", absent, persistent=False)  # (A, M)
        self.nets = BatchedMLPs(max(which) + 1, [self.observation_space.shape[1], *hidden, self.moves], norm)

    def single(self, render_mode: str | None = None) -> Any:
        return particles.single(self.env, render_mode, **self.options)

    def vector(self, count: int, **options: Any) -> gymnasium.vector.VectorEnv:
        return particles.make_vector(self.env, count, **self.options)

    def forward(self, observation: Tensor) -> Tensor:
        """(N, A, D) → logits (N, A, M)."""
        logits = self.nets(observation.float().transpose(0, 1), self.which).transpose(0, 1)
        return logits.masked_fill(self.absent, -1e9)

    def act(self, observation: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """(N, A, D) → actions (N, A), or forces (N, A, M)."""
        logits = self(observation)
        if not self.discrete:
            return logits.sigmoid()
        if self.sample_actions:
            logits = logits + gumbel(logits, generator)
        return logits.argmax(dim=2)


def gumbel(like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Noise of Gumbel's distribution: the largest of logits plus it is a draw by their softmax."""
    drawn = torch.rand(like.shape, generator=generator).clamp_(1e-10, 1 - 1e-7)
    return -(-drawn.log()).log().to(like.device)


def straight_through(logits: Tensor, temperature: float) -> Tensor:
    """One-hot of the largest, whose gradient is that of softmax(logits / temperature)."""
    soft = (logits / temperature).softmax(dim=-1)
    hard = F.one_hot(logits.argmax(dim=-1), logits.shape[-1]).to(soft.dtype)
    return hard - soft.detach() + soft


class Critics(nn.Module):
    """For each agent T values of all observations and actions.

    An agent's own come first, then its kind's, then the others', so that agents of a kind can share a critic.

    Args:
        team: whose.
        hidden: units of the layers.
        twins: T.
        norm: normalise the layers' outputs.
    """

    order: Tensor
    which: Tensor

    def __init__(self, team: MADDPGActors, hidden: Sequence[int], twins: int, norm: bool):
        super().__init__()
        agents, kinds = len(team.agents), team.kinds
        ring = [[(a + i) % agents for i in range(agents)] for a in range(agents)]
        order = [sorted(row, key=lambda b, a=a: kinds[b] != kinds[a]) for a, row in enumerate(ring)]  # type: ignore[misc]
        self.register_buffer("order", torch.tensor(order), persistent=False)  # (A, A)
        count = int(team.which.max()) + 1
        which = torch.cat([team.which + count * t for t in range(twins)])
        self.register_buffer("which", which, persistent=False)  # (T·A,)
        self.twins = twins
        size = agents * (team.observation_space.shape[1] + team.moves)
        self.nets = BatchedMLPs(count * twins, [size, *hidden, 1], norm)

    def forward(self, obs: Tensor, action: Tensor, own: Tensor | None = None, twins: int = 0) -> Tensor:
        """Observations (B, A, D), actions (B, A, M) → values (T, A, B).

        Args:
            own: (B, A, M): of each agent's critic, its own action in place of that of `action`.
            twins: how many of the T; 0 for all.
        """
        twins = twins or self.twins
        acts = action[:, self.order]  # (B, A, A, M)
        if own is not None:
            acts = torch.cat([own[:, :, None], acts[:, :, 1:]], dim=2)
        x = torch.cat([obs[:, self.order], acts], dim=3).flatten(2).transpose(0, 1)  # (A, B, A·(D + M))
        found = self.nets(x.repeat(twins, 1, 1), self.which[: twins * len(x)])
        return found[..., 0].unflatten(0, (twins, len(x)))


class JointReplay:
    """The last `buffer_size` steps that were no resets.

    Args:
        buffer_size: rows.
        sizes: A, D, M.
    """

    _COLUMNS = ("obs", "action", "reward", "next_obs", "terminal")
    _SAVED = (
        "seen",
        "action",
        "reward",
        "then",
        "terminal",
    )  # the names in checkpoints, as in those of earlier versions

    def __init__(self, buffer_size: int, sizes: tuple[int, int, int]):
        a, d, m = sizes
        self.buffer_size, self.added = buffer_size, 0
        self.obs, self.next_obs = torch.zeros(buffer_size, a, d), torch.zeros(buffer_size, a, d)
        self.action, self.reward = torch.zeros(buffer_size, a, m), torch.zeros(buffer_size, a)
        self.terminal = torch.zeros(buffer_size)  # 1: the value after this step is 0

    @staticmethod
    def memory(buffer_size: int, sizes: tuple[int, int, int]) -> int:
        """Bytes that so many rows take."""
        a, d, m = sizes
        return 4 * buffer_size * (2 * a * d + a * m + a + 1)

    def __len__(self) -> int:
        return min(self.added, self.buffer_size)

    def add(self, *columns: Tensor) -> None:
        """Rows of observations, actions, rewards, the observations after them, and terminations."""
        rows = (self.added + torch.arange(len(columns[0]))) % self.buffer_size
        for key, column in zip(self._COLUMNS, columns, strict=True):
            getattr(self, key)[rows] = column.float()
        self.added += len(rows)

    def draw(self, batch: int, generator: torch.Generator) -> list[Tensor]:
        rows = torch.randint(len(self), (batch,), generator=generator)
        return [getattr(self, key)[rows] for key in self._COLUMNS]

    def state(self) -> dict[str, Any]:
        """The content, as tensors that share memory with the buffer."""
        held = {name: getattr(self, key)[: len(self)] for key, name in zip(self._COLUMNS, self._SAVED, strict=True)}
        return held | {"added": self.added}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore what `state` of a buffer of the same size returned."""
        for key, name in zip(self._COLUMNS, self._SAVED, strict=True):
            getattr(self, key)[: len(state[name])] = state[name]
        self.added = state["added"]


class MADDPG(AgentModule):
    """Trains a MADDPGActors.

    Args:
        network, num_envs, num_steps, val_episodes: see base.AgentModule.
        critic_hidden: units of the critics' layers.
        norm: normalise the outputs of the critics' layers.
        learning_rate: Adam's step size for the actors.
        critic_lr: Adam's step size for the critics.
        lr_end: share of both step sizes left at the end of the budget; they fall linearly.
        gamma: discount factor of one step, γ.
        tau: at each step of the actors the target weights move by this share of their distance to the current ones.
        batch_size: rows sampled for one update.
        gradient_steps: updates in a training step, as in Stable-Baselines3.
        n_critics: critics of an agent; the smallest of their values is the target. 1 as in the paper, 2 as in TD3.
        policy_frequency: steps of the critics for each step of the actors; 1 as in the paper, 2 as in TD3.
        buffer_size: environment steps in the replay buffer. Its memory in MiB is printed before the run.
        learning_starts: environment steps of random play before the first update.
        start_e: probability at the start that an agent's action is uniform over all actions; the actors' own sampling
            comes on top.
        end_e: this probability at the end of the budget; linear between.
        exploration_noise: standard deviation of the noise that is added to forces.
        temperature: of the Gumbel-softmax.
        logits_weight: weight of the mean squared logits in the loss, which keeps the actors' entropy up.
        reward_scale: rewards are multiplied by this for learning.
        max_grad_norm: largest norm of each net's gradient; 0 does not clip.
        save_replay: save the replay buffer in checkpoints, so that a resumed run equals one that never stopped.
        kwargs: see base.AgentModule; several agents have neither processes nor a reward_model.
    """

    memory: JointReplay

    def __init__(
        self,
        network: AgentNetwork,
        num_envs: int = 32,
        num_steps: int = 4,
        val_episodes: int = 100,
        critic_hidden: Sequence[int] = (128, 128),
        norm: bool = False,
        learning_rate: float = 5e-4,
        critic_lr: float = 1e-3,
        lr_end: float = 0.1,
        gamma: float = 0.95,
        tau: float = 0.01,
        batch_size: int = 1024,
        gradient_steps: int = 4,
        n_critics: int = 2,
        policy_frequency: int = 2,
        buffer_size: int = 300_000,
        learning_starts: int = 5_000,
        start_e: float = 0.1,
        end_e: float = 0.0,
        exploration_noise: float = 0.1,
        temperature: float = 1.0,
        logits_weight: float = 1e-3,
        reward_scale: float = 1.0,
        max_grad_norm: float = 0.5,
        save_replay: bool = False,
        **kwargs: Any,
    ):
        if not isinstance(network, MADDPGActors):
            raise UserError(f"MADDPG trains a pokegen.game.agents.maddpg.MADDPGActors, got {type(network).__name__}.")
        if buffer_size < max(learning_starts, num_envs) or min(n_critics, policy_frequency, gradient_steps) < 1:
            raise UserError(
                "buffer_size must hold learning_starts; n_critics, policy_frequency and gradient_steps are at least 1."
            )
        super().__init__(
            network, num_envs, num_steps, val_episodes=val_episodes, processes=False, reward_model="", **kwargs
        )
        self.critic = Critics(network, critic_hidden, n_critics, norm)
        self.target, self.target_critic = (
            copy.deepcopy(net).requires_grad_(False).eval() for net in (network, self.critic)
        )
        self.rates, self.lr_end, self.gamma, self.tau = (critic_lr, learning_rate), lr_end, gamma, tau
        self.batch_size, self.gradient_steps, self.policy_frequency = batch_size, gradient_steps, policy_frequency
        self.buffer_size, self.learning_starts = buffer_size, learning_starts
        self.epsilons, self.exploration_noise, self.temperature = (start_e, end_e), exploration_noise, temperature
        self.logits_weight, self.reward_scale = logits_weight, reward_scale
        self.max_grad_norm, self.save_replay = max_grad_norm, save_replay
        self.saved_replay: dict[str, Any] = {}
        self.entropy = 0.0
        if len(set(network.kinds)) > 1:  # one's gain is the other's loss: none is the best, the last is exported
            self.monitor = None  # type: ignore[assignment]

    def configure_optimizers(self) -> Any:
        nets = (self.critic, self.net)
        return [torch.optim.Adam(n.parameters(), r, fused=True) for n, r in zip(nets, self.rates, strict=True)]

    def on_fit_start(self) -> None:
        super().on_fit_start()
        agents, width = self.net.observation_space.shape
        sizes = agents, width, self.net.moves
        rank_zero_info(
            f"The replay buffer takes {JointReplay.memory(self.buffer_size, sizes) / 2**20:,.0f} MiB when full."
        )
        self.memory = JointReplay(self.buffer_size, sizes)
        if self.saved_replay:
            self.memory.load_state(self.saved_replay)
            self.saved_replay = {}
        elif not self.restored:
            self.target.load_state_dict(self.net.state_dict())

    def state(self) -> dict[str, Any]:
        return {"memory": self.memory.state()} if self.save_replay else {}

    def load_state(self, state: dict[str, Any]) -> None:
        self.saved_replay = state.get("memory", {})

    def learn(self) -> dict[str, Any]:
        self.collect()
        if len(self.memory) < self.learning_starts:
            return {}
        found = [self.update(last=i + 1 == self.gradient_steps) for i in range(self.gradient_steps)]
        loss, value = (float(torch.stack(v).mean()) for v in zip(*found, strict=True))
        return {"critic_loss": loss, "value": value, "entropy": self.entropy}

    @torch.no_grad()
    def collect(self) -> None:
        """Play `num_steps` steps into the buffer."""
        warm = self.env_steps < self.learning_starts
        epsilon = 1.0 if warm else annealed(self.env_steps, *self.epsilons, self.budget)
        for _ in range(self.num_steps):
            obs = torch.from_numpy(self.obs)
            action = self.explore(self.net(obs.to(self.device)).cpu(), epsilon)
            played = action.argmax(dim=2) if self.net.discrete else action
            _, terminated, _, autoreset, _ = self.step(played.numpy())
            live = torch.from_numpy(~autoreset)
            columns = torch.from_numpy(self.info["rewards"]), torch.from_numpy(self.obs), torch.from_numpy(terminated)
            self.memory.add(obs[live], action[live], *(column[live] for column in columns))

    @property
    def budget(self) -> int:
        return self.trainer.datamodule.steps  # type: ignore[attr-defined]

    def explore(self, logits: Tensor, epsilon: float) -> Tensor:
        """What is played, (N, A, M): the actors' own draws, an agent's drawn from all alike with chance `epsilon`."""
        random = torch.rand(logits.shape[:2], generator=self.rng) < epsilon
        if self.net.discrete:
            even = logits.masked_fill(logits > -1e8, 0.0)
            logits = torch.where(random[..., None], even, logits)
            return straight_through(logits + gumbel(logits, self.rng), 1.0).round()
        drawn = torch.rand(logits.shape, generator=self.rng)
        noise = self.exploration_noise * torch.randn(logits.shape, generator=self.rng)
        return torch.where(random[..., None], drawn, (logits.sigmoid() + noise).clamp(0, 1))

    def actions_of(self, logits: Tensor) -> Tensor:
        """Actions that the actors may draw, differentiable."""
        if not self.net.discrete:
            return logits.sigmoid()
        return straight_through(logits + gumbel(logits, self.rng), self.temperature)

    def update(self, last: bool) -> tuple[Tensor, Tensor]:
        """One step of the critics, and after `policy_frequency` one of the actors. Returns loss and mean value."""
        obs, action, reward, next_obs, terminal = (
            x.to(self.device) for x in self.memory.draw(self.batch_size, self.rng)
        )
        with torch.no_grad():
            future = self.target_critic(next_obs, self.actions_of(self.target(next_obs))).amin(dim=0)  # (A, B)
            target_values = self.reward_scale * reward.T + self.gamma * (1 - terminal) * future
        value = self.critic(obs, action)
        loss = F.mse_loss(value, target_values.expand_as(value))
        optimizers: Any = self.optimizers()
        share = annealed(self.env_steps, 1.0, self.lr_end, self.budget)
        for optimizer, rate in zip(optimizers, self.rates, strict=True):
            optimizer.optimizer.param_groups[0]["lr"] = rate * share
        # The raw optimizers but for the last update of the critics: a training step is to be one global step.
        critic_step = optimizers[0] if last else optimizers[0].optimizer
        self._descend(critic_step, loss, self.critic, self.max_grad_norm)
        self.updates += 1
        if self.updates % self.policy_frequency == 0:
            self.improve(obs, action, optimizers[1].optimizer)
            self.update_targets()
        return loss.detach(), value.detach().mean()

    def improve(self, obs: Tensor, action: Tensor, optimizer: Any) -> None:
        """One step of the actors: each by its own action, among those that the others played."""
        logits = self.net(obs)
        self.critic.requires_grad_(False)
        gain = self.critic(obs, action, own=self.actions_of(logits), twins=1).mean()
        self.critic.requires_grad_(True)
        pull = logits.masked_fill(self.net.absent, 0).square().mean()
        self._descend(optimizer, self.logits_weight * pull - gain, self.net, self.max_grad_norm)
        chances = logits.detach().softmax(dim=2)
        self.entropy = float(-(chances * chances.clamp_min(1e-9).log()).sum(dim=2).mean()) if self.net.discrete else 0.0

    @torch.no_grad()
    def update_targets(self) -> None:
        """Move the target networks by `tau`."""
        for target, net in ((self.target, self.net), (self.target_critic, self.critic)):
            torch._foreach_lerp_(list(target.parameters()), list(net.parameters()), self.tau)

    def _play(self, stage: str, seed: int) -> None:
        found = episodes(self.ema, player_of_team(self.ema), self.val_episodes, seed)  # (episodes, A)
        mean = found.mean(axis=1)
        self.log(f"{stage}/return", mean.mean(), prog_bar=True, batch_size=1)
        self.log(f"{stage}/return_deviation", mean.std(), batch_size=1)
        if len(set(self.net.kinds)) > 1:
            for kind, values in by_kind(self.net.kinds, found).items():
                self.log(f"{stage}/return_{kind}", values.mean(), batch_size=1)


# What follows plays without learning: who meets whom. A player is called with observations, float32 (N, A, D), and
# numbers to draw with, and gives the actions, int64 (N, A), of all agents; only those of its side are played.

Play = Callable[[Tensor, torch.Generator], Tensor]
MOVES = torch.from_numpy(particles.DIRECTIONS).float()


def player_of_team(team: MADDPGActors) -> Play:
    """The learned one."""

    @torch.inference_mode()
    def play(obs: Tensor, generator: torch.Generator) -> Tensor:
        return team.act(obs.to(team.which.device), generator).cpu()

    return play


def random_play(obs: Tensor, generator: torch.Generator) -> Tensor:
    """Each move as likely as any other."""
    return torch.randint(particles.MOVES, obs.shape[:2], generator=generator)


def spread_play(obs: Tensor, _: torch.Generator) -> Tensor:
    """Of simple_spread: the assignment of agents to landmarks with the least sum of distances (Kuhn, The Hungarian
    method, 1955), recomputed at each step; agents go straight there."""
    agents = obs.shape[1]
    velocity, ways = obs[..., :2], obs[..., 4 : 4 + 2 * agents].unflatten(2, (agents, 2))
    return _towards(_assigned(ways), velocity)


def _assigned(ways: Tensor) -> Tensor:
    """Ways from agents to landmarks, (N, A, L, 2) → to each agent's own, (N, A, 2)."""
    chosen = torch.from_numpy(np.stack([linear_sum_assignment(one)[1] for one in ways.norm(dim=3).numpy()]))
    return torch.take_along_dim(ways, chosen[..., None, None], dim=2)[:, :, 0]


class AdversaryScript:
    """Of simple_adversary: the good agents go to the goal, or one to each landmark so that none is given away; the
    adversary goes to the landmark that one of them is nearest to. For one batch of episodes, from their first step: it
    infers the velocities, which are not shown.

    Args:
        cover: one to each landmark.
    """

    def __init__(self, cover: bool = False):
        self.cover = cover
        self.before: tuple[Tensor, Tensor] | None = None

    def __call__(self, obs: Tensor, _: torch.Generator) -> Tensor:
        good = obs.shape[1] - 1  # as many as landmarks
        shown = torch.cat([obs[:, :1, : 2 * good], obs[:, 1:, 2 : 2 + 2 * good]], dim=1)
        ways = shown.unflatten(2, (good, 2))  # (N, A, L, 2)
        near = ways[:, 1:].norm(dim=3).amin(dim=1).argmin(dim=1)
        aim = torch.cat([ways[torch.arange(len(obs)), 0, near][:, None], obs[:, 1:, :2]], dim=1)
        if self.cover:
            aim[:, 1:] = _assigned(ways[:, 1:])
        velocity = torch.zeros_like(aim)
        if self.before:
            moved, action = (self.before[0] - ways[:, :, 0]) / particles.STEP, self.before[1]
            velocity = moved * (1 - particles.DAMPING) + MOVES[action] * particles.PUSH * particles.STEP
        chosen = _towards(aim, velocity)
        self.before = ways[:, :, 0], chosen
        return chosen


def _towards(way: Tensor, velocity: Tensor) -> Tensor:
    """The move after which an agent that lets go comes to rest nearest to its aim, (…, 2) from it."""
    rest = velocity * particles.STEP / particles.DAMPING
    push = particles.PUSH * particles.STEP * particles.STEP * (1 / particles.DAMPING)
    return ((way - rest)[..., None, :] - push * MOVES).norm(dim=-1).argmin(dim=-1)


def episodes(team: MADDPGActors, play: Play | Mapping[str, Play], count: int, seed: int = 0) -> np.ndarray:
    """Undiscounted returns of whole episodes, (episodes, A); the nth is reset with seed + n.

    Args:
        team: whose environment is played.
        play: who plays; or kind of agent → who plays those.
        count: how many.
    """
    sides = play if isinstance(play, Mapping) else dict.fromkeys(team.kinds, play)
    generator = torch.Generator().manual_seed(seed)
    envs = team.vector(count)
    try:
        obs, _ = envs.reset(seed=seed)  # and seed + n
        sums, going = np.zeros((count, len(team.agents))), np.ones(count, bool)
        while going.any():
            shown = torch.from_numpy(np.array(obs))
            chosen_by = {id(one): one(shown, generator) for one in {id(p): p for p in sides.values()}.values()}
            chosen = torch.stack([chosen_by[id(sides[kind])][:, i] for i, kind in enumerate(team.kinds)], dim=1)
            obs, _, terminated, truncated, info = envs.step(chosen.numpy())
            sums += np.where(going[:, None], info["rewards"], 0)
            going &= ~(terminated | truncated)
    finally:
        envs.close()
    return sums


def by_kind(kinds: Sequence[str], found: np.ndarray) -> dict[str, np.ndarray]:
    """Returns (episodes, A) → kind of agent → the mean over its agents, (episodes,)."""
    return {kind: found[:, [k == kind for k in kinds]].mean(axis=1) for kind in dict.fromkeys(kinds)}


def _seated(name: str, learned: Mapping[str, Play]) -> Play:
    if name in ("scripted", "covering"):
        return AdversaryScript(cover=name == "covering")
    return learned.get(name, random_play)


def cross_play(
    team: MADDPGActors, count: int = 100, seed: int = 0, against: Mapping[str, MADDPGActors] | None = None
) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Who gets what when the sides of simple_adversary are played by different players, `count` episodes each, the same
    for all: adversary's player → good agents' player → kind of agent → returns (see by_kind).

    Args:
        team: a MADDPGActors trained on simple_adversary, "learned".
        count, seed: see `episodes`.
        against: more of them, by name.
    """
    if set(team.kinds) != {"adversary", "agent"}:
        raise UserError(f"cross_play needs a team of mpe/simple_adversary_v3, got one of {team.env}.")
    learned = {"learned": player_of_team(team)} | {k: player_of_team(other) for k, other in (against or {}).items()}
    table: dict[str, dict[str, dict[str, list[float]]]] = {}
    for adversary, good in itertools.product(
        (*learned, "scripted", "random"), (*learned, "scripted", "covering", "random")
    ):
        sides = {kind: _seated(name, learned) for kind, name in (("adversary", adversary), ("agent", good))}
        found = by_kind(team.kinds, episodes(team, sides, count, seed))
        table.setdefault(adversary, {})[good] = {kind: values.tolist() for kind, values in found.items()}
    return table

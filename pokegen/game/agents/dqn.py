"""DQN: values of actions, learned from a replay buffer.

Mnih et al., Human-level control through deep reinforcement learning, Nature 2015, with double targets (van Hasselt et
al., AAAI 2016), a dueling head (Wang et al., ICML 2016, eq. 9), n-step returns and prioritised replay (Hessel et al.,
Rainbow, AAAI 2018; Schaul et al., ICLR 2016), each by choice. Left out: noisy layers and distributions of returns.

On few cores fewer and larger updates, in bfloat16, cost a fraction of many small ones for as many samples: here
`batch_size` × `gradient_steps` samples for `num_envs` × `num_steps` steps; the paper samples 8 a step.

Letters: N environments, B rows of a batch, A actions, R rows of the buffer, K frames of a stack.

Metrics in addition to those of base.py:

    train/loss      Huber loss of the values, mean over a step's updates
    train/value     mean value of the actions that were taken, of clipped and discounted rewards
    train/epsilon   probability of a random action
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from gymnasium import spaces
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, nn

from pokegen.errors import UserError
from pokegen.game.agents.base import AgentModule, AgentNetwork, FeatureExtractor, annealed


class QNetwork(AgentNetwork):
    """Observations → the value of each action.

    Args:
        env, options, plain_spaces: see base.AgentNetwork; the action space must be Discrete.
        hidden: units of the layers; with screens, of those after the convolutions. Dueling splits the last.
        widths: channels of the convolutions.
        dueling: value and advantages apart, joined as value + advantage − mean advantage.
        test_epsilon: share of random actions when it plays; without any, a game without chance may never end.
    """

    def __init__(
        self,
        env: str,
        options: Mapping[str, Any] | None = None,
        hidden: Sequence[int] = (512,),
        widths: Sequence[int] = (32, 64, 64),
        dueling: bool = True,
        test_epsilon: float = 0.01,
        plain_spaces: Mapping[str, Any] | None = None,
    ):
        super().__init__(env, options, plain_spaces)
        if not isinstance(self.action_space, spaces.Discrete) or self.action_space.start:
            raise UserError(f"DQN chooses one of the actions 0 to n - 1; {env} has {self.action_space}. Use PPO.")
        if not isinstance(self.observation_space, spaces.Box):
            raise UserError(f"DQN sees screens or vectors; {env} shows {self.observation_space}.")
        self.test_epsilon = test_epsilon
        self.body = FeatureExtractor(self.observation_space, hidden, widths=widths).to(
            memory_format=torch.channels_last
        )
        actions = int(self.action_space.n)
        self.advantage = nn.Linear(self.body.size, actions)
        self.value = nn.Linear(self.body.size, 1) if dueling else None

    def forward(self, observation: Tensor) -> Tensor:
        x = self.body(observation)
        values = self.advantage(x).float()
        if self.value is not None:
            values = values - values.mean(dim=1, keepdim=True) + self.value(x).float()
        return values  # (N, A)

    def act(self, observation: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return explore(self(observation).argmax(dim=1), self.test_epsilon, int(self.action_space.n), generator)


def explore(greedy: Tensor, epsilon: float, actions: int, generator: torch.Generator | None) -> Tensor:
    """Actions, int64 (N,): each of `greedy` is, with probability `epsilon`, replaced by a uniform one."""
    random = torch.rand(len(greedy), generator=generator) < epsilon
    drawn = torch.randint(actions, (len(greedy),), generator=generator)
    return torch.where(random.to(greedy.device), drawn.to(greedy.device), greedy)


class Replay:
    """The last `buffer_size` steps of N environments, in a ring of rows. It stores single frames: stacks are assembled
    when they are sampled, with zeros before the start of the episode.

    Args:
        buffer_size: steps of all environments together.
        count: N.
        space: of an observation; of uint8 (K, H, W) or (K, H, W, 3) the last frame of K is kept, else all of it.
        alpha: exponent of the priorities (Schaul et al., eq. 1); 0 draws evenly.
    """

    def __init__(self, buffer_size: int, count: int, space: spaces.Box, alpha: float = 0.0):
        self.rows, self.count, self.alpha = buffer_size // count, count, alpha
        self.stack = space.shape[0] if len(space.shape) >= 3 else 0
        frame = space.shape[1:] if self.stack else space.shape
        self.frames = np.zeros((self.rows, count, *frame), space.dtype)
        self.actions = np.zeros((self.rows, count), np.int64)
        self.rewards = np.zeros((self.rows, count), np.float32)
        self.terminal = np.zeros((self.rows, count), bool)  # the value after this step is 0
        self.done = np.zeros((self.rows, count), bool)  # the next row is the episode's last observation
        self.autoreset = np.zeros((self.rows, count), bool)  # the step was a reset
        self.age = np.zeros((self.rows, count), np.int32)  # steps since the episode's start
        self.priority = np.zeros((self.rows, count), np.float64)  # to the power of alpha
        self.highest = 1.0
        self.added = 0  # rows, ever
        self.started = True  # the next row follows no other

    @staticmethod
    def memory(buffer_size: int, space: spaces.Box) -> int:
        """Bytes that so many steps take."""
        frame = space.shape[1:] if len(space.shape) >= 3 else space.shape
        return buffer_size * (int(np.prod(frame)) * np.dtype(space.dtype).itemsize + 8 + 4 + 3 + 4 + 8)

    def __len__(self) -> int:
        return min(self.added, self.rows) * self.count

    def begin(self) -> None:
        """All environments were reset: the next row starts new episodes. The last row becomes the last observation of
        the episodes before, and is no step any more."""
        if self.added:
            row = (self.added - 1) % self.rows
            self.done[row - 1] |= ~self.autoreset[row]
            self.autoreset[row], self.done[row] = True, True
            self.priority[row] = 0.0
        self.started = True

    def add(
        self, obs: np.ndarray, action: np.ndarray, reward: np.ndarray, terminal: np.ndarray, done: np.ndarray,
        autoreset: np.ndarray,
    ) -> None:  # fmt: skip
        """Adds a step of all environments; `obs` is the observation before it."""
        row, before = self.added % self.rows, (self.added - 1) % self.rows
        self.frames[row] = obs[:, -1] if self.stack else obs
        self.actions[row], self.rewards[row] = action, reward
        self.terminal[row], self.done[row], self.autoreset[row] = terminal, done, autoreset
        # The row after an autoreset step holds the first observation of an episode.
        fresh = np.ones(self.count, bool) if self.started else self.autoreset[before]
        self.age[row] = np.where(fresh, 0, self.age[before] + 1)
        self.priority[row] = np.where(autoreset, 0.0, self.highest)
        self.added += 1
        self.started = False

    def draw(
        self, batch: int, n: int, gamma: float, generator: torch.Generator, beta: float = 0.0
    ) -> tuple[np.ndarray, ...]:
        """A batch of n-step transitions.

        Returns observations (B, …), actions int64 (B,), discounted rewards of up to n steps float32 (B,), the
        observations after them (B, …), the discount of their value float32 (B,), 0 after a termination; the rows
        int64 (B, 2), and weights float32 (B,), at most 1, to the power of `beta` (Schaul et al., section 3.4).
        """
        last = self.added - 1 - n  # rows from `first` to `last` have what they need
        first = max(0, self.added - self.rows + max(0, self.stack - 1))
        ready = last + 1 - first
        if ready < 1:
            raise ValueError("The buffer holds too few steps.")
        draws = torch.rand(2, batch, generator=generator, dtype=torch.float64).numpy()
        if self.alpha:
            order = np.arange(first, last + 1) % self.rows
            mass = np.cumsum(self.priority[order])
            place = np.minimum(np.searchsorted(mass, draws[0] * mass[-1], side="right"), ready * self.count - 1)
            t, e = first + place // self.count, place % self.count
            chance = self.priority[t % self.rows, e] / mass[-1]
            weights = (np.maximum(chance, 1e-12) * ready * self.count) ** -beta
            weights = (weights / weights.max()).astype(np.float32)
        else:
            t = first + (draws[0] * ready).astype(np.int64)
            e = (draws[1] * self.count).astype(np.int64)
            for _ in range(100):  # sample another row for each autoreset step
                bad = np.flatnonzero(self.autoreset[t % self.rows, e])
                if not len(bad):
                    break
                again = torch.rand(2, len(bad), generator=generator, dtype=torch.float64).numpy()
                t[bad] = first + (again[0] * ready).astype(np.int64)
                e[bad] = (again[1] * self.count).astype(np.int64)
            weights = np.ones(batch, np.float32)
        total, factor = np.zeros(batch, np.float32), np.ones(batch, np.float32)
        going, ended, ahead = np.ones(batch, bool), np.zeros(batch, bool), np.zeros(batch, np.int64)
        for k in range(n):
            row = (t + k) % self.rows
            total += np.where(going, factor * self.rewards[row, e], 0)
            factor = np.where(going, factor * np.float32(gamma), factor)
            ahead += going
            ended |= going & self.terminal[row, e]
            going &= ~(self.done[row, e] | self.terminal[row, e])
        bootstrap = np.where(ended, 0, factor).astype(np.float32)
        rows = np.stack([t % self.rows, e], axis=1)
        return self._at(t, e), self.actions[rows[:, 0], e], total, self._at(t + ahead, e), bootstrap, rows, weights

    def _at(self, t: np.ndarray, e: np.ndarray) -> np.ndarray:
        """The observations of rows `t`, counted since the first ever, of environments `e`."""
        if not self.stack:
            return self.frames[t % self.rows, e]
        age = self.age[t % self.rows, e]
        back = np.arange(self.stack - 1, -1, -1)
        stacks = self.frames[(t[:, None] - back) % self.rows, e[:, None]]  # (B, K, H, W)
        stacks[age[:, None] < back] = 0
        return stacks

    def weigh(self, rows: np.ndarray, errors: np.ndarray) -> None:
        """Give drawn rows the priorities of their errors, (B,)."""
        priority = (np.abs(errors) + 1e-6) ** self.alpha
        self.highest = max(self.highest, float(priority.max()))
        self.priority[rows[:, 0], rows[:, 1]] = np.where(self.autoreset[rows[:, 0], rows[:, 1]], 0.0, priority)

    _COLUMNS = ("frames", "actions", "rewards", "terminal", "done", "autoreset", "age", "priority")
    _SAVED = ("frames", "actions", "rewards", "terminal", "over", "dead", "age", "priority")  # the names in checkpoints

    def state(self) -> dict[str, Any]:
        """The content, as tensors that share memory with the buffer."""
        full = min(self.added, self.rows)
        held = {
            name: torch.from_numpy(getattr(self, key)[:full])
            for key, name in zip(self._COLUMNS, self._SAVED, strict=True)
        }
        return held | {"added": self.added, "highest": self.highest}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore what `state` of a buffer of the same size returned."""
        for key, name in zip(self._COLUMNS, self._SAVED, strict=True):
            getattr(self, key)[: len(state[name])] = state[name].numpy()
        self.added, self.highest = state["added"], state["highest"]


class DQN(AgentModule):
    """Trains a QNetwork.

    Args:
        network, num_envs: see base.AgentModule.
        num_steps: steps of each environment in a training step; Stable-Baselines3's train_freq, CleanRL's
            train_frequency.
        learning_rate: Adam's step size.
        lr_end: share of learning_rate left at the end of the budget; it falls linearly.
        adam_eps: Adam's ε; the 1.5e-4 of Rainbow suits clipped rewards.
        gamma: discount factor of one step, γ.
        batch_size: transitions sampled for one update.
        gradient_steps: updates in a training step, as in Stable-Baselines3; CleanRL makes 1.
        n_step: rewards that a target sums.
        double: the online network chooses the next action, the target network values it.
        target_network_frequency: environment steps, of all environments together, between two copies of the weights
            to the target network.
        buffer_size: environment steps, of all environments together, in the replay buffer. Its memory in MiB is
            printed before the run.
        learning_starts: environment steps of random play before the first update.
        start_e: probability of a random action at `learning_starts`.
        end_e: probability of a random action `epsilon_steps` later; linear between.
        epsilon_steps: environment steps of that decay, counted from `learning_starts`; CleanRL's exploration_fraction
            times total_timesteps is counted from step 0.
        alpha: exponent of the priorities in prioritised replay; 0 samples uniformly.
        beta: exponent of its importance weights at the start; it rises linearly to 1 at the end of the budget.
        clip_rewards: replace rewards by their signs.
        terminal_on_life_loss: a lost life ends the episode for the targets; the game goes on.
        max_grad_norm: largest norm of the gradient; 0 does not clip.
        save_replay: save the replay buffer in checkpoints, so that a resumed run equals one that never stopped.
        kwargs: see base.AgentModule.
    """

    replay: Replay

    def __init__(
        self,
        network: AgentNetwork,
        num_envs: int = 8,
        num_steps: int = 8,
        learning_rate: float = 1e-4,
        lr_end: float = 1.0,
        adam_eps: float = 1.5e-4,
        gamma: float = 0.99,
        batch_size: int = 256,
        gradient_steps: int = 2,
        n_step: int = 3,
        double: bool = True,
        target_network_frequency: int = 8_000,
        buffer_size: int = 300_000,
        learning_starts: int = 20_000,
        start_e: float = 1.0,
        end_e: float = 0.01,
        epsilon_steps: int = 200_000,
        alpha: float = 0.0,
        beta: float = 0.4,
        clip_rewards: bool = True,
        terminal_on_life_loss: bool = True,
        max_grad_norm: float = 10.0,
        save_replay: bool = False,
        **kwargs: Any,
    ):
        super().__init__(network, num_envs, num_steps, **kwargs)
        if buffer_size // num_envs * num_envs < max(learning_starts, num_envs * (n_step + 8)):
            raise UserError(
                f"buffer_size ({buffer_size}) must hold learning_starts ({learning_starts}) and n-step returns."
            )
        self.target = copy.deepcopy(network).requires_grad_(False).eval()
        self.learning_rate, self.lr_end, self.adam_eps, self.gamma = learning_rate, lr_end, adam_eps, gamma
        self.batch_size, self.gradient_steps, self.n_step, self.doubled = batch_size, gradient_steps, n_step, double
        self.target_network_frequency = target_network_frequency
        self.buffer_size, self.learning_starts = buffer_size, learning_starts
        self.epsilons = start_e, end_e, epsilon_steps
        self.alpha, self.beta, self.clip_rewards = alpha, beta, clip_rewards
        self.terminal_on_life_loss = terminal_on_life_loss
        self.max_grad_norm, self.save_replay = max_grad_norm, save_replay
        self.saved_replay: dict[str, Any] = {}

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.net.parameters(), self.learning_rate, eps=self.adam_eps, fused=True)

    def on_fit_start(self) -> None:
        super().on_fit_start()
        space = self.net.observation_space
        rank_zero_info(f"The replay buffer takes {Replay.memory(self.buffer_size, space) / 2**20:,.0f} MiB when full.")
        self.replay = Replay(self.buffer_size, self.num_envs, space, self.alpha)
        if self.saved_replay:
            self.replay.load_state(self.saved_replay)
            self.saved_replay = {}
        elif not self.restored:
            self.target.load_state_dict(self.net.state_dict())

    def state(self) -> dict[str, Any]:
        return {"replay": self.replay.state()} if self.save_replay else {}

    def load_state(self, state: dict[str, Any]) -> None:
        self.saved_replay = state.get("replay", {})

    def reset(self) -> None:
        super().reset()
        self.replay.begin()

    def learn(self) -> dict[str, Any]:
        epsilon = self.collect()
        values: dict[str, Any] = {"epsilon": epsilon}
        if len(self.replay) >= max(self.learning_starts, self.num_envs * (self.n_step + 8)):
            found = [self.update(last=i + 1 == self.gradient_steps) for i in range(self.gradient_steps)]
            values["loss"], values["value"] = (float(torch.stack(v).mean()) for v in zip(*found, strict=True))
        return values

    @torch.no_grad()
    def collect(self) -> float:
        """Play `num_steps` steps into the buffer. Returns ε."""
        start, end, steps = self.epsilons
        warm = self.env_steps < self.learning_starts
        epsilon = 1.0 if warm else annealed(self.env_steps - self.learning_starts, start, end, steps)
        actions = int(self.net.action_space.n)
        for _ in range(self.num_steps):
            obs = self.obs
            if epsilon < 1:
                greedy = self.net(torch.from_numpy(obs).to(self.device)).argmax(dim=1).cpu()
            else:
                greedy = torch.zeros(self.num_envs, dtype=torch.long)
            chosen = explore(greedy, epsilon, actions, self.rng).numpy()
            reward, terminated, done, autoreset, life_lost = self.step(chosen)
            terminal = terminated | life_lost if self.terminal_on_life_loss else terminated
            self.replay.add(obs, chosen, np.sign(reward) if self.clip_rewards else reward, terminal, done, autoreset)
        return epsilon

    def update(self, last: bool) -> tuple[Tensor, Tensor]:
        """One step of the optimizer. Returns loss and mean value."""
        beta = annealed(self.env_steps, self.beta, 1.0, self.trainer.datamodule.steps)  # type: ignore[attr-defined]
        drawn = self.replay.draw(self.batch_size, self.n_step, self.gamma, self.rng, beta)
        obs, action, reward, next_obs, factor, _, weights = (torch.from_numpy(x).to(self.device) for x in drawn)
        with torch.no_grad():
            future = self.target(next_obs)
            chosen = (self.net(next_obs) if self.doubled else future).argmax(dim=1, keepdim=True)
            target_values = reward + factor * future.gather(1, chosen)[:, 0]
        value = self.net(obs).gather(1, action[:, None])[:, 0]
        loss = (weights * F.smooth_l1_loss(value, target_values, reduction="none")).mean()
        optimizer: Any = self.optimizers()
        rate = self.learning_rate * annealed(self.env_steps, 1.0, self.lr_end, self.trainer.datamodule.steps)  # type: ignore[attr-defined]
        optimizer.optimizer.param_groups[0]["lr"] = rate
        # The raw optimizer but for the last update: a training step is to be one global step.
        self._descend(optimizer if last else optimizer.optimizer, loss, self.net, self.max_grad_norm)
        if self.alpha:
            self.replay.weigh(drawn[5], (value - target_values).detach().cpu().numpy())
        self.updates += 1
        return loss.detach(), value.detach().mean()

    def count(self, images: int) -> None:
        before = self.env_steps // self.target_network_frequency
        super().count(images)
        if self.env_steps // self.target_network_frequency > before:
            self.target.load_state_dict(self.net.state_dict())

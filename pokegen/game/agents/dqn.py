"""DQN: values of actions, learned from a replay memory.

Mnih et al., Human-level control through deep reinforcement learning, Nature 2015, with double targets (van Hasselt et
al., AAAI 2016), a dueling head (Wang et al., ICML 2016, eq. 9), n-step returns and prioritised replay (Hessel et al.,
Rainbow, AAAI 2018; Schaul et al., ICLR 2016), each by choice. Left out: noisy layers and distributions of returns.

On few cores fewer and larger updates, in bfloat16, cost a fraction of many small ones for as many samples: here
`batch_size` times `updates` samples for each `num_envs` times `rollout` steps; the paper draws 8 a step.

Letters: N environments, B rows of a batch, A actions, R rows of the memory, K frames of a stack.

Metrics beside those of agents.py:

    train/loss      Huber loss of the values, mean over a step's updates
    train/value     mean value of the actions that were taken, of clipped and discounted rewards
    train/epsilon   share of the actions that are drawn at random
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
from pokegen.game.agents.base import AgentModule, AgentNetwork, FeatureExtractor


class QNetwork(AgentNetwork):
    """Observations → the value of each action.

    Args:
        env, options, plain_spaces: see agents.AgentNetwork; the action space must be Discrete.
        hidden: units of the layers; with screens behind the convolutions. Dueling splits the last.
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
    """Actions, int64 (N,), of which each is, with probability `epsilon`, drawn anew from all."""
    anew = torch.rand(len(greedy), generator=generator) < epsilon
    drawn = torch.randint(actions, (len(greedy),), generator=generator)
    return torch.where(anew.to(greedy.device), drawn.to(greedy.device), greedy)


def annealed(step: int, start: float, end: float, steps: int) -> float:
    """In a straight line from `start` at step 0 to `end` at `steps`, and there ever after."""
    return start + (end - start) * min(1.0, step / max(1, steps))


class Replay:
    """The last `capacity` steps of N environments, as a ring of rows, with single frames: a stack is put together when
    it is drawn, zeros before its episode's start.

    Args:
        capacity: steps of all environments together.
        count: N.
        space: of an observation; of uint8 (K, H, W) or (K, H, W, 3) the last frame of K is kept, else all of it.
        alpha: exponent of the priorities (Schaul et al., eq. 1); 0 draws evenly.
    """

    def __init__(self, capacity: int, count: int, space: spaces.Box, alpha: float = 0.0):
        self.rows, self.count, self.alpha = capacity // count, count, alpha
        self.stack = space.shape[0] if len(space.shape) >= 3 else 0
        frame = space.shape[1:] if self.stack else space.shape
        self.frames = np.zeros((self.rows, count, *frame), space.dtype)
        self.actions = np.zeros((self.rows, count), np.int64)
        self.rewards = np.zeros((self.rows, count), np.float32)
        self.terminal = np.zeros((self.rows, count), bool)  # nothing is to be had after this step
        self.over = np.zeros((self.rows, count), bool)  # the next row is the episode's last observation
        self.dead = np.zeros((self.rows, count), bool)  # the step was a reset
        self.age = np.zeros((self.rows, count), np.int32)  # steps since the episode's start
        self.priority = np.zeros((self.rows, count), np.float64)  # to the power of alpha
        self.highest = 1.0
        self.added = 0  # rows, ever
        self.started = True  # the next row follows no other

    @staticmethod
    def memory(capacity: int, space: spaces.Box) -> int:
        """Bytes that so many steps take."""
        frame = space.shape[1:] if len(space.shape) >= 3 else space.shape
        return capacity * (int(np.prod(frame)) * np.dtype(space.dtype).itemsize + 8 + 4 + 3 + 4 + 8)

    def __len__(self) -> int:
        return min(self.added, self.rows) * self.count

    def begin(self) -> None:
        """All environments were started anew: what comes next does not follow what came last, whose row is no step any
        more, but the last observation of what went before."""
        if self.added:
            row = (self.added - 1) % self.rows
            self.over[row - 1] |= ~self.dead[row]
            self.dead[row], self.over[row] = True, True
            self.priority[row] = 0.0
        self.started = True

    def add(
        self, seen: np.ndarray, action: np.ndarray, reward: np.ndarray, terminal: np.ndarray, over: np.ndarray,
        dead: np.ndarray,
    ) -> None:  # fmt: skip
        """A step of all environments: what was seen before it, what was done, what came of it."""
        row, before = self.added % self.rows, (self.added - 1) % self.rows
        self.frames[row] = seen[:, -1] if self.stack else seen
        self.actions[row], self.rewards[row] = action, reward
        self.terminal[row], self.over[row], self.dead[row] = terminal, over, dead
        # What a reset shows begins an episode: the row behind a dead step.
        fresh = np.ones(self.count, bool) if self.started else self.dead[before]
        self.age[row] = np.where(fresh, 0, self.age[before] + 1)
        self.priority[row] = np.where(dead, 0.0, self.highest)
        self.added += 1
        self.started = False

    def draw(
        self, batch: int, n: int, discount: float, generator: torch.Generator, beta: float = 0.0
    ) -> tuple[np.ndarray, ...]:
        """A batch of n-step transitions.

        Returns observations (B, …), actions int64 (B,), discounted rewards of up to n steps float32 (B,), the
        observations behind them (B, …), the discount of what is to be had there float32 (B,), 0 behind an end; the rows
        int64 (B, 2), and weights float32 (B,), at most 1, to the power of `beta` (Schaul et al., section 3.4).
        """
        last = self.added - 1 - n  # rows from `first` to `last` have what they need
        first = max(0, self.added - self.rows + max(0, self.stack - 1))
        ready = last + 1 - first
        if ready < 1:
            raise ValueError("The memory holds too few steps.")
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
            for _ in range(100):  # a dead step teaches nothing: draw another
                bad = np.flatnonzero(self.dead[t % self.rows, e])
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
            factor = np.where(going, factor * np.float32(discount), factor)
            ahead += going
            ended |= going & self.terminal[row, e]
            going &= ~(self.over[row, e] | self.terminal[row, e])
        behind = np.where(ended, 0, factor).astype(np.float32)
        rows = np.stack([t % self.rows, e], axis=1)
        return self._at(t, e), self.actions[rows[:, 0], e], total, self._at(t + ahead, e), behind, rows, weights

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
        self.priority[rows[:, 0], rows[:, 1]] = np.where(self.dead[rows[:, 0], rows[:, 1]], 0.0, priority)

    _HELD = ("frames", "actions", "rewards", "terminal", "over", "dead", "age", "priority")

    def state(self) -> dict[str, Any]:
        """All that it holds, as tensors that share its memory."""
        full = min(self.added, self.rows)
        held = {key: torch.from_numpy(getattr(self, key)[:full]) for key in self._HELD}
        return held | {"added": self.added, "highest": self.highest}

    def take(self, state: dict[str, Any]) -> None:
        """Hold what `state` gave, of a memory of the same size."""
        for key in self._HELD:
            getattr(self, key)[: len(state[key])] = state[key].numpy()
        self.added, self.highest = state["added"], state["highest"]


class DQN(AgentModule):
    """Trains a QNetwork.

    Args:
        network, num_envs, rollout, ema_steps, val_episodes, threads, processes, reward_model: see
            agents.AgentModule.
        lr: Adam's step size.
        lr_end: the share of it that is left at the budget's end, in a straight line.
        adam_eps: Adam's ε; the 1.5e-4 of Rainbow suits clipped rewards.
        discount: of a step, γ.
        batch_size, updates: of a training step.
        n_step: rewards that a target sums.
        double: the online network chooses the next action, the target network values it.
        target_steps: environment steps between two copies to the target network.
        capacity: of the memory, in environment steps; what it takes is told before the run.
        warmup_steps: environment steps of random play before the first update.
        epsilon_start, epsilon_end, epsilon_steps: the share of random actions, in a straight line over so many
            environment steps.
        alpha, beta: of prioritised replay: exponent of the priorities, 0 for none, and where the exponent of the
            weights starts, which ends at 1.
        clip_rewards: to their signs.
        life_loss: the loss of a life ends the future, not the game.
        gradient_clip: largest norm of the gradient; 0 for any.
        save_replay: keep the memory in checkpoints, so that a resumed run equals one never stopped.
    """

    replay: Replay

    def __init__(
        self,
        network: AgentNetwork,
        num_envs: int = 8,
        rollout: int = 8,
        ema_steps: float = 0.0,
        val_episodes: int = 20,
        threads: int = 0,
        processes: bool = False,
        reward_model: str = "",
        lr: float = 1e-4,
        lr_end: float = 1.0,
        adam_eps: float = 1.5e-4,
        discount: float = 0.99,
        batch_size: int = 256,
        updates: int = 2,
        n_step: int = 3,
        double: bool = True,
        target_steps: int = 8_000,
        capacity: int = 300_000,
        warmup_steps: int = 20_000,
        epsilon_start: float = 1.0,
        epsilon_end: float = 0.01,
        epsilon_steps: int = 200_000,
        alpha: float = 0.0,
        beta: float = 0.4,
        clip_rewards: bool = True,
        life_loss: bool = True,
        gradient_clip: float = 10.0,
        save_replay: bool = False,
    ):
        super().__init__(network, num_envs, rollout, ema_steps, val_episodes, threads, processes, reward_model)
        if capacity // num_envs * num_envs < max(warmup_steps, num_envs * (n_step + 8)):
            raise UserError(f"capacity ({capacity}) must hold warmup_steps ({warmup_steps}) and n-step returns.")
        self.target = copy.deepcopy(network).requires_grad_(False).eval()
        self.lr, self.lr_end, self.adam_eps, self.discount = lr, lr_end, adam_eps, discount
        self.batch_size, self.updates_a_step, self.n_step, self.doubled = batch_size, updates, n_step, double
        self.target_steps, self.capacity, self.warmup_steps = target_steps, capacity, warmup_steps
        self.epsilons = epsilon_start, epsilon_end, epsilon_steps
        self.alpha, self.beta, self.clip_rewards, self.life_loss = alpha, beta, clip_rewards, life_loss
        self.gradient_clip, self.save_replay = gradient_clip, save_replay
        self.kept: dict[str, Any] = {}

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.net.parameters(), self.lr, eps=self.adam_eps, fused=True)

    def on_fit_start(self) -> None:
        super().on_fit_start()
        space = self.net.observation_space
        rank_zero_info(f"The replay memory takes {Replay.memory(self.capacity, space) / 2**20:,.0f} MiB when full.")
        self.replay = Replay(self.capacity, self.num_envs, space, self.alpha)
        if self.kept:
            self.replay.take(self.kept)
            self.kept = {}
        elif not self.restored:
            self.target.load_state_dict(self.net.state_dict())

    def state(self) -> dict[str, Any]:
        return {"replay": self.replay.state()} if self.save_replay else {}

    def take_state(self, state: dict[str, Any]) -> None:
        self.kept = state.get("replay", {})

    def reset(self) -> None:
        super().reset()
        self.replay.begin()

    def learn(self) -> dict[str, Any]:
        epsilon = self.collect()
        values: dict[str, Any] = {"epsilon": epsilon}
        if len(self.replay) >= max(self.warmup_steps, self.num_envs * (self.n_step + 8)):
            found = [self.update(last=i + 1 == self.updates_a_step) for i in range(self.updates_a_step)]
            values["loss"], values["value"] = (float(torch.stack(v).mean()) for v in zip(*found, strict=True))
        return values

    @torch.no_grad()
    def collect(self) -> float:
        """Play, and remember. Returns ε."""
        start, end, steps = self.epsilons
        warm = self.env_steps < self.warmup_steps
        epsilon = 1.0 if warm else annealed(self.env_steps - self.warmup_steps, start, end, steps)
        actions = int(self.net.action_space.n)
        for _ in range(self.rollout):
            seen = self.seen
            if epsilon < 1:
                greedy = self.net(torch.from_numpy(seen).to(self.device)).argmax(dim=1).cpu()
            else:
                greedy = torch.zeros(self.num_envs, dtype=torch.long)
            chosen = explore(greedy, epsilon, actions, self.draws).numpy()
            reward, terminated, over, dead, hurt = self.step(chosen)
            terminal = terminated | hurt if self.life_loss else terminated
            self.replay.add(seen, chosen, np.sign(reward) if self.clip_rewards else reward, terminal, over, dead)
        return epsilon

    def update(self, last: bool) -> tuple[Tensor, Tensor]:
        """One step of the optimizer. Returns loss and mean value."""
        beta = annealed(self.env_steps, self.beta, 1.0, self.trainer.datamodule.steps)  # type: ignore[attr-defined]
        drawn = self.replay.draw(self.batch_size, self.n_step, self.discount, self.draws, beta)
        seen, action, reward, then, factor, _, weights = (torch.from_numpy(x).to(self.device) for x in drawn)
        with torch.no_grad():
            future = self.target(then)
            chosen = (self.net(then) if self.doubled else future).argmax(dim=1, keepdim=True)
            wanted = reward + factor * future.gather(1, chosen)[:, 0]
        value = self.net(seen).gather(1, action[:, None])[:, 0]
        loss = (weights * F.smooth_l1_loss(value, wanted, reduction="none")).mean()
        optimizer: Any = self.optimizers()
        rate = self.lr * annealed(self.env_steps, 1.0, self.lr_end, self.trainer.datamodule.steps)  # type: ignore[attr-defined]
        optimizer.optimizer.param_groups[0]["lr"] = rate
        # The raw optimizer but for the last update: a training step is to be one global step.
        self._descend(optimizer if last else optimizer.optimizer, loss, self.net, self.gradient_clip)
        if self.alpha:
            self.replay.weigh(drawn[5], (value - wanted).detach().cpu().numpy())
        self.updates += 1
        return loss.detach(), value.detach().mean()

    def count(self, images: int) -> None:
        before = self.env_steps // self.target_steps
        super().count(images)
        if self.env_steps // self.target_steps > before:
            self.target.load_state_dict(self.net.state_dict())

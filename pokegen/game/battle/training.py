"""How an agent learns to battle: a clone of a scripted player, then PPO against itself and its earlier selves.

Cloning also teaches the critic, by the battles' results, so that PPO can begin at once. In PPO most seats play each
other (self-play: Heinrich and Silver, 2016, use earlier selves against cycles); the others play a pool of the agent's
earlier weights. The step size should fall to zero (lr_end: 0): with a constant one others measured .13 to .25 less in
win rate (Wang, MIT 2024; greenquist, 2026).

Metrics of cloning: */policy_loss, the cross-entropy; */value_loss, half the squared error of the results; */accuracy.
Of PPO in addition to those of ppo.py: train/win_rate_pool, the share of battles against the pool that were won, ties
counted as losses, of the last thousand; val/return against the network's own opponents, 2 × win rate − 1.
"""

import copy
import time
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from pokegen.errors import UserError
from pokegen.game.agents.ppo import PPO
from pokegen.game.battle.agent import BattleNetwork
from pokegen.game.battle.encoder import LAYOUT, PASS
from pokegen.game.battle.env import POOL, SELF, BattleVectorEnv
from pokegen.game.battle.opponents import NetworkOpponent, opponent
from pokegen.progress import progress


class BattleDemonstrations(L.LightningDataModule):
    """Battles of a player against itself and others, of which its decisions are learnt.

    Args:
        decisions: how many, in whole battles.
        player: expert, or an agent, see opponents.opponent.
        opponents: see env.BattleVectorEnv.
        random_share: of the decisions replaced by a random one, which is played but not learnt, so that the player is
            also seen in positions that it would not reach.
        seed: of the battles.
        batch_size: rows.
        val_share: of the battles, kept to validate.
        seats: that play at once.
        simulators: see env.BattleVectorEnv.
        options: of the environment besides.
    """

    def __init__(
        self,
        decisions: int = 200_000,
        player: str = "expert",
        opponents: Mapping[str, float] | None = None,
        random_share: float = 0.05,
        seed: int = 0,
        batch_size: int = 512,
        val_share: float = 0.05,
        seats: int = 64,
        simulators: int = 1,
        options: Mapping[str, Any] | None = None,
    ):
        super().__init__()
        if decisions < batch_size or not 0 < val_share < 1 or not 0 <= random_share < 1:
            raise UserError("decisions must be at least batch_size, val_share in (0, 1), random_share in [0, 1).")
        self.decisions, self.player, self.opponents = decisions, player, dict(opponents or {SELF: 1.0})
        self.random_share, self.seed, self.batch_size, self.val_share = random_share, seed, batch_size, val_share
        self.seats, self.simulators, self.options = seats, simulators, dict(options or {})
        self.rows: dict[str, dict[str, Tensor]] = {}

    def setup(self, stage: str) -> None:
        if not self.rows:
            played = demonstrate(self)
            held = torch.rand(int(played["battle"].max()) + 1, generator=torch.Generator().manual_seed(self.seed))
            held = held[played.pop("battle")] < self.val_share
            self.rows = {
                "train": {key: values[~held] for key, values in played.items()},
                "val": {key: values[held] for key, values in played.items()},
            }

    def train_dataloader(self) -> DataLoader:
        return self._loader("train", shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return self._loader("val", shuffle=False)

    test_dataloader = val_dataloader

    def _loader(self, part: str, shuffle: bool) -> DataLoader:
        rows = self.rows[part]
        count = len(rows["action"])
        return DataLoader(_Rows(rows), sampler=_Batches(count, self.batch_size, shuffle), batch_size=None)


def demonstrate(data: BattleDemonstrations) -> dict[str, Tensor]:
    """The battles of a BattleDemonstrations: `observation` float16 (M, SIZE), whose indices float16 holds exactly,
    `action` int64 (M, 1), `result` float32 (M,) and `battle` int64 (M,)."""
    start = time.monotonic()
    rank_zero_info(f"{data.player} plays {data.decisions:,} decisions to learn from ...")
    kept = list(progress(_decisions(data), "decisions", data.decisions))
    observations, actions, results, battles = zip(*kept, strict=True)
    seconds = time.monotonic() - start
    rank_zero_info(f"{len(kept):,} decisions of {battles[-1] + 1:,} battles were played in {seconds:,.0f} s.")
    return {
        "observation": torch.from_numpy(np.stack(observations)),
        "action": torch.tensor(actions)[:, None],
        "result": torch.tensor(results, dtype=torch.float32),
        "battle": torch.tensor(battles),
    }


def _decisions(data: BattleDemonstrations) -> Iterator[tuple[np.ndarray, int, float, int]]:
    """Observation, action, the battle's result and its number, of whole battles, until there are enough."""
    chosen = opponent(data.player)
    if not isinstance(chosen, NetworkOpponent):
        raise UserError(f"{data.player} cannot be cloned: choose expert, or an agent.")
    player, rng = chosen.network, np.random.default_rng(data.seed)
    generator = torch.Generator().manual_seed(data.seed)
    env = BattleVectorEnv(data.seats, data.opponents, simulators=data.simulators, **data.options)
    going: list[list[tuple[np.ndarray, int]]] = [[] for _ in range(data.seats)]
    count = number = 0
    try:
        observation, _ = env.reset(seed=data.seed)
        while count < data.decisions:
            with torch.inference_mode():
                actions = player.act(torch.from_numpy(observation), generator).numpy()
            stray = rng.random(data.seats) < data.random_share
            for seat in range(data.seats):
                mask = observation[seat, LAYOUT["legal"]]
                if mask[PASS]:
                    continue
                if stray[seat]:
                    actions[seat] = rng.choice(np.flatnonzero(mask))
                elif mask.sum() > 1:  # a forced action teaches nothing
                    going[seat].append((observation[seat].astype(np.float16), int(actions[seat])))
            observation, _, done, _, _ = env.step(actions)
            for place, (_, seats) in enumerate(env.places):
                if done[seats[0]]:
                    for seat in seats:
                        result = env.result(place, seat)
                        yield from ((seen, action, result, number) for seen, action in going[seat])
                        count += len(going[seat])
                        going[seat] = []
                    number += 1
    finally:
        env.close()


class _Rows(Dataset):
    """Whole batches by the rows that they hold."""

    def __init__(self, rows: dict[str, Tensor]):
        self.rows = rows

    def __getitem__(self, rows: Tensor) -> dict[str, Tensor]:
        return {key: values[rows] for key, values in self.rows.items()}


class _Batches(Sampler):
    """All rows in batches of even size, shuffled or in order."""

    def __init__(self, rows: int, batch_size: int, shuffle: bool):
        self.rows, self.parts, self.shuffle = rows, max(1, round(rows / batch_size)), shuffle

    def __len__(self) -> int:
        return self.parts

    def __iter__(self) -> Iterator[Tensor]:
        order = torch.randperm(self.rows) if self.shuffle else torch.arange(self.rows)
        yield from order.tensor_split(self.parts)


class BattlePPO(PPO):
    """Trains a BattleNetwork.

    Args:
        network: see BattleNetwork; its own opponents are those of validation.
        opponents: of training: name → weight, see env.BattleVectorEnv. "self" are the learner's own seats, "pool" its
            earlier selves.
        pool_size: earlier selves that are kept; one of them is drawn for each iteration.
        pool_every: iterations between two that are kept.
        shaping: see env.BattleVectorEnv.
        simulators: see env.BattleVectorEnv.
        kwargs: see ppo.PPO.
    """

    def __init__(
        self,
        network: BattleNetwork,
        opponents: Mapping[str, float] | None = None,
        pool_size: int = 10,
        pool_every: int = 20,
        shaping: float = 0.0,
        simulators: int = 1,
        **kwargs: Any,
    ):
        super().__init__(network, **kwargs)
        if not isinstance(network, BattleNetwork):
            raise UserError(f"BattlePPO trains a BattleNetwork, got {type(network).__name__}.")
        if min(pool_size, pool_every) < 1:
            raise UserError("pool_size and pool_every must be at least 1.")
        self.pool_size, self.pool_every = pool_size, pool_every
        shares = dict(opponents or {SELF: 0.8, POOL: 0.2})
        self.vector_options |= {"opponents": shares, "shaping": shaping, "simulators": simulators}
        self.pool: list[dict[str, Tensor]] = []  # weights, the oldest first
        self.results: deque[float] = deque(maxlen=1000)  # against the pool
        self.iterations = 0
        self.earlier: Any = None  # the earlier self that plays now; no part of this module

    def reset(self) -> None:
        if POOL in self.vector_options["opponents"]:
            self._draw_earlier()
        super().reset()

    def _draw_earlier(self) -> None:
        """Set one of the pool as the opponent, or the learner itself while the pool is empty."""
        if self.earlier is None:
            network = copy.deepcopy(self.ema).requires_grad_(False).eval()
            network.temperature = 1.0
            self.earlier = [network]  # in a list, hidden from nn.Module
        weights = self.net.state_dict()
        if self.pool:
            weights = self.pool[int(torch.randint(len(self.pool), (), generator=self.rng))]
        self.earlier[0].load_state_dict(weights, strict=False)
        self.envs.opponents[POOL] = NetworkOpponent(self.earlier[0])

    def learn(self) -> dict[str, Any]:
        if self.iterations % self.pool_every == 0:
            state = {key: value.detach().clone() for key, value in self.net.state_dict().items()}
            self.pool = [*self.pool, state][-self.pool_size :]
        self.iterations += 1
        if POOL in self.vector_options["opponents"]:
            self._draw_earlier()
        values = super().learn()
        self.results.extend(result for name, result in self.envs.results if name == POOL)
        self.envs.results.clear()
        if self.results:
            values["win_rate_pool"] = float(np.mean([result > 0 for result in self.results]))
        return values

    def state(self) -> dict[str, Any]:
        return super().state() | {"pool": self.pool, "iterations": self.iterations, "results": list(self.results)}

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        self.pool, self.iterations = state["pool"], state["iterations"]
        self.results.extend(state["results"])

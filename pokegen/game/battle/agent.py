"""An agent that battles: one encoder for every Pokémon, and a scorer for each legal action.

The same small nets read all twelve Pokémon and all moves, and an action's score is read from what it does: a move from
its effects and its damage here, a switch from the Pokémon that comes in (a pointer: Vinyals et al., NeurIPS 2015; sets:
Zaheer et al., Deep Sets, NeurIPS 2017). So nothing is learnt once for each place of the team, and a created Pokémon or
an unseen move is read like any other. Damage is computed from the games' formula, not learnt.

Left out: a memory of earlier turns (what was revealed stays in the observation), search.

Letters: N observations, T = 6 Pokémon of a team, M moves, F foes.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import gymnasium
import torch
from torch import Tensor, nn

from pokegen.errors import UserError
from pokegen.game.agents.base import AgentNetwork
from pokegen.game.agents.ppo import ActorCritic
from pokegen.game.battle import dex, encoder
from pokegen.game.battle.damage import MATCHUP, Matchups
from pokegen.game.battle.encoder import ACTIONS, ENV, FIELD, FIGHTER, MOVES, PASS, SWITCH
from pokegen.game.battle.encoder import MON_COLUMN as _M
from pokegen.game.battle.env import BattleEnv, BattleVectorEnv
from pokegen.game.battle.tracker import TEAM, VOLATILES

_TYPES = dex.NO_TYPE + 1
_ILLEGAL = -1e9  # the logit of an illegal action
_MOVE_NUMBERS = 3 + 3 + 1  # of a move: choice and effect, damage, terastallization


def _mlp(*sizes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers)


class BattleNetwork(ActorCritic):
    """Observations of encoder.py → logits of the actions, (N, 15), illegal ones −1e9; and the value, the expected
    result of the battle.

    Args:
        env: must be pokegen/Battle-v0.
        options: of the environment, see env.BattleVectorEnv.
        width: units of a Pokémon's code.
        hidden: units of the layers that read the whole field.
        temperature: of the distribution that it plays from; 0 plays the likeliest action.
        plain_spaces: see base.AgentNetwork.
    """

    def __init__(
        self,
        env: str = ENV,
        options: Mapping[str, Any] | None = None,
        width: int = 96,
        hidden: int = 256,
        temperature: float = 0.0,
        plain_spaces: Mapping[str, Any] | None = None,
    ):
        if env != ENV:
            raise UserError(f"A BattleNetwork plays {ENV}, not {env}.")
        AgentNetwork.__init__(self, env, options, plain_spaces)  # ActorCritic's own nets read vectors without parts
        self.parts, self.start, self.normalise = [ACTIONS], [0], False
        self.sample_actions, self.temperature = temperature > 0, temperature
        self.matchups = Matchups()
        code = 32
        self.move_code = nn.Linear(self.matchups.damage.table.shape[1], code)
        self.ability_code = nn.Embedding(len(dex.abilities()), 16)
        self.item_code = nn.Embedding(len(dex.ITEMS), 8)
        mon = 2 * _TYPES + len(dex.STATS) + len(dex.STATUSES) + 9 + 16 + 8 + code + len(MATCHUP)
        self.mon_code = _mlp(mon, 128, width)
        fighter = len(dex.BOOSTS) + len(VOLATILES) + 2 + code
        field = len(FIELD) - 2 + len(dex.WEATHERS) + len(dex.TERRAINS)
        self.context = nn.Sequential(
            nn.Linear(6 * width + 2 * fighter + field, hidden), nn.LayerNorm(hidden), nn.ReLU(),
            nn.Linear(hidden, hidden), nn.LayerNorm(hidden), nn.ReLU(),
        )  # fmt: skip
        self.move_context, self.move_own = nn.Linear(hidden, 128), nn.Linear(code + _MOVE_NUMBERS, 128)
        self.switch_context, self.switch_own = nn.Linear(hidden, 128), nn.Linear(width, 128)
        self.move_score, self.switch_score = nn.Linear(128, 1), nn.Linear(128, 1)
        self.critic = nn.Sequential(nn.Linear(hidden, 128), nn.ReLU(), nn.Linear(128, 1))
        for score in (self.move_score, self.switch_score):
            nn.init.orthogonal_(score.weight, 0.01)
            nn.init.zeros_(score.bias)

    def single(self, render_mode: str | None = None) -> gymnasium.Env:
        return BattleEnv(render_mode=render_mode, **self.options)

    def vector(self, count: int, **options: Any) -> Any:
        options.pop("threads", None)  # of other vector environments
        return BattleVectorEnv(count, **self.options | options)

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        context, moves, switches, legal = self.read(observation)
        return self._logits(context, moves, switches, legal), self.critic(context)[:, 0]

    def policy(self, observation: Tensor) -> Tensor:
        return self._logits(*self.read(observation))

    def _logits(self, context: Tensor, moves: Tensor, switches: Tensor, legal: Tensor) -> Tensor:
        to_move = torch.relu(self.move_context(context)[:, None] + self.move_own(moves))  # (N, 8, 128)
        to_switch = torch.relu(self.switch_context(context)[:, None] + self.switch_own(switches))  # (N, T, 128)
        scores = [
            self.move_score(to_move)[..., 0],
            self.switch_score(to_switch)[..., 0],
            context.new_zeros(len(context), 1),
        ]
        return torch.cat(scores, dim=1).masked_fill(legal == 0, _ILLEGAL)

    def act(self, observation: Tensor, generator: torch.Generator | None = None) -> Tensor:
        logits = self.policy(observation)
        if not self.temperature:
            return logits.argmax(dim=1)
        noise = self.noise(len(logits), generator=generator).to(logits.device)
        return self.draw(logits / self.temperature, noise)[:, 0]

    def loss(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Of cloning: observations (B, SIZE), a player's actions (B, 1) and the battles' results (B,), in [−1, 1]."""
        logits, value = self(batch["observation"].float())
        policy = -self.likelihood(logits, batch["action"])[0].mean()
        error = 0.5 * (value - batch["result"]).square().mean()
        right = (logits.argmax(dim=1) == batch["action"][:, 0]).float().mean()
        return {"loss": policy + error, "policy_loss": policy, "value_loss": error, "accuracy": right}

    def read(self, observation: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Observations (N, SIZE) → the context (N, hidden), the eight moves (N, 8, …), the team (N, T, width) and
        which actions are legal (N, 15)."""
        reading = self.matchups(observation)
        part, mons, place, moves = reading.parts, reading.mons, reading.place, reading.moves
        fighters = [part["own_fighter"], part["foe_fighter"]]
        table_code = self.move_code(self.matchups.damage.table)  # (moves, code)
        codes = [
            self.mon_code(self._mon(mon, matchup, table_code)) * mon[..., :1]
            for mon, matchup in zip(mons, reading.matchups, strict=True)
        ]  # (N, T, width), nothing where no Pokémon is known
        rows = torch.arange(len(observation), device=observation.device)
        seen = []
        for mon, code, active in zip(mons, codes, place, strict=True):
            fighting = mon[rows, active, _M["active"]][:, None]
            bench = code * (1 - mon[..., _M["fainted"], None])
            seen += [code[rows, active] * fighting, bench.amax(dim=1), bench.sum(dim=1) / TEAM]
        for fighter in fighters:
            last = fighter[:, FIGHTER.index("last_move")].long()
            at = len(dex.BOOSTS) + len(VOLATILES)
            seen += [fighter[:, : len(dex.BOOSTS)] / 3, fighter[:, len(dex.BOOSTS) : at], fighter[:, at : at + 1]]
            seen += [fighter[:, -1:], table_code[last]]
        field = part["field"]
        for name, count in (("weather", len(dex.WEATHERS)), ("terrain", len(dex.TERRAINS))):
            seen.append(nn.functional.one_hot(field[:, FIELD.index(name)].long(), count).float())
        seen += [field[:, 1:2], field[:, 3:]]
        context = self.context(torch.cat(seen, dim=1))
        choices = part["choices"].unflatten(1, (MOVES, len(encoder.CHOICE)))
        numbers = torch.stack([choices[..., 1], choices[..., 2], reading.effect], dim=2)  # (N, 4, 3)
        both = [
            torch.cat([table_code[moves], numbers, reading.here[..., i], torch.full_like(numbers[..., :1], i)], dim=2)
            for i in range(2)
        ]  # without and with terastallization
        return context, torch.cat(both, dim=1), codes[0], part["legal"]

    def _mon(self, mon: Tensor, matchup: Tensor, table_code: Tensor) -> Tensor:
        """What is known of each Pokémon, (N, T, …)."""
        one_hot = nn.functional.one_hot
        types = one_hot(mon[..., [_M["type1"], _M["type2"]]].long(), _TYPES).sum(dim=2).float()
        tera = one_hot(mon[..., _M["tera"]].long(), _TYPES).float()
        status = one_hot(mon[..., _M["status"]].long(), len(dex.STATUSES)).float()
        own = mon[..., _M["move0"] : _M["move0"] + MOVES].long()
        words = "active", "hp", "fainted", "level", "terastallized", "sleep", "toxic", "weight"
        stats = mon[..., _M["hp_stat"] : _M["hp_stat"] + len(dex.STATS)] / 2
        left = mon[..., _M["pp0"] : _M["pp0"] + MOVES].mean(dim=2, keepdim=True)
        moves = (table_code[own] * (own > 0)[..., None]).sum(dim=2) / MOVES
        ability = self.ability_code(mon[..., _M["ability"]].long())
        item = self.item_code(mon[..., _M["item"]].long())
        columns = mon[..., [_M[word] for word in words]]
        return torch.cat([types, tera, status, stats, columns, left, ability, item, moves, matchup], dim=2)


assert PASS == SWITCH + TEAM == ACTIONS - 1

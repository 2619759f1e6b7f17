"""A scripted battler, from which an agent is cloned: it weighs what each action does and risks, one turn ahead.

An attack is worth the share of the foe's health that it takes; healing, boosts, hazards and status conditions have
worths that were set by hand; a switch is worth what the Pokémon that comes in can do, less what it suffers. The damage
comes from damage.Matchups. Left out: what the opponent may choose, and all that needs a memory.
"""

from typing import Any

import torch
from torch import Tensor

from pokegen.game.battle import dex
from pokegen.game.battle.damage import MATCHUP, Matchups, Reading
from pokegen.game.battle.encoder import ACTIONS, FIELD, FIGHTER, MOVES, SWITCH
from pokegen.game.battle.encoder import MON_COLUMN as _MON
from pokegen.game.battle.tracker import TEAM

_STATUS_WORTH = {"slp": 0.7, "brn": 0.45, "tox": 0.5, "par": 0.45, "psn": 0.3, "frz": 0.7}
# Types that a status does nothing to.
_IMMUNE = {
    "brn": ("fire",),
    "par": ("electric",),
    "tox": ("poison", "steel"),
    "psn": ("poison", "steel"),
    "frz": ("ice",),
}
_FIELD = {name: column for column, name in enumerate(FIELD)}


class BattleExpert:
    """Scores actions of observations; the highest is played."""

    def __init__(self) -> None:
        self._matchups = Matchups()

    def act(self, observation: Tensor, generator: Any = None) -> Tensor:
        """Actions, int64 (N,), of observations float32 (N, SIZE)."""
        return self.scores(observation).argmax(dim=1)

    @torch.no_grad()
    def scores(self, observation: Tensor) -> Tensor:
        """Worths of all actions, (N, 15); −1e9 of illegal ones."""
        reading = self._matchups(observation)
        n = len(observation)
        found = torch.zeros(n, ACTIONS)
        moves, switches, stay = self._moves(reading), self._switches(reading), self._stay(reading)
        found[:, :MOVES] = moves[..., 0] + stay[:, None]
        found[:, MOVES:SWITCH] = moves[..., 1] + stay[:, None]
        found[:, SWITCH : SWITCH + TEAM] = switches
        return found.masked_fill(reading.parts["legal"] == 0, -1e9)

    def _own(self, reading: Reading) -> tuple[Tensor, Tensor, Tensor]:
        """The active Pokémon, (N, …), its matchup (N, 8), and the foe."""
        rows = torch.arange(len(reading.moves))
        own, foe = (mon[rows, place] for mon, place in zip(reading.mons, reading.place, strict=True))
        return own, reading.matchups[0][rows, reading.place[0]], foe

    def _stay(self, reading: Reading) -> Tensor:
        """What it costs not to switch, (N,)."""
        own, matchup, _ = self._own(reading)
        threat = _threat(matchup)
        return -0.5 * (threat / own[:, _MON["hp"]].clamp(min=0.01)).clamp(max=1)

    def _moves(self, reading: Reading) -> Tensor:
        """Worths of the four moves, without and with terastallization, (N, 4, 2)."""
        own, matchup, foe = self._own(reading)
        table = self._matchups.damage.table[reading.moves]  # (N, 4, numbers)

        def column(word: str) -> Tensor:
            return table[..., dex.MOVE_COLUMN[word]]

        hp, left = own[:, _MON["hp"], None], foe[:, _MON["hp"], None].clamp(min=0.01)
        threat = _threat(matchup)[:, None]
        first = (matchup[:, MATCHUP.index("faster"), None] > 0) | (column("priority") > 0)
        doomed = (threat >= hp) & ~first
        accuracy = column("accuracy")
        damage = reading.here[:, :, 0]  # (N, 4, 2)
        share = (damage / left[..., None]).clamp(max=1)
        worth = share * accuracy[..., None] + 0.4 * (share >= 1) * accuracy[..., None]
        worth = worth + 0.05 * damage.clamp(max=1) + 0.1 * (column("priority") > 0)[..., None] * (share >= 1)
        slow = (column("recharge") + column("charge") + column("needs_more")).clamp(max=1)
        worth = worth * (1 - 0.5 * slow[..., None])
        worth = worth - 0.3 * (column("recoil") * (hp < 0.4))[..., None]
        worth = worth - 0.7 * (column("self_destruct") * (hp > 0.3))[..., None]
        worth = worth + 0.15 * (column("self_switch") * (share.amax(dim=2) < 1))[..., None]
        worth = worth + 0.1 * (column("knock_off") + column("drain") * (1 - hp))[..., None]
        worth = worth - 0.1 * (-self._boosts(table, "self")).clamp(min=0)[..., None]
        worth = worth + self._effects(reading, table, own, foe, threat)[..., None]
        worth = torch.where(doomed[..., None], worth * 0.3, worth)
        worth[..., 1] -= 0.12  # terastallization can be used once
        return worth

    def _boosts(self, table: Tensor, target: str) -> Tensor:
        """Stages that a move changes, all in all, (N, 4)."""
        columns = [dex.MOVE_COLUMN[f"{target}_{boost}"] for boost in dex.BOOSTS]
        return 2 * table[..., columns].sum(dim=-1)

    def _effects(self, reading: Reading, table: Tensor, own: Tensor, foe: Tensor, threat: Tensor) -> Tensor:
        """Worth of what the moves do besides damage, (N, 4)."""

        def column(word: str) -> Tensor:
            return table[..., dex.MOVE_COLUMN[word]]

        field = reading.parts["field"]
        hp = own[:, _MON["hp"], None]
        found = torch.zeros_like(reading.effect)
        status = column("is_Status") > 0
        safe = threat < 0.6 * hp
        heal = column("heal") * status
        found += torch.where((heal > 0) & (threat < 0.5) & (hp < 0.6), 1.3 * (1 - hp), 0.0)
        boost = self._boosts(table, "self").clamp(min=0) * status
        now = reading.parts["own_fighter"][:, : len(dex.BOOSTS)].clamp(min=0).sum(dim=1, keepdim=True)
        found += torch.where((boost > 0) & safe & (hp > 0.5) & (now < 4), 0.35 + 0.15 * boost.clamp(max=4), 0.0)
        healthy = foe[:, _MON["status"], None] == 0
        guarded = reading.parts["foe_fighter"][:, FIGHTER.index("substitute"), None] > 0
        types = foe[:, [_MON["type1"], _MON["type2"]]]
        for word, worth in _STATUS_WORTH.items():
            kinds = torch.tensor([dex.TYPE_INDEX[kind] for kind in _IMMUNE.get(word, ())])
            open_to = ~torch.isin(types.long(), kinds).any(dim=1, keepdim=True)
            chance = column(f"{word}_chance") * (reading.effect > 0)
            scale = torch.where(status, column("accuracy"), 0.5)
            found += worth * chance * scale * healthy * open_to * ~guarded
        left = field[:, _FIELD["foe_left"], None]
        for word in dex.HAZARDS:
            laid = field[:, _FIELD[f"foe_{word}"], None]
            found += 0.55 * column(word) * (laid == 0) * (left > 0.4) * safe
        for word in dex.SCREENS:
            found += 0.4 * column(word) * (field[:, _FIELD[f"own_{word}"], None] == 0) * safe
        own_hazards = sum(field[:, _FIELD[f"own_{word}"], None] for word in dex.HAZARDS) > 0
        found += 0.4 * column("removes_hazards") * own_hazards
        found += (
            0.35 * column("leech_seed") * status
            + 0.3 * column("wish") * (hp < 0.7)
            + 0.25 * column("substitute") * safe
        )
        found += 0.35 * column("yawn") * healthy + 0.2 * column("taunt") + 0.2 * column("encore")
        return found + 0.05 * status

    def _switches(self, reading: Reading) -> Tensor:
        """Worths of the switches, (N, 6)."""
        mons, matchup = reading.mons[0], reading.matchups[0]
        _, _, foe = self._own(reading)
        hp, left = mons[..., _MON["hp"]].clamp(min=0.01), foe[:, _MON["hp"], None].clamp(min=0.01)
        threat = _threat(matchup)
        deals = (matchup[..., MATCHUP.index("dealt")] / left).clamp(max=1)
        forced = reading.parts["field"][:, _FIELD["force_switch"], None]
        boosts = reading.parts["own_fighter"][:, : len(dex.BOOSTS)].sum(dim=1, keepdim=True)
        worth = 0.8 * deals + 0.15 * matchup[..., MATCHUP.index("faster")] + 0.1 * hp
        worth = worth - (0.8 + 0.3 * (1 - forced)) * (threat / hp).clamp(max=1)
        return worth - (1 - forced) * (0.25 + 0.1 * boosts.clamp(-3, 6))


def _threat(matchup: Tensor) -> Tensor:
    """Damage that the foe in play is taken to do, a share of full health."""
    suffered, feared = matchup[..., MATCHUP.index("suffered")], matchup[..., MATCHUP.index("feared")]
    return torch.maximum(suffered, 0.75 * feared)

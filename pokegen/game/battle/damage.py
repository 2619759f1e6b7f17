"""Damage by the games' formula, of all Pokémon of an observation at once; nothing in it is learnt.

Left out: critical hits, the effects of most abilities and items.

Letters: N observations, T = 6 Pokémon of a team; of attackers A with M moves each, against F foes.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pokegen.game.battle import dex, encoder
from pokegen.game.battle.encoder import FIELD, LAYOUT, MON, MOVES
from pokegen.game.battle.encoder import MON_COLUMN as _M
from pokegen.game.battle.tracker import TEAM

_TYPES = dex.NO_TYPE + 1
_ROLL = 0.925  # the mean of the random factor of damage, .85 to 1
_GUESS = 0.8  # power (hundreds) of the attack of each own type that an opponent is taken to have


class Attacks(NamedTuple):
    """Attacks, each tensor broadcastable to (N, A, M): of A attackers, M each."""

    power: Tensor  # a hundredth of the base power, hits included
    type: Tensor  # int64
    physical: Tensor  # bool
    psyshock: Tensor
    body_press: Tensor
    foul_play: Tensor
    level_damage: Tensor
    half_damage: Tensor


class Damage(nn.Module):
    """The games' damage formula on known stats, types, boosts, abilities, items, weather and screens; nothing in it is
    learnt."""

    table: Tensor
    chart: Tensor

    def __init__(self) -> None:
        super().__init__()
        abilities = dex.abilities()
        absorbed = np.full(len(abilities), -1)
        power = np.ones(len(abilities), np.float32)
        for key, kind in dex.ABSORBED.items():
            absorbed[abilities[key]] = dex.TYPE_INDEX[kind]
        for key, factor in dex.PHYSICAL_POWER.items():
            power[abilities[key]] = factor
        items = np.ones((2, len(dex.ITEMS), 2), np.float32)
        for row, factors in ((0, dex.ITEM_POWER), (1, dex.ITEM_GUARD)):
            for key, both in factors.items():
                items[row, dex.ITEM_INDEX[key]] = both
        for name, values in {
            "table": np.array(dex.move_table()), "chart": np.array(dex.effectiveness()), "absorbed": absorbed,
            "ability_power": power, "item_power": items[0], "item_guard": items[1],
        }.items():  # fmt: skip
            self.register_buffer(name, torch.from_numpy(values), persistent=False)
        types = self.table[:, [dex.MOVE_COLUMN[f"type_{i}"] for i in range(_TYPES)]].argmax(dim=1)
        self.register_buffer("move_type", types, persistent=False)

    def attacks(self, moves: Tensor) -> Attacks:
        """Of moves, rows of the table, int64 (N, A, M)."""

        def column(name: str) -> Tensor:
            return self.table[:, dex.MOVE_COLUMN[name]][moves]

        words = "psyshock", "body_press", "foul_play", "level_damage", "half_damage"
        physical = column("is_Physical") > 0
        power = column("power") * column("hits") * 3
        return Attacks(power, self.get_buffer("move_type")[moves], physical, *(column(word) > 0 for word in words))

    def forward(self, attacks: Attacks, own: "Team", foe: "Team", weather: Tensor, screens: Tensor) -> Tensor:
        """Expected damage as a share of each foe's full health, (N, A, M, F), at most 2.

        Args:
            attacks: of `own`'s A Pokémon.
            own, foe: attackers and defenders.
            weather: index of dex.WEATHERS, int64 (N,).
            screens: whether reflect, light screen and aurora veil guard the foes, bool (N, 3).
        """
        a = Attacks(*(field[..., None] for field in attacks))  # (N, A, M, 1)

        def of_own(x: Tensor) -> Tensor:
            return x[:, :, None, None]

        def of_foe(x: Tensor) -> Tensor:
            return x[:, None, None, :]

        types, chart = a.type, self.chart
        effect = chart[types, of_foe(foe.types[..., 0])] * chart[types, of_foe(foe.types[..., 1])]
        effect = effect * (self.get_buffer("absorbed")[of_foe(foe.ability)] != types)
        attack = torch.where(a.physical, of_own(own.boosted[..., 1]), of_own(own.boosted[..., 3]))
        attack = torch.where(a.body_press, of_own(own.boosted[..., 2]), attack)
        attack = torch.where(a.foul_play, of_foe(foe.boosted[..., 1]), attack)
        on_defense = a.physical | a.psyshock
        guard = self.get_buffer("item_guard")[foe.item]  # (N, F, 2)
        defense = torch.where(
            on_defense,
            of_foe(foe.boosted[..., 2] * guard[..., 0]),
            of_foe(foe.boosted[..., 4] * guard[..., 1]),
        )
        item = self.get_buffer("item_power")[own.item]
        factor = effect * torch.where(a.physical, of_own(item[..., 0]), of_own(item[..., 1]))
        strong = of_own(self.get_buffer("ability_power")[own.ability])
        burnt = torch.where((of_own(own.status) == 1) & (strong != 1.5), 0.5, 1.0)
        factor = factor * torch.where(a.physical, strong * burnt, 1.0)
        based = (types == of_own(own.base[..., 0])) | (types == of_own(own.base[..., 1]))
        now = (types == of_own(own.types[..., 0])) | (types == of_own(own.types[..., 1]))
        factor = factor * torch.where(based & now & of_own(own.terastallized), 2.0, torch.where(based | now, 1.5, 1.0))
        sky = weather[:, None, None, None]
        fire, water = types == dex.TYPE_INDEX["fire"], types == dex.TYPE_INDEX["water"]
        helped = (fire & (sky == 1)) | (water & (sky == 2))
        hindered = (water & (sky == 1)) | (fire & (sky == 2))
        factor = factor * torch.where(helped, 1.5, torch.where(hindered, 0.5, 1.0))
        walls = screens[:, None, None, None, :]
        shielded = torch.where(a.physical, walls[..., 0], walls[..., 1]) | walls[..., 2]
        factor = factor * torch.where(shielded, 0.5, 1.0)
        level = of_own(own.level) * 100
        health = of_foe(foe.boosted[..., 0]).clamp(min=1)
        base = (0.4 * level + 2) * a.power * 100 * attack / defense.clamp(min=1) / 50
        share = (base + 2 * (a.power > 0)) * _ROLL * factor / health
        share = torch.where(a.level_damage, level * (effect > 0) / health, share)
        share = torch.where(a.half_damage, 0.5 * of_foe(foe.hp) * (effect > 0), share)
        return share.clamp(max=2.0)


class Team(NamedTuple):
    """Pokémon of one side, (N, T, …), as the damage formula needs them."""

    boosted: Tensor  # stats with boosts, float32 (N, T, 6)
    types: Tensor  # int64 (N, T, 2), now
    base: Tensor  # int64 (N, T, 2), without terastallization
    ability: Tensor  # int64
    item: Tensor  # int64
    status: Tensor  # int64
    level: Tensor  # a hundredth
    hp: Tensor  # share of full health
    terastallized: Tensor  # bool

    def only(self, place: Tensor) -> "Team":
        """One Pokémon of each, (N, 1, …); place is int64 (N,)."""
        rows = torch.arange(len(place), device=place.device)
        return Team(*(field[rows, place][:, None] for field in self))


def _stage_factor(boosts: Tensor) -> Tensor:
    return torch.where(boosts >= 0, (2 + boosts) / 2, 2 / (2 - boosts))


class Reading(NamedTuple):
    """What damage says of an observation. Damage is in shares of full health."""

    parts: dict[str, Tensor]  # of the observation, (N, …)
    mons: list[Tensor]  # of each side, (N, T, len(MON))
    place: list[Tensor]  # of each side's active Pokémon, int64 (N,)
    matchups: list[Tensor]  # of each side, (N, T, 8), see MATCHUP
    moves: Tensor  # rows of the table of the four moves that may be chosen, int64 (N, 4)
    here: Tensor  # of those moves, without and with terastallization, (N, 4, 3, 2): damage, knock-out, share of health
    effect: Tensor  # factor of the moves' types against the foe, (N, 4)


# Of a Pokémon against the foe in play: the damage that its known attacks do, and that an attack of its own types would
# do; the damage that the foe's known attacks do to it, and that an attack of the foe's types would; whether it is
# faster; whether its known attacks knock the foe out, the foe's known ones knock it out, and the guessed one does.
MATCHUP = ("dealt", "guessed", "suffered", "feared", "faster", "knocks_out", "knocked_out", "may_be_knocked_out")


class Matchups(nn.Module):
    """Reads observations with the damage formula; nothing in it is learnt."""

    def __init__(self) -> None:
        super().__init__()
        self.damage = Damage()

    @torch.no_grad()
    def forward(self, observation: Tensor) -> Reading:
        """Of observations, float32 (N, SIZE)."""
        part = {name: observation[:, place] for name, place in LAYOUT.items()}
        mons = [part[name].unflatten(1, (TEAM, len(MON))) for name in ("own", "foe")]
        moves = part["choices"].unflatten(1, (MOVES, len(encoder.CHOICE)))[..., 0].long()
        teams = [_team(mon, part[name]) for mon, name in zip(mons, ("own_fighter", "foe_fighter"), strict=True)]
        place = [mon[..., _M["active"]].argmax(dim=1) for mon in mons]
        field = part["field"]
        weather = field[:, FIELD.index("weather")].long()
        screens = [
            torch.stack([field[:, FIELD.index(f"{side}_{key}")] > 0 for key in dex.SCREENS], dim=1)
            for side in ("own", "foe")
        ]
        known = [mon[..., _M["move0"] : _M["move0"] + MOVES].long() for mon in mons]
        dealt = [
            self.damage(self.damage.attacks(known[i]), teams[i], teams[1 - i], weather, screens[1 - i]) for i in (0, 1)
        ]  # (N, T, 4, T)
        guessed = [self.damage(_guess(teams[i]), teams[i], teams[1 - i], weather, screens[1 - i]) for i in (0, 1)]
        speeds = [_speed(team, field, side) for team, side in zip(teams, ("own", "foe"), strict=True)]
        rows = torch.arange(len(weather), device=weather.device)
        found = []
        for i in (0, 1):
            foe = place[1 - i]
            best, hypothetical = dealt[i].amax(dim=2), guessed[i].amax(dim=2)  # (N, T, T)
            suffered, feared = dealt[1 - i].amax(dim=2), guessed[1 - i].amax(dim=2)
            at = foe[:, None, None].expand(-1, TEAM, 1)
            faster = (speeds[i] > speeds[1 - i].gather(1, foe[:, None])).float()
            target = teams[1 - i].hp.gather(1, foe[:, None])
            numbers = [
                best.gather(2, at)[..., 0], hypothetical.gather(2, at)[..., 0], suffered[rows, foe], feared[rows, foe],
                faster, (best.gather(2, at)[..., 0] >= target).float(), (suffered[rows, foe] >= teams[i].hp).float(),
                (feared[rows, foe] >= teams[i].hp).float(),
            ]  # fmt: skip
            found.append(torch.stack(numbers, dim=2))
        own, foe_team = teams[0].only(place[0]), teams[1].only(place[1])
        attacks = self.damage.attacks(moves[:, None])
        tera = mons[0][rows, place[0], _M["tera"]].long()[:, None, None]
        changed = own._replace(
            types=torch.cat([tera, torch.full_like(tera, dex.NO_TYPE)], dim=2),
            terastallized=torch.ones_like(own.terastallized),
        )
        here = []
        for attacker in (own, changed):
            share = self.damage(attacks, attacker, foe_team, weather, screens[1])[:, 0, :, 0]  # (N, 4)
            target = foe_team.hp
            here.append(torch.stack([share, (share >= target).float(), share / target.clamp(min=0.01)], dim=2))
        kinds = self.damage.get_buffer("move_type")[moves]
        types = foe_team.types[:, 0]
        effect = self.damage.chart[kinds, types[:, :1]] * self.damage.chart[kinds, types[:, 1:]]
        return Reading(part, mons, place, found, moves, torch.stack(here, dim=3).clamp(max=4), effect)


def _team(mon: Tensor, fighter: Tensor) -> Team:
    boosts = mon[..., _M["active"], None] * fighter[:, None, : len(dex.BOOSTS)]  # (N, T, 7)
    stats = mon[..., _M["hp_stat"] : _M["hp_stat"] + len(dex.STATS)] * 100
    boosted = torch.cat([stats[..., :1], stats[..., 1:] * _stage_factor(boosts[..., :5])], dim=2)
    return Team(
        boosted,
        mon[..., [_M["type1"], _M["type2"]]].long(),
        mon[..., [_M["base1"], _M["base2"]]].long(),
        mon[..., _M["ability"]].long(),
        mon[..., _M["item"]].long(),
        mon[..., _M["status"]].long(),
        mon[..., _M["level"]],
        mon[..., _M["hp"]],
        mon[..., _M["terastallized"]] > 0,
    )


def _guess(team: Team) -> Attacks:
    """An attack of each own type, by the better stat."""
    physical = (team.boosted[..., 1] > team.boosted[..., 3])[..., None].expand(-1, -1, 2)
    real = team.base != dex.NO_TYPE
    no = torch.zeros_like(real)
    return Attacks(real * _GUESS, team.base, physical, no, no, no, no, no)


def _speed(team: Team, field: Tensor, side: str) -> Tensor:
    """Speed in battle, (N, T)."""
    scarf = torch.where(team.item == dex.ITEM_INDEX["choicescarf"], 1.5, 1.0)
    slowed = torch.where(team.status == dex.STATUSES.index("par"), 0.5, 1.0)
    wind = torch.where(field[:, FIELD.index(f"{side}_tailwind")] > 0, 2.0, 1.0)[:, None]
    around = torch.where(field[:, FIELD.index("trickroom")] > 0, -1.0, 1.0)[:, None]
    return team.boosted[..., 5] * scarf * slowed * wind * around

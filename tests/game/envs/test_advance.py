"""The Game Boy Advance: our own ROM of ARM instructions, and the environment that runs it on stable-retro."""

import gzip
import itertools
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from pokegen.errors import UserError
from pokegen.game.envs import make
from pokegen.game.envs.advance import GameBoyAdvance
from pokegen.game.envs.names import KEYS
from pokegen.game.envs.roms import advance as rom
from pokegen.game.envs.roms.gameboy import BERRIES, SECONDS, TOP, assemble

NAMES = GameBoyAdvance.action_names
GRAY = np.array([0.299, 0.587, 0.114])


@pytest.fixture
def env():
    env = GameBoyAdvance(render_mode="rgb_array")
    yield env
    env.close()


def play(env: GameBoyAdvance, seed: int, actions: list[int]) -> list[np.ndarray]:
    return [env.reset(seed=seed)[0], *(env.step(action)[0] for action in actions)]


def same(one: tuple, other: tuple) -> bool:
    return np.array_equal(one[0], other[0]) and one[1:] == other[1:]


def word(env: GameBoyAdvance, name: str) -> int:
    return int.from_bytes(bytes(env.memory[rom.RAM[name] : rom.RAM[name] + 4]), "little")


def test_the_rom_is_the_same_at_each_build_and_its_header_is_right():
    built = rom.build()
    assert built == rom.build()
    assert built[:4] == bytes.fromhex("2E0000EA"), "a branch over the header"
    assert not any(built[4:0xA0]), "the console maker's logo is not ours to copy"
    assert built[0xA0:0xB2] == b"POKEGENMEADOPGME00" and built[0xB2] == 0x96
    assert (sum(built[0xA0:0xBE]) + 0x19) % 256 == 0, "the console's own check"


def test_the_assembler_writes_the_documented_instructions():
    arm = partial(assemble, origin=0, symbols={}, encode=rom.encode_arm)
    words = {  # as GNU as writes them
        "mov r0, 1": 0xE3A00001,
        "movne r7, 0xFF000000": 0x13A074FF,
        "add r1, r2, r3": 0xE0821003,
        "sub r0, r6, r0 lsr 2": 0xE0460120,
        "subs r1, r1, 1": 0xE2511001,
        "rsbeq r2, r2, 0": 0x02622000,
        "eor r0, r0, r0 lsl 13": 0xE0200680,
        "cmp r0, r1": 0xE1500001,
        "tst r4, 0x300": 0xE3140C03,
        "mvn r4, r4": 0xE1E04004,
        "ldr r0, [r10 + 4]": 0xE59A0004,
        "streq r1, [r10]": 0x058A1000,
        "ldrb r0, [r1 + r2]": 0xE7D10002,
        "ldrh r0, [r11 + 6]": 0xE1DB00B6,
        "strh r1, [r3 + 66]": 0xE1C314B2,
        "ldrh r0, [r1 + r0]": 0xE19100B0,
        "bx lr": 0xE12FFF1E,
        "bxhi lr": 0x812FFF1E,
        "push lr": 0xE52DE004,
        "pop pc": 0xE49DF004,
        "here: b here": 0xEAFFFFFE,
        "here: blne here": 0x1BFFFFFE,
        "here: bls here": 0x9AFFFFFE,
    }
    for source, expected in words.items():
        assert arm(source).hex() == expected.to_bytes(4, "little").hex(), source
    for source, message in {
        "mul r0, r1, r2": "no such instruction",
        "mov r0, 0x101": "does not fit: use set",
        "mov r16, 1": "no such register 'r16'",
        "ldrh r0, [r1 + 256]": "offset 256",
        "bl nowhere": "unknown name 'nowhere'",
    }.items():
        with pytest.raises(ValueError, match=message):
            arm(source)


def test_gymnasiums_checker_has_nothing_to_say():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env = GameBoyAdvance(render_mode="rgb_array")
        check_env(env, skip_render_check=True)  # which makes a second emulator: one a process
        env.close()
        made = make("pokegen/GameBoyAdvance-v0")
        frame, _ = made.reset(seed=0)
        assert frame.shape == (128, 128, 3) and np.array_equal(made.render(), frame)
        made.close()


def test_the_same_seed_is_the_same_game_and_another_seed_another(env: GameBoyAdvance):
    actions = np.random.default_rng(0).integers(len(NAMES), size=200).tolist()
    first = play(env, 5, actions)
    assert np.array_equal(first, play(env, 5, actions)), "in the same console, whatever it did before"
    assert not np.array_equal(first[0], play(env, 6, [])[0])
    env.close()
    other = GameBoyAdvance()
    assert np.array_equal(first, play(other, 5, actions)), "in a second one"
    other.close()


def test_a_restored_state_goes_on_exactly_even_where_the_picture_stands_still(env: GameBoyAdvance):
    rng = np.random.default_rng(1)
    for before in (0, 40, SECONDS * 15 + 5):  # the last one: the game is over
        play(env, 3, rng.integers(len(NAMES), size=before).tolist())
        state, seen, ram = env.save_state(), env.render(), env.ram()
        actions = rng.integers(len(NAMES), size=60).tolist()
        first = [env.step(action) for action in actions]
        for key in ("a", "start"):  # what was held when it is restored leaves nothing behind
            env.step(NAMES.index(key))
            env.restore_state(state)
            assert np.array_equal(env.render(), seen) and np.array_equal(env.ram(), ram)
            assert all(same(one, env.step(action)) for one, action in zip(first, actions, strict=True)), before


def test_every_key_is_told_from_every_other_by_the_next_frame(env: GameBoyAdvance):
    rng = np.random.default_rng(2)
    for seed in range(8):
        env.reset(seed=seed)
        for _ in range(8):
            for action in rng.integers(len(NAMES), size=10):
                env.step(int(action))
            state, frames = env.save_state(), []
            for action in range(len(NAMES)):
                env.restore_state(state)
                frames.append(env.step(action)[0] @ GRAY)
            for one, other in itertools.combinations(range(len(NAMES)), 2):
                clear = (np.abs(frames[one] - frames[other]) > 25).sum()
                assert clear >= 20, f"{NAMES[one]} and {NAMES[other]} differ in {clear} pixels only, seed {seed}"


def test_keys_do_what_the_game_says(env: GameBoyAdvance):
    env.reset(seed=0)
    position = lambda: np.array([word(env, "PLAYER_X"), word(env, "PLAYER_Y")])  # noqa: E731
    for key, way in {"up": (0, -4), "down": (0, 4), "left": (-4, 0), "right": (4, 0), "l": (0, 0)}.items():
        before = position()
        env.step(NAMES.index(key))
        assert tuple(position() - before) == way, key
    for key in ("right", "down", "left", "up"):
        seen = []
        for _ in range(80):
            env.step(NAMES.index(key))
            seen.append(position())
            assert 0 <= seen[-1][0] < rom.COLUMNS and TOP <= seen[-1][1] < TOP + rom.ROWS
        assert np.abs(np.diff(seen, axis=0)).max() > 100, f"{key} goes around the edge"


def test_the_expert_gathers_all_berries_and_the_score_is_the_reward(env: GameBoyAdvance):
    for seed in range(8):
        env.reset(seed=seed)
        total, terminated, steps = 0.0, False, 0
        while not terminated:
            score = word(env, "SCORE")
            _, reward, terminated, truncated, _ = env.step(env.expert_action())
            assert reward == word(env, "SCORE") - score and not truncated
            total, steps = total + reward, steps + 1
        assert total == BERRIES and steps < 200, (seed, total, steps)


def test_a_game_without_a_player_ends_by_its_clock(env: GameBoyAdvance):
    env.reset(seed=1)
    ended = [env.step(0)[2] for _ in range(SECONDS * 15)]
    assert ended[-1] and not any(ended[:-2])
    env.reset()
    assert not word(env, "OVER")


def test_a_rom_of_the_users_with_reward_end_and_state(tmp_path: Path):
    path, x = tmp_path / "own.gba", rom.RAM["PLAYER_X"]
    path.write_bytes(rom.build())
    env = GameBoyAdvance(rom=path, reward=lambda memory: memory[x], done=lambda memory: memory[x] > 200)
    folder = Path(env._folder.name)
    env.reset(seed=0)
    for _ in range(4):
        env.step(0)
    assert [env.step(NAMES.index("right"))[1] for _ in range(3)] == [4, 4, 4]
    assert any(env.step(NAMES.index("right"))[2] for _ in range(60))
    with pytest.raises(UserError, match="plays the meadow alone"):
        env.expert_action()
    place, state = env.memory[x], env._retro.em.get_state()
    (tmp_path / "plain.state").write_bytes(state)
    (tmp_path / "packed.state").write_bytes(gzip.compress(state))
    assert folder.is_dir()
    env.close()
    assert not folder.exists(), "what was written for stable-retro is gone"
    for name in ("plain", "packed"):
        resumed = GameBoyAdvance(rom=str(path), start_state=tmp_path / f"{name}.state")
        for seed in (1, 2):
            resumed.reset(seed=seed)
            assert resumed.memory[x] == place and resumed.step(KEYS.index("left"))[1] == 0
            assert resumed.memory[x] == place - 4
        resumed.close()


def test_a_rom_or_state_or_option_that_cannot_be_used_is_one_line(tmp_path: Path):
    built = bytearray(rom.build())
    (tmp_path / "other.gba").write_bytes(bytes(len(built)))
    (tmp_path / "short.gba").write_bytes(built[:100])
    built[0xBD] ^= 0xFF
    (tmp_path / "damaged.gba").write_bytes(built)
    (tmp_path / "junk.state").write_bytes(b"junk")
    (tmp_path / "broken.state").write_bytes(gzip.compress(b"junk")[:-4])
    wrong = {
        "Cannot read the ROM .*missing.gba: No such file": {"rom": tmp_path / "missing.gba"},
        "byte 0xB2 being 0x96; it has ": {"rom": tmp_path / "other.gba"},
        "it has 100. Unpack it": {"rom": tmp_path / "short.gba"},
        r"header checksum \(byte 0xBD\) is 0x.., its header makes 0x": {"rom": tmp_path / "damaged.gba"},
        "junk.state is no state of this ROM": {"start_state": tmp_path / "junk.state"},
        "broken.state is damaged": {"start_state": tmp_path / "broken.state"},
        "frame_skip .* 0 came": {"frame_skip": 0},
        "no render_mode 'human'": {"render_mode": "human"},
    }
    for message, options in wrong.items():
        with pytest.raises(UserError, match=message) as error:
            GameBoyAdvance(**options)
        assert "\n" not in str(error.value)
    env = GameBoyAdvance()
    with pytest.raises(UserError, match="one emulator a process"):
        GameBoyAdvance()
    env.close()

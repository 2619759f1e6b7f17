"""The Game Boy: our own ROM byte by byte, and the environment that runs it."""

import itertools
import warnings
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from pokegen.errors import UserError
from pokegen.game.envs.gameboy import GameBoy
from pokegen.game.envs.handheld import squeeze
from pokegen.game.envs.names import KEYS
from pokegen.game.envs.roms import gameboy as rom


@pytest.fixture
def env():
    env = GameBoy(render_mode="rgb_array")
    yield env
    env.close()


def gray(frame: np.ndarray) -> np.ndarray:
    return frame @ np.array([0.299, 0.587, 0.114])


def play(env: GameBoy, seed: int, actions: list[int]) -> list[np.ndarray]:
    return [env.reset(seed=seed)[0], *(env.step(action)[0] for action in actions)]


def test_the_rom_is_the_same_at_each_build_and_its_header_is_right():
    built = rom.build()
    assert built == rom.build() and len(built) == 32768
    assert built[0x134:0x142] == b"POKEGEN MEADOW"
    assert built[0x147:0x14A] == bytes(3), "no bank controller, 32 KiB, no RAM"
    check = 0
    for byte in built[0x134:0x14D]:
        check = (check - byte - 1) % 256  # as the console's boot ROM does it
    assert built[0x14D] == check
    assert int.from_bytes(built[0x14E:0x150], "big") == (sum(built) - built[0x14E] - built[0x14F]) % 65536
    assert not any(built[0x104:0x134]), "the console maker's logo is not ours to copy"


def test_the_assembler_writes_the_documented_opcodes():
    source = """
    start: nop | halt | di | ei | ret | daa | rra            ; a comment
           ld a, b | ld [hl], a | ld c, [hl] | ld d, 0x12 | ld hl, 0xC0DE | ld sp, 0xFFFE
           ld a, [0xC001] | ld [0xC001], a | ldh a, [0xFF44] | ldh [0xFF40], a | ld [hl+], a | ld a, [de]
    back:  inc a | dec [hl] | inc de | dec bc | add hl, de | add b | sub 3 | cp [hl] | and 0x0F | xor a
           swap a | srl h | bit 7, [hl] | res 0, b | set 3, a | push af | pop bc
           jr back | jr nz, start | jp back + 1 | jp c, start | call start | call z, back | ret nc
           db 1, 0xFF, -1, start | align 8
    """
    expected = (
        "00 76 F3 FB C9 27 1F  78 77 4E 16 12 21 DE C0 31 FE FF  FA 01 C0 EA 01 C0 F0 44 E0 40 22 1A"
        "3C 35 13 0B 19 80 D6 03 BE E6 0F AF  CB 37 CB 3C CB 7E CB 80 CB DF F5 C1"
        "18 E6 20 C6 C3 1F 00 DA 00 00 CD 00 00 CC 1E 00 D0  01 FF FF 00 00 00 00 00 00"
    )
    assert rom.assemble(source, 0, {}) == bytes.fromhex(expected)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("ld a, nowhere", "unknown name 'nowhere'"),
        ("mul a, b", "Cannot assemble 'mul a b': no such instruction"),
        ("ld b, 256", "Cannot assemble"),
        ("ld [hl], [hl]", "Cannot assemble"),
        ("far: align 512 | nop | jr far", "jr reaches 128"),
    ],
)
def test_the_assembler_refuses_what_it_cannot_say(source: str, message: str):
    with pytest.raises(ValueError, match="Cannot assemble") as error:
        rom.assemble(source, 1, {})
    assert message in str(error.value)


def test_gymnasiums_checker_has_nothing_to_say():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = gymnasium.make("pokegen/GameBoy-v0", render_mode="rgb_array")
        check_env(made.unwrapped)
        made.close()


def test_the_same_seed_is_the_same_game_and_another_seed_another(env: GameBoy):
    actions = np.random.default_rng(0).integers(len(KEYS), size=200).tolist()
    first = play(env, 5, actions)
    other = GameBoy()
    assert np.array_equal(first, play(other, 5, actions)), "in a second console"
    assert np.array_equal(first, play(env, 5, actions)), "in the same one, whatever it did before"
    assert not np.array_equal(first[0], play(env, 6, [])[0])
    other.close()


def test_frames_are_rgb_of_128_by_128_and_rendered_as_observed(env: GameBoy):
    frame, _ = env.reset(seed=0)
    assert frame.shape == (128, 128, 3) and frame.dtype == np.uint8
    assert np.array_equal(frame, env.render())
    frame[:] = 0
    assert env.render().any(), "a frame handed out is the caller's own"
    assert env.ram().shape == (8192,) and env.ram().dtype == np.uint8


def test_a_squeezed_pixel_is_the_mean_of_its_area():
    screen = np.random.default_rng(0).integers(256, size=(144, 160, 4), dtype=np.uint8)
    fine = screen[..., :3].repeat(8, axis=0).repeat(4, axis=1)  # 1152×640: 128 times 9×5
    expected = fine.reshape(128, 9, 128, 5, 3).mean(axis=(1, 3))
    assert np.abs(squeeze(screen) - expected).max() <= 1


def test_a_restored_state_goes_on_exactly_even_where_the_picture_stands_still(env: GameBoy):
    rng = np.random.default_rng(1)
    for before in (0, 40, rom.SECONDS * 15 + 5):  # the last one: the game is over
        play(env, 3, rng.integers(len(KEYS), size=before).tolist())
        state, seen, ram = env.save_state(), env.render(), env.ram()
        actions = rng.integers(len(KEYS), size=60).tolist()
        first = [env.step(action) for action in actions]
        for key in ("a", "start"):  # what was held when it is restored leaves nothing behind
            env.step(KEYS.index(key))
            env.restore_state(state)
            assert np.array_equal(env.render(), seen) and np.array_equal(env.ram(), ram)
            again = [env.step(action) for action in actions]
            assert all(np.array_equal(a[0], b[0]) and a[1:] == b[1:] for a, b in zip(first, again, strict=True)), before


def test_every_key_is_told_from_every_other_by_the_next_frame(env: GameBoy):
    rng = np.random.default_rng(2)
    for seed in range(12):
        env.reset(seed=seed)
        for _ in range(8):
            for action in rng.integers(len(KEYS), size=10):
                env.step(int(action))
            state, frames = env.save_state(), []
            for action in range(len(KEYS)):
                env.restore_state(state)
                frames.append(gray(env.step(action)[0]))
            for one, other in itertools.combinations(range(len(KEYS)), 2):
                clear = (np.abs(frames[one] - frames[other]) > 40).sum()
                assert clear >= 20, f"{KEYS[one]} and {KEYS[other]} differ in {clear} pixels only, seed {seed}"


def test_keys_do_what_the_game_says(env: GameBoy):
    env.reset(seed=0)
    position = lambda: env.ram()[6:8].astype(int)  # noqa: E731
    for key, way in {"up": (0, -4), "down": (0, 4), "left": (-4, 0), "right": (4, 0), "none": (0, 0)}.items():
        before = position()
        env.step(KEYS.index(key))
        assert tuple(position() - before) == way, key
    for _ in range(60):
        env.step(KEYS.index("right"))
        assert position()[0] < rom.COLUMNS
    for _ in range(60):
        env.step(KEYS.index("up"))
        assert rom.TOP <= position()[1] < rom.TOP + rom.ROWS
    still = [env.step(0)[0] for _ in range(12)]
    assert not np.array_equal(still[0], still[-1]), "slime and flowers move by themselves"


def test_the_expert_gathers_all_berries_and_the_score_is_the_reward(env: GameBoy):
    for seed in range(8):
        env.reset(seed=seed)
        total, terminated, steps = 0.0, False, 0
        while not terminated:
            score = env.ram()[3]
            _, reward, terminated, truncated, _ = env.step(env.expert_action())
            assert reward == env.ram()[3] - score
            assert not truncated
            total, steps = total + reward, steps + 1
        assert total == rom.BERRIES and steps < 150, (seed, total, steps)


def test_a_game_without_a_player_ends_by_its_clock(env: GameBoy):
    env.reset(seed=1)
    results = [env.step(0) for _ in range(rom.SECONDS * 15)]
    ended = [terminated for _, _, terminated, _, _ in results]
    assert ended[-1] and not any(ended[:-2])
    assert sum(reward for _, reward, _, _, _ in results) == 0
    assert not env.reset()[1] and env.ram()[4] == 0, "a reset begins anew"


def test_a_rom_of_the_users_with_reward_end_and_state(tmp_path: Path):
    path = tmp_path / "own.gb"
    path.write_bytes(rom.build())
    walked = GameBoy(rom=path, reward=lambda memory: memory[0xC006], done=lambda memory: memory[0xC006] > 140)
    walked.reset(seed=0)
    for _ in range(30):  # the console is switched on: its logo, then the game
        walked.step(0)
    rewards = [walked.step(KEYS.index("right"))[1] for _ in range(3)]
    assert rewards == [4, 4, 4]
    with pytest.raises(UserError, match="plays the meadow alone"):
        walked.expert_action()
    snapshot = tmp_path / "started.state"
    with snapshot.open("wb") as file:
        walked._pyboy.save_state(file)
    x = walked.ram()[6]
    resumed = GameBoy(rom=str(path), start_state=snapshot, done=lambda memory: memory[0xC006] > 140, frame_skip=2)
    for seed in (1, 2):
        resumed.reset(seed=seed)
        assert resumed.ram()[6] == x
        _, reward, _, _, _ = resumed.step(KEYS.index("left"))
        assert resumed.ram()[6] == x - 2 and reward == 0
    ends = [resumed.step(KEYS.index("right"))[2] for _ in range(80)]
    assert any(ends) and not ends[0]
    walked.close()
    resumed.close()


def test_a_rom_or_state_or_option_that_cannot_be_used_is_one_line(tmp_path: Path):
    built = bytearray(rom.build())
    built[0x14D] ^= 0xFF
    (tmp_path / "damaged.gb").write_bytes(built)
    (tmp_path / "short.gb").write_bytes(bytes(1000))
    built[0x147] = 0xFC  # a camera
    built[0x14D] = rom.header_checksum(built)
    (tmp_path / "camera.gb").write_bytes(built)
    (tmp_path / "junk.state").write_bytes(b"junk")
    wrong = {
        "Cannot read the ROM .*missing.gb: No such file": {"rom": tmp_path / "missing.gb"},
        "Cannot read the ROM .*: Is a directory": {"rom": tmp_path},
        r"header checksum \(byte 0x14D\) is 0x.., its header makes 0x": {"rom": tmp_path / "damaged.gb"},
        "expected a multiple of 16,384 bytes, 32,768 at least; it has 1,000": {"rom": tmp_path / "short.gb"},
        "PyBoy does not run .*camera.gb": {"rom": tmp_path / "camera.gb"},
        "junk.state is no state of this ROM": {"start_state": tmp_path / "junk.state"},
        "Cannot read the state": {"start_state": tmp_path / "missing.state"},
        "frame_skip .* 0 came": {"frame_skip": 0},
        "no render_mode 'human'": {"render_mode": "human"},
    }
    for message, options in wrong.items():
        with pytest.raises(UserError, match=message) as error:
            GameBoy(**options)
        assert "\n" not in str(error.value)

"""Cries: read by the `wave` module and by their spectrum."""

import io
import wave

import numpy as np
import pytest
from made_cards import made

from pokegen.cards.cry import PEAK, RATE, SECONDS, cry, samples


def read(content):
    """A WAV file's samples in [-1, 1], and its rate."""
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32767, file.getframerate()


def pitch(sound):
    """The fundamental in Hz: the delay, at which the last third of the sound is most like itself."""
    last = sound[-len(sound) // 3 :]
    alike = np.correlate(last, last, "full")[len(last) - 1 :]
    shortest = RATE // 1300
    return RATE / (shortest + alike[shortest : RATE // 60].argmax())


@pytest.mark.parametrize("speed", [1, 60, 120, 255])
@pytest.mark.parametrize("name", ["Pyrodrake", "Xz", "Flabébé", "Aeiouaeiouaeiouaeiou"])
@pytest.mark.parametrize("weight", [0.1, 30.0, 999.9, 20_000.0])
def test_a_cry_is_a_clean_wav_file(name, speed, weight):
    sound, rate = read(cry(made(name=name, speed=speed, weight_kg=weight)))
    assert rate == RATE
    assert SECONDS[0] <= len(sound) / rate <= SECONDS[1] + 0.001
    assert sound[0] == sound[-1] == 0
    assert np.abs(sound).max() == pytest.approx(PEAK, abs=0.001)  # neither clipped nor too faint
    assert np.sqrt((sound**2).mean()) > 0.05
    assert abs(sound.mean()) < 0.02


def test_no_cry_begins_or_ends_with_a_click():
    """The first and the last millisecond rise from silence, instead of jumping."""
    sound = samples(made(name="Rowettow", weight_kg=250.0))
    edge = RATE // 1000
    assert np.abs(sound[:edge]).max() < 0.2
    assert np.abs(sound[-edge:]).max() < 0.05


def test_the_same_card_gives_the_same_bytes_and_another_name_others():
    assert cry(made()) == cry(made())
    assert cry(made(name="Kraakord")) != cry(made(name="Lupiy"))


def test_the_fast_are_short_and_the_heavy_are_low():
    assert len(samples(made(speed=130))) < 0.6 * len(samples(made(speed=30)))
    light, middling, heavy = (pitch(samples(made(weight_kg=weight))) for weight in (1.0, 40.0, 400.0))
    assert heavy < 0.7 * middling < 0.5 * light


def test_vowels_shape_the_sound():
    """`i` has its second resonance far above that of `o`: more of its energy lies above 1.5 kHz."""

    def above(name):
        energy = np.abs(np.fft.rfft(samples(made(name=name, weight_kg=60.0)))) ** 2
        return energy[int(1500 * 2 * len(energy) / RATE) :].sum() / energy.sum()

    assert np.mean([above(n) for n in ("Ki", "Lim", "Rit")]) > 2 * np.mean([above(n) for n in ("Ko", "Lom", "Rot")])

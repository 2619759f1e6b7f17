"""A creature's cry: a short sound that is synthesised from its card.

Source and filter, as in speech (Fant, Acoustic Theory of Speech Production, 1960): the harmonics of a pulse, weighted
by the resonances of a vocal tract. The creature calls the first vowels of its name: each vowel sets the resonances
(Peterson and Barney, Control Methods Used in a Study of the Vowels, 1952).

    weight            lowers the pitch, and lengthens the tract
    speed             shortens the cry
    special attack    against attack: a clear tone (frequency modulation, Chowning 1973) against a growl
    hit points        make it fade later
    name              decides the melody, the vibrato and the vowels

Letters: T samples, K harmonics.
"""

import hashlib
import io
import math
import wave

import numpy as np

from pokegen.schema import Card
from pokegen.text import plain

RATE = 44_100  # samples a second
PEAK = 0.85  # of full scale
SECONDS = (0.3, 1.2)  # the shortest and the longest cry
_PITCH = (110.0, 1100.0)  # Hz, of the heaviest and the lightest
_VOWELS = {  # the first three resonances in Hz
    "a": (730, 1090, 2440),
    "e": (530, 1840, 2480),
    "i": (270, 2290, 3010),
    "o": (570, 840, 2410),
    "u": (300, 870, 2240),
    "y": (390, 1990, 2550),
}
_WIDTHS = (90.0, 130.0, 200.0)  # of the resonances, in Hz
_HARMONICS = 60  # K at most
_TOP = 12_000.0  # Hz; nothing sounds above


def cry(card: Card) -> bytes:
    """The cry as a WAV file: mono, 16 bits, 44,100 Hz. The same card gives the same bytes."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((samples(card) * 32767).round().astype("<i2").tobytes())
    return buffer.getvalue()


def samples(card: Card) -> np.ndarray:
    """The cry as float64 (T,): 0.3 to 1.2 seconds at 44,100 Hz, at most 0.85 in size, 0 at both ends."""
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(card.name.encode()).digest()[:8], "big"))
    vowels = [letter for letter in plain(card.name) if letter in _VOWELS][:3] or ["a"]
    length = max(2, round(RATE * _seconds(card.stats["speed"])))
    ends = np.cumsum(rng.uniform(0.7, 1.3, len(vowels)) * np.linspace(1, 1.5, len(vowels)))  # the last is the longest
    ends = (ends / ends[-1] * length).astype(int)
    sound = np.concatenate(
        [_syllable(card, vowel, end - start, rng) for vowel, start, end in zip(vowels, [0, *ends], ends, strict=False)]
    )
    sound *= PEAK / max(np.abs(sound).max(), 1e-9)
    sound[0] = sound[-1] = 0.0
    return sound


def _seconds(speed: int) -> float:
    """The length of a cry: 1.2 s at speed 1, half as long at 80, 0.3 s from 230 on."""
    return float(np.clip(SECONDS[1] * 0.5 ** ((speed - 1) / 80), *SECONDS))


def _syllable(card: Card, vowel: str, length: int, rng: np.random.Generator) -> np.ndarray:
    """One vowel with its onset, float64 (length,), silent at both ends."""
    heavy = float(np.clip(math.log10(max(card.weight_kg, 0.1) / 0.1) / 4, 0, 1))  # 0 at 0.1 kg, 1 at a tonne
    clear = card.stats["sp_atk"] / (card.stats["sp_atk"] + card.stats["attack"])  # 0 growls, 1 rings
    time = np.arange(length) / RATE  # (T,)
    part = np.linspace(0, 1, length)

    # Pitch: a rise and a fall from the note of the body, and vibrato that sets in late.
    note = _PITCH[1] * (_PITCH[0] / _PITCH[1]) ** heavy * 2 ** (rng.choice([-3, 0, 0, 2, 4, 7]) / 12)
    bend = rng.uniform(2, 7) * np.sin(np.pi * part ** rng.uniform(0.5, 1.2)) - rng.uniform(0, 6) * part**2
    vibrato = rng.uniform(0.1, 0.5) * np.sin(2 * np.pi * rng.uniform(5, 11) * time) * part
    pitch = note * 2 ** ((bend + vibrato) / 12)  # Hz, (T,)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    phase += 1.6 * clear**2 * np.exp(-3 * part) * np.sin(rng.choice([1.5, 2.0, 3.0]) * phase)  # bell-like at first

    # Harmonics of a pulse, each as loud as the tract lets it be at its frequency.
    tract = 1.45 - 0.75 * heavy  # a long tract has lower resonances
    opening = 0.75 + 0.25 * np.sin(np.pi * part)  # the mouth opens and closes
    duty = rng.uniform(0.2, 0.45)
    sound = np.zeros(length)
    for k in range(1, min(_HARMONICS, int(_TOP / pitch.min())) + 1):
        loudness = math.sin(math.pi * k * duty) / k**0.8
        frequency = k * pitch  # (T,)
        gain = 0.12 + sum(
            1 / (1 + ((frequency - f * tract * opening) / (w * tract)) ** 2) / (i + 1)
            for i, (f, w) in enumerate(zip(_VOWELS[vowel], _WIDTHS, strict=True))
        )
        sound += loudness * gain * np.sin(k * phase) * (frequency < _TOP)

    # A growl beats at half the pitch; breath makes the onset.
    growl = (1 - clear) * (0.25 + 0.5 * heavy)
    sound *= 1 - growl * (0.5 + 0.5 * np.sin(phase / 2))
    breath = np.convolve(rng.standard_normal(length + 7), np.hanning(8), "valid")
    sound += 0.35 * np.abs(sound).max() * breath / np.abs(breath).max() * np.exp(-time / 0.012)

    rise = np.clip(time / 0.012, 0, 1)
    fade = np.clip((1 - part) / (0.55 - 0.35 * min(card.stats["hp"], 150) / 150), 0, 1)
    return sound * rise * np.sin(np.pi / 2 * fade) ** 1.5

#!/usr/bin/env python3
"""Writes tests/fixtures/features/*.npz: what librosa 0.11 and soundfile make of signals that this script synthesises.

    pip install librosa==0.11.0 soundfile
    python tests/scripts/features_librosa.py                  # clips.npz, decode.npz, resample.npz, rates.npz
    python tests/scripts/features_librosa.py --gtzan DIR      # gtzan.npz too, from DIR/<genre>/<genre>.00000.au

No fixture holds recorded audio: clips, files and sweeps are synthetic, and gtzan.npz holds features of a few frames.

clips.npz     pcm_NAME (n,) int16; segment_NAME and notebook_NAME (187, 44) f32, every third frame
decode.npz    file_NAME (bytes,) uint8, a whole audio file; want_NAME (n,) f32, what librosa.load(sr=None, mono=True) reads
resample.npz  sweep_RATE (n,) f32, sweep(RATE) resampled to 22,050 Hz by librosa (soxr_hq)
rates.npz     RATE (187, 11) f32: features of full_band(RATE) resampled to 22,050 Hz by librosa (soxr_hq), every 13th frame
gtzan.npz     columns (11,) frames kept; segment_GENRE, notebook_GENRE (187, 11) f32
"""
import argparse, os, tempfile, warnings
import librosa
import numpy as np
import soundfile as sf

RATES = (8000, 11025, 12000, 16000, 24000, 32000, 44100, 44101, 48000, 88200, 96000, 192000)
SR, SEGMENT, TRACK, FRAMES = 22050, 3 * 22050, 30 * 22050, 130
OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fixtures", "features")


def features(y, segment):
    """The (187, 130) stack: of 3 s, mel relative to its maximum, or the first 130 frames of a track's, relative to 1."""
    if segment:
        y = librosa.util.fix_length(y[:SEGMENT], size=SEGMENT)
    else:
        y = y[:TRACK]
    mel = librosa.feature.melspectrogram(y=y, sr=SR, n_fft=2048, hop_length=512, n_mels=128)
    stack = np.vstack([
        librosa.power_to_db(mel, ref=np.max) if segment else librosa.power_to_db(mel),
        librosa.feature.mfcc(y=y, sr=SR, n_mfcc=40),
        librosa.feature.chroma_stft(y=y, sr=SR, n_chroma=12),
        librosa.feature.spectral_contrast(y=y, sr=SR),
    ])[:, :FRAMES]
    return np.pad(stack, ((0, 0), (0, FRAMES - stack.shape[1]))).astype(np.float32)


def music(seconds, seed):
    """Chirps, a harmonic tone off concert pitch, beats and noise, as int16."""
    r = np.random.default_rng(seed)
    t = np.arange(int(seconds * SR)) / SR
    y = 0.01 * r.standard_normal(len(t)) + 0.3 * r.standard_normal(len(t)) * np.exp(-((t * 2.1) % 1.0) * 18)
    for _ in range(5):
        f0, f1, a = r.uniform(80, 1200), r.uniform(200, 6000), r.uniform(0.05, 0.2)
        y += a * np.sin(2 * np.pi * (f0 * t + 0.5 * (f1 - f0) / seconds * t * t) + r.uniform(0, 6.28))
    root = 220.0 * 2 ** (r.integers(0, 12) / 12 + r.uniform(-0.4, 0.4) / 12)
    for k in range(1, 6):
        y += 0.15 / k * np.sin(2 * np.pi * root * k * t)
    return np.round(y * 29490 / np.abs(y).max()).astype(np.int16)


def clips():
    tone = music(3.0, 10)
    # Digital silence, then a rise of 90 dB: the loudest frame is far behind the first 130.
    track = music(6.0, 13)
    rise = np.clip(np.linspace(-100, 0, len(track)), -90, 0)
    track = np.where(np.arange(len(track)) < 9000, 0, np.round(track * 10 ** (rise / 20))).astype(np.int16)
    square = (20000 * np.sign(np.sin(2 * np.pi * 446.7 * np.arange(33075) / SR))).astype(np.int16)
    named = dict(tone=tone, track=track, short=tone[9000:57510], burst=tone[1000:5410], tiny=tone[500:600],
                 silent=np.zeros(5000, np.int16), square=square)
    out = {}
    for name, pcm in named.items():
        y = (pcm / 32768.0).astype(np.float32)
        out[f"pcm_{name}"] = pcm
        out[f"segment_{name}"] = features(y, True)[:, ::3]
        out[f"notebook_{name}"] = features(y, False)[:, ::3]
    return out


def decode():
    """Stereo files of every format and sample encoding; the channels differ so that a wrong mix shows."""
    t = np.arange(1500) / SR
    stereo = np.stack([0.7 * np.sin(2 * np.pi * 441 * t), 0.25 * np.sin(2 * np.pi * 1234 * t) + 0.1], axis=1)
    music_2 = np.stack([music(0.5, 3), music(0.5, 4)], axis=1) / 32768.0
    au = ["PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"]
    wav = ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"]
    jobs = [("AU", s, "au", "BIG", stereo) for s in au] + [("AU", s, "au", "LITTLE", stereo) for s in ("PCM_16", "PCM_24", "FLOAT")]
    jobs += [("WAV", s, "wav", "FILE", stereo) for s in wav] + [("WAVEX", s, "wav", "FILE", stereo) for s in wav]
    jobs += [("RF64", "PCM_16", "wav", "FILE", stereo)]
    jobs += [("FLAC", "PCM_16", "flac", "FILE", stereo), ("FLAC", "PCM_24", "flac", "FILE", stereo)]
    jobs += [("OGG", "VORBIS", "ogg", "FILE", music_2), ("MP3", "MPEG_LAYER_III", "mp3", "FILE", music_2)]
    out = {}
    with tempfile.TemporaryDirectory() as folder:
        for fmt, subtype, extension, endian, y in jobs:
            path = os.path.join(folder, "x." + extension)
            sf.write(path, y, SR, format=fmt, subtype=subtype, endian=endian)
            name = f"{fmt}_{subtype}_{endian}.{extension}".lower()
            out["file_" + name] = np.fromfile(path, np.uint8)
            out["want_" + name] = librosa.load(path, sr=None, mono=True)[0]
    return out


def sweep(rate):
    """Half a second from 50 Hz to 0.8 of the lower Nyquist frequency."""
    t = np.arange(rate // 2) / rate
    top = 0.8 * min(rate, SR) / 2
    return (0.5 * np.sin(2 * np.pi * (50 * t + 0.5 * (top - 50) / 0.5 * t * t))).astype(np.float32)


def resample():
    return {f"sweep_{rate}": librosa.resample(sweep(rate), orig_sr=rate, target_sr=SR)
            for rate in (8000, 11025, 16000, 44100, 44101, 48000, 96000)}


def full_band(rate):
    """Three seconds of noise up to the Nyquist frequency with beats, and a low saw: integers only, so that every language
    makes the same samples."""
    n, seed, out = 3 * rate, 1, np.empty(3 * rate, np.int16)
    for i in range(n):
        seed = (seed * 1664525 + 1013904223) % 2**32
        noise = (seed >> 16) - 32768
        loudness = 8 - i * 8 // rate % 8
        out[i] = (noise * loudness // 12 + i * 220 * 65536 // rate % 65536 - 32768) // 3
    return (out / 32768.0).astype(np.float32)


def rates():
    return {str(rate): features(librosa.resample(full_band(rate), orig_sr=rate, target_sr=SR), True)[:, ::13]
            .astype(np.float32).copy(order="C") for rate in RATES}


def gtzan(folder):
    columns = np.r_[0:FRAMES:13, FRAMES - 1]
    out = dict(columns=columns.astype(np.int32))
    for genre in sorted(os.listdir(folder)):
        path = os.path.join(folder, genre, f"{genre}.00000.au")
        if os.path.isfile(path):
            y = librosa.load(path, sr=SR, mono=True)[0]
            out[f"segment_{genre}"] = features(y, True)[:, columns].copy(order="C")
            out[f"notebook_{genre}"] = features(y, False)[:, columns].copy(order="C")
    return out


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gtzan", metavar="DIR")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")  # "n_fft is too large", "empty frequency set": meant to happen here
    os.makedirs(OUT, exist_ok=True)
    fixtures = dict(clips=clips(), decode=decode(), resample=resample(), rates=rates())
    if arguments.gtzan:
        fixtures["gtzan"] = gtzan(arguments.gtzan)
    for name, arrays in fixtures.items():
        path = os.path.join(OUT, name + ".npz")
        np.savez_compressed(path, **arrays)
        print(f"{path}: {len(arrays)} arrays, {os.path.getsize(path)} bytes")

"""What the peers send to each other, and how they count what arrives."""

import asyncio
from fractions import Fraction

import av
import numpy as np
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack, VideoStreamTrack

_WIDTH, _HEIGHT = 320, 240
_RATE_HZ, _PTIME_S = 48_000, 0.02
_TONE_HZ = 440


class Picture(VideoStreamTrack):
    """Thirty frames a second, each another: a bar that moves."""

    async def recv(self) -> av.VideoFrame:
        pts, time_base = await self.next_timestamp()
        picture = np.zeros((_HEIGHT, _WIDTH, 3), np.uint8)
        at = pts // 3000 * 4 % _WIDTH
        picture[:, at : at + 16] = 255
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = pts, time_base
        return frame


class Tone(MediaStreamTrack):
    """A tone, not silence, so that no codec can leave it out."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._started = 0.0
        self._samples = 0

    async def recv(self) -> av.AudioFrame:
        loop = asyncio.get_running_loop()
        self._started = self._started or loop.time()
        await asyncio.sleep(self._started + self._samples / _RATE_HZ - loop.time())
        count = int(_RATE_HZ * _PTIME_S)
        moments = np.arange(self._samples, self._samples + count) / _RATE_HZ
        wave = (np.sin(2 * np.pi * _TONE_HZ * moments) * 8000).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(wave.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts = _RATE_HZ, self._samples
        frame.time_base = Fraction(1, _RATE_HZ)
        self._samples += count
        return frame


async def count_frames(track: MediaStreamTrack, counts: dict[str, int]) -> None:
    """Count every decoded frame of a track by its kind until the track ends."""
    try:
        while True:
            await track.recv()
            counts[track.kind] = counts.get(track.kind, 0) + 1
    except MediaStreamError:
        return

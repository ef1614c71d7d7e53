"""What a fake camera shows: somebody's outline, swaying, instead of a browser's test picture."""

from pathlib import Path

import numpy as np

_WIDTH, _HEIGHT, _FRAMES = 640, 480, 24


def write(path: Path, hue: tuple[int, int]) -> None:
    """Write a short YUV4MPEG2 film, which the browser shows in a loop.

    Args:
        hue: of the background, Cb and Cr.
    """
    with path.open("wb") as film:
        film.write(f"YUV4MPEG2 W{_WIDTH} H{_HEIGHT} F15:1 Ip A1:1 C420jpeg\n".encode())
        for number in range(_FRAMES):
            film.write(b"FRAME\n" + _frame(2 * np.pi * number / _FRAMES, hue))


def _frame(phase: float, hue: tuple[int, int]) -> bytes:
    y, x = np.mgrid[0:_HEIGHT, 0:_WIDTH]
    middle = _WIDTH / 2 + 14 * np.sin(phase)
    head = ((x - middle) / 74) ** 2 + ((y - 190) / 92) ** 2 < 1
    body = ((x - middle) / 180) ** 2 + ((y - 480) / 190) ** 2 < 1
    light = np.where(head | body, 44, 120 + 70 * (1 - y / _HEIGHT)).astype(np.uint8)
    plain = np.ones((_HEIGHT // 2, _WIDTH // 2), np.uint8)
    return light.tobytes() + (plain * hue[0]).tobytes() + (plain * hue[1]).tobytes()

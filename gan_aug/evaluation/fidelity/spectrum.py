"""The power spectrum of images: how much of their contrast is coarse shape, how much is fine grain.

A generator that upsamples badly leaves a pattern of single pixels or grain. A classifier's features hardly see it, the
finest frequencies of the power spectrum do. The spectrum here is a mean of periodograms::

    P(f) = |FFT(w (x - m))(f)|^2 / sum(w^2),      m = sum(w x) / sum(w)

of grey values x from 0 to 255. It has the unit of squared grey values: white noise of variance v has P = v at every
frequency, and without the window the mean of P over all frequencies is the variance (Parseval). The mean m takes away
the brightness, which says nothing of texture, and with it a part of the power of the lowest frequencies.

**The window w is a Hann window.** A Fourier transform takes an image for one tile of an endless wall. The step from its
right edge to its left one has power at all frequencies, which falls with 1 / f^2 along the axes. In a film, whose fine
detail is weak, this step is half of what is seen at the finest frequencies at 64 px, and more at 128 px, in real and
synthetic images alike. It draws the ratio of the two towards 1: films at 128 px from a smooth generator had 0.95 of the
finest power of real ones without a window, and 0.48 with it; grainy ones at 64 px 2.8 times and 7 times. `window=False`
gives the first of these, for comparison with figures that were measured so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gan_aug.evaluation.fidelity.distances import FloatArray

NYQUIST = 0.5  # cycles per pixel: two pixels a wave
FINEST = 7 / 8 * NYQUIST
"""The finest frequencies begin here: within an eighth of Nyquist's."""

_PIXELS = 1 << 20  # how many are transformed at a time


@dataclass(frozen=True)
class Spectra:
    """The spectra of images one by one, in squared grey values.

    - `radial`: `(N, bins) float64`, the mean power at the frequencies of each bin of `bin_frequencies`.
    - `finest`: `(N,) float64`, the mean power at all frequencies from `FINEST` on.
    """

    radial: FloatArray
    finest: FloatArray


def radial_power(images: npt.NDArray[np.uint8], *, window: bool = True) -> FloatArray:
    """The mean power `(bins,)` of images `(N, C, H, W)` by radial frequency; `bin_frequencies` says which.

    Channels are averaged. The last bin also has what lies beyond Nyquist's frequency, in the corners of the plane of
    frequencies: a chessboard of single pixels is there and nowhere else.
    """
    mean: FloatArray = images_to_spectra(images, window=window).radial.mean(axis=0)
    return mean


def finest_power(images: npt.NDArray[np.uint8], *, window: bool = True) -> float:
    """The mean power of images `(N, C, H, W)` at the finest frequencies, from 7/8 of Nyquist's on, corners included.

    Compare two sets by the ratio. Grain or a pixel pattern gives more than 1 time the power of real images, blur less.
    """
    return float(images_to_spectra(images, window=window).finest.mean())


def bin_frequencies(height: int, width: int) -> FloatArray:
    """The central frequency `(bins,)` of each bin, in cycles per pixel: k / side for k = 1, 2, ... up to Nyquist's.

    `side` is the shorter side, so that no bin is empty whatever the aspect. Lower frequencies, which a longer side has,
    are in the first bin.
    """
    side = min(height, width)
    return np.arange(1, side // 2 + 1) / side


def images_to_spectra(images: npt.NDArray[np.uint8], *, window: bool = True) -> Spectra:
    """The spectra of images `(N, C, H, W)` one by one; each side must have 2 pixels or more."""
    height, width = images.shape[2:]
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    # The transform of real numbers is symmetric, so half of it is computed and most columns count twice.
    weight = np.full(frequency.shape, 2.0)
    weight[:, 0] = 1.0
    if width % 2 == 0:
        weight[:, -1] = 1.0
    bins = len(bin_frequencies(height, width))
    place = np.rint(frequency * min(height, width)).astype(np.int64).clip(1, bins) - 1
    counted = np.where(frequency > 0, weight, 0.0)  # frequency 0 has no power, as the mean is taken away
    fine = np.where(frequency >= FINEST, weight, 0.0)
    of_bins = np.bincount(place.ravel(), counted.ravel(), bins)
    radial, finest = [], []
    for power in _periodograms(images, window):
        rows = np.arange(len(power))[:, None] * bins + place.ravel()
        sums = np.bincount(rows.ravel(), (power * counted).ravel(), len(power) * bins)
        radial.append(sums.reshape(-1, bins) / of_bins)
        finest.append((power * fine).sum(axis=(1, 2)) / fine.sum())
    return Spectra(np.concatenate(radial), np.concatenate(finest))


def _periodograms(images: npt.NDArray[np.uint8], windowed: bool) -> Iterator[FloatArray]:
    """The power `(B, H, W // 2 + 1)` of some images at a time, a mean over their channels."""
    height, width = images.shape[2:]
    window = np.outer(_hann(height), _hann(width)) if windowed else np.ones((height, width))
    step = max(1, _PIXELS // (images.shape[1] * height * width))
    for i in range(0, len(images), step):
        block = images[i : i + step].astype(np.float64)
        mean = (block * window).sum(axis=(2, 3), keepdims=True) / window.sum()
        transformed = np.fft.rfft2((block - mean) * window)
        power: FloatArray = (transformed.real**2 + transformed.imag**2).mean(axis=1) / (window * window).sum()
        yield power


def _hann(side: int) -> FloatArray:
    """A Hann window `(side,)` without its two zeros at the ends."""
    window: FloatArray = np.sin(np.pi * np.arange(1, side + 1) / (side + 1)) ** 2
    return window

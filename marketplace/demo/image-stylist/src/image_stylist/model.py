"""A palette learned from a picture by k-means, and your picture repainted in it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.cluster import MiniBatchKMeans
from sklearn.datasets import load_sample_image

PICTURES = {"temple": ["china.jpg"], "flower": ["flower.jpg"], "both": ["china.jpg", "flower.jpg"]}
PIXELS_AN_EPOCH = 20_000
Pixels = NDArray[np.float64]
OnEpoch = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class Palette:
    colours: NDArray[np.uint8]  # a row each: red, green, blue; dark ones first
    learned_from: str
    distance: float  # of a test pixel to its nearest colour, from 0 to about 441

    def repaint(self, picture: Image.Image, *, strength: float, dithering: bool) -> Image.Image:
        dither = Image.Dither.FLOYDSTEINBERG if dithering else Image.Dither.NONE
        painted = picture.quantize(palette=self._as_image(), dither=dither).convert("RGB")
        return Image.blend(picture, painted, strength)

    def shares(self, picture: Image.Image) -> list[tuple[str, float]]:
        """Its colours as they would be used for this picture, the most used one first."""
        chosen = np.asarray(picture.quantize(palette=self._as_image(), dither=Image.Dither.NONE))
        counts = np.bincount(chosen.ravel(), minlength=len(self.colours))[: len(self.colours)]
        found = [
            (hexadecimal(colour), float(count / chosen.size))
            for colour, count in zip(self.colours, counts, strict=True)
        ]
        return sorted(found, key=lambda pair: -pair[1])

    def _as_image(self) -> Image.Image:
        # Pillow fills a short palette with black; repeating our last colour keeps black out of the picture.
        colours = [int(part) for colour in self.colours for part in colour]
        carrier = Image.new("P", (1, 1))
        carrier.putpalette(colours + colours[-3:] * (256 - len(self.colours)))
        return carrier


def fit(
    *, colours: int, picture: str, epochs: int, seed: int, on_epoch: OnEpoch = lambda _epoch, _metrics: None
) -> Palette:
    chance = np.random.default_rng(seed)
    pixels = pixels_of(picture)
    test_pixels = chance.choice(pixels, 5_000)
    clusters = MiniBatchKMeans(n_clusters=colours, random_state=seed, n_init=1)
    distance = 0.0
    for epoch in range(1, epochs + 1):
        clusters.partial_fit(chance.choice(pixels, PIXELS_AN_EPOCH))
        distance = float(clusters.transform(test_pixels).min(axis=1).mean())
        on_epoch(epoch, {"test_distance": distance})
    centres = np.clip(np.rint(clusters.cluster_centers_), 0, 255).astype(np.uint8)
    return Palette(centres[np.argsort(centres @ [0.299, 0.587, 0.114])], picture, distance)


def built_in() -> Palette:
    """Until somebody trains: the same each time, ready in about a second."""
    return fit(colours=12, picture="both", epochs=5, seed=0)


def pixels_of(picture: str) -> Pixels:
    return np.concatenate([load_sample_image(name).reshape(-1, 3) for name in PICTURES[picture]]).astype(float)


def hexadecimal(colour: NDArray[np.uint8]) -> str:
    red, green, blue = (int(part) for part in colour)
    return f"#{red:02x}{green:02x}{blue:02x}"

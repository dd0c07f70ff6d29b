"""Photographs to learn restoration from, and others to try it on. Fetched when they are needed,
never kept in the repository; the copyright file of each package names every author.

to learn from  photographs among the wallpapers that Debian packages, brought to 1280 and to 640
pixels on their longer
               side, so that their own noise and JPEG blocks are gone: lomiri-wallpapers-16.04 and
               -20.04 (CC-BY-4.0, CC-BY-SA-3.0 and -4.0, CC0), mate-backgrounds and
               plasma-workspace-wallpapers (GPL-2+)
to try         four others of these wallpapers; photographs of scikit-image (astronaut, rocket:
public domain; camera,
               coffee, chelsea: CC0; motorcycle: Middlebury stereo 2014) and of scikit-learn (china,
                   flower:
               CC-BY-2.0); the middle of each, 512 pixels a side at most
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import sklearn
from _common import PEERS, peer
from PIL import Image

PACKAGES = (
    "lomiri-wallpapers-16.04",
    "lomiri-wallpapers-20.04",
    "mate-backgrounds",
    "plasma-workspace-wallpapers",
)
LEARN = (
    "Dragonfly_by_Bolly",
    "Image_0B_by_freespace",
    "Image_1A_by_freespace",
    "Wine_by_Jakkub_Mede",
    "aitzgorri_by_Aitzol_Berasategi",
    "free_by_Peter_Nerlich",
    "friends_by_Aitzol_Berasategi",
    "greentock_by_Peter_Nerlich",
    "picosdeeuropa_by_Aitzol_Berasategi",
    "seeding_by_Clements_Engelhardt",
    "sunset_by_Aitzol_Berasategi",
    "Aqua",
    "Blinds",
    "Dune",
    "FreshFlower",
    "Garden",
    "GreenMeadow",
    "LadyBird",
    "RainDrops",
    "Storm",
    "TwoWings",
    "Wood",
    "YellowFlower",
    "BytheWater",
    "ColdRipple",
    "ColorfulCups",
    "FallenLeaf",
    "Grey",
    "Kite",
    "OneStandsOut",
    "Path",
    "Volna",
    "summer_1am",
)
TRY = (
    "Bridge_by_Sander_Klootwijk",
    "Kleiber_by_Lukas_Baubkus",
    "life_by_Aitzol_Berasategi",
    "EveningGlow",
)
SKIMAGE = (
    "camera.png",
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "rocket.jpg",
    "motorcycle_left.png",
)
LONGER = (1280, 640)
SIDE = 512


def rivals() -> Path:
    """A Python with the peers."""
    return peer("denoising", "bm3d==4.0.3", "scikit-image==0.26.0", "PyWavelets==1.9.0", "pillow")


def to_learn_from() -> Path:
    """A folder of PNG files."""
    folder = PEERS / "photographs"
    if not (folder / ".ready").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in LEARN:
            for longer in LONGER:
                _wallpaper(name, longer).save(folder / f"{name}-{longer}.png")
        (folder / ".ready").touch()
    return folder


def to_try() -> Iterator[tuple[str, Image.Image]]:
    """Names and colour images."""
    site = next((rivals().parent.parent / "lib").glob("python*")) / "site-packages"
    files = [site / "skimage" / "data" / name for name in SKIMAGE]
    files += [
        Path(sklearn.__file__).parent / "datasets" / "images" / name
        for name in ("china.jpg", "flower.jpg")
    ]
    for file in files:
        yield file.stem, _middle(Image.open(file))
    for name in TRY:
        yield name, _middle(_wallpaper(name, LONGER[1]))


def levels(image: Image.Image, grey: bool) -> np.ndarray:
    """An image as float64 in [0, 255], (H, W) or (H, W, 3)."""
    return np.asarray(image.convert("L" if grey else "RGB")).astype(np.float64)


def _middle(image: Image.Image) -> Image.Image:
    width, height = (min(n, SIDE) for n in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.convert("RGB").crop((left, top, left + width, top + height))


def _wallpaper(name: str, longer: int) -> Image.Image:
    """A wallpaper, smaller: as the file of this name, or the largest of those in the folder of this
    name."""
    files = [
        f
        for f in _unpacked().rglob("*.jpg")
        if not f.is_symlink() and (f.stem == name or _of_theme(f, name))
    ]
    image = Image.open(max(files, key=lambda f: f.stat().st_size)).convert("RGB")
    scale = longer / max(image.size)
    return image.resize(
        (round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS
    )


def _of_theme(file: Path, name: str) -> bool:
    return file.parts[-4:-1] == (name, "contents", "images")


def _unpacked() -> Path:
    """What the packages hold: `apt-get update` first, where nothing is known of them."""
    folder = PEERS / "wallpapers"
    if not (folder / ".ready").exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-qq", *PACKAGES], cwd=folder, check=True)
        for file in folder.glob("*.deb"):
            subprocess.run(["dpkg", "-x", file, folder], check=True)
        (folder / ".ready").touch()
    return folder

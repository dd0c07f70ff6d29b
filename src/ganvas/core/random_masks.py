"""Random masks of images, for training and evaluating inpainting."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

STROKES = 4  # lines that follow each other


def draw_masks(x: Tensor) -> Tensor:
    """Where images x (B, C, H, W) are masked, boolean (B, 1, H, W), by torch's random numbers.

    One of three kinds for each: a rectangle with sides of a quarter to a half of the image's;
    four thick lines, one beginning where another ends, as Yu et al. (2019) draw them; a half.
    """
    n, (height, width) = len(x), x.shape[2:]
    down, right = torch.meshgrid(
        torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij"
    )
    place = torch.stack([down, right], -1)
    kind = torch.rand(n).view(-1, 1, 1)
    rectangles, strokes, halves = _rectangles(place, n), _strokes(place, n), _halves(place, n)
    mask = torch.where(kind < 0.4, rectangles, torch.where(kind < 0.8, strokes, halves))
    return mask.unsqueeze(1).to(x.device)


def _rectangles(place: Tensor, n: int) -> Tensor:
    side = 0.25 + 0.25 * torch.rand(n, 1, 1, 2)
    corner = torch.rand(n, 1, 1, 2) * (1 - side)
    return ((place >= corner) & (place <= corner + side)).all(-1)


def _strokes(place: Tensor, n: int) -> Tensor:
    """Lines through five points, each near the one before, and as thick as a twelfth to a sixth of
    the image."""
    start, moves = torch.rand(n, 1, 2), (torch.rand(n, STROKES + 1, 2) - 0.5).mul(0.7)
    points = (start + moves.cumsum(1)).clamp(0, 1).unbind(1)
    thick = (1 + torch.rand(n, 1, 1)) / 24
    far = torch.stack([_distance(place, a, b) for a, b in pairwise(points)])
    return far.amin(0) <= thick


def _distance(place: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """How far each place (H, W, 2) is from the line from a to b, both (n, 2): (n, H, W)."""
    along = (b - a)[:, None, None]
    from_a = place - a[:, None, None]
    length = along.square().sum(-1, keepdim=True).clamp(min=1e-9)
    share = (from_a * along).sum(-1, keepdim=True) / length
    result: Tensor = (from_a - share.clamp(0, 1) * along).norm(dim=-1)
    return result


def _halves(place: Tensor, n: int) -> Tensor:
    which = torch.randint(4, (n,)).view(-1, 1, 1)
    down, right = place.unbind(-1)
    lower, later = torch.where(which < 2, down, right), which % 2 == 0
    return torch.where(later, lower > 0.5, lower < 0.5)

"""Small real data that ships with the package; README.md in this folder says where it came from and
its licence."""

from pathlib import Path

FASHION = Path(__file__).parent / "fashion"
"""5,000 training and 1,000 held-out images of clothes, 28 x 28 grey, ten classes
(Fashion-MNIST)."""

ADULT = Path(__file__).parent / "adult"
"""train.csv and held_out.csv: 6,000 and 2,000 rows of a census, six numbers and nine categories
(Adult)."""

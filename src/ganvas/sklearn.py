"""scikit-learn estimators over the same models: rows of numbers and categories in, and what a model
is good for out.

An estimator is fitted by `ganvas.train`, into a run folder of its own. `run_` is that run, with all
its tasks; `save` and `load` are how a fitted one is kept. Data frames may hold categories and
dates; arrays hold numbers. Whatever comes in may lack values (nan).
"""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Self
from warnings import warn

import narwhals as nw
import numpy as np
import pandas as pd
import torch
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    DensityMixin,
    OneToOneFeatureMixin,
    OutlierMixin,
    TransformerMixin,
)
from sklearn.utils import (
    Tags,
    check_array,
    check_consistent_length,
    check_random_state,
    column_or_1d,
)
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from .abilities import Autoencodes, Bounds, Samples, Scores, StartsConditionally
from .api import Trained, load, train
from .core import InputError, Tokens, seeded_rng
from .core.conformal import p_values
from .runtime import registry
from .runtime.device import choose_device, prepare

DETECTOR = "detector"
"""The model that finds what is not normal, where nobody names another."""
NUMBERS = "plain"
"""How those that go to latents and back read numbers: an option of reading tables."""
BLOCK = 256
"""Examples that are worked out together."""
LARGEST = 1e150
"""From where on the squares of numbers are no numbers any more."""


class Folder:
    """A run folder that an estimator holds: one of its own, which goes when it goes, or one that
    somebody keeps.

    Copied or pickled it is the contents of its files, without what only more training would need.
    """

    def __init__(self, path: Path | None = None) -> None:
        if path is None:
            self._home = TemporaryDirectory(prefix="ganvas-")
            path = Path(self._home.name) / "run"
        self.path = path

    @cached_property
    def run(self) -> Trained:
        """The run, ready for use."""
        run = load(self.path)
        prepare(run.model, choose_device())
        return run

    def copy_to(self, path: Path) -> None:
        """Raises InputError where there is something already."""
        if path.exists() and any(path.iterdir() if path.is_dir() else [path]):
            raise InputError(f"{path} is there already; choose another place")
        shutil.copytree(self.path, path, dirs_exist_ok=True)

    def __getstate__(self) -> dict[str, bytes]:
        files = [
            file
            for file in sorted(self.path.rglob("*"))
            if file.is_file() and file.stem != "optimizer"
        ]
        return {file.relative_to(self.path).as_posix(): file.read_bytes() for file in files}

    def __setstate__(self, files: Mapping[str, bytes]) -> None:
        Folder.__init__(self)
        for name, content in files.items():
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name).write_bytes(content)


@dataclass(kw_only=True, eq=False, repr=False)
class Estimator(BaseEstimator, ABC):
    """What all of them share.

    Arguments:
        model: Name of the model, such as "made".
        steps: Steps to play; as many as the model likes without.
        epochs: Or passes over the data.
        options: Further options of `ganvas.train`, of the model and of reading tables: {"width":
            64, "lr": ...}.
        random_state: Seed of the training, and of what is drawn.

    Attributes:
        run_: The run that was trained, a `ganvas.Trained`.
    """

    model: str
    steps: int | None = None
    epochs: float | None = None
    options: Mapping[str, Any] | None = None
    random_state: int | np.random.RandomState | None = None

    able: ClassVar[type]
    """What the model must be able to do."""

    @abstractmethod
    def fit(self, X: Any, y: Any = None) -> Self:
        """Trains the model on rows X, (n, features): a data frame, or an array of numbers."""

    @property
    def run_(self) -> Trained:
        """The run that was trained."""
        return self.folder_.run

    @property
    def _model(self) -> Any:
        """Its model, which is `able`."""
        return self.run_.model

    def save(self, path: str | Path) -> Path:
        """Writes the run folder, which `load` and the command line open. Raises InputError where
        something is."""
        check_is_fitted(self)
        self.folder_.copy_to(Path(path))
        return Path(path)

    @classmethod
    def load(cls, path: str | Path, **parameters: Any) -> Self:
        """An estimator over a run folder, whoever trained it; the folder stays where it is, and is
        needed there.

        parameters: Those of the constructor that no run knows.

        Raises InputError where the run is of no use here.
        """
        run = load(path).run
        if run.config["modality"]["name"] != "tables":
            raise InputError(
                f"{path} learned {run.config['modality']['name']}; scikit-learn's estimators take"
                " tables"
            )
        options, training = dict(run.config["options"]), run.config["training"]
        own = {name: options.pop(name) for name in cls._get_param_names() if name in options}
        settings = {
            "model": run.config["model"],
            "steps": training["steps"],
            "epochs": training["epochs"],
            "options": options or None,
            "random_state": training["seed"],
        }
        self = cls(**{**settings, **own, **parameters})
        self._able()
        self._remember([column["name"] for column in run.config["modality"]["state"]["columns"]])
        self.folder_ = Folder(Path(path).resolve())
        self._take_up()
        return self

    def _remember(self, names: list[str]) -> None:
        """Takes the names of features from a run; those that arrays were given are none."""
        self.n_features_in_ = len(names)
        if names != _numbered(len(names)):
            self.feature_names_in_ = np.array(names, object)

    def _able(self) -> None:
        """Raises InputError where the model is not able to do what is asked here."""
        if not issubclass(registry.load("models", self.model), self.able):
            can = [
                m
                for m in registry.names("models")
                if issubclass(registry.load("models", m), self.able)
            ]
            raise InputError(
                f"{type(self).__name__}: {self.model!r} is not able to; these are: {', '.join(can)}"
            )

    def _train(self, rows: pd.DataFrame, **settings: Any) -> Self:
        """Trains the model with these settings, unless `options` says otherwise."""
        self._able()
        options = dict(self.options or {})
        named = {
            name for kind in ("category", "date", "id", "drop") for name in options.get(kind) or ()
        }
        numbers = [name for name in rows.select_dtypes("number") if name not in named]
        for name in numbers:
            if rows[name].abs().max() > LARGEST:
                raise InputError(f"column {name!r} holds numbers beyond {LARGEST:g}; scale it")
        own = {
            "steps": self.steps,
            "epochs": self.epochs,
            "seed": _seed(self.random_state),
            "number": numbers,
        }
        folder = Folder()
        train(
            self.model,
            rows,
            out=folder.path,
            as_="tables",
            **{"quiet": True, **own, **settings, **options},
        )
        self.folder_ = folder
        self._take_up()
        return self

    def _take_up(self) -> None:
        """What an estimator works out once it has a run."""

    @property
    def _names(self) -> list[str]:
        return list(getattr(self, "feature_names_in_", _numbered(self.n_features_in_)))

    def _rows(self, X: Any, reset: bool = False) -> pd.DataFrame:
        """Rows as a data frame whose columns are called as the run calls them. Raises ValueError
        for bad input."""
        if not reset:
            check_is_fitted(self)
        frame = nw.from_native(X, eager_only=True, pass_through=True)
        if isinstance(frame, nw.DataFrame):
            validate_data(self, X, reset=reset, skip_check_array=True)
            return frame.to_pandas().set_axis(self._names, axis=1)
        least = 2 if reset else 1
        numbers = validate_data(
            self,
            X,
            reset=reset,
            dtype=np.float64,
            ensure_all_finite="allow-nan",
            ensure_min_samples=least,
        )
        return pd.DataFrame(numbers, columns=self._names)

    def _examples(self, rows: pd.DataFrame) -> tuple[Tensor, np.ndarray]:
        """Rows as examples (n, *space.shape), and what that hides in nats, float64 (n,): see
        `Source.parts`."""
        data, hidden = zip(*self.run_.run.modality.open(rows).parts(), strict=True)
        x = torch.cat([part.gather().x for part in data])
        return x, torch.cat(hidden).double().flatten(1).sum(1).numpy()

    def _blocks(self, function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """What a function makes of examples or latents x (n, ...), float32 on the CPU.

        Every block has the same size, so that sums in it are taken in the same order: what comes of
        an example does not depend on those it comes with.
        """
        device, made = self.run_.model.device, []
        with torch.no_grad(), seeded_rng(0):
            for part in torch.split(x, BLOCK):
                full = part[torch.arange(BLOCK) % len(part)]
                made.append(function(full.to(device))[: len(part)].float().cpu())
        return torch.cat(made)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.categorical = True
        return tags


@dataclass(kw_only=True, eq=False, repr=False)
class AnomalyDetector(OutlierMixin, Estimator):
    """Learns what is normal, and finds what is not, with a promise of how much of what is normal it
    finds.

    A row is called an outlier (-1) where its conformal p-value is alpha at most: then a normal row
    is found with a probability of alpha at most, whatever the model (Vovk et al., 2005), as `ganvas
    detect` has it. X to fit on is normal; part of it, a tenth or as much as alpha needs, is held
    out to be compared with.

    Arguments:
        model: Name of a model that scores.
        alpha: Share of normal rows that may be found.

    Attributes:
        normal_scores_: How normal the rows held out are, as `score_samples` has it, in order.
        offset_: What `score_samples` must reach for a row to be normal.
    """

    model: str = DETECTOR
    alpha: float = 0.05

    able = Scores

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learns from normal rows X; y is not looked at."""
        rows = self._rows(X, reset=True)
        if not 0 < self.alpha < 1:
            raise InputError(f"alpha is {self.alpha}; it must be above 0 and below 1")
        return self._train(rows, held_out=max(0.1, min(3 / self.alpha / len(rows), 0.5)))

    def _take_up(self) -> None:
        scores = self.run_.run.tensors("reference_scores").get("scores")
        if scores is None:
            raise InputError(
                "no rows were held out to be compared with; fit to more rows, or train with"
                " held_out=0.1"
            )
        self.normal_scores_, n = np.sort(-scores.double().numpy()), len(scores)
        few = int(
            (np.arange(1, n + 1) / (1 + n) <= self.alpha).sum()
        )  # of the p-values there are, those found
        if not few:
            warn(
                f"alpha={self.alpha} needs {1 / self.alpha - 1:.0f} normal rows held out and there"
                f" are {n}: what is more anomalous than all of them is found",
                stacklevel=3,
            )
        self.offset_ = float(self.normal_scores_[max(few, 1) - 1])

    def score_samples(self, X: Any) -> np.ndarray:
        """How normal rows are, (n,): minus the model's score. Lower is more anomalous."""
        x, hidden = self._examples(self._rows(X))
        normality: np.ndarray = -self._blocks(self._model.score, x).double().numpy() - hidden
        return normality

    def decision_function(self, X: Any) -> np.ndarray:
        """`score_samples` beyond what a row must reach, (n,); below 0 for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """1 for rows that are normal, -1 for outliers, (n,)."""
        return np.where(self.decision_function(X) >= 0, 1, -1)

    def p_values(self, X: Any) -> np.ndarray:
        """Share of normal rows that are as anomalous as each row, itself among them, (n,)."""
        return p_values(
            torch.from_numpy(-self.score_samples(X)), torch.from_numpy(-self.normal_scores_)
        ).numpy()


@dataclass(kw_only=True, eq=False, repr=False)
class Embedder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Estimator):
    """Squeezes rows into few numbers and makes rows of them again.

    Arguments:
        model: Name of a model that goes to latents and back.
        latent: Numbers that a row is squeezed into.
    """

    model: str = "ae"
    latent: int = 8

    able = Autoencodes

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learns from rows X; y is not looked at."""
        return self._train(self._rows(X, reset=True), numbers=NUMBERS, latent=self.latent)

    def transform(self, X: Any) -> np.ndarray:
        """Latents of rows, float32 (n, latent)."""
        x, _ = self._examples(self._rows(X))
        return self._blocks(self._model.encode, x).flatten(1).numpy()

    def inverse_transform(self, X: Any) -> np.ndarray | pd.DataFrame:
        """Rows of latents: an array where it was fitted to one, else a data frame."""
        check_is_fitted(self)
        z = torch.from_numpy(check_array(X, dtype=np.float32))
        if z.shape[1] != self._n_features_out:
            raise InputError(f"there are {z.shape[1]} columns; latents have {self._n_features_out}")
        x = self._blocks(self._model.decode, z.reshape(len(z), *self._latent))
        rows: pd.DataFrame = self.run_.run.modality.to_python(x)
        return rows if hasattr(self, "feature_names_in_") else rows.to_numpy(np.float64)

    @property
    def _latent(self) -> torch.Size:
        """Shape of the latent of one row."""
        space = self.run_.run.modality.space
        one = torch.zeros(
            1, *space.shape, dtype=torch.int64 if isinstance(space, Tokens) else torch.float32
        )
        return self._blocks(self._model.encode, one).shape[1:]

    @property
    def _n_features_out(self) -> int:
        return self._latent.numel()

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags


@dataclass(kw_only=True, eq=False, repr=False)
class Denoiser(OneToOneFeatureMixin, TransformerMixin, Estimator):
    """Gives rows back without what is wrong with them: an autoencoder that learned to undo damage
    (Vincent, 2008).

    Arguments:
        model: Name of a model that goes to latents and back, and has the options below.
        corrupt: Damage it learns to undo: gaussian, masking or salt-and-pepper; categories are
            swapped for others.
        strength: How much of it, see the model: an eighth is gaussian noise of half a deviation.
    """

    model: str = "ae"
    corrupt: str = "gaussian"
    strength: float = 0.125

    able = Autoencodes

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learns from rows X, as clean as there are any; y is not looked at."""
        rows = self._rows(X, reset=True)
        return self._train(rows, numbers=NUMBERS, corrupt=self.corrupt, strength=self.strength)

    def transform(self, X: Any) -> np.ndarray | pd.DataFrame:
        """Rows as the model gives them back, in the units of X, as X came: an array or a data
        frame."""
        rows = self._rows(X)
        x, _ = self._examples(rows)
        back = self._blocks(lambda x: self._model.decode(self._model.encode(x)), x)
        made = self.run_.run.modality.frame(back)
        assert made is not None, "rows of tables make a frame"
        return _like(X, rows.assign(**made.set_axis(rows.index)))


@dataclass(kw_only=True, eq=False, repr=False)
class Imputer(OneToOneFeatureMixin, TransformerMixin, Estimator):
    """Fills what is missing with values drawn given what is known of each row: noise and all, as
    rows are.

    It learns from rows with masked regions. The same rows are filled alike every time; for multiple
    imputation fit once and call `run_.complete(X, draws=5)`.

    Arguments:
        model: Name of a model that completes rows.
    """

    model: str = "made"

    able = StartsConditionally

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learns from rows X, masked regions and all; y is not looked at."""
        return self._train(self._rows(X, reset=True))

    def transform(self, X: Any) -> np.ndarray | pd.DataFrame:
        """The same rows without nan, as X came: an array or a data frame; a column that was all nan
        stays so."""
        rows = self._rows(X)
        return _like(X, self.run_.complete(rows, seed=self.run_.run.config["training"]["seed"]))


@dataclass(kw_only=True, eq=False, repr=False)
class Synthesizer(DensityMixin, Estimator):
    """Learns how rows are distributed, and draws new ones.

    Arguments:
        model: Name of a model that samples.
        target: What y is called among the columns.
    """

    model: str = "made"
    target: str = "y"

    able = Samples

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learns from rows X, and from what goes with each, y (n,), where it is given: as one more
        column."""
        rows = self._rows(X, reset=True)
        self.n_targets_ = int(y is not None)
        return self._train(self._joined(rows, y))

    def _joined(self, rows: pd.DataFrame, y: Any) -> pd.DataFrame:
        """Rows with y as their last column. Raises ValueError where it does not belong to them."""
        if (y is not None) != self.n_targets_:
            raise InputError(
                "it was fitted with y; give y too" if self.n_targets_ else "it was fitted without y"
            )
        if y is None:
            return rows
        if self.target in rows:
            raise InputError(
                f"X has a column {self.target!r} already; call y something else: target="
            )
        check_consistent_length(rows, y)
        return rows.assign(**{self.target: column_or_1d(y, warn=True)})

    def _remember(self, names: list[str]) -> None:
        self.n_targets_ = names.count(self.target)
        super()._remember([name for name in names if name != self.target])

    def sample(self, n_samples: int = 1, **options: Any) -> Any:
        """New rows X, or (X, y) where it was fitted with y: arrays where X was one, else a data
        frame and a series.

        options: Those of `ganvas sample`, such as where="age > 40".
        """
        check_is_fitted(self)
        seed = None if self.random_state is None else _seed(self.random_state)
        rows = self.run_.sample(n=n_samples, **{"seed": seed, **options})
        y = rows.pop(self.target) if self.n_targets_ else None
        if not hasattr(self, "feature_names_in_"):
            rows, y = rows.to_numpy(np.float64), None if y is None else y.to_numpy()
        return rows if y is None else (rows, y)

    def score(self, X: Any, y: Any = None) -> float:
        """Mean log-likelihood of rows, or a bound on it, in nats; of the rows as the model reads
        them."""
        rows = self._joined(self._rows(X), y)
        if not isinstance(self._model, Bounds):
            raise InputError(
                f"{self.model!r} knows no likelihood, so it cannot score; made and vae do"
            )
        x, hidden = self._examples(rows)
        return -float(np.mean(self._blocks(self._model.bound, x).double().numpy() + hidden))


def _numbered(n: int) -> list[str]:
    """What features are called that came without names."""
    return [f"x{i}" for i in range(n)]


def _seed(state: int | np.random.RandomState | None) -> int:
    return (
        int(state)
        if isinstance(state, int | np.integer)
        else int(check_random_state(state).randint(2**31))
    )


def _like(X: Any, rows: pd.DataFrame) -> np.ndarray | pd.DataFrame:
    """Rows as X came: a data frame with its names and index, or an array."""
    if isinstance(X, pd.DataFrame):
        return rows.set_axis(X.columns, axis=1).set_axis(X.index, axis=0)
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    return rows if isinstance(frame, nw.DataFrame) else rows.to_numpy(np.float64)

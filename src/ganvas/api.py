"""What a person does: train a model, then use it. Every front door opens onto these functions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from .core import InputError
from .core.options import Rates
from .evaluation.figures import Evaluation
from .runs.run import Run
from .runtime import distributed
from .runtime.device import Precision
from .runtime.options import InGroup
from .tasks._trained import Trained
from .training.start import Schedule, open_training, run_training

__all__ = ["Trained", "evaluate", "load", "resume", "train"]

DATA, OUTPUT = InGroup("Data"), InGroup("Output")


def train(
    model: str,
    source: Any,
    *,
    out: Annotated[Path | None, OUTPUT] = None,
    as_: Annotated[str | None, DATA] = None,
    through: Annotated[Path | None, DATA] = None,
    steps: int | None = None,
    epochs: float | None = None,
    minutes: float | None = None,
    batch: int | None = None,
    seed: int = 0,
    lr: Rates | None = None,
    schedule: Schedule | None = None,
    ema: float | None = None,
    accumulate: int = 1,
    clip: float | None = None,
    precision: Precision = "auto",
    device: str = "auto",
    compile: bool = False,
    held_out: Annotated[float, DATA] = 0.1,
    recover: bool = True,
    save_every: Annotated[float, OUTPUT] = 60.0,
    tensorboard: Annotated[bool, OUTPUT] = False,
    tracker: Annotated[Literal["mlflow", "tensorboard", "wandb"] | None, OUTPUT] = None,
    quiet: Annotated[bool, OUTPUT] = False,
    **options: Any,
) -> Trained:
    """Trains a model on a person's data and leaves a run behind; goes on with the run where there
    is one already.

    Arguments:
        model: Name of the model, such as "dcgan".
        source: Files, or arrays, tensors or images in memory.
        out: Folder of the run; by default runs/MODEL-SOURCE.
        as_: Modality to read the data as; by default what it looks like.
        through: Run that encodes the data: its codes, or vectors, are learned from in place of the
            data.
        steps: Steps to play.
        epochs: Passes over the data.
        minutes: Time to train for.
        batch: Examples per step, over all processes.
        seed: The same seed on the same machine gives the same run.
        lr: Learning rate by player, such as discriminator=1e-4.
        schedule: How the learning rate changes over the training.
        ema: Decay of the exponential moving average (EMA) of the weights, which is used
            afterwards; 0 keeps none.
        accumulate: Batches whose gradients are averaged before each step.
        clip: Gradient norm that no player exceeds.
        precision: Type that networks compute in; auto takes bf16 where the processor has it.
        device: Device to train on; auto takes the best there is.
        compile: Compile the networks first: slower to start, faster after.
        held_out: Share of the data that is kept from the model, to judge it by.
        recover: Go back and change one thing after a grave diagnosis, up to three times, unless it
            is compiled.
        save_every: Seconds between saves.
        tensorboard: The same as --tracker tensorboard.
        tracker: Tell this program of the training too: its options, losses, previews and diagnosis.
        quiet: Say nothing while training.
        options: Options of the modality and of the model.

    Raises InputError where the data or an option is wrong, Interrupted after Ctrl-C or SIGTERM.
    """
    settings = {
        "steps": steps,
        "epochs": epochs,
        "minutes": minutes,
        "batch": batch,
        "seed": seed,
        "lr": lr,
        "schedule": schedule,
        "ema": ema,
        "accumulate": accumulate,
        "clip": clip,
        "precision": precision,
        "device": device,
        "compile": compile,
        "held_out": held_out,
        "recover": recover,
        "save_every": save_every,
        "tensorboard": tensorboard,
        "tracker": tracker,
    }
    with distributed.process_group():
        run, source = open_training(model, source, out, as_, through, settings, options)
        return Trained(run_training(run, source, quiet), source)


def resume(run: Path | str, *, source: Any = None, quiet: bool = False) -> Trained:
    """Goes on with a run exactly where it was saved last; `source` only where it was trained from
    memory."""
    found = Run(run)
    source = source if source is not None else found.config["source"]
    if source is None:
        raise InputError(
            f"{run} was trained on data in memory; give the same data again as source="
        )
    with distributed.process_group():
        return Trained(run_training(found, source, quiet), source)


def load(run: Path | str) -> Trained:
    """Opens a trained run."""
    return Trained(Run(run))


def evaluate(run: Path | str, source: Any = None, **options: Any) -> Evaluation:
    """`Trained.evaluate` of the run in this folder."""
    return load(run).evaluate(source, **options)

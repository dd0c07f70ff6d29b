"""Training a run: steps, and between them saving, logging, previews and a way to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf, isfinite
from pathlib import Path
from queue import Empty, Queue
from time import perf_counter

import torch
from torch import Tensor

from ..core import (
    Autoencodes,
    Batch,
    Completes,
    Data,
    InputError,
    Modality,
    Model,
    Predicts,
    Restores,
    Samples,
    SamplesTokens,
    seeded_rng,
)
from ..runs.diagnosis import Diagnosis, Facts, History, diagnose, recent_lines
from ..runs.run import Run
from ..runtime import distributed
from ..runtime.errors import flag
from .diversity import EXAMPLES, Diversity
from .engine import SCHEDULES, Engine
from .previews import previews_of
from .recovery import Recovery, RecoveryOrder

PREVIEWS = 24
# share of the training without a better held-out loss after which there is none to hope for
PATIENCE = 0.3
LOG_EVERY = 10
EXAMINE_EVERY = 50


@dataclass
class Best:
    """The weights that had the lowest held-out loss, and how much of the training was done then."""

    loss: float = inf
    share: float = 0.0
    weights: dict[str, Tensor] = field(default_factory=dict)

    def meet(self, loss: float, share: float, model: Model) -> None:
        """Keeps these weights if they are better."""
        if loss < self.loss:
            self.loss, self.share = loss, share
            self.weights = {
                name: value.detach().clone() for name, value in model.state_dict().items()
            }


@dataclass(frozen=True)
class Until:
    """When training is done: after so many steps, or so many seconds, whichever comes first."""

    steps: float = inf
    seconds: float = inf

    def share(self, step: int, seconds: float) -> float:
        """How much of the training is done, in [0, 1]."""
        return min(max(step / self.steps, seconds / self.seconds), 1.0)


@dataclass
class Training:
    """One run being trained, from wherever it is to its end.

    watch: Called after every step with (step, seconds, share done, log).
    mirror: Called with every line of the log.
    recover: Whether a game goes back and changes something when something is diagnosed.
    found: What is wrong with the data, for this model.
    diagnosed: Called with all that is wrong whenever that was looked for.
    say: Called with what was done about it.
    """

    run: Run
    engine: Engine
    train: Data
    held_out: Data
    until: Until
    batch: int
    seed: int
    schedule: str
    save_every: float
    device: torch.device
    watch: Callable[[int, float, float, dict[str, Tensor]], None] = lambda *_: None
    mirror: Callable[[dict[str, float]], None] = lambda _: None
    recover: bool = True
    found: Sequence[Diagnosis] = ()
    diagnosed: Callable[[Sequence[Diagnosis]], None] = lambda _: None
    say: Callable[[str], None] = lambda _: None
    stopped: threading.Event = field(default_factory=threading.Event)
    best: Best = field(default_factory=lambda: Best())
    lines: list[Mapping[str, float]] = field(default_factory=list)
    seen: list[Diagnosis] = field(default_factory=list)
    ill: Diagnosis | None = None
    facts: Facts = field(default_factory=Facts)

    def __post_init__(self) -> None:
        self.recovery = Recovery(self.engine, self._first)

    def play(self) -> bool:
        """Trains until done or stopped, saving on the way; true if done. Raises InputError if
        losses explode."""
        self.facts = self.recovery.facts(self.batch)
        self._take_up()
        step, seconds = self.engine.model.step, self.run.state["seconds"]
        last_save, start = perf_counter(), perf_counter() - seconds
        share = self.until.share(step, seconds)
        self.engine.set_lr_factor(SCHEDULES[self.schedule](share))
        for log in self.engine.steps(self._batches(step)):
            step, seconds = self.engine.model.step, perf_counter() - start
            before, share = share, self.until.share(step, seconds)
            if self.best.weights and share > self.best.share + PATIENCE:
                share = 1.0
            share, stop, save = self._agree(share, perf_counter() - last_save > self.save_every)
            self.watch(step, seconds, share, log)
            due = int(PREVIEWS * before**0.5) < int(PREVIEWS * share**0.5) or step == 1
            if due or step % LOG_EVERY == 0:
                self._heal(
                    self._record(step, seconds, share, log, due)
                    if distributed.is_main_process()
                    else RecoveryOrder()
                )
            self.engine.set_lr_factor(SCHEDULES[self.schedule](share))
            if share >= 1 or stop or save:
                self._save(seconds, finished=share >= 1)
                last_save = perf_counter()
            if share >= 1 or stop:
                break
        return share >= 1

    def _take_up(self) -> None:
        """Goes back to the last save, as if nothing had happened since; or starts from the seed."""
        model, engine, state = self.engine.model, self.engine, self.run.state
        torch.manual_seed(self.seed + distributed.rank())
        if distributed.is_main_process():
            self.run.rewind()
        if state["step"] == 0:
            return
        self.best = (
            Best(**state["best"], weights=self.run.tensors("best")) if "best" in state else Best()
        )
        self.recovery.restore(state, self.run.tensors("healthy_ema"))
        self.seen = [one for one in self.run.diagnoses if one.since]
        begun = max((treatment.step for treatment in self.recovery.interventions), default=0)
        self.lines = recent_lines([line for line in self.run.read_log() if line["step"] > begun])
        model.load_state_dict(self.run.tensors("weights"))
        if engine.ema_model is not model:
            engine.ema_model.load_state_dict(self.run.tensors("ema"))
        memory = self.run.tensors("optimizer")
        engine.restore(
            {
                k.removeprefix("optimizer."): v
                for k, v in memory.items()
                if k.startswith("optimizer.")
            }
        )
        model.step = state["step"]
        if f"random.{distributed.rank()}" in memory:
            torch.set_rng_state(memory[f"random.{distributed.rank()}"])
        if f"random.cuda.{distributed.rank()}" in memory:
            torch.cuda.set_rng_state(memory[f"random.cuda.{distributed.rank()}"], self.device)

    def _batches(self, step: int) -> Iterator[Batch]:
        """Batches from step `step` on, this process's share of each, on the device."""
        stream = self.engine.model.batches(
            self.train, self.batch, self.seed, step * self.engine.accumulate
        )
        if self.train.ahead:
            stream = prepare_batch(stream, self.train.ahead)
        return (
            batch.share(distributed.rank(), distributed.process_count()).to(self.device)
            for batch in stream
        )

    def _agree(self, share: float, save: bool) -> tuple[float, bool, bool]:
        """Processes that train together save and end together: (share done, whether to stop,
        whether to save)."""
        share, stops, saves = distributed.max_over_processes(
            [share, self.stopped.is_set(), save], self.device
        )
        return share, bool(stops), bool(saves)

    def _record(
        self, step: int, seconds: float, share: float, log: dict[str, Tensor], due: bool
    ) -> RecoveryOrder:
        """Writes a line of the log, and a preview where one is due; what is to be done about what
        the log says."""
        line = {
            "step": step,
            "seconds": round(seconds, 3),
            **{name: value.item() for name, value in log.items()},
        }
        whole = all(map(isfinite, line.values()))
        if due and whole:
            line |= (judged := self._judge()) | self._glance(judged)
            if (decides := self.engine.model.defaults.early_stopping_metric) in judged:
                self.best.meet(judged[decides], share, self.engine.ema_model)
            preview(self.engine.ema_model, self.run.modality, self.held_out, self.run.path, step)
        self.lines = recent_lines([*self.lines, line])
        logged = {name: value for name, value in line.items() if isfinite(value)}
        self.run.log(logged)
        self.mirror(logged)
        return (
            self._examine(due) if due or not whole or step % EXAMINE_EVERY == 0 else RecoveryOrder()
        )

    def _examine(self, due: bool) -> RecoveryOrder:
        """Looks for what is wrong, and decides what to do. Raises InputError where a loss is lost
        and nothing helps."""
        history = History(self.lines, replace(self.facts, lr=dict(self.engine.lr)))
        self.seen = diagnose(history, self.seen)
        self.diagnosed(self._wrong)
        self.ill, order = (
            self.recovery.decide(self.seen, keep=due) if self.recover else (None, RecoveryOrder())
        )
        if self.ill is None and (lost := history.lost):
            tried = "; ".join(map(str, self.recovery.interventions))
            raise InputError(
                f"{lost[0]} became {lost[1]} in step {history.step}: training cannot go on from"
                f" here{f', and nothing helped ({tried})' if tried else ''}; the last save is"
                f" whole. Try again with a lower {flag('lr')}, or {flag('clip', 1)}"
            )
        return order

    @property
    def _wrong(self) -> list[Diagnosis]:
        """All that is wrong, with the game and with the data, the gravest first."""
        return sorted((*self.seen, *self.found), key=lambda one: not one.grave)

    def _heal(self, order: RecoveryOrder) -> None:
        """Does what the process that leads decided."""
        order = RecoveryOrder(*distributed.max_over_processes(order, self.device))
        treatment = self.recovery.obey(
            order, self.engine.model.step, self.ill.kind if self.ill else ""
        )
        if treatment is not None:
            self.lines, self.seen = [], []
            if self.ill:
                self.say(f"{self.ill}. Done: {treatment}")

    def _first(self) -> Model:
        """The model as it was before the first step, with what it takes from the data before
        it."""
        with seeded_rng(self.seed):
            model = self.run.build().to(self.device)
        model.batches(self.train, self.batch, self.seed)
        return model

    def _judge(self) -> dict[str, float]:
        """Losses on held-out data, with the same random numbers every time: on more of it where
        they decide."""
        return {f"held_out/{name}": value for name, value in self._judged(self.held_out).items()}

    def _judged(self, data: Data) -> dict[str, float]:
        most = (8 if self.engine.model.defaults.early_stopping_metric else 2) * self.batch
        batches = (
            (b.to(self.device) for b in data.in_batches(self.batch, most=most)) if len(data) else ()
        )
        with seeded_rng(0):
            return {name: value.item() for name, value in self.engine.judge(batches).items()}

    def _glance(self, judged: Mapping[str, float]) -> dict[str, float]:
        """Of a game, how varied samples are, and how it does on examples it has seen beside
        held-out ones."""
        model = self.engine.ema_model
        if len(model.players) == 1 or not isinstance(model, Samples):
            return {}
        parts = [len(part) for part in torch.arange(EXAMPLES).split(self.batch)]
        with seeded_rng(0), torch.no_grad():
            made = self._diversity.of(torch.cat([model.sample(n).float() for n in parts]))
        told = "discriminator/ordering"
        return made | (
            {f"seen/{told}": self._judged(self.train)[told]} if f"held_out/{told}" in judged else {}
        )

    @cached_property
    def _diversity(self) -> Diversity:
        real = self.held_out if len(self.held_out) >= EXAMPLES else self.train
        return Diversity(real, self.run.modality.vectors)

    def _save(self, seconds: float, finished: bool) -> None:
        """Saves all that is needed to go on exactly."""
        randoms = _random_states(self.device)
        if not distributed.is_main_process():
            return
        model, averaged = self.engine.model, self.engine.ema_model
        files = {"weights": model.state_dict()}
        if averaged is not model:
            files["ema"] = averaged.state_dict()
        files["optimizer"] = {f"optimizer.{k}": v for k, v in self.engine.state().items()} | randoms
        state = self.run.state | {"step": model.step, "seconds": seconds, "finished": finished}
        state |= {"diagnoses": [one.to_json() for one in self._wrong], **self.recovery.state()}
        if self.recover:
            files["healthy_ema"] = {} if finished else self.recovery.tensors()
        if self.best.weights:
            files["best"] = self.best.weights
            state["best"] = {"loss": self.best.loss, "share": self.best.share}
        self.run.save(state, files)


@torch.no_grad()
def preview(model: Model, modality: Modality, held_out: Data, folder: Path, step: int) -> None:
    """Shows what the model makes of always the same latents, or of always the same held-out
    examples."""
    if isinstance(model, Samples):
        columns = min(model.condition.vocabulary if model.condition else 10, 16)
        rows = 1 if isinstance(model, SamplesTokens) else 4  # symbol by symbol takes its time
        with seeded_rng(0):
            shown = model.sample(rows * columns)
    elif len(held_out):
        pairs = isinstance(model, Autoencodes | Restores | Completes) and not isinstance(
            model, Predicts
        )
        some = held_out.gather(most=20 if pairs and len(held_out) >= 20 else 10).to(model.device)
        kinds = next((kinds for _, kinds in previews_of(model, some.x, some.y)), None)
        if kinds is None:
            return
        columns, shown = min(len(some), 10), torch.cat([*kinds])
    else:
        return
    (folder / "previews").mkdir(exist_ok=True)
    modality.sheet(
        (shown.float() if shown.is_floating_point() else shown).cpu(),
        folder / "previews" / f"{step:08d}.png",
        columns=columns,
    )


def prepare_batch(batches: Iterator[Batch], ahead: int) -> Iterator[Batch]:
    """The same batches, made by a thread that stays this many ahead."""
    queue: Queue[Batch | BaseException] = Queue(ahead)
    left = threading.Event()

    def fill() -> None:
        try:
            for batch in batches:
                queue.put(batch)
                if left.is_set():
                    return
        except Exception as error:  # raised again below, in the thread that asks
            queue.put(error)

    thread = threading.Thread(target=fill, daemon=True)
    thread.start()
    try:
        while True:
            batch = queue.get()
            if isinstance(batch, BaseException):
                raise batch
            yield batch
    finally:
        left.set()
        while thread.is_alive():  # a thread at work while Python ends would take the process down
            with suppress(Empty):
                queue.get(timeout=0.05)


@contextmanager
def stop_on_signal(event: threading.Event) -> Iterator[None]:
    """Inside, Ctrl-C and SIGTERM ask training to finish its step; a second Ctrl-C does not ask."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number: int, frame: object) -> None:
        if event.is_set():
            raise KeyboardInterrupt
        event.set()

    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, ask) for number in signals]
    try:
        yield
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)


def _random_states(device: torch.device) -> dict[str, Tensor]:
    """Every process's random state: {"random.0": ..., "random.cuda.0": ...}, uint8."""
    states = {"random": torch.get_rng_state()}
    if device.type == "cuda":
        states["random.cuda"] = torch.cuda.get_rng_state(device)
    return {
        f"{name}.{i}": one
        for name, own in states.items()
        for i, one in enumerate(distributed.gather(own, device))
    }

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

from ..abilities import Samples, previews
from ..core import Batch, Data, InputError, Modality, Model, seeded_rng
from ..runs.diagnosis import Diagnosis, Facts, History, diagnose, recent_lines
from ..runs.run import Run
from ..runtime import distributed
from ..runtime.errors import flag
from .diversity import EXAMPLES, Diversity
from .engine import SCHEDULES, Engine
from .recovery import Recovery, RecoveryOrder

PREVIEWS = 24
PATIENCE = 0.3  # share of the training without a better held-out loss that ends it early
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
            weights = model.state_dict()
            self.weights = {name: value.detach().clone() for name, value in weights.items()}


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
    recover: Whether a game with a grave diagnosis is set back and changed.
    data_diagnoses: What is wrong with the data, for this model.
    show_diagnoses: Called with all diagnoses whenever they were looked for.
    say: Called with each intervention, in words.
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
    data_diagnoses: Sequence[Diagnosis] = ()
    show_diagnoses: Callable[[Sequence[Diagnosis]], None] = lambda _: None
    say: Callable[[str], None] = lambda _: None
    stopped: threading.Event = field(default_factory=threading.Event)
    best: Best = field(default_factory=lambda: Best())
    lines: list[Mapping[str, float]] = field(default_factory=list)
    game_diagnoses: list[Diagnosis] = field(default_factory=list)
    reason: Diagnosis | None = None
    facts: Facts = field(default_factory=Facts)

    def __post_init__(self) -> None:
        self.recovery = Recovery(self.engine, self._first_model)

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
                order = RecoveryOrder()
                if distributed.is_main_process():
                    order = self._record(step, seconds, share, log, due)
                self._recover(order)
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
        if "best" in state:
            self.best = Best(**state["best"], weights=self.run.tensors("best"))
        self.recovery.restore(state, self.run.tensors("recovery_points"))
        self.game_diagnoses = [one for one in self.run.diagnoses if one.since]
        last = max((made.step for made in self.recovery.interventions), default=0)
        self.lines = recent_lines([line for line in self.run.read_log() if line["step"] > last])
        model.load_state_dict(self.run.tensors("weights"))
        if engine.ema_model is not model:
            engine.ema_model.load_state_dict(self.run.tensors("ema"))
        memory = self.run.tensors("optimizer")
        prefix = "optimizer."
        own = [name for name in memory if name.startswith(prefix)]
        engine.restore({name.removeprefix(prefix): memory[name] for name in own})
        model.step = state["step"]
        rank = distributed.rank()
        if f"random.{rank}" in memory:
            torch.set_rng_state(memory[f"random.{rank}"])
        if f"random.cuda.{rank}" in memory:
            torch.cuda.set_rng_state(memory[f"random.cuda.{rank}"], self.device)

    def _batches(self, step: int) -> Iterator[Batch]:
        """Batches from step `step` on, this process's share of each, on the device."""
        start = step * self.engine.accumulate
        stream = self.engine.model.batches(self.train, self.batch, self.seed, start)
        if self.train.ahead:
            stream = prepare_batch(stream, self.train.ahead)
        rank, processes = distributed.rank(), distributed.process_count()
        return (batch.share(rank, processes).to(self.device) for batch in stream)

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
        the log shows."""
        line: dict[str, float] = {"step": step, "seconds": round(seconds, 3)}
        line |= {name: value.item() for name, value in log.items()}
        whole = all(map(isfinite, line.values()))
        if due and whole:
            losses = self._held_out_losses()
            line |= losses | self._sample_quality(losses)
            metric = self.engine.model.defaults.early_stopping_metric
            if metric in losses:
                self.best.meet(losses[metric], share, self.engine.ema_model)
            preview(self.engine.ema_model, self.run.modality, self.held_out, self.run.path, step)
        self.lines = recent_lines([*self.lines, line])
        logged = {name: value for name, value in line.items() if isfinite(value)}
        self.run.log(logged)
        self.mirror(logged)
        if due or not whole or step % EXAMINE_EVERY == 0:
            return self._examine(due)
        return RecoveryOrder()

    def _examine(self, due: bool) -> RecoveryOrder:
        """Looks for diagnoses, and decides what to do. Raises InputError where a loss is no number
        and nothing helps."""
        history = History(self.lines, replace(self.facts, lr=dict(self.engine.lr)))
        self.game_diagnoses = diagnose(history, self.game_diagnoses)
        self.show_diagnoses(self._diagnoses)
        self.reason, order = None, RecoveryOrder()
        if self.recover:
            self.reason, order = self.recovery.decide(self.game_diagnoses, keep=due)
        if self.reason is None and history.non_finite_term is not None:
            raise self._non_finite(*history.non_finite_term)
        return order

    def _non_finite(self, name: str, value: float) -> InputError:
        tried = "; ".join(map(str, self.recovery.interventions))
        return InputError(
            f"{name} became {value} in step {self.engine.model.step}: training cannot go on from"
            f" here{f', and nothing helped ({tried})' if tried else ''}; the last save is"
            f" whole. Try again with a lower {flag('lr')}, or {flag('clip', 1)}"
        )

    @property
    def _diagnoses(self) -> list[Diagnosis]:
        """Of the game and of the data, the gravest first."""
        return sorted((*self.game_diagnoses, *self.data_diagnoses), key=lambda one: not one.grave)

    def _recover(self, order: RecoveryOrder) -> None:
        """Does what the main process decided."""
        order = RecoveryOrder(*distributed.max_over_processes(order, self.device))
        kind = self.reason.kind if self.reason else ""
        intervention = self.recovery.obey(order, self.engine.model.step, kind)
        if intervention is not None:
            self.lines, self.game_diagnoses = [], []
            if self.reason:
                self.say(f"{self.reason}. Done: {intervention}")

    def _first_model(self) -> Model:
        """The model as it was before the first step, with what it takes from the data before
        it."""
        with seeded_rng(self.seed):
            model = self.run.build().to(self.device)
        model.batches(self.train, self.batch, self.seed)
        return model

    def _held_out_losses(self) -> dict[str, float]:
        return {f"held_out/{name}": loss for name, loss in self._losses_on(self.held_out).items()}

    def _losses_on(self, data: Data) -> dict[str, float]:
        """Losses with the same random numbers every time: on more data where early stopping depends
        on them."""
        if not len(data):
            return {}
        most = (8 if self.engine.model.defaults.early_stopping_metric else 2) * self.batch
        batches = (part.to(self.device) for part in data.in_batches(self.batch, most=most))
        with seeded_rng(0):
            return {name: value.item() for name, value in self.engine.evaluate(batches).items()}

    def _sample_quality(self, losses: Mapping[str, float]) -> dict[str, float]:
        """Of a game, how varied samples are, and how the discriminator does on training examples
        beside held-out ones."""
        model = self.engine.ema_model
        if len(model.players) == 1 or not isinstance(model, Samples):
            return {}
        parts = [len(part) for part in torch.arange(EXAMPLES).split(self.batch)]
        with seeded_rng(0), torch.no_grad():
            quality = self._diversity.of(torch.cat([model.sample(n).float() for n in parts]))
        ordering = "discriminator/ordering"
        if f"held_out/{ordering}" in losses:
            quality[f"seen/{ordering}"] = self._losses_on(self.train)[ordering]
        return quality

    @cached_property
    def _diversity(self) -> Diversity:
        real = self.held_out if len(self.held_out) >= EXAMPLES else self.train
        return Diversity(real, self.run.modality.vectors)

    def _save(self, seconds: float, finished: bool) -> None:
        """Saves all that is needed to go on exactly."""
        randoms = _random_states(self.device)
        if not distributed.is_main_process():
            return
        model, ema_model = self.engine.model, self.engine.ema_model
        files = {"weights": model.state_dict()}
        if ema_model is not model:
            files["ema"] = ema_model.state_dict()
        files["optimizer"] = {f"optimizer.{k}": v for k, v in self.engine.state().items()} | randoms
        state = self.run.state | {"step": model.step, "seconds": seconds, "finished": finished}
        state |= {"diagnoses": [one.to_json() for one in self._diagnoses], **self.recovery.state()}
        if self.recover:
            files["recovery_points"] = {} if finished else self.recovery.tensors()
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
        with seeded_rng(0):
            shown = model.sample(model.preview_rows * columns)
    else:
        rows = _preview_rows(model, held_out)
        if not rows:
            return
        columns, shown = min(len(rows[0]), 10), torch.cat([*rows])
    (folder / "previews").mkdir(exist_ok=True)
    modality.sheet(
        (shown.float() if shown.is_floating_point() else shown).cpu(),
        folder / "previews" / f"{step:08d}.png",
        columns=columns,
    )


def _preview_rows(model: Model, held_out: Data) -> Sequence[Tensor]:
    """Of the first thing there is to see of a model: what is shown of held-out examples, each (n,
    ...)."""
    first = next(iter(previews(model)), None)
    if first is None or not len(held_out):
        return ()
    most = first.examples if len(held_out) >= first.examples else 10
    some = held_out.gather(most=most).to(model.device)
    return first.rows(model, some.x, some.y)


def prepare_batch(batches: Iterator[Batch], ahead: int) -> Iterator[Batch]:
    """The same batches, read by a thread that stays this many ahead."""
    queue: Queue[Batch | BaseException] = Queue(ahead)
    ended = threading.Event()

    def fill() -> None:
        try:
            for batch in batches:
                queue.put(batch)
                if ended.is_set():
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
        ended.set()
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
    own = {"random": torch.get_rng_state()}
    if device.type == "cuda":
        own["random.cuda"] = torch.cuda.get_rng_state(device)
    states: dict[str, Tensor] = {}
    for name, state in own.items():
        gathered = distributed.gather(state, device)
        states |= {f"{name}.{rank}": one for rank, one in enumerate(gathered)}
    return states

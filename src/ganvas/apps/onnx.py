"""What a trained model does as one file that runs without Ganvas: ONNX, or a program of
`torch.export`."""

from __future__ import annotations

import builtins
import json
import logging
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..abilities import Signature, signatures
from ..core import InputError, Mixed, Model, Space, Tokens, seeded_rng
from ..runs.run import Run
from ..runtime.errors import flag

To = Literal["onnx", "torch"]
ENDINGS: Mapping[To, str] = {"onnx": ".onnx", "torch": ".pt2"}

TOLERANCE = 1e-4
"""How far a file may be from the model: of values in [-1, 1]; of larger ones, beside the
largest."""

BATCHES = (1, 3, 8)
"""What a file is tried on; the second is what it is made with."""

Given = dict[str, Tensor]
"""What goes in, by name."""


class Part(nn.Module):
    """One thing that a model does, as a network of its own, on the processor and in full
    precision."""

    def __init__(self, model: Model, what: str) -> None:
        super().__init__()
        self.what, self.signature = what, exportable(model)[what]
        self.model = deepcopy(model).cpu().float().eval().requires_grad_(False)
        _settle_counts(self.model)
        self.any_size = self.signature.any_size(model)

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.answers(given).values())

    def answers(self, given: Iterable[Tensor]) -> Given:
        """What comes out, by name."""
        return self.signature.call(self.model, *given)

    def given(self, n: int, times: int = 1) -> Given:
        """Something that may go in, always the same; images so many times as high, where any size
        may go in."""
        with seeded_rng(n):
            given = self.signature.inputs(self.model, n)
        times = times if self.any_size else 1
        return {name: x.repeat(1, 1, times, 1) if times > 1 else x for name, x in given.items()}

    def free(self) -> tuple[dict[int, Any], ...]:
        """Of what goes in, the axes that may have any length."""
        axes = (0, 2, 3) if self.any_size else (0,)
        return tuple(dict.fromkeys(axes, torch.export.Dim.DYNAMIC) for _ in self.given(1))


def _settle_counts(model: nn.Module) -> None:
    """Makes numbers of the counts that modules keep as tensors: what they decide is then known,
    once and for all."""
    for module in model.modules():
        for name, value in [*module.named_buffers(recurse=False)]:
            if value.dim() == 0 and not value.is_floating_point():
                delattr(module, name)
                setattr(module, name, int(value))


def exportable(model: Model) -> dict[str, Signature]:
    """What of a model can be exported, or tried to, by name; what people want most, first."""
    return {name: one for name, one in signatures(model).items() if one.applies(model)}


@torch.no_grad()
def export(run: Run, to: To = "onnx", what: str | None = None, out: Path | None = None) -> Exported:
    """Writes a file that does what a run's model does, without Ganvas.

    to: `onnx`, or `torch` for a program of torch.export.
    what: Which of the things that the model can do; by default the first of `exportable`.
    out: Where the file goes; by default into the run.

    The number of examples is free. File and model are run on the same examples, several times;
    raises InputError where they differ, or where nothing that can be written into such a file does
    the same, and then leaves no file.
    """
    _need(to)
    part = Part(run.model, what := _chosen(run, what))
    out = out or run.path
    out = out / f"{what}{ENDINGS[to]}" if out.is_dir() else out
    beside = out.with_name(f".{out.stem}.part{ENDINGS[to]}")
    with _exact(), _quiet(), _removed(beside):
        _refuse_chance(part, run.config["model"])
        program = traced(part, run.config["model"])
        out.parent.mkdir(parents=True, exist_ok=True)
        about = _about(run, part)
        apart = WRITERS[to](program, part, about, beside)
        os.replace(beside, out)
    return Exported(out, about, apart)


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    about: What goes in and what comes out, as it stands in the file.
    apart: How far it was from the model, at most.
    """

    file: Path
    about: Mapping[str, Any]
    apart: float

    def __str__(self) -> str:
        """What was written, in words."""
        lines = [f"wrote {self.file}: the {self.about['what']} of {self.about['model']}"]
        for kind, words in (("inputs", "in "), ("outputs", "out")):
            lines += [
                f"{words} {p['name']}: {p['type']} {tuple(p['shape'])}, {p['means']}"
                for p in self.about[kind]
            ]
        tried = ", ".join(map(str, BATCHES))
        return "\n".join(
            [*lines, f"tried on batches of {tried}: at most {self.apart:.1e} from PyTorch"]
        )

    def to_json(self) -> dict[str, Any]:
        return {"file": str(self.file), "difference": self.apart, **self.about}


def _chosen(run: Run, what: str | None) -> str:
    can = exportable(run.model)
    for name in can:
        if what in (None, name):
            return name
    might = signatures(run.model).get(what or "")
    why = f" ({might.otherwise})" if might and might.otherwise else ""
    raise InputError(
        f"{run.config['model']} has no {what or 'part'} to export{why}; it has"
        f" {', '.join(can) or 'none'}"
    )


def _refuse_chance(part: Part, model: str) -> None:
    """Raises InputError where more than what goes in decides what comes out, or would of a
    sample."""
    given = part.given(n := BATCHES[1])
    once, again = part(*given.values()), part(*given.values())
    if part.signature.reference:
        with seeded_rng(n):  # the noise that was given
            again = part.signature.reference(part.model, n, given)
    if _apart(once, again):
        raise InputError(
            f"the {part.what} of {model} draws at random beyond what goes in, which no such file"
            " can repeat; use `ganvas` or its Python for that, or export another part"
        )


def traced(part: Part, model: str) -> torch.export.ExportedProgram:
    """The part as one graph. Raises InputError where it is none; frees no more than the number of
    examples where it is one for images of one size alone."""
    given = tuple(part.given(BATCHES[1]).values())
    words = f"the {part.what} of {model} decides on the way how it goes on, which no such file can"
    try:
        with _stumbling(words), _freely_counted():
            return torch.export.export(
                part, given, dynamic_shapes={"given": part.free()}, strict=False
            )
    except InputError:
        if not part.any_size:
            raise
    part.any_size = False
    return traced(part, model)


@contextmanager
def _stumbling(words: str) -> Iterator[None]:
    """Inside, whatever the exporter stumbles over is why there is no such file, and no fault of
    ours."""
    try:
        yield
    except Exception as error:
        cause: BaseException = error
        while cause.__cause__:
            cause = cause.__cause__
        why = (str(cause).strip().splitlines() or [type(cause).__name__])[0][:120]
        raise InputError(f"{words} ({why})") from error


@contextmanager
def _freely_counted() -> Iterator[None]:
    """Inside, `len` of a tensor is the size of its first axis, which may be free, where it would be
    a plain number."""
    counted = builtins.len
    builtins.len = lambda x: x.shape[0] if isinstance(x, Tensor) else counted(x)
    try:
        yield
    finally:
        builtins.len = counted


def _plainly_weighed(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    """The same program with cross entropies in plainer words: PyTorch's exporter takes each for its
    mean."""
    weighs = torch.ops.aten.cross_entropy_loss.default in [
        node.target for node in program.graph.nodes
    ]
    return program.run_decompositions() if weighs else program


def _write_onnx(
    program: torch.export.ExportedProgram, part: Part, about: Mapping[str, Any], file: Path
) -> float:
    """Writes an ONNX file, and says how far ONNX Runtime is from PyTorch."""
    import onnxruntime

    names = {kind: [port["name"] for port in about[kind]] for kind in ("inputs", "outputs")}
    with _stumbling(
        f"ONNX has no words for the {about['what']} of {about['model']}: try --to torch"
    ):
        made = torch.onnx.export(
            _plainly_weighed(program),
            (),
            dynamo=True,
            verbose=False,
            input_names=names["inputs"],
            output_names=names["outputs"],
        )
    assert made is not None, "the exporter gives a program where it is asked for no file"
    made.model.metadata_props.update({"ganvas": json.dumps(about)})
    made.save(file)
    session = onnxruntime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
    return compare_outputs(
        part,
        lambda given: session.run(None, {k: v.numpy() for k, v in given.items()}),
        "ONNX Runtime",
    )


def _write_torch(
    program: torch.export.ExportedProgram, part: Part, about: Mapping[str, Any], file: Path
) -> float:
    """Writes a program of torch.export, and says how far it is from the model once it was read
    again."""
    with _stumbling(
        f"the {about['what']} of {about['model']} is more than a program of torch.export can say"
    ):
        torch.export.save(program, file, extra_files={"ganvas.json": json.dumps(about)})
        network = torch.export.load(file).module()
    return compare_outputs(part, lambda given: network(*given.values()), "the program")


WRITERS: Mapping[To, Callable[..., float]] = {"onnx": _write_onnx, "torch": _write_torch}


def compare_outputs(part: Part, other: Callable[[Given], Any], name: str) -> float:
    """How far another is from a part, at most. Raises InputError where that is too far.

    other: What it makes of what goes in, in the order of the part's own answers.
    """
    worst = 0.0
    for n, times in zip(BATCHES, (1, 1, 2), strict=True):
        given = part.given(n, times)
        with _stumbling(
            f"{name} cannot do on a batch of {n} what PyTorch can: nothing was written"
        ):
            theirs = other(given)
        apart = _apart(part(*given.values()), theirs)
        if not apart <= TOLERANCE:
            raise InputError(
                f"{name} and PyTorch differ by {apart:.2g} on a batch of {n}, and more than "
                f"{TOLERANCE:g} is too much: nothing was written"
            )
        worst = max(worst, apart)
    return worst


def _apart(ours: Any, theirs: Any) -> float:
    """The largest difference of answers; beside the largest value, where that is above one."""
    pairs = [(a.double(), torch.as_tensor(b).double()) for a, b in zip(ours, theirs, strict=True)]
    if any(a.shape != b.shape for a, b in pairs):
        return float("inf")
    return (
        torch.stack([(a - b).abs().max() / a.abs().max().clamp(min=1) for a, b in pairs])
        .max()
        .item()
    )  # nan stays


def _about(run: Run, part: Part) -> dict[str, Any]:
    """What a file holds, in plain values."""
    given = part.given(2)
    ports = {"inputs": given, "outputs": part.answers(given.values())}
    return {
        "what": part.what,
        "model": run.config["model"],
        "ganvas": version("ganvas"),
        "step": run.state["step"],
        "modality": run.config["modality"]["name"],
        "classes": list(run.modality.classes),
        **{
            kind: [_port(name, x, part) for name, x in tensors.items()]
            for kind, tensors in ports.items()
        },
    }


def _port(name: str, x: Tensor, part: Part) -> dict[str, Any]:
    """What goes in or comes out by a name."""
    shape = ["batch", *x.shape[1:]]
    if part.any_size:
        shape[2:] = ["height", "width"]
    return {
        "name": name,
        "type": str(x.dtype).removeprefix("torch."),
        "shape": shape,
        "means": part.signature.meanings(part.model).get(name) or _of_space(x, part.model.space),
    }


def _of_space(x: Tensor, space: Space) -> str:
    """What examples of a space are, in words."""
    if isinstance(space, Tokens):
        return f"symbols, from 0 to {space.vocabulary - 1}"
    if isinstance(space, Mixed):
        return "rows: numbers in [-1, 1], each category as zeros and a one"
    axes = {
        1: "vectors",
        3: "images: channels, height, width",
        4: "clips: channels, frames, height, width",
    }
    return f"{axes.get(x.dim() - 1, 'values')}; values in [-1, 1]"


@contextmanager
def _exact() -> Iterator[None]:
    """Inside, products of matrices are in full precision: what differs is then the file's fault."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Inside, the exporter keeps to itself what it would like to change of itself, and which
    packages it knows of."""
    log = logging.getLogger("torch.onnx")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore", category=FutureWarning):
            yield
    finally:
        log.setLevel(before)


@contextmanager
def _removed(file: Path) -> Iterator[None]:
    """Afterwards there is no such file."""
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def _need(to: To) -> None:
    if to not in ENDINGS:
        raise InputError(f"{flag('to')} is {to!r}; it is one of {', '.join(ENDINGS)}")
    if to == "onnx" and not all(map(find_spec, ("onnx", "onnxscript", "onnxruntime"))):
        raise InputError("ONNX needs an extra: pip install 'ganvas[onnx]'")

"""The command line: a verb to train, one to judge, one for every task. All options are read from the plug-ins.

Nothing here imports torch before a command needs it, so that help comes at once.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter
from rich.console import Console

from . import __version__, plugins
from .errors import InputError

USAGE = """Train, judge and use GANs and autoencoders on your own pictures, tables, texts and videos.

Example: ganvas train dcgan photos/ --size 64
         ganvas sample runs/dcgan-photos --n 64 --out new/"""

Json = Annotated[bool, Parameter(negative=(), help="Print the answer as JSON on standard output.")]


def main(argv: Sequence[str] | None = None) -> None:
    """Runs one command and exits: 0 done, 2 the input or command is wrong, 130 interrupted, 1 our own fault."""
    sys.exit(run(sys.argv[1:] if argv is None else list(argv)))


def run(argv: Sequence[str]) -> int:
    """Runs one command; returns its exit code."""
    errors = Console(stderr=True, highlight=False)
    try:
        _app(argv)(argv, exit_on_error=False, print_error=False)
    except InputError as error:
        errors.print(f"[bold red]error:[/] {_escaped(error)}", soft_wrap=True)
        return 2
    except CycloptsError as error:
        errors.print(
            f"[bold red]error:[/] {_escaped(error)}  (see: ganvas {' '.join(argv[:2])} --help)", soft_wrap=True
        )
        return 2
    except KeyboardInterrupt as error:
        errors.print(str(error) or "interrupted", soft_wrap=True)
        return 130
    return 0


def _escaped(error: Exception) -> str:
    return str(error).strip().replace("[", r"\[")


def _app(argv: Sequence[str]) -> App:
    """All commands by name; only the one that `argv` asks for is loaded with its options."""
    app = App(
        name="ganvas",
        help=USAGE,
        version=__version__,
        help_format="plaintext",
        result_action="return_value",
        suppress_keyboard_interrupt=False,  # what it says is worth reading
    )
    app.command(_train_app(argv))
    app.command(_evaluate, name="evaluate")
    app.command(_show, name="show")
    app.command(_models, name="models")
    app.command(_tasks, name="tasks")
    app.command(_selftest, name="selftest")
    app.command(_serve, name="serve")
    for task in plugins.names("tasks"):
        if argv[:1] == [task]:
            app.command(_task_command(task), name=task)
        else:
            app.command(App(name=task, help=plugins.summary("tasks", task)))
    return app


def _train_app(argv: Sequence[str]) -> App:
    app = App(name="train", help=(inspect.getdoc(_resume) or "").partition("\n\nParam")[0])
    app.default(_resume)
    for model in plugins.names("models"):
        if argv[:2] == ["train", model]:
            app.command(_train_command(model, argv), name=model)
        else:
            app.command(App(name=model, help=plugins.summary("models", model)))
    return app


def _train_command(model: str, argv: Sequence[str]) -> Callable[..., None]:
    """`ganvas train MODEL` with the options of training, of the data's modality and of the model."""
    from . import api

    make = plugins.load("models", model)
    modality = plugins.load("modalities", _modality(argv))
    options = plugins.options(modality.learn) + plugins.options(make) + plugins.options(api.train)
    options = list({option.name: option for option in options}.values())  # of the latents, --through is in two of them

    def command(source: str, json: bool = False, **given: Any) -> None:
        trained = api.train(model, source, **given)
        state = trained.run.state
        answer = {"run": str(trained.run.path), "step": state["step"], "seconds": state["seconds"]}
        _answer(answer, json, f"done: {trained.run.path}  (open {trained.run.path / 'report.html'})")

    example = _example(make, f"ganvas train {model} photos/ --out runs/mine")
    return _generated(command, {"source": (str, "Files to learn from.")}, options, f"{_first_line(make)}\n\n{example}")


def _modality(argv: Sequence[str]) -> str:
    """The modality named by --as, that of latents with --through, or what the source looks like."""
    from . import api

    words = [part for word in argv for part in (word.split("=", 1) if word.startswith("--") else [word])]
    if "--through" in words:
        return "latents"
    if "--as" in words[:-1]:
        return words[words.index("--as") + 1]
    source = argv[2] if len(argv) > 2 and not argv[2].startswith("-") else None
    return "images" if source is None else api.guess(source)


def _task_command(task: str) -> Callable[..., None]:
    """`ganvas TASK RUN [SOURCE ...]` with the task's own options."""
    from . import api

    function = plugins.load("tasks", task)
    inputs = api.sources(function)
    many = api.takes_many(function)
    required = {p.name: (list[str] if many else str, "Files to work on.") for p in inputs if p.default is p.empty}
    optional = {p.name: (str, "Files to work on.") for p in inputs if p.default is not p.empty}

    def command(run: str, out: Path | None = None, json: bool = False, **given: Any) -> None:
        from . import delivery

        named = [given.pop(p.name) for p in inputs]
        sources = [s for source in named for s in (source if many else [source]) if s is not None]
        trained = api.load(run)
        answer = trained.do(task, *sources, **given)
        out = out or trained.run.path / task
        files = delivery.deliver(answer, trained.run.modality, out, _telling(json))
        _answer(
            {"files": [str(f) for f in files]} | delivery.figures(answer),
            json,
            f"wrote {len(files):,} files: {out}" if len(files) > 1 else f"wrote {files[0]}",
        )

    places = {"run": (str, "Folder that `ganvas train` made.")} | required
    out = plugins.Option(
        "out", Path | None, None, "Folder for everything, or one file to look at; by default RUN/TASK."
    )
    example = _example(function, f"ganvas {task} runs/mine{' photos/' * len(required)} --out {task}/")
    read = api.sources_by_option(function)
    options = [replace(o, type=str | None) if o.name in read else o for o in plugins.options(function)]
    return _generated(command, places, [*options, out], f"{_first_line(function)}\n\n{example}", optional)


def _example(plugin: Any, otherwise: str) -> str:
    """The line of a plug-in's documentation that shows how it is used, or one that is true of any."""
    own = re.search(r"^Example: .+$", inspect.getdoc(plugin) or "", re.MULTILINE)
    return own[0] if own else f"Example: {otherwise}"


def _generated(
    function: Callable[..., None],
    places: Mapping[str, tuple[Any, str]],
    options: Sequence[plugins.Option],
    help: str,
    optional: Mapping[str, tuple[Any, str]] = {},
) -> Callable[..., None]:
    """`function` with a signature made of these arguments, as the command line needs it."""
    positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [
        *(inspect.Parameter(n, positional, annotation=Annotated[t, Parameter(help=h, negative=())])
          for n, (t, h) in places.items()),
        *(inspect.Parameter(n, positional, default=None, annotation=Annotated[t | None, Parameter(help=h)])
          for n, (t, h) in optional.items()),
        *map(_parameter, options),
        inspect.Parameter("json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Json),
    ]  # fmt: skip

    def command(*args: Any, **given: Any) -> None:
        bound = inspect.Signature(parameters).bind(*args, **given)
        function(**{name: _mapping(value) if name == "rate" else value for name, value in bound.arguments.items()} |
                 {name: None for name in optional if name not in bound.arguments})  # fmt: skip

    command.__doc__ = help
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined] # what inspect reads
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


def _parameter(option: plugins.Option) -> inspect.Parameter:
    """An option as the command line asks for it."""
    name = f"--{option.name.rstrip('_').replace('_', '-')}"
    words = Parameter(
        name=name, help=option.help, negative=() if "list" in str(option.plain) or option.default is False else None,
        allow_leading_hyphen=option.plain is str,
    )  # fmt: skip
    return inspect.Parameter(
        option.name, inspect.Parameter.KEYWORD_ONLY, default=option.default, annotation=Annotated[option.plain, words]
    )


def _mapping(pairs: Sequence[str] | None) -> dict[str, float]:
    """["discriminator=1e-4"] as a mapping."""
    rates = {}
    for pair in pairs or []:
        name, _, number = pair.partition("=")
        try:
            rates[name] = float(number)
        except ValueError:
            raise InputError(f"--rate takes PLAYER=NUMBER, such as discriminator=1e-4, not {pair!r}") from None
    return rates


def _resume(*, resume: Path, json: Json = False) -> None:
    """Train a model on your data: ganvas train MODEL SOURCE, or go on with --resume RUN.

    Example: ganvas train dcgan photos/ --size 64

    Parameters
    ----------
    resume: Folder of a run to go on with, exactly where it was saved last.
    """
    from . import api

    trained = api.resume(resume)
    _answer({"run": str(trained.run.path)} | trained.run.state, json, f"done: {trained.run.path}")


def _evaluate(
    run: Path, source: str | None = None, *, out: Path | None = None, features: str | None = None, size: int = 2000,
    target: str | None = None, json: Json = False,
) -> None:  # fmt: skip
    """Judge a run on data it has not seen, beside what the figures would be for real data and naive models.

    Example: ganvas evaluate runs/mine held-out-photos/ --out report.html

    Parameters
    ----------
    run: Folder that `ganvas train` made.
    source: Data the model has not seen; by default the share that training held out.
    out: Where the report goes; by default RUN/report.html.
    features: What examples are compared by: learned (for pictures), imagenet, inception, or plain (for tables).
    size: Examples to judge by, at most.
    target: Column of a table that is to be predicted from samples; by default the last.
    """
    from . import api

    evaluation = api.evaluate(run, source, features=features, size=size, target=target, out=out)
    _answer(evaluation.to_json(), json, evaluation.table())
    Console(stderr=True).print(f"report: {out or run / 'report.html'}", soft_wrap=True)


def _show(run: Path, *, json: Json = False) -> None:
    """Say what a run is, how far it came, and what it can do.

    Example: ganvas show runs/mine
    """
    from . import api

    trained = api.load(run)
    card, state = trained.run.card, trained.run.state
    lines = [
        f"{card['model']} on {card['source'] or 'data in memory'}",
        f"round {state['step']:,} after {state['seconds']:,.0f} s{'' if state['finished'] else ', not finished'}",
        f"options: {', '.join(f'{k}={v}' for k, v in card['options'].items()) or 'none given'}",
        f"can: {', '.join(trained.tasks)}",
    ]
    if promise := trained.run.promise:
        lines.insert(3, f"privacy: {promise}")
    lines += [f"health: {one}" for one in trained.health] + [f"treated: {one}" for one in trained.run.treatments]
    _answer(card | {"state": state, "tasks": trained.tasks}, json, "\n".join(lines))


def _models(*, json: Json = False) -> None:
    """List the models that can be trained.

    Example: ganvas models
    """
    _list("models", json)


def _tasks(*, json: Json = False) -> None:
    """List what trained models can be used for.

    Example: ganvas tasks
    """
    _list("tasks", json)


def _list(kind: plugins.Kind, json: bool) -> None:
    from rich.table import Table

    lines = {name: plugins.summary(kind, name) for name in plugins.names(kind)}
    table = Table.grid(padding=(0, 2))
    for name, line in lines.items():
        table.add_row(f"[bold]{name}", line)
    _answer(lines, json, table)


def _selftest(model: str | None = None, *, json: Json = False) -> None:
    """Prove on this machine that models learn: each must beat its untrained copy and a naive model on held-out data.

    Example: ganvas selftest vae
    """
    from . import selftest

    proofs = [selftest.prove(name) for name in ([model] if model else plugins.names("models"))]
    _answer([proof.to_json() for proof in proofs], json, selftest.table(proofs))
    if not all(proof.learned for proof in proofs):
        raise InputError("not every model learned; see the table above")


def _serve(
    runs: Path = Path("runs"), *, host: str = "127.0.0.1", port: int = 8765, tokens: Path | None = None,
    new_token: str | None = None, workers: int = 1, trainings: int = 1, seconds: float = 60.0, max_body: float = 32.0,
    pixels: int = 2**26, rows: int = 100_000, waiting: int = 128, gather: int = 32, patience: float = 0.002,
    json: bool = False,
) -> None:  # fmt: skip
    """Offer a folder of runs over HTTP: every task, and trainings. GET /openapi.json says all there is.

    Example: ganvas serve runs --port 8765

    Parameters
    ----------
    runs: Folder of runs.
    host: Address to listen at; others than this machine's own need --tokens.
    port: Port to listen at.
    tokens: File of the hashes of tokens, of which a request must have one.
    new_token: Make a token for somebody of this name, add its hash to --tokens, print it once, and end.
    workers: Processes that answer.
    trainings: Trainings that may be at work at once.
    seconds: That a request may take.
    max_body: MiB that a request may have.
    pixels: That a picture may have, and all that are made for a request.
    rows: That may be sent with a request, or made for it.
    waiting: Requests that may be inside at once.
    gather: Examples of several requests that are weighed in one pass; 1 weighs each request alone.
    patience: Seconds in which nobody came, after which those who did are answered.
    json: Print the answer as JSON on standard output.
    """
    from .service import Limits, command

    if new_token is not None:
        token = command.make_token(tokens, new_token)
        _answer({"token": token}, json, token)
        return
    limits = Limits(body=int(max_body * 2**20), pixels=pixels, rows=rows, seconds=seconds, waiting=waiting,
                    gather=gather, patience=patience, trainings=trainings)  # fmt: skip
    command.serve(runs, host=host, port=port, tokens=tokens, workers=workers, limits=limits)


def _telling(as_json: bool) -> Callable[[dict[str, Any]], None]:
    """Says what was found as it is found: one line each, as JSON on standard output or in words on standard error."""
    if as_json:
        return lambda row: print(json.dumps(row, default=str), flush=True)
    console = Console(stderr=True, highlight=False, markup=False)

    def tell(row: dict[str, Any]) -> None:
        why = f": {row['why']}" if row.get("why") else ""
        console.print(f"{next(iter(row.values()))} is strange (p {row['p']:.2g}){why}", soft_wrap=True)

    return tell


def _answer(answer: Any, as_json: bool, words: Any) -> None:
    """Says what came of a command: for programs, or for people."""
    if as_json:
        print(json.dumps(answer))
    else:
        Console(highlight=False).print(words, soft_wrap=isinstance(words, str))


def _first_line(plugin: Any) -> str:
    module = inspect.getmodule(plugin)
    return (inspect.getdoc(module) or "").partition("\n")[0]

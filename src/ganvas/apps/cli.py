"""The command line: a verb to train, one to evaluate, one for every task. All options are read from
the plug-ins.

Nothing here imports torch before a command needs it, so that help comes at once.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Group, Parameter
from rich.console import Console

from .. import __version__
from ..runtime import registry
from ..runtime.errors import InputError
from .spelling import spell_flag

USAGE = """Train, evaluate and use GANs and autoencoders on your own images, tables, texts and
videos.

Example: ganvas train dcgan photos/ --size 64
         ganvas sample runs/dcgan-photos --n 64 --out new/"""

ORDER = ("Options", "For", "Search", "Data", "Model", "Training", "Output")
"""What options stand under in help, first to last."""

Json = Annotated[
    bool,
    Parameter(
        negative=(),
        help="Print the answer as JSON on standard output.",
        group=Group("Output", sort_key=(len(ORDER) - 1, "Output")),
    ),
]

OUT = registry.Option(
    "out",
    Path | None,
    None,
    "Folder for everything, or one file to look at; by default RUN/TASK.",
)

Grouped = Sequence[tuple[str | None, registry.Option]]
"""Options, each beside the title that it stands under in help; None where it is not shown."""


def main(argv: Sequence[str] | None = None) -> None:
    """Runs one command and exits: 0 done, 2 the input or command is wrong, 130 interrupted, 1 our
    own fault."""
    sys.exit(run(sys.argv[1:] if argv is None else list(argv)))


def run(argv: Sequence[str]) -> int:
    """Runs one command; returns its exit code."""
    errors = Console(stderr=True, highlight=False)
    try:
        _app(argv)(argv, exit_on_error=False, print_error=False)
    except InputError as error:
        errors.print(f"[bold red]error:[/] {_escaped(error.spelled(spell_flag))}", soft_wrap=True)
        return 2
    except CycloptsError as error:
        errors.print(
            f"[bold red]error:[/] {_escaped(str(error))}"
            f"  (see: ganvas {' '.join(argv[:2])} --help)",
            soft_wrap=True,
        )
        return 2
    except KeyboardInterrupt as error:
        errors.print(str(error) or "interrupted", soft_wrap=True)
        return 130
    return 0


def _escaped(words: str) -> str:
    return words.strip().replace("[", r"\[")


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
    app.command(_by_model("train", argv, _train_command, _resume))
    app.command(_by_model("tune", argv, _tune_command, _tune))
    app.command(_evaluate, name="evaluate")
    app.command(_show, name="show")
    app.command(_models, name="models")
    app.command(_tasks, name="tasks")
    app.command(_samples, name="samples")
    app.command(_mcp, name="mcp")
    app.command(_selftest, name="selftest")
    app.command(_export, name="export")
    app.command(_push, name="push")
    app.command(_pull, name="pull")
    app.command(_studio, name="studio")
    app.command(_serve, name="serve")
    for task in registry.names("tasks"):
        if argv[:1] == [task]:
            app.command(_task_command(task, argv), name=task)
        else:
            app.command(App(name=task, help=registry.summary("tasks", task)))
    return app


def _by_model(
    verb: str,
    argv: Sequence[str],
    command: Callable[[str, Sequence[str]], Callable[..., None]],
    default: Any,
) -> App:
    """A verb that has a command for every model."""
    word = argv[1] if argv[:1] == [verb] and len(argv) > 1 else ""
    if word[:1] not in ("-", "") and word not in registry.names("models"):
        raise InputError(
            f"no model is called {word!r}; there are {', '.join(registry.names('models'))}"
        )
    app = App(name=verb, help=(inspect.getdoc(default) or "").partition("\n\nArguments")[0])
    app.default(default)
    for model in registry.names("models"):
        if argv[:2] == [verb, model]:
            app.command(command(model, argv), name=model)
        else:
            app.command(App(name=model, help=registry.summary("models", model)))
    return app


def _train_command(model: str, argv: Sequence[str]) -> Callable[..., None]:
    """`ganvas train MODEL` with the options of training, of the data's modality and of the
    model."""
    from .. import api

    make = registry.load("models", model)

    def command(source: str, json: bool = False, **given: Any) -> None:
        trained = api.train(model, source, **given)
        state = trained.run.state
        answer = {"run": str(trained.run.path), "step": state["step"], "seconds": state["seconds"]}
        _print_answer(
            answer, json, f"done: {trained.run.path}  (open {trained.run.path / 'report.html'})"
        )

    example = _example(make, f"ganvas train {model} photos/ --out runs/mine")
    return _generated(
        command,
        {"source": (str, "Files to learn from.")},
        _training_options(make, argv),
        f"{_first_line(make)}\n\n{example}",
    )


def _training_options(make: Any, argv: Sequence[str]) -> Grouped:
    """Options of a training by the titles that they stand under in help: of the data that is named,
    or of all that the model can learn."""
    from .. import api
    from ..runs.available import readable_modalities

    named = _modality(argv)
    kinds = readable_modalities(make) if named is None else [named]
    by_name = dict[str, tuple[str, registry.Option]]()
    for option in registry.options(api.train):
        by_name[option.name] = option.kind.group or "Training", option
    for kind in kinds:
        for option in registry.options(registry.load("modalities", kind).learn):
            if option.name not in by_name:
                by_name[option.name] = _data_title(option.name, kinds), option
    for option in registry.options(make):
        by_name[option.name] = "Model", option
    return [(title, option) for title, option in by_name.values()]


def _data_title(option: str, kinds: Sequence[str]) -> str:
    """The title of an option of data: which kinds of data have it, where not all of them do."""
    readers = {kind: registry.load("modalities", kind).learn for kind in kinds}
    having = [kind for kind, learn in readers.items() if registry.takes(learn, option)]
    return "Data" if len(having) == len(kinds) else f"Data: {', '.join(having)}"


def _tune_command(model: str, argv: Sequence[str]) -> Callable[..., None]:
    """`ganvas tune MODEL DATA` with the options of a search, of training, of the data's modality
    and of the model."""
    from . import tuning

    make = registry.load("models", model)
    searching = registry.options(tuning.tune)
    own = {option.name for option in searching} | {"minutes", "tracker", "tensorboard"}
    options = [one for one in _training_options(make, argv) if one[1].name not in own]
    told = [*(("Search", option) for option in searching), *options]

    def command(source: str, json: bool = False, **given: Any) -> None:
        found = tuning.tune(model, source, **given)
        _print_answer(found.to_json(), json, found.table())
        if not json:
            _print_answer({}, json, f"best: {found.run}\n{found.command}")

    example = f"Example: ganvas tune {model} data/ --trials 30 --minutes-each 5"
    help = f"{_first_line(tuning)}\n\n{example}"
    return _generated(command, {"source": (str, "Files to learn from.")}, told, help)


def _modality(argv: Sequence[str]) -> str | None:
    """The modality named by --as, that of latents with --through, or what the source looks like;
    None where no data is named."""
    words = [
        part for word in argv for part in (word.split("=", 1) if word.startswith("--") else [word])
    ]
    if "--through" in words:
        return "latents"
    if "--as" in words[:-1]:
        return words[words.index("--as") + 1]
    source = argv[2] if len(argv) > 2 and not argv[2].startswith("-") else None
    if source is None:
        return None
    from ..data._recognition import guess_modality

    return guess_modality(source)


def _task_command(task: str, argv: Sequence[str]) -> Callable[..., None]:
    """`ganvas TASK RUN [SOURCE ...]` with the task's own options: those that the run heeds, or
    where none is named all of them, under who heeds them."""
    from .. import api
    from ..tasks._inputs import sources, takes_several

    function = registry.load("tasks", task)
    inputs = sources(function)
    many = takes_several(function)
    required = {
        p.name: (list[str] if many else str, "Files to work on.")
        for p in inputs
        if p.default is p.empty
    }
    optional = {p.name: (str, "Files to work on.") for p in inputs if p.default is not p.empty}

    def command(run: str, out: Path | None = None, json: bool = False, **given: Any) -> None:
        paths = [given.pop(p.name) for p in inputs]
        named = paths[0] if many else [path for path in paths if path is not None]
        trained = api.load(run)
        result = trained.do(task, *named, **given)
        out = out or trained.run.path / task
        files = result.save(trained.run.modality, out, _row_printer(json))
        wrote = f"wrote {len(files):,} files: {out}" if len(files) > 1 else f"wrote {files[0]}"
        _print_answer({"files": [str(f) for f in files]} | result.figures(), json, wrote)

    places = {"run": (str, "Folder that `ganvas train` made.")} | required
    example = _example(
        function, f"ganvas {task} runs/mine{' photos/' * len(required)} --out {task}/"
    )
    return _generated(
        command,
        places,
        [*_task_options(function, argv), ("Output", OUT)],
        f"{_first_line(function)}\n\n{example}",
        optional,
    )


def _task_options(function: Any, argv: Sequence[str]) -> Grouped:
    """Options of a task by the titles that they stand under in help; None hides those that the run
    does not heed."""
    from ..runs.run import Run

    options = registry.options(function)
    if len(argv) < 2 or not (Path(argv[1]) / "run.json").is_file():
        return [(_title(option), option) for option in options]
    run = Run(Path(argv[1]))
    make = registry.load("models", run.config["model"])
    heeded = {one.name for one in registry.heeded_options(function, make, run.modality)}
    return [("Options" if option.name in heeded else None, option) for option in options]


def _title(option: registry.Option) -> str:
    return f"For {option.kind.audience}" if option.kind.audience else "Options"


def _example(plugin: Any, otherwise: str) -> str:
    """The line of a plug-in's documentation that shows how it is used, or one that is true of
    any."""
    return f"Example: {registry.example(plugin) or otherwise}"


def _generated(
    function: Callable[..., None],
    places: Mapping[str, tuple[Any, str]],
    options: Grouped,
    help: str,
    optional: Mapping[str, tuple[Any, str]] = {},
) -> Callable[..., None]:
    """`function` with a signature made of these arguments, as the command line needs it."""
    positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [
        *(
            inspect.Parameter(
                n, positional, annotation=Annotated[t, Parameter(help=h, negative=())]
            )
            for n, (t, h) in places.items()
        ),
        *(
            inspect.Parameter(
                n, positional, default=None, annotation=Annotated[t | None, Parameter(help=h)]
            )
            for n, (t, h) in optional.items()
        ),
        *(_parameter(title, option) for title, option in options),
        inspect.Parameter("json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Json),
    ]

    def command(*args: Any, **given: Any) -> None:
        bound = inspect.Signature(parameters).bind(*args, **given)
        left_out = {name: None for name in optional if name not in bound.arguments}
        function(**bound.arguments, **left_out)

    command.__doc__ = help
    # what inspect reads
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


def _parameter(title: str | None, option: registry.Option) -> inspect.Parameter:
    """An option as the command line asks for it, in help under a title, or not at all."""
    name = f"--{option.name.rstrip('_').replace('_', '-')}"
    words = Parameter(
        name=name,
        help=option.help,
        group=_group(title) if title else None,
        show=title is not None,
        negative=() if option.takes(list) or option.default is False else None,
        allow_leading_hyphen=option.plain is str,
    )
    return inspect.Parameter(
        option.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=option.default,
        annotation=Annotated[option.plain, words],
    )


def _group(title: str) -> Group:
    """Where options stand in help: from what is said most to what is said least."""
    first = title.split()[0].rstrip(":")
    return Group(title, sort_key=(ORDER.index(first), title))


def _resume(*, resume: Path, json: Json = False) -> None:
    """Train a model on your data: ganvas train MODEL SOURCE, or resume with --resume RUN.

    Example: ganvas train dcgan photos/ --size 64

    Arguments:
        resume: Folder of a run to resume, exactly where it was saved last.
    """
    from .. import api

    trained = api.resume(resume)
    _print_answer(
        {"run": str(trained.run.path)} | trained.run.state, json, f"done: {trained.run.path}"
    )


def _tune() -> None:
    """Hyperparameter search on your data: ganvas tune MODEL DATA --trials 30.

    Example: ganvas tune made people.csv --trials 30 --minutes-each 5
    """
    raise InputError(
        "say which model, and of what data: ganvas tune MODEL DATA, such as ganvas tune made"
        " people.csv"
    )


def _evaluate(
    run: Path,
    source: str | None = None,
    *,
    out: Path | None = None,
    features: str | None = None,
    size: int = 2000,
    target: str | None = None,
    json: Json = False,
) -> None:
    """Evaluate a run on data it has not seen, beside the same figures of real data and of
    baselines.

    Example: ganvas evaluate runs/mine held-out-photos/ --out report.html

    Arguments:
        run: Folder that `ganvas train` made.
        source: Data the model has not seen; by default the share that training held out.
        out: Where the report goes; by default RUN/report.html.
        features: What examples are compared by: learned (for images), imagenet, inception, or
            plain (for tables).
        size: Examples to evaluate on, at most.
        target: Column of a table that is to be predicted from samples; by default the last.
    """
    from .. import api

    evaluation = api.evaluate(run, source, features=features, size=size, target=target, out=out)
    _print_answer(evaluation.to_json(), json, evaluation.table())
    Console(stderr=True).print(f"report: {out or run / 'report.html'}", soft_wrap=True)


def _show(run: Path, *, json: Json = False) -> None:
    """Say what a run is, how far it came, and what it can do.

    Example: ganvas show runs/mine

    Arguments:
        run: Folder that `ganvas train` made.
    """
    from ..runs.run import Run
    from ..runs.summary import RunSummary, format_options

    opened = Run(run)
    summary = RunSummary(opened)
    lines = [
        f"{summary.model} on {summary.data}",
        f"trained: {summary.progress}",
        f"options: {format_options(summary.options)}",
    ]
    if summary.privacy:
        lines.append(f"privacy: {summary.privacy}")
    lines.append(f"can: {', '.join(summary.tasks)}")
    lines += [f"diagnosis: {words}" for words in summary.diagnoses]
    lines += [f"recovery: {words}" for words in summary.interventions]
    facts = opened.config | {"state": opened.state, "tasks": summary.tasks}
    _print_answer(facts, json, "\n".join(lines))


def _models(*, json: Json = False) -> None:
    """List the models that can be trained.

    Example: ganvas models
    """
    _print_plugins("models", json)


def _tasks(*, json: Json = False) -> None:
    """List what trained models can be used for.

    Example: ganvas tasks
    """
    _print_plugins("tasks", json)


def _print_plugins(kind: registry.Kind, json: bool) -> None:
    lines = {name: registry.summary(kind, name) for name in registry.names(kind)}
    _print_answer(lines, json, _build_listing(lines))


def _build_listing(lines: Mapping[str, str]) -> Any:
    """Names, and beside each what it is."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for name, line in lines.items():
        table.add_row(f"[bold]{name}", line)
    return table


def _samples(out: Path = Path("samples"), *, json: Json = False) -> None:
    """Write the data that ships with Ganvas into a folder, to try things with: images, tables,
    short videos.

    Example: ganvas samples

    Arguments:
        out: Folder that it is written into.
    """
    from ..data.samples.unpacking import unpack

    written = {str(out / name): what for name, what in unpack(out).items()}
    _print_answer(written, json, _build_listing(written))


def _mcp(runs: Path = Path("runs"), *, data: Path | None = None, trainings: int = 1) -> None:
    """Offer the same verbs to an assistant, by the Model Context Protocol on standard input and
    output.

    Example: ganvas mcp runs/ --data photos/

    Arguments:
        runs: Folder of runs, which is read and written.
        data: Folder that may be read besides.
        trainings: How many may run at once.
    """
    from . import mcp

    mcp.serve(runs, data, trainings)


def _selftest(model: str | None = None, *, json: Json = False) -> None:
    """Prove on this machine that models learn: each must beat its untrained copy and a baseline on
    held-out data.

    Example: ganvas selftest vae

    Arguments:
        model: The one to prove; by default every model.
    """
    from ..training import selftest

    proofs = [selftest.prove(name) for name in ([model] if model else registry.names("models"))]
    _print_answer([proof.to_json() for proof in proofs], json, selftest.table(proofs))
    if not all(proof.learned for proof in proofs):
        raise InputError("not every model learned; see the table above")


def _export(
    run: Path,
    *,
    to: Literal["onnx", "torch"] = "onnx",
    what: str | None = None,
    out: Path | None = None,
    json: Json = False,
) -> None:
    """Write what a run's model does into one file that runs without Ganvas, and prove that it does
    the same.

    Example: ganvas export runs/mine --to onnx --what sampler

    Arguments:
        run: Folder that `ganvas train` made.
        to: onnx, or torch for a program of torch.export.
        what: sampler, translator, upscaler, denoiser, stylist, predictor, scorer, encoder, decoder
            or completer; by default the first of these that the model has.
        out: Where the file goes; by default RUN/WHAT.onnx or RUN/WHAT.pt2.
    """
    from ..runs.run import Run
    from .onnx import export

    exported = export(Run(run), to, what, out)
    _print_answer(exported.to_json(), json, str(exported))


def _push(
    run: Path,
    repo: str,
    *,
    license: str,
    image: Path | None = None,
    private: bool = False,
    json: Json = False,
) -> None:
    """Publish a run on the Hugging Face Hub, or in a folder, with a model card; never a pickle.

    Example: ganvas push runs/mine OWNER/NAME --license apache-2.0

    Arguments:
        run: Folder that `ganvas train` made.
        repo: OWNER/NAME on the hub; or a folder, which exists or begins with /, ./, ../ or ~.
        license: Under what others may use it, such as apache-2.0 or cc-by-4.0.
        image: PNG for the card; by default the last preview of a model that generates
            examples.
        private: Let nobody else see it, on the hub.
    """
    from ..runs.run import Run
    from . import hub

    place = hub.push(Run(run), repo, license, image, private)
    _print_answer({"place": place}, json, f"published: {place}")


def _pull(repo: str, *, out: Path | None = None, json: Json = False) -> None:
    """Bring a published run here: safetensors, JSON, Markdown and PNG alone, and only if it can be
    used.

    Example: ganvas pull OWNER/NAME --out runs/theirs

    Arguments:
        repo: OWNER/NAME on the hub; or a folder, which exists or begins with /, ./, ../ or ~.
        out: Folder of the run; by default runs/NAME.
    """
    from . import hub

    run = hub.pull(repo, out)
    _print_answer({"run": str(run.path)}, json, f"pulled: {run.path}  (ganvas show {run.path})")


def _studio(
    runs: Path = Path("runs"),
    *,
    host: str = "127.0.0.1",
    port: int = 7860,
    password: str | None = None,
    most: int = 1,
) -> None:
    """Open a page in the browser in which everything can be done without this command line.

    Example: ganvas studio runs/

    Arguments:
        runs: Folder in which runs are found and written.
        host: Address to listen at; others than this machine's own come in by --password alone.
        port: Port to listen at.
        password: What everybody who opens the page is asked for.
        most: Trainings that may run at once.
    """
    from .studio import open_studio

    open_studio(runs, host, port, password, most)


def _serve(
    runs: Path = Path("runs"),
    *,
    host: str = "127.0.0.1",
    port: int = 8765,
    tokens: Path | None = None,
    new_token: str | None = None,
    workers: int = 1,
    trainings: int = 1,
    seconds: float = 60.0,
    max_body: float = 32.0,
    pixels: int = 2**26,
    rows: int = 100_000,
    waiting: int = 128,
    gather: int = 32,
    patience: float = 0.002,
    json: Json = False,
) -> None:
    """Offer a folder of runs over HTTP: every task, and trainings. GET /openapi.json says all there
    is.

    Example: ganvas serve runs --port 8765

    Arguments:
        runs: Folder of runs.
        host: Address to listen at; others than this machine's own need --tokens.
        port: Port to listen at.
        tokens: File of the hashes of tokens, of which a request must have one.
        new_token: Make a token for somebody of this name, add its hash to --tokens, print it once,
            and end.
        workers: Processes that answer.
        trainings: Trainings that may run at once.
        seconds: That a request may take.
        max_body: MiB that a request may have.
        pixels: That an image may have, and all that are generated for a request.
        rows: That may be sent with a request, or generated for it.
        waiting: Requests that may be answered at once.
        gather: Examples of several requests that are scored in one batch; 1 scores each request
            alone.
        patience: Seconds in which nobody came, after which those who did are answered.
    """
    from .service import Limits, command

    if new_token is not None:
        token = command.make_token(tokens, new_token)
        _print_answer({"token": token}, json, token)
        return
    limits = Limits(
        body=int(max_body * 2**20),
        pixels=pixels,
        rows=rows,
        seconds=seconds,
        waiting=waiting,
        gather=gather,
        patience=patience,
        trainings=trainings,
    )
    command.serve(runs, host=host, port=port, tokens=tokens, workers=workers, limits=limits)


def _row_printer(as_json: bool) -> Callable[[dict[str, Any]], None]:
    """Prints what is anomalous as it is found: one line each, as JSON on standard output or in
    words on standard error."""
    if as_json:
        return lambda row: print(json.dumps(row, default=str), flush=True)
    console = Console(stderr=True, highlight=False, markup=False)

    def tell(row: dict[str, Any]) -> None:
        why = f": {row['why']}" if row.get("why") else ""
        console.print(
            f"{next(iter(row.values()))} is anomalous (p {row['p']:.2g}){why}", soft_wrap=True
        )

    return tell


def _print_answer(answer: Any, as_json: bool, words: Any) -> None:
    """Prints what came of a command: for programs, or for people."""
    if as_json:
        print(json.dumps(answer))
    else:
        Console(highlight=False).print(words, soft_wrap=isinstance(words, str))


def _first_line(plugin: Any) -> str:
    module = inspect.getmodule(plugin)
    return registry.first_paragraph(inspect.getdoc(module))

"""A run for others: in the layout of the Hugging Face Hub, there or in a folder. No pickle goes
out, and none comes in.

README.md             the model card
run.json  state.json  as in a run, without what names places on the machine it was trained on
weights  ema  best  reference_scores  calibration (.safetensors)
samples.png           the last preview
through/              the trained encoder on whose latents it learned, if it did, in the same layout
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path, PurePosixPath, PureWindowsPath
from tempfile import TemporaryDirectory
from typing import Any

from safetensors import SafetensorError

from ..abilities import Samples
from ..core import InputError
from ..evaluation.figures import Evaluation, Figure, format_interval, format_number
from ..runs.run import Run, fingerprint
from ..runs.summary import IN_MEMORY, NO_DIAGNOSIS, RunSummary, format_options
from ..runtime import registry
from ..runtime.errors import flag
from ..runtime.files import write_atomically
from .uploads import describe_error

TENSORS = ("weights", "ema", "best", "reference_scores", "calibration")
ACCEPTED = frozenset({".safetensors", ".json", ".md", ".png"})
KEPT_BY_THE_HUB = ".gitattributes"
REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
WITHIN = {"through": ".beside/through", "relative": "through"}
"""Where a trained encoder lies: nowhere on this machine, but in the folder of the run that learned
on its latents."""


def push(
    run: Run, repo: str, license: str, image: Path | None = None, private: bool = False
) -> str:
    """Publishes a run; where it can be seen then.

    repo: OWNER/NAME on the hub; or a folder, which exists or begins with `/`, `./`, `../` or `~`.
    license: Under what others may use it, such as "apache-2.0".
    image: PNG for the card; by default the last preview of a model that generates examples.
    private: Let nobody else see it, on the hub.

    Raises InputError where the run is not whole, or the hub refuses.
    """
    if image is not None and image.suffix.lower() != ".png":
        raise InputError(f"{image} is no PNG, which cards show; convert it")
    target = _find_folder(repo)
    with TemporaryDirectory() as temporary:
        folder = _lay_out(run, Path(temporary), license, repo, image)
        return _copy_into(folder, target) if target else _upload(folder, repo, private)


def pull(repo: str, out: Path | None = None) -> Run:
    """Brings a run from the hub, or from a folder, into `out`, by default runs/NAME; nothing but a
    whole run.

    Raises InputError where there is anything but safetensors, JSON, Markdown and PNG, or no run
    that can be used; then nothing is left.
    """
    source = _find_folder(repo)
    out = out or Path("runs") / (source or PurePosixPath(repo)).name
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out} is not empty; choose another {flag('out')}")
    with _temporary_sibling(out) as new:
        if source:
            _copy_from(source, new)
        else:
            _download(repo, new)
        _remove_places(new, repo)
        _check_run(new, repo)
        if out.exists():
            out.rmdir()
        os.replace(new, out)
    return Run(out)


def _find_folder(repo: str) -> Path | None:
    """The folder that is meant, or None for a place on the hub. Raises InputError for what is
    neither."""
    path = Path(repo).expanduser()
    if path.is_dir() or path.is_absolute() or repo.startswith(("./", "../")):
        return path
    if not REPO.fullmatch(repo):
        raise InputError(
            f"{repo!r} is neither OWNER/NAME on the hub nor a folder (such as ./{repo})"
        )
    return None


def _lay_out(run: Run, folder: Path, license: str, repo: str, image: Path | None = None) -> Path:
    """The run as others get it, in a new folder."""
    run.model  # noqa: B018 # raises where it is not whole
    config = _without_places(run.config)
    if encoder := run.modality.encoder:
        inner = Run(_lay_out(Run(encoder), folder / "through", license, repo))
        own = WITHIN | {"fingerprint": fingerprint(inner, inner.model)}
        config["modality"]["state"] |= own
    folder.mkdir(parents=True, exist_ok=True)
    _write_config(folder, config)
    shutil.copyfile(run.path / "state.json", folder / "state.json")
    for file in (run.path / f"{name}.safetensors" for name in TENSORS):
        if file.exists():
            shutil.copyfile(file, folder / file.name)
    image = image or _find_preview(run)
    if image:
        shutil.copyfile(image, folder / "samples.png")
    write_atomically(folder / "README.md", model_card(run, license, repo, bool(image)).encode())
    return folder


def _write_config(folder: Path, config: dict[str, Any]) -> None:
    content = json.dumps(config, indent=2, ensure_ascii=False)
    write_atomically(folder / "run.json", content.encode())


def _without_places(config: dict[str, Any]) -> dict[str, Any]:
    """A run's config that names no place of any machine: of paths, nothing but their ends."""
    modality = config["modality"] | {"state": _shorten_paths(config["modality"]["state"])}
    options = _shorten_paths(config["options"])
    return config | {"source": None, "modality": modality, "options": options}


def _shorten_paths(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: Path(value).name if isinstance(value, str) and _leads_away(value) else value
        for name, value in values.items()
    }


def _leads_away(word: str) -> bool:
    """Whether a word is a path that leads out of a folder, on any system."""
    paths = PurePosixPath(word), PureWindowsPath(word)
    return word.startswith("~") or any(path.is_absolute() or ".." in path.parts for path in paths)


def _find_preview(run: Run) -> Path | None:
    """The last preview, where it shows generated examples: of other models, it shows somebody's
    data."""
    sheets = sorted((run.path / "previews").glob("*.png"))
    return sheets[-1] if sheets and isinstance(run.model, Samples) else None


def model_card(run: Run, license: str, repo: str, imaged: bool) -> str:
    """The page that people read first, in Markdown, with what the hub reads above it."""
    summary = RunSummary(run)
    name, modality = summary.model, summary.modality
    head = (
        f"---\nlicense: {json.dumps(license)}\nlibrary_name: ganvas\ntags: [ganvas, {name},"
        f" {modality}]\n---\n"
    )
    sections = {
        "Training data": f"{_data(run, summary)}.",
        "Uses": _uses(summary, repo),
        "Evaluation": _figures(run),
        "Limitations": "\n".join(f"- {sentence}" for sentence in _limitations(summary)),
        "Training": (
            f"{summary.progress}. Options: {format_options(summary.options, quote='`')}. Versions:"
            f" {format_options(summary.versions, quote='`')}."
        ),
    }
    image = "![Samples](samples.png)\n\n" if imaged else ""
    body = "\n\n".join(f"## {title}\n\n{words}" for title, words in sections.items())
    summary_of_model = registry.summary("models", name)
    return f"{head}\n# {name} on {modality}\n\n{summary_of_model}\n\n{image}{body}\n"


def _data(run: Run, summary: RunSummary) -> str:
    where = f"`{summary.data_name}`" if summary.data_name else IN_MEMORY
    classes = f", in classes {', '.join(run.modality.classes)}" if run.modality.classes else ""
    shape = tuple(run.model.space.shape)
    return f"{where}, read as {summary.modality} (each example {shape}){classes}"


def _uses(summary: RunSummary, repo: str) -> str:
    source = repo if REPO.fullmatch(repo) else "FOLDER"
    commands = [
        "pip install ganvas",
        f"ganvas pull {source} --out runs/pulled",
        "ganvas show runs/pulled",
    ]
    tasks = ", ".join(f"`{task}`" for task in summary.tasks)
    return "```\n" + "\n".join(commands) + f"\n```\n\nIt can {tasks}."


def _figures(run: Run) -> str:
    """What was measured, beside the same for real data and baselines."""
    file = run.path / "evaluation.json"
    if not file.exists():
        return "It was not evaluated on data it had not seen (`ganvas evaluate`)."
    evaluation = Evaluation.from_json(json.loads(file.read_text("utf-8")))
    parts = [f"**{sentence}**" for sentence in evaluation.verdict]
    for baselines, figures in evaluation.groups():
        rows = [["", "this model", "95 % interval", *baselines]]
        rows += [_figure_row(figure, baselines) for figure in figures]
        parts.append(_table(rows))
    return "\n\n".join([*parts, *evaluation.notes])


def _figure_row(figure: Figure, baselines: Sequence[str]) -> list[str]:
    beside = [format_number(figure.beside[baseline].value) for baseline in baselines]
    return [
        figure.name,
        format_number(figure.value.value),
        format_interval(figure.value),
        *beside,
    ]


def _table(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])


def _limitations(summary: RunSummary) -> Iterator[str]:
    """Diagnosis, privacy, and what is true of any such model."""
    yield from (f"Diagnosis: {words}" for words in summary.diagnoses or [f"{NO_DIAGNOSIS}."])
    yield from (f"Recovery in {words}" for words in summary.interventions)
    if summary.privacy:
        yield f"Privacy: {summary.privacy}"
    else:
        yield "Privacy: nothing was promised; weights may tell something of single examples."
    yield (
        "It knows what it learned from and nothing else; what that had too little of, it does"
        " badly."
    )


def _copy_into(folder: Path, target: Path) -> str:
    """Puts the layout into a folder that is new or empty, or holds one that it replaces."""
    if target.exists() and any(target.iterdir()) and not (target / "run.json").exists():
        raise InputError(f"{target} is a folder of something else; choose another")
    shutil.copytree(folder, target, dirs_exist_ok=True)
    return str(target)


def _upload(folder: Path, repo: str, private: bool) -> str:
    hub = _open_hub()
    with _explain_errors(repo):
        place = hub.create_repo(repo, private=private, exist_ok=True)
        hub.upload_folder(repo_id=repo, folder_path=folder, commit_message="A run of Ganvas")
    return str(place)


def _copy_from(source: Path, new: Path) -> None:
    files = [file for file in source.rglob("*") if not file.is_dir()] if source.is_dir() else []
    names = _check_names((file.relative_to(source).as_posix() for file in files), str(source))
    for name in names:
        (new / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, new / name)


def _download(repo: str, new: Path) -> None:
    hub = _open_hub()
    with _explain_errors(repo):
        found = hub.model_info(repo)
        for name in _check_names((file.rfilename for file in found.siblings or []), repo):
            hub.hf_hub_download(repo, name, revision=found.sha, local_dir=new)
    shutil.rmtree(new / ".cache", ignore_errors=True)  # what the download remembers of itself


def _check_names(names: Iterable[str], repo: str) -> list[str]:
    """The files of a run. Raises InputError where others are among them, or lie elsewhere."""
    names = [name for name in names if name != KEPT_BY_THE_HUB]
    for name in names:
        path = PurePosixPath(name)
        if path.suffix not in ACCEPTED or path.is_absolute() or ".." in path.parts:
            raise InputError(
                f"{repo} holds {name!r}, and a run is safetensors, JSON, Markdown and PNG alone:"
                " nothing was taken"
            )
    if "run.json" not in names:
        raise InputError(f"{repo} is not a run: it has no run.json")
    return names


def _remove_places(folder: Path, repo: str) -> None:
    """Takes out of the config of a pulled run what names places of other machines, or of this
    one."""
    config = _without_places(_read_config(folder / "run.json", repo))
    if "through" in config["modality"]["state"]:
        if not (folder / "through" / "run.json").is_file():
            raise InputError(
                f"{repo} learned through a run that is not in it, and decodes nothing without: "
                "nothing was taken"
            )
        config["modality"]["state"] |= WITHIN
        _remove_places(folder / "through", repo)
    _write_config(folder, config)


def _check_run(folder: Path, repo: str) -> None:
    """Raises InputError where what was pulled is no run that can be used."""
    try:
        run = Run(folder)
        run.model  # noqa: B018 # reads, builds and compares all that there is
        run.diagnoses, run.promise, run.interventions  # noqa: B018
    except InputError as error:
        raise InputError(
            f"{repo} cannot be used here: {error.words.replace(str(folder), repo)}"
        ) from error
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        RuntimeError,
        SafetensorError,
    ) as error:
        raise InputError(
            f"{repo} is not a whole run ({type(error).__name__}: {error}): nothing was taken"
        ) from error


def _read_config(file: Path, repo: str) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads(file.read_text("utf-8"))
        config["modality"]["state"], config["modality"]["name"], config["options"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{repo} is not a run: its {file.name} is none of Ganvas's") from error
    return config


def _open_hub() -> Any:
    """The hub's own client, which knows the place and the token. Raises InputError where it is not
    installed."""
    if not find_spec("huggingface_hub"):
        raise InputError("the hub needs an extra: pip install 'ganvas[hub]'")
    from huggingface_hub import HfApi

    return HfApi(endpoint=os.environ.get("HF_ENDPOINT"), library_name="ganvas")


@contextmanager
def _explain_errors(repo: str) -> Iterator[None]:
    """Inside, what the hub refuses is said in one sentence."""
    from httpx import HTTPError
    from huggingface_hub.errors import (
        HfHubHTTPError,
        LocalTokenNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        yield
    except RepositoryNotFoundError as error:
        raise InputError(
            f"the hub has no {repo}, or shows it to others alone: check the name, or log in with"
            " `hf auth login`"
        ) from error
    except LocalTokenNotFoundError as error:
        raise InputError(
            "the hub wants to know who you are: log in with `hf auth login`"
        ) from error
    except (HfHubHTTPError, HTTPError, OSError) as error:
        raise InputError(f"the hub cannot do that with {repo}: {describe_error(error)}") from error


@contextmanager
def _temporary_sibling(out: Path) -> Iterator[Path]:
    """A new folder beside another, which is gone afterwards unless it was moved."""
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(
        prefix=f".{out.name}.", dir=out.absolute().parent, ignore_cleanup_errors=True
    ) as temporary:
        new = Path(temporary) / out.name
        new.mkdir()
        yield new

"""A run for others: in the layout of the Hugging Face Hub, there or in a folder. No pickle goes
out, and none comes in.

README.md             the card: what it is, what it learned from, how good it is, what to be careful
about run.json  state.json  as in a run, without what names places on the machine it was trained on
weights  averaged  best  normal  calibration (.safetensors)
samples.png           what it makes
through/              the run that it learned through, if it did, in the same layout
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path, PurePosixPath, PureWindowsPath
from tempfile import TemporaryDirectory
from typing import Any

from safetensors import SafetensorError

from ..core import EncodedModality, InputError, Samples
from ..evaluation.figures import Evaluation, format_interval, format_number
from ..runs.available import available_tasks
from ..runs.run import Run, fingerprint, write_atomically
from ..runtime import registry
from ..runtime.errors import flag

TENSORS = ("weights", "ema", "best", "reference_scores", "calibration")
ACCEPTED = frozenset({".safetensors", ".json", ".md", ".png"})
KEPT_BY_THE_HUB = ".gitattributes"
REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
WITHIN = {"through": ".beside/through", "relative": "through"}
"""Where a run that was learned through lies: nowhere on this machine, but in the folder of the one
that learned."""


def push(
    run: Run, repo: str, license: str, image: Path | None = None, private: bool = False
) -> str:
    """Publishes a run; where it can be seen then.

    repo: OWNER/NAME on the hub; or a folder, which exists or begins with `/`, `./`, `../` or `~`.
    license: Under what others may use it, such as "apache-2.0".
    image: PNG for the card; by default what a model that makes examples of nothing made of
        nothing.
    private: Let nobody else see it, on the hub.

    Raises InputError where the run is not whole, or the hub refuses.
    """
    if image is not None and image.suffix.lower() != ".png":
        raise InputError(f"{image} is no PNG, which cards show; convert it")
    with TemporaryDirectory() as made:
        folder = _laid_out(run, Path(made), license, repo, image)
        return _into(folder, target) if (target := _folder(repo)) else _up(folder, repo, private)


def pull(repo: str, out: Path | None = None) -> Run:
    """Brings a run from the hub, or from a folder, into `out`, by default runs/NAME; nothing but a
    whole run.

    Raises InputError where there is anything but safetensors, JSON, Markdown and PNG, or no run
    that can be used; then nothing is left.
    """
    source = _folder(repo)
    out = out or Path("runs") / (source or PurePosixPath(repo)).name
    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out} is not empty; choose another {flag('out')}")
    with _beside(out) as new:
        (_from(source, new) if source else _down(repo, new))
        _settle(new, repo)
        _proven(new, repo)
        if out.exists():
            out.rmdir()
        os.replace(new, out)
    return Run(out)


def _folder(repo: str) -> Path | None:
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


def _laid_out(run: Run, folder: Path, license: str, repo: str, image: Path | None = None) -> Path:
    """The run as others get it, in a new folder."""
    run.model  # noqa: B018 # raises where it is not whole
    card = _placeless(run.config)
    if isinstance(run.modality, EncodedModality):
        inner = Run(_laid_out(Run(run.modality.through), folder / "through", license, repo))
        card["modality"]["state"] |= WITHIN | {"fingerprint": fingerprint(inner, inner.model)}
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "run.json", json.dumps(card, indent=2, ensure_ascii=False).encode())
    shutil.copyfile(run.path / "state.json", folder / "state.json")
    for file in (run.path / f"{name}.safetensors" for name in TENSORS):
        if file.exists():
            shutil.copyfile(file, folder / file.name)
    shown = image or _made(run)
    if shown:
        shutil.copyfile(shown, folder / "samples.png")
    write_atomically(folder / "README.md", model_card(run, license, repo, bool(shown)).encode())
    return folder


def _placeless(card: dict[str, Any]) -> dict[str, Any]:
    """A run's card that names no place of any machine: of paths, nothing but their ends."""
    modality = card["modality"] | {"state": _ends(card["modality"]["state"])}
    return card | {"source": None, "modality": modality, "options": _ends(card["options"])}


def _ends(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: Path(value).name if isinstance(value, str) and _leads_away(value) else value
        for name, value in values.items()
    }


def _leads_away(word: str) -> bool:
    return word.startswith("~") or any(
        p(word).is_absolute() or ".." in p(word).parts for p in (PurePosixPath, PureWindowsPath)
    )


def _made(run: Run) -> Path | None:
    """The last preview, where it shows what was made of nothing: of others, it shows somebody's
    data."""
    sheets = sorted((run.path / "previews").glob("*.png"))
    return sheets[-1] if sheets and isinstance(run.model, Samples) else None


def model_card(run: Run, license: str, repo: str, imaged: bool) -> str:
    """The page that people read first, in Markdown, with what the hub reads above it."""
    name, kind, state = run.config["model"], run.config["modality"]["name"], run.state
    head = (
        f"---\nlicense: {json.dumps(license)}\nlibrary_name: ganvas\ntags: [ganvas, {name},"
        f" {kind}]\n---\n"
    )
    sections = {
        "What it learned from": f"{_data(run)}.",
        "What it does": _doing(run, repo),
        "How good it is": _figures(run),
        "What to be careful about": "\n".join(f"- {one}" for one in _limits(run)),
        "How it was trained": (
            f"{state['step']:,} steps in {state['seconds']:,.0f}"
            f" s{'' if state['finished'] else '; the training was not finished'}. Options:"
            f" {_listed(run.config['options'])}. Versions: {_listed(run.config['versions'])}."
        ),
    }
    image = "![What it makes](samples.png)\n\n" if imaged else ""
    body = "\n\n".join(f"## {title}\n\n{words}" for title, words in sections.items())
    return f"{head}\n# {name} on {kind}\n\n{registry.summary('models', name)}\n\n{image}{body}\n"


def _data(run: Run) -> str:
    source, space = run.config["source"], run.model.space
    where = (
        f"`{Path(source).name.partition('?')[0]}`" if source else "data in memory"
    )  # no passwords of databases
    classes = f", in classes {', '.join(run.modality.classes)}" if run.modality.classes else ""
    return (
        f"{where}, read as {run.config['modality']['name']} (each example"
        f" {tuple(space.shape)}){classes}"
    )


def _doing(run: Run, repo: str) -> str:
    tasks = available_tasks(type(run.model), run.modality)
    local = repo if REPO.fullmatch(repo) else "FOLDER"
    return (
        f"```\npip install ganvas\nganvas pull {local} --out runs/pulled\nganvas show"
        f" runs/pulled\n```\n\nIt can {', '.join(f'`{task}`' for task in tasks)}."
    )


def _figures(run: Run) -> str:
    """What was measured, beside what the same would be for real data and naive models."""
    file = run.path / "evaluation.json"
    if not file.exists():
        return "It was not judged on data it had not seen (`ganvas evaluate`)."
    judged = Evaluation.from_json(json.loads(file.read_text("utf-8")))
    parts = [f"**{sentence}**" for sentence in judged.verdict]
    for rivals, figures in judged.groups():
        rows = [["", "this model", "95 % interval", *rivals]]
        rows += [
            [
                f.name,
                format_number(f.value.value),
                format_interval(f.value),
                *(format_number(f.beside[r].value) for r in rivals),
            ]
            for f in figures
        ]
        parts.append(_table(rows))
    return "\n\n".join([*parts, *judged.notes])


def _table(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])


def _limits(run: Run) -> Iterator[str]:
    """Health, privacy, and what is true of any such model."""
    yield from (f"Health: {one}" for one in run.diagnoses)
    if not run.diagnoses:
        yield "Health: nothing was seen to be wrong while it learned."
    yield from (f"Treated {one}" for one in run.interventions)
    if run.promise:
        yield f"Privacy: {run.promise}"
    else:
        yield (
            "Privacy: nothing was promised about it; weights may tell something of single examples."
        )
    yield (
        "It knows what it learned from and nothing else; what that had too little of, it does"
        " badly."
    )


def _listed(values: dict[str, Any]) -> str:
    return (
        ", ".join(f"`{name}={value}`" for name, value in values.items())
        or "all as they are by default"
    )


def _into(folder: Path, target: Path) -> str:
    """Puts the layout into a folder that is new or empty, or holds one that it replaces."""
    if target.exists() and any(target.iterdir()) and not (target / "run.json").exists():
        raise InputError(f"{target} is a folder of something else; choose another")
    shutil.copytree(folder, target, dirs_exist_ok=True)
    return str(target)


def _up(folder: Path, repo: str, private: bool) -> str:
    hub = _hub()
    with _understood(repo):
        place = hub.create_repo(repo, private=private, exist_ok=True)
        hub.upload_folder(repo_id=repo, folder_path=folder, commit_message="A run of Ganvas")
    return str(place)


def _from(source: Path, new: Path) -> None:
    files = [file for file in source.rglob("*") if not file.is_dir()] if source.is_dir() else []
    names = _accepted((file.relative_to(source).as_posix() for file in files), str(source))
    for name in names:
        (new / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, new / name)


def _down(repo: str, new: Path) -> None:
    hub = _hub()
    with _understood(repo):
        found = hub.model_info(repo)
        for name in _accepted((file.rfilename for file in found.siblings or []), repo):
            hub.hf_hub_download(repo, name, revision=found.sha, local_dir=new)
    shutil.rmtree(new / ".cache", ignore_errors=True)  # what the download remembers of itself


def _accepted(names: Iterable[str], repo: str) -> list[str]:
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


def _settle(folder: Path, repo: str) -> None:
    """Takes out of the card of a pulled run what names places of other machines, or of this one."""
    card = _placeless(_read(folder / "run.json", repo))
    if "through" in card["modality"]["state"]:
        if not (folder / "through" / "run.json").is_file():
            raise InputError(
                f"{repo} learned through a run that is not in it, and decodes nothing without: "
                "nothing was taken"
            )
        card["modality"]["state"] |= WITHIN
        _settle(folder / "through", repo)
    write_atomically(folder / "run.json", json.dumps(card, indent=2, ensure_ascii=False).encode())


def _proven(folder: Path, repo: str) -> None:
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


def _read(file: Path, repo: str) -> dict[str, Any]:
    try:
        card = json.loads(file.read_text("utf-8"))
        card["modality"]["state"], card["modality"]["name"], card["options"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{repo} is not a run: its {file.name} is none of Ganvas's") from error
    return card


def _hub() -> Any:
    """The hub's own client, which knows the place and the token. Raises InputError where it is not
    installed."""
    if not find_spec("huggingface_hub"):
        raise InputError("the hub needs an extra: pip install 'ganvas[hub]'")
    from huggingface_hub import HfApi

    return HfApi(endpoint=os.environ.get("HF_ENDPOINT"), library_name="ganvas")


@contextmanager
def _understood(repo: str) -> Iterator[None]:
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
        raise InputError(
            f"the hub cannot do that with {repo}: {str(error).splitlines()[0]}"
        ) from error


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """A new folder beside another, which is gone afterwards unless it was moved."""
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(
        prefix=f".{out.name}.", dir=out.absolute().parent, ignore_cleanup_errors=True
    ) as made:
        (new := Path(made) / out.name).mkdir()
        yield new

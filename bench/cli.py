"""The command line: parse, call the API, print. Data on stdout, progress and errors on stderr."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from .errors import ClastbenchError

EXIT_FAILED = 1
EXIT_USAGE = 2
PATH = click.Path(path_type=Path)


class Commands(click.Group):
    """Ends every expected error in one line, `Error: …`, and the exit code its class states."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except ClastbenchError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(error.exit_code)
        except OSError as error:  # a folder that is not there, a full disk
            click.echo(f"Error: {error.filename or 'system'}: {error.strerror or error}.", err=True)
            ctx.exit(EXIT_USAGE)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="clastbench")
def main() -> None:
    """Rank systems that read shear sense from sigma clasts, and say whether they looked at the right thing."""


def _places(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that say where things lie."""
    for option in (
        click.option("--out", type=PATH, help="Results folder. Default: $CLASTBENCH_HOME/results or ./results."),
        click.option("--data", type=PATH, help="Folder of the photographs, for suites that do not ship them."),
        click.option("--limit", type=click.IntRange(min=1), help="At most so many photographs of each role."),
        click.option("--seed", type=click.IntRange(min=0), help="One seed in place of the suite's."),
    ):
        command = option(command)
    return command


@main.command("list")
@click.argument("what", type=click.Choice(["suites", "backbones", "detectors", "explainers"]), required=False)
def list_names(what: str | None) -> None:
    """List suites, backbones, detectors and explainers."""
    from . import plugins  # noqa: PLC0415
    from .suite import suite_names  # noqa: PLC0415

    found: dict[str, Callable[[], list[str]]] = {
        "suites": suite_names,
        "backbones": lambda: plugins.names(plugins.BACKBONES),
        "detectors": lambda: plugins.names(plugins.DETECTORS),
        "explainers": lambda: plugins.names(plugins.EXPLAINERS),
    }
    for kind in [what] if what else found:
        for name in found[kind]():
            shown = f"{name}:NAME" if name in ("timm", "torchvision", "cam") else name
            click.echo(shown if what else f"{kind[:-1]:9} {shown}")


@main.command()
@click.argument("suite")
@click.option("--detector", "detectors", multiple=True, metavar="GLOB", help="Only these detectors, or one more.")
@click.option(
    "--backbone",
    "backbones",
    multiple=True,
    metavar="GLOB",
    help="Only these, or one more: NAME[@MODE], FILE:Class.",
)
@click.option("--explainer", "explainers", multiple=True, metavar="NAME", help="Score maps of this method, too.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps.")
@click.option("--jobs", type=click.IntRange(min=0), help="Worker processes; 0: this process. Default: by cores.")
@click.option("--store", type=PATH, help="Folder of intermediate outcomes. Default: $CLASTBENCH_HOME/runs or ./runs.")
@click.option("--dry-run", is_flag=True, help="Say what would be made and how long it would take.")
@click.option("--no-tensorboard", "tensorboard", is_flag=True, flag_value=False, default=True, help="No event files.")
@_places
def run(suite: str, limit: int | None, seed: int | None, dry_run: bool, **said: Any) -> None:
    """Run every detector × backbone of SUITE (a name, or a path to a .toml file) and print the leaderboard."""
    from .api import open_session, run_suite  # noqa: PLC0415
    from .report.conditions import conditions_of  # noqa: PLC0415

    session = open_session(_suite(suite, limit, seed), **said, download=not dry_run)
    if dry_run:
        click.echo(_foreseen(session.prospect()), nl=False)
        return
    board, summary = run_suite(session)
    _print(board, "table")
    click.echo(f"{_closing(summary)}\nResults: {summary.folder.resolve()}", err=True)
    if conditions_of(session.suite):
        places = {"limit": limit, "seed": seed, "data": said["data"], "out": said["out"]}
        click.echo(f"Scores by condition: {_rank_command(suite, places)} --by condition", err=True)
    for cell, reason in summary.unmapped.items():
        click.echo(f"NOT EXPLAINED {cell.system}, seed {cell.seed}, fold {cell.fold}: {reason}", err=True)
    if summary.failed or summary.unmapped:
        sys.exit(EXIT_FAILED)


def _rank_command(suite: str, places: dict[str, Any]) -> str:
    """Write the command that ranks what a run has left, to be copied."""
    options = [word for name, value in places.items() if value is not None for word in (f"--{name}", str(value))]
    return shlex.join(["clastbench", "rank", suite, *options])


def _closing(summary: Any) -> str:
    if summary.up_to_date == summary.cells:
        return f"{summary.cells} cells: all cells up to date."
    scored = summary.cells - summary.up_to_date - len(summary.failed)
    return (
        f"{summary.cells} cells: {summary.up_to_date} up to date, {scored} scored, {len(summary.failed)} failed; "
        f"{summary.made} nodes made."
    )


def _suite(name: str, limit: int | None, seed: int | None) -> Any:
    from .suite import load_suite  # noqa: PLC0415

    return load_suite(name, limit=limit, seed=seed)


def _foreseen(prospect: Any) -> str:
    from .run.progress import duration  # noqa: PLC0415

    to_make = ", ".join(f"{count} {kind}" for kind, count in sorted(prospect.nodes.items())) or "nothing"
    lines = [
        f"cells       {prospect.cells}, of which {prospect.up_to_date} up to date",
        f"trainings   {prospect.trainings}",
        f"to make     {to_make}",
        f"store hits  {prospect.hits}",
        f"estimate    {duration(prospect.seconds)} from past timings",
    ]
    if prospect.unknown:
        lines.append(f"            plus what was never timed here: {', '.join(prospect.unknown)}")
    lines += [f"to download {name}" for name in prospect.downloads]
    lines += [f"cannot run  {text}" for text in prospect.broken]
    return "\n".join(lines) + "\n"


def _print(board: Any, form: str) -> None:
    from .report.tables import FORMATS  # noqa: PLC0415

    click.echo(FORMATS[form](board), nl=False)


@main.command()
@click.argument("suite")
@click.option("--metric", show_default="macro_f1", help="Rank by this metric.")
@click.option("--by", type=click.Choice(["condition"]), help="Print sense, forced, by condition, not the leaderboard.")
@click.option("--format", "form", type=click.Choice(["table", "md", "csv", "json"]), default="table", show_default=True)
@_places
def rank(suite: str, metric: str | None, by: str | None, form: str, **said: Any) -> None:
    """Print the leaderboard of the results that are there, or their scores by condition."""
    from .api import rank_by_condition, rank_suite  # noqa: PLC0415
    from .errors import UsageError  # noqa: PLC0415
    from .report.condition_tables import FORMATS  # noqa: PLC0415
    from .report.leaderboard import HEADLINE  # noqa: PLC0415

    chosen = _suite(suite, said.pop("limit"), said.pop("seed"))
    if by is None:
        _print(rank_suite(chosen, metric=metric or HEADLINE, **said), form)
        return
    if metric:
        raise UsageError("--metric ranks the leaderboard; --by condition shows sense, forced: leave one of them out.")
    click.echo(FORMATS[form](rank_by_condition(chosen, **said)), nl=False)


@main.command()
@click.argument("suite")
@click.argument("predictions", type=PATH)
@click.option("--name", help="Name on the leaderboard. Default: the file's name.")
@click.option("--maps", type=PATH, help="Folder of its saliency maps: sense/ID.npy and presence/ID.npy, float[h, w].")
@_places
def score(suite: str, predictions: Path, name: str | None, maps: Path | None, **said: Any) -> None:
    """Score a model that never met the harness, and print the leaderboard.

    PREDICTIONS is a CSV with the columns id, none, CW, CCW [, fold], or detections as COCO results: a .json list of
    {"image_id", "category_id", "bbox", "score" [, "fold"]}. An image_id is a photograph's id, its number in
    annotations.json or its file name; a category_id is CW, CCW, none or clast, or its number there.
    """
    from .api import score_predictions  # noqa: PLC0415

    chosen = _suite(suite, said.pop("limit"), said.pop("seed"))
    _print(score_predictions(chosen, predictions, maps=maps, name=name, **said), "table")


def _looking(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of commands that show what results hold."""
    for option in (
        click.option("--to", type=PATH, help="Where to write. Default: below the suite's results."),
        click.option("--backbone", "entered", multiple=True, metavar="FILE:Class", help="Where a file plugin lies."),
        click.option("--detector", "found", multiple=True, metavar="FILE:Class", help="Where a file plugin lies."),
        click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:N or mps."),
        click.option("--store", type=PATH, help="Folder of intermediate outcomes."),
    ):
        command = option(command)
    return _places(command)


def _opened(suite: str, said: dict[str, Any]) -> Any:
    """Open a session of every system that the suite names, and of file plugins."""
    from .api import open_session  # noqa: PLC0415

    chosen = _suite(suite, said.pop("limit"), said.pop("seed"))
    backbones = [*chosen.entered_backbones, *said.pop("entered")]
    return open_session(
        chosen, backbones=backbones, detectors=[*chosen.detectors, *said.pop("found")], tensorboard=False, **said
    )


@main.command()
@click.argument("suite")
@click.argument("system")
@click.option(
    "--kind",
    help="Of photographs: fp, fn, wrong-sense, right; of clasts: cls, loc, both, dupe, bkg, miss; comma between. "
    "Default: fp, fn, wrong-sense, and all six of clasts for a system that proposes boxes.",
)
@click.option("-n", type=click.IntRange(min=1), default=24, show_default=True, help="At most so many of each kind.")
@click.option("--order", type=click.Choice(["confidence", "random"]), default="confidence", show_default=True)
@click.option("--draw", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the random order.")
@click.option("--format", "form", type=click.Choice(["html", "png", "pdf"]), default="html", show_default=True)
@click.option("--no-pixels", is_flag=True, help="Leave out all that shows a photograph.")
@_looking
def gallery(suite: str, system: str, kind: str | None, form: str, no_pixels: bool, **said: Any) -> None:
    """Write a gallery of what SYSTEM (DETECTOR+BACKBONE[/seedS-FOLD]) got wrong on SUITE, and where it looked."""
    from .api import write_gallery  # noqa: PLC0415

    kinds = None if kind is None else [name.strip() for name in kind.split(",")]
    asked = {name: said.pop(name) for name in ("n", "order", "to")} | {"seed": said.pop("draw")}
    click.echo(write_gallery(_opened(suite, said), system, kinds=kinds, form=form, pixels=not no_pixels, **asked))


@main.command()
@click.argument("suite")
@click.option("--no-pixels", is_flag=True, help="Leave out all that shows a photograph.")
@_looking
def report(suite: str, no_pixels: bool, to: Path | None, **said: Any) -> None:
    """Write the results of SUITE as a folder of web pages: leaderboard, a page a system, galleries of failures."""
    from .api import write_report  # noqa: PLC0415

    click.echo(write_report(_opened(suite, said), to=to, pixels=not no_pixels))


@main.command()
@click.argument("suite")
@click.argument("system")
@click.argument("image")
@click.option("--method", "methods", multiple=True, help="Methods side by side. Default: a choice of five.")
@_looking
def explain(suite: str, system: str, image: str, methods: tuple[str, ...], to: Path | None, **said: Any) -> None:
    """Draw where SYSTEM (DETECTOR+BACKBONE[/seedS-FOLD]) looked on the test photograph IMAGE, by several methods."""
    from .api import explain_photograph  # noqa: PLC0415

    chosen: dict[str, Any] = {"methods": methods} if methods else {}
    click.echo(explain_photograph(_opened(suite, said), system, image, to=to, **chosen))


@main.command()
@click.argument("name")
def check(name: str) -> None:
    """Check that a backbone, detector or explainer keeps its contract: NAME, NAME@MODE or path/to/file.py:Class."""
    from .conformance import check_plugin  # noqa: PLC0415

    findings = check_plugin(name)
    for finding in findings:
        click.echo(f"{'ok  ' if finding.problem is None else 'FAIL'} {finding.check}{_why(finding.problem)}")
    failed = sum(finding.problem is not None for finding in findings)
    click.echo(f"{len(findings) - failed} passed, {failed} failed")
    if failed or not findings:
        sys.exit(EXIT_FAILED)


def _why(problem: str | None) -> str:
    return f": {problem}" if problem else ""


@main.command()
@click.argument("suite")
@click.option("--store", type=PATH, help="Folder of intermediate outcomes.")
@_places
def status(suite: str, limit: int | None, seed: int | None, **said: Any) -> None:
    """Say how many cells of SUITE are up to date, and what running it would make."""
    from .api import open_session  # noqa: PLC0415

    click.echo(_foreseen(open_session(_suite(suite, limit, seed), **said, download=False).prospect()), nl=False)


@main.command()
@click.option("--store", type=PATH, help="Folder of intermediate outcomes.")
@click.confirmation_option(prompt="Remove every stored intermediate outcome (results stay)?")
def clean(store: Path | None) -> None:
    """Empty the store. Results stay; running a suite again makes only what results lack."""
    from .api import home  # noqa: PLC0415
    from .run.store import Store  # noqa: PLC0415

    folder = store or home("runs")
    Store(folder).clear()
    click.echo(f"Emptied {folder}", err=True)


@main.group()
def data() -> None:
    """Check, split, preview and export photographs."""


@data.command()
@click.argument("folder", type=PATH)
def validate(folder: Path) -> None:
    """List every problem of a data set: COCO, YOLO, ImageFolder or agu2021."""
    from .data import validate as find_problems  # noqa: PLC0415

    problems = find_problems(folder)
    for problem in problems:
        click.echo(str(problem))
    click.echo(f"{len(problems)} problems" if problems else "No problems found.", err=True)
    if problems:
        sys.exit(EXIT_FAILED)


@data.command()
@click.argument("folder", type=PATH)
@click.argument("target", type=PATH)
@click.option("--folds", type=click.IntRange(min=1), default=5, show_default=True, help="1 makes one hold-out split.")
@click.option("--repeats", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--validation", type=click.FloatRange(0, 0.5), default=0.15, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
def split(folder: Path, target: Path, **said: Any) -> None:
    """Write a grouped, stratified split of the photographs in FOLDER to TARGET, a CSV with fold, role, id."""
    from .data import make_split, read, write_split  # noqa: PLC0415

    made = make_split(read(folder), **said)
    write_split(made, target)
    click.echo(f"{len(made.folds)} folds written to {target}", err=True)


@data.command()
@click.argument("source")
@click.argument("target", type=PATH)
@click.option("--by", type=click.Choice(["kind", "light", "level"]), help="Rows by kind or light, or level by level.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many. Default: 48; with --by, 12 of each.")
@click.option("--plain", is_flag=True, help="Leave out all that is drawn onto the photographs.")
@click.option("--data", "folder", type=PATH, help="Folder of the photographs, for suites that do not ship them.")
def preview(source: str, target: Path, folder: Path | None, by: Any, **said: Any) -> None:
    """Draw a contact sheet of SOURCE with outlines and senses to TARGET.png.

    SOURCE is a folder, the name or .toml file of a suite, or a .toml file that holds a recipe alone. --by level draws
    generated photographs of the same numbers at every level of difficulty.
    """
    from .data import contact_sheet, grouped_sheet  # noqa: PLC0415
    from .run.showing import open_shown  # noqa: PLC0415

    shown, plain = open_shown(source, folder), said["plain"]
    if by is None:
        limit = said["limit"] or 48
        contact_sheet(shown.first(limit), target, limit=limit, plain=plain)
    else:
        grouped_sheet(shown.by(by, said["limit"] or 12), target, plain=plain)
    click.echo(f"Contact sheet: {target}", err=True)


@data.command()
@click.argument("suite")
@click.argument("target", type=PATH)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many photographs.")
def export(suite: str, target: Path, limit: int | None) -> None:
    """Write the photographs of a generated SUITE to the folder TARGET, for use in other tools.

    TARGET gets images, masks of parts and instances as PNG, annotations.json (COCO), split.csv, and README.txt, which
    says what the numbers mean.
    """
    from .data import export_coco, write_split  # noqa: PLC0415
    from .errors import UsageError  # noqa: PLC0415
    from .run.showing import open_shown  # noqa: PLC0415
    from .suite import GeneratedData, load_suite  # noqa: PLC0415

    chosen = load_suite(suite)
    if not isinstance(chosen.data, GeneratedData):
        raise UsageError(f"{suite}: only generated photographs are exported; the others are yours already.")
    if (target / "annotations.json").exists():  # before minutes of rendering
        raise UsageError(f"{target}: holds annotations.json already; export into an empty folder.")
    photographs = open_shown(suite).first(limit)
    export_coco(photographs, target)
    write_split(chosen.folds.only({photo.id for photo in photographs}), target / "split.csv")
    click.echo(f"Exported to {target}", err=True)

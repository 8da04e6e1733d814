"""``orbit eval``: figures for the quality of a collection's answers."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orbit.cli.shared.options import json_option
from orbit.cli.shared.outcome import SHOWN
from orbit.cli.shared.printing import counting, print_json, print_table

if TYPE_CHECKING:
    from orbit.evaluation import Asked, EvalQuestion
    from orbit.evaluation.figures import Judged
    from orbit.host.host import OrbitHost

    Run = tuple[str, Sequence[Asked], Judged]

_FLOOR = re.compile(r"([^=<>]+)=([0-9.]+)")
SEARCHING = ("embed", "retrieve", "rerank", "list_collections", "list_sources")
"""The hooks that measuring without answers needs."""
_CONFIGURATIONS = 2
"""Configurations that can be compared at once."""


@click.command("eval")
@click.argument("collection")
@click.option("--questions", "path", type=click.Path(dir_okay=False, path_type=Path), help="Questions, as JSON lines.")
@click.option("--answers", is_flag=True, help="Have the model answer, too. Without it, only searching is measured.")
@click.option(
    "--config", "configs", multiple=True, metavar="FILE", help="Configuration file; a second one is compared with it."
)
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a report with every question.")
@click.option("--floor", "floors", multiple=True, metavar="MEASURE=VALUE", help="Exit with 1 if a mean is worse.")
@click.option("--generate", "wanted", type=click.IntRange(min=1), metavar="N", help="Have the model write N questions.")
@json_option
def evaluate(
    collection: str,
    path: Path | None,
    configs: tuple[str, ...],
    html: Path | None,
    floors: tuple[str, ...],
    wanted: int | None,
    *,
    answers: bool,
    as_json: bool,
) -> None:
    """Measure how well a collection answers a list of questions.

    Each line of FILE is {"question": ..., "sources": [...], "facts": [...]}, or {"question": ..., "answerable": false}
    for one that the documents do not answer. "text" (words of the right passage) and "language" are optional. Lines of
    the chat log will do as well; they show times and how often nothing was found.

    With --generate, the model writes such a list, on standard output or to the file of --questions.
    """
    from orbit.errors import OrbitError

    if len(configs) > _CONFIGURATIONS:
        raise click.UsageError("--config can be given twice at most.")
    least = _floors(floors)
    if html:
        _require_writable("--html", html)
    try:
        if wanted:
            _generate(collection, wanted, configs[0] if configs else None, path)
            return
        if path is None:
            raise click.UsageError("--questions FILE is needed (or --generate N, to have one written).")
        runs = _runs(collection, path, configs or (None,), answers=answers)
        if html:
            from orbit.evaluation import page

            html.parent.mkdir(parents=True, exist_ok=True)
            html.write_text(page(collection, runs), "utf-8")
    except OrbitError as error:
        raise click.ClickException(str(error)) from error
    _show(runs, as_json=as_json)
    if below := _below(runs, least):
        click.echo("\n".join(below), err=True)
        sys.exit(1)
    if all(measures["failed"] for _, _, judged in runs for measures in judged):
        sys.exit(1)


eval = evaluate  # noqa: A001  # a command has the name of its module


def _floors(floors: Sequence[str]) -> dict[str, float]:
    from orbit.evaluation import NAMES

    least = {}
    for floor in floors:
        match = _FLOOR.fullmatch(floor)
        if match is None or match[1] not in NAMES:
            raise click.UsageError(f"--floor {floor}: write MEASURE=VALUE. Measures: {', '.join(NAMES)}.")
        try:
            least[match[1]] = float(match[2])
        except ValueError as error:
            raise click.UsageError(f"--floor {floor}: {match[2]} is no number.") from error
    return least


def _require_writable(option: str, path: Path) -> None:
    """Raise ClickException before the work if its result could not be written. Missing folders are made."""
    from orbit.config.folders import file_problems

    for problem in file_problems(option, path):
        raise click.ClickException(str(problem))


def _runs(collection: str, path: Path, configs: Sequence[str | None], *, answers: bool) -> list[Run]:
    from orbit.evaluation import judge, read_questions

    try:
        questions = read_questions(path)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be read: {error.strerror}.") from error
    if all(question.labelled is None for question in questions):
        fields = '"sources", "text", "facts" or "answerable"'
        click.echo(f"Note: no question of {path} says what is right ({fields}), so only times are measured.", err=True)
    runs: list[Run] = []
    for config in configs:
        asked = asyncio.run(_ask(collection, questions, config, answers=answers))
        runs.append((Path(config).name if config else "configuration", asked, judge(asked)))
    return runs


async def _ask(collection: str, questions: Sequence[EvalQuestion], config: str | None, *, answers: bool) -> list[Asked]:
    from orbit.evaluation import ask_all
    from orbit.host.host import OrbitHost
    from orbit.types import CallContext

    host = OrbitHost.from_file(config, needed=SEARCHING if not answers else None)
    async with host:
        await require_collection(host, collection)
        context = CallContext("orbit-eval", client_name="orbit eval", collection=collection)
        _warn_of_unknown(questions, collection, await host.list_sources(collection, context))
        with counting("Asking", len(questions)) as progress:
            return await ask_all(host, questions, collection, answers=answers, progress=progress)


def _warn_of_unknown(questions: Sequence[EvalQuestion], collection: str, known: Iterable[str]) -> None:
    """Name right sources that no document has: their questions could only count as not found."""
    from orbit.config.convert import suggest
    from orbit.sanitize import printable

    names = sorted(known)
    unknown = list(dict.fromkeys(source for one in questions for source in one.sources if source not in names))
    for source in unknown[:SHOWN]:
        below = next((name for name in names if name.endswith(f"/{source}")), "")
        meant = f" Did you mean '{below}'?" if below else suggest(source, names)
        click.echo(f"Warning: {printable(f'{collection} has no document {source!r}.{meant}')}", err=True)
    if unknown:
        click.echo(f"In all {len(unknown)}. All names: orbit collections documents {collection}", err=True)


async def require_collection(host: OrbitHost, collection: str) -> None:
    """Raise OrbitError if no store has a collection."""
    from orbit.errors import OrbitError
    from orbit.types import CallContext

    known = [item.name for item in await host.list_collections(CallContext("orbit-eval"))]
    if collection not in known:
        names = ", ".join(sorted(known)) or "none"
        raise OrbitError(f"there is no collection '{collection}'. Collections: {names}.")


def _generate(collection: str, wanted: int, config: str | None, path: Path | None) -> None:
    import msgspec

    from orbit.evaluation import write_questions
    from orbit.host.host import OrbitHost

    if path is not None:
        if path.exists():
            raise click.ClickException(f"{path} exists; name another file.")
        _require_writable("--questions", path)

    async def write() -> list[EvalQuestion]:
        host = OrbitHost.from_file(config)
        async with host:
            with counting("Writing", wanted) as progress:
                return await write_questions(host, collection, wanted, progress)

    questions = asyncio.run(write())
    lines = b"".join(msgspec.json.encode(question) + b"\n" for question in questions)
    if path is None:
        click.echo(lines.decode(), nl=False)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(lines)
    why = (
        "Read them: a model's questions are drafts."
        if questions
        else "None of the model's answers was a question with a fact of the passage; a larger model writes better ones."
    )
    click.echo(f"{len(questions)} of {wanted} questions written. {why}", err=True)
    if not questions:
        sys.exit(1)


def _show(runs: Sequence[Run], *, as_json: bool) -> None:
    from orbit.evaluation import NAMES, figures, groups, rows
    from orbit.evaluation.page import shown

    measures = rows([judged for _, _, judged in runs])
    differences = [row.difference for row in measures if row.difference]
    if as_json:
        by_run = [
            {
                "name": name,
                "figures": figures(judged),
                "languages": groups([one.question for one in asked], judged, lambda one: one.language),
            }
            for name, asked, judged in runs
        ]
        print_json({"runs": by_run, "differences": differences})
        return
    table = []
    for row in measures:
        cells = [row.name, *map(shown, row.figures)]
        if differences:
            one = row.difference
            cells.append(f"{one.mean:+.3g} ({one.low:+.3g} to {one.high:+.3g})" if one else "")
        table.append([*cells, str(row.questions), NAMES[row.name]])
    difference = ["difference (95 %)"] if differences else []
    print_table(["measure", *(name for name, _, _ in runs), *difference, "questions", "meaning"], table, empty="")
    errors = [one.error for _, asked, _ in runs for one in asked if one.error]
    if errors:
        click.echo(f"{len(errors)} failed, the first with: {errors[0]}", err=True)


def _below(runs: Sequence[Run], least: dict[str, float]) -> list[str]:
    from orbit.evaluation import LOWER_IS_BETTER, figures

    lines = []
    for name, _, judged in runs:
        means = {figure.name: figure.mean for figure in figures(judged)}
        for measure, value in least.items():
            if measure not in means:
                lines.append(f"{name}: {measure} could not be measured; no question of the file has what it needs.")
            elif measure in LOWER_IS_BETTER and means[measure] > value:
                lines.append(f"{name}: {measure} is {means[measure]:.3f}, above {value:g}.")
            elif measure not in LOWER_IS_BETTER and means[measure] < value:
                lines.append(f"{name}: {measure} is {means[measure]:.3f}, below {value:g}.")
    return lines

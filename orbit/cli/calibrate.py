"""``orbit calibrate``: a threshold for a collection, from its own passages or a list of questions."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orbit.cli.shared.options import config_option, json_option
from orbit.cli.shared.printing import counting, print_json, print_table

if TYPE_CHECKING:
    from orbit.evaluation import EvalQuestion, Proposal

_FEW = 10
"""With fewer questions of a kind, the proposal comes with a warning."""


@click.command()
@click.argument("collection")
@click.option("--questions", "path", type=click.Path(dir_okay=False, path_type=Path), help="Questions, as JSON lines.")
@config_option
@json_option
def calibrate(collection: str, path: Path | None, config_path: str | None, *, as_json: bool) -> None:
    """Propose a threshold: below it, an answer says that nothing was found.

    FILE has the format of `orbit eval`: questions that the collection answers, and some with "answerable": false. Where
    the file has none of a kind, or without a file, headings of passages stand for questions that the collection
    answers, and questions about general things for others. Real questions give a better threshold.
    """
    from orbit.errors import OrbitError
    from orbit.evaluation import read_questions

    try:
        questions = read_questions(path) if path else []
        proposal = asyncio.run(_propose(collection, questions, config_path))
    except OSError as error:
        raise click.ClickException(f"{path} cannot be read: {error.strerror}.") from error
    except OrbitError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        print_json(proposal)
        return
    rows = [
        [
            f"{one.threshold:g}",
            f"{one.refused:.2f}",
            f"{one.lost:.2f}",
            "proposed" * (one.threshold == proposal.threshold),
        ]
        for one in proposal.curve
    ]
    print_table(["threshold", "refused of others", "lost of answerable", ""], rows, empty="")
    kind = f"{'heading' if proposal.drafted else 'question'}{'s' * (proposal.answerable != 1)}"
    kind += " of passages" if proposal.drafted else " that it answers"
    others = f"{proposal.others} question{'s' * (proposal.others != 1)}"
    click.echo(
        f"\nFrom {proposal.answerable} {kind} and {others} about something else. In config.yaml:\n\n"
        f'retrieval:\n  thresholds:\n    "{collection}": {proposal.threshold:g}'
    )
    if min(proposal.answerable, proposal.others) < _FEW:
        click.echo(
            "\nThese are too few for a threshold that you can rely on: it may refuse what the collection answers. "
            f"Give {_FEW} questions or more of each kind: --questions FILE.",
            err=True,
        )


async def _propose(collection: str, questions: list[EvalQuestion], config_path: str | None) -> Proposal:
    from orbit.cli.eval import SEARCHING, require_collection
    from orbit.evaluation import calibrate as proposed
    from orbit.host.host import OrbitHost

    async with OrbitHost.from_file(config_path, needed=SEARCHING) as host:
        await require_collection(host, collection)
        with counting("Searching") as progress:
            return await proposed(host, collection, questions, progress)

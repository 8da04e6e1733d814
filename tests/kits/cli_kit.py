"""What the tests of `orbit keys` and `orbit prompts` share."""

import asyncio
import json

from click.testing import CliRunner

from orbit.auth.keys import Authenticator
from orbit.cli import orbit as orbit_command
from orbit.database.sqlite import SqliteDatabase
from orbit.errors import Unauthorized


def runner(*where):
    def run(*arguments, code=0, stdin=None):
        result = CliRunner().invoke(orbit_command, [*arguments, *where], input=stdin)
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return run


def create(orbit, *arguments):
    return json.loads(orbit("keys", "create", "--name", "Ana", *arguments, "--json").stdout)


def works(tmp_path, secret):
    async def check():
        async with SqliteDatabase(tmp_path / "data" / "orbit.db") as database:
            try:
                return await Authenticator(database).authenticate(secret)
            except Unauthorized:
                return None

    return asyncio.run(check())


def make_prompt(orbit, tmp_path, name="guide", text="Be kind.", *more):
    file = tmp_path / f"{name}.txt"
    file.write_text(text)
    return json.loads(orbit("prompts", "create", "--name", name, "--file", str(file), *more, "--json").stdout)

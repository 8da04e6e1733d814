"""``orbit logs replay`` with a server running."""

import asyncio
import json

from click.testing import CliRunner
from elasticsearch_kit import eventually, logging_to, numbers, record

from orbit.cli.logs import logs


async def test_what_is_missing_is_sent_again(tmp_path, wire):
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"logging": {"file": {"directory": str(tmp_path / "logs")}}}))
    async with logging_to(tmp_path / "logs", wire.url) as (files, _):
        for number in range(10):
            await files.log(record(number))
        await eventually(lambda: len(wire.arrivals) == 10)
        (index,) = wire.indices.values()
        for identity in wire.arrivals[3:6]:
            del index.documents[identity]
        result = await asyncio.to_thread(
            CliRunner().invoke, logs, ["replay", "--since", "1h", "--config", str(config)], catch_exceptions=False
        )
    assert result.output == "3 records sent, 7 already there.\n"
    assert sorted({document["request_id"] for document in wire.all_documents()}) == numbers(10)

"""``sync``: a connector's new, changed and deleted files, in a real store."""

import asyncio

import pytest

import orbit
from orbit import CallContext, Fetched, Query
from orbit.documents import FetchedFiles, Memory, Options, Origins, ingest_paths, sync
from orbit.errors import ConfigError
from orbit.host.documents.connectors import fetched
from orbit.testing.hosting import make_host

CONTEXT = CallContext("sync")


class Shelf(orbit.Provider):
    """Gives the files that the test puts here; counts what it hands out in full."""

    files: dict[str, tuple[str, bytes]]
    problems: dict[str, str]
    failure: Exception | None
    handed: list[str]
    empties = False

    @orbit.hookimpl
    async def fetch(self, known, limit):
        for name, (version, content) in self.files.items():
            held = known.pop(name, "") if self.empties else known.get(name)
            if name in self.problems:
                yield Fetched(name, problem=self.problems[name])
            elif version and held == version:
                yield Fetched(name, version=version)
            elif len(content) > limit:
                yield Fetched(name, version=version, problem="is too large")
            else:
                self.handed.append(name)
                yield Fetched(name, content, version, f"https://shelf.example/{name}")
        if self.failure is not None:
            raise self.failure


class World:
    def __init__(self, folder, **sections):
        self.host = make_host(
            {"echo": {}, "lexical": {}, "shelf": {}, "ingest": {"readers": 1}, **sections}, folder, {"shelf": Shelf}
        )
        shelf = self.host.registry["shelf"]
        assert isinstance(shelf, Shelf)
        self.shelf = shelf
        self.shelf.files, self.shelf.problems, self.shelf.failure, self.shelf.empties = {}, {}, None, False
        database = folder / "ingested.db"
        self.memory = Memory(FetchedFiles(database), Origins(database))

    async def sync(self):
        """Run the connector and return the outcome and the names of the files that it handed out."""
        self.shelf.handed = []
        work = (self.host, "shelf", "docs", lambda known: self.host.fetch("shelf", known, CONTEXT))
        options = Options(plugins=self.host.file_plugins)
        outcome = await sync(*work, self.host.config.host.ingest, CONTEXT, self.memory, options)
        return outcome, self.shelf.handed

    async def sources(self):
        return set(await self.host.list_sources("docs", CONTEXT))

    async def find(self, words):
        retrieve = self.host.registry.caller("retrieve", "lexical")
        return await retrieve(query=Query(words, "docs"), limit=5, context=CONTEXT)


@pytest.fixture
def run(tmp_path):
    def started(scene, **sections):
        async def play():
            world = World(tmp_path / "data", **sections)
            async with world.host:
                await scene(world)

        asyncio.run(play())

    return started


def test_new_changed_unchanged_and_deleted_files(run):
    async def scene(world):
        world.shelf.files = {"a.md": ("1", b"apples are red"), "b/c.md": ("1", b"cherries"), "d.txt": ("", b"dates")}
        outcome, handed = await world.sync()
        assert (set(outcome.summary.added), outcome.incomplete) == ({"shelf/a.md", "shelf/b/c.md", "shelf/d.txt"}, "")
        [apple] = await world.find("apples")
        assert (apple.source, apple.link) == ("shelf/a.md", "https://shelf.example/a.md")

        outcome, handed = await world.sync()
        assert (handed, len(outcome.summary.unchanged)) == (["d.txt"], 3)  # without a version, the content decides

        world.shelf.files = {"a.md": ("2", b"apricots"), "d.txt": ("", b"dates")}
        outcome, handed = await world.sync()
        assert (handed, outcome.summary.updated) == (["a.md", "d.txt"], ("shelf/a.md",))
        assert [removed.source for removed in outcome.summary.removed] == ["shelf/b/c.md"]
        assert await world.sources() == {"shelf/a.md", "shelf/d.txt"}
        assert not await world.find("cherries")

    run(scene)


@pytest.mark.parametrize(
    "failure", [orbit.ProviderError("the second page is missing"), OSError("cut"), TimeoutError()], ids=repr
)
def test_a_failed_listing_deletes_nothing_and_keeps_what_came(run, failure):
    async def scene(world):
        world.shelf.files = {"a.md": ("1", b"apples"), "b.md": ("1", b"berries")}
        await world.sync()
        world.shelf.files, world.shelf.failure = {"c.md": ("1", b"cherries")}, failure
        outcome, _ = await world.sync()
        assert outcome.incomplete.startswith("shelf.fetch: ") or "shelf" in outcome.incomplete
        assert (outcome.summary.added, outcome.summary.removed) == (("shelf/c.md",), ())
        assert await world.sources() == {"shelf/a.md", "shelf/b.md", "shelf/c.md"}

        world.shelf.files |= {"a.md": ("1", b"apples")}
        world.shelf.failure = None
        outcome, handed = await world.sync()
        assert handed == []  # what was known before the failure is known after it
        assert [removed.source for removed in outcome.summary.removed] == ["shelf/b.md"]

    run(scene)


def test_an_empty_listing_deletes_nothing(run):
    async def scene(world):
        world.shelf.files = {"a.md": ("1", b"apples")}
        await world.sync()
        world.shelf.files = {}
        outcome, _ = await world.sync()
        assert [kept.source for kept in outcome.summary.kept] == ["shelf/a.md"]
        assert await world.sources() == {"shelf/a.md"}

    run(scene)


def test_a_file_that_cannot_be_fetched_now_goes_on_answering(run):
    async def scene(world):
        world.shelf.files = {"a.md": ("1", b"apples"), "b.md": ("1", b"berries")}
        await world.sync()
        world.shelf.problems = {"a.md": "is locked"}
        outcome, _ = await world.sync()
        assert [(kept.source, kept.reason) for kept in outcome.summary.kept] == [("shelf/a.md", "is locked")]
        assert "shelf/a.md" in await world.sources()

    run(scene)


def test_a_file_that_no_reader_takes_is_fetched_once(run):
    async def scene(world):
        world.shelf.files = {"a.exe": ("1", b"MZ"), "b.md": ("1", b"berries")}
        for expected in (["a.exe", "b.md"], []):
            outcome, handed = await world.sync()
            assert handed == expected
            assert [skipped.source for skipped in outcome.summary.skipped] == ["shelf/a.exe"]

    run(scene)


def test_a_lost_collection_and_other_sizes_are_fetched_again(run):
    async def scene(world):
        world.shelf.files = {"a.md": ("1", b"apples")}
        await world.sync()
        await world.host.drop("docs", CONTEXT)
        _, handed = await world.sync()
        assert handed == ["a.md"]

    async def other_sizes(world):
        world.shelf.files = {"a.md": ("1", b"apples")}
        _, handed = await world.sync()
        assert handed == ["a.md"]

    run(scene)
    run(other_sizes, ingest={"chunk_size": 200})


def test_files_that_others_added_stay(run, tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "note.md").write_text("a note of mine")

    async def scene(world):
        settings = world.host.config.host.ingest
        await ingest_paths(world.host, "docs", [tmp_path / "own"], settings, CONTEXT)
        world.shelf.files = {"a.md": ("1", b"apples")}
        outcome, _ = await world.sync()
        assert not outcome.summary.removed
        assert await world.sources() == {"shelf/a.md", "note.md"}

    run(scene)


def test_files_of_a_wrong_kind_are_refused(run):
    async def scene(world):
        world.shelf.files = {"a.md": ("1", b"apples"), "b.md": ("1", b"berries")}
        await world.sync()
        outcome = await sync(
            world.host,
            "shelf",
            "docs",
            lambda known: _wrong(world, known),
            world.host.config.host.ingest,
            CONTEXT,
            world.memory,
            Options(),
        )
        assert "instead of Fetched" in outcome.incomplete
        assert len(await world.sources()) == 2

    run(scene)


def _wrong(world, known):
    async def caller(**_):
        yield "a.md"

    return fetched("shelf", caller, known, 10, CONTEXT, 5.0)


def test_the_deadline_is_for_each_file(run):
    async def slow(**_):
        yield Fetched("a.md", b"apples")
        await asyncio.sleep(1000)

    async def scene(world):
        work = (world.host, "shelf", "docs", lambda known: fetched("shelf", slow, known, 10, CONTEXT, 0.3))
        outcome = await sync(*work, world.host.config.host.ingest, CONTEXT, world.memory, Options())
        assert "no answer within 0.3 s" in outcome.incomplete
        assert await world.sources() == {"shelf/a.md"}

    run(scene)


def test_a_name_in_the_settings_that_is_no_connector_is_a_problem(tmp_path):
    host = make_host({"echo": {}, "shelf": {}, "sync": {"collections": {"shelv": "docs"}}}, tmp_path, {"shelf": Shelf})
    with pytest.raises(ConfigError, match=r"sync.collections.shelv: 'shelv' is no connector. Did you mean 'shelf'"):
        host.raise_problems()


@pytest.mark.parametrize(
    ("sections", "path"),
    [
        ({"shelf": {}, "sync": {"collections": {"shelf": "my docs"}}}, "sync.collections.shelf"),
        ({"shelf": {}, "sync": {"collections": {"shelf": "guide.next"}}}, "sync.collections.shelf"),
        ({"my files": {"use": "shelf"}}, "sync.collections.my files"),
        ({"lexical": {"collection": "my docs"}}, "lexical.collection"),
    ],
)
def test_a_collection_that_nothing_can_be_written_into_is_a_problem(tmp_path, sections, path):
    host = make_host({"echo": {}, **sections}, tmp_path, {"shelf": Shelf})
    with pytest.raises(ConfigError, match=rf"{path}: .* cannot name a collection"):
        host.raise_problems()


def test_a_connector_that_changes_what_is_known_loses_nothing(run):
    async def scene(world):
        world.shelf.files = {"a.md": ("1", b"Plums are ripe."), "b.md": ("1", b"Pears are not.")}
        await world.sync()
        world.shelf.empties = True
        outcome, _ = await world.sync()
        assert not outcome.summary.skipped
        assert await world.sources() == {"shelf/a.md", "shelf/b.md"}

    run(scene)

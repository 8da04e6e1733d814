"""``orbit sync`` with a web site: what is fetched, under which name, and what happens when it changes or fails."""

import msgspec
import pytest
from orbit_web import crawl
from site_wire import Page, html, site

from orbit import CallContext, Query
from orbit.documents import Memory, Options, sync
from orbit.errors import ConfigError
from orbit.testing.hosting import make_host

CONTEXT = CallContext("sync")


class World:
    def __init__(self, data, served, settings):
        section = {"start": [f"{served.url}/"], "private": True, "delay": 0, **settings}
        self.data, self.served = data, served
        self.host = make_host({"echo": {}, "lexical": {}, "web": section, "ingest": {"readers": 1}}, data)
        self.root = f"web/{served.url.removeprefix('http://')}"

    async def run(self):
        """Return the outcome of one run, and forget what was asked before it."""
        self.served.asked.clear()
        self.served.sent.clear()
        work = (self.host, "web", "docs", lambda known: self.host.fetch("web", known, CONTEXT))
        options = Options(plugins=self.host.file_plugins)
        return await sync(*work, self.host.config.host.ingest, CONTEXT, Memory.of(self.data), options)

    async def names(self):
        """Return the sources, without the site's address."""
        return {source.removeprefix(f"{self.root}/") for source in await self.host.list_sources("docs", CONTEXT)}

    def named(self, reasoned):
        return {one.source.removeprefix(f"{self.root}/"): one.reason for one in reasoned}


@pytest.fixture
def crawled(tmp_path):
    """Runs the connector once: gives the outcome, the names of what it fetched, and the world for further runs."""

    async def crawled_once(pages, scene=None, **settings):
        with site(pages) as served:
            world = World(tmp_path / "data", served, settings)
            async with world.host:
                outcome = await world.run()
                if scene is not None:
                    await scene(world)
                return outcome, await world.names()

    return crawled_once


async def test_pages_and_documents_are_found_by_links(crawled):
    pages = {
        "/": html(
            "Start of the site", "tea", "/docs/", "/plan.pdf?utm_source=x#page=2", "/logo.png", "http://other.example/"
        ),
        "/tea": html("Tea is steeped.", "/", "/deep?id=5&sid=abc", "mailto:a@b", "javascript:x()"),
        "/deep?id=5": html("Deep water."),
        "/docs/": html("All documents", "report", "list.csv"),
        "/docs/report": Page(b"%PDF-1.4", "application/pdf"),
        "/docs/list.csv": Page(b"Name,Fee\nAnn,3\n", "application/octet-stream"),
        "/plan.pdf": Page(b"%PDF-1.4", "application/pdf"),
    }

    async def scene(world):
        assert "/logo.png" not in world.served.asked
        assert world.served.agents == {"ORBIT"}
        [found] = await world.host.registry.caller("retrieve", "lexical")(
            query=Query("steeped", "docs"), limit=3, context=CONTEXT
        )
        assert (found.source, found.link) == (f"{world.root}/tea.html", f"{world.served.url}/tea")

    outcome, names = await crawled(pages, scene)
    assert outcome.incomplete == ""
    assert names == {"index.html", "tea.html", "deep?id=5.html", "docs/index.html", "docs/list.csv"}
    assert {one.source.rpartition("/")[2] for one in outcome.summary.skipped} == {"report.pdf", "plan.pdf"}


async def test_unchanged_pages_are_not_sent_again_and_their_links_are_known(crawled):
    async def scene(world):
        outcome = await world.run()
        assert (world.served.sent, len(outcome.summary.unchanged)) == ([], 3)
        assert await world.names() == {"index.html", "a.html", "b.html"}
        world.served.pages["/a"] = html("Apples, and more of them", "/c")
        world.served.pages["/c"] = html("Cherries")
        outcome = await world.run()
        assert world.served.sent == ["/a", "/c"]
        assert await world.names() == {"index.html", "a.html", "c.html"}
        assert set(world.named(outcome.summary.removed)) == {"b.html"}
        (world.data / "web" / "web.json").unlink()
        outcome = await world.run()
        assert len(outcome.summary.unchanged) == 3

    pages = {"/": html("Start", "/a"), "/a": html("Apples", "/b"), "/b": html("Berries")}
    await crawled(pages, scene, sitemaps=False)


async def test_a_date_serves_where_there_is_no_etag(crawled):
    dated = {"Last-Modified": "Sun, 01 Nov 2026 10:00:00 GMT"}
    pages = {"/": Page(b"<p>Dated", tagged=False, headers=dated), "/robots.txt": Page(b"", "text/plain")}

    async def scene(world):
        assert len((await world.run()).summary.unchanged) == 1

    await crawled(pages, scene)


async def test_sitemaps_of_every_form(crawled):
    maps = b"<sitemapindex><sitemap><loc>{site}/one.xml.gz</loc></sitemap><sitemap><loc>{site}/maps.xml</loc></sitemap>"
    one = b"<x:urlset xmlns:x='x'><x:url><x:loc>{site}/a#x</x:loc></x:url><x:url><x:loc>http://other.example/</x:loc></x:url>"
    pages = {
        "/": html("Start", "/d"),
        **{f"/{name}": html(f"Page {name}") for name in "abcd"},
        "/robots.txt": Page(b"Sitemap: {site}/maps.xml\nsitemap: {site}/list.txt", "text/plain"),
        "/maps.xml": Page(maps + b"</sitemapindex>", "application/xml"),
        "/one.xml.gz": Page(one + b"<broken", "application/gzip", zipped=True),
        "/list.txt": Page(b"{site}/b\n", "text/plain"),
    }
    _, names = await crawled(pages, links=False)
    assert names == {"index.html", "a.html", "b.html"}


async def test_robots_are_obeyed(crawled):
    pages = {
        "/": html("Start", "/private/a", "/open", "/noindex", "/nofollow", "/header"),
        "/open": html("Open"),
        "/private/a": html("Private"),
        "/noindex": html("Not for an index", "/behind", head="<meta name=Robots content='NOINDEX'>"),
        "/behind": html("Behind"),
        "/nofollow": html("No links", "/hidden", head="<meta name=robots content=nofollow>"),
        "/hidden": html("Hidden"),
        "/header": Page(b"<p>By header", headers={"X-Robots-Tag": "none"}),
        "/robots.txt": Page(b"User-agent: orbit\nDisallow: /private/\nUser-agent: *\nDisallow: /", "text/plain"),
    }
    _, names = await crawled(pages)
    assert names == {"index.html", "open.html", "behind.html", "nofollow.html"}


async def test_robots_may_be_ignored_on_ones_own_site(crawled):
    pages = {
        "/": html("Start", "/a"),
        "/a": html("A"),
        "/robots.txt": Page(b"User-agent: *\nDisallow: /", "text/plain"),
    }
    _, names = await crawled(pages)
    assert names == set()
    _, names = await crawled(pages, robots=False)
    assert names == {"index.html", "a.html"}


async def test_canonical_addresses_and_redirects_within_the_site(crawled):
    def canonical(to):
        return f"<link rel=canonical href='{to}'>"

    pages = {
        "/": html("Start", "/alias", "/moved", "/out", "/circle1", "/lost", "/self", "/loop"),
        "/alias": html("The right page", head=canonical("/right")),
        "/right": html("The right page", head=canonical("/right")),
        "/moved": Page(moved="/target?utm_medium=x"),
        "/target": html("Target"),
        "/out": Page(moved="http://other.example/"),
        "/circle1": html("Circle one", head=canonical("/circle2")),
        "/circle2": html("Circle two", head=canonical("/circle1")),
        "/lost": html("Its canonical address is gone", head=canonical("/nowhere")),
        "/self": html("Elsewhere", head=canonical("http://other.example/self")),
        "/loop": Page(moved="/loop"),
    }

    async def scene(world):
        """An endless redirect keeps nothing that is gone, unless the collection holds the page."""
        del world.served.pages["/target"]
        world.served.pages["/right"] = Page(moved="/right")
        assert world.named((await world.run()).summary.removed) == {"target.html": "is no longer there"}
        assert "right.html" in await world.names()

    outcome, names = await crawled(pages, scene, sitemaps=False)
    assert outcome.incomplete == ""
    assert names == {"index.html", "right.html", "circle2.html", "lost.html", "self.html"}
    assert [one.reason for one in outcome.summary.skipped] == ["redirects again and again"]


async def test_a_start_page_may_redirect_to_another_host(tmp_path, crawled):
    with site({"/": html("On the other host", "/more"), "/more": html("More")}) as other:
        outcome, _ = await crawled({"/": Page(moved=f"{other.url}/")})
    assert outcome.incomplete == ""
    assert {source.rpartition("/")[2] for source in outcome.summary.added} == {"index.html", "more.html"}


async def test_limits(crawled):
    chain = {f"/{n}": html(f"Page {n}", f"/{n + 1}") for n in range(6)} | {"/": html("Start", "/0")}
    _, names = await crawled(chain, max_depth=3)
    assert names == {"index.html", "0.html", "1.html", "2.html"}
    outcome, _ = await crawled(chain, max_pages=5)
    assert "has more than 5 pages (max_pages)" in outcome.incomplete
    assert len(outcome.summary.added) == 5
    outcome, _ = await crawled(chain, max_total_bytes=300)
    assert "(max_total_bytes)" in outcome.incomplete


async def test_endless_variants_of_a_page_end(crawled, monkeypatch):
    monkeypatch.setattr(crawl, "_MOST_VARIANTS", 3)
    days = {f"/day?d={n}": html(f"Day {n}", f"/day?d={n + 1}") for n in range(9)}
    outcome, names = await crawled({"/": html("Start", "/day?d=0"), **days})
    assert (outcome.incomplete, len(names)) == ("", 4)


async def test_patterns(crawled):
    pages = {
        "/": html("Start", "/docs/a", "/docs/old/b", "/c"),
        "/docs/a": html("A"),
        "/docs/old/b": html("B"),
        "/c": html("C"),
    }
    _, names = await crawled(pages, include=["/docs/*"], exclude=["*/old/*"])
    assert names == {"index.html", "docs/a.html"}


async def test_what_fails_now_stays_and_what_is_gone_goes(crawled):
    async def scene(world):
        world.served.pages["/a"] = Page(b"oops", status=500)
        del world.served.pages["/b"]
        world.served.pages["/c"] = Page(status=403)
        outcome = await world.run()
        assert outcome.incomplete == ""
        assert world.named(outcome.summary.kept) == {
            "a.html": "answers with status 500",
            "c.html": "answers with status 403",
        }
        assert set(world.named(outcome.summary.removed)) == {"b.html"}
        assert await world.names() == {"index.html", "a.html", "behind.html", "c.html"}

    pages = {
        "/": html("Start", "/a", "/b", "/c", "/forbidden"),
        "/a": html("A", "/behind"),
        "/behind": html("Behind"),
        "/b": html("B"),
        "/c": html("C"),
        "/forbidden": Page(status=401),
    }
    await crawled(pages, scene, sitemaps=False)


async def test_if_links_may_be_missing_nothing_is_removed(crawled):
    async def scene(world):
        world.served.pages["/"] = html("Start, changed", "/new")
        world.served.pages["/new"] = Page(status=500)
        outcome = await world.run()
        assert "what it links to is unknown" in outcome.incomplete
        assert await world.names() == {"index.html", "a.html"}

    await crawled({"/": html("Start", "/a"), "/a": html("A")}, scene)


@pytest.mark.parametrize(
    ("pages", "sentence"),
    [
        ({}, "does not exist"),
        ({"/": Page(status=500)}, "answers with status 500"),
        ({"/": Page(b"x", "image/png")}, "is of the type image/png"),
        ({"/": html("x"), "/robots.txt": Page(status=500)}, "robots.txt answers with status 500"),
        ({"/": html("x"), "/sitemap.xml": Page(status=500)}, "/sitemap.xml answers with status 500"),
    ],
)
async def test_a_site_that_is_away_is_named(crawled, pages, sentence):
    outcome, _ = await crawled(pages)
    assert sentence in outcome.incomplete


async def test_private_addresses_are_refused(crawled):
    outcome, names = await crawled({"/": html("Start")}, private=False)
    assert "is at a private address (127.0.0.1" in outcome.incomplete
    assert names == set()


async def test_large_pages_keep_their_links(crawled):
    pages = {"/": html("word " * 2_000, "/a"), "/a": html("A")}

    async def scene(world):
        small = msgspec.structs.replace(world.host.config.host.ingest, max_file_bytes=100)
        work = (world.host, "web", "small", lambda known: world.host.fetch("web", known, CONTEXT))
        outcome = await sync(*work, small, CONTEXT, Memory.of(world.data), Options())
        assert "is larger than 100 bytes" in outcome.summary.skipped[0].reason

    _, names = await crawled(pages, scene)
    assert names == {"index.html", "a.html"}


async def test_the_encoding_that_only_the_server_names(crawled):
    pages = {"/": Page("<p>Цена: пять рублей".encode("koi8-r"), "text/html; charset=KOI8-R")}

    async def scene(world):
        assert await world.host.registry.caller("retrieve", "lexical")(
            query=Query("рублей", "docs"), limit=1, context=CONTEXT
        )

    outcome, _ = await crawled(pages, scene)
    assert outcome.summary.warnings == ()


@pytest.mark.parametrize("charset", ["undefined", "unicode_escape", "no-such-thing"])
async def test_a_server_that_names_no_encoding_of_pages_loses_nothing(crawled, charset):
    page = "<p>Fünf Übungen, \\ud800".encode("latin-1")

    async def scene(world):
        assert await world.host.registry.caller("retrieve", "lexical")(
            query=Query("Übungen", "docs"), limit=1, context=CONTEXT
        )

    outcome, _ = await crawled({"/": Page(page, f"text/html; charset={charset}")}, scene)
    assert outcome.incomplete == ""


async def test_headers_go_to_the_site_alone(crawled):
    with site({"/": html("Elsewhere")}) as other:
        with_token = {"/": html("Start", "/a"), "/a": Page(moved=f"{other.url}/")}

        async def scene(world):
            assert world.served.tokens == {"Bearer s3cret"}

        await crawled(with_token, scene, headers={"Authorization": "Bearer s3cret"})
        assert other.asked == []


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"start": []}, "start is missing"),
        ({"start": ["www.example.org"]}, "an address begins with https:// or http:// and a host"),
        ({"start": ["https://user:s3cret@host/"]}, "set them in headers"),
        ({"start": ["https://host:99999999/"]}, "an address begins with"),
        ({"hosts": ["https://host/"]}, "write a host alone"),
        ({"include": ["docs/*"]}, "must begin with a slash"),
    ],
)
def test_settings_that_cannot_work(tmp_path, settings, sentence):
    made = make_host({"echo": {}, "web": {"start": ["https://host/"], **settings}}, tmp_path)
    with pytest.raises(ConfigError) as caught:
        made.raise_problems()
    assert sentence in str(caught.value)
    assert "s3cret" not in str(caught.value)


async def test_a_site_that_nobody_serves_is_told_with_the_systems_reason(crawled):
    outcome, _ = await crawled({"/": html("Start")}, start=["http://127.0.0.1:1/"])
    assert "http://127.0.0.1:1/robots.txt cannot be fetched: Connection refused." in outcome.incomplete

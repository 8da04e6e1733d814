"""What the lexical store finds first, in which languages, and what several processes and crashes do to it."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from filter_kit import GROUPS, check_found, some_documents, some_query
from orbit_lexical import conditions

from orbit import CallContext, Document, Query
from orbit.host.host import OrbitHost
from orbit.system.files import lock
from orbit.testing import host

CONTEXT = CallContext("test")
NAME = "docs"
CONFIG: dict[str, Any] = {"echo": {}, "lexical": {}}


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[OrbitHost]:
    async with host(CONFIG, tmp_path) as made:
        yield made


async def found(made: OrbitHost, question: str, limit: int = 5) -> list[Document]:
    retrieve = made.registry.caller("retrieve", "lexical")
    return list(await retrieve(query=Query(question, NAME), limit=limit, context=CONTEXT))


def passages(*texts: str) -> list[Document]:
    return [Document(str(number), text, f"{number}.md", digest="1") for number, text in enumerate(texts)]


async def test_each_of_many_error_codes_is_found_first(running: OrbitHost) -> None:
    chance = random.Random(7)
    codes = chance.sample(range(10_000, 99_999), 300)
    parts, remedies = ("valve", "motor", "belt"), ("replace it", "clean it", "call service")
    rows = [f"errors\n\nCode: E{code}, {chance.choice(parts)}, {chance.choice(remedies)}" for code in codes]
    documents = [Document(str(n), row, "errors.csv", digest="1") for n, row in enumerate(rows)]
    await running.index(NAME, documents, CONTEXT)
    for code, row in list(zip(codes, rows, strict=True))[:40]:
        assert (await found(running, f"What do I do about error E{code}?"))[0].text == row
        assert (await found(running, f"e{code}"))[0].text == row


@pytest.mark.parametrize("question", ["Remedy for ora-{}?", "What is the remedy of ORA-{}?", "the remedies of ORA-{}"])
async def test_a_word_of_all_rows_whose_stem_only_some_have_hides_no_code(question: str, running: OrbitHost) -> None:
    """The stem is indexed where a passage is long enough to tell its language. It is not rarer than the word itself."""
    remedies = ("call service", "clean it and then put it in the box", "fit a new one of the same size")
    rows = [f"Code: ORA-{7919 * number % 90_000 + 10_000}\nRemedy: {remedies[number % 3]}" for number in range(200)]
    await running.index(NAME, passages(*rows), CONTEXT)
    for row in rows[:9]:
        best, second = await found(running, question.format(row[10:15]), limit=2)
        assert best.text == row
        assert best.score is not None
        assert second.score is not None
        assert best.score > 0.6 > second.score


@pytest.mark.parametrize("question", ["What do I do about error {}?", "error {}", "{}", "What is {} about?"])
@pytest.mark.parametrize("code", ["KB{}", "0x{:X}", "K{}.1", "HTTP-{}"])
async def test_a_code_is_found_first_in_a_long_passage_among_short_ones(
    code: str, question: str, running: OrbitHost
) -> None:
    """A full-text search takes a term in a long passage for less telling, but a code is there or not."""
    numbers = random.Random(7).sample(range(10_000, 99_999), 400)
    short = [f"ERROR ORA-{number} in the pump" for number in numbers[:200]]
    codes = [code.format(number) for number in numbers[200:]]
    rows = [f"| {name} | valve | replace it |" for name in codes]
    long = ["| Code | Part | Remedy |\n|---|---|---|\n" + "\n".join(rows[at : at + 40]) for at in range(0, 200, 40)]
    await running.index(NAME, passages(*short, *long), CONTEXT)
    for number in range(0, 200, 40):
        best, *others = await found(running, question.format(codes[number]))
        assert best.text == long[number // 40]
        assert (best.score or 0) > 0.5
        assert all((other.score or 0) < (best.score or 0) - 0.15 for other in others)


async def test_words_that_no_passage_has_hide_none_that_one_has(running: OrbitHost) -> None:
    texts = [f"The harbour office {number} writes about boats." for number in range(40)]
    await running.index(NAME, passages(*texts, "The harbour has a lighthouse."), CONTEXT)
    unknown = " ".join(f"quux{chr(97 + number)}zyxw" for number in range(20))
    best, *_ = await found(running, f"{unknown} lighthouse")
    assert best.text == "The harbour has a lighthouse."
    assert 0 < (best.score or 0) < 0.3


async def test_a_word_that_most_passages_have_tells_little(running: OrbitHost) -> None:
    texts = [f"The harbour office {number} writes about boats." for number in range(40)]
    await running.index(NAME, passages(*texts, "The harbour has a lighthouse."), CONTEXT)
    assert ((await found(running, "What is a harbour?"))[0].score or 0) < 0.2
    best, *others = await found(running, "Does the harbour have a lighthouse?")
    assert best.text == "The harbour has a lighthouse."
    assert (best.score or 0) > 0.8
    assert all((other.score or 0) < 0.4 for other in others)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Who made AB-1234/5?", 0),
        ("who made ab 1234 5", 0),
        ("what happened on 2024-03-05", 2),
        ("Whose number is 0049 30 123456?", 4),
        ("call (030) 12-34-56", 4),
        ("the mail of Jörg Müller-Lüdenscheidt", 6),
        ("jorg mueller ludenscheidt", 6),
        ("ÜBERGRÖẞE", 7),
        ("resturlaubstag", 8),
        ("Urlaubstage", 8),
        ("ﬁnanzamt", 9),
    ],
)
async def test_identifiers_and_names_come_first(question: str, expected: int, running: OrbitHost) -> None:
    texts = (
        *("Part AB-1234/5 is made in Ulm.", "Part AB-1235/4 is made in Bonn."),
        *("The pump failed on 2024-03-05.", "The pump failed on 2024-05-03."),
        *("Reception: +49 (30) 12 34 56", "Workshop: +49 (30) 12 34 65"),
        *("Jörg Müller-Lüdenscheidt leads sales.", "Die Übergröße kostet mehr.", "Resturlaubstage verfallen im März."),
        "Das Finanzamt hat geschlossen.",
    )
    await running.index(NAME, passages(*texts), CONTEXT)
    assert (await found(running, question))[0].id == str(expected)


DAYS = ("The roof was mended on 2024-03-05.", "The roof was mended on 05.04.2024.", "Painted on 16 September 2023.")


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What was on March 5, 2024?", 0),
        ("What was on the 5th of March 2024?", 0),
        ("Was geschah am 5. März 2024?", 0),
        ("Que s'est-il passé le 5 mars 2024 ?", 0),
        ("¿Qué pasó el 5 de marzo de 2024?", 0),
        ("Что было 5 марта 2024 года?", 0),
        ("2024年3月5日发生了什么?", 0),
        ("3/5/2024", 0),
        ("2024-04-05", 1),
        ("16.09.2023", 2),
        ("le 16 septembre 2023", 2),
    ],
)
async def test_a_date_is_found_however_it_is_written(question: str, expected: int, running: OrbitHost) -> None:
    await running.index(NAME, passages(*DAYS), CONTEXT)
    assert (await found(running, question))[0].text == DAYS[expected]


NUMBERS = ("Anna has +49 31 855146-88.", "Bernd has +49 31 855146-89.", "Order 4711/0815-7 is for valve DR-9512/4.")


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Who has the number 031 85514688?", 0),
        ("0049 (31) 855 146 89", 1),
        ("Where is order 471108157?", 2),
        ("order 4711 0815 7", 2),
        ("How do I mount the DR95124?", 2),
    ],
)
async def test_a_number_is_found_with_other_separators(question: str, expected: int, running: OrbitHost) -> None:
    await running.index(NAME, passages(*NUMBERS), CONTEXT)
    best, *others = await found(running, question)
    assert best.text == NUMBERS[expected]
    assert all((other.score or 0) < (best.score or 0) for other in others)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("门卡丢了怎么办", 0),
        ("冬眠", 1),
        ("パスワードの変更", 2),
        ("รหัสผ่าน", 3),
        ("الإجازة", 4),
        ("छुट्टियों", 5),
        ("отпуска", 6),
        ("άδειας", 7),
    ],
)
async def test_every_script_is_found(question: str, expected: int, running: OrbitHost) -> None:
    texts = (
        *("门禁卡丢失后请致电保安部。", "刺猬在落叶堆下冬眠。", "パスワードは毎年変更します。", "เปลี่ยนรหัสผ่านทุกปี"),
        *(
            "إجازة الموظف ثلاثون يوما",
            "कर्मचारी की छुट्टी तीस दिन की है",
            "Ежегодный отпуск длится тридцать дней",
            "Δικαιούσαι άδεια ενός μήνα",
        ),
    )
    await running.index(NAME, passages(*texts), CONTEXT)
    assert (await found(running, question))[0].id == str(expected)


@pytest.mark.parametrize(
    ("question", "passage"),
    [
        ("What is error E12345?", "الخطأ E-١٢٣٤٥ يعني عطل المضخة"),
        ("ما هو الخطأ ٤٧١١؟", "Error 4711: the pump has stopped."),
        ("१२/०३/२०२४", "The pump was mended on 2024-03-12."),
        ("السلام", "كتب على الباب الســـلام"),
        ("هذا", "هٰذا البيت قديم"),
        ("مدرسه", "في القرية مدرسة"),
        ("علي", "يعمل علىّ في المصنع"),
        ("كتاب", "این کتاب است"),
        ("Walesa", "Wałęsa repairs the pump."),
        ("Wałęsa", "The pump is mended by Walesa."),
        ("Yilmaz Odegard", "Call Yılmaz and Ødegård."),  # noqa: RUF001  # Turkish
        ("Wo liegt Muenchen?", "München liegt an der Isar."),
        ("Wo liegt München?", "Die Stadt Muenchen ist die Hauptstadt des Landes und liegt an der Isar."),
    ],
)
async def test_one_spelling_finds_another(question: str, passage: str, running: OrbitHost) -> None:
    await running.index(NAME, passages("Der Hafen hat einen Leuchtturm.", passage, "E-12354", "4712"), CONTEXT)
    best = (await found(running, question))[0]
    assert best.id == "1"
    assert (best.score or 0) > 0.2


async def test_the_name_of_a_file_is_found(running: OrbitHost) -> None:
    documents = [
        Document(
            year, "Travel policy\n\nHotels may cost 120 euros a night.", f"rules/travel-policy-{year}.md", digest="1"
        )
        for year in ("2021", "2022", "2023")
    ]
    await running.index(NAME, documents, CONTEXT)
    assert (await found(running, "What may a hotel cost by the policy of 2022?"))[0].id == "2022"


@pytest.mark.parametrize(
    "question",
    [
        *('"', "'", "NEAR(", "a AND", "OR", "NOT", "-", "*", "text:x", "stems:ab^9", "(((", "\\", "\x00", "[a TO b]"),
        *("~2", "+a -b", "'; DROP TABLE", "\ud800", "", " ", "?!", "a" * 100_000, "wort " * 20_000),
    ],
)
async def test_no_question_is_a_query_language(question: str, running: OrbitHost) -> None:
    await running.index(NAME, passages("The text of a passage.", "Another text: x."), CONTEXT)
    assert isinstance(await found(running, question), list)


async def test_two_passages_that_share_no_rare_word_with_a_question_are_not_both_sure(running: OrbitHost) -> None:
    """The fusion would take the order of vectors for two full scores."""
    texts = [f"Harbour {number} has boats." for number in range(285)]
    better, worse = "A lighthouse, the lighthouse of the west: a lighthouse.", "A lighthouse of the east."
    await running.index(NAME, passages(*texts, *[worse] * 14, better), CONTEXT)
    best, other, *_ = await found(running, "Which lighthouse?")
    assert best.text == better
    assert 1 > (best.score or 0) > (other.score or 0)


async def test_scores_say_how_much_of_the_question_is_found(running: OrbitHost) -> None:
    await running.index(NAME, passages("The lighthouse of Brest.", "The harbour of Kiel.", "A boat."), CONTEXT)
    best, other = (await found(running, "lighthouse Brest"))[0], (await found(running, "lighthouse kangaroo quantum"))
    assert 0.7 < (best.score or 0) <= 1
    assert (other[0].score or 0) < 0.5
    assert all(0 < (document.score or 0) <= 1 for document in other)


async def test_words_that_all_of_a_few_passages_share_are_found_and_those_that_none_has_still_count(
    running: OrbitHost,
) -> None:
    versions = [f"Employees may work from home on {days} days a week." for days in (2, 3, 4)]
    await running.index(NAME, passages(*versions), CONTEXT)
    for question, low, high in (("How many days may employees work from home?", 0.7, 1), ("days of holiday", 0, 0.3)):
        scores = [document.score or 0 for document in await found(running, question)]
        assert len(scores) == 3
        assert all(low < score <= high for score in scores), (question, scores)


@pytest.mark.parametrize("name", ["a", "A", "ä/ü:*?", "../../etc", "x" * 300, "", ".", "con", "a b"])
async def test_any_name_of_a_collection_is_a_folder_of_its_own(name: str, running: OrbitHost, tmp_path: Path) -> None:
    await running.index(NAME, passages("other"), CONTEXT)
    await running.index(name, passages("one", "two"), CONTEXT)
    assert {(one.name, one.documents) for one in await running.list_collections(CONTEXT)} == {(NAME, 1), (name, 2)}
    assert {path.parent for path in tmp_path.rglob("meta.json")} <= set((tmp_path / "lexical").iterdir())
    assert await running.drop(name, CONTEXT)
    assert [one.name for one in await running.list_collections(CONTEXT)] == [NAME]


async def test_another_process_is_seen_at_once(tmp_path: Path) -> None:
    async with host(CONFIG, tmp_path) as one, host(CONFIG, tmp_path) as other:
        await one.index(NAME, passages("The lighthouse."), CONTEXT)
        assert [document.text for document in await found(other, "lighthouse")] == ["The lighthouse."]
        await other.index(NAME, [Document("new", "The beacon.", "0.md", digest="2")], CONTEXT)
        assert await one.list_sources(NAME, CONTEXT) == {"0.md": "2"}
        assert await found(one, "lighthouse") == []
        await one.drop(NAME, CONTEXT)
        assert await other.list_sources(NAME, CONTEXT) == {}
        await one.index(NAME, passages("The harbour."), CONTEXT)
        assert [document.text for document in await found(other, "harbour")] == ["The harbour."]


def _write_some(folder: Path, number: int) -> None:
    async def work() -> None:
        async with host(CONFIG, folder) as made:
            for turn in range(5):
                await made.index(
                    NAME, [Document(f"{number}-{turn}", "text", f"{number}-{turn}.md", digest="1")], CONTEXT
                )

    asyncio.run(work())


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    processes = [multiprocessing.get_context("spawn").Process(target=_write_some, args=(tmp_path, n)) for n in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    assert set(_sources(tmp_path)) == {f"{number}-{turn}.md" for number in range(3) for turn in range(5)}


def _write_until_killed(folder: Path, ready: Any) -> None:
    async def work() -> None:
        async with host(CONFIG, folder) as made:
            for version in range(1_000_000):
                documents = [
                    Document(f"{version}-{n}", f"text {version}", "a.md", digest=str(version)) for n in range(50)
                ]
                await made.index(NAME, documents, CONTEXT)
                ready.set()

    asyncio.run(work())


@pytest.mark.skipif(sys.platform == "win32", reason="no backup waits there")
async def test_a_writer_waits_while_a_backup_copies_the_folder(running: OrbitHost, tmp_path: Path) -> None:
    (mark,) = tmp_path.rglob("orbit-writes")
    await running.index(NAME, passages("The pool opens at seven."), CONTEXT)
    with mark.open("ab") as backup:
        lock(backup.fileno())
        writing = asyncio.create_task(running.index(NAME, passages("The pool opens at nine."), CONTEXT))
        await asyncio.sleep(0.5)
        during, waiting = await found(running, "When does the pool open?"), not writing.done()
    await writing
    after = await found(running, "When does the pool open?")
    assert (waiting, during[0].text, after[0].text) == (True, "The pool opens at seven.", "The pool opens at nine.")


def test_a_killed_writer_leaves_one_version_and_no_lock(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    for _ in range(3):
        ready = context.Event()
        process = context.Process(target=_write_until_killed, args=(tmp_path, ready))
        process.start()
        assert ready.wait(60)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join(60)

        async def look() -> Sequence[Document]:
            async with host(CONFIG, tmp_path) as made:
                await made.index(NAME, [Document("other", "other", "b.md", digest="1")], CONTEXT)
                assert set(await made.list_sources(NAME, CONTEXT)) == {"a.md", "b.md"}
                return await found(made, "text", 100)

        assert len({document.digest for document in asyncio.run(look()) if document.source == "a.md"}) == 1


def _sources(folder: Path) -> dict[str, str]:
    async def look() -> dict[str, str]:
        async with host(CONFIG, folder) as made:
            return dict(await made.list_sources(NAME, CONTEXT))

    return asyncio.run(look())


@pytest.mark.parametrize("seed", range(4))
async def test_the_best_of_what_a_query_may_find_come(running: OrbitHost, seed: int) -> None:
    chance = random.Random(seed)
    await running.index(NAME, some_documents(chance, 60), CONTEXT)
    retrieve = running.registry.caller("retrieve", "lexical")
    for _ in range(40):
        query = some_query(chance, NAME)
        everybody = Query(query.text, NAME, compared=True, readers=frozenset(GROUPS))
        everything = await retrieve(query=everybody, limit=60, context=CONTEXT)
        check_found(await retrieve(query=query, limit=5, context=CONTEXT), everything, query, 5)


async def test_an_index_of_an_earlier_version_is_filtered_too(
    running: OrbitHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = some_documents(random.Random(1), 30), some_documents(random.Random(2), 30)
    new = [msgspec.structs.replace(one, id=f"n{one.id}", source=f"new {one.source}") for one in new]
    with monkeypatch.context() as patch:
        patch.setattr(conditions, "terms_of", lambda _: ())  # as it was written before there were filters
        await running.index(NAME, [msgspec.structs.replace(one, readers=()) for one in old], CONTEXT)
    await running.index(NAME, new, CONTEXT)
    retrieve, chance = running.registry.caller("retrieve", "lexical"), random.Random(3)
    for _ in range(40):
        query = some_query(chance, NAME)
        everybody = Query(query.text, NAME, compared=True, readers=frozenset(GROUPS))
        everything = await retrieve(query=everybody, limit=60, context=CONTEXT)
        check_found(await retrieve(query=query, limit=5, context=CONTEXT), everything, query, 5)

"""How well and how fast files are read: words and their order against other programs' text of the same files.

    .venv/bin/python bench/reading.py FOLDER [--worst 20]

PDF is compared with poppler's ``pdftotext`` and with PDFium's text as it is, HTML with the text of html5lib's tree
outside links, most of which are navigation. Recall is the part of the reference's words that are in ORBIT's text, each
as often; order is the same for pairs of neighbours. Lines that repeat on a quarter of the pages count once, because
ORBIT removes them. Files whose reference has fewer than 20 words count only as read or refused. The lines "of these"
leave out the files in ``data/poppler_wrong.txt``, whose text poppler itself has wrong, and how. Each side reads in a
process of its own, which also tells its memory. html5lib is no dependency: pip install html5lib
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.util
import json
import re
import resource
import select
import shutil
import subprocess
import sys
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

WRONG = {line.split()[0] for line in (Path(__file__).parent / "data/poppler_wrong.txt").open() if line[0] not in "#\n"}
"""Names of files whose text the reference has wrong."""
PATIENCE = 60
"""Seconds for a file."""
FEWEST = 20
"""Words of a reference that is compared."""
_WORDS = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff]|[^\W\u2e80-\u9fff\uf900-\ufaff]+")
_NO_LETTERS = re.compile(r"[\d\W]+")
_SILENT = {"script", "style", "template", "noscript", "svg", "iframe", "head", "object", "video", "audio", "canvas"}
_LINKS = {"a", "nav"}
_INLINE = {"a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "del", "dfn", "em", "font", "i", "ins", "kbd", "mark"}
_INLINE |= {"q", "ruby", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "tt", "u", "var", "wbr"}


class Reading(NamedTuple):
    """A side's text of a file. Without text, ``error`` says why. Seconds are CPU time."""

    text: str
    error: str
    seconds: float
    pages: int


def by_orbit(path: Path) -> tuple[str, int]:
    from orbit.documents.reading.readers import read  # noqa: PLC0415  # only one side loads it

    content = read(path.name, path.read_bytes())
    parts = [content.title, *("\n".join([*one.path, one.header, one.text]) for one in content.sections)]
    return "\n".join(parts), len({one.metadata.get("page") for one in content.sections})


def by_pdfium(path: Path) -> tuple[str, int]:
    import pypdfium2  # type: ignore[import-untyped]  # noqa: PLC0415  # the same

    texts = []
    document = pypdfium2.PdfDocument(path.read_bytes())
    for number in range(len(document)):
        with contextlib.suppress(pypdfium2.PdfiumError):
            page = document[number]
            text = page.get_textpage()
            texts.append(text.get_text_range())
            text.close()
            page.close()
    document.close()
    return "\f".join(texts), len(document) if document.raw else len(texts)


def by_poppler(path: Path) -> tuple[str, int]:
    done = subprocess.run(
        ["pdftotext", "-enc", "UTF-8", str(path), "-"], capture_output=True, check=True, timeout=PATIENCE
    )
    text = done.stdout.decode("utf-8", "replace")
    return text, text.count("\f")


def by_html5lib(path: Path) -> tuple[str, int]:
    tree = import_module("html5lib").parse(path.read_bytes(), namespaceHTMLElements=False)
    parts: list[str] = []
    stack: list[tuple[Any, bool]] = [(tree, False)]
    while stack:
        element, done = stack.pop()
        gap = "" if element.tag in _INLINE else " "
        if done:
            parts += [gap, element.tail or ""]
            continue
        stack.append((element, True))
        if isinstance(element.tag, str) and element.tag not in _SILENT | _LINKS:
            parts += [gap, element.text or ""]
            stack += [(child, False) for child in reversed(element)]
    return "".join(parts), 1


SIDES: dict[str, Callable[[Path], tuple[str, int]]] = {
    "ORBIT": by_orbit,
    "PDFium": by_pdfium,
    "poppler": by_poppler,
    "html5lib": by_html5lib,
}


LIBRARIES = {"ORBIT": ("orbit.documents.reading.readers", "pypdfium2"), "PDFium": ("pypdfium2",)}


def serve(side: str) -> None:
    """Read the files named on the standard input, one a line, and write each Reading and the memory so far.

    Libraries are loaded before: ORBIT's reading processes, too, load them once for all files.
    """
    for module in LIBRARIES.get(side, ()):
        import_module(module)
    for line in sys.stdin:
        used = resource.getrusage(resource.RUSAGE_CHILDREN if side == "poppler" else resource.RUSAGE_SELF)
        start, error, text, pages = used.ru_utime + used.ru_stime, "", "", 0
        try:
            text, pages = SIDES[side](Path(line.rstrip("\n")))
        except Exception as caught:  # noqa: BLE001  # whatever it is, it counts as refused
            error = f"{type(caught).__name__}: {caught}"[:200]
        used = resource.getrusage(resource.RUSAGE_CHILDREN if side == "poppler" else resource.RUSAGE_SELF)
        seconds = used.ru_utime + used.ru_stime - start
        print(json.dumps([text, error, seconds, pages, used.ru_maxrss // 1024]), flush=True)


class Side:
    """A process that reads file after file, started again when one ends it or takes too long."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.megabytes = 0
        self._process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, __file__, "--serve", self.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def read(self, path: Path) -> Reading:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            self.close()
            self._process = self._start()
            return Reading("", "crashed" if ready else "took too long", PATIENCE, 0)
        text, error, seconds, pages, megabytes = json.loads(line)
        self.megabytes = max(self.megabytes, megabytes)
        return Reading(text, error, seconds, pages)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def words(text: str) -> list[str]:
    return _WORDS.findall(unicodedata.normalize("NFKC", text).lower())


def without_repeats(text: str) -> str:
    """Return a text of pages without the lines that a quarter of them have, but for the first of each."""
    pages = [page.split("\n") for page in text.split("\f")]
    places: defaultdict[str, set[int]] = defaultdict(set)
    for number, page in enumerate(pages):
        for line in page:
            places[_NO_LETTERS.sub(" ", line.lower()).strip()].add(number)
    seen: set[str] = set()
    kept = []
    for page in pages:
        for line in page:
            key = _NO_LETTERS.sub(" ", line.lower()).strip()
            if len(places[key]) < max(3, len(pages) / 4) or key not in seen:
                kept.append(line)
            seen.add(key)
    return "\n".join(kept)


def part(reference: list[Any], found: list[Any]) -> float:
    """Return the part of a list that is in another, each item as often."""
    return (Counter(reference) & Counter(found)).total() / max(1, len(reference))


def files(folder: Path, endings: set[str]) -> Iterator[Path]:
    """Yield the files with these endings, each content once."""
    seen: set[bytes] = set()
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in endings and path.is_file():
            digest = hashlib.sha256(path.read_bytes()).digest()
            if digest not in seen:
                seen.add(digest)
                yield path


def _means(scores: list[tuple[float, float, str]]) -> str:
    """Return mean recall and order, and how many files have a low recall, as columns of the table."""
    recalls, orders = [score[0] for score in scores] or [0.0], [score[1] for score in scores] or [0.0]
    low, lost = sum(recall < 0.8 for recall in recalls), sum(recall < 0.5 for recall in recalls)  # see the heading
    return f"{sum(recalls) / len(recalls):8.3f}{sum(orders) / len(orders):8.3f}{low:7}{lost:7}"


def compare(paths: list[Path], reference: str, names: list[str], worst: int) -> None:
    """Print how each side reads the files, and the files that ORBIT reads worst."""
    judge = Side(reference)
    sides = [Side(name) for name in names]
    scores: dict[str, list[tuple[float, float, str]]] = {name: [] for name in names}
    refused: dict[str, list[str]] = {name: [] for name in names}
    seconds: defaultdict[str, float] = defaultdict(float)
    pages = 0
    for path in paths:
        expected = judge.read(path)
        seconds[reference] += expected.seconds
        pages += expected.pages
        text = without_repeats(expected.text) if reference == "poppler" else expected.text
        wanted = words(text)
        for side in sides:
            found = side.read(path)
            seconds[side.name] += found.seconds
            if found.error and not expected.error and wanted:
                refused[side.name].append(f"{path}: {found.error}")
            if not expected.error and len(wanted) >= FEWEST:
                got = words(found.text)
                order = part(list(pairwise(wanted)), list(pairwise(got)))
                scores[side.name].append((part(wanted, got), order, str(path)))
    print(f"\n{len(paths)} files, {pages} pages, {len(scores[names[0]])} with at least {FEWEST} words in {reference}")
    print(f"{'':10}{'recall':>8}{'order':>8}{'< 0.8':>7}{'< 0.5':>7}{'refused':>9}{'ms/page':>9}{'MB':>6}")
    for side in sides:
        time_and_memory = f"{1000 * seconds[side.name] / max(1, pages):9.2f}{side.megabytes:6}"
        print(f"{side.name:10}{_means(scores[side.name])}{len(refused[side.name]):9}{time_and_memory}")
    for name in names:
        right = [score for score in scores[name] if Path(score[2]).name not in WRONG]
        print(f"{name:10}{_means(right)}   of these, the {len(right)} that {reference} reads right")
    print(f"{reference:10}{'':39}{1000 * seconds[reference] / max(1, pages):9.2f}{judge.megabytes:6}")
    low = (f"recall {recall:.2f} order {order:.2f} {path}" for recall, order, path in sorted(scores[names[0]])[:worst])
    print("\n".join(f"  {line}" for line in (*low, *(f"refused {line}" for line in refused[names[0]][:worst]))))
    for side in (judge, *sides):
        side.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--worst", type=int, default=10, help="how many of the files to name that ORBIT reads worst")
    parser.add_argument("--serve", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    if options.folder is None:
        parser.error("name a folder of files")
    start = time.monotonic()
    pdf, html = list(files(options.folder, {".pdf"})), list(files(options.folder, {".html", ".htm", ".xhtml"}))
    if pdf and shutil.which("pdftotext"):
        compare(pdf, "poppler", ["ORBIT", "PDFium"], options.worst)
    elif pdf:
        print("PDF needs poppler-utils, for pdftotext.")
    if html and importlib.util.find_spec("html5lib") is None:
        print("HTML needs html5lib.")
    elif html:
        compare(html, "html5lib", ["ORBIT"], options.worst)
    print(f"\n{time.monotonic() - start:.0f} seconds")


if __name__ == "__main__":
    main()

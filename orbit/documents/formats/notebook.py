"""Reads Jupyter notebooks: Markdown cells, code, and the text that the code printed."""

from __future__ import annotations

import re

import msgspec

from orbit.documents.formats.html.reader import read_html
from orbit.documents.formats.markdown import read_markdown
from orbit.documents.sections import Content, Section, UnreadableError
from orbit.types import MetadataValue

Text = str | list[str] | None
_REPRESENTED = re.compile(r"\[?<(?:Figure size|IPython\.core|[\w. ]+ at 0x)[^<>]*>(?:, <[^<>]*>)*\]?")
"""What Python prints of an object that has no text of its own."""


class _Output(msgspec.Struct):
    text: Text = ""
    data: dict[str, msgspec.Raw] = {}
    ename: str = ""
    evalue: str = ""


class _Cell(msgspec.Struct):
    cell_type: str
    source: Text = ""
    input: Text = ""
    outputs: list[_Output] | None = None


class _Sheet(msgspec.Struct):
    cells: list[_Cell]


class _Notebook(msgspec.Struct):
    """A notebook. Before version 4 the cells were in worksheets, and code was called input."""

    cells: list[_Cell] = []
    worksheets: list[_Sheet] = []


def read_notebook(text: str) -> Content:
    """Read the cells in order. Code is below the headings of the Markdown above it."""
    try:
        notebook = msgspec.json.decode(text.encode("utf-8", "replace"), type=_Notebook)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UnreadableError(f"is not a readable notebook: {error}") from error
    cells = [*notebook.cells, *(cell for sheet in notebook.worksheets for cell in sheet.cells)]
    if not cells:
        raise UnreadableError("is not a readable notebook: it has no cells")
    sections: list[Section] = []
    title = ""
    path: tuple[str, ...] = ()
    for number, cell in enumerate(cells, start=1):
        source = _joined(cell.source or cell.input)
        place: dict[str, MetadataValue] = {"cell": number}
        if cell.cell_type == "markdown":
            read = read_markdown(source)
            title = title or read.title
            sections += [msgspec.structs.replace(section, metadata=place) for section in read.sections]
            path = read.sections[-1].path if read.sections and read.sections[-1].path else path
        else:
            if source.strip():
                sections.append(Section(source, path, metadata=place, kind="code"))
            if printed := "\n".join(filter(None, map(_printed, cell.outputs or ()))).strip():
                sections.append(Section(f"Output:\n{printed}", path, metadata=place))
    return Content(tuple(sections), title)


def _joined(text: Text) -> str:
    return text if isinstance(text, str) else "".join(text or ())


def _printed(output: _Output) -> str:
    if output.text or output.ename:
        return _joined(output.text) or f"{output.ename}: {output.evalue}"
    plain, rich = (_text_of(output.data.get(f"text/{kind}")) for kind in ("plain", "html"))
    if _REPRESENTED.fullmatch(plain.strip()):
        plain = ""
    if not plain and rich.strip():
        return "\n".join(section.text for section in read_html(rich.encode()).sections)
    return plain or _text_of(output.data.get("text/markdown")) or _text_of(output.data.get("text/latex"))


def _text_of(data: msgspec.Raw | None) -> str:
    try:
        return _joined(msgspec.json.decode(data, type=Text)) if data is not None else ""
    except msgspec.ValidationError:
        return ""

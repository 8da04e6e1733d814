"""Reads Jupyter notebooks: Markdown cells, code, and the text that the code printed."""

from __future__ import annotations

import msgspec

from orbit.documents.markdown import read_markdown
from orbit.documents.sections import Content, Section, UnreadableError
from orbit.types import MetadataValue

Text = str | list[str]


class _Output(msgspec.Struct):
    text: Text = ""
    data: dict[str, msgspec.Raw] = {}


class _Cell(msgspec.Struct):
    cell_type: str
    source: Text = ""
    outputs: list[_Output] = []


class _Notebook(msgspec.Struct):
    cells: list[_Cell]


def read_notebook(text: str) -> Content:
    """Read the cells in order. Code is below the headings of the Markdown above it."""
    try:
        notebook = msgspec.json.decode(text.encode("utf-8", "replace"), type=_Notebook)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UnreadableError(f"is not a readable notebook: {error}") from error
    sections: list[Section] = []
    title = ""
    path: tuple[str, ...] = ()
    for number, cell in enumerate(notebook.cells, start=1):
        source = _joined(cell.source)
        place: dict[str, MetadataValue] = {"cell": number}
        if cell.cell_type == "markdown":
            read = read_markdown(source)
            title = title or read.title
            sections += [msgspec.structs.replace(section, metadata=place) for section in read.sections]
            path = read.sections[-1].path if read.sections and read.sections[-1].path else path
        elif source.strip():
            sections.append(Section(source, path, metadata=place, kind="code"))
            if printed := "\n".join(filter(None, map(_printed, cell.outputs))).strip():
                sections.append(Section(f"Output:\n{printed}", path, metadata=place))
    return Content(tuple(sections), title)


def _joined(text: Text) -> str:
    return text if isinstance(text, str) else "".join(text)


def _printed(output: _Output) -> str:
    if output.text:
        return _joined(output.text)
    try:
        return _joined(msgspec.json.decode(output.data.get("text/plain", msgspec.Raw(b'""')), type=Text))
    except msgspec.ValidationError:
        return ""

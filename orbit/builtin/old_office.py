"""Reads files of old Office programs: Excel's ``.xls`` and ``.xlsb``, Outlook's ``.msg``."""

from __future__ import annotations

import io
from collections.abc import Iterable

from orbit import Content, MetadataValue, Provider, Section, SourceFile, UnreadableError, hookimpl
from orbit.builtin.outlook import read_message

_INSTALL = "needs a library that is not installed: pip install orbit-inference[old-office]"


class OldOffice(Provider):
    """Reads workbooks row by row, and messages with their attachments."""

    def reads(self) -> Iterable[str]:
        """Return the extensions."""
        return (".xls", ".xlsb", ".msg")

    def validate(self) -> Iterable[str]:
        """Check that the libraries are installed."""
        from importlib.util import find_spec  # noqa: PLC0415  # importing a plugin stays cheap

        if any(find_spec(name) is None for name in ("python_calamine", "oxmsg", "compressed_rtf")):
            yield f"it {_INSTALL}."

    @hookimpl
    def read(self, file: SourceFile) -> Content:
        """Read a workbook or a message."""
        try:
            return read_message(file.content) if file.name.lower().endswith(".msg") else _workbook(file.content)
        except (UnreadableError, MemoryError, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # calamine is written in Rust, whose panics are no Exception
            raise UnreadableError(f"is not a readable file of old Office: {error or type(error).__name__}") from error


def _workbook(content: bytes) -> Content:
    from python_calamine import CalamineWorkbook  # noqa: PLC0415  # only reading processes pay for it

    book = CalamineWorkbook.from_filelike(io.BytesIO(content))
    sections: list[Section] = []
    for name in book.sheet_names:
        rows = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
        lines = [" | ".join(map(_shown, row)).rstrip(" |") for row in rows]
        filled = [number for number, line in enumerate(lines) if line.strip(" |")]
        wide = [number for number in filled if sum(value != "" for value in rows[number]) > 1]
        titles = [number for number in filled if not wide or number < wide[0]]
        if titles:  # rows with a single cell above the names of the columns
            text = "\n".join(lines[number].strip(" |") for number in titles)
            sections.append(Section(text, (name,), metadata={"sheet": name, "row": titles[0] + 1}))
        if not wide:
            continue
        first, *more = filled[len(titles) :]
        if not more:
            sections.append(Section(lines[first], (name,), metadata={"sheet": name, "row": first + 1}))
            continue
        body = "\n".join(lines[more[0] : more[-1] + 1])
        place: dict[str, MetadataValue] = {"sheet": name, "row": more[0] + 1}
        sections.append(Section(body, (name,), metadata=place, header=lines[first], kind="table"))
    return Content(tuple(sections))


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.15g}"
    return " ".join(str(value).removesuffix(" 00:00:00").split())

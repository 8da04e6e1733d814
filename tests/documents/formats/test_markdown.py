"""Markdown to sections by CommonMark's rules: what is code, what is a comment, what is a heading."""

import pytest

from orbit.documents.formats.markdown import read_markdown


def text(markdown):
    return "\n---\n".join(" > ".join([*one.path, ""]) + one.text for one in read_markdown(markdown).sections)


def test_comments_are_removed_but_not_from_code():
    page = (
        "# Deploy\n\nPaste <!-- not this -->it:\n\n```html\n<!-- id 4711 -->\n```\n\n<!-- nor\nthis -->\n\n"
        "    <!-- indented -->\n\nUse `<!--` and ``--`>``."
    )
    found = text(page)
    assert "Paste it:" in found
    assert "<!-- id 4711 -->" in found
    assert "    <!-- indented -->" in found
    assert "Use `<!--` and ``--`>``." in found
    assert "this" not in found.replace("Paste this", "")


def test_comments_in_lists_and_quotes_are_removed_from_their_text_only():
    page = "- one <!-- a -->\n  ```\n  <!-- kept -->\n  ```\n> two <!-- b -->"
    assert text(page) == "- one \n  ```\n  <!-- kept -->\n  ```\n> two"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("one<br>two<BR/>three", "one two three"),
        ("<b>bold</b> H<sub>2</sub>O <a\nhref='x'>link</a>", "bold H2O link"),
        ("<s>9</s> 7 euros", "~~9~~ 7 euros"),
        ("`<b>` and ``<i>`` \\<b> <file> <body> a<b, c>d <https://a.b>",) * 2,
        ("- item <i>one</i>\n\n| a |\n|---|\n| b<br>c |", "- item one\n\n| a |\n|---|\n| b c |"),
    ],
    ids=["breaks", "tags", "struck", "code and names", "lists and tables"],
)
def test_tags_within_a_line_are_no_text(text, shown):
    (section,) = read_markdown(text).sections
    assert section.text == shown


def test_a_comment_that_never_ends_is_kept():
    assert text("a <!-- b\n\nc") == "a <!-- b\n\nc"


def test_a_leading_rule_is_no_front_matter():
    assert text("---\n\nFees: see below\n\n---\n\nTen euro.") == "---\n\nFees: see below\n\n---\n\nTen euro."
    assert text("---\nAll prices in euro\n---\n\nTen.") == "All prices in euro > Ten."
    found = read_markdown("---\ntitle: 'Fees'\ntags:\n  - a\n# note\n---\nTen euro.")
    assert (found.title, found.sections[0].text) == ("Fees", "Ten euro.")


def test_headings_without_text_are_text():
    assert text("# Phones\n\n## Porter: 5000\n\n## Fire: 112\n") == "Phones > Porter: 5000\n---\nPhones > Fire: 112"
    assert text("# Poison centre: dial 555\n") == "Poison centre: dial 555"
    assert text("# A\n\n# B\n\n## C\n\nc\n\n## D") == "B > C > c\n---\nB > D"


def test_long_headings_are_whole():
    heading = "The tenant shall " + "pay the rent and " * 20 + "leave."
    assert heading in text(f"# Lease\n\n## {heading}\n\nSigned.")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("# Fees {#fees .wide data-x=1}", "Fees"),
        ("# Fees {: .wide }", "Fees"),
        ("# Set {a, b}", "Set {a, b}"),
        ("Fees of\nthe year\n========", "Fees of the year"),
        ("## [Fees](x.md) of `now`", "Fees of now"),
    ],
)
def test_headings_are_words_alone(line, name):
    assert text(f"{line}\n\nx") == f"{name} > x"


@pytest.mark.parametrize("page", ["    # code\n\nx", "- # in a list", "> # in a quote", "\\# escaped"])
def test_what_is_no_heading_of_the_page(page):
    assert [section.path for section in read_markdown(page).sections] == [()]
    assert read_markdown(page).sections[0].text == page.strip("\n")


def test_large_tables_are_sections_with_their_header():
    rows = [f"| M{n} | {n} |" for n in range(60)]
    first, table, last = read_markdown(
        "# Screws\n\nAll:\n\n| Screw | Nm |\n|---|---|\n" + "\n".join(rows) + "\n\nEnd."
    ).sections
    assert (first.text, last.text) == ("All:", "End.")
    assert table.header == "| Screw | Nm |\n|---|---|"
    assert table.text.split("\n") == rows
    assert table.path == ("Screws",)


def test_entities_are_characters_but_not_in_code_or_where_they_would_be_markup():
    assert text("5&nbsp;km &mdash; &copy; `&copy;` &lt;b&gt; &#42;x\n\n    &copy;") == (
        "5\u00a0km \u2014 \u00a9 `&copy;` &lt;b&gt; &#42;x\n\n    &copy;"
    )


def test_an_escaped_comment_is_text():
    assert text("\\<!-- shown -->\n\nx <!-- gone -->y \\` <!-- gone -->z") == "\\<!-- shown -->\n\nx y \\` z"


@pytest.mark.parametrize(
    ("heading", "name"),
    [
        ('<a name="x"></a>Liste &amp; Preise', "Liste & Preise"),
        ("Die Klasse `List<String>`", "Die Klasse List<String>"),
        ("<img src=a.png> Übersicht <!-- alt -->", "Übersicht"),
    ],
)
def test_headings_are_their_words_without_html(heading, name):
    assert text(f"# {heading}\n\nx") == f"{name} > x"


@pytest.mark.parametrize(
    ("front", "title", "shown"),
    [
        ('+++\ntitle = "Preise"\ndraft = true\n+++\n', "Preise", ""),
        ("---\ntitle: >-\n  Zwei\n  Zeilen\ntags: [a]\n---\n", "Zwei Zeilen", ""),
        ("---\ntitle: A\ndescription: The valve opens at 5 bar\nauthors:\n- name: Ann\n- Bob\n---\n", "A",
         "description: The valve opens at 5 bar\nauthors: Ann, Bob\n\n"),
        ("---\ntitle: 'A: [b'\nbad: [\n---\n", "A: [b", ""),
        ("+++\nno settings\n+++\n", "", "+++\nno settings\n+++\n\n"),
    ],
)  # fmt: skip
def test_settings_of_site_generators(front, title, shown):
    found = read_markdown(f"{front}\nBody")
    assert (found.title, found.sections[0].text) == (title, f"{shown}Body")


def test_html_in_markdown_is_read_as_html():
    rows = "\n".join(f"<tr><td>Länge {n}<td>{n} m" for n in range(60))
    page = (
        "Vorwort\n\n<h2 align=center>Seile</h2>\n\n<details><summary>Mehr &amp; mehr</summary>\n\nInhalt **fett**\n\n"
        f"</details>\n\n<table><tr><th>Seil<th>Zug\n{rows}\n</table>\n\n<pre>\n# raw\n</pre>\n\n<?php echo 1; ?>"
    )
    before, above, table, after = read_markdown(page).sections
    assert (before.text, above.path, above.text) == ("Vorwort", ("Seile",), "Mehr & mehr\n\nInhalt **fett**")
    assert (table.header, table.text.split("\n")[1]) == ("Seil | Zug", "Länge 1 | 1 m")
    assert after.text == "# raw\n\n<?php echo 1; ?>"


@pytest.mark.parametrize("mark", ["  ", "> ", "> - "])
def test_large_tables_in_lists_and_quotations_have_their_header(mark):
    rows = [f"| Seil {n} | {n} m |" for n in range(60)]
    first = "- " if mark == "  " else mark
    others = mark.replace("-", " ")
    lines = [f"{others}{row}" for row in ["| Seil | Zug |", "|---|---|", *rows]]
    page = "\n".join([f"{first}Alle:", others.rstrip(), *lines])
    before, table, after = read_markdown(f"# Lager\n\n{page}\n\nEnde.").sections
    assert before.text.startswith(f"{first}Alle:")
    assert (table.header, table.text.split("\n")) == ("| Seil | Zug |\n|---|---|", rows)
    assert after.text == "Ende."


def test_settings_of_the_front_matter_are_metadata():
    front = "language: de\nyear: 2026\nshare: 0.5\ndraft: true\nday: 2026-01-31\ntags: [a, b]\npage: 7\nsource: x\n"
    found = read_markdown(f"---\n{front}abstract: {'long ' * 50}\n---\n# One\n\nBody\n\n# Two\n\nMore")
    expected = {"language": "de", "year": 2026, "share": 0.5, "draft": True, "day": "2026-01-31"}
    assert [section.metadata for section in found.sections] == [expected] * len(found.sections)

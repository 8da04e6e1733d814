"""HTML to text: browsers' parsing rules, tables, lists, main content, encodings, hostile pages."""

import pytest

from orbit.documents.formats.html.reader import read_html
from orbit.documents.reading.readers import read


def content(html):
    return read("page.html", html.encode() if isinstance(html, str) else html)


def text(html):
    return "\n---\n".join(
        " > ".join([*s.path, ""]) + "\n".join(filter(None, (s.header, s.text))) for s in content(html).sections
    )


def test_omitted_tags_are_where_browsers_see_them():
    page = (
        "<head><meta charset=utf-8><title>Parking</title><body><h1>Cars</h1><p>Free.<p>Till eight.<ul><li>A<li>B</ul>"
    )
    assert text(page) == "Cars > Free.\n\nTill eight.\n\n- A\n- B"
    assert content(page).title == "Parking"


def test_forms_buttons_and_accordions_are_text():
    page = (
        "<form><h1>Leave</h1><p>Ask two weeks before.</p><label>Days</label>"
        "<select><option>one<option>two</select></form>"
        "<h2><button aria-expanded=false>Who decides?</button></h2><div hidden>The head of unit.</div>"
        "<details><summary>And abroad?</summary>The embassy.</details>"
    )
    assert text(page) == (
        "Leave > Ask two weeks before.\n\nDays one two\n---\n"
        "Leave > Who decides? > The head of unit.\n\nAnd abroad?\n\nThe embassy."
    )


def test_words_are_joined_and_kept_apart_as_browsers_show_them():
    page = (
        "<p>H<sub>2</sub>O is wa<b>ter</b>,\n <i>not</i>&nbsp;ice<br>next line</p><div>one</div>two<span> three</span>"
    )
    assert text(page) == "H2O is water, not ice\nnext line\n\none\n\ntwo three"


def test_nothing_in_the_text_is_taken_for_markdown():
    page = "<h1>Stock</h1><p># of chairs: 4711</p><p>Write &lt;!-- so --&gt;.</p><p>Step<br>- no list</p><p>---</p>"
    assert text(page) == "Stock > # of chairs: 4711\n\nWrite <!-- so -->.\n\nStep\n- no list\n\n---"


def test_headings_without_text_are_kept():
    page = "<h1>Phones</h1><h2>Porter: 5000</h2><h2>Fire: 112</h2><h2>Doctor</h2><p>ask the porter</p><h2>Vet: 7</h2>"
    assert (
        text(page)
        == "Phones > Porter: 5000\n---\nPhones > Fire: 112\n---\nPhones > Doctor > ask the porter\n---\nPhones > Vet: 7"
    )
    assert text("<title>Signs</title><h1>Mind the step</h1>") == "Mind the step"


def test_a_heading_that_is_never_closed_does_not_swallow_the_page():
    found = content(f"<h1>Rules<div>{'<p>No smoking in the halls.</p>' * 40}</div>")
    assert found.sections[0].text.count("No smoking") == 40


def test_large_tables_are_sections_with_the_names_of_their_columns():
    rows = "".join(f"<tr><td>M{n}<td>{3 * n}<td><p>class</p><p>{n % 3}</p>" for n in range(60))
    found = content(f"<h1>Screws</h1><p>Torques:</p><table><tr><th>Screw<th>Steel<th>Note{rows}</table><p>End.")
    assert [section.text[:8] for section in found.sections] == ["Torques:", "M0 | 0 |", "End."]
    assert found.sections[1].header == "Screw | Steel | Note"
    assert found.sections[1].text.endswith("M59 | 177 | class 2")


def test_small_tables_stay_in_their_text_and_spans_fill_rows():
    page = (
        "<p>Prices:</p><table><caption>In euro</caption><thead><tr><th>Berth<th>Day<th>Week</thead>"
        "<tr><td rowspan=2>East<td>5<td>30<tr><td colspan=2>closed in winter</table>"
    )
    assert text(page) == "Prices:\n\nIn euro\n\nBerth | Day | Week\nEast | 5 | 30\nEast | closed in winter"


def test_tables_that_lay_out_a_page_are_no_tables():
    page = "<table><tr><td><h1>Menu of the day</h1><p>Soup</p><td><p>Closed on Sunday</p></table>"
    assert text(page) == "Menu of the day > Soup\n\nClosed on Sunday"


def test_navigation_is_left_out_unless_it_is_all_there_is():
    links = "".join(f"<li><a href={n}>Section number {n}</a>" for n in range(9))
    prose = "<p>" + "The harbour opens at six and closes at eight. " * 9
    around = f"<header><ul>{links}</ul></header><nav>{links}</nav><div class=side-menu><ul>{links}</ul></div>"
    page = f"{around}{prose}<footer>Tel. 555"
    assert "Section" not in text(page)
    assert "The harbour opens" in text(page)
    assert "Tel. 555" in text(page)
    assert "Section number 8" in text(f"<nav><ul>{links}</ul></nav><p>Index</p>")


def test_a_main_part_with_little_of_the_text_is_not_taken_for_all():
    most = "The ferry sails every day of the year. " * 20
    assert "The ferry" in text(f"<main><p>Welcome</p></main><div>{most}</div>")
    assert text(f"<div>around</div><main><p>{most}</p></main>").startswith("The ferry")


@pytest.mark.parametrize(
    ("html", "encoding", "warns"),
    [
        ("<p>Łódź ±1", "utf-8", False),
        ("<p>Geschäftsführer: Müller, 5 m²", "cp1252", True),
        ("<meta charset=iso-8859-1><p>“Größe” 5 €", "cp1252", False),
        ("<meta http-equiv=Content-Type content='text/html; charset=koi8-r'><p>Привет", "koi8-r", False),
        ("<!-- <meta charset=koi8-r> --><meta charset=windows-1250><p>Žluťoučký kůň", "cp1250", False),
        ("<?xml version='1.0' encoding='Shift_JIS'?><html><p>東京の天気", "cp932", False),
        ("\ufeff<meta charset=koi8-r><p>naïve", "utf-8", False),
        ("\ufeff<p>naïve 東京", "utf-16-le", False),
        ("<meta charset=nonsense><p>Привет, мир! Это короткий текст.", "cp1251", True),
    ],
)
def test_the_encoding_is_found_as_browsers_do(html, encoding, warns):
    found = content(html.encode(encoding))
    assert found.sections[0].text == html.rpartition(">")[2]
    assert bool(found.warnings) == warns


def test_who_sends_a_page_may_say_its_encoding():
    assert read_html("<p>Größe".encode("cp850"), "cp850").sections[0].text == "Größe"


def test_titles_that_name_nothing_give_way_to_the_first_heading():
    assert content("<title>Untitled Document</title><h1>Ferries</h1>x").title == "Ferries"


def test_a_page_that_needs_scripts_is_read_without_them():
    story = "Since spring we have seen more threats. " * 9
    assert "threats" in text(f"<p>x</p><noscript>{story}</noscript>")
    assert "enable" not in text("<p>x</p><noscript>Please enable JavaScript.</noscript>")


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 200_000 + "deep",
        "<a><b><i></a>" * 50_000 + "deep",
        f"<p {' '.join(f'a{n}=1' for n in range(200_000))}>deep",
        "<table><tr><td>" * 50_000 + "deep",
        "<p><b>" * 50_000 + "deep",
        "<ul><li>" * 1_900 + "deep",
        "<table><tr>" + "<td rowspan=9999 colspan=9999>x" * 200 + "<tr><td>deep",
        "<" * 300_000 + "p>deep",
        "<!--" * 100_000 + "--><p>deep",
        "<script>" * 100_000 + "</script><p>deep",
    ],
    ids=["div", "formats", "attributes", "tables", "bold", "lists", "spans", "marks", "comments", "scripts"],
)
def test_hostile_pages_do_not_take_for_ever(html):
    assert "deep" in text(html)


@pytest.mark.parametrize(
    ("html", "items"),
    [
        ("<ol><li>uno<li>dos</ol>", ["1. uno", "2. dos"]),
        ("<ol start=3><li>drei<li value=7>sieben<li>acht</ol>", ["3. drei", "7. sieben", "8. acht"]),
        ("<ol type=a><li>premier<ol type=I><li>dedans</ol><li>second</ol>", ["a. premier", "  I. dedans", "b. second"]),
        ("<ol reversed><li>deux<li>un</ol>", ["2. deux", "1. un"]),
        ("<ul><li>один</ul><ol start=x><li>два</ol>", ["- один", "1. два"]),
    ],
)
def test_items_of_lists_have_the_numbers_that_browsers_show(html, items):
    assert text(html).split("\n") == items


def test_lists_in_cells_keep_their_numbers():
    steps = "<ol><li>Open<li>Close<ol type=a><li>Lock</ol></ol><ul><li>Smile</ul>"
    assert text(f"<table><tr><th>Step<th>Who<tr><td>{steps}<td>Ann</table>") == (
        "Step | Who\n1. Open 2. Close a. Lock Smile | Ann"
    )


def test_values_of_form_fields_are_text_but_hidden_ones_are_not():
    page = (
        "<form><input type=hidden value=token><label>Oficina</label><input value='Calle Mayor 5'>"
        "<input type=password value=geheim><input type=checkbox value=yes><input type=submit value=Enviar>"
        "<table><tr><th>Tarif<td><input value='5 €'><tr><th>Frist<td>3 Tage</table></form>"
    )
    assert text(page) == "Oficina Calle Mayor 5 Enviar\n\nTarif | 5 €\nFrist | 3 Tage"


def test_the_text_for_browsers_without_frames_is_read():
    assert text("<frameset><frame src=a><noframes><body><h1>Orari</h1><p>Dalle nove</noframes></frameset>") == (
        "Orari > Dalle nove"
    )


def test_empty_elements_of_xhtml_end_where_they_begin():
    head = '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title/><script src="a.js" /></head>'
    page = f'{head}<body><a name="x"/><p>Päivä &amp; <![CDATA[a < b]]></p><textarea/><p>Ilta<br/>yö</p></body></html>'
    assert text(page) == "Päivä & a < b\n\nIlta\nyö"
    assert text("<title/>swallowed</title><p>as browsers do") == "as browsers do"


def test_short_pages_lose_their_long_menus_and_menus_without_links_stay():
    links = "".join(f"<li><a href={n}>Menüpunkt Nummer {n}</a>" for n in range(30))
    prose = "<h1>Abfall</h1><p>Die Biotonne wird jeden Dienstag geleert, der Restmüll am Mittwoch nach Ostern.</p>"
    found = text(
        f"<div class=menu><ul>{links}</ul></div>{prose}<nav>Öffnungszeiten: 9 bis 17 Uhr</nav><nav>{links}</nav>"
    )
    assert found.startswith("Abfall > Die Biotonne")
    assert "Menüpunkt" not in found
    assert "9 bis 17 Uhr" in found


def test_deleted_text_is_left_out_and_struck_text_is_marked() -> None:
    page = (
        "<p>The fee is <del>10</del> <ins>12</ins> euro.</p><del><p>Old rule.</p></del><p>Only <s>99</s> 79 today</p>"
        "<table><tr><th>Item<th>Price</tr><tr><td>Pen<td><strike>3</strike> 2</tr>"
        "<tr><td>Ink<td><del>9</del>8</tr></table>"
    )
    text = "\n".join(section.header + "\n" + section.text for section in read("a.html", page.encode()).sections)
    assert "The fee is 12 euro." in text
    assert "Old rule" not in text
    assert "Only ~~99~~ 79 today" in text
    assert "Pen | ~~3~~ 2" in text
    assert "Ink | 8" in text


def test_tables_of_data_in_a_table_that_lays_out_the_page_keep_their_rows() -> None:
    data = "<table><tr><th>Artikel<th>Preis<tr><td>Stift<td>3</table>"
    assert text(f"<table><tr><td>Lager<td><table><tr><td>{data}</table></table>") == (
        "Lager\n\nArtikel | Preis\nStift | 3"
    )


def test_lines_of_code_are_lines_however_the_page_divides_them() -> None:
    assert text("<pre><code><span>eins</span><br><span>zwei</span><br></code></pre>") == "eins\nzwei"
    assert text("<pre><code><div>eins</div><div>  zwei</div></code></pre>") == "eins\n  zwei"
    assert text("<pre>eins<div>zwei</div>drei\n\nvier</pre>") == "eins\nzwei\ndrei\n\nvier"


def test_signs_that_link_to_their_own_place_are_no_text() -> None:
    page = (
        "<h1>Setup<a class=headerlink href='#s'>¶</a></h1><h2><a href=/docs/x#y>#</a> Ports<a href=#y>\u200b</a></h2>"
        "<p>See <a href=#note>note</a>, <a href=#n1>[1]</a>, <a href=/c>C#</a> and <a href=/sharp>#</a>"
    )
    assert text(page) == "Setup > Ports > See note, [1], C# and #"


def test_links_to_edit_and_numbers_of_lines_are_no_text() -> None:
    page = (
        "<h2>Use<span class=mw-editsection>[<a href=/e>edit</a>]</span></h2><p class=gutter>Clean the gutter."
        "<table><tr><td class=linenos><pre>1\n2</pre></td><td class=code>"
        "<pre><span class=lineno>1</span>a\nb</pre></table>"
    )
    assert text(page) == "Use > Clean the gutter.\n\na\nb"


def test_shadow_trees_are_read_and_other_templates_are_not() -> None:
    page = (
        "<x-card><template shadowrootmode=open><style>p{}</style><p>Geöffnet ab neun<template><p>Muster</template>"
        "<x-in><template shadowmode='open'><p>Innen</p></template></x-in></template></x-card>"
        "<template class=shadow-md><p>Vorlage</template><p>Ende"
    )
    assert text(page) == "Geöffnet ab neun\n\nInnen\n\nEnde"

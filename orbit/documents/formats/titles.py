"""Tells a document's real title, or what a picture shows, from what programs write in its place."""

from __future__ import annotations

import re

_JUNK = re.compile(
    r"""
    [\W_]* (
        untitled|no[- ]?name|unbenannt(es|e)?
        |sans\ titre|sin\ t[ií]tulo|senza\ (titolo|nome)|sem\ t[ií]tulo|naamloos|namnl[öo]s
        |bez\ (tytułu|názvu)|без\ (названия|имени)|無題|名称未設定|无标题|未命名|제목\ 없음
    ) ([\W_]*(document|page|slide|presentation|form|[a-z]*(dokument|präsentation)|tabelle))? [\W\d_]*
    | documento?\ (sans\ titre|sin\ t[ií]tulo|senza\ titolo|sem\ (t[ií]tulo|nome))[\W\d_]*
    | \(?anonymous\)? | \(?unspecified\)? | unknown | title | \(?no\ title\)? | none | null
    | (your|insert|enter)\ title(\ here)? | title\ (of|here)\b.{0,20}
    | (new\ )?(document|dokument|documento?|документ|文档|文書|문서)[\s(]*\d*\)?
    | (new\ |neues?\ |nouveau\ |nuevo\ |nuovo\ |novo\ )(text|texte|rich\ text|ole)?[- ]?(document|dokument|documento?)
        (\ (texte|de\ (texto?|texte)|di\ testo|rtf))?[\W\d_]* | (layout|blatt|sheet|tabelle|feuille|hoja|foglio)\ ?\d+
    | print(out)? | print\ document | (new\ )?page\ \d+
    | (new\ |neues\ |nouveau\ |nuevo\ )?(microsoft\ )?(office\ )?(word|excel|powerpoint)
        [- ]?(document|dokument|file|workbook)\ ?\d*
    | (microsoft\ )?(word|excel|powerpoint)\ [-–]\ .* | (document|documento|документ)\ (de\ )?microsoft\ word
    | microsoft\ (office\ )?(word|excel|powerpoint|publisher|visio|outlook)\b.*
    | (slide|folie|diapositiv[ae]|слайд|幻灯片|スライド)\ ?\d+
    | powerpoint[- ]?(pr\w+|演示文稿|\ プレゼンテーション)
    | (pr[äée]se[nñ]ta\w+|apresentação|презентация)(\ (de|do|standard\ di))?\ powerpoint
    | (presentation|pr[äé]sentation|презентация)\ ?\d*
    | (book|mappe|classeur|libro|zeszyt|книга|工作簿|form)\d+ | (adobe\ )?(indesign|photoshop)\b.*
    | latex\ (document|with\ hyperref).* | .*\ -\ (google\ (docs|sheets|slides)|notepad|editor)
    | .*\.(docx?|dot[xm]?|xlsx?|pptx?|odt|ods|odp|rtf|pdf|indd|qxd|qxp|p65|pmd|fm|tex|dvi|ps|eps)
    | .*\.(x?html?|aspx?|php|txt|wpd)
    | .*\.(pages|tiff?|jpe?g|png|gif|svg|webp|bmp|emf|wmf|cdr|ai|vsdx?|tmp)
    | ([a-z]:)?[\\/].* | file:.* | https?:.* | about:blank | d:\d{8}.* | <[0-9a-f]+>
    | scan(ned)?[\W_]*(document)?[\W_]*\d* | camscanner\b.* | (img|image)[\W_]*\d+ | [\W\d_]*
    """,  # noqa: RUF001  # other scripts are the point
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)

_ANY_PICTURE = re.compile(
    r"(an?\ )?(image|picture|photo|icon|logo|graphic|img|avatar|thumbnail|spacer|bild|foto|grafik|imagen?|photographie)"
    r"[\W\d_]*",
    re.IGNORECASE,
)


def picture_text(text: str) -> str:
    """Return the text that stands for a picture, in one line, or "" if it only names a file or says that it is one."""
    text = real_title(text)
    return "" if _ANY_PICTURE.fullmatch(text) else text


def real_title(title: str) -> str:
    """Return a title of the metadata in one line, or "" if it only names a program, a file or nothing."""
    title = " ".join(title.replace("\0", "").replace("\ufeff", "").split())
    return "" if _JUNK.fullmatch(title) else title

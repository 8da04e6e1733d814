"""Recognizes the language of a text by its most common words."""

from __future__ import annotations

import re
from collections.abc import Container
from functools import lru_cache

from orbit.chat.search.scripts import script_of

_WORDS = {
    "en": "the of is are was were what which who whom how do does did i my to in for when where why can many "
    "much long with and a an this that it on by from at as or be has have had not would could should will "
    "you your their its there been",
    "de": "der die das den dem des ist sind war waren wie was wer wem wen wo wann warum worum wofür welche "
    "welchen welchem welcher welches ich mein meine ein eine einen einem einer eines zu im in mit für und "
    "nicht kann muss viele viel hat haben wird werden wurde wurden auf von aus bei nach sich es er sie "
    "oder auch als an durch über um wenn nur man zum zur vom beim",
    "fr": "le la les l des du de est sont était que qui quel quelle quels quelles quand comment combien "
    "pourquoi où je mon ma un une à au aux dans pour et ne pas puis a ont y en par sur avec ce cette il "
    "elle se d qu ou plus son sa ses été",
    "es": "el la los las del de es son fue era qué que quién quiénes cuál cuáles cuándo cómo cuánto cuántos "
    "cuánta cuántas dónde por mi un una en para y no puedo hay se con a al ha han su sus lo como o más "
    "porque este esta",
    "it": "il lo la gli le i di del della dei delle dello è sono era che chi quale quali quando come quanto "
    "quanti quante dove perché mio un una in per e non si con a al da nel nella su più ha hanno o anche",
    "pt": "o os a as do da dos das de é são foi que quem qual quais quando como quanto quantos onde porque por "
    "meu um uma em para e não se com no na ao mais ou sua seu tem foram",
    "nl": "de het een is zijn was waren wat wie welke hoe hoeveel wanneer waar waarom ik mijn in voor en niet "
    "kan van op met te dat die er aan om door naar uit bij als ook heeft hebben wordt werd worden of",
    "pl": "i w z na się nie jest są jak co kto czy gdzie kiedy dlaczego ile który która które jaki jaka jakie "
    "przez po od dla oraz o za jego ich może można mogę mam ma ze był była było były być ja mój moja u "
    "lub by jeśli we tym tego",
    "tr": "ilk tarafından arasında neydi kimdir zaman adı yılında yılda sahip üzerinde göre hakkında ve bir bu "  # noqa: RUF001  # Turkish
    "da de mi mı mu mü ne nedir kim kimin nasıl nerede nereye nereden hangi kaç neden niçin için ile olan "  # noqa: RUF001  # Turkish
    "olarak oldu olduğu en çok daha kadar gibi ama veya var yok her ben benim biz o şu olur etti değil "
    "sonra ise kime neyi hangisi nelerdir idi",
}
_COMMON = {language: frozenset(words.split()) for language, words in _WORDS.items()}

_ALL = frozenset[str]().union(*_COMMON.values())

_JAPANESE = {"HIRAGANA", "KATAKANA", "CJK"}
"""Scripts of one language. Most letters of its questions are often of another one than those of its passages."""

UNKNOWN = 0.5
"""How well a model that knows a text's script judges it in a language that it does not know."""

_LONG = 20
"""Words from which a text is no question: it may have more names, numbers and rows of tables."""


@lru_cache(maxsize=1024)
def language_of(text: str) -> str:
    """Return the ISO 639-1 code of a text's language, if it is one of nine that Latin letters write; else nothing.

    A fifth of the words must be among the language's commonest, of a long text a tenth; and more than of any other's.
    """
    words = re.findall(r"\w+", text.casefold())
    hits = {language: sum(word in common for word in words) for language, common in _COMMON.items()}
    second, most = sorted(hits.values())[-2:]
    enough = most * (10 if len(words) > _LONG else 5) >= len(words)
    return max(hits, key=hits.__getitem__) if enough and most > second else ""


def is_common(word: str) -> bool:
    """Return whether a casefolded word is among the commonest of a language."""
    return word in _ALL


def is_foreign(question: str, passage: str) -> bool:
    """Return whether a passage is in another language than the question, as far as words and scripts tell."""
    scripts = {script_of(question), script_of(passage)}
    if "" in scripts or scripts <= _JAPANESE:
        return False
    if scripts != {"LATIN"}:
        return len(scripts) > 1
    languages = {language_of(question), language_of(passage)}
    return len(languages) > 1 and "" not in languages


def knows(text: str, languages: Container[str]) -> float:
    """Return how well a model of some languages can judge a text in its scripts: 1, or ``UNKNOWN`` in another language.

    Without languages, the model knows all of its scripts.
    """
    return 1.0 if not languages or language_of(text) in languages else UNKNOWN

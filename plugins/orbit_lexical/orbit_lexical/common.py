"""Words that say nothing about a subject, folded. In a small collection their count does not tell them."""

from __future__ import annotations

from typing import Final

COMMON: Final = {
    "english": "the of and to is that for with are be this from by which not a an in on at it its as or if i my we you "
    "do does did can may must should would will have has had what who whom whose when where why how many much long "
    "often there was were am about into than then so me your our their he she they any some",
    "german": "der die das und ist nicht den von zu mit auf ein eine dem wird im in am an des es ich mein meine meinem "
    "meinen wir sie er man mir mich kann darf muss soll wie viel viele was wer wem wen wann wo warum weshalb woran "
    "welche welcher welches welchen bei fur um aus nach ab bis wenn so sich sind hat haben werden als auch oder dass",
    "french": "le la les l d un une des du de et est en dans pour que qu qui quoi sur pas au aux ce cet cette ces se s "
    "je j mon ma mes il elle on nous vous ils quel quelle quels quelles quand ou comment combien pourquoi a y ne n "
    "par avec si sont ai ont faut puis plus t c",
    "spanish": "el la los las del de y es una un por con para que se en al como su sus mi me lo a o no si qui que cual "
    "cuanto cuantos cuanta cuantas cuando donde quien quienes desde hasta hay puedo puede tengo son esta este esa ese",
    "italian": "il lo gli i la le della del dei di che e una un per con sono non nel alla si in a da come cosa chi "
    "quando dove perche quanto quanti quale quali mi mio",
    "portuguese": "o os a as da do das dos e uma um por com para que nao em ao na no se como quem quando onde quanto "
    "quantos qual quais meu minha",
    "dutch": "de het een van en is niet dat op te voor met zijn aan wordt in ik mijn wat wie wanneer waar waarom hoe "
    "veel welke kan mag moet",
    "russian": "и в во на с со к по за из о об у не что кто где когда как какой какая какое какие каков сколько почему "  # noqa: RUF001  # Russian letters
    "чем чего чему ли мне мои моя мое я мы он она они это такое если же то для до от нужно надо можно",
    "arabic": "في من الى على عن ما ماذا متى اين أين كيف كم لماذا هل اي أي هو هي هذا هذه التي الذي ان أن أنا يا و مع",
    "hindi": "का की के को में से है हैं था थे थी और पर कि यह वह क्या कौन कब कहा कहां कैसे कितना कितनी "
    "कितने क्यो क्यों किस किसे मैं मेरा मेरी मुझे हम तो भी ही हो होता होती होते कर करें करू करूं",
    "chinese": "什么 怎么 怎样 么办 为什 多少 "
    "几个 哪里 在哪 里在 谁的 是谁 可以 的话 应该 我的 我一 一个 有多 得有 的多 以用",
}
"""Articles, prepositions, pronouns, auxiliaries and question words by Snowball's name of the language."""

ALL: Final = frozenset(word for words in COMMON.values() for word in words.split())

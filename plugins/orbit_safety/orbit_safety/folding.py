"""Making texts that look alike equal, so that a block list cannot be evaded by spelling."""
# letters that look like others are what this file is about

import unicodedata
from typing import Final

_CAPITALS: Final = str.maketrans(
    "АВЕЅІЈКМНОРСТУХҮԚԜӀΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹͿՕՍᎪᏴᏟᎠᎬᎻᎫᏦᏞᎷᏢᏒᏚᎢᏙᎳᏃ",
    "abesijkmhopctyxyqwiabezhikmnoptyxcjosabcdehjklmprstvwz",
)
_SMALL: Final = str.maketrans(
    "авеѕіјкмноосртухһԁԛԝӏьαβεικνορτυχγσϲϳμıȷłøđħŧɑɡɩɪʏʟʀɴʜɢʙᴀᴄᴅᴇᴊᴋᴍᴏᴘᴛᴜᴠᴡᴢꜰꜱօսհ",
    "abesijkmhoocptyxhdqwibabeikvoptuxyocjuijlodhtagiiylrnhgbacdejkmoptuvwzfsouh",
)
"""Letters of other scripts, and Latin ones that are no composition -> the Latin letter they are taken for.

Capitals stand apart because some look like another letter than their small form does.
"""


def fold(text: str) -> str:
    """Return ``text`` in small plain letters: no case, width, accents, look-alikes or invisible characters.

    Scripts without look-alikes (Chinese, Arabic, ...) keep their letters. White space becomes single spaces.
    """
    decomposed = unicodedata.normalize("NFKD", text)
    if not decomposed.isascii():
        # Cf: zero-width and direction marks; Mn, Me: accents and other marks; Cc: control characters.
        hidden = ("Cf", "Mn", "Me", "Cc")
        decomposed = "".join([c for c in decomposed if c.isspace() or unicodedata.category(c) not in hidden])
        decomposed = unicodedata.normalize("NFKC", decomposed.translate(_CAPITALS).casefold().translate(_SMALL))
    return " ".join(decomposed.casefold().split())

"""Makes look-alike texts equal, so that spelling tricks cannot evade a block list."""
# This file is about confusable letters.

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
"""Letters of other scripts, and Latin letters that do not decompose -> the Latin letter that they resemble.

Capitals are separate because some resemble another letter than their small form does.
"""


def fold(text: str) -> str:
    """Return ``text`` in plain lower case: without width, accents, look-alikes or invisible characters.

    Scripts without look-alikes (Chinese, Arabic, ...) keep their letters. White space becomes single spaces.
    """
    decomposed = unicodedata.normalize("NFKD", text)
    if not decomposed.isascii():
        # Cf: zero-width and direction marks; Mn, Me: accents and other marks; Cc: control characters.
        hidden = ("Cf", "Mn", "Me", "Cc")
        decomposed = "".join([c for c in decomposed if c.isspace() or unicodedata.category(c) not in hidden])
        decomposed = unicodedata.normalize("NFKC", decomposed.translate(_CAPITALS).casefold().translate(_SMALL))
    return " ".join(decomposed.casefold().split())

"""MongoDB as the store, through Beanie: the collections that earlier ORBIT servers used.

No operation needs a transaction, so a single server is as good as a replica set. What must change together is one
document, changed only if it still is what was read.
"""

from orbit.database.mongodb.keys import MongoKeys
from orbit.database.mongodb.prompts import MongoPrompts
from orbit.database.mongodb.sessions import MongoSessions

__all__ = ["MongoStore"]


class MongoStore(MongoKeys, MongoPrompts, MongoSessions):
    """Keys, prompts and conversations in MongoDB."""

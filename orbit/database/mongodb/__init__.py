"""MongoDB as the database, through Beanie: the collections that earlier ORBIT servers used.

No operation needs a transaction, so a single server is as good as a replica set. What must change together is one
document, changed only if it still is what was read.
"""

from orbit.database.mongodb.conversations import MongoConversations
from orbit.database.mongodb.keys import MongoKeys
from orbit.database.mongodb.prompts import MongoPrompts

__all__ = ["MongoDatabase"]


class MongoDatabase(MongoKeys, MongoPrompts, MongoConversations):
    """Keys, prompts and conversations in MongoDB."""

"""MongoDB as the database, through Beanie: the collections that earlier ORBIT servers used.

No operation needs a transaction, so a single server works as well as a replica set. Data that must change together is
one document, which an update changes only if nobody else has changed it since it was read.
"""

from orbit.database.mongodb.conversations import MongoConversations
from orbit.database.mongodb.keys import MongoKeys
from orbit.database.mongodb.prompts import MongoPrompts
from orbit.database.mongodb.transfer import MongoTransfer

__all__ = ["MongoDatabase"]


class MongoDatabase(MongoKeys, MongoPrompts, MongoConversations, MongoTransfer):
    """Keys, prompts and conversations in MongoDB."""

"""The tables of the SQLite database, and the migrations of older files."""

MIGRATIONS = (
    """
    CREATE TABLE system_prompts (
        id TEXT PRIMARY KEY NOT NULL,
        name TEXT NOT NULL UNIQUE,
        prompt TEXT NOT NULL,
        version TEXT NOT NULL,
        created_at REAL NOT NULL,
        updated_at REAL NOT NULL,
        revision INTEGER NOT NULL
    );
    CREATE TABLE prompt_versions (
        id TEXT NOT NULL REFERENCES system_prompts (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        prompt TEXT NOT NULL,
        version TEXT NOT NULL,
        created_at REAL NOT NULL,
        updated_at REAL NOT NULL,
        revision INTEGER NOT NULL,
        PRIMARY KEY (id, revision)
    );
    CREATE TABLE api_keys (
        id TEXT PRIMARY KEY NOT NULL,
        digest TEXT NOT NULL UNIQUE,
        hint TEXT NOT NULL,
        client_name TEXT NOT NULL,
        collection_name TEXT,
        system_prompt_id TEXT REFERENCES system_prompts (id),
        active INTEGER NOT NULL,
        notes TEXT NOT NULL,
        created_at REAL NOT NULL,
        expires_at REAL,
        requests_per_minute INTEGER
    );
    CREATE INDEX api_keys_by_prompt ON api_keys (system_prompt_id);
    CREATE TABLE former_secrets (
        digest TEXT PRIMARY KEY NOT NULL,
        key_id TEXT NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
        hint TEXT NOT NULL,
        expires_at REAL NOT NULL
    );
    CREATE INDEX former_secrets_by_key ON former_secrets (key_id);
    CREATE TABLE request_counts (
        key_id TEXT NOT NULL,
        second INTEGER NOT NULL,
        number INTEGER NOT NULL,
        PRIMARY KEY (key_id, second)
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE session_turns (
        id INTEGER PRIMARY KEY,
        key_id TEXT NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
        session_id TEXT NOT NULL,
        question TEXT NOT NULL,
        answer TEXT NOT NULL,
        at REAL NOT NULL,
        sources BLOB NOT NULL
    );
    CREATE INDEX session_turns_by_session ON session_turns (key_id, session_id, id);
    CREATE INDEX session_turns_by_time ON session_turns (at);
    """,
    """
    ALTER TABLE api_keys ADD COLUMN models TEXT NOT NULL DEFAULT '[]';
    """,
    "ALTER TABLE session_turns ADD COLUMN detail TEXT NOT NULL DEFAULT '';",
    """
    ALTER TABLE api_keys ADD COLUMN requests_per_day INTEGER;
    ALTER TABLE api_keys ADD COLUMN requests_per_month INTEGER;
    ALTER TABLE api_keys ADD COLUMN tokens_per_day INTEGER;
    ALTER TABLE api_keys ADD COLUMN tokens_per_month INTEGER;
    CREATE TABLE day_counts (
        key_id TEXT NOT NULL,
        day TEXT NOT NULL,
        requests INTEGER NOT NULL,
        tokens INTEGER NOT NULL,
        PRIMARY KEY (key_id, day)
    ) WITHOUT ROWID;
    """,
    "ALTER TABLE api_keys ADD COLUMN groups TEXT NOT NULL DEFAULT '[]';",
)
"""The statements from each schema version (``PRAGMA user_version``) to the next."""

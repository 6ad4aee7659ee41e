"""What is said to PostgreSQL: the tables of a set of flags, and the one statement that writes them."""

from __future__ import annotations

from typing import Final

__all__ = ["ENTRY", "INSERT", "TABLES", "UPDATE", "WRITE"]

ENTRY: Final = (
    "revision",
    "sha256",
    "actor",
    "reason",
    "via",
    "keys",
    "time",
    "changes",
    "app_revision",
    "place",
    "link",
)
"""The columns of the history that make an entry of the change log, in the order in which they are asked for."""

TABLES: Final = """
CREATE TABLE IF NOT EXISTS flagmiddleware_snapshot (
    name text PRIMARY KEY, epoch text NOT NULL, revision bigint NOT NULL, sha256 text NOT NULL,
    signature text NOT NULL, format text NOT NULL, data bytea NOT NULL
);
CREATE TABLE IF NOT EXISTS flagmiddleware_history (
    name text NOT NULL, epoch text NOT NULL, revision bigint NOT NULL, sha256 text NOT NULL, actor text NOT NULL,
    reason text NOT NULL, via text NOT NULL, keys text NOT NULL, time text NOT NULL, data bytea NOT NULL,
    link text NOT NULL, number bigserial, PRIMARY KEY (name, epoch, revision)
);
ALTER TABLE flagmiddleware_history ADD COLUMN IF NOT EXISTS changes text, ADD COLUMN IF NOT EXISTS app_revision text;
ALTER TABLE flagmiddleware_history ADD COLUMN IF NOT EXISTS place text;
ALTER TABLE flagmiddleware_snapshot ADD COLUMN IF NOT EXISTS head text NOT NULL DEFAULT '';
CREATE INDEX IF NOT EXISTS flagmiddleware_history_newest ON flagmiddleware_history (name, number DESC);
CREATE OR REPLACE FUNCTION flagmiddleware_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the history of flags is only ever appended to'; END $$;
CREATE OR REPLACE TRIGGER flagmiddleware_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON flagmiddleware_history
    FOR EACH STATEMENT EXECUTE FUNCTION flagmiddleware_append_only();
"""
"""The tables and the trigger that keeps the history append-only; needs PostgreSQL 14 or newer."""

INSERT: Final = """
    INSERT INTO flagmiddleware_snapshot (name, epoch, revision, sha256, signature, format, data, head)
    VALUES (%(name)s, %(epoch)s, 1, %(sha256)s, %(signature)s, 'native', %(data)s, %(head)s)
    ON CONFLICT (name) DO NOTHING RETURNING epoch, revision
"""
UPDATE: Final = """
    UPDATE flagmiddleware_snapshot
    SET revision = revision + 1, sha256 = %(sha256)s, signature = %(signature)s, format = 'native', data = %(data)s,
        head = %(head)s
    WHERE name = %(name)s AND epoch = %(epoch)s AND revision = %(expected)s RETURNING epoch, revision
"""
WRITE: Final = """
WITH written AS ({write}),
logged AS (
    INSERT INTO flagmiddleware_history (
        name, epoch, revision, sha256, actor, reason, via, keys, time, changes, app_revision, place,
        data, link
    )
    SELECT
        %(name)s, epoch, revision, %(sha256)s, %(actor)s, %(reason)s, %(via)s, %(keys)s, %(time)s,
        %(changes)s, %(app_revision)s, %(place)s, %(data)s, %(link)s
    FROM written RETURNING revision
)
SELECT revision, pg_notify(%(channel)s, revision::text) FROM logged
"""

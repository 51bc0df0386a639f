"""The tables of the index. Which SQLite index a statement uses is said in the statement."""

from __future__ import annotations

#: Raised with every change of the tables: an index of another version is built anew.
VERSION = 6

_TABLES = """
CREATE TABLE meta(version INT, store TEXT, segment INT, offset INT, crc TEXT, length INT,
  bare INT);
CREATE TABLE jobs(
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL, rev INT NOT NULL, name TEXT NOT NULL,
  key TEXT NOT NULL, status INT NOT NULL, ready INT NOT NULL, rank INT NOT NULL,
  due INT NOT NULL, since INT NOT NULL, finished INT,
  started INT, attempts INT NOT NULL, created INT NOT NULL, labels TEXT,
  segment INT NOT NULL, offset INT NOT NULL, length INT NOT NULL);
CREATE TABLE tags(tag TEXT NOT NULL, seq INT NOT NULL,
  PRIMARY KEY(tag, seq)) WITHOUT ROWID;
CREATE TABLE deps(seq INT NOT NULL, dep TEXT NOT NULL,
  PRIMARY KEY(seq, dep)) WITHOUT ROWID;
CREATE INDEX by_dep ON deps(dep, seq);
CREATE TABLE notes(topic TEXT NOT NULL, key TEXT NOT NULL, at INT NOT NULL,
  segment INT NOT NULL, offset INT NOT NULL, length INT NOT NULL,
  PRIMARY KEY(topic, key)) WITHOUT ROWID;
CREATE INDEX by_at ON notes(topic, at, key);
CREATE TABLE counters(name TEXT, status INT, n INT,
  PRIMARY KEY(name, status)) WITHOUT ROWID;
CREATE TABLE segments(segment INTEGER PRIMARY KEY, live INT NOT NULL);
"""
#: What makes the tables, a statement each.
TABLES = [text for text in _TABLES.split(";") if text.strip()]

#: By which SQLite index a job is found by its id.
BY_ID = "by_id"
#: What makes the SQLite indexes of the jobs, by name. See bare.py. Each ends with the seq by
#: itself: it is the rowid. Named at the end it would stand there twice.
INDEXES = {
    BY_ID: "CREATE UNIQUE INDEX by_id ON jobs(id)",
    "by_status": "CREATE INDEX by_status ON jobs(status)",
    "by_name": "CREATE INDEX by_name ON jobs(name, status)",
    "by_end": "CREATE INDEX by_end ON jobs(status, finished) WHERE finished IS NOT NULL",
    "best": "CREATE INDEX best ON jobs(name, key, rank, due) WHERE ready = 1",
    "oldest": "CREATE INDEX oldest ON jobs(name, since) WHERE ready = 1",
    "waiting": "CREATE INDEX waiting ON jobs(due) WHERE ready = 2",
    "stopping": "CREATE INDEX stopping ON jobs(seq) WHERE ready = 3",
}

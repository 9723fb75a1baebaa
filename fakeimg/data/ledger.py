"""What was asked of a provider, written down before and after, so that nothing is paid for twice unknowingly."""

import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

State = Literal["sent", "open", "done", "refused"]

_TABLE = "CREATE TABLE IF NOT EXISTS requests (key TEXT PRIMARY KEY, state TEXT NOT NULL, reason TEXT, sent INTEGER)"


@dataclass(frozen=True)
class Entry:
    """One fake that was asked for.

    Attributes:
        state: "sent", and no answer is known; "open", certainly not made; "done"; or "refused".
        reason: why it is open or refused.
        sent: how many requests were sent for it.
    """

    state: State
    reason: str
    sent: int


class Ledger:
    """A file with one row a fake. Every change is on the disk before the call returns; safe to use from threads."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=30, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute(_TABLE)
        self._lock = threading.Lock()

    def entries(self) -> dict[str, Entry]:
        """All that was ever asked for, by key."""
        with self._lock:
            rows = self._connection.execute("SELECT key, state, reason, sent FROM requests").fetchall()
        return {key: Entry(state, reason or "", sent) for key, state, reason, sent in rows}

    def send(self, key: str) -> None:
        """Write down that a request is about to be sent: from now on it may be charged."""
        self._run(
            "INSERT INTO requests VALUES (?, 'sent', '', 1) "
            "ON CONFLICT (key) DO UPDATE SET state = 'sent', reason = '', sent = sent + 1",
            key,
        )

    def settle(self, key: str, state: State, reason: str = "") -> None:
        """Write down how a request ended."""
        self._run("UPDATE requests SET state = ?, reason = ? WHERE key = ?", state, reason, key)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _run(self, statement: str, *values: str) -> None:
        with self._lock:
            self._connection.execute(statement, values)

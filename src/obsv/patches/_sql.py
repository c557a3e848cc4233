"""SQL without its literals, and what a statement does in a few words.

Rules: OpenTelemetry semantic conventions, "Database spans", *Sanitization of db.query.text* and *Generating a summary
of the query*.

No parser: one regular expression takes the statement apart into quoted things, comments, numbers, parameters and
words. It never backtracks over what it has read (every repetition is possessive or ends at a fixed text), so the time
is linear, and where it is in doubt it takes a text for a literal. A double-quoted word is a name in the standard and,
where no column has that name, a string for SQLite; it is kept only where it can be nothing but a name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re

MAX_STATEMENT = 4096
"""Characters of a statement that are read; the rest is cut off."""

MAX_SUMMARY = 255
"""Longest summary, in characters (semantic conventions, ``db.query.summary``)."""

MAX_CACHED = 256
"""Statements whose analysis is kept. Programs send few different texts, and those again and again."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Statements that name what they work on, and the words after which the name comes.
_OPERATIONS = _words(
    "SELECT INSERT UPDATE DELETE REPLACE MERGE CREATE DROP ALTER TRUNCATE CALL EXEC EXECUTE EXPLAIN PRAGMA "
    "VACUUM ANALYZE REINDEX BEGIN COMMIT ROLLBACK SAVEPOINT RELEASE ATTACH DETACH SET SHOW USE GRANT REVOKE "
    "WITH VALUES LOCK COPY"
)
_OBJECTS = _words("TABLE INDEX VIEW TRIGGER DATABASE SCHEMA SEQUENCE FUNCTION PROCEDURE TYPE ROLE USER")
_BEFORE_NAME = _words("FROM JOIN INTO UPDATE") | _OBJECTS
_SKIPPED = _words("IF NOT EXISTS ONLY OR ROLLBACK ABORT REPLACE FAIL IGNORE LATERAL CONCURRENTLY LOW_PRIORITY")
_AFTER_NAMES = _words(  # what ends a list of tables, and is no alias
    "WHERE GROUP ORDER HAVING LIMIT OFFSET UNION INTERSECT EXCEPT ON USING SET VALUES LEFT RIGHT INNER OUTER CROSS "
    "NATURAL FULL RETURNING WINDOW FETCH FOR DEFAULT INDEXED"
)
# Words after which a double-quoted text is a name: no statement has a literal there.
_NAMES_FOLLOW = _BEFORE_NAME | {"AS", "EXISTS"}


class Statement:
    """What is told of an SQL statement.

    Attributes:
        text: The statement without literals and comments.
        summary: What it does to what, ``"SELECT orders"``; empty when nobody knows.
        operation: The first word, in upper case; empty when there is none.
    """

    __slots__ = ("operation", "summary", "text")

    def __init__(self, text: str, summary: str, operation: str) -> None:
        self.text = text
        self.summary = summary
        self.operation = operation


_cache: dict[str, Statement] = {}
_tokens: re.Pattern[str] | None = None
_list: re.Pattern[str] | None = None
_rows: re.Pattern[str] | None = None


def analyse(sql: str) -> Statement:
    """Return what may be told of a statement.

    >>> analyse("select * from users where name = 'ann' and id in (1, 2, 3)").text
    'select * from users where name = ? and id in (?)'
    """
    key = sql if len(sql) <= MAX_STATEMENT else sql[:MAX_STATEMENT]
    found = _cache.get(key)
    if found is None:
        found = _analyse(key)
        if len(_cache) >= MAX_CACHED:
            _cache.clear()
        _cache[key] = found
    return found


def _compile() -> re.Pattern[str]:
    import re

    global _tokens, _list, _rows
    _list = re.compile(r"\( ?\?(?: ?, ?\?)*+ ?\)")
    _rows = re.compile(r"\(\?\)(?: ?, ?\(\?\))++")
    _tokens = re.compile(
        r"""
          (?P<comment>  --[^\n]*+ | /\*.*?(?:\*/|\Z) )
        | (?P<string>   [eE]'(?:[^'\\]|\\.|'')*+(?:'|\Z) | [A-Za-z]?'(?:[^']|'')*+(?:'|\Z)
                     | \$(?P<tag>[^\W\d]\w*+|)\$.*?(?:\$(?P=tag)\$|\Z) )
        | (?P<double>   "(?:[^"]|"")*+(?:"|\Z) )
        | (?P<name>     `(?:[^`]|``)*+(?:`|\Z) | \[[^\]]*+(?:\]|\Z) | [^\W\d][\w$]*+ )
        | (?P<number>   \.?\d[\w.]*+(?:(?<=[eE])[+-]\d[\w.]*+)? )
        | (?P<mark>     \?\d*+ | ::(?=[^\W\d]) | [:@$][^\W\d][\w$]*+ | %s | %\([^()%]*+\)s )
        | (?P<odd>      [:@$]\d[\w.]*+ )
        | (?P<space>    \s++ )
        | (?P<other>    . )
        """,
        re.VERBOSE | re.DOTALL,
    )
    return _tokens


def _analyse(sql: str) -> Statement:
    pattern = _tokens if _tokens is not None else _compile()
    out: list[str] = []
    summary = _Summary()
    previous = ""  # the last name, in upper case, or the last symbol
    space = False
    for match in pattern.finditer(sql):
        kind = match.lastgroup
        if kind == "tag":  # a group inside another one is the last that closed
            kind = "string"
        token = match.group()
        if kind in ("space", "comment"):
            space = True
            continue
        if space and out:
            out.append(" ")
        space = False
        if kind == "double" and not _is_name(sql, match.end(), previous, token):
            kind = "string"
        if kind == "name" or kind == "double":
            out.append(token)
            summary.name(token, previous == ".")
            previous = token.upper()
            continue
        if kind == "string" or kind == "number" or kind == "odd":
            token = "?"
        elif kind == "mark":
            token = "?" if token[0] == "?" else token
        out.append(token)
        summary.symbol(token)
        previous = token
    text = "".join(out)
    assert _list is not None
    assert _rows is not None
    text = _rows.sub("(?)", _list.sub("(?)", text))
    return Statement(text, summary.text(), summary.operation)


def _is_name(sql: str, end: int, previous: str, token: str) -> bool:
    """Tell whether a double-quoted text is certainly the name of something."""
    if len(token) < 3 or token[-1] != '"':
        return False
    return previous == "." or previous in _NAMES_FOLLOW or sql[end : end + 1] == "."


class _Summary:
    """Collects operations and the tables they work on, in the order of the statement."""

    __slots__ = ("_current", "_expect", "_listing", "_words", "operation")

    def __init__(self) -> None:
        self.operation = ""
        self._current = ""  # the operation of this statement; a script has several
        self._words: list[str] = []
        self._expect = False  # the next word names a table
        self._listing = False  # a comma begins another table

    def name(self, token: str, qualified: bool) -> None:
        word = token.upper()
        if qualified:
            if self._listing and not self._expect and self._words and self._words[-1].endswith("."):
                self._words[-1] += _bare(token)
            return
        if self._expect:
            if word in _SKIPPED or (word in _OBJECTS and token[0].isalpha()):
                if word in _OBJECTS:
                    self._words.append(word)
                return
            self._expect = False
            if word not in _OPERATIONS and word not in _AFTER_NAMES:
                self._words.append(_bare(token))
                self._listing = True
                return
        if not self._current:
            if token[0].isalpha() and (not self.operation or word in _OPERATIONS):
                self._current = word
                self.operation = self.operation or word
                self._words.append(word)
                self._expect = word == "UPDATE"
            return
        if word in _BEFORE_NAME:
            self._expect = word not in _OBJECTS or self._current in ("CREATE", "DROP", "ALTER", "TRUNCATE")
            if self._expect and word in _OBJECTS:
                self._words.append(word)
            if word == "UPDATE":  # also in "ON CONFLICT DO UPDATE SET" and "FOR UPDATE", where no table follows
                self._expect = False
            self._listing = False
        elif word == "SELECT":
            self._words.append(word)
            self._listing = False
        elif word in ("INSERT", "DELETE") and self._current == "WITH":
            self._words.append(word)
        elif word in _AFTER_NAMES:
            self._listing = False

    def symbol(self, token: str) -> None:
        if token == "," and self._listing:
            self._expect = True
        elif token == "." and self._listing and self._words and not self._expect:
            self._words[-1] += "."
        elif token != ".":
            self._expect = False
            if token in "();":
                self._listing = False
            if token == ";":
                self._current = ""

    def text(self) -> str:
        text = " ".join([word.removesuffix(".") for word in self._words if word.strip(".")])
        if len(text) <= MAX_SUMMARY:
            return text
        return text[:MAX_SUMMARY].rpartition(" ")[0]


def _bare(name: str) -> str:
    return name.strip('"`[]')

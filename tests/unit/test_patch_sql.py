from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from obsv.patches import _sql
from obsv.patches._sql import MAX_STATEMENT, MAX_SUMMARY, analyse


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("select * from t where a = 'it''s'", "select * from t where a = ?"),
        ("select 1, -2, 3.5, .5, 1e10, 1E-5, 0x1F, 12abc", "select ?, -?, ?, ?, ?, ?, ?, ?"),
        ("select x'53514C', N'abc', E'it\\'s', U&'d'", "select ?, ?, ?, U&?"),
        ("select $$secret$$, $tag$ a $$ b $tag$", "select ?, ?"),
        ("select a -- 'secret'\nfrom t /* 'x' */ where b", "select a from t where b"),
        (
            "select * from t1 where col_2 = :name and x = @y and z = $w",
            "select * from t1 where col_2 = :name and x = @y and z = $w",
        ),
        ("select ?, ?2, :3, $4, %s, %(name)s", "select ?, ?, ?, ?, %s, %(name)s"),
        ("select * from t where id in (1, 2,3 ,4)", "select * from t where id in (?)"),
        ("insert into t values (1, 'a'), (2, 'b')", "insert into t values (?)"),
        ("select a::int, b[1] from t", "select a::int, b[1] from t"),
        (
            'select "t"."id" from "t" as "x" where "t"."n" = "secret"',
            'select "t"."id" from "t" as "x" where "t"."n" = ?',
        ),
        ("select `a b`, [c d] from t", "select `a b`, [c d] from t"),
        ("  select\n\t1 ;  ", "select ? ;"),
        ("select 'never closed", "select ?"),
        ('select "never closed', "select ?"),
        ("select 1 /* never closed", "select ?"),
        ("select $$never closed", "select ?"),
        ("", ""),
    ],
)
def test_literals_are_replaced(sql: str, text: str) -> None:
    assert analyse(sql).text == text


@pytest.mark.parametrize(
    ("sql", "summary", "operation"),
    [
        ("select * from orders", "SELECT orders", "SELECT"),
        ("select * from a x, b y join c on f(x, y) where d in (1)", "SELECT a b c", "SELECT"),
        ("select * from (select id from o) s", "SELECT SELECT o", "SELECT"),
        ("insert or ignore into main.lines values (1)", "INSERT main.lines", "INSERT"),
        ('INSERT INTO "my table" SELECT * FROM b', "INSERT my table SELECT b", "INSERT"),
        ("update or rollback t set a = 1", "UPDATE t", "UPDATE"),
        ("delete from t", "DELETE t", "DELETE"),
        ("create table if not exists t (a text default 'x')", "CREATE TABLE t", "CREATE"),
        ("create unique index i on t (a)", "CREATE INDEX i", "CREATE"),
        ("drop table if exists t", "DROP TABLE t", "DROP"),
        ("with x as (select 1 from a) delete from t", "WITH SELECT a DELETE t", "WITH"),
        ("insert into t values (1) on conflict do update set a = 2", "INSERT t", "INSERT"),
        ("select * from t for update", "SELECT t", "SELECT"),
        ("BEGIN IMMEDIATE", "BEGIN", "BEGIN"),
        ("pragma journal_mode = wal", "PRAGMA", "PRAGMA"),
        ("select 'from secret'", "SELECT", "SELECT"),
        ("-- from x\nselect 1 from y", "SELECT y", "SELECT"),
        ("?", "", ""),
        ("; begin; insert into a values (1); drop table b; end", "BEGIN INSERT a DROP TABLE b", "BEGIN"),
    ],
)
def test_a_summary_names_operations_and_tables(sql: str, summary: str, operation: str) -> None:
    known = analyse(sql)
    assert (known.summary, known.operation) == (summary, operation)


WORD = st.sampled_from(
    [
        *["select", "from", "t1", "where", "a_b", "=", "(", ")", ",", "in", "/*c*/", ":p", "?", "*", "||", ";", "as"],
        '"t"."c"',
        "--x\n",
    ]
)
SECRET = st.integers(10**8, 10**9).map(str)


def quoted(secret: str, draw: int, before: str, after: str) -> str:
    body = f"{before}{secret}{after}"
    tag = body.replace("$", "")
    return (
        "'" + body.replace("'", "''") + "'",
        "x'" + secret + "'",
        "E'" + body.replace("\\", "\\\\").replace("'", "\\'") + "'",
        f"$q$ {tag} $q$",
        f"$${tag}$$",
        secret,
        f"{secret}.5e+{secret}",
        f"0x{secret}",
        f'= "{body.replace(chr(34), chr(34) * 2)}"',
    )[draw]


AROUND = st.text("ab '\"\\-/*;\n", max_size=4)
LITERAL = st.builds(quoted, SECRET, st.integers(0, 8), AROUND, AROUND)


@given(st.lists(WORD | LITERAL, max_size=30))
def test_no_literal_survives(parts: list[str]) -> None:
    known = analyse(" ".join(parts))
    digits = "".join(c if c.isdigit() else " " for c in known.text + " " + known.summary).split()
    assert not [number for number in digits if len(number) >= 9]


@given(st.lists(WORD | LITERAL, min_size=1, max_size=30), st.data())
def test_no_literal_survives_a_statement_that_is_cut(parts: list[str], data: st.DataObject) -> None:
    sql = " ".join(parts)
    known = analyse(sql[: data.draw(st.integers(0, len(sql)))])
    digits = "".join(c if c.isdigit() else " " for c in known.text + " " + known.summary).split()
    assert not [number for number in digits if len(number) >= 9]


@given(st.text() | st.text("'\"$`[]()-/*?:@%\\ ,.;ae0\n"))
@example("'" * 999)
@example("$a$$a" * 99)
@example("E'\\")
@example("\ud800")
def test_any_text_is_survived(sql: str) -> None:
    known = analyse(sql)
    assert len(known.summary) <= MAX_SUMMARY
    assert (
        analyse(known.text).text == known.text
        or '"' in sql
        or "[" in sql
        or "$" in sql
        or "`" in sql
        or "/" in sql
        or "-" in sql
    )


def test_long_statements_are_cut_and_summaries_are_short() -> None:
    long = "select * from " + ", ".join(f"table_{i}" for i in range(5000))
    known = analyse(long)
    assert len(known.text) <= MAX_STATEMENT
    assert len(known.summary) <= MAX_SUMMARY
    assert known.summary.startswith("SELECT table_0 table_1 ")
    assert analyse(long + " where 'more'") is known


def test_the_cache_is_bounded() -> None:
    for number in range(3 * _sql.MAX_CACHED):
        analyse(f"select {number}")
    assert len(_sql._cache) <= _sql.MAX_CACHED
    assert analyse("select 1 from cached") is analyse("select 1 from cached")


PIECES = [
    "'",
    '"',
    "$",
    "$a",
    "/*",
    "--",
    "(",
    "(?,",
    "%(",
    "[",
    "`",
    "''",
    "0",
    "a",
    ":",
    "E'\\",
    "from/**/a,",
    "?,",
    "(?),",
    "::",
    "1e+",
]


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.timeout(60)
def test_time_is_linear(piece: str) -> None:
    """Were it quadratic, this text, 50 times what is ever read, would take hours."""
    _sql._analyse(piece * (200_000 // len(piece)))

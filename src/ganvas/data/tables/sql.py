"""Conditions on rows, written as SQL has them after WHERE: parsed into a tree, checked, and never
run as code.

- values: columns, numbers, 'text' and dates in quotes, TRUE, FALSE, `+ - * /` (`/` divides as on
  paper)
- comparisons: `= != <> < <= > >=`, BETWEEN, IN, LIKE, IS NULL
- conditions: AND, OR, NOT, columns that are true or false

As in SQL a comparison with a missing value is neither true nor false.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ...core import InputError
from .columns import (
    Category,
    Column,
    Key,
    Number,
    Same,
    as_numbers,
    as_text,
    is_numeric,
    restore_values,
)

if TYPE_CHECKING:
    from sqlglot import exp

Kind = Literal["number", "date", "text", "truth"]
Values = Callable[[Mapping[str, pa.Array]], Any]
"""Columns by name to what a term comes to in every row: an array of Arrow, or a scalar for all."""

KNOWN = (
    "columns, numbers, quoted text, + - * /, = <> < <= > >=, BETWEEN, IN, LIKE, IS NULL, AND, OR"
    " and NOT"
)
COMPARED = {
    "EQ": "equal",
    "NEQ": "not_equal",
    "LT": "less",
    "LTE": "less_equal",
    "GT": "greater",
    "GTE": "greater_equal",
}
RECKONED = {"Add": pc.add, "Sub": pc.subtract, "Mul": pc.multiply}
TRUTHS = {"And", "Or", "Not", "Between", "In", "Is", "Like", *COMPARED}
PARTS = {"this", "expression", "expressions", "low", "high", "negate", "is_string", "typed", "safe"}
"""What a node of the tree may consist of: with anything more, it means something else."""
MICRO = pa.timestamp("us")


@dataclass(frozen=True)
class Term:
    """Part of a condition that has a value in every row.

    column: The column, where it is one and nothing else.
    literal: What stands there, where it is the same in every row.
    """

    kind: Kind
    of: Values
    column: str | None = None
    literal: Any = None


@dataclass
class Condition:
    """A condition, or one of those that AND joins.

    sql: As it was written.
    columns: Those it speaks of.
    points: Numbers that a column is compared with, in its own unit...
    reckoned: ...unless what it is compared with is worked out, so that any value may matter.
    """

    sql: str
    columns: set[str] = field(default_factory=set)
    points: set[float] = field(default_factory=set)
    reckoned: bool = False
    of: Values = lambda columns: None

    def truth(self, columns: Mapping[str, pa.Array], unknown: bool) -> np.ndarray:
        """Whether each row meets it, boolean (N,); `unknown` is what one counts as that neither
        does nor does not."""
        return np.asarray(pc.fill_null(self.of(columns), unknown))


def conditions(
    text: str, columns: Sequence[Column], schema: pa.Schema, where: str
) -> list[Condition]:
    """The conditions that a text joins by AND. Raises InputError for whatever it is that cannot be
    met.

    where: What to call the text: the option it was said with.
    """
    try:
        import sqlglot
        from sqlglot import exp
    except ImportError as error:
        raise InputError(f"{where} needs sqlglot: pip install 'ganvas[tables]'") from error
    try:
        tree = sqlglot.parse_one(text, into=exp.Condition)
        parts = tree.flatten() if isinstance(tree, exp.And) else [tree]
        return [_Reader(columns, schema, where).read(part) for part in parts]
    except sqlglot.errors.SqlglotError as error:
        raise InputError(
            f"{where} {text!r} is no condition; write one as SQL does after WHERE, such as age > 40"
            " AND town = 'Ulm'"
        ) from error
    except RecursionError as error:
        raise InputError(f"{where} is nested too deeply; write it flatter") from error


class _Reader:
    """Turns a tree of SQL into a condition, and refuses what it does not know."""

    def __init__(self, columns: Sequence[Column], schema: pa.Schema, where: str) -> None:
        self.columns = {column.name: column for column in columns}
        self.schema, self.where = schema, where

    def read(self, tree: exp.Expr) -> Condition:
        self.condition = Condition(tree.sql())
        self.condition.of = self.truth(tree)
        if not self.condition.columns:
            raise self.refused(f"{tree.sql()} names no column; say what shall be so of one")
        return self.condition

    def refused(self, words: str) -> InputError:
        return InputError(f"{self.where}: {words}")

    def unknown(self, node: exp.Expr) -> InputError:
        return self.refused(f"{node.sql()!r} is unknown here; it knows {KNOWN}")

    def truth(self, node: exp.Expr) -> Values:
        """A part that is true, false or neither."""
        if {name for name, value in node.args.items() if value} - PARTS:
            raise self.unknown(node)
        positive = self._truth(node)
        return (lambda rows: pc.invert(positive(rows))) if node.args.get("negate") else positive

    def _truth(self, node: exp.Expr) -> Values:
        match type(node).__name__:
            case "Paren":
                return self.truth(node.this)
            case "And" | "Or" as name:
                parts = [self.truth(part) for part in node.flatten()]
                join = pc.and_kleene if name == "And" else pc.or_kleene
                return lambda rows: reduce(join, [part(rows) for part in parts])
            case "Not":
                inner = self.truth(node.this)
                return lambda rows: pc.invert(inner(rows))
            case "Between":
                low = self.compared("GTE", node.this, node.args["low"])
                high = self.compared("LTE", node.this, node.args["high"])
                return lambda rows: pc.and_kleene(low(rows), high(rows))
            case "In":
                equal = [self.compared("EQ", node.this, one) for one in node.expressions]
                return lambda rows: reduce(pc.or_kleene, [one(rows) for one in equal])
            case "Is":
                if type(node.expression).__name__ != "Null":
                    raise self.unknown(node)
                of = self.term(node.this).of
                return lambda rows: pc.is_null(of(rows), nan_is_null=True)
            case "Like":
                return self.like(node)
            case name if name in COMPARED:
                return self.compared(name, node.this, node.expression)
        term = self.term(node)
        if term.kind != "truth":
            raise self.refused(
                f"{node.sql()} is a {term.kind}, not a condition; compare it with something"
            )
        return term.of

    def compared(self, name: str, left: exp.Expr, right: exp.Expr) -> Values:
        a, b = self.term(left), self.term(right)
        a, b = self.matched(a, b), self.matched(b, a)
        if a.kind != b.kind:
            raise self.refused(
                f"{left.sql()} is a {a.kind} and {right.sql()} a {b.kind}, which cannot be compared"
            )
        if a.kind == "truth" and name not in ("EQ", "NEQ"):
            raise self.refused(
                f"{left.sql()} is true or false, neither more nor less than anything; compare it"
                " with ="
            )
        compare = getattr(pc, COMPARED[name])
        for one, other in ((a, b), (b, a)):
            self.note(one, other, name)
        return lambda rows: compare(a.of(rows), b.of(rows))

    def matched(self, term: Term, other: Term) -> Term:
        """A quoted date as a date, where it is compared with one."""
        if term.kind != "text" or term.literal is None or other.kind != "date":
            return term
        zone = self.schema.field(other.column).type if other.column else MICRO
        try:
            stamp = pd.Timestamp(term.literal)
        except ValueError:
            raise self.refused(
                f"{term.literal!r} is no date; write one such as '2024-12-31'"
            ) from None
        if getattr(zone, "tz", None) and stamp.tzinfo is None:
            stamp = stamp.tz_localize(zone.tz)
        value = pd.Timestamp(stamp).tz_convert("UTC").tz_localize(None) if stamp.tzinfo else stamp
        micro = pa.scalar(value.to_pydatetime(), MICRO).cast(pa.int64())
        return Term("date", lambda _: micro, literal=micro.as_py())

    def note(self, one: Term, other: Term, name: str) -> None:
        """Remembers with what a column is compared. Raises InputError for a level there is not."""
        if one.column is None:
            self.condition.reckoned |= one.literal is None
            return
        column = self.columns[one.column]
        if other.literal is None:
            self.condition.reckoned = True
        elif other.kind == "number":
            self.condition.points.add(other.literal)
        elif other.kind == "date":
            kind = self.schema.field(one.column).type
            unit = (
                pa.date32()
                if pa.types.is_date32(kind)
                else pa.timestamp(getattr(kind, "unit", "ms"))
            )
            own = pa.array([other.literal]).cast(MICRO).cast(unit, safe=False)
            self.condition.points.add(float(as_numbers(own)[0]))
        elif other.kind == "text" and name in ("EQ", "NEQ"):
            levels = (
                column.levels if isinstance(column, Category) else (getattr(column, "value", None),)
            )
            if other.literal not in levels:
                shown = ", ".join(map(repr, levels[:5])) + (" …" if len(levels) > 5 else "")
                raise self.refused(
                    f"column {one.column!r} has no {other.literal!r}; it has {shown}"
                )

    def like(self, node: exp.Expr) -> Values:
        text, pattern = self.term(node.this), self.term(node.expression)
        if (
            text.kind != "text"
            or text.column is None
            or pattern.kind != "text"
            or pattern.literal is None
        ):
            raise self.refused(
                f"{node.sql()}: LIKE takes a column of text and a pattern such as 'A%'"
            )
        return lambda rows: pc.match_like(text.of(rows), pattern.literal)

    def term(self, node: exp.Expr) -> Term:
        """A part that is a number, a date or a text, or true or false."""
        match type(node).__name__:
            case "Paren":
                return self.term(node.this)
            case "Column" if not node.args.get("table"):
                return self.named(node.name)
            case "Literal":
                literal = node.this if node.is_string else float(node.this)
                return self.constant("text" if node.is_string else "number", literal)
            case "Boolean":
                return self.constant("truth", bool(node.this))
            case "Neg":
                return self.reckoned(
                    self.constant("number", -1.0), self.term(node.this), pc.multiply, node
                )
            case "Add" | "Sub" | "Mul" as name:
                return self.reckoned(
                    self.term(node.this), self.term(node.expression), RECKONED[name], node
                )
            case "Div":
                return self.reckoned(
                    self.term(node.this), self.term(node.expression), _divided, node
                )
        if type(node).__name__ in TRUTHS:
            return Term("truth", self.truth(node))
        if type(node).__name__ == "Null":
            raise self.refused("nothing equals NULL; write IS NULL, or IS NOT NULL")
        raise self.unknown(node)

    def constant(self, kind: Kind, value: Any) -> Term:
        scalar = pa.scalar(value)
        return Term(kind, lambda _: scalar, literal=value)

    def reckoned(self, a: Term, b: Term, work: Callable[[Any, Any], Any], node: exp.Expr) -> Term:
        if {a.kind, b.kind} != {"number"}:
            raise self.refused(
                f"{node.sql()} reckons with what is no number; only numbers can be reckoned with"
            )
        if a.literal is not None and b.literal is not None:
            value = work(pa.scalar(a.literal), pa.scalar(b.literal)).as_py()
            if value is None:
                raise self.refused(f"{node.sql()} divides by zero")
            return self.constant("number", value)
        return Term("number", lambda rows: work(a.of(rows), b.of(rows)))

    def named(self, name: str) -> Term:
        """A column. Raises InputError where there is none, or none that anything can be asked
        of."""
        if name not in self.columns:
            quoted = next(
                (f'; write "{c}" in double quotes' for c in self.columns if c.startswith(name)), ""
            )
            shown = ", ".join(list(self.columns)[:20])
            raise self.refused(f"there is no column {name!r}{quoted or f'; there are {shown}'}")
        column, kind = self.columns[name], self.schema.field(name).type
        if isinstance(column, Key):
            raise self.refused(
                f"column {name!r} identifies rows and is made afresh; nothing can be asked of it"
            )
        if isinstance(column, Same) and column.value is None:
            raise self.refused(f"column {name!r} is always missing; nothing can be asked of it")
        self.condition.columns.add(name)
        return Term(_kind(kind, name, self), lambda rows: rows[name], column=name)


def _kind(kind: pa.DataType, name: str, reader: _Reader) -> Kind:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "date"
    if pa.types.is_temporal(kind):
        raise reader.refused(f"column {name!r} holds {kind}, of which nothing can be asked")
    return "truth" if pa.types.is_boolean(kind) else "number" if is_numeric(kind) else "text"


def comparable(values: pa.Array) -> pa.Array:
    """A column as conditions compare it: numbers as float64, dates as microseconds, text, or true
    and false."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.dictionary_decode()
        kind = values.type
    if pa.types.is_boolean(kind):
        return values
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        naive = values.cast(pa.timestamp(kind.unit)) if getattr(kind, "tz", None) else values
        return naive.cast(MICRO, safe=False).cast(pa.int64())
    if is_numeric(kind):
        numbers = as_numbers(values)
        return pa.array(numbers, mask=np.isnan(numbers))
    return as_text(values)


def possible(
    condition: Condition, column: Column, kind: pa.DataType, unknown: bool
) -> np.ndarray | None:
    """Which codes of the one column that a condition speaks of can meet it, boolean (size,); None
    where it is open.

    Its truth changes at no other numbers than those the column is compared with: trying these and
    what lies between them tries everything.
    """
    if condition.reckoned and (isinstance(column, Number) and (column.knots or column.modes)):
        return None
    codes, values = column.typical(sorted(condition.points))
    true = condition.truth(
        {column.name: comparable(restore_values(values, kind, column.listed))}, unknown
    )
    return np.bincount(codes, weights=true, minlength=column.size) > 0


def _divided(a: Any, b: Any) -> Any:
    """a / b, missing where b is zero."""
    return pc.divide(a, pc.if_else(pc.equal(b, 0.0), pa.scalar(None, pa.float64()), b))

"""The small changes that could be made to a source text: one operator, constant or default another, one statement gone.

Found in the syntax tree, made in the text, so that all else stays as it is. What only people read is left alone:
docstrings, annotations, messages, what is logged, `__repr__`. Knows no test, and draws nothing.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """`old`, from byte `start` of the text on, in line `line`, becomes `new`."""

    line: int
    start: int
    old: str
    new: str
    kind: str

    def made(self, source: str) -> str:
        """The text with the change in it."""
        text, old = source.encode(), self.old.encode()
        end = self.start + len(old)
        if text[self.start : end] != old:
            raise ValueError(f"line {self.line} is another by now")
        return (text[: self.start] + self.new.encode() + text[end:]).decode()

    def __str__(self) -> str:
        return f"{' '.join(self.old.split()) or '(nothing)'} → {' '.join(self.new.split()) or '(nothing)'}"


def changes(source: str) -> list[Change]:
    """Every one, in the order of the text."""
    finder = _Finder(source)
    finder.visit(ast.parse(source))
    return sorted(finder.found, key=lambda c: (c.start, c.kind, c.new))


_BINARY = {
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "+"), ast.Div: ("/", "*"), ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"), ast.Pow: ("**", "*"), ast.BitAnd: ("&", "|"), ast.BitOr: ("|", "&"), ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"), ast.BitXor: ("^", "&"),
}  # fmt: skip
_COMPARISONS = {
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"), ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="), ast.Is: ("is", "is not"), ast.IsNot: (r"is\s+not", "is"), ast.In: ("in", "not in"),
    ast.NotIn: (r"not\s+in", "in"),
}  # fmt: skip
_LOGS = re.compile(r"_?log(ger)?", re.IGNORECASE)
_WORD = re.compile(r"\S+")


class _Finder(ast.NodeVisitor):
    def __init__(self, source: str) -> None:
        self.found: list[Change] = []
        self._text = source.encode()
        lines = self._text.splitlines(keepends=True)
        self._starts = [sum(map(len, lines[:n])) for n in range(len(lines) + 1)]
        self._in_function = False
        self._in_default = False

    # what is left alone

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if node.name == "__repr__":
            return
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self._default(default)
        outside, self._in_function = self._in_function, True
        self._all(node.body)
        self._in_function = outside

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._all(node.body)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.visit(node.body)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is None:
            return
        if isinstance(node.target, ast.Attribute | ast.Subscript):
            self._delete(node)
        if self._in_function:
            self.visit(node.value)
        else:
            self._default(node.value)

    def visit_Assert(self, node: ast.Assert) -> None:
        """It tells a type checker what is so."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """A message, as good as always; and where its parts stand is known only since Python 3.12."""

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if not (isinstance(node.value, ast.Name) and node.value.id in {"Literal", "Annotated"}):
            self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if not _logs(node):
            types = isinstance(node.func, ast.Name) and node.func.id in {"isinstance", "issubclass", "cast"}
            self._all(node.args[:1] if types else [node.func, *node.args, *(k.value for k in node.keywords)])

    # statements

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant) and not _logs(node.value):
            self._delete(node)
            self.visit(node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        names = {target.id for target in node.targets if isinstance(target, ast.Name)}
        if names & {"__slots__", "__all__"}:
            return
        if all(isinstance(target, ast.Attribute | ast.Subscript) for target in node.targets):
            self._delete(node)
        self.visit(node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._delete(node)
        self._operator(node.target, node.value, _BINARY.get(type(node.op)), suffix="=")
        self.visit(node.value)

    def visit_Raise(self, node: ast.Raise) -> None:
        if "internal error" not in ast.unparse(node):  # that tells a type checker what is so
            self._delete(node)

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is None:
            self._delete(node)
        else:
            self.visit(node.value)

    def visit_Delete(self, node: ast.Delete) -> None:
        self._delete(node)

    def visit_Break(self, node: ast.Break) -> None:
        self._delete(node)

    def visit_Continue(self, node: ast.Continue) -> None:
        self._delete(node)

    # conditions

    def visit_If(self, node: ast.If | ast.While | ast.IfExp) -> None:
        if not isinstance(node.test, ast.Constant):
            self._negate(node.test)
        self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        self.visit_If(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.visit_If(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self._negate(test)
        self.generic_visit(node)

    # expressions

    def visit_BinOp(self, node: ast.BinOp) -> None:
        text = any(_is_text(side) for side in (node.left, node.right))
        types = isinstance(node.op, ast.BitOr) and not self._in_function
        if not text and not types:
            self._operator(node.left, node.right, _BINARY.get(type(node.op)))
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        sides = [node.left, *node.comparators]
        for left, op, right in zip(sides, node.ops, sides[1:], strict=False):
            self._operator(left, right, _COMPARISONS[type(op)], kind="comparison")
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        swap = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            self._operator(left, right, swap)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        start = self._start(node)
        if isinstance(node.op, ast.Not):
            self._note(node.lineno, start, "not ", "", "operator")
        elif isinstance(node.op, ast.USub):
            self._note(node.lineno, start, "-", "+", "operator")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        new = _another(node.value)
        if new is not None:
            old = self._text[self._start(node) : self._end(node)].decode()
            kind = "default" if self._in_default else "constant"
            self._note(node.lineno, self._start(node), old, new, kind)

    # in the text

    def _default(self, node: ast.expr) -> None:
        outside, self._in_default = self._in_default, True
        self.visit(node)
        self._in_default = outside

    def _all(self, nodes: Sequence[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)

    def _delete(self, node: ast.stmt) -> None:
        old = self._text[self._start(node) : self._end(node)].decode()
        self._note(node.lineno, self._start(node), old, "pass", "statement")

    def _negate(self, test: ast.expr) -> None:
        old = self._text[self._start(test) : self._end(test)].decode()
        if not isinstance(test, ast.UnaryOp | ast.Compare) and "\n" not in old:
            self._note(test.lineno, self._start(test), old, f"(not ({old}))", "condition")

    def _operator(
        self,
        left: ast.expr,
        right: ast.expr,
        swap: tuple[str, str] | None,
        suffix: str = "",
        kind: str = "operator",
    ) -> None:
        if swap is None:
            return
        old, new = swap
        begin = self._end(left)
        # A comment between the two may say anything.
        between = re.sub(rb"#[^\n]*", lambda m: b" " * len(m[0]), self._text[begin : self._start(right)])
        pattern = old if "\\" in old else re.escape(old)
        found = re.search(pattern + re.escape(suffix), between.decode())
        if found is not None:
            start = begin + len(between.decode()[: found.start()].encode())
            line = self._text[:start].count(b"\n") + 1
            self._note(line, start, found[0], new + suffix, kind)

    def _note(self, line: int, start: int, old: str, new: str, kind: str) -> None:
        self.found.append(Change(line, start, old, new, kind))

    def _start(self, node: ast.expr | ast.stmt) -> int:
        return self._starts[node.lineno - 1] + node.col_offset

    def _end(self, node: ast.expr | ast.stmt) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._starts[node.end_lineno - 1] + node.end_col_offset


def _logs(node: ast.AST) -> bool:
    """Whether it is a call of a logger's method."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    owner = node.func.value
    name = owner.id if isinstance(owner, ast.Name) else owner.attr if isinstance(owner, ast.Attribute) else ""
    return bool(_LOGS.fullmatch(name))


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _another(value: object) -> str | None:
    """Another constant in its place; None for texts, which are for people, and for what has no like."""
    match value:
        case bool():
            return str(not value)
        case int():
            return str(value + 1)
        case float():
            return str(value * 2 or 1.0)
        case str() if _WORD.fullmatch(value):
            return repr(value + "x")
    return None


def by_line(source: str) -> Iterator[tuple[int, list[Change]]]:
    """The changes of each line that has any."""
    lines: dict[int, list[Change]] = {}
    for each in changes(source):
        lines.setdefault(each.line, []).append(each)
    yield from lines.items()

"""Operators on expressions: each looks at one node and gives texts that may stand in its place.

The priors are how likely a slip of that kind is, relative to the others; they order the search.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import NamedTuple

from v4agent.repair.source import Source
from v4agent.repair.tables import ARITHMETIC, COMPARE, SYMBOLS, TWINS, TYPES

Texts = Iterator[tuple[float, str]]


class ExpressionOperator(NamedTuple):
    """`find` yields (factor of the prior, replacement text) for a node of one of `kinds`."""

    name: str
    prior: float
    kinds: tuple[type[ast.expr], ...]
    find: Callable[[Source, ast.expr], Texts]


def compare(source: Source, node: ast.expr) -> Texts:
    """Another comparison."""
    assert isinstance(node, ast.Compare)
    parts = [source.text(n) for n in (node.left, *node.comparators)]
    for place, op in enumerate(node.ops):
        for symbol, factor in COMPARE[type(op)]:
            yield factor, _chain(node, parts, {place: symbol})


def boundary(source: Source, node: ast.expr) -> Texts:
    """A comparison with another bound: `== 0` -> `<= 1`, `< 2`."""
    assert isinstance(node, ast.Compare)
    right = node.comparators[-1]
    if len(node.ops) == 1 and isinstance(right, ast.Constant) and type(right.value) is int:
        left = source.text(node.left)
        for symbol, value in (("<=", right.value + 1), ("<", right.value + 2), (">", right.value)):
            yield 1, f"{left} {symbol} {value}"


def swap_sides(source: Source, node: ast.expr) -> Texts:
    """Operands the other way round."""
    if isinstance(node, ast.BinOp):
        symbol = SYMBOLS.get(type(node.op))
        if symbol:
            yield 1, f"{_side(source, node.right)} {symbol} {_side(source, node.left)}"
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield 0.4, _chain(node, [source.text(node.comparators[0]), source.text(node.left)], {})


def arithmetic(source: Source, node: ast.expr) -> Texts:
    """Another arithmetic operator."""
    assert isinstance(node, ast.BinOp)
    for place, symbol in enumerate(ARITHMETIC.get(type(node.op), "").split()):
        left, right = source.text(node.left), source.text(node.right)
        yield 1 / (1 + place), f"{left} {symbol} {right}"


def drop_operand(source: Source, node: ast.expr) -> Texts:
    """One operand less."""
    if isinstance(node, ast.BinOp):
        yield 0.6, source.text(node.left)
        yield 0.6, source.text(node.right)
    elif isinstance(node, ast.BoolOp):
        word = " and " if isinstance(node.op, ast.And) else " or "
        values = [source.text(v) for v in node.values]
        for place in range(len(values)):
            yield 1, word.join(values[:place] + values[place + 1 :])


def boolean(source: Source, node: ast.expr) -> Texts:
    """`and` for `or`, `or` for `and`."""
    assert isinstance(node, ast.BoolOp)
    word = " or " if isinstance(node.op, ast.And) else " and "
    yield 1, word.join(source.text(v) for v in node.values)


def negate(source: Source, node: ast.expr) -> Texts:
    """A condition turned round."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield 1, source.text(node.operand)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield 0.5, source.text(node.operand)
    elif is_condition(source, node):
        yield 0.8, f"not ({source.text(node)})"


def is_condition(source: Source, node: ast.expr) -> bool:
    """Whether a node decides a branch."""
    parent = source.parents.get(node)
    tests = (ast.If, ast.While, ast.IfExp, ast.Assert)
    if isinstance(parent, tests):
        return parent.test is node
    return isinstance(parent, ast.BoolOp) or (
        isinstance(parent, ast.comprehension) and node in parent.ifs
    )


def constant(source: Source, node: ast.expr) -> Texts:
    """A constant close by."""
    assert isinstance(node, ast.Constant)
    value = node.value
    names = source.scope(node).names
    if value is True or value is False:
        yield 1, str(not value)
        for name in names:
            yield 0.3, name
            yield 0.25, f"not {name}"
    elif type(value) is int:
        options = dict.fromkeys((value + 1, value - 1, 0, 1, -value, 2, value * 2))
        for place, other in enumerate(o for o in options if o != value):
            yield 1 / (1 + 0.3 * place), str(other)
    elif type(value) is float:
        for near in (value + 1, value - 1, 0.0, 1.0, -value):
            yield 0.5, repr(near)
    elif value is None:
        for text in ("''", "[]", "0", "False", "True", "{}"):
            yield 0.3, text
    elif isinstance(value, str) and not isinstance(source.parents.get(node), ast.JoinedStr):
        yield from _strings(value)


def _strings(value: str) -> Texts:
    if len(value) > 80:
        return
    changed = (value.strip(), value.lower(), value.upper(), value + " ", "", value[1:], value[:-1])
    for other in dict.fromkeys(changed):
        if other != value:
            yield 0.25, repr(other)


def off_by_one(source: Source, node: ast.expr) -> Texts:
    """One more or one less, where an index or a count is wanted."""
    parent = source.parents.get(node)
    counted = isinstance(
        parent, ast.Subscript | ast.Slice | ast.Call | ast.Compare | ast.BinOp | ast.Tuple
        | ast.Return | ast.Assign | ast.AugAssign,
    )  # fmt: skip
    if not counted or (isinstance(parent, ast.Call) and node is parent.func):
        return
    if isinstance(parent, ast.Subscript) and node is parent.value:
        return
    text = source.text(node)
    inner = (
        text
        if isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Subscript)
        else f"({text})"
    )
    wrap = isinstance(parent, ast.BinOp)
    strong = isinstance(parent, ast.Subscript | ast.Slice | ast.Call | ast.Tuple)
    for symbol in "+-":
        new = f"{inner} {symbol} 1"
        yield (1 if strong else 0.5), f"({new})" if wrap else new


def variable(source: Source, node: ast.expr) -> Texts:
    """Another name in reach."""
    assert isinstance(node, ast.Name)
    if not isinstance(node.ctx, ast.Load):
        return
    scope = source.scope(node)
    parent = source.parents.get(node)
    called = isinstance(parent, ast.Call) and parent.func is node
    if called:
        for other in source.module_functions:
            if other != node.id:
                yield 0.2, other
        return
    for other in scope.names:
        if other != node.id:
            yield 1, other
    if not isinstance(parent, ast.Attribute):
        for chain in scope.chains:
            yield 0.5, chain
    if node.id in TYPES or _in_isinstance(source, node):
        for other in TYPES:
            if other != node.id:
                yield 0.8, other


def _in_isinstance(source: Source, node: ast.expr) -> bool:
    parent = source.parents.get(node)
    return (
        isinstance(parent, ast.Call)
        and isinstance(parent.func, ast.Name)
        and parent.func.id in ("isinstance", "issubclass")
        and node in parent.args[1:]
    )


def attribute(source: Source, node: ast.expr) -> Texts:
    """Another attribute of the file, or the twin of a method."""
    assert isinstance(node, ast.Attribute)
    base = source.text(node.value)
    twin = TWINS.get(node.attr)
    if twin:
        yield 3, f"{base}.{twin}"
    if not isinstance(source.parents.get(node), ast.Call):
        for other in source.attributes[:40]:
            if other not in (node.attr, twin):
                yield 1, f"{base}.{other}"
        if isinstance(node.value, ast.Name):
            for name in source.scope(node).names:
                if name != node.value.id:
                    yield 0.5, f"{name}.{node.attr}"


def twin(source: Source, node: ast.expr) -> Texts:
    """`min` for `max`, `any` for `all`, and the like."""
    assert isinstance(node, ast.Name)
    other = TWINS.get(node.id)
    if other and isinstance(source.parents.get(node), ast.Call):
        yield 1, other


def arguments(source: Source, node: ast.expr) -> Texts:
    """Arguments of a call swapped, dropped, or the call left out around its argument."""
    assert isinstance(node, ast.Call)
    function = source.text(node.func)
    parts = [source.text(a) for a in node.args] + [
        f"{k.arg}={source.text(k.value)}" if k.arg else f"**{source.text(k.value)}"
        for k in node.keywords
    ]
    count = len(node.args)
    for one in range(count):
        for other in range(one + 1, count):
            swapped = list(parts)
            swapped[one], swapped[other] = swapped[other], swapped[one]
            yield 1, f"{function}({', '.join(swapped)})"
    if count == 1 and not node.keywords:
        yield 0.8, parts[0]
    for place in range(len(parts)) if len(parts) > 1 else ():
        yield 0.5, f"{function}({', '.join(parts[:place] + parts[place + 1 :])})"
    if isinstance(node.func, ast.Attribute):
        yield 0.8, source.text(node.func.value)
    if function == "range" and count == 1:
        yield 1, f"range(1, {parts[0]})"


def elements(source: Source, node: ast.expr) -> Texts:
    """Two elements of a tuple or list swapped; an element put into an empty list."""
    assert isinstance(node, ast.Tuple | ast.List)
    parts = [source.text(e) for e in node.elts]
    opening, closing = ("[", "]") if isinstance(node, ast.List) else ("(", ")")
    if isinstance(node, ast.Tuple) and not source.text(node).startswith("("):
        opening = closing = ""
    for one in range(min(len(parts), 5)):
        for other in range(one + 1, min(len(parts), 5)):
            swapped = list(parts)
            swapped[one], swapped[other] = swapped[other], swapped[one]
            yield 1, f"{opening}{', '.join(swapped)}{closing}"
    if isinstance(node, ast.List) and not parts and isinstance(node.ctx, ast.Load):
        yield 1, "[[]]"
        for name in source.scope(node).names:
            yield 1, f"[{name}]"


def bounds(source: Source, node: ast.expr) -> Texts:
    """A part of a sequence in place of the whole, or the whole in place of a part."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        yield 0.5, source.text(node.value)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        parent = source.parents.get(node)
        if isinstance(parent, ast.Call | ast.For | ast.Return | ast.BinOp | ast.comprehension):
            if isinstance(parent, ast.Call) and parent.func is node:
                return
            for part in ("1:", ":-1", "::-1"):
                yield 1, f"{node.id}[{part}]"
            for name in source.scope(node).names:
                if name != node.id:
                    yield 0.5, f"{node.id}[{name}:]"
                    yield 0.3, f"{node.id}[:{name}]"


def guarded(source: Source, node: ast.expr) -> Texts:
    """One more condition."""
    if not is_condition(source, node) or isinstance(source.parents.get(node), ast.BoolOp):
        return
    text = source.text(node)
    if isinstance(node, ast.BoolOp | ast.IfExp | ast.Lambda):
        text = f"({text})"
    scope = source.scope(node)
    for name in (*scope.names, *scope.chains):
        yield 1, f"{text} or not {name}"
        yield 1, f"{text} and {name}"
        yield 0.8, f"{name} is None or {text}"
        yield 0.8, f"{name} is not None and {text}"
        yield 0.5, f"{text} and not {name}"
        yield 0.5, f"{text} or {name}"


def noneness(source: Source, node: ast.expr) -> Texts:
    """Truth for 'is not None', and the other way round."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        right = node.comparators[0]
        if isinstance(right, ast.Constant) and right.value is None:
            no = "not " if isinstance(node.ops[0], ast.Is | ast.Eq) else ""
            yield 1, f"{no}{source.text(node.left)}"
    elif isinstance(node, ast.Name | ast.Attribute | ast.Call) and is_condition(source, node):
        yield 1, f"{source.text(node)} is not None"
        yield 0.3, f"{source.text(node)} is None"


def wrapped(source: Source, node: ast.expr) -> Texts:
    """A clamp, a conversion or an offset around a value that is assigned, returned or passed."""
    parent = source.parents.get(node)
    if not isinstance(parent, ast.Assign | ast.Return | ast.Call) or (
        isinstance(parent, ast.Call) and parent.func is node
    ):
        return
    text = source.text(node)
    target = None
    if isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Name):
        target = parent.targets[0].id
        yield 1.5, f"max({target}, {text})"
        yield 1.5, f"min({target}, {text})"
    yield 1, f"max(0, {text})"
    for function in ("int", "abs", "str", "list", "sorted", "len"):
        yield 0.5, f"{function}({text})"
    yield 0.3, f"-({text})"
    inner = (
        text
        if isinstance(node, ast.Name | ast.Call | ast.Attribute | ast.Subscript)
        else f"({text})"
    )
    for name in source.scope(node).names:
        if name != text:
            yield 0.8, f"{name} + {inner}"
            yield 0.8, f"{inner} + {name}"
            yield 0.8, f"{inner} - {name}"
            yield 0.3, f"{inner} * {name}"


def power(source: Source, node: ast.expr) -> Texts:
    """A square."""
    assert isinstance(node, ast.Name)
    parent = source.parents.get(node)
    if isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Sub | ast.Add):
        yield 1, f"{node.id} ** 2"


def conditional(source: Source, node: ast.expr) -> Texts:
    """One branch of a conditional expression, or the branches swapped."""
    assert isinstance(node, ast.IfExp)
    body, test, other = (source.text(n) for n in (node.body, node.test, node.orelse))
    yield 1, f"{other} if {test} else {body}"
    yield 0.5, body
    yield 0.5, other


def _chain(node: ast.Compare, parts: list[str], symbols: dict[int, str]) -> str:
    words = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==",
             ast.NotEq: "!=", ast.Is: "is", ast.IsNot: "is not", ast.In: "in",
             ast.NotIn: "not in"}  # fmt: skip
    text = parts[0]
    for place, op in enumerate(node.ops):
        text += f" {symbols.get(place) or words[type(op)]} {parts[place + 1]}"
    return text


def _side(source: Source, node: ast.expr) -> str:
    text = source.text(node)
    return f"({text})" if isinstance(node, ast.BinOp | ast.BoolOp | ast.IfExp) else text


ANY = (ast.expr,)
EXPRESSION_OPERATORS: tuple[ExpressionOperator, ...] = (
    ExpressionOperator("change comparison", 1.0, (ast.Compare,), compare),
    ExpressionOperator("drop operand", 0.7, (ast.BinOp, ast.BoolOp), drop_operand),
    ExpressionOperator("change boolean operator", 0.9, (ast.BoolOp,), boolean),
    ExpressionOperator("negate condition", 0.9, ANY, negate),
    ExpressionOperator("change arithmetic operator", 0.9, (ast.BinOp,), arithmetic),
    ExpressionOperator("change constant", 0.8, (ast.Constant,), constant),
    ExpressionOperator("off by one", 0.7, ANY, off_by_one),
    ExpressionOperator("swap arguments", 0.6, (ast.Call,), arguments),
    ExpressionOperator("swap elements", 0.5, (ast.Tuple, ast.List), elements),
    ExpressionOperator("swap sides", 0.5, (ast.BinOp, ast.Compare), swap_sides),
    ExpressionOperator("exchange function", 0.8, (ast.Name,), twin),
    ExpressionOperator("change name", 0.4, (ast.Name,), variable),
    ExpressionOperator("change attribute", 0.25, (ast.Attribute,), attribute),
    ExpressionOperator("compare with None", 0.5, ANY, noneness),
    ExpressionOperator("move bound", 0.3, (ast.Compare,), boundary),
    ExpressionOperator("take a part", 0.25, (ast.Name, ast.Subscript), bounds),
    ExpressionOperator("add condition", 0.25, ANY, guarded),
    ExpressionOperator("wrap value", 0.2, ANY, wrapped),
    ExpressionOperator("conditional expression", 0.4, (ast.IfExp,), conditional),
    ExpressionOperator("square", 0.1, (ast.Name,), power),
)
"""Every operator on expressions. A new one is one function and one row."""

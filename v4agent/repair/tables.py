"""What stands for what: the tables behind the operators on expressions."""

from __future__ import annotations

import ast

COMPARE: dict[type[ast.cmpop], tuple[tuple[str, float], ...]] = {
    ast.Lt: (("<=", 1), (">", 0.6), (">=", 0.5), ("!=", 0.3), ("==", 0.2)),
    ast.LtE: (("<", 1), (">=", 0.6), (">", 0.5), ("==", 0.2)),
    ast.Gt: ((">=", 1), ("<", 0.6), ("<=", 0.5), ("!=", 0.3), ("==", 0.2)),
    ast.GtE: ((">", 1), ("<=", 0.6), ("<", 0.5), ("==", 0.2)),
    ast.Eq: (("!=", 1), ("<=", 0.4), (">=", 0.4), ("in", 0.3), ("is", 0.2), ("<", 0.2), (">", 0.2)),
    ast.NotEq: (("==", 1), ("<", 0.4), (">", 0.4), ("not in", 0.3), ("is not", 0.2)),
    ast.Is: (("is not", 1), ("==", 0.5)),
    ast.IsNot: (("is", 1), ("!=", 0.5)),
    ast.In: (("not in", 1), ("==", 0.3)),
    ast.NotIn: (("in", 1), ("!=", 0.3)),
}
SYMBOLS: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%",
    ast.Pow: "**", ast.LShift: "<<", ast.RShift: ">>", ast.BitAnd: "&", ast.BitOr: "|",
    ast.BitXor: "^",
}  # fmt: skip
ARITHMETIC: dict[type[ast.operator], str] = {
    ast.Add: "- *", ast.Sub: "+ //", ast.Mult: "/ // + **", ast.Div: "// * %",
    ast.FloorDiv: "/ % *", ast.Mod: "// / *", ast.Pow: "*", ast.LShift: ">>", ast.RShift: "<<",
    ast.BitAnd: "| ^", ast.BitOr: "& ^", ast.BitXor: "& |",
}  # fmt: skip
TYPES = ("str", "bytes", "list", "tuple", "dict", "set", "int", "float", "bool")
TWINS = {"min": "max", "max": "min", "any": "all", "all": "any", "floor": "ceil", "ceil": "floor",
         "startswith": "endswith", "endswith": "startswith", "lower": "upper", "upper": "lower",
         "lstrip": "rstrip", "rstrip": "lstrip", "strip": "rstrip", "append": "extend",
         "extend": "append", "find": "rfind", "rfind": "find", "index": "rindex", "split": "rsplit",
         "rsplit": "split", "partition": "rpartition", "rpartition": "partition", "pop": "popleft",
         "keys": "values", "values": "items", "items": "values", "True": "False", "add": "discard",
         "union": "intersection", "intersection": "union", "isdigit": "isdecimal",
         "search": "match", "match": "fullmatch", "fullmatch": "match"}  # fmt: skip

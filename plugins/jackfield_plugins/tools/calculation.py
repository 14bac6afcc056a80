"""Calculates what a text says, exactly where that is possible."""

from __future__ import annotations

import ast
import math
import operator
import warnings
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from jackfield import InvalidRequest, JackfieldError

if TYPE_CHECKING:
    from simpleeval import SimpleEval

LONGEST = 500
"""Characters of an expression."""
BITS = 10_000
"""Size of the greatest whole number, some 3,000 digits."""
MOST = 1_000
"""The greatest number for factorial, comb and perm."""
SPELLINGS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "^": "**"})
CONSTANTS = {"pi": math.pi, "e": math.e, "tau": math.tau}


def calculate(expression: str) -> str:
    """The value of an expression as text.

    Raises:
        InvalidRequest: it is no expression, has no value, or is too large.
        JackfieldError: the package that evaluates it is missing.
    """
    if len(expression) > LONGEST:
        raise InvalidRequest(f"The expression is longer than {LONGEST} characters.")
    written = expression.strip().translate(SPELLINGS)
    try:
        with warnings.catch_warnings():  # odd spellings of numbers are refused or right anyway
            warnings.simplefilter("ignore")
            node = ast.parse(written, mode="eval").body
        return _written(_bounded(_evaluator().eval(written, previously_parsed=node)))
    except JackfieldError:
        raise
    except ZeroDivisionError as error:
        raise InvalidRequest(f"{expression!r} divides by zero.") from error
    except OverflowError as error:
        raise _too_large() from error
    except (RecursionError, MemoryError) as error:
        raise InvalidRequest("The expression is nested too deeply.") from error
    except SyntaxError as error:
        raise InvalidRequest(
            f"{expression!r} is no arithmetic expression: {error.msg}.",
            hint="Write for example: (3 + 4) * sqrt(2)",
        ) from error
    except (ValueError, TypeError, _invalid()) as error:
        raise InvalidRequest(f"{expression!r} cannot be calculated: {error}") from error


def _invalid() -> type[Exception]:
    from simpleeval import InvalidExpression

    kind: type[Exception] = InvalidExpression
    return kind


def _evaluator() -> SimpleEval:
    """An evaluator that knows numbers, a few names and a few functions, and nothing else."""
    try:
        from simpleeval import SimpleEval
    except ImportError as error:
        raise JackfieldError(
            "The calculator needs the package simpleeval, which is not installed.",
            hint="Install it: pip install 'jackfield[tools]'",
        ) from error
    evaluator = SimpleEval(operators=_operators(), functions=_functions(), names=dict(CONSTANTS))
    known = (ast.BinOp, ast.UnaryOp, ast.Call, ast.Name)
    evaluator.nodes = {kind: evaluator.nodes[kind] for kind in known}
    evaluator.nodes[ast.Constant] = lambda node: _number(node, evaluator.expr)
    return evaluator


def _number(node: ast.Constant, source: str) -> Any:
    """A number as it is written: 0.1 is a tenth."""
    value = node.value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidRequest(f"{value!r} is no number.")
    if isinstance(value, int):
        return _bounded(value)
    digits = ast.get_source_segment(source, node) or repr(value)
    exponent = digits.lower().partition("e")[2] or "0"
    if not math.isfinite(value) or abs(int(exponent)) > BITS:
        raise _too_large()
    return _bounded(Fraction(digits.replace("_", "")))


def _operators() -> Mapping[type[ast.AST], Callable[..., Any]]:
    plain: dict[type[ast.AST], Callable[..., Any]] = {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.Div: _quotient,
        ast.FloorDiv: operator.floordiv,
        ast.Mod: operator.mod,
        ast.Pow: _power,
        ast.USub: operator.neg,
        ast.UAdd: operator.pos,
    }
    return {kind: _checked(function) for kind, function in plain.items()}


def _functions() -> Mapping[str, Callable[..., Any]]:
    plain: dict[str, Callable[..., Any]] = {
        "abs": abs, "round": _round, "floor": math.floor, "ceil": math.ceil, "min": min, "max": max,
        "sqrt": _sqrt, "cbrt": math.cbrt, "exp": math.exp, "log": _log, "ln": math.log,
        "log2": math.log2, "log10": math.log10, "sin": math.sin, "cos": math.cos, "tan": math.tan,
        "asin": math.asin, "acos": math.acos, "atan": math.atan, "atan2": math.atan2,
        "sinh": math.sinh, "cosh": math.cosh, "tanh": math.tanh, "hypot": math.hypot,
        "degrees": math.degrees, "radians": math.radians, "gcd": math.gcd, "lcm": math.lcm,
        "factorial": _small(math.factorial), "comb": _small(math.comb), "perm": _small(math.perm),
    }  # fmt: skip
    return {name: _checked(function) for name, function in plain.items()}


def _checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same, with results that stay within bounds and are whole where they can be."""

    def called(*values: Any) -> Any:
        whole = [
            int(one) if isinstance(one, Fraction) and one.denominator == 1 else one
            for one in values
        ]
        return _bounded(function(*whole))

    return called


def _bounded(value: Any) -> Any:
    if isinstance(value, complex):
        raise InvalidRequest("The result is no real number.")
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _too_large()
        return value
    if not isinstance(value, int | Fraction):
        raise InvalidRequest("The result is no number.")
    if max(abs(value.numerator).bit_length(), value.denominator.bit_length()) > BITS:
        raise _too_large()
    return value


def _too_large() -> InvalidRequest:
    return InvalidRequest("The numbers in it become too large.")


def _quotient(a: Any, b: Any) -> Any:
    return a / b if isinstance(a, float) or isinstance(b, float) else Fraction(a) / b


def _power(base: Any, exponent: Any) -> Any:
    """A power, not begun where it would become too large."""
    if isinstance(base, float) or not isinstance(exponent, int):
        return float(base) ** float(exponent)
    size = max(abs(base.numerator).bit_length(), base.denominator.bit_length())
    if size > 1 and size * abs(exponent) > BITS + size:
        raise _too_large()
    return Fraction(base) ** exponent


def _sqrt(value: Any) -> Any:
    """A square root, exact where there is one."""
    if isinstance(value, float) or value < 0:
        return math.sqrt(value)
    root = Fraction(math.isqrt(value.numerator), math.isqrt(value.denominator))
    return root if root * root == value else math.sqrt(value)


def _log(value: Any, base: Any = math.e) -> float:
    """A logarithm; whole powers of 2 and 10 give whole numbers."""
    exact = {2: math.log2, 10: math.log10}.get(base)
    return exact(value) if exact is not None else math.log(value, base)


def _round(value: Any, places: int = 0) -> Any:
    """As people are taught: halves go away from zero."""
    if not isinstance(places, int) or abs(places) > 300:
        raise InvalidRequest("Round takes a number of places up to 300.")
    scale = Fraction(10) ** places
    scaled = abs(Fraction(str(value)) if isinstance(value, float) else value) * scale
    rounded = math.floor(scaled + Fraction(1, 2)) / scale
    return -rounded if value < 0 else rounded


def _small(function: Callable[..., int]) -> Callable[..., int]:
    def called(*numbers: int) -> int:
        if any(not isinstance(one, int) or not 0 <= one <= MOST for one in numbers):
            raise InvalidRequest(f"It takes whole numbers from 0 to {MOST:,}.")
        return function(*numbers)

    return called


def _written(value: int | float | Fraction) -> str:
    """A number as people write it; what no decimal says exactly, as a fraction as well."""
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if value.denominator == 1:
        return str(value.numerator)
    if decimal := _decimal(value):
        return decimal
    exactly = str(value)
    return repr(float(value)) + (f" (exactly {exactly})" if len(exactly) <= 40 else "")


def _decimal(value: Fraction) -> str:
    """The decimal that a fraction is, or "" if it has no end within 50 places."""
    rest, places = value.denominator, 0
    while rest % 10 == 0 or rest % 2 == 0 or rest % 5 == 0:
        rest //= next(one for one in (10, 2, 5) if rest % one == 0)
        places += 1
    if rest != 1 or places > 50:
        return ""
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[:-places]}.{digits[-places:]}".rstrip("0")

"""Eight numbers at once: a type for compiled code, and the tile that products are made of.

Numba leaves it to LLVM to find loops that can run on several numbers side by side, and LLVM gives up on loops over as
many arrays as a recurrent cell has. Here such a group is a value: `load` it, calculate with it as with a number,
`store` it. `tile` is a small product of matrices whose sums stay in registers. What the machine lacks in width, LLVM
makes up from narrower instructions.
"""

import math
import operator
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, cast

from llvmlite import ir
from llvmlite.ir import IRBuilder, Value
from numba import types
from numba.core.datamodel import models
from numba.core.datamodel.registry import register_default
from numba.core.typing.templates import Signature
from numba.extending import intrinsic, overload

Group = Any  # eight numbers, in compiled code
Kind = Any  # a type of Numba's
Context = Any  # Numba's, of the machine that it compiles for
Builder = Callable[[Context, IRBuilder, Signature, Sequence[Value]], Value]

WIDTH = 8  # numbers in a group
INDEX = ir.IntType(64)
FUSED = ("contract",)  # a product and a sum may become one instruction, rounded once


class Lanes(types.Type):
    """Eight numbers of one type."""

    def __init__(self, dtype: types.Float) -> None:
        self.dtype = dtype
        super().__init__(name=f"Lanes({dtype})")


@register_default(Lanes)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Context, kind: Lanes) -> None:
        vector = ir.VectorType(manager.lookup(kind.dtype).get_value_type(), WIDTH)
        super().__init__(manager, kind, vector)  # type: ignore[no-untyped-call]


def emitted(typed: Callable[..., tuple[Signature, Builder]]) -> Callable[..., Any]:
    """Return a function for compiled code, from one that says its types and writes its instructions."""
    return cast(Callable[..., Any], intrinsic(typed))


def _splat(builder: IRBuilder, number: Value, width: int) -> Value:
    """Return a vector of one number."""
    empty = ir.Constant(ir.VectorType(number.type, width), ir.Undefined)
    one = builder.insert_element(empty, number, INDEX(0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width))


def _pointer(context: Context, builder: IRBuilder, kind: Kind, array: Value, place: Value) -> Value:
    return builder.gep(context.make_array(kind)(context, builder, array).data, [place])


def _read(builder: IRBuilder, pointer: Value, width: int) -> Value:
    vector = builder.load(builder.bitcast(pointer, ir.VectorType(pointer.type.pointee, width).as_pointer()))
    vector.align = 4
    return vector


def _write(builder: IRBuilder, vector: Value, pointer: Value) -> None:
    builder.store(vector, builder.bitcast(pointer, vector.type.as_pointer())).align = 4


@emitted
def load(typing: Kind, array: Kind, place: Kind) -> tuple[Signature, Builder]:
    """Return the eight numbers of a row-major array that begin at a place."""

    def build(context: Context, builder: IRBuilder, signature: Signature, args: Sequence[Value]) -> Value:
        return _read(builder, _pointer(context, builder, signature.args[0], args[0], args[1]), WIDTH)

    return Lanes(array.dtype)(array, types.intp), build


@emitted
def zeros(typing: Kind, array: Kind) -> tuple[Signature, Builder]:
    """Return eight zeros of an array's type."""

    def build(context: Context, builder: IRBuilder, signature: Signature, args: Sequence[Value]) -> Value:
        return ir.Constant(context.get_value_type(signature.return_type), None)

    return Lanes(array.dtype)(array), build


@emitted
def store(typing: Kind, lanes: Kind, array: Kind, place: Kind) -> tuple[Signature, Builder]:
    """Write eight numbers into a row-major array from a place on."""

    def build(context: Context, builder: IRBuilder, signature: Signature, args: Sequence[Value]) -> Value:
        _write(builder, args[0], _pointer(context, builder, signature.args[1], args[1], args[2]))
        return context.get_dummy_value()

    return types.void(lanes, array, types.intp), build


@emitted
def prefetch(typing: Kind, array: Kind, place: Kind) -> tuple[Signature, Builder]:
    """Begin to fetch the line of memory at a place of a row-major array, and do not wait for it."""

    def build(context: Context, builder: IRBuilder, signature: Signature, args: Sequence[Value]) -> Value:
        byte, whole = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, whole, whole, whole])
        call = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        pointer = builder.bitcast(_pointer(context, builder, signature.args[0], args[0], args[1]), byte)
        builder.call(call, [pointer, whole(0), whole(2), whole(1)])  # to read, into the second-level cache, data
        return context.get_dummy_value()

    return types.void(array, types.intp), build


@emitted
def clamp(typing: Kind, lanes: Kind, limit: Kind) -> tuple[Signature, Builder]:
    """Return the numbers, none beyond ± limit; what is no number stays so."""

    def build(context: Context, builder: IRBuilder, signature: Signature, args: Sequence[Value]) -> Value:
        values, high = args[0], context.cast(builder, args[1], signature.args[1], signature.args[0].dtype)
        for sign, bound in ((">", high), ("<", builder.fneg(high))):
            edge = _splat(builder, bound, WIDTH)
            values = builder.select(builder.fcmp_ordered(sign, values, edge), edge, values)
        return values

    return lanes(lanes, limit), build


@emitted
def each_tanh(typing: Kind, lanes: Kind) -> tuple[Signature, Builder]:
    """Return the hyperbolic tangents, one after the other, as precise as the C library's."""

    def build(context: Context, builder: IRBuilder, signature: Signature, args: Sequence[Value]) -> Value:
        dtype = signature.args[0].dtype
        values, one = args[0], context.get_function(math.tanh, dtype(dtype))
        for i in range(WIDTH):
            number = one(builder, [builder.extract_element(values, INDEX(i))])
            values = builder.insert_element(values, number, INDEX(i))
        return values

    return lanes(lanes), build


def _operator(symbol: Callable[..., Any], instruction: str) -> None:
    """Let compiled code write `symbol` between two groups, or a group and a number."""

    @emitted
    def combine(typing: Kind, left: Kind, right: Kind) -> tuple[Signature, Builder]:
        kind = left if isinstance(left, Lanes) else right

        def build(context: Context, builder: IRBuilder, signature: Signature, args: Sequence[Value]) -> Value:
            sides = [
                value
                if isinstance(side, Lanes)
                else _splat(builder, context.cast(builder, value, side, kind.dtype), WIDTH)
                for value, side in zip(args, signature.args, strict=True)
            ]
            return getattr(builder, instruction)(*sides, flags=FUSED)

        return kind(left, right), build

    @overload(symbol)
    def typed(left: Kind, right: Kind) -> Callable[..., Group] | None:
        def implementation(left: Kind, right: Kind) -> Group:
            return combine(left, right)

        return implementation if isinstance(left, Lanes) or isinstance(right, Lanes) else None


for _symbol, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _operator(_symbol, _instruction)


@cache
def tile(rows: int, width: int) -> Callable[..., None]:
    """Return a function for compiled code: C = D + A B for so many rows and columns of row-major arrays.

    It is called as tile(a, place, row, step, b, place, step, d, place, row, c, place, row, count): where each matrix
    begins; `row` is the way to its next row, `step` the way to the next of the `count` terms of the sums. The terms
    are added in order, so that a row's result does not depend on which tile it falls into.
    """

    @emitted
    def multiply(
        typing: Kind, a: Kind, ap: Kind, ar: Kind, ak: Kind, b: Kind, bp: Kind, bk: Kind, d: Kind, dp: Kind, dr: Kind,
        c: Kind, cp: Kind, cr: Kind, count: Kind,
    ) -> tuple[Signature, Builder]:  # fmt: skip
        n = types.intp
        return types.void(a, n, n, n, b, n, n, d, n, n, c, n, n, n), _multiplier(rows, width)

    return multiply


def _multiplier(rows: int, width: int) -> Builder:
    def build(context: Context, builder: IRBuilder, signature: Signature, args: Sequence[Value]) -> Value:
        def rows_of(index: int, row: Value) -> list[Value]:
            first = _pointer(context, builder, signature.args[index], args[index], args[index + 1])
            return [builder.gep(first, [builder.mul(row, INDEX(i))]) for i in range(rows)]

        left, targets = rows_of(0, args[2]), rows_of(10, args[12])
        right = _pointer(context, builder, signature.args[4], args[4], args[5])
        sums = [_read(builder, pointer, width) for pointer in rows_of(7, args[9])]
        sums = _summed(builder, left, args[3], right, args[6], sums, args[13])
        for vector, pointer in zip(sums, targets, strict=True):
            _write(builder, vector, pointer)
        return context.get_dummy_value()

    return build


def _summed(
    builder: IRBuilder, left: list[Value], ak: Value, right: Value, bk: Value, sums: list[Value], count: Value
) -> list[Value]:
    """Write the loop over the terms of the sums; return the sums at its end."""
    before = builder.block
    head, body, after = (builder.append_basic_block(name) for name in ("terms", "term", "summed"))
    builder.branch(head)
    builder.position_at_end(head)
    k = builder.phi(INDEX)
    k.add_incoming(INDEX(0), before)
    running = [builder.phi(vector.type) for vector in sums]
    for phi, vector in zip(running, sums, strict=True):
        phi.add_incoming(vector, before)
    builder.cbranch(builder.icmp_signed("<", k, count), body, after)
    builder.position_at_end(body)
    width = sums[0].type.count
    across = _read(builder, builder.gep(right, [builder.mul(k, bk)]), width)
    for phi, pointer in zip(running, left, strict=True):
        number = builder.load(builder.gep(pointer, [builder.mul(k, ak)]))
        term = builder.fmul(_splat(builder, number, width), across, flags=FUSED)
        phi.add_incoming(builder.fadd(phi, term, flags=FUSED), body)
    k.add_incoming(builder.add(k, INDEX(1)), body)
    builder.branch(head)
    builder.position_at_end(after)
    return running

"""SIMD vectors: a type for compiled code, and the small matrix product that the walks are made of.

Numba leaves it to LLVM to find loops that can be vectorized, and LLVM gives up on loops over as many arrays as a
recurrent cell has. Here a vector of eight numbers is a value: load it, calculate with it as with a number, store it.
`tile` is a product of small matrices whose sums stay in registers. Where the machine's vectors are narrower, LLVM uses
several.

This uses parts of Numba that its documentation does not promise to keep (the data model); where they are missing,
`asr.cells.layer` takes torch instead.
"""

import math
import operator
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from llvmlite.ir import IRBuilder, Value
from numba import types
from numba.core.datamodel import models
from numba.core.datamodel.registry import register_default
from numba.core.typing.templates import Signature
from numba.extending import intrinsic, overload, register_jitable

from asr.cells import equations
from asr.cells.equations import Values

Type = Any  # one of Numba's
Context = Any  # Numba's, of the machine that it compiles for
Builder = Callable[[Context, IRBuilder, Signature, Sequence[Value]], Value]

WIDTH = 8  # numbers in a vector
INDEX = ir.IntType(64)
CONTRACT = ("contract",)  # a product and a sum may become one instruction, rounded once


class Matrix(NamedTuple):
    """A matrix in the memory of a row-major array.

    Attributes:
        values: The array.
        start: Index of the matrix's first element in the array's memory.
        row: Distance of a row from the one before; 0 repeats one row.
        column: Likewise of a column, or, for a matrix in panels, of a panel.
    """

    values: npt.NDArray[Any]
    start: int | np.int64
    row: int | np.int64
    column: int | np.int64


class Vector(types.Type):
    """Eight numbers of one type."""

    def __init__(self, dtype: types.Float) -> None:
        self.dtype = dtype
        super().__init__(name=f"Vector({dtype})")


@register_default(Vector)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Context, kind: Vector) -> None:
        vector = ir.VectorType(manager.lookup(kind.dtype).get_value_type(), WIDTH)
        super().__init__(manager, kind, vector)  # type: ignore[no-untyped-call]


def emitted(typed: Callable[..., tuple[Signature, Builder]]) -> Callable[..., Any]:
    """Return a function for compiled code, from one that gives its signature and emits its instructions."""
    return cast(Callable[..., Any], intrinsic(typed))


def _splat(builder: IRBuilder, number: Value, width: int) -> Value:
    """Return a vector of one number."""
    empty = ir.Constant(ir.VectorType(number.type, width), ir.Undefined)
    one = builder.insert_element(empty, number, INDEX(0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width))


def _pointer(context: Context, builder: IRBuilder, type: Type, array: Value, start: Value) -> Value:
    return builder.gep(context.make_array(type)(context, builder, array).data, [start])


def _pointers(context: Context, builder: IRBuilder, types: Sequence[Type], args: Sequence[Value]) -> list[Value]:
    """Return where each of (array, start, offsets) begins."""
    array, start, offsets = args
    first = _pointer(context, builder, types[0], array, start)
    return [builder.gep(first, [builder.extract_value(offsets, i)]) for i in range(len(types[2]))]


def _read(builder: IRBuilder, pointer: Value, width: int) -> Value:
    vector = builder.load(builder.bitcast(pointer, ir.VectorType(pointer.type.pointee, width).as_pointer()))
    vector.align = 4
    return vector


def _write(builder: IRBuilder, vector: Value, pointer: Value) -> None:
    builder.store(vector, builder.bitcast(pointer, vector.type.as_pointer())).align = 4


@emitted
def load(typing: Type, array: Type, start: Type) -> tuple[Signature, Builder]:
    """Return eight neighbors of a row-major array's elements, from an index on."""

    def build(context: Context, builder: IRBuilder, signature: Signature, args: Sequence[Value]) -> Value:
        return _read(builder, _pointer(context, builder, signature.args[0], args[0], args[1]), WIDTH)

    return Vector(array.dtype)(array, types.intp), build


@emitted
def load_each(typing: Type, array: Type, start: Type, offsets: Type) -> tuple[Signature, Builder]:
    """Return a tuple of vectors, from each of `start + offset` on."""

    def build(context: Context, builder: IRBuilder, signature: Signature, args: Sequence[Value]) -> Value:
        pointers = _pointers(context, builder, signature.args[:3], args)
        return context.make_tuple(builder, signature.return_type, [_read(builder, p, WIDTH) for p in pointers])

    vectors = types.UniTuple(Vector(array.dtype), len(offsets))  # type: ignore[no-untyped-call]
    return vectors(array, types.intp, offsets), build


@emitted
def zeros(typing: Type, array: Type) -> tuple[Signature, Builder]:
    """Return eight zeros of an array's type."""

    def build(context: Context, builder: IRBuilder, signature: Signature, args: Sequence[Value]) -> Value:
        return ir.Constant(context.get_value_type(signature.return_type), None)

    return Vector(array.dtype)(array), build


@emitted
def store(typing: Type, vector: Type, array: Type, start: Type) -> tuple[Signature, Builder]:
    """Write a vector into a row-major array, from an index on."""

    def build(context: Context, builder: IRBuilder, signature: Signature, args: Sequence[Value]) -> Value:
        _write(builder, args[0], _pointer(context, builder, signature.args[1], args[1], args[2]))
        return context.get_dummy_value()

    return types.void(vector, array, types.intp), build


@emitted
def store_each(typing: Type, vectors: Type, array: Type, start: Type, offsets: Type) -> tuple[Signature, Builder]:
    """Write a tuple of vectors, from each of `start + offset` on."""

    def build(context: Context, builder: IRBuilder, signature: Signature, args: Sequence[Value]) -> Value:
        for i, pointer in enumerate(_pointers(context, builder, signature.args[1:], args[1:])):
            _write(builder, builder.extract_value(args[0], i), pointer)
        return context.get_dummy_value()

    return types.void(vectors, array, types.intp, offsets), build


@emitted
def prefetch(typing: Type, array: Type, start: Type) -> tuple[Signature, Builder]:
    """Ask for the cache line of a row-major array's element, and do not wait for it."""

    def build(context: Context, builder: IRBuilder, signature: Signature, args: Sequence[Value]) -> Value:
        byte, whole = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, whole, whole, whole])
        call = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        pointer = builder.bitcast(_pointer(context, builder, signature.args[0], args[0], args[1]), byte)
        builder.call(call, [pointer, whole(0), whole(2), whole(1)])  # to read, into the second-level cache, data
        return context.get_dummy_value()

    return types.void(array, types.intp), build


@emitted
def clamp(typing: Type, vector: Type, limit: Type) -> tuple[Signature, Builder]:
    """Return the numbers, limited to ± limit; NaN stays NaN."""

    def build(context: Context, builder: IRBuilder, signature: Signature, args: Sequence[Value]) -> Value:
        values, high = args[0], context.cast(builder, args[1], signature.args[1], signature.args[0].dtype)
        for sign, bound in ((">", high), ("<", builder.fneg(high))):
            edge = _splat(builder, bound, WIDTH)
            values = builder.select(builder.fcmp_ordered(sign, values, edge), edge, values)
        return values

    return vector(vector, limit), build


@emitted
def each_positive(typing: Type, vector: Type) -> tuple[Signature, Builder]:
    """Return 1 where a number is positive, else 0."""

    def build(context: Context, builder: IRBuilder, signature: Signature, args: Sequence[Value]) -> Value:
        kind = args[0].type
        zero, one = (ir.Constant(kind, [number] * WIDTH) for number in (0.0, 1.0))
        return builder.select(builder.fcmp_ordered(">", args[0], zero), one, zero)

    return vector(vector), build


@emitted
def each_tanh(typing: Type, vector: Type) -> tuple[Signature, Builder]:
    """Return the hyperbolic tangents, one after the other, as precise as the C library's."""

    def build(context: Context, builder: IRBuilder, signature: Signature, args: Sequence[Value]) -> Value:
        dtype = signature.args[0].dtype
        values, one = args[0], context.get_function(math.tanh, dtype(dtype))
        for i in range(WIDTH):
            number = one(builder, [builder.extract_element(values, INDEX(i))])
            values = builder.insert_element(values, number, INDEX(i))
        return values

    return vector(vector), build


def _operator(symbol: Callable[..., Any], instruction: str) -> None:
    """Let compiled code write `symbol` between two vectors, or a vector and a number."""

    @emitted
    def combine(typing: Type, left: Type, right: Type) -> tuple[Signature, Builder]:
        kind = left if isinstance(left, Vector) else right

        def build(context: Context, builder: IRBuilder, signature: Signature, args: Sequence[Value]) -> Value:
            sides = [
                value
                if isinstance(side, Vector)
                else _splat(builder, context.cast(builder, value, side, kind.dtype), WIDTH)
                for value, side in zip(args, signature.args, strict=True)
            ]
            return getattr(builder, instruction)(*sides, flags=CONTRACT)

        return kind(left, right), build

    @overload(symbol)
    def typed(left: Type, right: Type) -> Callable[..., Values] | None:
        def implementation(left: Type, right: Type) -> Values:
            return combine(left, right)

        return implementation if isinstance(left, Vector) or isinstance(right, Vector) else None


for _symbol, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _operator(_symbol, _instruction)


@overload(equations.tanh)
def _tanh(x: Values) -> Callable[[Values], Values]:
    return rational_tanh if x.dtype.bitwidth == 32 else exact_tanh


def rational_tanh(x: Values) -> Values:
    """Return the hyperbolic tangent as x P(x²) / Q(x²), of degrees 13 and 6, at most 3e-7 from the true one.

    Beyond ± 7.9 the nearest number of single precision is ± 1. Source: Eigen, `generic_fast_tanh_float`.
    """
    x = clamp(x, 7.90531110763549805)
    y = x * x
    p = y * -2.76076847742355e-16 + 2.00018790482477e-13
    p = p * y - 8.60467152213735e-11
    p = p * y + 5.12229709037114e-08
    p = p * y + 1.48572235717979e-05
    p = p * y + 6.37261928875436e-04
    p = p * y + 4.89352455891786e-03
    q = y * 1.19825839466702e-06 + 1.18534705686654e-04
    q = q * y + 2.26843463243900e-03
    q = q * y + 4.89352518554385e-03
    return x * p / q


def exact_tanh(x: Values) -> Values:
    """Return the hyperbolic tangent in double precision."""
    return each_tanh(x)


@overload(equations.relu)
def _relu(x: Values) -> Callable[[Values], Values]:
    return rectified


def rectified(x: Values) -> Values:
    """Return the numbers that are positive, else 0."""
    return x * each_positive(x)


@overload(equations.positive)
def _positive(x: Values) -> Callable[[Values], Values]:
    return each_one


def each_one(x: Values) -> Values:
    """Return 1 where a number is positive, else 0."""
    return each_positive(x)


register_jitable(equations.sigmoid)


@cache
def tile(rows: int, width: int) -> Callable[..., None]:
    """Return a function for compiled code: so many rows and columns of C = D + A B.

    It is called as tile(a, b, start, d, c, row, column, count), each matrix a `Matrix`: for the rows of A, D and C from
    `row` on, for the columns of D and C from `column` on; `start` is where those of B begin, `count` the number of
    terms of a sum. They are added in order, so that a row's result does not depend on the tile that it falls into.
    """

    @emitted
    def multiply(
        typing: Type, a: Type, b: Type, start: Type, d: Type, c: Type, row: Type, column: Type, count: Type
    ) -> tuple[Signature, Builder]:
        n = types.intp
        return types.void(a, b, n, d, c, n, n, n), _multiplier(rows, width)

    return multiply


def _multiplier(rows: int, width: int) -> Builder:
    def build(context: Context, builder: IRBuilder, signature: Signature, args: Sequence[Value]) -> Value:
        a, b, start, d, c, row, column, count = args

        def field(matrix: Value, name: str) -> Value:
            return builder.extract_value(matrix, Matrix._fields.index(name))

        def rows_of(index: int, column: Value) -> list[Value]:
            matrix, kind = args[index], signature.args[index]
            step = field(matrix, "row")
            first = builder.add(field(matrix, "start"), builder.add(builder.mul(row, step), column))
            pointer = _pointer(context, builder, kind[0], field(matrix, "values"), first)
            return [builder.gep(pointer, [builder.mul(step, INDEX(i))]) for i in range(rows)]

        left, addends, targets = rows_of(0, INDEX(0)), rows_of(3, column), rows_of(4, column)
        right = _pointer(context, builder, signature.args[1][0], field(b, "values"), start)
        sums = [_read(builder, pointer, width) for pointer in addends]
        sums = _summed(builder, left, field(a, "column"), right, field(b, "row"), sums, count)
        for vector, pointer in zip(sums, targets, strict=True):
            _write(builder, vector, pointer)
        return context.get_dummy_value()

    return build


def _summed(
    builder: IRBuilder, left: list[Value], a_step: Value, right: Value, b_step: Value, sums: list[Value], count: Value
) -> list[Value]:
    """Emit the loop over the terms of the sums; return the sums at its end."""
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
    across = _read(builder, builder.gep(right, [builder.mul(k, b_step)]), width)
    for phi, pointer in zip(running, left, strict=True):
        number = builder.load(builder.gep(pointer, [builder.mul(k, a_step)]))
        term = builder.fmul(_splat(builder, number, width), across, flags=CONTRACT)
        phi.add_incoming(builder.fadd(phi, term, flags=CONTRACT), body)
    k.add_incoming(builder.add(k, INDEX(1)), body)
    builder.branch(head)
    builder.position_at_end(after)
    return running

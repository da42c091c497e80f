"""A network as statements of C over typed values, and where in the program's buffers each value lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from eie.encoding.csc import InterleavedCSC
from eie.encoding.flat import FlatStream, flat_counts, flatten
from eie.engine.int8 import int8_weights
from eie.engine.plan import is_native, simplest
from eie.errors import InputError
from eie.exporters.c.text import array, comment, identifier, number
from eie.model.network import NETWORK_INPUT, Layer, Network, Step
from eie.model.numerics import product
from eie.model.reference import formats_of
from eie.program.constants import constants_of
from eie.steps import (
    Activation,
    Affine,
    Attention,
    Convolution,
    Dense,
    Embedding,
    Gather,
    Matmul,
    Normalisation,
    Pooling,
    Product,
    Recurrent,
    Reduction,
    Rows,
    Sum,
)
from eie.steps.elementwise import SOFTMAXES
from eie.steps.image import Image, Window
from eie.storage.ties import ties

__all__ = ["C_TYPES", "Buffers", "Fixed", "Lowered", "Operation", "Value", "lower_to_c", "place"]

# What a value is, its type in C, and the bytes of one number. `bytes` are activations in the numerics int8.
C_TYPES = {"reals": ("float", 4), "sums": ("int32_t", 4), "fixed": ("int16_t", 2), "bytes": ("uint8_t", 1)}

_FUNCTIONS = (
    *("sigmoid", "tanh", "gelu", "gelu_tanh", "silu", "relu6", "hardsigmoid", "hardswish"),
    *("erf", "exp", "square", "sqrt", "reciprocal", "absolute", "positive"),
)
_MARKED = 16  # of so many entries of a table one has a mark, at which reading can begin
_LEAST_POWER, _MOST_POWER = -126, 127  # of two, that a float is


class Fixed(NamedTuple):
    """A format of integers: fraction bits, and bits in all."""

    fraction: int
    bits: int


@dataclass(eq=False)
class Value:
    """`length` numbers of the kind `kind`, one of C_TYPES; `fixed` is the format of integers of the numerics chip."""

    kind: str
    length: int
    fixed: Fixed | None = None
    text: str = ""  # how C calls it: known when places are given out


@dataclass(frozen=True, eq=False)
class Operation:
    """One statement or more. In `text` each "{name}" is a value's place: those of `reads`, and of `makes` what is new;
    "{upper}" is what the program's macros begin with.

    What it makes may take the place of what it reads under the name `in_place`: it goes from the first number to the
    last. `title` is a comment before it.
    """

    text: str
    reads: dict[str, Value]
    makes: dict[str, Value]
    in_place: str = ""
    title: str = ""


@dataclass
class Lowered:
    """What a network becomes: operations, the value that is the network's outputs, and the constants' definitions.

    `constant_bytes` are those of all constants, `stream_bytes` of the compressed weights among them. `inexact` names
    the steps of which the last bits may not be those of a session. `caches` are the numbers that each attention keeps
    from call to call; their places follow each other.
    """

    operations: list[Operation]
    inputs: Value
    outputs: Value
    constants: list[str] = field(default_factory=list)
    stream_bytes: int = 0
    constant_bytes: int = 0
    inexact: list[str] = field(default_factory=list)
    caches: list[int] = field(default_factory=list)


def lower_to_c(network: Network, numerics: str) -> Lowered:
    """Return `network` in the numerics `int8` or `chip`; raise InputError, naming the first step that C has not."""
    lowering = _Lowering(network, numerics)
    for count, step in enumerate(network):
        lowering.add(count, step)
    return lowering.finish()


class _Lowering:
    def __init__(self, network: Network, numerics: str) -> None:
        self._network, self._chip = network, numerics == "chip"
        self._numerics = numerics
        self._values: dict[int, Value] = {NETWORK_INPUT: Value("reals", network.inputs)}
        self._converted: dict[tuple[Value, Fixed | None], Value] = {}
        self._title = ""
        self._number, self._ties, self._streams = 0, ties(network), dict[int, str]()
        given = self._values[NETWORK_INPUT]
        self.done = Lowered([], given, given)
        first = simplest(network.steps[0])
        quantised = isinstance(first, Layer) or (isinstance(first, Convolution) and isinstance(first.product, Layer))
        if not quantised:  # which looks for what is not finite
            self._emit(f"if (!eie_finite({{x}}, {network.inputs})) return {{upper}}_NOT_FINITE;", {"x": given}, {})

    def add(self, count: int, step: Step) -> None:
        """Add step number `count`."""
        self._number = count
        self._title = f"{count + 1}. {comment(step.name)}: {_told(step)}"
        self._name = f"step{count + 1}_{identifier(step.name, 'layer')}"
        parts = [self._values[source] for source in self._network.reads[count]]
        uncompressed = isinstance(step, Convolution) and isinstance(step.product, Dense)
        logarithm = isinstance(step, Activation) and step.function == "log_softmax"
        if uncompressed or logarithm or not is_native(step, self._numerics):
            self.done.inexact.append(step.name)
        match step:
            case Sum() | Product():
                made = self._combination(step, parts)
            case Matmul():
                made = self._matmul(step, parts)
            case Attention():
                made = self._attention(step, parts)
            case _:
                made = self._step(simplest(step), self._joined(parts))
        self._values[count] = self.done.outputs = made

    def finish(self) -> Lowered:
        """Make the outputs reals, and return all."""
        self.done.outputs = self._real(self.done.outputs)
        return self.done

    def _step(self, step: Step, x: Value) -> Value:
        match step:
            case Layer():
                return self._linear(step, x, 1)
            case Dense(groups=1):
                return self._dense(step, x, 1)
            case Rows(product=Layer() as layer):
                return self._linear(layer, x, step.rows)
            case Rows(product=Dense(groups=1) as dense):
                return self._dense(dense, x, step.rows)
            case Convolution(product=Layer() as layer):
                return self._convolution(step, layer, x)
            case Convolution(product=Dense() as dense):
                name, window = self._dense_constants(dense), self._window(step.image, step.window)
                text = f"eie_convolve_dense(&{name}, {dense.groups}, &{window}, {{x}}, {{y}});"
                return self._emit(text, {"x": self._real(x)}, {"y": Value("reals", step.outputs)})
            case Recurrent(product=Layer() | Dense(groups=1)):
                return self._recurrent(step, x)
            case Pooling() if step.window.dilation == (1, 1):
                return self._pooling(step, x)
            case Affine():
                scale = self._constant("float", "scale", step.scale, "one for each channel")
                shift = self._constant("float", "shift", step.shift, "one for each channel")
                sizes = f"{step.rows}, {step.scale.size}, {step.pixels}"
                return self._each(f"eie_affine({sizes}, {scale}, {shift}, {{x}}, {{y}});", self._real(x))
            case Normalisation():
                facts = f"{step.rows}, {step.size}, {number(float(np.float32(step.epsilon)))}, {int(step.centred)}"
                return self._each(f"eie_normalise({facts}, {{x}}, {{y}});", self._real(x))
            case Reduction():
                by = "" if step.function == "max" else f", {step.size if step.function == 'mean' else 1}"
                function = "eie_largest_each" if step.function == "max" else "eie_sums"
                text = f"{function}({step.rows}, {step.size}{by}, {{x}}, {{y}});"
                return self._emit(text, {"x": self._real(x)}, {"y": Value("reals", step.rows)})
            case Embedding(product=Dense(groups=1) as dense):
                return self._look_up(step, "eie_look_up_dense", self._dense_table(dense), x)
            case Embedding(product=Layer() as layer) if not self._chip:
                return self._look_up(step, "eie_look_up", self._table(layer), x)
            case Gather():
                y = Value(x.kind, step.outputs, x.fixed)
                index = self._constant("int32_t", "index", step.index, "which input each output is; -1: 0")
                return self._emit(f"eie_gather{_of(x)}({index}, {step.outputs}, {{x}}, {{y}});", {"x": x}, {"y": y})
            case Activation(function="relu"):
                return self._each(f"eie_relu{_of(x)}({{x}}, {step.size}, {{y}});", x)
            case Activation() if step.function in _FUNCTIONS:
                return self._each(f"eie_apply(eie_{step.function}, {step.size}, {{x}}, {{y}});", self._real(x))
            case Activation() if step.function in SOFTMAXES:
                sizes = f"{step.rows}, {step.size // step.rows}"
                return self._each(f"eie_{step.function}({sizes}, {{x}}, {{y}});", self._real(x))
        what = f"the function {step.function}" if isinstance(step, Activation) else f"of the kind {type(step).__name__}"
        raise InputError(
            f"{step.name} is {what}, which is not written to C; what is: linear, convolutional and recurrent layers, "
            f"poolings without dilation, {', '.join(('relu', *_FUNCTIONS, *SOFTMAXES))}, scales and shifts, "
            f"normalisations and reductions of rows, attention, lookups (with numerics chip of float32 tables), sums, "
            f"products and gathers"
        )

    def _emit(self, text: str, reads: dict[str, Value], makes: dict[str, Value], *, in_place: str = "") -> Value:
        """Add an operation; return what it makes under the name y."""
        self.done.operations.append(Operation(text, reads, makes, in_place, self._title))
        self._title = ""
        return makes.get("y", self.done.inputs)

    def _each(self, text: str, x: Value) -> Value:
        """Add what makes of each number one, where it lies if nobody else reads it."""
        return self._emit(text, {"x": x}, {"y": Value(x.kind, x.length, x.fixed)}, in_place="x")

    # Values in another form, and several as one.

    def _real(self, x: Value) -> Value:
        if x.fixed is None:
            return x
        if (x, None) not in self._converted:
            unit = number(2.0 ** _power(-x.fixed.fraction, self._network))
            text = f"eie_from_fixed({{x}}, {x.length}, {unit}, {{y}});"
            self._converted[x, None] = self._emit(text, {"x": x}, {"y": Value("reals", x.length)})
        return self._converted[x, None]

    def _fixed(self, x: Value, wanted: Fixed) -> Value:
        if x.fixed == wanted:
            return x
        if (x, wanted) not in self._converted:
            y = Value("fixed", x.length, wanted)
            if x.fixed is None:
                scale = number(2.0 ** _power(wanted.fraction, self._network))
                text = (
                    f"if (!eie_to_fixed({{x}}, {x.length}, {scale}, {wanted.bits}, {{y}})) return {{upper}}_NOT_FINITE;"
                )
            else:
                _power(-x.fixed.fraction, self._network)
                more = min(max(wanted.fraction - x.fixed.fraction, -17), 16)
                text = f"eie_rescale({{x}}, {x.length}, {more}, {wanted.bits}, {{y}});"
            self._converted[x, wanted] = self._emit(text, {"x": x}, {"y": y})
        return self._converted[x, wanted]

    def _joined(self, parts: Sequence[Value]) -> Value:
        if len(parts) == 1:
            return parts[0]
        if len({part.fixed for part in parts}) > 1:
            parts = [self._real(part) for part in parts]
        y = Value(parts[0].kind, sum(part.length for part in parts), parts[0].fixed)
        lines, first = [], 0
        for k, part in enumerate(parts):
            lines.append(f"eie_copy{_of(y)}({{x{k}}}, {part.length}, {{y}}{_plus(first)});")
            first += part.length
        return self._emit("\n".join(lines), {f"x{k}": part for k, part in enumerate(parts)}, {"y": y})

    # Steps.

    def _linear(self, layer: Layer, x: Value, rows: int) -> Value:
        name, inputs, outputs = self._layer_constants(layer), layer.inputs, layer.outputs
        loop = f"for (uint32_t row = 0; row < {rows}; row++) {{{{\n%s\n}}}}" if rows > 1 else "%s"
        at_x, at_y = (f" + row * {inputs}", f" + row * {outputs}") if rows > 1 else ("", "")
        if self._chip:
            formats = formats_of(layer)
            x = self._fixed(x, Fixed(formats.activation_fraction, formats.value_bits))
            y = Value("fixed", rows * outputs, Fixed(formats.output_fraction, formats.value_bits))
            text = loop % f"eie_linear_chip(&{name}, {{x}}{at_x}, {{y}}{at_y}, &overflowed);"
            return self._emit(text, {"x": x}, {"y": y})
        q, quantise = Value("bytes", inputs), _quantise(f"{{x}}{at_x}", inputs)
        text = loop % f"{quantise}\neie_linear_int8(&{name}, {{q}}, &scale, {{y}}{at_y});"
        return self._emit(text, {"x": x}, {"q": q, "y": Value("reals", rows * outputs)})

    def _dense(self, dense: Dense, x: Value, rows: int) -> Value:
        name = self._dense_constants(dense)
        y = Value("reals", rows * dense.outputs)
        if rows == 1:
            return self._emit(f"eie_dense(&{name}, {{x}}, {{y}});", {"x": self._real(x)}, {"y": y})
        one = f"eie_dense(&{name}, {{x}} + row * {dense.inputs}, {{y}} + row * {dense.outputs});"
        text = f"for (uint32_t row = 0; row < {rows}; row++) {one}"
        return self._emit(text, {"x": self._real(x)}, {"y": y})

    def _convolution(self, step: Convolution, layer: Layer, x: Value) -> Value:
        name, window = self._layer_constants(layer), self._window(step.image, step.window)
        sums = Value("sums", step.image_out.height * step.image_out.width)
        if self._chip:
            formats = formats_of(layer)
            x = self._fixed(x, Fixed(formats.activation_fraction, formats.value_bits))
            y = Value("fixed", step.outputs, Fixed(formats.output_fraction, formats.value_bits))
            text = f"eie_convolve_chip(&{name}, &{window}, {{x}}, {{sums}}, {{y}}, &overflowed);"
            return self._emit(text, {"x": x}, {"sums": sums, "y": y})
        q, quantise = Value("bytes", step.inputs), _quantise("{x}", step.inputs)
        text = f"{quantise}\neie_convolve_int8(&{name}, &{window}, {{q}}, &scale, {{sums}}, {{y}});"
        return self._emit(text, {"x": x}, {"q": q, "sums": sums, "y": Value("reals", step.outputs)})

    def _pooling(self, step: Pooling, x: Value) -> Value:
        window = self._window(step.image, step.window)
        if step.kind == "average":
            x = self._real(x)
        kind = f"max_pool{_of(x)}" if step.kind == "max" else "average_pool"
        y = Value(x.kind, step.outputs, x.fixed)
        return self._emit(f"eie_{kind}(&{window}, {step.image.channels}, {{x}}, {{y}});", {"x": x}, {"y": y})

    def _apart(self, parts: Sequence[Value], lengths: Sequence[int]) -> tuple[dict[str, Value], list[str]]:
        """Return what is read where `parts` are numbers of these lengths, and how each is called."""
        parts = [self._real(part) for part in parts]
        if [part.length for part in parts] == list(lengths):
            reads = {f"x{k}": part for k, part in enumerate(parts)}
            return reads, [f"{{{name}}}" for name in reads]
        firsts = np.cumsum([0, *lengths[:-1]]).tolist()
        return {"x": self._joined(parts)}, [f"{{x}}{_plus(first)}" for first in firsts]

    def _combination(self, step: Sum | Product, parts: Sequence[Value]) -> Value:
        function, size = "eie_add" if isinstance(step, Sum) else "eie_multiply", step.size
        reads, terms = self._apart(parts, [size] * step.terms)
        lines = [f"{function}({terms[0]}, {terms[1]}, {size}, {{y}});"]
        lines += [f"{function}({{y}}, {term}, {size}, {{y}});" for term in terms[2:]]
        values = list(reads.values())
        first = "" if values[0] in values[2:] else next(iter(reads))  # which is read again once y is begun
        return self._emit("\n".join(lines), reads, {"y": Value("reals", size)}, in_place=first)

    def _matmul(self, step: Matmul, parts: Sequence[Value]) -> Value:
        lengths = [step.count * step.rows * step.inner, step.count * step.inner * step.columns]
        reads, (a, b) = self._apart(parts, lengths)
        text = f"eie_matmul({step.count}, {step.rows}, {step.inner}, {step.columns}, {a}, {b}, {{y}});"
        return self._emit(text, reads, {"y": Value("reals", step.outputs)})

    def _attention(self, step: Attention, parts: Sequence[Value]) -> Value:
        reads, given = self._apart(parts, [step.outputs] * 3)
        scale = number(float(np.float32(step.scale)))
        self.done.constants.append(
            f"static const eie_attention {self._name} = "
            f"{{{step.rows}, {step.heads}, {step.width}, {step.capacity}, {scale}}};\n"
        )
        cache = f"cache{_plus(sum(self.done.caches))}"
        self.done.caches.append(step.cache)
        text = f"if (!eie_attend(&{self._name}, {', '.join(given)}, {cache}, {{scores}}, {{y}})) return {{upper}}_FULL;"
        makes = {"scores": Value("reals", step.capacity), "y": Value("reals", step.outputs)}
        return self._emit(text, reads, makes)

    def _look_up(self, step: Embedding, function: str, table: str, x: Value) -> Value:
        text = f"if (!{function}(&{table}, {step.places}, {{x}}, {{y}})) return {{upper}}_NO_ENTRY;"
        return self._emit(text, {"x": self._real(x)}, {"y": Value("reals", step.outputs)})

    def _recurrent(self, step: Recurrent, x: Value) -> Value:
        width, gates, hidden, features = step.product.inputs, step.product.outputs, step.hidden, step.features
        makes = {
            "vector": Value("reals", width),  # the step's input, the state, and 1 for the bias
            "memory": Value("reals", hidden),
            "sums": Value("reals", gates),
            "y": Value("reals", step.outputs),
        }
        if isinstance(step.product, Dense):
            multiply = [f"eie_dense(&{self._dense_constants(step.product)}, {{vector}}, {{sums}});"]
        elif self._chip:
            name, formats = self._layer_constants(step.product), formats_of(step.product)
            scale = number(2.0 ** _power(formats.activation_fraction, self._network))
            unit = number(2.0 ** _power(-formats.output_fraction, self._network))
            makes |= {"q": Value("fixed", width), "p": Value("fixed", gates)}
            multiply = [
                _to_fixed("{vector}", width, scale, formats.value_bits, "{q}"),
                f"eie_linear_chip(&{name}, {{q}}, {{p}}, &overflowed);",
                f"eie_from_fixed({{p}}, {gates}, {unit}, {{sums}});",
            ]
        else:
            makes["q"] = Value("bytes", width)
            multiply = [
                _quantise("{vector}", width),
                f"eie_linear_int8(&{self._layer_constants(step.product)}, {{q}}, &scale, {{sums}});",
            ]
        memory = "{memory}, " if step.cell == "lstm" else ""
        if step.cell != "lstm":
            del makes["memory"]
        sequence, lines = step.steps * features, [f"eie_clear({width}, {{vector}});"]
        if step.takes_state:  # h and, of an LSTM, c follow the sequence
            lines += [f"eie_copy_real({{x}} + {sequence}, {hidden}, {{vector}} + {features});"]
            lines += [f"eie_copy_real({{x}} + {sequence + hidden}, {hidden}, {{memory}});"] if memory else []
        elif memory:
            lines += [f"eie_clear({hidden}, {{memory}});"]
        lines += [f"*({{vector}} + {width - 1}) = 1;"] if width > features + hidden else []
        lines += [f"for (uint32_t step = 0; step < {step.steps}; step++) {{{{"]
        lines += [f"eie_copy_real({{x}} + step * {features}, {features}, {{vector}});", *multiply]
        lines += [f"eie_{step.cell}({{sums}}, {hidden}, {memory}{{vector}} + {features});"]
        copy = f"eie_copy_real({{vector}} + {features}, {hidden}, {{y}}%s);"
        lines += ["}}", copy % ""] if step.last_only else [copy % f" + step * {hidden}", "}}"]
        if step.gives_memory:
            lines += [f"eie_copy_real({{memory}}, {hidden}, {{y}} + {step.outputs - hidden});"]
        return self._emit("\n".join(lines), {"x": self._real(x)}, makes)

    # Constants.

    def _constant(self, kind: str, suffix: str, values: np.ndarray, what: str) -> str:
        name = f"{self._name}_{suffix}"
        self.done.constants.append(array(kind, name, values, what))
        self.done.constant_bytes += _BYTES[kind] * max(1, values.size)
        return name

    def _window(self, image: Image, window: Window) -> str:
        name, (down, across) = f"{self._name}_window", window.places(image)
        pairs = (*window.kernel, *window.stride, *window.padding, *window.dilation)
        self.done.constants.append(
            f"/* {window.kernel[0]} x {window.kernel[1]} over an image of {image} to {down} x {across} places */\n"
            f"static const eie_window {name} = {{{image.height}, {image.width}, "
            f"{', '.join(map(str, pairs))}, {down}, {across}}};\n"
        )
        return name

    def _dense_constants(self, dense: Dense) -> str:
        weights = self._constant(
            "float", "weights", dense.weights, f"{dense.weights.shape[0]} x {dense.weights.shape[1]}"
        )
        bias = self._constant("float", "bias", dense.bias, "bias, one for each output")
        self.done.constants.append(
            f"static const eie_dense_layer {self._name} = {{{weights}, {bias}, {dense.inputs}, {dense.outputs}, "
            f"{int(dense.relu)}}};\n"
        )
        return self._name

    def _layer_constants(self, layer: Layer) -> str:
        entries = self._stream(layer.matrix)
        if self._chip:
            kind, numbers = "eie_chip_layer", self._chip_numbers(layer)
        else:
            weights = int8_weights(layer)
            told = f"shared weights, in units of {weights.unit:.6g}"
            codebook = self._constant("int8_t", "codebook", weights.values, told)
            bias = "0"
            if layer.bias is not None:
                bias = self._constant("float", "bias", layer.bias, "bias, one for each output")
            kind, numbers = "eie_int8_layer", f"{codebook}, {number(weights.unit, 'double')}, {bias}"
        text = f"static const {kind} {self._name} = {{{entries},\n    {numbers}, {int(layer.relu)}}};\n"
        self.done.constants.append(text)
        return self._name

    def _stream(self, matrix: InterleavedCSC) -> str:
        """Return what describes a matrix's weights; those of a tied lookup are the same as its layer's."""
        owner = self._ties.get(self._number, self._number)
        if owner not in self._streams:
            stream, gap_bits = _smallest(matrix)
            packed = _packed(stream.codes, stream.gaps, matrix.code_bits, gap_bits)
            self.done.stream_bytes += max(1, packed.size)
            told = (
                f"{matrix.outputs} x {matrix.inputs} weights, {matrix.nnz} of them not zero: {len(stream.codes)} "
                f"entries of {matrix.code_bits} + {gap_bits} bits"
            )
            name = self._constant("uint8_t", "stream", packed, told)
            self._streams[owner] = (
                f"{{{name}, {len(stream.codes)}, {matrix.inputs}, {matrix.outputs}, {matrix.code_bits}, {gap_bits}}}"
            )
        return self._streams[owner]

    def _table(self, layer: Layer) -> str:
        """Return the name of a table of the layer's columns."""
        matrix = layer.matrix.transpose()
        if matrix.outputs * matrix.inputs >= 2**32:
            raise InputError(
                f"layer {layer.name} has {matrix.outputs} x {matrix.inputs} weights, and the C program looks up in "
                "less than 2**32"
            )
        entries, marks = self._stream(matrix), _marks(matrix)
        told = f"of every {_MARKED}th row: the entries before it, and the place that they have come to"
        marks_name = self._constant("uint32_t", "marks", marks, told)
        book = self._constant("float", "table", matrix.codebook, "shared weights")
        bias = "0" if layer.bias is None else self._constant("float", "bias", layer.bias, "added to each entry")
        text = f"static const eie_table {self._name} = {{{entries},\n    {book}, {marks_name}, {bias}}};\n"
        self.done.constants.append(text)
        return self._name

    def _dense_table(self, dense: Dense) -> str:
        table = np.ascontiguousarray(dense.weights.T)
        numbers = self._constant("float", "table", table, f"{table.shape[0]} entries of {table.shape[1]} numbers")
        bias = self._constant("float", "bias", dense.bias, "added to each entry")
        self.done.constants.append(
            f"static const eie_dense_table {self._name} = {{{numbers}, {bias}, {dense.inputs}, {dense.outputs}}};\n"
        )
        return self._name

    def _chip_numbers(self, layer: Layer) -> str:
        _check_sums(layer)
        constants, formats = constants_of(layer), formats_of(layer)
        told = f"shared weights, in units of 2**{-formats.codebook_fraction}"
        codebook, bias = self._constant("int16_t", "codebook", constants.codebook, told), "0"
        if layer.bias is not None:
            told = f"bias, in units of 2**{-formats.output_fraction}"
            bias = self._constant("int32_t", "bias", constants.bias, told)
        return f"{codebook}, {bias}, {formats.value_bits}, {formats.accumulator_bits}"


_BYTES = {"float": 4, "int32_t": 4, "uint32_t": 4, "int16_t": 2, "int8_t": 1, "uint8_t": 1}


def _smallest(matrix: InterleavedCSC) -> tuple[FlatStream, int]:
    """Return the matrix as a stream, and the bits of its gaps with which it is smallest."""
    counts = flat_counts(matrix, range(1, 9))
    gap_bits = min(counts, key=lambda bits: counts[bits].entries * (matrix.code_bits + bits))
    return flatten(matrix, gap_bits), gap_bits


def _marks(matrix: InterleavedCSC) -> np.ndarray:
    """Return of every _MARKED-th row how many entries of the stream are before it, and the place after those."""
    stream, _ = _smallest(matrix)
    after = np.concatenate((np.zeros(1, np.int64), np.cumsum(stream.gaps.astype(np.int64) + 1)))
    rows = np.arange(0, matrix.outputs, _MARKED)
    before = np.searchsorted(after[1:], rows * matrix.inputs, side="right")
    return np.stack((before, after[before]), axis=1).astype(np.uint32)


def _packed(codes: np.ndarray, gaps: np.ndarray, code_bits: int, gap_bits: int) -> np.ndarray:
    """Return entries, code below gap, one after the other as bits, the first in the lowest bits: uint8 (bytes,)."""
    width, parts = code_bits + gap_bits, []
    for first in range(0, len(codes), 2**16):  # whole bytes; the bits of all entries at once would be a lot
        part = slice(first, first + 2**16)
        entries = codes[part].astype(np.uint16) | (gaps[part].astype(np.uint16) << code_bits)
        bits = (entries[:, None] >> np.arange(width, dtype=np.uint16)) & 1
        parts.append(np.packbits(bits.astype(np.uint8).reshape(-1), bitorder="little"))
    return np.concatenate(parts) if parts else np.zeros(0, np.uint8)


def _check_sums(layer: Layer) -> None:
    """Raise InputError where a sum of the numerics chip may not fit the program's 32 bits, whatever the inputs."""
    constants, (starts, _, codes) = constants_of(layer), layer.matrix.rows
    bits = constants.formats.value_bits
    largest = np.abs(product(constants.codebook, -(2 ** (bits - 1)), bits))
    running = np.concatenate((np.zeros(1, np.int64), np.cumsum(largest[codes])))
    most = running[starts[1:]] - running[starts[:-1]] + np.abs(constants.bias)
    if most.max() > 2**31 - 1:
        raise InputError(
            f"layer {layer.name}: the sum of row {int(most.argmax())} may be {int(most.max())}, and the C program sums "
            f"in 32 bits; calibrate with fewer accumulator_bits, or use --numerics int8"
        )


def _power(exponent: int, network: Network) -> int:
    """Return the exponent; raise InputError where a float is no such power of two."""
    if not _LEAST_POWER <= exponent <= _MOST_POWER:
        raise InputError(
            f"network {network.name} has a format of {abs(exponent)} fraction bits, and the C program has formats from "
            f"{_LEAST_POWER} to {-_LEAST_POWER}: scale the weights or inputs, and calibrate again"
        )
    return exponent


def _quantise(reals: str, length: int) -> str:
    """Return the statement that makes integers q of reals, in the numerics int8."""
    return f"if (!eie_quantise_int8({reals}, {length}, {{q}}, &scale)) return {{upper}}_NOT_FINITE;"


def _to_fixed(reals: str, length: int, scale: str, bits: int, integers: str) -> str:
    """Return the statement that makes integers of reals, in the numerics chip."""
    return f"if (!eie_to_fixed({reals}, {length}, {scale}, {bits}, {integers})) return {{upper}}_NOT_FINITE;"


def _of(value: Value) -> str:
    return "_real" if value.fixed is None else "_fixed"


def _plus(offset: int) -> str:
    return f" + {offset}" if offset else ""


def _told(step: Step) -> str:
    """Return what the step is and its sizes, for a comment."""
    match step:
        case Layer() | Dense():
            return f"{step.inputs} inputs to {step.outputs} outputs{', ReLU' if step.relu else ''}"
        case Convolution():
            return f"convolution, {step.image} to {step.image_out}{', ReLU' if step.product.relu else ''}"
        case Pooling():
            return f"{step.kind} pooling, {step.image} to {step.image_out}"
        case Recurrent():
            return f"{step.cell.upper()}, {step.steps} steps of {step.features} features, state of {step.hidden}"
        case Rows():
            return f"{step.rows} rows of {step.product.inputs} inputs to {step.product.outputs} outputs"
        case Activation():
            return f"{step.function} of {step.size}"
    return f"{type(step).__name__.lower()}, {step.inputs} to {step.outputs}"


@dataclass(frozen=True)
class Buffers:
    """How many numbers of each kind of C_TYPES a program's static arrays have."""

    numbers: dict[str, int]

    @property
    def bytes(self) -> int:
        """Bytes of all arrays."""
        return sum(count * C_TYPES[kind][1] for kind, count in self.numbers.items())


def place(operations: Sequence[Operation], inputs: Value, outputs: Value) -> Buffers:
    """Give every value its place in an array of its kind, used again when nobody reads it any more.

    `inputs` and `outputs` are where the caller has them.
    """
    last = {value: k for k, one in enumerate(operations) for value in (*one.makes.values(), *one.reads.values())}
    used: dict[str, list[tuple[int, Value]]] = {kind: [] for kind in C_TYPES}  # by place
    numbers = dict.fromkeys(C_TYPES, 0)
    inputs.text, outputs.text = "input", "output"
    for k, one in enumerate(operations):
        for value in one.makes.values():
            if value is outputs:
                continue
            taken = used[value.kind]
            overlaid = one.reads.get(one.in_place)
            if overlaid is not None and last[overlaid] == k:
                # The first gap then is this place or one before it, so no number is overwritten before it is read.
                taken[:] = [pair for pair in taken if pair[1] is not overlaid]
            at = 0
            for other_at, other in taken:
                if at + value.length <= other_at:
                    break
                at = other_at + other.length
            taken.append((at, value))
            taken.sort(key=lambda pair: pair[0])
            value.text = f"{value.kind}{_plus(at)}"
            numbers[value.kind] = max(numbers[value.kind], at + value.length)
        for kind, taken in used.items():
            used[kind] = [(at, other) for at, other in taken if last[other] > k]
    return Buffers(numbers)

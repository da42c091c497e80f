"""PyTorch modules as networks: the model is exported, and each operation becomes a step, or a move of numbers.

A layer whose weights are shared (`eie.compress`) becomes a compressed layer; any other keeps its float32 weights.
"""

from __future__ import annotations

import operator
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.export
from torch import nn
from torch.export.graph_signature import InputKind, OutputKind

from eie.errors import InputError
from eie.model.network import NETWORK_INPUT, Layer, Network, Port
from eie.pytorch.building import Builder, Value
from eie.pytorch.leaves import PRODUCT, RECURRENT, traced_to_layers, window_of
from eie.pytorch.modes import evaluated
from eie.pytorch.operations import KEPT, SHAPES, Operations, flat
from eie.pytorch.products import Target, array, is_lookup, product_names, products_of
from eie.pytorch.recurrent import RecurrentCell
from eie.pytorch.recurrent_and_winograd import WinogradConv2d, lowered_copy
from eie.pytorch.sharing import is_shared
from eie.steps import Convolution, Dense, Recurrent, Winograd

__all__ = ["Target", "network_of", "products_of"]

# The shape of one input, or arguments: tensors and tuples of them in order, or tensors by name.
Inputs = tuple[int, ...] | Sequence[Any] | Mapping[str, torch.Tensor]


def network_of(
    model: nn.Module,
    inputs: Inputs,
    *,
    name: str = "network",
    layers: Mapping[str, Layer] | None = None,
    n_pe: int = 64,
    index_bits: int = 4,
    state: bool = False,
    context: int | None = None,
) -> Network:
    """Return `model` as a network for one input at a time.

    `inputs` is the shape of one input without the batch, or the model's arguments for a batch of one: tensors, tuples
    of tensors, or tensors by name. The network's input is their numbers, one argument after the other, and its output
    those of all that the model returns. With `state` all of them but the first are a state that the model takes and
    gives, such as (h, c) of an LSTM: `eie.InferenceSession.run_with_state` carries it. With `context`, attention of one
    token to itself is attention to those of earlier calls, too, up to so many (`eie.pytorch.decoding`). `layers` are
    those already encoded, by name; any other that is shared is encoded for `n_pe` PEs and `index_bits`.

    The model is exported by `torch.export` for these sizes. What does not depend on the input becomes constants; what
    only moves numbers is gathered where it is needed. Raises InputError, naming the first operation, for what no step
    can be: such a model is compressed in place (`eie.compress_`) and its layers are run by `eie.pytorch.nn.convert_`.
    """
    model = lowered_copy(model)
    examples, program = _exported(model, inputs)
    reader = _Reader(model, program, examples, layers or {}, n_pe, index_bits, context)
    return reader.network(name, state)


def _exported(model: nn.Module, inputs: Inputs) -> tuple[tuple[torch.Tensor, ...], torch.export.ExportedProgram]:
    """Return the arguments, and the model exported for them."""
    if isinstance(inputs, Mapping):
        shapes = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in inputs.items())
        return tuple(inputs.values()), _export(model, (), f"inputs {shapes}", dict(inputs))
    if inputs and isinstance(inputs[0], torch.Tensor):
        given = tuple(tensor for tensor in flat(inputs) if isinstance(tensor, torch.Tensor))
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in given)
        return given, _export(model, tuple(inputs), f"inputs of {shapes}")
    what = f"one input of shape {tuple(inputs)}"
    floats, numbers = (torch.zeros(1, *inputs, dtype=kind) for kind in (torch.float32, torch.int64))
    looks_up = any(isinstance(module, nn.Embedding | nn.EmbeddingBag) for module in model.modules())
    if looks_up and not _runs(model, floats):
        return (numbers,), _export(model, (numbers,), what)
    return (floats,), _export(model, (floats,), what)


def _runs(model: nn.Module, example: torch.Tensor) -> bool:
    try:
        with torch.no_grad(), evaluated(model):
            model(example)
    except Exception:  # whatever the model's own code raises
        return False
    return True


@cache
def _decompositions() -> dict[Any, Any]:
    """Return how PyTorch takes operations apart into those of core ATen, but for those that are steps here."""
    return {
        overload: function
        for overload, function in dict(torch.export.default_decompositions()).items()
        if getattr(overload, "_schema", None) is None or overload._schema.name.removeprefix("aten::") not in KEPT
    }


def _export(
    model: nn.Module, examples: tuple[Any, ...], what: str, named: dict[str, torch.Tensor] | None = None
) -> torch.export.ExportedProgram:
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        raise InputError("torch.export needs a folder for temporary files: set TMPDIR to one that works") from error
    try:
        with torch.no_grad(), evaluated(model), traced_to_layers(model), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exported: torch.export.ExportedProgram = torch.export.export(model, examples, named, strict=False)
            taken_apart: torch.export.ExportedProgram = exported.run_decompositions(_decompositions())
            return taken_apart
    except Exception as error:  # whatever the model's own code raises
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"the model does not run on {what}: {reason}") from error


class _Reader:
    """An exported program, operation by operation."""

    def __init__(
        self,
        model: nn.Module,
        program: torch.export.ExportedProgram,
        examples: tuple[torch.Tensor, ...],
        encoded: Mapping[str, Layer],
        n_pe: int,
        index_bits: int,
        context: int | None,
    ) -> None:
        self.model, self.program, self.encoded = model, program, encoded
        self.n_pe, self.index_bits = n_pe, index_bits
        self.examples = examples
        self.modules = dict(model.named_modules())
        self.builder = Builder(sum(tensor.numel() for tensor in examples))
        for module_name, module in self.modules.items():
            if isinstance(module, Target) or (is_lookup(module) and is_shared(module)):
                self.builder.unique(module_name)
        self.operations = Operations(self.builder, context)
        self.called: set[str] = set()
        self.needed: set[torch.fx.Node] = set()  # what outputs depend on
        self.found: dict[torch.fx.Node, Any] = {}

    def network(self, name: str, state: bool = False) -> Network:
        """Return the whole program as a network, of whose inputs and outputs all but the first may be a state."""
        graph = self.program.graph
        outputs = self._outputs(graph.output_node())
        needed = self.needed
        waiting = list(outputs)
        while waiting:
            node = waiting.pop()
            if node not in needed:
                needed.add(node)
                waiting += node.all_input_nodes
        first = 0
        ports: list[Port] = []
        specs = iter(self.program.graph_signature.input_specs)
        for node in graph.nodes:
            if node.op == "placeholder":
                spec = next(specs)
                if spec.kind is InputKind.USER_INPUT:
                    if "val" not in node.meta or not isinstance(node.meta["val"], torch.Tensor):
                        continue
                    shape = tuple(node.meta["val"].shape)
                    size = int(np.prod(shape))
                    index = None if size == self.builder.inputs else np.arange(first, first + size)
                    self.found[node] = Value((NETWORK_INPUT,), shape, index)
                    first += size
                    ports.append(Port(node.name, shape[1:], not node.meta["val"].dtype.is_floating_point))
                else:
                    self.found[node] = self._constant(spec)
            elif node in needed:
                self.found[node] = self._take(node)
        if not any(isinstance(self.found[node], Value) for node in outputs):
            raise InputError("the model's outputs do not depend on its input, expected a model with a layer to run")
        values = [
            value if isinstance(value, Value) else self.builder.constant(value, "constant")
            for value in (self.found[node] for node in outputs)
        ]
        if not self.builder.steps and all(value.index is None for value in values):
            raise InputError("the model has no layer to run, expected at least one")
        network = self.builder.network(values, name, self._state(values) if state else 0)
        if network.state or sum(port.size for port in ports) != network.inputs:  # a state's batch is no first side
            return network
        names = list(getattr(self.model, "input_names", ()))  # of a graph that was read
        if len(names) == len(ports):
            ports = [replace(port, name=given) for port, given in zip(ports, names, strict=True)]
        return replace(network, ports=tuple(ports))

    def _state(self, values: list[Value]) -> int:
        """Return how many numbers the state has."""
        taken = [tuple(tensor.shape) for tensor in self.examples[1:]]
        given = [value.shape for value in values[1:]]
        if not taken or taken != given:
            found = [", ".join(map(str, shapes)) or "nothing" for shapes in (taken, given)]
            raise InputError(
                f"the model takes {found[0]} behind its first input and gives {found[1]} behind its first output, "
                "expected the same of either: its state"
            )
        return sum(value.size for value in values[1:])

    def _outputs(self, node: torch.fx.Node) -> list[torch.fx.Node]:
        outputs = []
        for spec, given in zip(self.program.graph_signature.output_specs, node.args[0], strict=True):  # type: ignore[arg-type]
            if spec.kind is not OutputKind.USER_OUTPUT:
                raise InputError(f"the model changes its own {spec.target} when it runs, which a network cannot")
            if isinstance(given, torch.fx.Node):
                outputs.append(given)
        return outputs

    def _constant(self, spec: Any) -> Any:
        program = self.program
        if spec.target in program.state_dict:
            return program.state_dict[spec.target].detach()
        return program.constants.get(spec.target)

    def _take(self, node: torch.fx.Node) -> Any:
        if node.op != "call_function":
            raise InputError(f"{node.name} is a {node.op}, which a network cannot hold")
        target: Any = node.target
        self.operations.name = name = _name(node)
        if target is operator.getitem:
            return self.found[node.args[0]][node.args[1]]  # type: ignore[index]
        arguments: Any = torch.fx.map_arg((node.args, node.kwargs), lambda given: self.found[given])
        operation = getattr(target, "_schema", None)
        if operation is None:
            raise self.operations.unknown(str(target))
        operation = operation.name.split("::")[1]
        values = [given for given in node.all_input_nodes if isinstance(self.found[given], Value)]
        if target is PRODUCT:
            return self._product(*arguments[0])
        if target is RECURRENT:
            return self._recurrent(node, *arguments[0])
        random = torch.Tag.nondeterministic_seeded in target.tags and operation not in KEPT
        if random or operation in ("empty", "empty_like", "new_empty", "empty_strided"):
            raise self.operations.unknown(f"{operation}, whose numbers are random")
        if not values or operation in SHAPES:
            return self._computed(target, *arguments)
        names = [argument.name for argument in target._schema.arguments]
        named = {argument.name: argument.default_value for argument in target._schema.arguments}
        named |= dict(zip(names, arguments[0], strict=False)) | arguments[1]
        kinds = {
            argument: given.meta["val"].dtype
            for argument, given in (*zip(names, node.args, strict=False), *node.kwargs.items())
            if isinstance(given, torch.fx.Node) and isinstance(given.meta.get("val"), torch.Tensor)
        }
        self._check_kinds(operation, kinds, node)
        if kinds.get("attn_mask") is torch.bool:
            named["mask_is_bool"] = True
        return self.operations.take(target, name, named)

    def _check_kinds(self, operation: str, kinds: dict[str, torch.dtype], node: torch.fx.Node) -> None:
        """Refuse what makes whole numbers of real ones, and what works on the bits of numbers."""
        before, value = kinds.get("self"), node.meta.get("val")
        after = value.dtype if isinstance(value, torch.Tensor) else None
        if operation == "_to_copy" and before and after and before.is_floating_point and not after.is_floating_point:
            raise self.operations.unknown(f"conversion of {before} to {after}")
        if operation.startswith("bitwise") and before is not torch.bool:
            raise self.operations.unknown(f"{operation} of numbers")

    def _computed(self, target: Any, args: Any, kwargs: Any) -> Any:
        """Return what PyTorch gives for constants; of a value only its shape is read."""

        def constant(given: Any) -> Any:
            if isinstance(given, Value):
                return torch.zeros(given.shape)
            return type(given)(map(constant, given)) if isinstance(given, list | tuple) else given

        with torch.no_grad():
            return target(*map(constant, args), **{name: constant(given) for name, given in kwargs.items()})

    def _product(self, value: Value, name: str, shape: list[int]) -> Value:
        module = self.modules[name]
        if isinstance(module, nn.Embedding):
            return self._lookup(value, module, name)
        if name in self.called:
            raise InputError(f"layer {name} is called twice, and a network has each layer once: give each call its own")
        self.called.add(name)
        products = self._products(module, name)
        if isinstance(module, nn.Conv2d | WinogradConv2d) and len(value.shape) == 3:
            value = replace(value, shape=(1, *value.shape))
        if isinstance(module, WinogradConv2d):
            places = tuple(product for product in products if isinstance(product, Layer))
            bias = np.zeros(module.out_channels, np.float32) if module.bias is None else array(module.bias)
            found = self.builder.add(Winograd(name, self.operations.image(value), module.padding, places, bias), value)
        elif isinstance(module, nn.Conv2d):
            window, _ = window_of(module)
            found = self.builder.add(Convolution(name, self.operations.image(value), window, products[0]), value)
        else:
            found = self.operations.linear(value, products[0])
        return replace(found, shape=tuple(shape))

    def _lookup(self, value: Value, module: nn.Embedding, name: str) -> Value:
        (product,) = self._products(module, name)
        if name in self.called:  # a network has each compressed layer once
            again = self.builder.unique(name)
            product = self.operations.dense(module.weight.T, None, again)
        self.called.add(name)
        return self.operations.lookup(value, product)

    def _recurrent(
        self, node: torch.fx.Node, value: Value, state: list[Any], name: str, hidden: int, states: int
    ) -> list[Any]:
        module = self.modules[name]
        assert isinstance(module, RecurrentCell)
        batch, steps, features = value.shape
        if batch != 1:
            raise InputError(
                f"{name} gets {batch} sequences at once, expected one: a network takes one input at a time, and "
                "without batch_first a model's inputs are (steps, 1, features)"
            )
        if name in self.called:
            raise InputError(f"layer {name} is called twice, and a network has each layer once: give each call its own")
        self.called.add(name)
        (product,) = self._products(module, name)
        if all(not isinstance(one, Value) and not one.any() for one in state):
            state = []
        given = [one if isinstance(one, Value) else self.builder.constant(one, f"{name}.state") for one in state]
        memory = module.kind == "lstm" and any(user.args[1] == 2 and user in self.needed for user in node.users)
        step = Recurrent(name, module.kind, steps, features, product, False, bool(given), memory)
        return [*self.builder.recur(step, value, *given), None]  # a memory that is not given is read by nobody

    def _products(self, module: nn.Module, name: str) -> tuple[Layer | Dense, ...]:
        assert isinstance(module, Target | nn.Embedding)
        names = product_names(module, name)
        if all(known in self.encoded for known in names):
            return tuple(self.encoded[known] for known in names)
        return products_of(module, name, self.n_pe, self.index_bits)


def _name(node: torch.fx.Node) -> str:
    """Return a name for what a node becomes: its module's where that is PyTorch's own, or the node's in its module."""
    path, kind = next(reversed(node.meta.get("nn_module_stack", {"": ("", "")}).values()))
    kind = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
    if path and kind.startswith("torch.nn.modules."):
        return str(path)
    return f"{path}.{node.name}" if path else node.name

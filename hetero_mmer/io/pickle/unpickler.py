"""An unpickler that makes data and calls nothing that a file names.

A name in a pickle becomes an inert :class:`Name`, never the object it stands for. What
a file may do with one is in the table of :meth:`SafeUnpickler.calls`; each entry is a
function of ours that checks its arguments. So no class or function of another library
ever lies on the stack, and a state can be set on a few types only, after a check.

Not covered: a small file can ask for much memory or time, for example with lists that
hold each other many times over.
"""

from __future__ import annotations

import argparse
import pickle
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, BinaryIO, ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hetero_mmer.io.pickle.arrays import (
    Refused,
    from_buffer,
    make_dtype,
    make_scalar,
    set_array,
    set_dtype,
)

#: A text that large is an array's bytes, and nothing refers to it twice.
_LARGE: Final = 1 << 16

#: No data have longer whole numbers: these are neither floats nor text.
_MAX_BITS: Final = 1000

#: The modules of Python 2 and of numpy 1, as they are called now.
_RENAMED: Final = {'__builtin__': 'builtins', 'copy_reg': 'copyreg'}


class Name(NamedTuple):
    """A global that a pickle names: a label, not the thing."""

    module: str
    name: str

    def __str__(self) -> str:
        return f'{self.module}.{self.name}'


NDARRAY: Final = Name('numpy', 'ndarray')
#: The classes whose objects are read as plain arrays.
ARRAYS: Final = frozenset(
    {NDARRAY, Name('numpy', 'memmap'), Name('numpy.core.memmap', 'memmap')}
)
_OBJECT: Final = Name('builtins', 'object')
_NAMESPACE: Final = Name('argparse', 'Namespace')
_FACTORIES: Final[Mapping[Name, type]] = {
    Name('builtins', 'list'): list,
    Name('builtins', 'dict'): dict,
    Name('builtins', 'set'): set,
    Name('builtins', 'int'): int,
    Name('builtins', 'float'): float,
    Name('builtins', 'str'): str,
    Name('builtins', 'tuple'): tuple,
    Name('collections', 'OrderedDict'): OrderedDict,
}


def _not_endless(load: Callable[[Any], None]) -> Callable[[Any], None]:
    """Loads a whole number as another function does, if it is not too long."""

    def checked(unpickler: Any) -> None:
        load(unpickler)
        bits = int(unpickler.stack[-1]).bit_length()
        if bits > _MAX_BITS:
            raise Refused(f'a number of {bits} bits')

    return checked


class SafeUnpickler(pickle._Unpickler):
    """Reads one pickle of any protocol, of Python 2 and 3, numpy 1 and 2.

    The strings of Python 2 become str where they are UTF-8, else bytes; a bytearray
    becomes bytes. Arrays lie over the bytes of the file, so some are read-only.

    Args:
        file: A buffered file; it is read up to the end of the pickle, no further.

    Raises:
        Refused: By ``load``, for whatever is not on the list.
    """

    stack: list[Any]
    memo: dict[int, Any]
    proto: int
    append: Callable[[Any], None]
    pop_mark: Callable[[], list[Any]]

    #: The classes that a pickle may make plain objects of.
    objects: ClassVar[frozenset[Name]] = frozenset({_NAMESPACE})

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.file = file
        self._empty: dict[int, NDArray] = {}  # Arrays that still wait for a state.
        self._calls = self.calls()
        self._inert = {_OBJECT, *ARRAYS, *_FACTORIES}

    def calls(self) -> dict[Name, Callable[..., Any]]:
        """What a pickle may call by which name."""
        calls: dict[Name, Callable[..., Any]] = {
            NDARRAY._replace(name='dtype'): make_dtype,
            Name('_codecs', 'encode'): self._encode,
            _NAMESPACE: argparse.Namespace,
            Name('copyreg', '_reconstructor'): self._make_object,
            Name('builtins', 'set'): _collection(set),
            Name('builtins', 'frozenset'): _collection(frozenset),
            Name('builtins', 'bytes'): lambda: b'',
            Name('builtins', 'bytearray'): _bytes,
            Name('builtins', 'complex'): _complex,
            Name('collections', 'OrderedDict'): _ordered,
            Name('collections', 'defaultdict'): _default,
        }
        for core in ('numpy.core', 'numpy._core'):
            calls[Name(f'{core}.multiarray', '_reconstruct')] = self._reconstruct
            calls[Name(f'{core}.multiarray', 'scalar')] = make_scalar
            calls[Name(f'{core}.numeric', '_frombuffer')] = from_buffer
        return calls

    def call(self, name: Any, args: Any) -> Any:
        """Does what a name stands for."""
        if type(name) is not Name:
            raise Refused(f'a call of a {type(name).__name__}')
        if name not in self._calls or type(args) not in (tuple, list):
            raise Refused(f'a call of {name}')
        try:
            return self._calls[name](*args)
        except TypeError as error:  # Too few arguments, or too many.
            raise Refused(f'a call of {name} with other arguments') from error

    def build(self, target: Any, state: Any) -> Any:
        """Sets a state, and returns what has it."""
        if type(target) is np.ndarray and self._empty.pop(id(target), None) is target:
            set_array(target, state)
        elif isinstance(target, np.dtype):
            set_dtype(target, state)
        elif type(target) is argparse.Namespace and type(state) is dict:
            vars(target).update({str(key): state[key] for key in state})
        else:
            raise Refused(f'the state of a {type(target).__name__}')
        return target

    def find_class(self, module: str, name: str) -> Name:
        """Turns a global into its label, if it is on the list."""
        found = Name(_RENAMED.get(module, module), name)
        if found not in self._calls and found not in self._inert:
            raise Refused(str(found))
        return found

    def get_extension(self, code: int) -> None:
        """Refuses names from a table of the process."""
        raise Refused(f'the extension code {code}')

    def persistent_load(self, pid: Any) -> Any:
        """Refuses objects that lie outside of the pickle."""
        raise Refused('an object outside of the file')

    def _reconstruct(self, kind: Any, shape: Any, code: Any) -> NDArray:
        if kind not in ARRAYS:
            raise Refused(f'an array of the class {kind}')
        array = np.empty(0, np.int8)
        self._empty[id(array)] = array
        return array

    def _make_object(self, kind: Any, base: Any, state: Any) -> Any:
        if base != _OBJECT or state is not None or kind not in self.objects:
            raise Refused(f'an object of the class {kind}')
        return self.call(kind, ())

    def _encode(self, text: str, encoding: str) -> bytes:
        if type(text) is not str or encoding not in ('latin1', 'latin-1'):
            raise Refused(f'the encoding {encoding!r}')
        if len(text) > _LARGE and self.proto < 3:
            # The memo would hold a second copy of each array to the end.
            for key in list(islice(reversed(self.memo), 4)):
                kept = self.memo[key]
                if kept is text or (type(kept) is tuple and kept and kept[0] is text):
                    del self.memo[key]
        return text.encode('latin-1')

    def _decode_string(self, value: bytes) -> str | bytes:
        try:
            return value.decode('utf-8')
        except UnicodeDecodeError:
            return value

    def _instantiate(self, klass: Any, args: Any) -> None:
        self.append(self.call(klass, args))

    def _load_reduce(self) -> None:
        args = self.stack.pop()
        self.stack[-1] = self.call(self.stack[-1], args)

    def _load_newobj(self) -> None:
        args = self.stack.pop()
        self.stack[-1] = self.call(self.stack[-1], args)

    def _load_newobj_ex(self) -> None:
        raise Refused(f'a call of {self.stack[-3]} with keywords')

    def _load_build(self) -> None:
        state = self.stack.pop()
        self.stack[-1] = self.build(self.stack[-1], state)

    def _load_buffer(self) -> None:
        raise Refused('a buffer outside of the file')

    def _load_append(self) -> None:
        item = self.stack.pop()
        _expect(self.stack[-1], list).append(item)

    def _load_appends(self) -> None:
        items = self.pop_mark()
        _expect(self.stack[-1], list).extend(items)

    def _load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        _expect(self.stack[-1], dict)[key] = value

    def _load_setitems(self) -> None:
        items = self.pop_mark()
        target = _expect(self.stack[-1], dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[key] = value

    def _load_additems(self) -> None:
        items = self.pop_mark()
        _expect(self.stack[-1], set).update(items)

    dispatch: ClassVar[dict[int, Callable[..., None]]] = {
        **pickle._Unpickler.dispatch,
        pickle.REDUCE[0]: _load_reduce,
        pickle.NEWOBJ[0]: _load_newobj,
        pickle.NEWOBJ_EX[0]: _load_newobj_ex,
        pickle.BUILD[0]: _load_build,
        # Bytes are enough, and take half the memory while they are read.
        pickle.BYTEARRAY8[0]: pickle._Unpickler.dispatch[pickle.BINBYTES8[0]],
        pickle.NEXT_BUFFER[0]: _load_buffer,
        pickle.READONLY_BUFFER[0]: _load_buffer,
        pickle.APPEND[0]: _load_append,
        pickle.APPENDS[0]: _load_appends,
        pickle.SETITEM[0]: _load_setitem,
        pickle.SETITEMS[0]: _load_setitems,
        pickle.ADDITEMS[0]: _load_additems,
        **{
            code[0]: _not_endless(pickle._Unpickler.dispatch[code[0]])
            for code in (pickle.INT, pickle.LONG, pickle.LONG1, pickle.LONG4)
        },
    }


def _expect(target: Any, kind: type) -> Any:
    if not isinstance(target, kind):
        raise Refused(f'items in a {type(target).__name__}')
    return target


def _collection(kind: type) -> Callable[..., Any]:
    return lambda items=(): kind(_expect(items, list) if items else ())


def _bytes(data: Any = b'', encoding: str = 'latin-1') -> bytes:
    if type(data) is str and encoding == 'latin-1':
        data = data.encode('latin-1')
    if type(data) is not bytes:
        raise Refused('a bytearray of something else than bytes')
    return data


def _complex(real: float, imaginary: float) -> complex:
    if not isinstance(real, float) or not isinstance(imaginary, float):
        raise Refused('a complex number of something else than two numbers')
    return complex(real, imaginary)


def _ordered(items: Any = ()) -> OrderedDict:
    pairs = _expect(items, list) if items else []
    return OrderedDict(tuple(_expect(pair, list | tuple)) for pair in pairs)  # type: ignore[arg-type]


def _default(factory: Any = None) -> defaultdict:
    if factory is not None and factory not in _FACTORIES:
        raise Refused(f'a defaultdict of {factory}')
    return defaultdict(_FACTORIES.get(factory))

# SPDX-License-Identifier: BSD-2-Clause
"""A Varlink client by hand, and a strict reader of Varlink's interface definition language."""
import json
import re
import select
import socket
import time

PATIENCE_S = 10.0


class Closed(Exception):
    """The other side has ended the connection."""


class Client:
    def __init__(self, path, patience=PATIENCE_S):
        self.patience, self.text = patience, b""
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(patience)
        self.socket.connect(path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, method, parameters=None, **flags):
        call = {"method": method, **flags}
        if parameters is not None:
            call["parameters"] = parameters
        self.send_raw(json.dumps(call).encode() + b"\0")

    def send_raw(self, data):
        self.socket.sendall(data)

    def receive(self):
        """The next message."""
        deadline = time.monotonic() + self.patience
        while b"\0" not in self.text:
            if not select.select([self.socket], [], [], max(0, deadline - time.monotonic()))[0]:
                raise TimeoutError("no reply")
            more = self.socket.recv(1 << 16)
            if not more:
                raise Closed("the connection is closed")
            self.text += more
        message, _, self.text = self.text.partition(b"\0")
        return json.loads(message)

    def call(self, method, parameters=None, **flags):
        """The first reply."""
        self.send(method, parameters, **flags)
        return self.receive()


# ---- the interface definition language ----

TOKEN = re.compile(r"\s+|#[^\n]*\n|->|\[\]|\[string\]|[A-Za-z](?:_?[A-Za-z0-9])*|[?():,]")
INTERFACE = re.compile(r"interface[ \t]+([A-Za-z](?:-*[A-Za-z0-9])*"
                       r"(?:\.[A-Za-z0-9](?:-*[A-Za-z0-9])*)+)[ \t]*\n")
TYPE_NAME = re.compile(r"[A-Z][A-Za-z0-9]*")
SIMPLE = ("bool", "int", "float", "string", "object")


class Interface:
    """
    What an interface's description says: types, methods {name: (in, out)}, errors. A type is one of
    SIMPLE, a name, or a tuple ("?", type), ("[]", type), ("[string]", type), ("struct", {name:
    type}), ("enum", [words]). Raises ValueError where the text is not in the language.

    Stricter than the language in what systemd's varlinkctl is stricter: no element of an array or
    a map is nullable.
    """

    def __init__(self, text):
        head = re.match(r"(?:\s|#[^\n]*\n)*", text).end()
        name = INTERFACE.match(text, head)
        if not name:
            raise ValueError("it does not begin with the interface's name")
        self.name = name.group(1)
        self.types, self.methods, self.errors = {}, {}, {}
        self.tokens = list(self._split(text, name.end()))
        while self.tokens:
            self._member()
        for name in self._names([*self.types.values(), *self.errors.values(),
                                 *(t for both in self.methods.values() for t in both)]):
            if name not in self.types:
                raise ValueError(f"there is no type {name}")

    @staticmethod
    def _split(text, at):
        while at < len(text):
            token = TOKEN.match(text, at)
            if not token:
                raise ValueError(f"not understood: {text[at:at + 30]!r}")
            at = token.end()
            if not token.group().isspace() and not token.group().startswith("#"):
                yield token.group()

    def _take(self, wanted=None):
        if not self.tokens:
            raise ValueError("it ends too early")
        token = self.tokens.pop(0)
        if wanted is not None and token != wanted:
            raise ValueError(f"{token!r} where {wanted!r} should be")
        return token

    def _member(self):
        kind, name = self._take(), self._take()
        if not TYPE_NAME.fullmatch(name):
            raise ValueError(f"{name} cannot be a name")
        if any(name in names for names in (self.types, self.methods, self.errors)):
            raise ValueError(f"{name} is there twice")
        if kind == "type":
            self.types[name] = self._braces()
        elif kind == "error":
            self.errors[name] = self._struct()
        elif kind == "method":
            given = self._struct()
            self._take("->")
            self.methods[name] = (given, self._struct())
        else:
            raise ValueError(f"{kind} is no kind of member")

    def _struct(self):
        made = self._braces()
        if made[0] != "struct":
            raise ValueError("words where fields should be")
        return made

    def _braces(self):
        self._take("(")
        fields, words = {}, []
        while self.tokens[:1] != [")"]:
            if fields or words:
                self._take(",")
            name = self._take()
            if not re.fullmatch(r"[A-Za-z](_?[A-Za-z0-9])*", name) or name in (*fields, *words):
                raise ValueError(f"{name!r} cannot be a field, or is there twice")
            if self.tokens[:1] == [":"] and not words:
                self._take()
                fields[name] = self._type()
            elif not fields:
                words.append(name)
            else:
                raise ValueError(f"{name} has no type")
        self._take(")")
        return ("enum", words) if words else ("struct", fields)

    def _type(self, inside=False):
        token = self.tokens[0] if self.tokens else ""
        if token == "?":
            self._take()
            if inside or self.tokens[:1] == ["?"]:
                raise ValueError("? where it cannot be")
            return ("?", self._type(inside=True))
        if token in ("[]", "[string]"):
            self._take()
            return (token, self._type(inside=True))
        if token == "(":
            return self._braces()
        name = self._take()
        if name not in SIMPLE and not TYPE_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no type")
        return name

    def _names(self, types):
        for kind in types:
            if isinstance(kind, str):
                yield from () if kind in SIMPLE else (kind,)
            elif kind[0] == "struct":
                yield from self._names(kind[1].values())
            elif kind[0] != "enum":
                yield from self._names(kind[1:])

    # ---- values ----

    def wrong(self, kind, value, where, may_lack=False):
        """What is wrong with a JSON value of that type, as lines; every key must be there."""
        if isinstance(kind, str) and kind in self.types:
            yield from self.wrong(self.types[kind], value, where)
        elif isinstance(kind, str):
            if not _is_simple(kind, value):
                yield f"{where}: {value!r} is no {kind}"
        elif kind[0] == "?":
            if value is not None:
                yield from self.wrong(kind[1], value, where)
        elif kind[0] == "enum":
            if value not in kind[1]:
                yield f"{where}: {value!r} is none of {kind[1]}"
        elif kind[0] == "struct":
            yield from self._wrong_struct(kind[1], value, where, may_lack)
        elif not isinstance(value, list if kind[0] == "[]" else dict):
            yield f"{where}: {value!r} where {kind[0]} should be"
        else:
            for key, each in value.items() if kind[0] == "[string]" else enumerate(value):
                yield from self.wrong(kind[1], each, f"{where}[{key}]")

    def _wrong_struct(self, fields, value, where, may_lack):
        if not isinstance(value, dict):
            yield f"{where}: {value!r} where an object should be"
            return
        for name in value:
            if name not in fields:
                yield f"{where}.{name} is not described"
        for name, kind in fields.items():
            if name in value:
                yield from self.wrong(kind, value[name], f"{where}.{name}")
            elif not (may_lack and kind[0] == "?"):
                yield f"{where}.{name} is missing"

    def wrong_reply(self, method, message, may_lack=False):
        """The same of a whole reply, or of an error that the interface or Varlink itself has."""
        known = {"parameters", "continues", "error"}
        yield from (f"{method}: {key} in a reply" for key in message if key not in known)
        parameters = message.get("parameters", {})
        if "error" not in message:
            yield from self.wrong(self.methods[method][1], parameters, method, may_lack)
            return
        interface, _, name = message["error"].rpartition(".")
        if interface == self.name and name in self.errors:
            yield from self.wrong(self.errors[name], parameters, f"{method}: {name}")
        elif interface == self.name:
            yield f"{method}: error {name} is not described"


def _is_simple(kind, value):
    return {"bool": isinstance(value, bool),
            "int": isinstance(value, int) and not isinstance(value, bool),
            "float": isinstance(value, (int, float)) and not isinstance(value, bool),
            "string": isinstance(value, str), "object": isinstance(value, dict)}[kind]

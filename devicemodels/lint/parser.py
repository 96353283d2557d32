"""A source file to modules: declarations, functions, analog blocks."""

from collections.abc import Callable

from devicemodels.lint.expressions import RESERVED, Stream, list_of
from devicemodels.lint.findings import ParseError
from devicemodels.lint.preprocess import Preprocessor
from devicemodels.lint.statements import attributes, parameters, statement, variables
from devicemodels.lint.syntax import Function, Module, Stmt

DISCIPLINES = {"electrical", "thermal", "voltage", "current", "magnetic", "kinematic", "kinematic_v", "rotational"}
DISCIPLINES |= {"rotational_omega", "logic", "wreal", "wire"}


def parse(text: str, file: str) -> list[Module]:
    """The modules of a source; raises ParseError, and nothing else, for what is not Verilog-A."""
    s = Stream(Preprocessor().run(text, file))
    try:
        return _source(s)
    except RecursionError:
        raise s.fail("nested too deeply; split the expression or statement") from None


def _source(s: Stream) -> list[Module]:
    found: list[Module] = []
    disciplines = set(DISCIPLINES)
    while s.now.kind != "end":
        attributes(s)
        if s.at("nature", "discipline"):
            start = s.take()
            disciplines |= {s.now.text}
            while not s.accept(f"end{start.text}"):
                if s.take().kind == "end":
                    raise ParseError(start.file, start.line, f"{start.text} has no end{start.text}; add it")
        elif s.at("module", "macromodule"):
            found.append(_module(s, disciplines))
        elif s.now.kind != "end":
            raise s.fail("expected 'module'")
    if not found:
        raise s.fail("the file holds no module; a model starts with 'module NAME(ports);'")
    return found


def _module(s: Stream, disciplines: set[str]) -> Module:
    start = s.take()
    name = s.name("the name of the module")
    m = Module(name.text, name.line, name.file)
    if s.accept("#"):
        raise s.fail("parameters belong into the module, after its header")
    if s.accept("("):
        _ports(s, m, disciplines)
    s.expect(";", "after the header of the module")
    while not s.accept("endmodule"):
        if s.now.kind == "end":
            raise ParseError(start.file, start.line, f"module {m.name!r} has no endmodule; add it")
        attributes(s)
        _item(s, m, disciplines)
    return m


def _ports(s: Stream, m: Module, disciplines: set[str]) -> None:
    while not s.accept(")"):
        if s.accept(",") or s.accept("inout", "input", "output"):
            continue
        attributes(s)
        if s.now.text in disciplines and s.ahead(1).kind == "id":
            s.take()
        vector = _range(s)
        port = s.name("a port")
        m.ports.append(port.text)
        if vector or _range(s):
            m.other.append((port.line, f"vector port {port.text!r}"))


def _range(s: Stream) -> bool:
    found = False
    while s.accept("["):
        found = True
        while not s.accept("]"):
            if s.take().kind == "end":
                raise s.fail("expected ']'")
    return found


def _item(s: Stream, m: Module, disciplines: set[str]) -> None:
    token = s.now
    if token.kind == "id" and token.text in ITEMS:
        ITEMS[token.text](s, m)
    elif token.kind == "id" and token.text in disciplines:
        s.take()
        _nets(s, m)
    elif s.at(";"):
        s.take()
    elif token.kind == "id" and token.text not in RESERVED:
        _instance(s, m)
    else:
        raise s.fail("expected a declaration or 'analog'")


def _direction(s: Stream, m: Module) -> None:
    s.take()
    if s.now.text in DISCIPLINES:
        s.take()
    vector = _range(s)
    while True:
        port = s.name("a port")
        if _range(s) or vector:
            m.other.append((port.line, f"vector port {port.text!r}"))
        if port.text not in m.ports:
            raise ParseError(
                port.file, port.line, f"{port.text!r} is no port of module {m.name!r}; add it to the header"
            )
        if not s.accept(","):
            break
    s.expect(";", "after the ports")


def _nets(s: Stream, m: Module) -> None:
    vector = _range(s)
    while True:
        net = s.name("a node")
        if _range(s) or vector:
            m.other.append((net.line, f"vector node {net.text!r}"))
        m.nets[net.text] = net.line
        if not s.accept(","):
            break
    s.expect(";", "after the nodes")


def _ground(s: Stream, m: Module) -> None:
    s.take()
    while True:
        m.ports.append(s.name("a node").text)
        if not s.accept(","):
            break
    s.expect(";", "after ground")


def _branch(s: Stream, m: Module) -> None:
    s.take()
    s.expect("(", "after branch")
    nets = tuple(e.text for e in list_of(s, ")"))
    while True:
        name = s.name("a branch")
        m.branches[name.text] = nets
        if not s.accept(","):
            break
    s.expect(";", "after the branch")


def _parameters(s: Stream, m: Module) -> None:
    for p in parameters(s):
        m.parameters[p.name] = p
        if p.type == "string":
            m.other.append((p.line, f"string parameter {p.name!r}"))
        if p.array:
            m.other.append((p.line, f"array parameter {p.name!r}"))


def _alias(s: Stream, m: Module) -> None:
    s.take()
    s.name("a parameter")
    s.expect("=")
    s.name("a parameter")
    s.expect(";")


def _variables(s: Stream, m: Module) -> None:
    for v in variables(s):
        m.variables[v.name] = v


def _genvar(s: Stream, m: Module) -> None:
    m.other.append((s.now.line, "genvar and generated arrays of nodes"))
    while not s.accept(";"):
        if s.take().kind == "end":
            raise s.fail("expected ';'")


def _analog(s: Stream, m: Module) -> None:
    start = s.take()
    if s.accept("function"):
        _function(s, m)
    elif s.accept("initial"):
        m.analog.append(Stmt("event", start.line, "initial_step", body=(statement(s),)))
    else:
        m.analog.append(statement(s))


def _function(s: Stream, m: Module) -> None:
    s.accept("real", "integer")
    name = s.name("the name of the function")
    f = Function(name.text, name.line)
    s.expect(";", "after the name of the function")
    body: list[Stmt] = []
    while not s.accept("endfunction"):
        if s.now.kind == "end":
            raise ParseError(name.file, name.line, f"function {f.name!r} has no endfunction; add it")
        attributes(s)
        if word := s.accept("input", "output", "inout"):
            while True:
                f.arguments.append((s.name("an argument").text, word.text))
                if not s.accept(","):
                    break
            s.expect(";", "after the arguments")
        elif s.at("real", "integer", "string"):
            f.variables += variables(s)
        elif s.at("parameter", "localparam"):
            parameters(s)
        else:
            body.append(statement(s))
    f.body = Stmt("block", f.line, body=tuple(body))
    m.functions[f.name] = f


def _instance(s: Stream, m: Module) -> None:
    """A sub-instance `module #(...) name (...);`, parsed to be refused."""
    kind = s.name("a declaration")
    if s.now.kind != "id" and not s.at("#"):
        raise s.fail(
            f"expected a declaration or 'analog', and {kind.text!r} is no discipline (include disciplines.vams)"
        )
    while not s.accept(";"):
        if s.now.kind == "end" or s.at("endmodule", "analog"):
            raise s.fail("expected ';' after the instance")
        s.take()
    m.other.append((kind.line, f"instance of module {kind.text!r}"))


ITEMS: dict[str, Callable[[Stream, Module], None]] = {
    "inout": _direction,
    "input": _direction,
    "output": _direction,
    "ground": _ground,
    "branch": _branch,
    "parameter": _parameters,
    "localparam": _parameters,
    "aliasparam": _alias,
    "real": _variables,
    "integer": _variables,
    "string": _variables,
    "genvar": _genvar,
    "analog": _analog,
}

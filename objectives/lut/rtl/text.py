"""Pieces of Verilog text."""

from __future__ import annotations


def vector(bits: int) -> str:
    """Return the range of a vector; nothing for one bit."""
    return f"[{bits - 1}:0]" if bits > 1 else ""


def declare(kind: str, bits: int, name: str) -> str:
    """Return the declaration of a wire or register."""
    return " ".join(filter(None, (kind, vector(bits), name))) + ";"


def port(direction: str, bits: int, name: str) -> str:
    """Return the declaration of a port."""
    return " ".join(filter(None, (direction, vector(bits), name)))


def module(name: str, ports: list[str], body: list[str]) -> str:
    """Return a module."""
    listed = ",\n".join(f"    {port}" for port in ports)
    return f"module {name} (\n{listed}\n);\n" + "\n".join(f"    {line}" for line in body) + "\nendmodule\n"


def extend(name: str, bits: int, to: int) -> str:
    """Return the name, a vector of `bits`, sign-extended."""
    if bits == to:
        return name
    sign = f"{name}[{bits - 1}]" if bits > 1 else name
    return f"{{{{{to - bits}{{{sign}}}}}, {name}}}"

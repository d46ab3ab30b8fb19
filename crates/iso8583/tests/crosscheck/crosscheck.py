"""Holds the codec of this crate against pyiso8583, an independent one, in both directions.

    crosscheck.py ISO_TOOL SPECS_FOLDER [MESSAGES_PER_SPEC [SEED]]

The TOML specs are read here by their own little reader, not by the Rust one, and become pyiso8583 specs. Each random
message is packed by both (the bytes must be equal), and each unpacks what the other packed. Needs Python 3.11 (tomllib) and
pyiso8583 4.
"""

import pathlib
import random
import string
import subprocess
import sys
import tomllib

import iso8583

PRINTABLE = "".join(chr(code) for code in range(0x20, 0x7F))
SPECIALS = "".join(c for c in PRINTABLE if not c.isalnum() and c != " ")
CHARACTERS = {
    "n": string.digits,
    "z": string.digits + "=",
    "a": string.ascii_letters + " ",
    "an": string.ascii_letters + string.digits + " ",
    "as": string.ascii_letters + SPECIALS + " ",
    "ns": string.digits + SPECIALS + " ",
    "ans": PRINTABLE,
}
PYTHON_ENCODING = {"ascii": "ascii", "ebcdic-037": "cp037"}


def load(folder, name):
    """A TOML spec with what it extends folded in."""
    spec = tomllib.loads((folder / f"{name}.toml").read_text())
    if "extends" not in spec:
        return spec
    base = load(folder, spec["extends"])
    base["encoding"] |= spec.get("encoding", {})
    for number, field in spec.get("fields", {}).items():
        base["fields"].setdefault(number, {}).update(field)
    return base


class Field:
    """One field: how pyiso8583 is to treat it, and how its values translate."""

    def __init__(self, toml, encoding):
        encoding = encoding | {key: toml[key] for key in encoding if key in toml}
        self.kind, extent = toml["format"].split(" ")
        self.length = int(extent.lstrip("."))
        self.dots = len(extent) - len(extent.lstrip("."))
        self.text = encoding["text"]
        self.numeric = encoding["numeric"]
        self.binary = encoding["binary"]
        self.bcd = self.kind in ("n", "z", "x+n") and self.numeric == "bcd"
        scale = 2 if self.kind == "b" and self.binary == "hex" else 1
        if encoding.get("hex_length", "characters") != "characters":
            raise SystemExit("pyiso8583 cannot count the bytes of a hexadecimal field")
        self.spec = {
            "data_enc": self.data_encoding(),
            "len_enc": encoding["length"] if encoding["length"] == "bcd" else PYTHON_ENCODING[encoding["length"]],
            # A BCD length has half as many bytes as digits, rounded up.
            "len_type": (self.dots + 1) // 2 if encoding["length"] == "bcd" else self.dots,
            "max_len": self.length * scale,
            "desc": toml["name"],
        }
        if self.kind == "x+n":
            self.spec["max_len"] = 1 + self.length // 2 if self.bcd else 1 + self.length
        elif self.bcd:
            self.spec["len_count"] = "nibbles"
            pad = encoding.get("odd_pad", "left-zero")
            self.spec["left_pad" if pad == "left-zero" else "right_pad"] = "F" if pad == "right-f" else "0"

    def data_encoding(self):
        if self.kind == "b":
            return "ascii" if self.binary == "hex" else "b"
        if self.bcd:
            return "b"
        return PYTHON_ENCODING[self.numeric if self.kind in ("n", "z", "x+n") else self.text]

    def random_value(self, dice):
        """A value in canonical form."""
        length = dice.choice([0, 1, self.length, dice.randint(0, self.length)]) if self.dots else self.length
        if self.kind == "b":
            return dice.randbytes(length)
        if self.kind == "x+n":
            return (dice.choice("CD") + "".join(dice.choices(string.digits, k=length))).encode()
        return "".join(dice.choices(CHARACTERS[self.kind], k=length)).encode()

    def to_python(self, value):
        """A canonical value as pyiso8583 wants it."""
        if self.kind == "b":
            return value.hex().upper()
        text = value.decode()
        if self.kind == "x+n" and self.bcd:
            return text[0].encode(PYTHON_ENCODING[self.text]).hex().upper() + text[1:]
        return text.replace("=", "D") if self.kind == "z" and self.bcd else text

    def from_python(self, text):
        if self.kind == "b":
            return bytes.fromhex(text)
        if self.kind == "x+n" and self.bcd:
            return (bytes.fromhex(text[:2]).decode(PYTHON_ENCODING[self.text]) + text[2:]).encode()
        return (text.replace("D", "=") if self.kind == "z" and self.bcd else text).encode()


def python_spec(fields, encoding):
    def fixed(data_enc, length, name):
        return {"data_enc": data_enc, "len_enc": "ascii", "len_type": 0, "max_len": length, "desc": name}

    def bitmap(name):
        return fixed("ascii", 16, name) if encoding["bitmap"] == "hex" else fixed("b", 8, name)

    spec = {"h": fixed("ascii", 0, "header"), "p": bitmap("bitmap"), "1": bitmap("second bitmap")}
    spec["t"] = fixed("b", 2, "type") if encoding["mti"] == "bcd" else fixed(PYTHON_ENCODING[encoding["mti"]], 4, "type")
    for number, field in fields.items():
        spec[number] = field.spec
    return spec


class Tool:
    """The Rust side, as a process that answers line by line."""

    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        state, _, answer = self.process.stdout.readline().rstrip("\n").partition(" ")
        if state != "ok":
            raise SystemExit(f"the Rust codec refused: {answer}\nasked: {' '.join(words)}")
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)


def check_message(tool, name, fields, spec, mti, values):
    decoded = {"t": mti} | {number: fields[number].to_python(value) for number, value in values.items()}
    theirs, _ = iso8583.encode(dict(decoded), spec)
    words = [f"mti={mti}"] + [f"{number}={value.hex().upper()}" for number, value in values.items()]
    ours = bytes.fromhex(tool.ask("pack", name, *words))
    if ours != bytes(theirs):
        raise SystemExit(f"{name}: packed differently\nours   {ours.hex()}\ntheirs {theirs.hex()}\nof {words}")

    read_by_us = dict(word.split("=", 1) for word in tool.ask("unpack", name, bytes(theirs).hex()).split(" "))
    expected = {"mti": mti} | {number: value.hex().upper() for number, value in values.items()}
    if read_by_us != expected:
        raise SystemExit(f"{name}: we read {read_by_us}\nexpected {expected}")

    read_by_them, _ = iso8583.decode(ours, spec)
    if read_by_them["t"] != mti:
        raise SystemExit(f"{name}: they read the type {read_by_them['t']}, not {mti}")
    got = {number: fields[number].from_python(text) for number, text in read_by_them.items() if number in fields}
    if got != values:
        raise SystemExit(f"{name}: they read {got}\nexpected {values}")


def main():
    tool = Tool(sys.argv[1])
    folder = pathlib.Path(sys.argv[2])
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 300
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 8583
    covered = set()
    for path in sorted(folder.glob("*.toml")):
        name = path.stem
        toml = load(folder, name)
        # Field 65 is left out: pyiso8583 takes it for a third bitmap and writes it itself; ISO 8583:1987 has two.
        fields = {number: Field(field, toml["encoding"]) for number, field in toml["fields"].items() if number != "65"}
        spec = python_spec(fields, toml["encoding"])
        dice = random.Random(f"{seed} {name}")
        for index in range(count):
            # Every field alone first, then random companies of them.
            if index < len(fields):
                chosen = [sorted(fields, key=int)[index]]
            else:
                chosen = sorted(dice.sample(sorted(fields), dice.randint(0, 60)), key=int)
            values = {number: fields[number].random_value(dice) for number in chosen}
            check_message(tool, name, fields, spec, f"{dice.randint(0, 9999):04}", values)
            covered.update((name, number) for number in chosen)
        print(f"{name}: {count} messages agree in both directions")
    tool.close()
    print(f"covered {len(covered)} fields of specs")


main()

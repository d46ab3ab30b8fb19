"""Reads an invoice with tools of others: its text with PDFium, and the QR code on it, or in an SVG picture, with ZXing.

usage: invoice_reader.py FILE.pdf|FILE.svg; prints JSON: {"pages": N, "text": "...", "codes": ["..."]}
"""

import json
import re
import sys

import pypdfium2
import zxingcpp
from PIL import Image, ImageDraw


def of_pdf(path):
    pdf = pypdfium2.PdfDocument(path)
    text, codes = [], []
    for page in pdf:
        text.append(page.get_textpage().get_text_range())
        codes += [code.text for code in zxingcpp.read_barcodes(page.render(scale=3).to_pil())]
    return {"pages": len(pdf), "text": "\n".join(text), "codes": codes}


def of_svg(path):
    svg = open(path, encoding="utf-8").read()
    side = int(re.search(r'width="(\d+)"', svg)[1])
    picture = Image.new("L", (side, side), 255)
    draw = ImageDraw.Draw(picture)
    for x, y, width, height in re.findall(r"M(\d+) (\d+)h(\d+)v(\d+)", svg):
        x, y, width, height = int(x), int(y), int(width), int(height)
        draw.rectangle([x, y, x + width - 1, y + height - 1], fill=0)
    return {"pages": 0, "text": "", "codes": [code.text for code in zxingcpp.read_barcodes(picture)]}


print(json.dumps(of_svg(sys.argv[1]) if sys.argv[1].endswith(".svg") else of_pdf(sys.argv[1])))

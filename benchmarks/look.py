"""Writes the report of a data set and lays its pages out for people who judge them by eye.

Run: python benchmarks/look.py DATASET OUT [PAPER]. DATASET is one of `report_data.DATA_SETS`, or one of its
contradictions (`live-shaped:everything_lost`). OUT gets ``report/`` as a user gets it, ``pages/*.png``, and contact
sheets of six: ``sheets/pages-*.png`` and ``sheets/charts-*.png``. Prints each warning and each chart that failed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests" / "support"), str(HERE.parent)]

from contradictions import WORLDS
from report_data import DATA_SETS

from depin_compare.analysis import Analysis

PAGE_DPI = 70
COLUMNS, ROWS = 3, 2
TILE = {"pages": (600, 860), "charts": (900, 620)}
MARGIN, CAPTION = 12, 22


def analysis_of(name: str) -> Analysis:
    """A data set, or a world that contradicts it."""
    data_set, _, world = name.partition(":")
    if data_set not in DATA_SETS or (world and world not in WORLDS):
        known = f"{', '.join(DATA_SETS)}; after a colon {', '.join(WORLDS)}"
        sys.exit(f"{name}: no such data set; there are {known}")
    analysis = DATA_SETS[data_set](True)
    return WORLDS[world](analysis) if world else analysis


def page_images(pdf: Path, folder: Path) -> list[Path]:
    """Every page as PNG; none where poppler is not installed."""
    program = shutil.which("pdftoppm")
    if program is None:
        print("no page images: pdftoppm is missing; install poppler-utils (Debian, Ubuntu) or poppler (macOS, Fedora)")
        return []
    folder.mkdir(parents=True)
    subprocess.run([program, "-r", str(PAGE_DPI), "-png", str(pdf), str(folder / "page")], check=True)
    return sorted(folder.glob("*.png"))


def contact_sheets(images: Sequence[Path], folder: Path, kind: str) -> list[Path]:
    """Six images a sheet, each with its name below."""
    from PIL import Image, ImageDraw

    width, height = TILE[kind]
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for start in range(0, len(images), COLUMNS * ROWS):
        size = (COLUMNS * (width + MARGIN) + MARGIN, ROWS * (height + CAPTION + MARGIN) + MARGIN)
        sheet = Image.new("RGB", size, "#888888")
        words = ImageDraw.Draw(sheet)
        for number, path in enumerate(images[start : start + COLUMNS * ROWS]):
            left = MARGIN + number % COLUMNS * (width + MARGIN)
            top = MARGIN + number // COLUMNS * (height + CAPTION + MARGIN)
            with Image.open(path) as image:
                tile = image.convert("RGB")
                tile.thumbnail((width, height), Image.Resampling.LANCZOS)
                sheet.paste(tile, (left, top))
            words.text((left, top + height + 4), path.stem, fill="white")
        made.append(folder / f"{kind}-{start // (COLUMNS * ROWS) + 1:02d}.png")
        sheet.save(made[-1])
    return made


def main() -> int:
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    from reports.writer import write_report

    out, paper = Path(sys.argv[2]), sys.argv[3] if len(sys.argv) == 4 else "a4"
    analysis = analysis_of(sys.argv[1])
    for old in ("report", "pages", "sheets"):
        shutil.rmtree(out / old, ignore_errors=True)
    begun = time.monotonic()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        write_report(analysis, out / "report", paper=paper)  # type: ignore[arg-type]  # a word of the command line; write_report checks it
    print(f"{sys.argv[1]}: written in {time.monotonic() - begun:.1f} s")
    failed = json.loads((out / "report" / "manifest.json").read_text("utf-8"))["charts_failed"]
    for chart, reason in failed.items():
        print(f"chart failed: {chart}: {reason}")
    for one in dict.fromkeys(f"{c.category.__name__}: {c.message}" for c in caught):
        print(f"warning: {one}")
    pages = page_images(out / "report" / "report.pdf", out / "pages")
    sheets = contact_sheets(pages, out / "sheets", "pages")
    sheets += contact_sheets(sorted((out / "report" / "charts").glob("*.png")), out / "sheets", "charts")
    print(f"{len(pages)} pages; sheets: {', '.join(str(sheet) for sheet in sheets)}")
    return int(bool(failed or caught))


if __name__ == "__main__":
    sys.exit(main())

"""Writes the .parquet files of the tests of document sources. Needs pyarrow: python make_parquet.py"""

import json
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

here = pathlib.Path(__file__).parent

# Ten rows of everything that a text column may hold, in row groups of three.
texts = [
    "A first story.",
    "Two lines,\nand a third.\n",
    "",
    "naïve café, Ω, 漢字, 🦊👩‍👧",
    "\ufeffbegins with a byte order mark",
    None,
    "nul \0 inside",
    "long " * 2000,
    '"quoted"\t\\',
    "the end",
]
table = pa.table({"id": pa.array(range(10), pa.int64()), "text": texts, "tags": [["a", "b"]] * 10})
for codec in ("zstd", "snappy"):
    pq.write_table(table, here / f"stories_{codec}.parquet", compression=codec, row_group_size=3)
(here / "stories.json").write_text(json.dumps(texts) + "\n")

# Bytes that are no UTF-8 in a column that says so.
broken = pa.Array.from_buffers(pa.utf8(), 1, [None, pa.py_buffer(b"\0\0\0\0\3\0\0\0"), pa.py_buffer(b"a\xffb")])
pq.write_table(pa.table({"text": broken}), here / "not_utf8.parquet")

# A file with the rows of tinystories-gpt4-clean: row i is "i"; the borders of the splits fall inside row groups.
rows = pa.table({"text": [str(i) for i in range(20_030)]})
pq.write_table(
    rows,
    here / "tinystories.parquet",
    compression="zstd",
    compression_level=19,
    row_group_size=4096,
    use_dictionary=False,
    column_encoding="DELTA_BYTE_ARRAY",
)

# Shards as of climbmix-400b-shuffle: row r of shard s is "s/r".
for shard in (0, 1, 2, 6542):
    rows = pa.table({"text": [f"{shard}/{row}" for row in range(5)]})
    pq.write_table(rows, here / f"shard_{shard:05d}.parquet", compression="zstd", row_group_size=2)

# Ninety stories and ten nulls, whose number only the rows themselves tell.
trailing = pa.table({"text": [f"story {i}" for i in range(90)] + [None] * 10})
pq.write_table(trailing, here / "trailing_nulls.parquet", row_group_size=40, write_statistics=False)

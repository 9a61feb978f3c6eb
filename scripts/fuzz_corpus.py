#!/usr/bin/env python3
"""Writes tests/data/fuzz: damaged and hostile files for the readers of models, each a few bytes to a few kilobytes.

Files that a fuzzer finds are added by hand and stay; this script only writes those that are named here.
"""

import json
import pathlib
import struct

ROOT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data" / "fuzz"


def put(folder, name, data):
    path = ROOT / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())


def safetensors(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(shape, offsets, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def write_safetensors():
    norm = "model.norm.weight"
    good = {norm: tensor([2], [0, 8])}
    files = {
        "empty": b"",
        "five-bytes": b"\x02\0\0\0\0",
        "length-largest": safetensors(good, bytes(8), 2**64 - 1),
        "length-beyond-end": safetensors(good, bytes(8), 2**40),
        "length-zero": safetensors(good, bytes(8), 0),
        "not-json": safetensors(b"{model", bytes(8)),
        "an-array": safetensors([1, 2], bytes(8)),
        "nested-deeply": safetensors(b"[" * 5000, bytes(8)),
        "nested-deeply-in-a-shape": safetensors(b'{"a":{"dtype":"F32","shape":' + b"[" * 2000, bytes(8)),
        "not-utf8": safetensors(b'{"a\xff":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', bytes(8)),
        "shape-overflows": safetensors({norm: tensor([2**60, 2**60], [0, 8])}, bytes(8)),
        "shape-largest": safetensors({norm: tensor([2**64 - 1], [0, 8])}, bytes(8)),
        "shape-negative": safetensors({norm: tensor([-2], [0, 8])}, bytes(8)),
        "shape-a-fraction": safetensors({norm: tensor([2.5], [0, 8])}, bytes(8)),
        "shape-does-not-fit-its-bytes": safetensors({norm: tensor([3], [0, 8])}, bytes(8)),
        "offsets-beyond-end": safetensors({norm: tensor([2**40], [0, 2**42])}, bytes(8)),
        "offsets-reversed": safetensors({norm: tensor([2], [8, 0])}, bytes(8)),
        "offsets-overlap": safetensors({norm: tensor([2], [0, 8]), "b": tensor([2], [4, 12])}, bytes(12)),
        "offsets-with-a-hole": safetensors({norm: tensor([2], [0, 8]), "b": tensor([2], [16, 24])}, bytes(24)),
        "dtype-unknown": safetensors({norm: tensor([2], [0, 8], "F33")}, bytes(8)),
        "metadata-not-text": safetensors({"__metadata__": {"a": 1}, norm: tensor([2], [0, 8])}, bytes(8)),
        "bytes-behind-the-end": safetensors(good, bytes(4096)),
        "cut-in-the-data": safetensors(good, bytes(3)),
        "a-pickle": b"\x80\x02}q\x00X\x05\x00\x00\x00stateq\x01K\x01s.",
        "a-pointer-of-git-lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n",
    }
    for name, data in files.items():
        put("safetensors", name, data)


def write_config():
    good = {
        "model_type": "Dream", "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
        "intermediate_size": 48, "vocab_size": 260, "max_position_embeddings": 512, "tie_word_embeddings": False,
    }
    put("config", "empty", "")
    put("config", "not-json", "{'model_type': 'Dream'}")
    put("config", "a-number", "7")
    put("config", "cut", json.dumps(good)[:60])
    put("config", "not-utf8", json.dumps(good).encode().replace(b"Dream", b"Dr\xffam"))
    put("config", "nested-deeply", '{"rope_scaling":' + "[" * 5000)
    put("config", "a-key-twice", json.dumps(good)[:-1] + ', "hidden_size": 64}')
    changes = {
        "type-unknown": {"model_type": "mamba"},
        "type-a-number": {"model_type": 7},
        "type-with-escapes": {"model_type": "\x1b[2J\x1b]0;x\x07"},
        "hidden-negative": {"hidden_size": -32},
        "hidden-largest": {"hidden_size": 2**63},
        "hidden-as-text": {"hidden_size": "32"},
        "hidden-zero": {"hidden_size": 0},
        "layers-by-the-million": {"num_hidden_layers": 10**9},
        "heads-zero": {"num_attention_heads": 0},
        "heads-that-do-not-divide": {"num_attention_heads": 4, "num_key_value_heads": 3},
        "key-heads-more-than-heads": {"num_key_value_heads": 4},
        "head-of-odd-width": {"head_dim": 15},
        "head-of-a-million": {"head_dim": 2**20},
        "inner-largest": {"intermediate_size": 2**40},
        "vocabulary-of-a-billion": {"vocab_size": 2**30},
        "context-largest": {"max_position_embeddings": 2**62},
        "eps-zero": {"rms_norm_eps": 0.0},
        "theta-negative": {"rope_theta": -1e6},
        "rotary-nothing": {"partial_rotary_factor": 0.0},
        "rotary-more-than-all": {"partial_rotary_factor": 1e9},
        "positions-scaled": {"rope_scaling": {"type": "yarn", "factor": 4.0}},
        "biases-everywhere": {"use_bias": True},
        "experts-by-the-million": {"model_type": "llada2_moe", "num_experts": 2**40, "num_experts_per_tok": 1},
        "experts-none-chosen": {"model_type": "llada2_moe", "num_experts": 8, "num_experts_per_tok": 0},
        "experts-in-no-groups": {"model_type": "llada2_moe", "num_experts": 8, "n_group": 0},
    }
    for name, change in changes.items():
        put("config", name, json.dumps({**good, **change}))
    put("config", "eps-not-a-number", json.dumps(good)[:-1] + ', "rms_norm_eps": NaN}')
    put("config", "theta-infinite", json.dumps(good)[:-1] + ', "rope_theta": 1e999}')


def write_tokenizer():
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    bpe = {
        "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
        "fuse_unk": False, "byte_fallback": False, "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"],
    }
    good = {
        "version": "1.0", "truncation": None, "padding": None, "normalizer": None, "post_processor": None, "added_tokens": [],
        "pre_tokenizer": level, "decoder": level, "model": bpe,
    }
    put("tokenizer", "empty", "")
    put("tokenizer", "not-json", "tokenizer")
    put("tokenizer", "an-object-of-nothing", "{}")
    put("tokenizer", "cut", json.dumps(good)[:200])
    put("tokenizer", "not-utf8", json.dumps(good).encode().replace(b'"ab"', b'"\xff\xfe"'))
    put("tokenizer", "a-decoder-that-is-no-json", json.dumps(good)[: json.dumps(good).index('"decoder"') + 20] + "{{}")
    put("tokenizer", "a-decoder-nested-deeply", '{"decoder":' + "[" * 5000)
    put("tokenizer", "nested-deeply", '{"model":' + "[" * 5000)
    changes = {
        "model-unknown": {"model": {**bpe, "type": "Magic"}},
        "merges-of-unknown-tokens": {"model": {**bpe, "merges": ["x y"]}},
        "merges-that-are-no-pairs": {"model": {**bpe, "merges": ["ab"]}},
        "ids-negative": {"model": {**bpe, "vocab": {"a": -1}}},
        "ids-too-large": {"model": {**bpe, "vocab": {"a": 2**40}, "merges": []}},
        "not-byte-level": {"decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True}},
        "no-decoder": {"decoder": None},
        "split-that-is-no-expression": {"pre_tokenizer": {"type": "Split", "pattern": {"Regex": "(["}, "behavior": "Isolated", "invert": False}},
        "added-token-without-text": {"added_tokens": [{"id": 3}]},
    }
    for name, change in changes.items():
        put("tokenizer", name, json.dumps({**good, **change}))


def gguf(tensors=1, metadata=(), body=b"", version=3, count=None, magic=b"GGUF"):
    head = magic + struct.pack("<IQQ", version, tensors, len(metadata) if count is None else count)
    return head + b"".join(metadata) + body


def text(value):
    data = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(data)) + data


def entry(key, kind, value):
    return text(key) + struct.pack("<I", kind) + value


def write_gguf():
    arch = entry("general.architecture", 8, text("qwen2"))
    array = lambda kind, count, items=b"": struct.pack("<IQ", kind, count) + items
    info = lambda name, dims, kind, offset, n=None: (
        text(name) + struct.pack("<I", len(dims) if n is None else n) + b"".join(struct.pack("<Q", d) for d in dims) + struct.pack("<IQ", kind, offset)
    )
    nested = array(9, 1, array(9, 1, array(9, 1, array(9, 1, array(0, 1, b"\0")))))
    files = {
        "empty": b"",
        "three-bytes": b"GGU",
        "another-magic": gguf(magic=b"FUGG"),
        "version-one": gguf(version=1),
        "big-endian": b"GGUF" + struct.pack(">IQQ", 3, 1, 0),
        "tensors-largest": gguf(tensors=2**64 - 1),
        "metadata-largest": gguf(tensors=0, count=2**64 - 1),
        "metadata-cut": gguf(tensors=0, metadata=[arch])[:-3],
        "text-largest": gguf(tensors=0, metadata=[struct.pack("<Q", 2**64 - 1) + b"abcdefghij"]),
        "text-beyond-end": gguf(tensors=0, metadata=[struct.pack("<Q", 2**40) + b"abcdefghij"]),
        "array-largest": gguf(tensors=0, metadata=[entry("a", 9, array(0, 2**64 - 1))]),
        "array-of-texts-largest": gguf(tensors=0, metadata=[entry("a", 9, array(8, 2**60))]),
        "array-of-arrays-largest": gguf(tensors=0, metadata=[entry("a", 9, array(9, 2**59))]),
        "arrays-nested": gguf(tensors=0, metadata=[entry("a", 9, nested)]),
        "kind-unknown": gguf(tensors=0, metadata=[entry("a", 99, b"\0")]),
        "alignment-three": gguf(metadata=[entry("general.alignment", 4, struct.pack("<I", 3))], tensors=0),
        "alignment-zero": gguf(metadata=[entry("general.alignment", 4, struct.pack("<I", 0))], tensors=0),
        "alignment-largest": gguf(metadata=[entry("general.alignment", 10, struct.pack("<Q", 2**63))], tensors=0),
        "alignment-a-text": gguf(metadata=[entry("general.alignment", 8, text("x"))], tensors=0),
        "tensor-without-dimensions": gguf(metadata=[arch], body=info("a", [], 0, 0)),
        "tensor-of-nine-dimensions": gguf(metadata=[arch], body=info("a", [1] * 9, 0, 0)),
        "tensor-overflows": gguf(metadata=[arch], body=info("a", [2**60, 2**60], 0, 0)),
        "tensor-of-unknown-storage": gguf(metadata=[arch], body=info("a", [32], 77, 0)),
        "tensor-of-broken-blocks": gguf(metadata=[arch], body=info("a", [33], 8, 0)),
        "tensor-beyond-end": gguf(metadata=[arch], body=info("a", [2**30], 0, 0)),
        "tensor-offset-largest": gguf(metadata=[arch], body=info("a", [1], 0, 2**64 - 1)),
        "tensor-twice": gguf(tensors=2, metadata=[arch], body=info("a", [1], 0, 0) * 2 + bytes(64)),
        "tensor-name-not-utf8": gguf(metadata=[arch], body=info(b"\xff\xfe", [1], 0, 0) + bytes(64)),
        "nothing-in-it": gguf(tensors=0),
        "architecture-unknown": gguf(tensors=0, metadata=[entry("general.architecture", 8, text("mamba"))]),
        "architecture-with-escapes": gguf(tensors=0, metadata=[entry("general.architecture", 8, text("\x1b[2J"))]),
        "architecture-a-number": gguf(tensors=0, metadata=[entry("general.architecture", 4, struct.pack("<I", 7))]),
        "no-embedding": gguf(tensors=0, metadata=[arch]),
        "no-sizes": gguf(metadata=[arch], body=info("token_embd.weight", [4, 4], 0, 0) + bytes(128)),
        "split-lies": gguf(tensors=0, metadata=[arch, entry("split.tensors.count", 5, struct.pack("<i", 9))]),
    }
    for name, data in files.items():
        put("gguf", name, data)


if __name__ == "__main__":
    write_safetensors()
    write_config()
    write_tokenizer()
    write_gguf()

"""Triton kernels, interpreted; the worker that runs them, killed and crashed; the models over it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dse import Designs, Space
from dse.errors import ProblemError
from dse.models import CostModel, run_model
from dse.space import Categorical, Ordinal
from objectives.gpu.shapes import AttentionShape, GemmShape
from objectives.gpu.triton import (
    JobError,
    TritonAttention,
    TritonGemm,
    Worker,
    close_shared_workers,
)

MISSING = [name for name in ("torch", "triton") if find_spec(name) is None]
needs_triton = pytest.mark.skipif(
    bool(MISSING), reason=f"not installed: {', '.join(MISSING)} (pip install 'dse-toolkit[gpu]')"
)
needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX")
pytestmark = needs_posix

GEMM_SPACE = Space(
    [
        Ordinal("gpu.block_m", [16, 32, 64, 128, 256]),
        Ordinal("gpu.block_n", [16, 32, 64]),
        Ordinal("gpu.block_k", [16, 32, 64]),
        Ordinal("gpu.warps", [4, 8]),
        Ordinal("gpu.stages", [1, 2, 3]),
        Categorical("gpu.decomposition", ["data_parallel", "split_k", "stream_k"]),
        Ordinal("gpu.split_k", [1, 2, 3, 4, 16]),
        Ordinal("gpu.group_m", [1, 2, 8]),
    ]
)
GEMM = {
    "gpu.block_m": 32,
    "gpu.block_n": 32,
    "gpu.block_k": 32,
    "gpu.warps": 4,
    "gpu.stages": 2,
    "gpu.decomposition": "data_parallel",
    "gpu.split_k": 1,
    "gpu.group_m": 1,
}
SPLIT = GEMM | {"gpu.decomposition": "split_k", "gpu.split_k": 3}
ATTENTION = {
    "gpu.block_q": 16,
    "gpu.block_kv": 32,
    "gpu.warps": 4,
    "gpu.stages": 2,
    "gpu.split_kv": 1,
    "gpu.pack_queries": False,
}
QUICK: dict[str, Any] = {"repeats": 1, "warmup_ms": 0.0}

# A worker without torch, whose designs misbehave by their block_m.
FAULTY = """
import os, signal, subprocess, sys, time
from objectives.gpu.triton import worker

def measure(job):
    match job["design"]["block_m"]:
        case 32:
            print("about to leave", file=sys.stderr, flush=True)
            os._exit(7)
        case 64:
            os.kill(os.getpid(), signal.SIGSEGV)
        case 128:
            child = subprocess.Popen(["sleep", "600"])
            with open(os.environ["CHILD"], "w") as file:
                file.write(str(child.pid))
            time.sleep(600)
        case 256:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
    print("a stray line")
    os.system("echo another")
    return {"median_ms": 2.0, "iqr_ms": 0.5, "workspace_mib": 1.0, "energy_mj": 3.0, "pid": os.getpid()}

worker.measure = measure
worker.INTERPRETED = False
worker.greeting = lambda: {"device": "cuda", "name": "no GPU", "energy": True, "torch": "0", "triton": "0"}
sys.exit(worker.main())
"""


@pytest.fixture(autouse=True, scope="module")
def _interpreted() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        yield
    close_shared_workers()


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The command of a worker whose designs misbehave."""
    program = tmp_path / "faulty.py"
    program.write_text(FAULTY)
    monkeypatch.setenv("CHILD", str(tmp_path / "child"))
    return sys.executable, str(program)


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for does not."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return done.stdout.strip()[:1] not in {"", "Z"}


def plain(design: dict[str, Any]) -> dict[str, Any]:
    """A design as kernels take it."""
    return {name.removeprefix("gpu."): value for name, value in design.items()}


def gone(pid: int, within_s: float = 10.0) -> bool:
    until = time.monotonic() + within_s
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.05)
    return not alive(pid)


@needs_triton
@pytest.mark.parametrize(
    ("operands", "design", "shape"),
    [
        ("fp16", GEMM, (64, 64, 64)),
        ("fp16", SPLIT, (70, 45, 100)),
        ("bf16", GEMM | {"gpu.group_m": 2, "gpu.block_m": 16}, (70, 45, 100)),
        ("bf16", SPLIT | {"gpu.split_k": 16}, (33, 17, 90)),  # most shares are empty
        ("fp32", SPLIT | {"gpu.block_k": 16}, (33, 70, 50)),
        ("tf32", GEMM | {"gpu.group_m": 8}, (33, 70, 50)),
        ("fp8", GEMM | {"gpu.block_m": 64}, (70, 45, 100)),
        ("fp8", SPLIT | {"gpu.group_m": 2}, (64, 32, 96)),
        ("int8", GEMM, (70, 45, 100)),
        ("int8", SPLIT | {"gpu.group_m": 2}, (70, 45, 100)),
        ("bf16", GEMM, (1, 1, 1)),
    ],
)
def test_products_are_right(operands: str, design: dict[str, Any], shape: tuple[int, int, int]) -> None:
    model = TritonGemm((GemmShape(*shape),), operands, transposed_b=design["gpu.group_m"] == 2, **QUICK)
    (result,) = model.measure(design)
    assert result["device"] == "interpreter"
    assert result["error"]["of_allowed"] <= 1
    assert result["energy_mj"] is None
    m, n, _ = shape
    parts = design["gpu.split_k"]
    assert result["workspace_mib"] == (parts * m * n * 4 / 2**20 if parts > 1 else 0)


@needs_triton
@pytest.mark.parametrize(
    ("operands", "queries", "keys", "changes", "causal"),
    [
        ("fp16", 32, 64, {}, False),
        ("fp16", 32, 64, {}, True),
        ("bf16", 21, 43, {"gpu.pack_queries": True}, False),
        ("bf16", 21, 43, {"gpu.split_kv": 3, "gpu.block_kv": 16}, False),
        ("fp32", 40, 40, {"gpu.block_kv": 16, "gpu.split_kv": 4, "gpu.pack_queries": True}, True),
        ("tf32", 1, 100, {"gpu.split_kv": 2, "gpu.pack_queries": True}, True),
        ("fp16", 1, 3, {"gpu.split_kv": 4}, True),  # most shares are empty
    ],
)
def test_attention_is_right(
    operands: str, queries: int, keys: int, changes: dict[str, Any], causal: bool
) -> None:
    grouped = AttentionShape(1, 4, 2, queries, keys, 16, causal=causal)
    (result,) = TritonAttention((grouped,), operands, **QUICK).measure(ATTENTION | changes)
    assert result["error"]["of_allowed"] <= 1


@needs_triton
@pytest.mark.parametrize("head_dim", [64, 128, 256])
def test_attention_of_wider_heads_is_right(head_dim: int) -> None:
    shape = AttentionShape(2, 2, 1, 17, 33, head_dim)
    (result,) = TritonAttention((shape,), "fp16", **QUICK).measure(ATTENTION)
    assert result["error"]["of_allowed"] <= 1


@needs_triton
def test_torch_itself_is_measured_beside() -> None:
    for operands in ("bf16", "fp32"):
        (product,) = TritonGemm((GemmShape(33, 17, 50),), operands, **QUICK).library()
        assert product["kernels"][0]["kernel"] == "torch.matmul"
        assert product["error"]["of_allowed"] <= 1
        assert product["median_ms"] > 0
    with pytest.raises(JobError, match=r"^unsupported: torch has no product of int8 on a processor"):
        TritonGemm((GemmShape(33, 17, 50),), "int8", **QUICK).library()


@needs_triton
@pytest.mark.parametrize(
    ("queries", "keys", "causal"), [(7, 7, True), (3, 9, True), (1, 9, True), (3, 9, False)]
)
def test_torchs_attention_is_measured_beside(queries: int, keys: int, causal: bool) -> None:
    shape = AttentionShape(1, 4, 2, queries, keys, 16, causal=causal)
    (result,) = TritonAttention((shape,), "fp16", **QUICK).library()
    assert result["error"]["of_allowed"] <= 1


@needs_triton
def test_times_are_summed_over_shapes_and_wrong_designs_fail_alone() -> None:
    model = TritonGemm((GemmShape(64, 48, 80), GemmShape(33, 70, 50)), repeats=3, warmup_ms=0.0)
    assert isinstance(model, CostModel)
    rows = [SPLIT, GEMM | {"gpu.decomposition": "stream_k"}, GEMM]
    found = run_model(model, Designs.from_rows(GEMM_SPACE, rows))
    assert list(found.errors) == [1]
    assert found.errors[1].startswith("unsupported: decomposition 'stream_k'")
    time_ms, tflops = (np.asarray(found.metrics[name])[[0, 2]] for name in ("time_ms", "tflops"))
    assert model.flops == 2 * (64 * 48 * 80 + 33 * 70 * 50)
    assert tflops == pytest.approx(model.flops / time_ms / 1e9)
    assert np.asarray(found.metrics["workspace_mib"])[[0, 2]] == pytest.approx([3 * 64 * 48 * 4 / 2**20, 0])
    assert model.settings["gpu"] == "interpreter"
    json.dumps(model.settings)


@needs_triton
def test_a_result_with_rounding_is_not_exact() -> None:
    rounded = TritonGemm((GemmShape(33, 17, 50),), "bf16", tolerance=0.0, **QUICK)
    with pytest.raises(JobError, match=r"^incorrect: \d+ of 561 elements; at \[0, "):
        rounded.measure(GEMM)
    TritonGemm((GemmShape(33, 17, 50),), "int8", tolerance=0.0, **QUICK).measure(GEMM)


@needs_triton
def test_a_kernel_that_forgets_something_is_caught(tmp_path: Path) -> None:
    program = tmp_path / "wrong.py"
    program.write_text(
        "import sys\n"
        "from dataclasses import replace\n"
        "from objectives.gpu.triton import gemm, worker\n"
        "right = gemm.plan\n"
        "def plan(task, design):\n"
        "    made = right(task, design)\n"
        "    if design['group_m'] == 2:\n"  # nothing adds the last share
        "        last = made.launches[-1]\n"
        "        last = replace(last, options={**last.options, 'split_k': design['split_k'] - 1})\n"
        "        made = replace(made, launches=(*made.launches[:-1], last))\n"
        "    if design['group_m'] == 8:\n"  # a part of the result is never written
        "        first = made.launches[0]\n"
        "        made = replace(made, launches=(replace(first, grid=(first.grid[0] - 1, 1)),))\n"
        "    return made\n"
        "gemm.plan = plan\n"
        "sys.exit(worker.main())\n"
    )
    model = TritonGemm((GemmShape(40, 40, 70),), "bf16", command=(sys.executable, str(program)), **QUICK)
    rows = [SPLIT, SPLIT | {"gpu.group_m": 2}, GEMM | {"gpu.group_m": 8}, GEMM]
    found = model.evaluate(Designs.from_rows(GEMM_SPACE, rows))
    assert sorted(found.errors) == [1, 2]
    assert all(reason.startswith("incorrect: ") for reason in found.errors.values())
    assert "nan instead of" in found.errors[2]


@needs_triton
def test_one_wrong_element_is_caught() -> None:
    torch = pytest.importorskip("torch")
    from objectives.gpu.triton.operators import Numbers, Task

    numbers = Numbers(torch.float16, torch.float16, "ieee", 2**-10, 1e-3)
    expected = torch.ones((3, 5), dtype=torch.float64)
    task = Task((), expected, 1.0, numbers)
    assert task.check(expected.half(), 1.0) == {"largest": 0.0, "of_allowed": 0.0}
    for wrong in (1.01, float("nan"), float("inf")):
        output = expected.half()
        output[2, 3] = wrong
        with pytest.raises(JobError, match=r"incorrect: 1 of 15 elements; at \[2, 3\]"):
            task.check(output, 1.0)


def test_crashes_and_hangs_fail_one_design_alone(faulty: tuple[str, ...], tmp_path: Path) -> None:
    model = TritonGemm((GemmShape(8, 8, 8),), command=faulty, timeout_s=2.0, energy=True)
    rows = [GEMM | {"gpu.block_m": size} for size in (16, 32, 16, 64, 128, 256, 16)]
    found = run_model(model, Designs.from_rows(GEMM_SPACE, rows))
    assert sorted(found.errors) == [1, 3, 5]
    assert found.errors[1].startswith("crash: the worker ended with status 7: ")
    assert found.errors[1].endswith("about to leave")
    assert found.errors[3].startswith("crash: the worker ended by signal SIGSEGV")
    assert found.errors[5] == "runtime: RuntimeError: CUDA error: an illegal memory access was encountered"
    assert found.timeouts == {4}
    assert np.asarray(found.metrics["time_ms"])[[0, 2, 6]].tolist() == [2.0] * 3
    assert np.asarray(found.metrics["spread"])[[0, 2, 6]].tolist() == [0.25] * 3
    assert np.asarray(found.metrics["energy_mj"])[[0, 2, 6]].tolist() == [3.0] * 3
    assert found.seconds is not None
    assert 2.0 <= found.seconds[4] < 10.0
    assert gone(int((tmp_path / "child").read_text()))  # what a worker has started dies with it
    # An ended worker leaves none of its kind.
    (before,) = model.measure(rows[0])
    close_shared_workers()
    assert gone(before["pid"])


def test_a_batch_is_compiled_by_several_workers(
    faulty: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    program = tmp_path / "faulty.py"
    program.write_text(
        program.read_text().replace(
            "def measure(job):",
            "def measure(job):\n"
            f"    with open({str(log)!r}, 'a') as file:\n"
            "        size, only = job['design']['block_m'], bool(job.get('compile_only'))\n"
            "        print(os.getpid(), size, only, file=file)\n"
            "    if job['design']['stages'] == 3:\n"
            "        raise worker.JobError('compile', 'no such kernel')",
        )
    )
    model = TritonGemm((GemmShape(8, 8, 8),), command=faulty, timeout_s=2.0, compilers=3)
    assert model.workers == 3
    refused = GEMM | {"gpu.block_m": 16, "gpu.stages": 3}
    rows = [refused, *(GEMM | {"gpu.block_m": size} for size in (16, 64, 128, 16))]
    found = run_model(model, Designs.from_rows(GEMM_SPACE, rows))
    assert found.errors[0] == "compile: no such kernel"
    assert found.errors[2].startswith("crash: the worker ended by signal SIGSEGV")
    assert found.timeouts == {3}
    assert np.asarray(found.metrics["time_ms"])[[1, 4]].tolist() == [2.0] * 2
    lines = [line.split() for line in log.read_text().splitlines()]
    ahead, timed = ([line for line in lines if line[2] == flag] for flag in ("True", "False"))
    assert len(ahead) == 5
    assert len({pid for pid, *_ in ahead}) >= 3
    # What was refused, or took too long to compile, is not tried again; a crash may be for want of memory.
    assert [size for _, size, _ in timed] == ["16", "64", "16"]
    assert {pid for pid, *_ in ahead}.isdisjoint(pid for pid, *_ in timed)
    assert model.compile(Designs.from_rows(GEMM_SPACE, rows[:2])) == {0: "compile: no such kernel"}
    alone = TritonGemm((GemmShape(8, 8, 8),), command=faulty, compilers=0)
    assert alone.compile(Designs.from_rows(GEMM_SPACE, rows[:2])) == {}
    assert alone.settings == TritonGemm((GemmShape(8, 8, 8),), command=faulty, compilers=5).settings
    assert "compilers" not in alone.settings


def test_an_interrupt_ends_the_compilers(
    faulty: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from objectives.gpu.triton import ahead

    def interrupted(*_: object) -> None:
        until = time.monotonic() + 20.0
        while not (tmp_path / "child").exists() and time.monotonic() < until:
            time.sleep(0.05)
        raise KeyboardInterrupt

    monkeypatch.setattr(ahead.Future, "result", interrupted)
    jobs = [[{"design": {"block_m": 128}}]] * 3
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        ahead.compile_ahead(faulty, jobs, 2, 600.0)
    assert time.monotonic() - began < 60.0
    assert gone(int((tmp_path / "child").read_text()))


def test_the_worker_is_kept_between_jobs_and_ends_with_its_context(faulty: tuple[str, ...]) -> None:
    with Worker(faulty) as worker:
        job = {"design": {"block_m": 16}}
        first = worker.run(job, 30.0)["pid"]
        assert worker.run(job, 30.0)["pid"] == first == worker.pid
    assert worker.pid is None
    assert gone(first)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_its_parent(faulty: tuple[str, ...], tmp_path: Path, signum: int) -> None:
    program = (
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background job ignores it
        "from objectives.gpu.triton import Worker\n"
        "worker = Worker(tuple(sys.argv[1:]))\n"
        "worker.hello()\n"
        "print(worker.pid, flush=True)\n"
        "worker.run({'design': {'block_m': 128}}, 600.0)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, *faulty], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        child = tmp_path / "child"
        until = time.monotonic() + 20.0
        while not (child.exists() and child.read_text()) and time.monotonic() < until:
            time.sleep(0.05)
        assert alive(worker)
        parent.send_signal(signum)
        parent.wait(timeout=20.0)
    assert gone(worker)
    assert gone(int(child.read_text()))


def test_a_worker_that_does_not_start_says_why() -> None:
    with pytest.raises(ProblemError, match="does not start: crash: the worker ended with status 3: no luck"):
        Worker((sys.executable, "-c", "import sys; print('no luck', file=sys.stderr); sys.exit(3)")).hello()


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    program = tmp_path / "bare.py"
    program.write_text(
        "import sys\nfrom objectives.gpu.triton import worker\n"
        "worker.find_spec = lambda name: None\nsys.exit(worker.main())\n"
    )
    model = TritonGemm((GemmShape(8, 8, 8),), command=(sys.executable, str(program)))
    with pytest.raises(ProblemError, match=r"torch and triton missing: pip install 'dse-toolkit\[gpu\]'"):
        _ = model.settings


@needs_triton
def test_without_a_gpu_interpretation_must_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(ProblemError, match=r"TRITON_INTERPRET=1.*pip install 'dse-toolkit\[gpu\]'"):
        Worker().hello()


@needs_triton
def test_energy_needs_a_counter() -> None:
    model = TritonGemm((GemmShape(8, 8, 8),), energy=True)
    assert model.metrics["energy_mj"] == "mJ"
    assert "energy_mj" not in TritonGemm((GemmShape(8, 8, 8),)).metrics
    with pytest.raises(ProblemError, match="energy=True, but NVML counts no energy on interpreter"):
        _ = model.settings


def test_importing_the_models_imports_neither_torch_nor_triton() -> None:
    program = "import sys, objectives.gpu.triton.model; sys.exit(len({'torch', 'triton'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], env=dict(os.environ)).returncode == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TritonGemm(()), "nothing to measure"),
        (lambda: TritonGemm((GemmShape(8, 8, 0),)), "k=0"),
        (lambda: TritonGemm(((8, 8),)), "is no GemmShape"),  # type: ignore[arg-type]
        (lambda: TritonGemm((GemmShape(8, 8, 8),), "fp4"), "operands='fp4': one of fp16, bf16"),
        (lambda: TritonGemm((GemmShape(8, 8, 8),), repeats=0), "repeats=0"),
        (lambda: TritonGemm((GemmShape(8, 8, 8),), compilers=-1), "compilers=-1"),
        (lambda: TritonGemm((GemmShape(8, 8, 8),), timeout_s=float("nan")), "timeout_s=nan"),
        (lambda: TritonAttention((AttentionShape(1, 3, 2, 8, 8, 64),)), "no multiple of kv_heads=2"),
        (lambda: TritonAttention((AttentionShape(1, 1, 1, 8, 8, 80),)), "head_size=80"),
        (lambda: AttentionShape(1, 1, 1, 9, 8, 64), "would see no key"),
        (lambda: TritonAttention((AttentionShape(1, 1, 1, 8, 8, 64),), "int8"), "operands='int8'"),
    ],
)
def test_what_cannot_be_measured_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ProblemError) as raised:
        make()
    assert message in str(raised.value)


def test_operations_of_attention_count_what_is_seen() -> None:
    assert AttentionShape(2, 3, 3, 4, 6, 64, causal=False).flops == 4 * 2 * 3 * 4 * 6 * 64
    # 3 + 4 + 5 + 6 keys are seen by four queries
    assert AttentionShape(2, 3, 3, 4, 6, 64).flops == 4 * 2 * 3 * 18 * 64


@needs_triton
@pytest.mark.skipif(sys.platform != "linux", reason="Triton's assembler is for Linux")
def test_kernels_compile_for_a_gpu_that_is_not_here(tmp_path: Path) -> None:
    program = (
        "import json\n"
        "from objectives.gpu.triton import JobError, attention, gemm\n"
        "from objectives.gpu.triton.offline import compile_plan\n"
        f"split = {plain(SPLIT | {'gpu.block_m': 64, 'gpu.block_n': 64})!r}\n"
        f"flash = {plain(ATTENTION | {'gpu.block_q': 64})!r}\n"
        f"small = {plain(GEMM | {'gpu.block_k': 16})!r}\n"
        "product = gemm.task(dict(m=70, n=45, k=100), 'bf16', 0)\n"
        "shape = dict(batch=1, heads=2, kv_heads=1, queries=64, keys=64, head_size=64, causal=True)\n"
        "fused = attention.task(shape, 'fp16', 0)\n"
        "made = compile_plan(gemm.plan(product, split), 90)\n"
        "made += compile_plan(attention.plan(fused, flash), 80)\n"
        "try:\n"
        "    compile_plan(gemm.plan(gemm.task(dict(m=32, n=32, k=32), 'int8', 0), small), 90)\n"
        "except JobError as error:\n"
        "    made.append(str(error))\n"
        "print(json.dumps(made))\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment |= {"TRITON_CACHE_DIR": str(tmp_path), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    product, total, fused, refused = json.loads(done.stdout)
    assert refused.startswith("compile: ")
    assert "K >= 32" in refused
    assert product["kernel"] == "gemm_kernel"
    assert product["instructions"] == ["wgmma.mma_async"]
    assert total["kernel"] == "sum_kernel"
    assert fused["instructions"] == ["mma.sync"]
    for kernel in (product, total, fused):
        assert 0 < kernel["registers"] <= 255
        assert kernel["stack_bytes"] == 0


class FakeGpu:
    """Stands in for torch where time is taken: a call is queued at once, and takes a millisecond and 200 mJ.

    Idle it draws 50 W. Reading the counter takes 4 ms of the processor's time, and it moves in steps.
    """

    def __init__(self, step_ms: float = 20.0) -> None:
        self.now_ms, self.free_ms, self.busy_ms = 0.0, 0.0, 0.0
        self.calls, self.flushes, self.step_ms = 0, 0, step_ms
        self.cuda = self

    def queue(self, spent_ms: float) -> None:
        self.free_ms = max(self.free_ms, self.now_ms) + spent_ms

    def run(self) -> None:
        self.calls += 1
        self.busy_ms += 1.0
        self.queue(1.0)

    def synchronize(self) -> None:
        self.now_ms = max(self.now_ms, self.free_ms)

    def perf_counter(self) -> float:
        self.now_ms += 1e-3
        return self.now_ms * 1e-3

    def counter(self) -> int:
        self.now_ms += 4.0
        at = self.now_ms // self.step_ms * self.step_ms
        busy = min(self.busy_ms - max(self.free_ms - at, 0.0), at)  # what is queued is yet to come
        return int(200 * busy + 50 * (at - busy))

    def zeros(self, *_: Any, **__: Any) -> Any:
        return None

    def sum(self, *_: Any, **__: Any) -> None:  # reads what evicts the caches
        self.flushes += 1
        self.queue(5.0)

    def Event(self, enable_timing: bool = False) -> Any:  # noqa: N802
        gpu = self

        class Event:
            at = 0.0

            def record(self) -> None:
                self.at = max(gpu.free_ms, gpu.now_ms)

            def query(self) -> bool:
                return self.at <= gpu.now_ms

            def synchronize(self) -> None:
                gpu.now_ms = max(gpu.now_ms, self.at)

            def elapsed_time(self, other: Any) -> float:
                return float(other.at - self.at)

        return Event()


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> FakeGpu:
    """A GPU by its clock alone."""
    pytest.importorskip("torch")
    from objectives.gpu.triton import timing

    fake = FakeGpu()
    monkeypatch.setattr(timing, "torch", fake)
    monkeypatch.setattr(timing, "time", fake)
    monkeypatch.setattr(timing, "INTERPRETED", False)
    monkeypatch.setattr(timing, "energy_counter", lambda: fake.counter)
    monkeypatch.setattr(timing, "clock_mhz", lambda: 1980)
    return fake


@pytest.mark.parametrize("flush", [False, True])
def test_calls_are_timed_after_a_warm_up(gpu: FakeGpu, flush: bool) -> None:
    from objectives.gpu.triton import timing

    times, clock = timing.time_plan(gpu, warmup_ms=40.0, repeats=10, flush=flush)  # type: ignore[arg-type]
    assert times == pytest.approx([1.0] * 10)
    assert clock == 1980
    assert gpu.calls >= 50
    assert gpu.flushes == (10 if flush else 0)
    found = timing.summary([1.0, 2.0, 3.0, 4.0, 100.0])
    assert (found["median_ms"], found["iqr_ms"], found["repeats"]) == (3.0, 2.0, 5)


def test_energy_is_read_between_steps_of_its_counter(gpu: FakeGpu) -> None:
    from objectives.gpu.triton import timing

    # The GPU is never idle, though reading takes almost as long as the calls between two readings.
    found = timing.energy(gpu, 500.0)  # type: ignore[arg-type]
    assert found == pytest.approx((200.0, 1.0), rel=0.02)
    assert gpu.calls < 700
    gpu.step_ms = 1e9
    assert timing.energy(gpu, 500.0) is None  # type: ignore[arg-type]

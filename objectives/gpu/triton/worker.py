"""The program that runs kernels: a JSON job a line on stdin, a JSON answer a line on stdout.

``python -m objectives.gpu.triton.worker``. Its first line says what it runs on, or why it cannot.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from importlib.util import find_spec
from typing import IO, Any

from objectives.gpu.triton.jobs import INTERPRETED, JobError, reason

INSTALL = "pip install 'dse-toolkit[gpu]'"
WATCH_S = 0.5
_tasks: OrderedDict[str, Any] = OrderedDict()


def greeting() -> dict[str, Any]:
    """Return what kernels run on, or the problem."""
    missing = [name for name in ("torch", "triton") if find_spec(name) is None]
    if missing:
        return {"problem": f"{' and '.join(missing)} missing: {INSTALL}"}
    import torch
    import triton

    versions = {"torch": torch.__version__, "triton": triton.__version__}
    if INTERPRETED:
        return {"device": "interpreter", "name": "interpreter", "energy": False, **versions}
    if not torch.cuda.is_available():
        return {
            "problem": "no GPU that torch can use: run on a machine with one, or set TRITON_INTERPRET=1 to "
            f"interpret kernels on the processor, which checks results and measures nothing (torch "
            f"{torch.__version__}; one for GPUs: {INSTALL})"
        }
    from objectives.gpu.triton.timing import energy_counter

    properties = torch.cuda.get_device_properties(0)
    return {
        "device": "cuda",
        "name": properties.name,
        "uuid": str(getattr(properties, "uuid", "")),
        "capability": f"{properties.major}.{properties.minor}",
        "energy": energy_counter() is not None,
        **versions,
    }


def measure(job: Mapping[str, Any]) -> dict[str, Any]:
    """Run a job: compile, check the result, then time it.

    Parameters
    ----------
    job
        With ``library`` true, torch's own kernels are run in place of a design; with ``compile_only`` true,
        the design is compiled, for Triton's cache on disk, and nothing run.

    Raises
    ------
    JobError
        Where the design does not compile or gives a wrong result; other exceptions are the GPU's.
    """
    import torch
    from triton.runtime.errors import OutOfResources

    from objectives.gpu.triton import attention, gemm, timing

    operator = {"gemm": gemm, "attention": attention}[job["operator"]]
    if job.get("compile_only"):
        outline = operator.outline(job["shape"], job["operands"])
        return {"compile_s": _compile(operator.plan(outline, job["design"]))}
    try:
        task = _task(operator, job)
        if job.get("library"):
            plan = operator.library(task, job["operands"])
        else:
            plan = operator.plan(task, job["design"])
        compile_s = _compile(plan)
        plan.poison()
        try:
            compiled = [launch.run() for launch in plan.launches]
        except OutOfResources as error:  # seen only when the kernel is loaded
            raise JobError("compile", reason(error)) from error
        if not INTERPRETED:
            torch.cuda.synchronize()
        deviation = task.check(plan.output, float(job["tolerance"]))
        times, clock = timing.time_plan(
            plan, float(job["warmup_ms"]), int(job["repeats"]), bool(job["flush"])
        )
        energy_ms = float(job.get("energy_ms", 0.0))
        energy = timing.energy(plan, energy_ms) if energy_ms else None
        return {
            "device": "interpreter" if INTERPRETED else "cuda",
            **timing.summary(times),
            "clock_mhz": clock,
            "energy_mj": energy and energy[0],
            "sustained_ms": energy and energy[1],
            "workspace_mib": plan.workspace_mib,
            "compile_s": compile_s,
            "error": deviation,
            "kernels": [
                timing.resources(made, launch.name)
                for made, launch in zip(compiled, plan.launches, strict=True)
            ],
        }
    except torch.OutOfMemoryError as error:
        _tasks.clear()
        torch.cuda.empty_cache()
        raise JobError("runtime", reason(error)) from error


def _compile(plan: Any) -> float | None:
    """Compile all kernels of a plan; return the seconds, None where they are interpreted."""
    began = time.perf_counter()
    try:
        for launch in plan.launches:
            launch.compile()
    except Exception as error:
        raise JobError("compile", reason(error)) from error
    return None if INTERPRETED else time.perf_counter() - began


def answer(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer to a job: a result, or a failure; after a `fatal` one the worker must end."""
    number = job.get("number")
    try:
        return {"number": number, "result": measure(job)}
    except JobError as error:
        return {"number": number, "kind": error.kind, "reason": error.reason}
    except Exception as error:
        # A fault of the GPU spoils its context for all that follows.
        return {"number": number, "kind": "runtime", "reason": reason(error), "fatal": not INTERPRETED}


def main() -> int:
    """Answer jobs until stdin ends."""
    answers = _guard_stdout()
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    hello = greeting()
    _write(answers, hello)
    if "problem" in hello:
        return 1
    for line in sys.stdin:
        reply = answer(json.loads(line))
        _write(answers, reply)
        if reply.get("fatal"):
            # The usual ending would wait for the broken context.
            os._exit(1)
    return 0


def _task(operator: Any, job: Mapping[str, Any]) -> Any:
    """Return the inputs of a job, which designs share; the newest are kept in a quarter of the memory."""
    import torch

    wanted = [job["operator"], job["shape"], job["operands"], job["seed"]]
    key = json.dumps(wanted, sort_keys=True)
    if key not in _tasks:
        _tasks[key] = operator.task(job["shape"], job["operands"], int(job["seed"]))
        room = 2**30 if INTERPRETED else torch.cuda.get_device_properties(0).total_memory // 4
        while len(_tasks) > 1 and sum(task.nbytes for task in _tasks.values()) > room:
            _tasks.popitem(last=False)
    _tasks.move_to_end(key)
    return _tasks[key]


def _guard_stdout() -> IO[str]:
    """Keep the pipe of answers to ourselves: what others print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return answers


def _write(answers: IO[str], reply: Mapping[str, Any]) -> None:
    answers.write(json.dumps(reply) + "\n")
    answers.flush()


def _end_with(parent: int) -> None:
    """End this process, with its compilers, when its parent is gone: a kernel that hangs sees no stdin."""
    while os.getppid() == parent:
        time.sleep(WATCH_S)
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())

"""ONNX Runtime's CUDA provider as an engine: the protocol of protocol.ts, sessions of the works' ONNX models.

Usage: onnxruntime_cuda.py THREADS PRECISION. PRECISION: float32 or tf32. Requests on standard input, replies on file descriptor 3.
"""
import json
import os
import sys
import time

PRECISION = sys.argv[2]
REPLIES = os.fdopen(3, "w", buffering=1)
PROVIDER = "CUDAExecutionProvider"


class Unsupported(Exception):
    pass


def reply(message):
    REPLIES.write(json.dumps(message) + "\n")


def fail(error):
    reply({"error": str(error) or repr(error), "unsupported": isinstance(error, Unsupported)})


class Work:
    """A session whose input and output stay on the device."""

    def __init__(self, order):
        if "onnx" not in order:
            raise Unsupported(order.get("reason", "inference only"))
        with open(order["file"] + ".json") as file:
            header = json.load(file)
        graph = header["graph"]
        shapes = {tensor["name"]: tensor["shape"] for tensor in graph["tensors"]}
        extents = {extent["name"]: extent for extent in header["extents"]}
        data = np.fromfile(order["file"] + ".bin", dtype=np.uint8)
        self.session = session_of(order["onnx"])
        self.binding = self.session.io_binding()
        for name in graph["inputs"]:
            begin, length = extents[name]["offset"], extents[name]["length"]
            values = data[begin : begin + 4 * length].view(np.float32).reshape(shapes[name])
            if values.ndim == 4:
                values = values.transpose(0, 3, 1, 2)
            self.binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(values), "cuda", 0))
        self.binding.bind_output(graph["output"], "cuda")

    def run(self):
        self.session.run_with_iobinding(self.binding)

    def results(self):
        self.run()
        (values,) = self.binding.copy_outputs_to_cpu()
        return [(values.transpose(0, 2, 3, 1) if values.ndim == 4 else values).ravel()]


def session_of(model):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    provider = {"cudnn_conv_algo_search": "EXHAUSTIVE", "use_tf32": "1" if PRECISION == "tf32" else "0"}
    session = ort.InferenceSession(model, options, providers=[(PROVIDER, provider)])
    # It goes on without a provider that does not start.
    if PROVIDER not in session.get_providers():
        raise Unsupported(f"ONNX Runtime {ort.__version__} does not start its CUDA provider: it needs CUDA and cuDNN of its own version")
    return session


def sample(work, runs):
    start = time.perf_counter_ns()
    for _ in range(runs):
        work.run()
    return {"nanoseconds": (time.perf_counter_ns() - start) / runs}


def answer(work, request):
    call = request["call"]
    if call == "results":
        found = work.results()
        np.concatenate(found).astype(np.float32).tofile(request["file"])
        return {"lengths": [len(values) for values in found]}
    if call == "warm":
        until = time.perf_counter() + request["milliseconds"] / 1000
        runs, last = 0, None
        while runs < request["runs"] or time.perf_counter() < until:
            last = sample(work, 1)
            runs += 1
        return last
    if call == "sample":
        return sample(work, request["runs"])
    return {}


def main():
    if PROVIDER not in ort.get_available_providers():
        raise Unsupported(f"ONNX Runtime {ort.__version__} is built without CUDA: pip install onnxruntime-gpu")
    flags = {"provider": "cuda", "precision": PRECISION}
    reply({"ready": {"version": ort.__version__, "threads": int(sys.argv[1]), "clock": "time.perf_counter_ns", "flags": flags}})
    work = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            value = {}
            if request["call"] == "prepare":
                work = Work(request["order"])
            else:
                value = answer(work, request)
            if request["call"] == "release":
                work = None
            reply({"value": value})
        except Exception as error:  # whatever it throws is an answer, and the process goes on
            fail(error)
        if request["call"] == "close":
            break


try:
    import numpy as np
    import onnxruntime as ort

    # Newer ones load the CUDA libraries of pip's folders so.
    if hasattr(ort, "preload_dlls"):
        ort.preload_dlls()
    main()
except ImportError as missing:
    fail(Unsupported(f"{missing}: pip install onnxruntime-gpu"))
    sys.exit(1)
except Unsupported as reason:
    fail(reason)
    sys.exit(1)

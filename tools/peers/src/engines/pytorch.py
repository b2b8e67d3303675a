"""PyTorch as an engine: the protocol of protocol.ts, with the graph's words as torch functions.

Usage: pytorch.py THREADS [DEVICE PRECISION MODE], by default cpu float32 eager. DEVICE: cpu or cuda. PRECISION: float32 or tf32. MODE: eager, or
graph, which captures a run as a CUDA graph. Requests on standard input, replies on file descriptor 3. For PyTorch 1.13 and newer.
"""
import contextlib
import json
import os
import sys
import time

# Before anything loads a BLAS: torch.set_num_threads does not reach into OpenBLAS.
os.environ["OPENBLAS_NUM_THREADS"] = sys.argv[1]

DEVICE, PRECISION, MODE = sys.argv[2:5] if len(sys.argv) > 2 else ("cpu", "float32", "eager")
ON_GPU = DEVICE == "cuda"

REPLIES = os.fdopen(3, "w", buffering=1)
STEPS = 3  # as in programs.ts

try:
    import numpy as np
    import torch
    import torch.nn.functional as F
except ImportError as missing:
    REPLIES.write(json.dumps({"error": f"{missing}: pip install torch numpy", "unsupported": True}) + "\n")
    sys.exit(1)

FORMATS = {"channels last": torch.channels_last, "contiguous": torch.contiguous_format}


# What runs in the BLAS that is installed. On one thread, 1x1 convolutions of small batches do, where others run in oneDNN.
BLAS_OPS = {"aten::_slow_conv2d_forward", "aten::_slow_conv2d_backward", "aten::mm", "aten::addmm", "aten::bmm"}
# A BLAS is slow that runs at less than this part of oneDNN's speed; then at most that part of a work's time may be in it.
SLOW_BLAS, MOST_IN_SLOW_BLAS = 1 / 3, 0.1


class Unsupported(Exception):
    pass


def reply(message):
    REPLIES.write(json.dumps(message) + "\n")


def read_work(path):
    with open(path + ".json") as file:
        header = json.load(file)
    data = np.fromfile(path + ".bin", dtype=np.uint8)
    tensors = {}
    for extent in header["extents"]:
        begin = extent["offset"]
        values = data[begin : begin + 4 * extent["length"]].view(np.int32 if extent["dtype"] == "i32" else np.float32)
        tensors[extent["name"]] = values.copy()
    return header["graph"], header["task"], tensors


def pair(size):
    return (size["height"], size["width"])


def pad_explicitly(x, padding, value):
    return F.pad(x, (padding["left"], padding["right"], padding["top"], padding["bottom"]), value=value)


def symmetric(padding):
    return padding["top"] == padding["bottom"] and padding["left"] == padding["right"]


def conv2d(kernel, inputs, _):
    x, weight = inputs[:2]
    bias = inputs[2] if len(inputs) > 2 else None
    padding = kernel["padding"]
    if not symmetric(padding):
        x = pad_explicitly(x, padding, 0.0)
        padding = {"top": 0, "left": 0}
    edges = (padding["top"], padding["left"])
    return F.conv2d(x, weight, bias, pair(kernel["stride"]), edges, pair(kernel["dilation"]), kernel["groups"])


def max_pool(kernel, inputs, _):
    (x,) = inputs
    padding = kernel["padding"]
    if not symmetric(padding):
        x = pad_explicitly(x, padding, -float("inf"))
        padding = {"top": 0, "left": 0}
    edges = (padding["top"], padding["left"])
    return F.max_pool2d(x, pair(kernel["window"]), pair(kernel["stride"]), edges, pair(kernel["dilation"]), kernel["ceilMode"])


def average_pool(kernel, inputs, _):
    (x,) = inputs
    padding = kernel["padding"]
    if not symmetric(padding) or pair(kernel["dilation"]) != (1, 1):
        raise Unsupported("no average pool with this padding or dilation")
    edges = (padding["top"], padding["left"])
    return F.avg_pool2d(x, pair(kernel["window"]), pair(kernel["stride"]), edges, kernel["ceilMode"], kernel["countIncludePad"])


def channel_group_sum(kernel, inputs, _):
    (x,) = inputs
    n, c, h, w = x.shape
    groups = kernel["groups"]
    if kernel["layout"] == "contiguous":
        return x.reshape(n, groups, c // groups, h, w).sum(2)
    return x.reshape(n, c // groups, groups, h, w).sum(1)


def reshape(_, inputs, shape):
    (x,) = inputs
    if x.dim() == 4 and x.shape[2] * x.shape[3] > 1:
        x = x.permute(0, 2, 3, 1)
    if len(shape) == 4:
        n, h, w, c = shape
        return x.reshape(n, h, w, c).permute(0, 3, 1, 2)
    return x.reshape(shape)


def per_channel(vector):
    return vector.reshape(1, -1, 1, 1)


def elementwise(function):
    def apply(_, inputs, shape):
        # A vector of channels broadcasts against [n, c, h, w].
        return function(*(per_channel(x) if x.dim() == 1 and len(shape) == 4 else x for x in inputs))

    return apply


OPS = {
    "conv2d": conv2d,
    "maxPool": max_pool,
    "averagePool": average_pool,
    "globalAveragePool": lambda _, inputs, __: inputs[0].mean((2, 3), keepdim=True),
    "batchNorm": lambda kernel, inputs, _: F.batch_norm(inputs[0], None, None, inputs[1], inputs[2], True, 0.1, kernel["epsilon"]),
    "affine": lambda _, inputs, __: inputs[0] * per_channel(inputs[1]) + per_channel(inputs[2]),
    "channelGroupSum": channel_group_sum,
    "upsampleNearest": lambda kernel, inputs, _: F.interpolate(inputs[0], scale_factor=pair(kernel["scale"]), mode="nearest"),
    "concat": lambda _, inputs, shape: torch.cat(inputs, 1 if len(shape) == 4 else len(shape) - 1),
    "matmul": lambda _, inputs, __: inputs[0] @ inputs[1],
    "reshape": reshape,
    **{name: elementwise(getattr(torch, name)) for name in ("relu", "sigmoid", "neg", "abs", "exp", "log", "sqrt", "tanh")},
    **{name: elementwise(getattr(torch, name)) for name in ("add", "sub", "mul", "div")},
    "max": elementwise(torch.maximum),
    "min": elementwise(torch.minimum),
}


class Network(torch.nn.Module):
    """The graph's nodes, one after another, on named tensors."""

    def __init__(self, graph, values):
        super().__init__()
        self.graph = graph
        self.values = values
        self.shapes = {tensor["name"]: tensor["shape"] for tensor in graph["tensors"]}

    def forward(self, *inputs):
        values = dict(self.values)
        values.update(zip(self.graph["inputs"], inputs))
        for node in self.graph["nodes"]:
            kernel = node["kernel"]
            inputs = [values[name] for name in node["inputs"]]
            values[node["output"]] = OPS[kernel["op"]](kernel, inputs, self.shapes[node["output"]])
        return values[self.graph["output"]]


class Work:
    """A work in one memory format: `run` is what is timed."""

    def __init__(self, path, memory_format):
        self.graph, self.task, data = read_work(path)
        self.shapes = {tensor["name"]: tensor["shape"] for tensor in self.graph["tensors"]}
        self.weights = {node["inputs"][1] for node in self.graph["nodes"] if node["kernel"]["op"] == "conv2d"}
        self.format = memory_format
        self.values = {name: self.tensor(name, values) for name, values in data.items()}
        getattr(self, self.task["phase"])()

    def tensor(self, name, values):
        if name == "labels":
            return torch.from_numpy(values.astype(np.int64)).to(DEVICE)
        shape = self.shapes[self.graph["output"]] if name == "dy" else self.shapes[name]
        tensor = torch.from_numpy(values).reshape(shape)
        if len(shape) == 4:
            tensor = tensor.permute(3, 2, 0, 1) if name in self.weights else tensor.permute(0, 3, 1, 2)
            tensor = tensor.contiguous(memory_format=self.format)
        return tensor.to(DEVICE)

    def flat(self, name, tensor):
        """In the order the coordinator keeps: images NHWC, weights [kh, kw, in, out]."""
        if tensor.dim() == 4:
            tensor = tensor.permute(2, 3, 1, 0) if name in self.weights else tensor.permute(0, 2, 3, 1)
        return tensor.detach().contiguous().cpu().numpy().ravel().copy()

    def network(self):
        return Network(self.graph, {name: self.values[name] for name in self.graph["constants"]})

    def inputs(self):
        return [self.values[name] for name in self.graph["inputs"]]

    def fwd(self):
        network, inputs = self.network(), self.inputs()

        def run():
            with torch.no_grad():
                return network(*inputs)

        self.run = run
        # Of whatever `run` is when it is asked for: `optimized` puts another in its place.
        self.results = lambda: [self.flat(self.graph["output"], self.run())]

    def bwd(self):
        wrt = [self.values[name].requires_grad_() for name in self.task["wrt"]]
        y = self.network()(*self.inputs())
        dy = self.values[self.task["seed"]]
        self.run = lambda: torch.autograd.grad(y, wrt, dy, retain_graph=True)
        self.results = lambda: [self.flat(name, gradient) for name, gradient in zip(self.task["wrt"], self.run())]

    def step(self):
        names = self.task["parameters"]
        parameters = [self.values[name].requires_grad_() for name in names]
        optimizer = torch.optim.SGD(parameters, lr=self.task["learningRate"], momentum=self.task["momentum"], foreach=True)
        network, inputs, labels = self.network(), self.inputs(), self.values[self.task["labels"]]

        def run():
            optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(network(*inputs), labels)
            loss.backward()
            optimizer.step()
            return loss

        def read():
            return np.concatenate([self.flat(name, parameter) for name, parameter in zip(names, parameters)])

        def results():
            before = read()
            losses = [self.run().item()]
            moved = read() - before
            # The first step has made what the optimizer keeps, so the ones after it are all alike.
            if MODE == "graph":
                capture(self)
            losses += [self.run().item() for _ in range(STEPS - 1)]
            return [np.array(losses, dtype=np.float32), moved]

        self.run, self.results = run, results


def capture(work):
    """Puts a CUDA graph in the place of `run`, which has run before: what libraries allocate and choose at first is there."""
    graph = torch.cuda.CUDAGraph()
    eager = work.run
    torch.cuda.synchronize()
    with torch.cuda.graph(graph, stream=torch.cuda.current_stream()):
        result = eager()

    def run():
        graph.replay()
        return result

    work.run = run
    return result if isinstance(result, tuple) else (result,)


def show_unwritten(work, outputs):
    """What a replay does not write must not look like a result."""
    results = work.results

    def checked():
        for tensor in outputs:
            tensor.detach().fill_(float("nan"))
        return results()

    work.results = checked


def finish():
    """A run ends when the device has computed it."""
    if ON_GPU:
        torch.cuda.synchronize()


def optimized(work):
    """The forward pass traced and frozen, with weights packed for oneDNN."""
    traced = torch.jit.trace(work.network().eval(), work.inputs())
    frozen = torch.jit.optimize_for_inference(torch.jit.freeze(traced.eval()))
    inputs = work.inputs()

    def run():
        with torch.no_grad():
            return frozen(*inputs)

    work.run = run
    return work


def seconds_of(work):
    """The least of a few runs, or one run where that takes long. The first run, for the results, was before."""
    times = []
    while len(times) < 3 and sum(times) < 1:
        start = time.perf_counter()
        work.run()
        finish()
        times.append(time.perf_counter() - start)
    return min(times)


def gigaflops(run, flop):
    run()
    times = []
    for _ in range(3):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return flop / min(times) / 1e9


def library_speeds():
    """GFLOP/s of a matrix product and of a convolution: the BLAS's, and oneDNN's."""
    a, b = torch.ones(256, 512), torch.ones(512, 512)
    x, weight = torch.ones(1, 64, 56, 56), torch.ones(64, 64, 3, 3)
    with torch.no_grad():
        return (
            gigaflops(lambda: a @ b, 2 * 256 * 512 * 512),
            gigaflops(lambda: F.conv2d(x, weight, padding=1), 2 * 56 * 56 * 64 * 64 * 9),
        )


def refuse_slow_blas(work, blas, onednn):
    """PyTorch's own builds have a fast BLAS; distributions may have the reference one, whose time says nothing about PyTorch."""
    if blas >= SLOW_BLAS * onednn:
        return
    with torch.autograd.profiler.profile() as profile:
        work.run()
    times = {event.key: event.self_cpu_time_total for event in profile.key_averages()}
    share = sum(times.get(name, 0) for name in BLAS_OPS) / sum(times.values())
    if share > MOST_IN_SLOW_BLAS:
        speeds = f"{blas:.0f} GFLOP/s where oneDNN has {onednn:.0f}"
        raise Unsupported(f"{share:.0%} of its time would be in a BLAS of {speeds}: install libopenblas0")


def prepare(order, speeds):
    if "file" not in order:
        raise Unsupported(order.get("reason", "no portable form"))
    candidates = {name: Work(order["file"], memory_format) for name, memory_format in FORMATS.items()}
    if not ON_GPU and all(work.task["phase"] == "fwd" for work in candidates.values()):
        candidates["optimized for inference"] = optimized(Work(order["file"], torch.contiguous_format))
    if not ON_GPU:
        # Not one of the candidates where that would train it.
        refuse_slow_blas(candidates.get("optimized for inference") or Work(order["file"], torch.contiguous_format), *speeds)
    if MODE == "graph":
        for work in candidates.values():
            # A training step is captured after its first one, by `results`.
            if work.task["phase"] != "step":
                for _ in range(3):
                    work.run()
                show_unwritten(work, capture(work))
    # Results before the times: a training step is compared from its first one on.
    results = {name: work.results() for name, work in candidates.items()}
    best = min(candidates, key=lambda name: seconds_of(candidates[name]))
    work = candidates[best]
    # A training step is checked once, by its first steps, and its candidates have made them.
    if work.task["phase"] == "step":
        work.results = lambda: results[best]
    candidates.clear()
    if ON_GPU:
        # Other engines are ready at the same time, on the same device.
        torch.cuda.empty_cache()
    return work, {"note": best}


def sample(work, runs):
    start = time.perf_counter_ns()
    for _ in range(runs):
        work.run()
        finish()
    return {"nanoseconds": (time.perf_counter_ns() - start) / runs}


def answer(work, request):
    call = request["call"]
    if call == "results":
        found = work.results()
        np.concatenate([np.asarray(values, dtype=np.float32) for values in found]).tofile(request["file"])
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
    threads = int(sys.argv[1])
    torch.set_num_threads(threads)
    # Not its default: numbers below 1e-38 make its convolutions slower.
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    if MODE == "graph" and not ON_GPU:
        raise Unsupported("graphs are CUDA's")
    if ON_GPU:
        speeds = None
        flags = open_gpu()
    else:
        speeds = library_speeds()
        flags = {"oneDNN": torch.backends.mkldnn.is_available(), "matrixGflops": round(speeds[0]), "convolutionGflops": round(speeds[1])}
    reply({"ready": {"version": torch.__version__, "threads": threads, "clock": "time.perf_counter_ns", "flags": flags}})
    # Nothing is captured from the default stream, and a gradient is computed on the stream of what it is a gradient of.
    with torch.cuda.stream(torch.cuda.Stream()) if ON_GPU else contextlib.nullcontext():
        serve(speeds)


def open_gpu():
    """The first GPU, set up for speed at the precision that is asked for; what there is to say of it."""
    if not torch.cuda.is_available():
        built = torch.version.cuda
        raise Unsupported(f"PyTorch {torch.__version__} {f'for CUDA {built} finds no GPU' if built else 'is built without CUDA'}")
    torch.backends.cuda.matmul.allow_tf32 = PRECISION == "tf32"
    torch.backends.cudnn.allow_tf32 = PRECISION == "tf32"
    # It times cuDNN's algorithms, and takes the fastest.
    torch.backends.cudnn.benchmark = True
    return {
        "device": torch.cuda.get_device_name(0),
        "cuda": torch.version.cuda,
        "cudnn": str(torch.backends.cudnn.version()),
        "precision": PRECISION,
        "mode": MODE,
    }


def serve(speeds):
    work = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["call"] == "prepare":
                work, value = prepare(request["order"], speeds)
            else:
                value = answer(work, request)
            if request["call"] == "release":
                work = None
            reply({"value": value})
        except Exception as error:  # whatever torch throws is an answer, and the process goes on
            reply({"error": str(error) or repr(error), "unsupported": isinstance(error, Unsupported)})
        if request["call"] == "close":
            break


try:
    main()
except Unsupported as reason:
    reply({"error": str(reason), "unsupported": True})
    sys.exit(1)

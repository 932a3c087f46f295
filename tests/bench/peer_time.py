"""What programs of tests/bench/peer_*.py share: time of a compiled function, as `name value unit` lines on stdout."""
import time

import jax
import numpy as np

MOST, LEAST, SECONDS = 20, 3, 30.0  # repetitions and the time after which no other begins


def report(name, function, *arguments):
    """Seconds of the first call (compilation included), then the median of the next ones in ms."""
    start = time.perf_counter()
    jax.block_until_ready(function(*arguments))
    print(f"{name}_compile {time.perf_counter() - start:.4g} s", flush=True)
    times = []
    begun = time.perf_counter()
    while len(times) < LEAST or (len(times) < MOST and time.perf_counter() - begun < SECONDS):
        start = time.perf_counter()
        jax.block_until_ready(function(*arguments))
        times.append(time.perf_counter() - start)
    print(f"{name} {1e3 * np.median(times):.5g} ms", flush=True)

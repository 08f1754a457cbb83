"""pydantic-monty under load: a line of JSON on stdin says what to run and how, a line on stdout what was measured.

Each call is a session of its own, checked out from a pool of worker processes that are warm already.
"""

import json
import sys
import threading
import time

from pydantic_monty import Monty

WORKERS = 2


def call(pool, order):
    with pool.checkout() as session:
        return session.feed_run(order["code"], inputs=order["inputs"])


def caller(pool, order, barrier, durations, answers):
    answers.append(call(pool, order))
    barrier.wait()
    end = time.perf_counter() + order["seconds"]
    while time.perf_counter() < end:
        begun = time.perf_counter_ns()
        answer = call(pool, order)
        durations.append(time.perf_counter_ns() - begun)
        if answer != answers[0]:
            answers[0] = ("different answers", "")
        if order["pause"]:
            time.sleep(order["pause"])


def measure(pool, order):
    durations, answers = [], []
    barrier = threading.Barrier(order["callers"] + 1)
    arguments = (pool, order, barrier, durations, answers)
    threads = [threading.Thread(target=caller, args=arguments, daemon=True) for _ in range(order["callers"])]
    for thread in threads:
        thread.start()
    barrier.wait(timeout=60)
    begun = time.perf_counter_ns()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter_ns() - begun
    answer, state = answers[0]
    return {"durations": durations, "elapsed": elapsed, "answer": answer, "state": state}


with Monty(min_processes=WORKERS, max_processes=WORKERS) as pool:
    for line in sys.stdin:
        print(json.dumps(measure(pool, json.loads(line))), flush=True)

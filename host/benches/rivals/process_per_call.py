"""A sandbox service of the usual shape: FastAPI, and a forked process for each call. Argument: the port.

It is given what helps it: the C event loop and HTTP parser, calls side by side on a thread pool, fork instead of
spawn, a pipe instead of a queue. It has no limits on memory or processor time and keeps nothing on disk.
"""

import contextlib
import io
import logging
import multiprocessing
import sys
from types import SimpleNamespace

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

TIMEOUT_S = 5
fork = multiprocessing.get_context("fork")
app = FastAPI()


class Request(BaseModel):
    code_string: str
    context: dict


class Response(BaseModel):
    success: bool
    stdout: str
    updated_context: dict
    error: str | None


def run(code: str, context: dict, answer) -> None:
    stdout = io.StringIO()
    receiver = SimpleNamespace(attributes=context)
    try:
        with contextlib.redirect_stdout(stdout):
            exec(code, {"self": receiver})
        answer.send((True, stdout.getvalue(), receiver.attributes, None))
    except Exception as error:
        answer.send((False, stdout.getvalue(), context, repr(error)))


@app.post("/execute")
def execute(request: Request) -> Response:
    result, answer = fork.Pipe(duplex=False)
    process = fork.Process(target=run, args=(request.code_string, request.context, answer))
    process.start()
    answer.close()
    try:
        if not result.poll(TIMEOUT_S):
            raise TimeoutError("timed out")
        success, stdout, context, error = result.recv()
    except (EOFError, TimeoutError) as failure:
        process.kill()
        success, stdout, context, error = False, "", request.context, repr(failure)
    process.join()
    result.close()
    return Response(success=success, stdout=stdout, updated_context=context, error=error)


if __name__ == "__main__":
    logging.disable()
    uvicorn.run(
        app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False
    )

import collections, contextlib, copy, dataclasses, datetime, decimal, enum, functools, io, json, math, random, re, string, time, typing, uuid
seen = [math.pi, len('four'), random.random(), str(uuid.uuid4()), time.time(), json.dumps({'a': [1, None]}), str(decimal.Decimal(1) / 7)]
seen += [re.sub('a+', lambda match: 'b', 'caat'), functools.reduce(lambda a, b: a + b, [1, 2]), sorted({'x', 'y'}), hash('text'), id(object())]
seen += [str(datetime.date(2024, 2, 29)), copy.deepcopy([1, [2]]), '{:>5}|{}'.format(1, 'z'), string.ascii_lowercase[:3], getattr('x', 'upper')()]
out = io.StringIO()
with contextlib.redirect_stdout(out):
    print('captured')
seen += [out.getvalue(), [name for name in dir(self) if not name.startswith('_')], isinstance(True, int), issubclass(bool, int)]
print('printed', sum([1, 2]), max(1, 2), min(1, 2), abs(-1), sorted([2, 1]), repr('r'), str(1.5), int('7'), list(map(str, (1, 2))))
try:
    raise ValueError('raised')
except ValueError as error:
    seen.append(str(error))
return seen

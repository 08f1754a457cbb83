import builtins
import importlib

modules, denied_attributes, denied_builtins, allowed_dunders = args
Module = type(builtins)


def passes(name):
    """What the audit lets through, if the body gives every private name to something of its own."""
    if name.startswith('__') and len(name) > 2:
        return name in allowed_dunders
    return name not in denied_attributes


def of(module, *names):
    module = importlib.import_module(module)
    return {name: getattr(module, name) for name in names if hasattr(module, name)}


forbidden = {}
for found in (
    {name: importlib.import_module(name) for name in ('_aura', 'builtins', 'importlib', 'os', 'posix', 'sys', 'types')},
    of('builtins', *denied_builtins),
    of('operator', 'attrgetter', 'methodcaller'),
    of('string', 'Formatter'),
    of('functools', 'singledispatch', 'singledispatchmethod', 'update_wrapper'),
    of('typing', 'ForwardRef', 'evaluate_forward_ref', 'get_args', 'get_type_hints'),
    of('annotationlib', 'call_annotate_function', 'call_evaluate_function', 'get_annotations'),
    of('dataclasses', 'make_dataclass'),
):
    forbidden.update({id(value): (name, value) for name, value in found.items()})

queue = [(name, importlib.import_module(name)) for name in modules]
queue += [(name, value) for name, value in vars(builtins).items() if name not in denied_builtins and passes(name)]
seen = {id(value): value for _, value in queue}
kinds = set()
reached = []
while queue:
    path, value = queue.pop(0)
    for name in filter(passes, dir(value)):
        try:
            next_value = getattr(value, name)
        except Exception:
            continue
        if id(next_value) in forbidden:
            reached.append(f'{path}.{name} is {forbidden[id(next_value)][0]}')
        elif id(next_value) not in seen:
            seen[id(next_value)] = next_value
            # Of ordinary values, one of each type shows what the others have.
            if isinstance(next_value, (Module, type)) or type(next_value) not in kinds:
                kinds.add(type(next_value))
                queue.append((f'{path}.{name}', next_value))
return [len(seen), sorted(reached)]
